"""float16 and float32 go in and come out of every op and its derivatives, and no float64 array arises on the way."""

import numpy as np
import pytest

import minigan as mg
from tests.contracts.functions import CASES, IDS
from tests.helpers.leaves import dtypes_of_new_tensors


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(("name", "fn", "inputs"), CASES, ids=IDS)
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
