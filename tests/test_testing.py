"""The tools for testing ops: what the strategies draw, and what `assert_gradients` rejects."""

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import testing
from minigan.testing import arrays, assert_gradients, axes, broadcastable, shapes

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.7, -0.3]])
TRY_LONG = settings(max_examples=3000, database=None, phases=[Phase.generate], deadline=None)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda x: x.shape == (),
        lambda x: x.size == 0,
        lambda x: x.ndim == 3 and x.size > 1,
        lambda x: not x.flags.c_contiguous and x.flags.f_contiguous,
        lambda x: x.size > 1 and not x.flags.c_contiguous and not x.flags.f_contiguous,
        lambda x: any(step < 0 for step in x.strides),
    ],
    ids=["scalar", "empty", "3-d", "Fortran order", "strided", "reversed"],
)
def test_arrays_of_every_kind_are_drawn(wanted):
    x = find(arrays(), wanted, settings=TRY_LONG)
    assert x.dtype == np.float64


@given(arrays(low=0.1, high=0.7))
def test_values_lie_within_bounds_that_float32_cannot_hold(x):
    assert ((x >= 0.1) & (x <= 0.7)).all()


@given(arrays(low=-2, high=2, away_from=(0, 1)))
def test_values_keep_away_from_kinks(x):
    assert (np.abs(x) >= 0.01).all()
    assert (np.abs(x - 1) >= 0.01).all()


@given(arrays(low=-2, high=2, away_from=(0, 1), distinct=True))
def test_distinct_values_keep_away_from_one_another_and_from_kinks(x):
    assert (np.diff(np.sort(x.ravel())) >= 0.01).all()
    assert (np.abs(x) >= 0.01).all()
    assert (np.abs(x - 1) >= 0.01).all()


@given(st.data())
def test_arrays_take_a_shape_or_a_strategy_for_one(data):
    assert data.draw(arrays((2, 0, 3))).shape == (2, 0, 3)
    assert data.draw(arrays(shapes(min_dims=2, max_dims=2, min_side=1, max_side=1))).shape == (1, 1)


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


@given(axes(0))
def test_axes_of_a_scalar(axis):
    assert axis in (None, ())


# --- assert_gradients ---------------------------------------------------------------------------------------------------


def test_accepts_a_right_op():
    calls = []
    assert_gradients(lambda x: calls.append(x.dtype) or mg.exp(x), X)
    assert {np.dtype("float32"), np.dtype("float64")} <= set(calls)


def test_rejects_a_wrong_derivative():
    with pytest.raises(AssertionError, match=r"factor 1.001"):
        assert_gradients(lambda x: mg.record("op", x.data * 2, (x, lambda g, y: g * 2.002)), X)


def test_rejects_what_is_wrong_at_second_order_unless_told_to_stop_at_the_first():
    def op(x):
        return mg.record("op", x.data**2, (x, lambda g, y: g * (2 * x.data)))

    assert_gradients(op, X, order=1)
    with pytest.raises(AssertionError):
        assert_gradients(op, X)


@pytest.mark.parametrize(
    "leak", [lambda a: a * np.float64(2), lambda a: a * np.full(1, 2.0), lambda a: 2 * a.astype("float64")]
)
def test_rejects_an_op_that_leaks_float64(leak):
    with pytest.raises(AssertionError, match="float32 in, but float64 out"):
        assert_gradients(lambda x: mg.record("op", leak(x.data), (x, lambda g, y: g * 2)), X)


def test_rejects_an_op_that_is_inaccurate_in_float32():
    def op(x):
        return mg.record("op", (x.data + 1e6) - 1e6, (x, lambda g, y: g))

    with pytest.raises(AssertionError, match="float32 differs from float64"):
        assert_gradients(op, X, atol=1e-4)


def test_rejects_an_op_that_writes_into_its_input():
    def op(x):
        y = x.data * 2
        x.data[...] = 0
        return mg.record("op", y, (x, lambda g, y: g * 2))

    x = X.copy()
    with pytest.raises(AssertionError, match="an input was written to"):
        assert_gradients(op, x)
    np.testing.assert_array_equal(x, X)


def test_rejects_a_derivative_that_writes_into_its_input():
    def op(x):
        def derivative(g, y):
            x.data[0] += 1
            return g * 2

        return mg.record("op", x.data * 2, (x, derivative))

    with pytest.raises(AssertionError, match="an input was written to"):
        assert_gradients(op, X.copy())


def test_rejects_a_derivative_that_writes_into_the_arriving_gradient():
    def op(x):
        def derivative(g, y):
            g.data[...] *= 2
            return g

        return mg.record("op", x.data * 2, (x, derivative))

    with pytest.raises(AssertionError, match="the arriving gradient was written to"):
        assert_gradients(op, X)


def test_integer_inputs_are_constants():
    assert_gradients(lambda x, i: x[i], X, np.array([0, 0]))


def test_public_names_have_docstrings():
    assert all(
        f.__doc__ for f in (testing.arrays, testing.axes, testing.broadcastable, testing.shapes, testing.assert_gradients)
    )
