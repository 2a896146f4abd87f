"""The tools for testing ops: what the strategies draw, and what `assert_gradients` rejects."""

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

import minigan as mg
from minigan.testing import arrays, assert_gradients, broadcastable
from tests.gradcheck.test_planted_mistakes import product

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.7, -0.3]])
TRY_LONG = settings(max_examples=3000, database=None, phases=[Phase.generate], deadline=None, report_multiple_bugs=False)

ARRAYS = {
    "scalar": lambda x: x.shape == (), "empty": lambda x: x.size == 0, "4-d": lambda x: x.ndim > 3 and x.size > 1,
    "long": lambda x: max(x.shape, default=0) > 4,
    "Fortran order": lambda x: not x.flags.c_contiguous and x.flags.f_contiguous,
    "strided": lambda x: x.size > 1 and not x.flags.c_contiguous and not x.flags.f_contiguous,
    "reversed": lambda x: any(step < 0 for step in x.strides),
}  # fmt: skip
GROUPS = {
    "scalar": lambda a, b: a.shape == () != b.shape,
    "empty": lambda a, b: 0 in np.broadcast_shapes(a.shape, b.shape),
    "missing axes": lambda a, b: 1 < a.ndim < b.ndim,
    "both stretched": lambda a, b: np.broadcast_shapes(a.shape, b.shape) not in (a.shape, b.shape),
}


@pytest.mark.parametrize("wanted", ARRAYS.values(), ids=ARRAYS)
def test_arrays_of_every_kind_are_drawn(wanted):
    assert find(arrays(), wanted, settings=TRY_LONG).dtype == np.float64


@pytest.mark.parametrize("wanted", GROUPS.values(), ids=GROUPS)
def test_broadcastable_groups_of_every_kind_are_drawn(wanted):
    assert wanted(*find(broadcastable(), lambda pair: wanted(*pair), settings=TRY_LONG))
    assert find(broadcastable(special=True), lambda p: p[0].size > 1 and np.array_equal(*p), settings=TRY_LONG)


@given(arrays(low=0.1, high=0.7), arrays(low=-2, high=2, away_from=(0, 1), distinct=True), broadcastable(3, low=0))
def test_values_are_within_bounds_apart_and_away_from_kinks(x, distinct, group):
    assert ((x >= 0.1) & (x <= 0.7)).all()
    assert (np.diff(np.sort(distinct.ravel())) >= 0.01).all()
    assert (np.minimum(np.abs(distinct), np.abs(distinct - 1)) >= 0.01).all()
    assert np.broadcast_shapes(*(x.shape for x in group)) is not None
    assert all((x >= 0).all() for x in group)


@given(arrays((4, 4), special=True), arrays(special=True, low=0.5, high=np.inf, away_from=[1]))
def test_sixteen_special_elements_hold_every_special_number_within_bounds(x, bounded):
    assert {0.0, 1.0, -1.0, 20.0, -20.0, 1000.0, -1000.0, 3000.0, -3000.0, 1e-30, -1e-30} <= set(x.ravel())
    assert set(np.signbit(x[x == 0])) == {True, False}
    assert (x == 1000).sum() == (x == -1000).sum() == 2
    assert (bounded >= 0.5).all()
    assert (bounded != 1).all()


# --- assert_gradients ---------------------------------------------------------------------------------------------------


def first(g):
    return mg.record("first", np.full(g.shape, g.data.strides == (0, 0)) + g.data, (g, lambda h, y: h))


def lossy(size):
    return lambda x: mg.record("lossy", (x.data + size) - size, (x, lambda g, y: g))


REJECTED = {  # name: (the op, its inputs, what the error says, options)
    "inaccurate in float32": (lossy(1e6), [X], "float32 differs from float64", {"atol": 1e-4}),
    "float64 out": (lambda x: mg.record("op", x.data * np.float64([1]), (x, lambda g, y: g)), [X], "in, but float64 out", {}),
    "a float64 derivative, which the backward pass would hide": (
        product(lambda g, a, b: (g * b).astype("float64")), [X, X], "the derivative for input 0 returns float64", {}
    ),
    "wrong where it broadcasts": (product(lambda g, a, b: g * b * (1.0 + (a.shape != b.shape))), [X, X], "stretched", {}),
    "a gradient without strides": (product(lambda g, a, b: first(g) * b), [X, X], "broadcast, all strides 0", {}),
}  # fmt: skip
ACCEPTED = {
    "an op whose own business float64 is": (lambda x: (x.astype("float64") * 2.0).astype(x.dtype), [X]),
    "a product of matrices, not of stacks": (
        lambda a, b: mg.record("matmul", a.data @ b.data, (a, lambda g, y: g @ b.T), (b, lambda g, y: a.T @ g)),
        [np.ones((2, 2)), np.eye(2) + 0.5],
    ),
    "a gradient that overflows in float32, as the value does": (mg.exp, [np.array([88.722839])]),  # half of it would not
}


@pytest.mark.parametrize(("op", "inputs", "says", "options"), REJECTED.values(), ids=REJECTED)
def test_a_wrong_op_is_rejected(op, inputs, says, options):
    with pytest.raises(AssertionError, match=says):
        assert_gradients(op, *inputs, **options)


@pytest.mark.parametrize(("op", "inputs"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_right_op_is_accepted(op, inputs):
    assert_gradients(op, *inputs)
