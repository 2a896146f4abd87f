"""Arithmetic and comparisons: values against NumPy, gradients over broadcasting shapes."""

import numpy as np
import pytest
from hypothesis import given

import minigan as mg
from minigan.testing import arrays, assert_gradients, broadcastable, shapes
from tests.helpers.examples import few

SMOOTH = {"add": (mg.add, np.add), "subtract": (mg.subtract, np.subtract), "multiply": (mg.multiply, np.multiply)}
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]


@pytest.mark.parametrize("name", SMOOTH)
@few
@given(pair=broadcastable())
def test_value_and_gradients(name, pair):
    op, reference = SMOOTH[name]
    np.testing.assert_array_equal(op(*pair).numpy(), reference(*pair))
    assert_gradients(op, *pair)


@few
@given(broadcastable(low=0.5))
def test_divide(pair):
    np.testing.assert_array_equal(mg.divide(*pair).numpy(), np.divide(*pair))
    assert_gradients(mg.divide, *pair)


@few
@given(broadcastable(low=-3.0, high=-0.5))
def test_divide_by_negative_numbers(pair):
    assert_gradients(lambda a, b: mg.divide(b, a), *pair)


@few
@given(arrays(shapes(max_dims=2, max_side=3)))
def test_negative(x):
    np.testing.assert_array_equal((-mg.Tensor(x)).numpy(), -x)
    assert_gradients(mg.negative, x)


@pytest.mark.parametrize("op", [*[op for op, _ in SMOOTH.values()], mg.divide])
@pytest.mark.parametrize("number", [2, -0.5])
def test_numbers_on_either_side(op, number):
    x = np.array([[0.5, -1.5], [2.0, 3.0]])
    assert_gradients(lambda x: op(x, number), x)
    assert_gradients(lambda x: op(number, x), x)


@pytest.mark.parametrize("name", COMPARISONS)
@few
@given(pair=broadcastable(low=0, high=1))
def test_comparisons_are_numpys_and_have_no_history(name, pair):
    a, b = (mg.Tensor(np.round(x), requires_grad=True) for x in pair)
    y = getattr(mg, name)(a, b)
    np.testing.assert_array_equal(y.numpy(), getattr(np, name)(a.numpy(), b.numpy()))
    assert y.dtype == bool
    assert not y.requires_grad


@pytest.mark.parametrize("op", [mg.add, mg.subtract, mg.multiply, mg.divide])
def test_both_operands_stretched_get_gradients_of_their_own_shapes(op):
    a, b = (mg.Tensor(np.full(s, 2.0), requires_grad=True) for s in [(3, 1), (2, 1, 4)])
    ga, gb = mg.grad(op(a, b).sum(), [a, b])
    assert (ga.shape, gb.shape) == ((3, 1), (2, 1, 4))
