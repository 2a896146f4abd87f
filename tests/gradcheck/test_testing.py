"""The tools for testing ops: what the strategies draw, and what `assert_gradients` rejects."""

import unittest

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

import minigan as mg
from minigan.testing import arrays, assert_gradients, axes, broadcastable

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.7, -0.3]])
TRY_LONG = settings(max_examples=3000, database=None, phases=[Phase.generate], deadline=None)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda x: x.shape == (),
        lambda x: x.size == 0,
        lambda x: x.ndim == 3 and x.size > 1,
        lambda x: x.ndim > 3 and x.size > 1,
        lambda x: max(x.shape, default=0) > 4,
        lambda x: not x.flags.c_contiguous and x.flags.f_contiguous,
        lambda x: x.size > 1 and not x.flags.c_contiguous and not x.flags.f_contiguous,
        lambda x: any(step < 0 for step in x.strides),
    ],
    ids=["scalar", "empty", "3-d", "4-d", "long", "Fortran order", "strided", "reversed"],
)
def test_arrays_of_every_kind_are_drawn(wanted):
    x = find(arrays(), wanted, settings=TRY_LONG)
    assert x.dtype == np.float64


@given(arrays(low=0.1, high=0.7))
def test_values_lie_within_bounds_that_float32_cannot_hold(x):
    assert ((x >= 0.1) & (x <= 0.7)).all()


@given(arrays(low=-2, high=2, away_from=(0, 1), distinct=True))
def test_distinct_values_keep_away_from_one_another_and_from_kinks(x):
    assert (np.diff(np.sort(x.ravel())) >= 0.01).all()
    assert (np.abs(x) >= 0.01).all()
    assert (np.abs(x - 1) >= 0.01).all()


@given(broadcastable(3, low=0))
def test_broadcastable_groups_broadcast(group):
    assert len(group) == 3
    assert np.broadcast_shapes(*(x.shape for x in group)) is not None
    assert all((x >= 0).all() for x in group)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda g: g[0].shape == () != g[1].shape,
        lambda g: 0 in np.broadcast_shapes(g[0].shape, g[1].shape),
        lambda g: 1 < g[0].ndim < g[1].ndim,
        lambda g: np.broadcast_shapes(g[0].shape, g[1].shape) not in (g[0].shape, g[1].shape),
    ],
    ids=["scalar", "empty", "missing axes", "both stretched"],
)
def test_broadcastable_groups_of_every_kind_are_drawn(wanted):
    assert wanted(find(broadcastable(), wanted, settings=TRY_LONG))


@pytest.mark.parametrize("wanted", [None, (), 0, -1, (0, 1), (-1,)], ids=repr)
def test_axes_of_every_kind_are_drawn(wanted):
    assert find(axes(2), lambda axis: axis == wanted and type(axis) is type(wanted), settings=TRY_LONG) == wanted


# --- assert_gradients ---------------------------------------------------------------------------------------------------


def test_accepts_a_right_op():
    calls = []
    assert_gradients(lambda x: calls.append(x.dtype) or mg.exp(x), X)
    assert {np.dtype("float32"), np.dtype("float64")} <= set(calls)


def test_rejects_an_op_that_is_inaccurate_in_float32():
    def op(x):
        return mg.record("op", (x.data + 1e6) - 1e6, (x, lambda g, y: g))

    with pytest.raises(AssertionError, match="float32 differs from float64"):
        assert_gradients(op, X, atol=1e-4)


# --- what assert_gradients finds beyond wrong numbers -------------------------------------------------------------------


def product(da):
    """a * b, with this derivative(g, a, b) for a."""
    return lambda a, b: mg.record("product", a.data * b.data, (a, lambda g, y: da(g, a, b)), (b, lambda g, y: g * a))


def test_a_matrix_product_is_not_taken_for_a_product():
    def matmul(a, b):
        pairs = (a, lambda g, y: g @ b.T), (b, lambda g, y: a.T @ g)  # right for matrices, not for stacks of them
        return mg.record("matmul", a.data @ b.data, *pairs)

    for n in (1, 2):
        assert_gradients(matmul, np.ones((n, n)), np.eye(n) + 0.5)


def test_rejects_a_derivative_that_leaks_float64_which_the_walk_would_hide():
    with pytest.raises(AssertionError, match="product: float32 in, but the derivative for input 0 returns float64"):
        assert_gradients(product(lambda g, a, b: (g * b).astype("float64")), X, X)
    assert_gradients(lambda x: (x.astype("float64") * 2.0).astype(x.dtype), X)  # its own business


def test_rejects_a_derivative_that_keeps_the_arriving_gradient_of_a_single_number():
    first = lambda g: mg.record("first", np.full(g.shape, g.data.strides == (0, 0)) + g.data, (g, lambda h, y: h))  # noqa: E731
    with pytest.raises(AssertionError, match="broadcast, all strides 0"):
        assert_gradients(product(lambda g, a, b: first(g) * b), X, X)


def test_rejects_values_that_overflow_or_lose_their_digits():
    large = np.array([[1000.0, 0.5]])
    naive = lambda x: mg.record("naive", np.log(1 + np.exp(x.data)), (x, lambda g, y: g * mg.sigmoid(x)))  # noqa: E731
    with pytest.raises(AssertionError, match="float64 differs from extended precision: the output"):
        assert_gradients(naive, large)
    lossy = lambda x: mg.record("lossy", (x.data + 1e10) - 1e10, (x, lambda g, y: g))  # noqa: E731
    with pytest.raises(AssertionError):
        assert_gradients(lossy, X, atol=1, order=1)
    assert_gradients(mg.softplus, large)
    assert_gradients(mg.exp, large)


def test_accepts_subgradients_if_kinks_are_allowed():
    x = np.array([[0.0, -0.0, 1.0, -1.0]])
    assert_gradients(mg.relu, x, kinks=True)
    assert_gradients(mg.maximum, x, x, kinks=True)
    with pytest.raises(AssertionError, match="pass kinks=True"):
        assert_gradients(mg.relu, x)


# --- special numbers ----------------------------------------------------------------------------------------------------


@given(arrays((4, 4), special=True))
def test_sixteen_special_elements_hold_every_special_number(x):
    assert {0.0, 1.0, -1.0, 20.0, -20.0, 1000.0, -1000.0, 3000.0, -3000.0, 1e-30, -1e-30} <= set(x.ravel())
    assert set(np.signbit(x[x == 0])) == {True, False}
    assert (x == 1000).sum() == (x == -1000).sum() == 2


@given(arrays(special=True, low=0.5, high=np.inf, away_from=[1]))
def test_special_numbers_keep_to_bounds_and_away_from_kinks(x):
    assert (x >= 0.5).all()
    assert (x != 1).all()


def test_equal_arguments_are_drawn_among_special_ones():
    assert find(broadcastable(special=True), lambda p: p[0].size > 1 and np.array_equal(*p), settings=TRY_LONG)


def test_a_gradient_that_overflows_in_float32_because_the_value_does_is_right():
    x = np.array([88.722839])  # exp(x) is just too large for float32, half of it is not

    def exp(t):
        return mg.record("exp", t.xp.exp(t.data), (t, lambda g, y: g * y))

    assert_gradients(exp, x)


def test_in_a_unittest_a_wrong_op_shrinks_to_the_smallest_array():
    def wrong(x):
        return mg.record("wrong", x.data * x.data, (x, lambda g, y: g * x))  # not 2 x

    class TestWrong(unittest.TestCase):
        @settings(database=None, derandomize=True)
        @given(arrays())
        def test_gradients(self, x):
            assert_gradients(wrong, x)

    result = unittest.TestResult()
    TestWrong("test_gradients").run(result)
    ((_, text),) = result.failures
    assert "they differ by the factor 0.5" in text
    assert "x=array(1.)" in text
