"""`repr` of a Tensor: at most 6 lines, NumPy's brackets, first and last values, and what the op was computed from."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, nn
from minigan.testing import shapes
from tests.helpers.leaves import leaf


@given(shapes(max_dims=5, max_side=5), st.booleans(), st.sampled_from(["x", "a\nb\n" * 9]))
def test_the_text_has_at_most_6_lines_and_says_the_shape_whatever_it_is(shape, recorded, name):
    x = leaf(np.zeros(shape), name=name)
    text = repr(x * 2.0 if recorded else x)
    assert len(text.splitlines()) <= 6
    assert f"shape={shape}" in text


@pytest.mark.parametrize("shape", [(100,), (20, 30), (1, 50), (50, 1), (64, 1, 28, 28), (10**4,) * 3])  # the last has 4 TB
def test_of_many_values_the_first_and_the_last_are_shown(shape):
    last = np.int64(math.prod(shape) + 9_999)
    numbers = np.arange(10_000, last + 1).reshape(shape) if last < 10**6 else np.broadcast_to(last, shape)
    text = "".join(repr(Tensor(numbers)).split()).removeprefix("Tensor(").split(",shape=")[0]
    assert "..." in text
    assert text.startswith("[" * len(shape) + str(numbers.flat[0]))
    assert text.endswith(str(last) + "]" * len(shape))
    assert len(text) < 600


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (1.5, "Tensor(1.5, shape=(), dtype=float32)"),
        (np.zeros((3, 0, 2)), "Tensor([], shape=(3, 0, 2), dtype=float64)"),
        ([True, False], "Tensor([ True, False], shape=(2,), dtype=bool)"),
        (np.array([1, -np.inf], "float16"), "Tensor([  1., -inf], shape=(2,), dtype=float16)"),
        (np.array([[1, -20], [300, 4]]), "Tensor([[  1, -20],\n        [300,   4]],\n       shape=(2, 2), dtype=int64)"),
    ],
)
def test_what_fits_in_a_line_is_in_one_and_rows_are_below_one_another(data, says):
    assert repr(Tensor(data)) == says


def test_a_result_says_in_one_line_what_its_op_was_computed_from():
    layer, x = nn.Dense(2, 8), Tensor(np.ones((4, 2), np.float32), name="x")
    layer.parameters()
    layer.weight.requires_grad = False
    assert ("requires_grad=True" in repr(layer.bias), "requires_grad=False" in repr(layer.weight)) == (True, True)
    assert repr(layer(x)).endswith("\n       op=affine of x (4, 2), weight (2, 8), bias (8,))")
    assert repr(mg.relu(layer(x))).endswith("\n       op=relu of affine(...) (4, 8))")
    assert repr(leaf([3.0], name="w") * 2.0).endswith("op=multiply of w (1,), 2)")
    x = leaf(name="x")
    assert repr(mg.concatenate([x] * 7)).endswith("op=concatenate of x (3,), x (3,), x (3,), x (3,) and 3 more)")
    assert repr(mg.concatenate([x] * 4)).endswith("op=concatenate of x (3,), x (3,), x (3,), x (3,))")
