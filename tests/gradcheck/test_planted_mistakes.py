"""Ops with one mistake each: every one is caught, whatever the seed, and the error says what is wrong."""

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


def exp(derivative):
    return unary(np.exp, derivative)


def product(da=lambda g, a, b: g * b, db=lambda g, a, b: g * a, forward=np.multiply):
    """A product of a and b, with their derivatives."""
    return lambda a, b: record("op", forward(a.data, b.data), (a, lambda g, y: da(g, a, b)), (b, lambda g, y: db(g, a, b)))


def summed_back(wrong: Callable) -> dict[str, Callable]:
    """Two products: in the first, the gradient for a is summed back by wrong(g, a); in the second, that for b."""
    return {"0": product(da=lambda g, a, b: wrong(g * b, a)), "1": product(db=lambda g, a, b: wrong(g * a, b))}


def first_of_axes_of_size_1(g, x):
    for axis in range(-x.ndim, 0):
        if x.shape[axis] == 1 < g.shape[axis]:
            g = mg.take(g, [0], axis=axis)
    return g


def as_it_lies(g):
    """g for an array in C order; wrong for any other."""
    return record("as it lies", g.data.ravel("K").reshape(g.shape), (g, lambda h, y: h))


def contiguous_only(g):
    """g, if it is contiguous: for other arrays, zeros."""
    return record("contiguous only", g.data * g.data.flags.c_contiguous, (g, lambda h, y: h))


def written(array, value):
    array[...] = value


class Kept:
    """A square that looks up its x of the last call."""

    def __call__(self, x):
        self.x = x
        return record("op", x.data * x.data, (x, lambda g, y: g * 2.0 * self.x))


def spread(g, x, axis=-1):
    return mg.broadcast_to(mg.expand_dims(g, axis), x.shape)


def logsumexp(x):
    top = x.max(-1, keepdims=True)
    return (np.log(np.exp(x - top).sum(-1, keepdims=True)) + top)[..., 0]


def larger(at_tie: float):
    def win(g, a, b):
        return g * ((a.data > b.data).astype(a.dtype) + at_tie * (a.data == b.data).astype(a.dtype))

    return product(win, lambda g, a, b: win(g, b, a), np.maximum)


def relu(at_0: float):
    return unary(lambda x: np.maximum(x, 0), lambda g, y, x: g * np.where(x.data == 0, at_0, x.data > 0).astype(x.dtype))


PAIR, ONE = broadcastable(), st.tuples(arrays())
SPECIAL, SPECIAL_PAIR = st.tuples(arrays(special=True)), broadcastable(special=True)
SPECIAL_ROWS = st.tuples(arrays(shapes(min_dims=1, min_side=1), special=True))
SQUARE = st.integers(1, 4).flatmap(lambda n: st.tuples(arrays((n, n))))
FIRST, SECOND, NOT_FINITE = "first derivative.*", "second derivative.*", "analytic gradient is not finite"
AT_KINKS = {"kinks": True}
MISTAKES = {  # name: (the op, what is drawn, what the error says, options)
    "factor 1.001 in a": (product(lambda g, a, b: g * b * 1.001), PAIR, FIRST + "input 0.*factor 1.001"),
    "sign in b": (product(db=lambda g, a, b: -g * a), PAIR, FIRST + "input 1.*sign"),
    "a not recorded": (
        lambda a, b: record("op", a.data * b.data, (b, lambda g, y: g * a)), PAIR, FIRST + "input 0.*input missing from record"
    ),
    "spread along an axis": (unary(lambda x: x.sum(1), lambda g, y, x: spread(g, x, 0)), SQUARE, FIRST + "transpose"),
    # second order
    "b as an array": (
        product(lambda g, a, b: g * Tensor(b.data)), PAIR, SECOND + "gradient for input 0.*input 1.*with arrays"
    ),
    "g as an array": (product(lambda g, a, b: Tensor(g.data) * b), PAIR, SECOND + "the arriving gradient.*with arrays"),
    "sign of the second": (
        unary(np.sin, lambda g, y, x: g * unary(np.cos, lambda h, z, x: h * mg.sin(x))(x)), ONE, SECOND + "input 0.*sign"
    ),
    # dtypes and memory
    "g as it lies": (product(lambda g, a, b: as_it_lies(g) * b), PAIR, "gradient for floating input 0.*in Fortran order"),
    "contiguous g only": (exp(lambda g, y, x: contiguous_only(g) * y), ONE, "with inputs and arriving gradient"),
    "writes into g": (exp(lambda g, y, x: written(g.data, 2 * g.data) or g * y * 0.5), ONE, "arriving gradient was written to"),
    "writes into x": (exp(lambda g, y, x: written(x.data, x.data + 1.0) or g * y), ONE, "input was written to: input 0"),
    "in place": (unary(lambda x: np.exp(x, out=x), lambda g, y, x: g * y), ONE, "input was written to: input 0|read-only"),
    "x of the last call": (Kept(), ONE, "another call of fn|another backward pass|input 0"),
    # large arguments
    "sigmoid as e^x / (1 + e^x)": (
        unary(lambda x: np.exp(x) / (1 + np.exp(x)), lambda g, y, x: g * mg.sigmoid(x) * mg.sigmoid(-x)),
        SPECIAL, "extended precision",
    ),
    "sigmoid as 1 / (1 + e^-x)": (
        unary(lambda x: 1 / (1 + np.exp(-x)), lambda g, y, x: g * y * (1.0 - y)), SPECIAL, "overflow on the way"
    ),
    "logsumexp, naive derivative": (
        unary(logsumexp, lambda g, y, x: spread(g, x) * (mg.exp(x) / mg.exp(x).sum(-1, keepdims=True))),
        SPECIAL_ROWS, FIRST + NOT_FINITE,
    ),
    # kinks and other special points
    "relu, slope 7 at 0": (relu(7), SPECIAL, FIRST + "input 0.*slope .* below and .* above; .*outside", AT_KINKS),
    "abs as x / |x|": (unary(np.abs, lambda g, y, x: g * (x / y)), SPECIAL, FIRST + NOT_FINITE, AT_KINKS),
    "maximum, 1 to both": (larger(1.0), SPECIAL_PAIR, FIRST + "all inputs together", AT_KINKS),
    "clip, also outside": (unary(lambda x: np.clip(x, -1, 1), lambda g, y, x: g), SPECIAL, FIRST + "input 0", AT_KINKS),
    **{
        f"{name}, input {side}": (op, PAIR, f"{FIRST}input {side}|wrong for input {side}")
        for name, wrong in {
            "mean of the leading axes": lambda g, x: g.mean(tuple(range(g.ndim - x.ndim))) if g.ndim > x.ndim and g.size else g,
            "first of the axes of size 1": first_of_axes_of_size_1,
            "last for a scalar": lambda g, x: g.reshape(-1)[-1] if x.ndim == 0 and g.size else g,
        }.items()
        for side, op in summed_back(wrong).items()
    },
}  # fmt: skip


def error_of(number, op, inputs, options=()):
    """The error of a test of 50 examples, as Hypothesis runs it with this seed; "passes" if there is none."""

    @seed(number)
    @settings(
        max_examples=50, database=None, deadline=None, derandomize=False, phases=[Phase.generate], report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(inputs)
    def test(group):
        assert_gradients(op, *group, **dict(options))

    try:
        test()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "passes"


@pytest.mark.parametrize("seeds", [[0], pytest.param(range(1, 101), marks=pytest.mark.stress)], ids=["one seed", "100 seeds"])
@pytest.mark.parametrize(("op", "inputs", "says", "options"), [(*row, {})[:4] for row in MISTAKES.values()], ids=MISTAKES)
def test_mistake_is_caught_and_named(op, inputs, says, options, seeds):
    for number in seeds:
        assert re.search(says, error_of(number, op, inputs, options), re.DOTALL)
