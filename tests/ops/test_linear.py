"""Matrix products: every pair of ranks, broadcasting stacks, empty sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigan as mg
from minigan.testing import arrays, assert_gradients


@given(st.data())
def test_value_and_gradients_over_all_ranks(data):
    group = data.draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, min_side=0, max_side=2))
    a, b = (data.draw(arrays(shape)) for shape in group.input_shapes)
    y = mg.matmul(a, b)
    assert y.shape == (a @ b).shape
    np.testing.assert_allclose(y.numpy(), a @ b, atol=1e-12)
    assert_gradients(mg.matmul, a, b)


PAIRS = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((3,), (2, 3, 2)),
    ((2, 2, 3), (3,)),
    ((2, 3), (4, 3, 1)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((0,), (0,)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 2)),
    ((0, 2, 3), (3, 2)),
]


@pytest.mark.parametrize(("shape_a", "shape_b"), PAIRS)
def test_value_and_gradients(shape_a, shape_b):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(shape_a), rng.standard_normal(shape_b)
    np.testing.assert_allclose((mg.Tensor(a) @ b).numpy(), a @ b)
    assert_gradients(mg.matmul, a, b)


def test_a_matrix_times_itself():
    assert_gradients(lambda a: a @ a, np.array([[1.0, 2.0], [3.0, -1.0]]))


@pytest.mark.parametrize(
    ("shape_a", "shape_b"), [((2, 3), (2, 3)), ((3,), (2,)), ((), (3,)), ((3,), ()), ((2, 3), (4, 2, 3)), ((0,), (1,))]
)
def test_shapes_that_do_not_fit_are_named(shape_a, shape_b):
    with pytest.raises(ValueError, match=r"matmul: shapes .* do not fit") as caught:
        mg.matmul(np.ones(shape_a), np.ones(shape_b))
    assert f"{shape_a} and {shape_b}" in str(caught.value)


def test_stacks_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"matmul: shapes \(2,\) and \(3,\) do not broadcast"):
        mg.matmul(np.ones((2, 1, 1)), np.ones((3, 1, 1)))


@pytest.mark.parametrize(
    "b", [np.ones((3, 2), int), np.ones((3, 2), bool), [[1, 2], [3, 4], [5, 6]]], ids=["int", "bool", "list"]
)
def test_float32_survives_integers_masks_and_lists(b):
    x = mg.Tensor(np.ones((2, 3), "float32"), requires_grad=True)
    y = x @ b
    assert y.dtype == mg.grad(y.sum(), x)[0].dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), x.numpy() @ np.asarray(b))
