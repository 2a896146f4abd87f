"""Every op and loss computes what its twin in NumPy computes, for arguments that Hypothesis draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import Tensor, ops
from tests.contracts.functions import FUNCTIONS

WITH_TWIN = {name: entry for name, entry in FUNCTIONS.items() if entry.twin}


@pytest.mark.parametrize("name", WITH_TWIN)
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
