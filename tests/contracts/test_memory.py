"""The gradients that backward leaves have memory of their own, whatever the op."""

import itertools

import numpy as np
import pytest

import minigan as mg
from tests.contracts.functions import CASES, IDS


@pytest.mark.parametrize(("name", "fn", "inputs"), CASES, ids=IDS)
def test_gradients_that_backward_leaves_have_memory_of_their_own(name, fn, inputs):
    leaves = [mg.Tensor(np.array(x, dtype="float64"), requires_grad=True) for x in inputs()]
    y = fn(*leaves)
    for part in y if isinstance(y, tuple) else [y]:
        seed = np.ones(part.shape)
        part.backward(seed)
        grads = [x.grad.data for x in leaves if x.grad is not None]
        assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(grads, 2))
        assert not any(np.shares_memory(g, other) for g in grads for other in [seed, part.data, *[x.data for x in leaves]])
        for g in grads:
            g[...] = 0.0  # writable
        assert (seed == 1).all()
