"""Every op and loss computes what its twin in NumPy computes, in the dtype that came in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, ops
from tests.contracts.losses import ALL_CASES, FUNCTIONS, IDS
from tests.helpers.examples import few
from tests.helpers.leaves import dtypes_of_new_tensors

WITH_TWIN = {name: entry for name, entry in FUNCTIONS.items() if entry.twin}


@pytest.mark.parametrize("name", WITH_TWIN)
@few
@given(data=st.data())
def test_a_value_is_its_twins(name, data):
    entry = WITH_TWIN[name]
    inputs, options = data.draw(entry.draws)
    y, expected = entry.call(*map(Tensor, inputs), **options), np.asarray(entry.twin(*inputs, **options))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in ops.__all__ if hasattr(Tensor, name)])
def test_the_method_is_the_op(name):
    assert getattr(Tensor, name) is getattr(ops, name)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(("name", "fn", "inputs"), ALL_CASES, ids=IDS)
def test_narrow_floats_come_out_as_they_went_in(name, fn, inputs, dtype):
    leaves = [mg.Tensor(x.astype(dtype), requires_grad=True) for x in inputs()]
    with dtypes_of_new_tensors() as seen:
        y = fn(*leaves)
        for part in y if isinstance(y, tuple) else [y]:
            assert part.dtype == dtype
            first = mg.grad(part, leaves, gradient=mg.Tensor(part.numpy() * 0 + 1), create_graph=True)
            assert {g.dtype.name for g in first} == {dtype}
            second = mg.grad(mg.add(first[0].sum(), 0.0), leaves)
            assert {g.dtype.name for g in second} == {dtype}
    assert np.float64 not in seen
