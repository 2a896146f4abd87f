"""astype, to, copy: the values stay, and gradients come back as they were wanted."""

import numpy as np
from hypothesis import given

import minigan as mg
from minigan import Tensor, testing
from tests.helpers.leaves import leaf


@given(testing.arrays(testing.shapes(max_dims=2, max_side=3)))
def test_astype_passes_gradients_between_float_dtypes(x):
    t = Tensor(x, requires_grad=True)
    y = t.astype("float32")
    assert y.dtype == np.float32
    (g,) = mg.grad(y, t, gradient=np.ones(y.shape))
    assert g.dtype == np.float64
    np.testing.assert_array_equal(g.numpy(), 1)


def test_astype_to_the_same_dtype_is_the_tensor_itself_and_to_integers_a_constant():
    x = leaf()
    assert x.astype("float64") is x
    assert not x.astype("int64").requires_grad


def test_astype_is_differentiable_twice():
    x = leaf(dtype="float32")
    (g,) = mg.grad((x.astype("float64") ** 3).sum(), x, create_graph=True)
    (h,) = mg.grad(g.sum(), x)
    assert h.dtype == np.float32
    np.testing.assert_allclose(h.numpy(), 6 * x.numpy())


def test_to_the_same_backend_is_the_tensor_itself():
    x = leaf()
    assert x.to("numpy") is x


def test_a_copy_has_memory_of_its_own_and_passes_gradients_on():
    x = leaf()
    y = x.copy()
    assert not np.shares_memory(x.data, y.data)
    np.testing.assert_array_equal(y.numpy(), x.numpy())
    assert mg.gradcheck(lambda x: x.copy() * x, x.numpy())
