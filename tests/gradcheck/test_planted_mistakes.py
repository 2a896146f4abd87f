"""Ops with one mistake each: every one is caught, whatever the seed, and the error says what is wrong. Right ops pass."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, record
from minigan.testing import arrays, assert_gradients, broadcastable, shapes


def unary(forward: Callable, derivative: Callable) -> Callable:
    """An op of one input: derivative(g, y, x)."""
    return lambda x: record("op", forward(x.data), (x, lambda g, y: derivative(g, y, x)))


def binary(forward: Callable, da: Callable, db: Callable) -> Callable:
    """An op of two inputs: da(g, y, a, b), db(g, y, a, b)."""
    return lambda a, b: record(
        "op", forward(a.data, b.data), (a, lambda g, y: da(g, y, a, b)), (b, lambda g, y: db(g, y, a, b))
    )


# --- pieces: right ones, and some that are wrong in one respect ---------------------------------------------------------


def times_b(g, y, a, b):
    return g * b


def times_a(g, y, a, b):
    return g * a


def product(da=times_b, db=times_a, forward=np.multiply):
    return binary(forward, da, db)


def on_one_side(wrong: Callable) -> dict[str, Callable]:
    """Two products: in the first, the gradient for a is summed back by wrong(g, a); in the second, that for b."""
    return {
        "input 0": product(da=lambda g, y, a, b: wrong(g * b, a)),
        "input 1": product(db=lambda g, y, a, b: wrong(g * a, b)),
    }


def mean_of_leading_axes(g, x):
    return g.mean(tuple(range(g.ndim - x.ndim))) if g.ndim > x.ndim and g.size else g


def first_of_axes_of_size_1(g, x):
    for axis in range(-x.ndim, 0):
        if x.shape[axis] == 1 < g.shape[axis]:
            g = mg.take(g, [0], axis=axis)
    return g


def last_of_a_scalar(g, x):
    return g.reshape(-1)[-1] if x.ndim == 0 and g.size else g


def as_it_lies(g):
    """g, if it lies in C order."""
    return record("as it lies", g.data.ravel("K").reshape(g.shape), (g, lambda h, y: h))


def contiguous_only(g):
    """g, if it is contiguous: for other arrays, what lies in memory from its first element on."""
    start = g.data if g.data.flags.c_contiguous else np.zeros(g.shape, g.dtype)
    return record("contiguous only", start.copy(), (g, lambda h, y: h))


def written(array, value):
    array[...] = value


def constant(x):
    return Tensor(x.data)


class Kept:
    """A square that looks up its x of the last call."""

    def __call__(self, x):
        self.x = x
        return record("op", x.data * x.data, (x, lambda g, y: g * 2.0 * self.x))


def spread(g, x, axis):
    return mg.broadcast_to(mg.expand_dims(g, axis), x.shape)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def greatest(share: Callable) -> Callable:
    """max over the last axis; share(hit) is what each element gets of the gradient."""

    def op(x):
        hit = (x.data == x.data.max(-1, keepdims=True)).astype(x.dtype)
        return record("op", x.data.max(-1), (x, lambda g, y: spread(g, x, -1) * share(hit)))

    return op


def typed(condition, x):
    return condition.astype(x.dtype)


def larger(at_tie: float):
    def win(g, a, b):
        return g * (typed(a.data > b.data, a) + at_tie * typed(a.data == b.data, a))

    return binary(np.maximum, lambda g, y, a, b: win(g, a, b), lambda g, y, a, b: win(g, b, a))


def slopes(below: float, at_0: float, above: float, at_minus_0: float | None = None):
    """relu and abs: slope by slope."""

    def slope(x):
        at = np.where(np.signbit(x.data), at_0 if at_minus_0 is None else at_minus_0, at_0)
        return np.select([x.data < 0, x.data > 0], [below, above], at).astype(x.dtype)

    return lambda g, y, x: g * slope(x)


def np_clip(x):
    return np.clip(x, -1, 1)


def np_relu(x):
    return np.maximum(x, 0)


def stable_softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def stable_logsumexp(x):
    top = x.max(-1, keepdims=True)
    return (np.log(np.exp(x - top).sum(-1, keepdims=True)) + top)[..., 0]


# --- what is drawn ------------------------------------------------------------------------------------------------------

PAIR = broadcastable()
ONE = st.tuples(arrays())
SHORT = {"min_dims": 1, "max_dims": 2, "min_side": 1, "max_side": 4}
ROWS = st.tuples(arrays(shapes(**SHORT)))
SPECIAL = st.tuples(arrays(special=True))
SPECIAL_ROWS = st.tuples(arrays(shapes(min_dims=1, min_side=1), special=True))
WITH_ZEROS = st.tuples(arrays(shapes(**SHORT), special=True, low=-3, high=3).map(lambda x: np.where(np.abs(x) < 0.01, 0.0, x)))
SPECIAL_PAIR = broadcastable(special=True)
AT_KINKS = {"kinks": True}

FIRST, SECOND = "first derivative.*", "second derivative.*"
NOT_FINITE = "analytic gradient is not finite"


MISTAKES: dict[str, tuple] = {  # all mistakes by name
    # a product, wrong everywhere
    "product: factor 1.001 in a": (product(da=lambda g, y, a, b: g * b * 1.001), PAIR, FIRST + "input 0.*factor 1.001"),
    "product: sign in b": (product(db=lambda g, y, a, b: -g * a), PAIR, FIRST + "input 1.*sign"),
    "product: a not recorded": (
        lambda a, b: record("op", a.data * b.data, (b, lambda g, y: g * a)),
        PAIR, FIRST + "input 0.*input missing from record",
    ),
    # second order
    "product: b as an array": (
        product(da=lambda g, y, a, b: g * constant(b)), PAIR, SECOND + "gradient for input 0.*input 1.*with arrays"
    ),
    "product: g as an array": (
        product(da=lambda g, y, a, b: constant(g) * b), PAIR, SECOND + "the arriving gradient.*with arrays"
    ),
    "exp: y as an array": (unary(np.exp, lambda g, y, x: g * constant(y)), ONE, SECOND + "input 0.*with arrays"),
    "sin: sign of the second": (
        unary(np.sin, lambda g, y, x: g * unary(np.cos, lambda h, z, x: h * mg.sin(x))(x)), ONE, SECOND + "input 0.*sign"
    ),
    # dtypes
    "product: float64 out": (product(forward=lambda a, b: a * b * np.float64(1)), PAIR, "float32 in, but float64 out"),
    # memory
    "product: g as it lies": (
        product(da=lambda g, y, a, b: as_it_lies(g) * b), PAIR, "gradient for floating input 0.*in Fortran order"
    ),
    "exp: contiguous g only": (unary(np.exp, lambda g, y, x: contiguous_only(g) * y), ONE, "with inputs and arriving gradient"),
    "exp: writes into g": (
        unary(np.exp, lambda g, y, x: written(g.data, 2 * g.data) or g * y * 0.5), ONE, "arriving gradient was written to"
    ),
    "exp: writes into x": (
        unary(np.exp, lambda g, y, x: written(x.data, x.data + 1.0) or g * y), ONE, "input was written to: input 0"
    ),
    "relu in place": (
        unary(lambda x: np.maximum(x, 0, out=x), slopes(0, 0, 1)),
        st.tuples(arrays(away_from=[0])), "input was written to: input 0|read-only",
    ),
    "square: x of the last call": (Kept(), ONE, "another call of fn|another backward pass|input 0"),
    # one input, wrong everywhere
    "exp: nan": (unary(np.exp, lambda g, y, x: g * y * np.nan), ONE, FIRST + NOT_FINITE),
    # several inputs, wrong everywhere
    "sum: spread along the wrong axis": (
        unary(lambda x: x.sum(1), lambda g, y, x: spread(g, x, 0)),
        st.integers(1, 4).flatmap(lambda n: st.tuples(arrays((n, n)))), FIRST + "input 0.*transpose",
    ),
    "mean: divided by the size": (
        unary(lambda x: x.mean(-1), lambda g, y, x: spread(g, x, -1) * (1.0 / x.size)), ROWS, FIRST + "input 0.*factor 0"
    ),
    "softmax: only the diagonal": (unary(softmax, lambda g, y, x: g * y * (1.0 - y)), ROWS, FIRST + "input 0"),
    # large arguments
    "sigmoid: e^x / (1 + e^x)": (
        unary(lambda x: np.exp(x) / (1 + np.exp(x)), lambda g, y, x: g * mg.sigmoid(x) * (1.0 - mg.sigmoid(x))), SPECIAL, "extended precision"
    ),
    "sigmoid: 1 / (1 + e^-x)": (
        unary(lambda x: 1 / (1 + np.exp(-x)), lambda g, y, x: g * y * (1.0 - y)), SPECIAL, "overflow on the way"
    ),
    "logsumexp: naive derivative": (
        unary(stable_logsumexp, lambda g, y, x: spread(g, x, -1) * (mg.exp(x) / mg.exp(x).sum(-1, keepdims=True))),
        SPECIAL_ROWS, FIRST + NOT_FINITE,
    ),
    # kinks and other special points
    "relu: slope 7 at 0": (
        unary(np_relu, slopes(0, 7, 1)), SPECIAL, FIRST + "input 0.*slope .* below and .* above; .*outside", AT_KINKS
    ),
    "relu: slope 2 at -0": (unary(np_relu, slopes(0, 0, 1, 2)), SPECIAL, FIRST + "input 0.*outside", AT_KINKS),
    "abs: x / |x|": (unary(np.abs, lambda g, y, x: g * (x / y)), SPECIAL, FIRST + NOT_FINITE, AT_KINKS),
    "norm: x / |x|, also at 0": (
        unary(lambda x: np.sqrt((x * x).sum(-1)), lambda g, y, x: spread(g, x, -1) * (x / spread(y, x, -1))),
        WITH_ZEROS, NOT_FINITE, AT_KINKS,
    ),
    "maximum: 1 to both": (larger(1.0), SPECIAL_PAIR, FIRST + "all inputs together", AT_KINKS),
    "max: 1 to each of several": (greatest(lambda hit: hit), SPECIAL_ROWS, FIRST + "all inputs", AT_KINKS),
    "clip: not outside": (unary(np_clip, lambda g, y, x: g), SPECIAL, FIRST + "input 0", AT_KINKS),
    "prod: y / x": (
        unary(lambda x: x.prod(-1), lambda g, y, x: spread(g * y, x, -1) / x), SPECIAL_ROWS, NOT_FINITE + "|second derivative"
    ),
}  # fmt: skip
SIDES = {
    "mean of the leading axes": mean_of_leading_axes,
    "first of the axes of size 1": first_of_axes_of_size_1,
    "last for a scalar": last_of_a_scalar,
}
for _name, _wrong in SIDES.items():
    for _side, _op in on_one_side(_wrong).items():
        MISTAKES[f"product: {_name}, {_side}"] = (_op, PAIR, f"{FIRST}{_side}|wrong for {_side}")

RIGHT = {
    "product": (product(), PAIR, {}),
    "exp": (unary(np.exp, lambda g, y, x: g * y), ONE, {}),
    "tanh": (unary(np.tanh, lambda g, y, x: g * (1.0 - y * y)), SPECIAL, {}),
    "softmax": (unary(softmax, lambda g, y, x: y * (g - (g * y).sum(-1, keepdims=True))), SPECIAL_ROWS, {}),
    "softplus": (unary(stable_softplus, lambda g, y, x: g * mg.sigmoid(x)), SPECIAL, {}),
    "relu": (unary(np_relu, slopes(0, 0, 1)), SPECIAL, AT_KINKS),
    "relu, slope 1/2 at 0": (unary(np_relu, slopes(0, 0.5, 1)), SPECIAL, AT_KINKS),
    "maximum": (larger(0.5), SPECIAL_PAIR, AT_KINKS),
    "max": (greatest(lambda hit: hit / hit.sum(-1, keepdims=True)), SPECIAL_ROWS, AT_KINKS),
    "prod": (mg.prod, SPECIAL_ROWS, {}),
}

SEEDS = [
    pytest.param(range(1, 4), id="3 seeds", marks=pytest.mark.slow),
    pytest.param(range(4, 101), id="97 seeds", marks=pytest.mark.stress),
]


def run(number, op, inputs, options=()):
    """A test of 50 examples, as Hypothesis runs it with this seed; the error that it ends with, or None."""

    @seed(number)
    @settings(
        max_examples=50,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def test(group):
        assert_gradients(op, *group, **dict(options))

    try:
        test()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def check_planted(name, number):
    op, inputs, says, *options = MISTAKES[name]
    error = run(number, op, inputs, *options)
    assert error is not None, "not caught"
    assert re.search(says, error, re.DOTALL), error


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_caught_and_named(name):
    check_planted(name, 0)


@pytest.mark.parametrize("name", ["product"])  # the others with -m slow
def test_right_op_passes(name):
    assert run(0, *RIGHT[name]) is None


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_caught_with_every_seed(name, seeds):
    for number in seeds:
        check_planted(name, number)


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", RIGHT)
def test_right_op_passes_with_every_seed(name, seeds):
    for number in seeds:
        assert run(number, *RIGHT[name]) is None
