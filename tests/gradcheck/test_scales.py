"""gradcheck's verdict does not depend on how large or small a function, its argument and its slopes are."""

import numpy as np
import pytest

import minigan as mg
from minigan import GradcheckError, Tensor, gradcheck, nn, record
from minigan.testing import assert_gradients
from tests.gradcheck.test_planted_mistakes import unary as op

X = np.linspace(-2.0, 2.0, 5)


def sine(size, factor):
    return op(lambda x: size * np.sin(x), lambda g, y, x: g * (factor * size) * mg.cos(x))


def sigmoid_cut_at(low, high):
    return op(lambda x: np.exp(-np.logaddexp(0, -x)), lambda g, y, x: g * y * (1 - y) * ((x.data > low) & (x.data < high)))


def at(*numbers):
    return np.array(numbers)


def steps(factor):
    """Rows of very different slopes; the first one's gradient is wrong by this factor."""
    rows = np.array([1.0, 4.0, 7.0, 13.0])
    return op(lambda w: np.exp(w * rows), lambda g, y, w: g * y * rows * np.where(rows < 2, factor, 1))


WRONG = {  # function, point, what the error says
    **{f"sine of {s:g} times {f}": (sine(s, f), X, "index") for s in (1e-100, 1e-8, 1e8) for f in (-1.0, 0.0, 1.01)},
    "sigmoid cut to 0 below": (sigmoid_cut_at(-17, 1e9), at(-20.0, 1.0), "index .0,"),
    "identity at 1e11": (op(np.copy, lambda g, y, x: 3.0 * g), at(1e11), "factor 3"),
    "1 / x at 1e-8": (op(np.reciprocal, lambda g, y, x: -1.01 * g * y * y), at(1e-8), "factor 1.01"),
    "log at 1e-30 next to 1e-20": (op(np.log, lambda g, y, x: g / x * at(0, 1)), at(1e-30, 1e-20), "index .0,"),
    "x abs(x) at 0": (op(lambda x: x * np.abs(x), lambda g, y, x: g * (2 * mg.abs(x) + 1e-6)), at(0.0), "analytic"),
    "exp at 12000": (op(np.exp, lambda g, y, x: -g * y), at(12000.0), "nothing could be compared"),
    "exp at infinity": (mg.exp, at(np.inf), "nothing could be compared"),
    "sine in float32": (
        op(lambda x: np.sin(x.astype("f4")).astype(x.dtype), lambda g, y, x: g * mg.cos(x)), at(0.5), "lower prec"
    ),
    "a row without a gradient": (steps(0), np.ones(1), r"input 0 \(fn weighted\), index \(0,\)"),
    "a slope that float64 cannot see": (op(lambda x: 1 + 1e-13 * x, lambda g, y, x: 0.0 * g), at(0.5), "numeric"),
    "noise": (op(lambda x: np.sin(x) + 1e-9 * np.sin(1e12 * x), lambda g, y, x: g * mg.cos(x)), at(0.5), "check cannot decide"),
    "jump": (op(lambda x: np.where(x > 0, x, -1.0), lambda g, y, x: g), at(0.0), "kink|cannot decide"),
}  # fmt: skip
MINIBATCH = np.random.default_rng(0).standard_normal((4, 3))
MATRIX, WEIGHT = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), at(0.3, 0.7)
RIGHT = {
    "rows of different slopes": (steps(1), np.ones(1)),
    "log at 1e-6": (mg.log, at(1e-6, 1e-12, 1e-30)),
    "x abs(x) at 0": (lambda x: x * mg.abs(x), at(0.0)),
    "tanh and sigmoid of 15": (lambda x: mg.tanh(x) * mg.sigmoid(-x), at(15.0, -18.0, 19.5)),
    "wave of length 1e-6": (lambda x: mg.sin(1e6 * x), at(0.0, 1e-7, 0.3)),
    "differences of large numbers": (lambda x: (x + 1e8) - 1e8, at(0.5, 0.3)),
    "rows of softmax 1000 apart": (mg.softmax, at([100.0, 200.0, 461.0], [0.0, 1000.0, 1000.0])),
    "constants that are infinite": (lambda x: mg.where([True, False], x, -np.inf).max(), at(1.0, 2.0)),
    # numbers that cancel
    "squared error at its minimum": (lambda w: ((MATRIX @ w - MATRIX @ WEIGHT) ** 2).mean(), WEIGHT),
    "gradient penalty at its minimum": (lambda w: (mg.norm(w) - 1) ** 2, at(0.6, 0.8)),
    "the mean of batch norm": (lambda x: nn.BatchNorm1d(3)(x).mean(0), MINIBATCH),
    "log after exp": (lambda x: mg.log(mg.exp(x)) - x, MINIBATCH),
}


@pytest.mark.parametrize(("fn", "x", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_or_cannot_be_told_is_refused(fn, x, says):
    with pytest.raises(GradcheckError, match=says):
        gradcheck(fn, x, order=1)


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_accepted(name):
    assert gradcheck(*RIGHT[name], kinks=len(name) % 3 == 0)


@pytest.mark.parametrize("kinks", [True, False])
def test_a_kink_next_to_x_does_no_harm(kinks):
    near = np.random.default_rng(0).standard_normal(6)
    assert gradcheck(mg.relu, 1e-5 * near, kinks=kinks)
    assert gradcheck(lambda x: mg.clip(x, -1, 1e-4), 1e-4 + 1e-6 * near, kinks=kinks)


def test_numbers_that_float32_rounds_are_no_mistake_of_the_op():
    assert_gradients(mg.sin, at(1e5 / 3))
    assert_gradients(lambda x: mg.log(1 - x), at(1 - 1e-6))


# --- ways back ----------------------------------------------------------------------------------------------------------


def overwriting(x):
    """Right once: its derivative computes in the buffer that it has kept."""
    kept = 2 * x.data
    return record("overwriting", x.data**2, (x, lambda g, y: Tensor(np.multiply(kept, g.data, out=kept).copy())))


def total(wrong):
    """The sum of the inputs; the gradient for the first is 1 + wrong(which inputs require one)."""

    def fn(*inputs):
        factor = 1.0 + wrong(*[x.requires_grad for x in inputs])
        first, *others = [(x, lambda g, y: g) for x in inputs]
        return record("fn", np.sum([x.data for x in inputs], axis=0), (first[0], lambda g, y: g * factor), *others)

    return fn


def at_a_small_element(a, b):
    wrong = at(1.0, 1.0) if b.requires_grad else at(1.0, 1.01)
    return record("fn", a.data * b.data, (a, lambda g, y: g * b * wrong), (b, lambda g, y: g * a))


WAYS = {  # name: (the function, its inputs, which way back is wrong)
    "again": (overwriting, [X], "in another backward pass through the same graph"),
    "alone": (total(lambda a, b, c: a and not (b or c)), [X] * 3, "where only input 0 requires a gradient"),
    "one frozen": (total(lambda a, b, c: b and not c), [X] * 3, "where input 2 requires none"),
    "two of four": (total(lambda a, b, c, d: a and c and not (b or d)), [X] * 4, "where only input 0 and input 2 require"),
    "a small element": (at_a_small_element, [np.ones(2), at(1e8, 1.0)], "where only input 0 requires a gradient"),
}


@pytest.mark.parametrize("check", [gradcheck, assert_gradients])
@pytest.mark.parametrize(("fn", "inputs", "way"), WAYS.values(), ids=WAYS)
def test_a_gradient_that_depends_on_the_way_back_is_refused(fn, inputs, way, check):
    with pytest.raises(GradcheckError, match=f"input 0: {way}.* the gradient differs"):
        check(fn, *inputs, order=1)
