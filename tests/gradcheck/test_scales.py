"""gradcheck's verdict does not depend on how large or small a function, its argument and its slopes are."""

import numpy as np
import pytest

import minigan as mg
from minigan import GradcheckError, Tensor, data, games, gradcheck, nn, optim, record
from minigan.testing import assert_gradients
from tests.contracts.ops import CASES
from tests.contracts.test_gradients import SCALES, scaled
from tests.gradcheck.test_check import Wrong

X = np.linspace(-2.0, 2.0, 5)


def op(forward, derivative):
    """An op of one input: derivative(g, y, x)."""
    return lambda x: record("op", forward(x.data), (x, lambda g, y: derivative(g, y, x)))


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
    **{f"sine of {s:g} times {f}": (sine(s, f), X, "index") for s in (1e-100, 1e-8, 1e8) for f in (-1.0, 0.0, 3.0, 1.01)},
    "offset": (op(lambda x: 1e6 + 1e-6 * np.sin(x), lambda g, y, x: g * -1e-6 * mg.cos(x)), X, "index"),
    "sigmoid cut to 0 below": (sigmoid_cut_at(-17, 1e9), at(-20.0, 1.0), "index .0,"),
    "sigmoid cut to 0 above": (sigmoid_cut_at(-1e9, 17), at(20.0, 1.0), "index .0,"),
    "tanh cut to 0 above": (op(np.tanh, lambda g, y, x: g * (1 - y * y) * (x.data < 9)), at(10.0, 1.0), "index .0,"),
    "identity at 1e11": (op(np.copy, lambda g, y, x: 3.0 * g), at(1e11), "factor 3"),
    "1 / x at 1e-8": (op(np.reciprocal, lambda g, y, x: -1.01 * g * y * y), at(1e-8), "factor 1.01"),
    "square at 1e80": (op(np.square, lambda g, y, x: 2.02 * g * x), at(1e80), "factor 1.01"),
    "cube at 1e20 next to 1e30": (op(lambda x: x**3, lambda g, y, x: 3.0 * g * x**2 * at(0, 1)), at(1e20, 1e30), "index .0,"),
    "log at 1e-30 next to 1e-20": (op(np.log, lambda g, y, x: g / x * at(0, 1)), at(1e-30, 1e-20), "index .0,"),
    "x abs(x) at 0": (op(lambda x: x * np.abs(x), lambda g, y, x: g * (2 * mg.abs(x) + 1e-6)), at(0.0), "analytic"),
    "exp at 12000": (op(np.exp, lambda g, y, x: -g * y), at(12000.0), "nothing could be compared"),
    "exp at 12000, slope 0": (op(np.exp, lambda g, y, x: g * 0.0), at(12000.0), "nothing could be compared"),
    "exp at 12000 next to 1": (mg.exp, at(12000.0, 1.0), "index .0,.*nothing could be compared"),
    "exp at infinity": (mg.exp, at(np.inf), "nothing could be compared"),
    "log at -1": (mg.log, at(-1.0), "nothing could be compared"),
    "sine in float32": (
        op(lambda x: np.sin(x.astype("f4")).astype(x.dtype), lambda g, y, x: g * mg.cos(x)),
        at(0.5),
        "lower prec",
    ),
    "a row without a gradient": (steps(0), np.ones(1), r"input 0 \(fn weighted\), index \(0,\)"),
    **{
        f"a slope of {s:g}, which float64 cannot see": (
            op(lambda x, s=s: 1 + s * x, lambda g, y, x: 0.0 * g),
            at(0.5, 0.7),
            "numeric",
        )
        for s in (1e-11, 1e-12, 1e-13)
    },
    "noise": (op(lambda x: np.sin(x) + 1e-9 * np.sin(1e12 * x), lambda g, y, x: g * mg.cos(x)), at(0.5), "check cannot decide"),
    "jump": (op(lambda x: np.where(x > 0, x, -1.0), lambda g, y, x: g), at(0.0), "kink|cannot decide"),
}
RIGHT = {
    "rows of different slopes": (steps(1), np.ones(1)),
    "slopes that float64 cannot see": (lambda x: (1 + 1e-11 * x, 1 + 1e-12 * x, 1 + 1e-13 * x), at(0.5, 0.7)),
    "identity at 1e12": (lambda x: x * 1.0, at(1e12)),
    "log at 1e-6": (mg.log, at(1e-6, 1e-12, 1e-30)),
    "sqrt at 1e-8": (mg.sqrt, at(1e-8)),
    "1 / x at 1e-3": (lambda x: 1 / x, at(1e-3, -1e-9)),
    "x abs(x) at 0": (lambda x: x * mg.abs(x), at(0.0)),
    "cube at 0": (lambda x: x**3, at(0.0, 1e-9)),
    "tanh and sigmoid of 15": (lambda x: mg.tanh(x) * mg.sigmoid(-x), at(15.0, -18.0, 19.5)),
    "tanh of -15 next to 1e30": (mg.tanh, at(-15.0, 1e30)),
    "abs at -1e-9 next to 1e9": (mg.abs, at(-1e-9, 1e9)),
    "wave of length 1e-6": (lambda x: mg.sin(1e6 * x), at(0.0, 1e-7, 0.3)),
    "step of width 1e-6": (lambda x: mg.tanh(1e6 * x), at(0.0, 1e-7)),
    "steep and flat": (lambda x: x**4, at(1e7, 0.01, 1e-4)),
    "differences of large numbers": (lambda x: (x + 1e8) - 1e8, at(0.5, 0.3)),
    "rows of softmax 1000 apart": (mg.softmax, at([100.0, 200.0, 461.0], [0.0, 1000.0, 1000.0])),
    "constants that are infinite": (lambda x: mg.where([True, False], x, -np.inf).max(), at(1.0, 2.0)),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_or_cannot_be_told_is_refused(name):
    fn, x, says = WRONG[name]
    with pytest.raises(GradcheckError, match=says):
        gradcheck(fn, x, order=1)


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_accepted(name):
    assert gradcheck(*RIGHT[name])


@pytest.mark.parametrize("kinks", [True, False])
def test_a_kink_next_to_x_does_no_harm(kinks):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        assert gradcheck(mg.relu, 1e-5 * rng.standard_normal(6), kinks=kinks)
        assert gradcheck(lambda x: mg.clip(x, -1, 1e-4), 1e-4 + 1e-6 * rng.standard_normal(6), kinks=kinks)


# --- elements of very different sizes -------------------------------------------------------------------------------------

ELEMENTWISE = {
    "identity": (np.copy, lambda g, y, x: g),
    "square": (np.square, lambda g, y, x: 2.0 * g * x),
    "cube": (lambda x: x**3, lambda g, y, x: 3.0 * g * x**2),
    "softplus": (lambda x: np.logaddexp(0, x), lambda g, y, x: g * mg.sigmoid(x)),
}


@pytest.mark.parametrize("x", [(0.5, 1e12), (0.5, 1e20), (1e-6, 1e8), (1e-6, 1e4)], ids=str)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_large_element_hides_no_small_one(name, x):
    forward, derivative = ELEMENTWISE[name]
    assert gradcheck(op(forward, derivative), at(*x), order=1)
    for factors in at(1.01, 1.0), at(-1.0, 1.0), at(0.0, 1.0):
        wrong = op(forward, lambda g, y, x, factors=factors: derivative(g, y, x) * factors)
        with pytest.raises(GradcheckError, match=r"index \(0,\)"):
            gradcheck(wrong, at(*x), order=1)


# --- every op -----------------------------------------------------------------------------------------------------------


def off_by(y, factor=1.01):
    return record("off", y.data.copy(), (y, lambda g, _: g * factor))


@pytest.mark.stress
@pytest.mark.parametrize("seeds", [range(k, k + 10) for k in range(0, 100, 10)], ids=str)
def test_at_every_scale_right_ops_pass_and_mistakes_of_1_percent_do_not(seeds):
    for seed in seeds:
        for case, (name, fn, inputs) in enumerate(CASES):
            rng = np.random.default_rng([seed, case])
            size, length = rng.choice(SCALES), rng.choice([1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6])
            arrays = [x * np.exp(rng.uniform(-1, 1, x.shape)) * length for x in inputs()]
            leaves = [Tensor(x, requires_grad=True) for x in arrays]
            with np.errstate(all="ignore"):
                y = fn(*leaves)
                parts = y if isinstance(y, tuple) else (y,)
                gradients = [g.numpy() for part in parts for g in mg.grad(part, leaves, gradient=np.ones(part.shape))]
                largest = max(np.max(np.abs(z), initial=0.0) for z in [*gradients, *[part.numpy() for part in parts]])
            if not largest < 1e150:
                continue  # the op does not allow it
            assert gradcheck(scaled(fn, size), *arrays), (name, seed)
            if max(np.max(np.abs(g), initial=0.0) for g in gradients) > 1e-13 * largest:  # smaller ones are not judged
                with pytest.raises(GradcheckError, match=r"factor 1\.01|index|direction"):
                    gradcheck(scaled(fn, size, off_by), *arrays, order=1)


# --- games --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["G.0", "G.2", "D.0", None])
@pytest.mark.parametrize("bias", [-15.0, 15.0, -30.0])
def test_a_wrong_layer_is_found_where_the_discriminator_is_sure(wrong, bias):
    networks = {
        "G": nn.Sequential(nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 2)),
        "D": nn.Sequential(nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 1)),
    }
    networks["D"].layers[2].bias.data = np.array([bias], np.float32)
    if wrong:
        player, k = wrong.split(".")
        networks[player].layers[int(k)] = Wrong(*networks[player].layers[int(k)].weight.shape)
    rules = [optim.SGD(network.parameters(), 0.1) for network in networks.values()]
    game = games.GAN(*networks.values(), data.noise(3), *rules, saturating=True)
    x = np.random.default_rng(0).standard_normal((6, 2))
    if wrong:
        with pytest.raises(GradcheckError, match=rf"{player}\.layers\.{k}\.weight.*factor 1.01"):
            gradcheck(game, x)
    else:
        assert gradcheck(game, x)


# --- ways back ----------------------------------------------------------------------------------------------------------


def overwriting(x):
    """Right once: its derivative computes in the buffer that it has kept."""
    kept = 2 * x.data

    def derivative(g, y):
        np.multiply(kept, g.data, out=kept)
        return Tensor(kept.copy())

    return record("overwriting", x.data**2, (x, derivative))


def product(factor):
    """a b c; the gradient for the first input is wrong by this factor(*inputs)."""

    def fn(*inputs):
        a, b, c = inputs
        first = factor(*[x.requires_grad for x in inputs])
        pairs = (a, lambda g, y: g * b * c * first), (b, lambda g, y: g * a * c), (c, lambda g, y: g * a * b)
        return record("product", a.data * b.data * c.data, *pairs)

    return fn


def of_four(a, b, c, d):
    wrong = 2.0 if [x.requires_grad for x in (a, b, c, d)] == [True, False, True, False] else 1.0
    derivatives = [(a, lambda g, y: g * wrong), *[(x, lambda g, y: g) for x in (b, c, d)]]
    return record("fn", a.data + b.data + c.data + d.data, *derivatives)


def at_a_small_element(a, b):
    wrong = at(1.0, 1.0) if b.requires_grad else at(1.0, 1.01)
    return record("fn", a.data * b.data, (a, lambda g, y: g * b * wrong), (b, lambda g, y: g * a))


WAYS = {  # name: (the function, its inputs, which way back is wrong)
    "again": (overwriting, [X], "in another backward pass through the same graph"),
    "alone": (
        product(lambda a, b, c: 2.0 if not (b or c) else 1.0),
        [X, X + 1, X + 2],
        "where only input 0 requires a gradient",
    ),
    "one frozen": (product(lambda a, b, c: 2.0 if b and not c else 1.0), [X, X + 1, X + 2], "where input 2 requires none"),
    "two of four": (of_four, [X] * 4, "where only input 0 and input 2 require a gradient"),
    "a small element": (at_a_small_element, [np.ones(2), at(1e8, 1.0)], "where only input 0 requires a gradient"),
}


@pytest.mark.parametrize("check", [gradcheck, assert_gradients])
@pytest.mark.parametrize(("fn", "inputs", "way"), WAYS.values(), ids=WAYS)
def test_a_gradient_that_depends_on_the_way_back_is_refused(fn, inputs, way, check):
    with pytest.raises(GradcheckError, match=f"input 0: {way} the gradient differs"):
        check(fn, *inputs, order=1)


# --- terms of very different sizes, and terms that cancel -------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1e4, 1e7, 1e12])
@pytest.mark.parametrize("factor", [1.01, -1.0, 0.0])
def test_a_large_output_hides_no_small_one_that_has_the_same_input(ratio, factor):
    for together in (lambda *y: y, lambda *y: mg.concatenate(y), lambda *y: mg.stack(y)):
        assert gradcheck(lambda x, join=together: join(ratio * mg.sin(x), mg.sin(x)), X)
        with pytest.raises(GradcheckError):
            gradcheck(lambda x, join=together: join(ratio * mg.sin(x), off_by(mg.sin(x), factor)), X, order=1)


def centred(x):
    e = mg.exp(x)
    return (e - e.mean(0)).sum(0)


MATRIX, WEIGHT = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), at(0.3, 0.7)
ROTATION = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
MINIBATCH = np.random.default_rng(0).standard_normal((4, 3))
NEARLY_ZERO = {
    "squared error at its minimum": (lambda w: ((MATRIX @ w - MATRIX @ WEIGHT) ** 2).mean(), WEIGHT),
    "a residual of rounding errors": (lambda w: (w / 3 - 0.1 / 3) ** 2, np.array(0.1)),
    "gradient penalty at its minimum": (lambda w: (mg.norm(w) - 1) ** 2, at(0.6, 0.8)),
    "orthogonality at a rotation": (lambda w: ((w @ w.T - np.eye(2)) ** 2).sum(), ROTATION),
    "the mean of batch norm": (lambda x: nn.BatchNorm1d(3)(x).mean(0), MINIBATCH),
    "the mean of layer norm": (lambda x: nn.LayerNorm(3)(x).mean(-1), MINIBATCH),
    "the sum of softmax": (lambda x: mg.softmax(x).sum(-1) - 1, MINIBATCH),
    "a number times its inverse": (lambda x: mg.exp(x) * mg.exp(-x) - 1, MINIBATCH),
    "log after exp": (lambda x: mg.log(mg.exp(x)) - x, MINIBATCH),
    "centred": (centred, MINIBATCH),
    "distances from the mean": (lambda x: (x - x.mean()).sum(), MINIBATCH),
    "on the circle": (lambda x: mg.sin(x) ** 2 + mg.cos(x) ** 2 - 1, MINIBATCH),
    "a minimum": (lambda x: (x * x - 1) ** 2, at(1.0)),
    "a steep minimum": (lambda x: 1e8 * (x * x - 1) ** 2 + (1 - x) ** 2, at(1.0)),
    "a steep tail": (lambda x: mg.tanh(1e6 * (x - 0.3)), at(0.3 - 15e-6)),
}


@pytest.mark.parametrize("kinks", [False, True])
@pytest.mark.parametrize("name", NEARLY_ZERO)
def test_where_numbers_cancel_a_right_gradient_is_accepted(name, kinks):
    fn, x = NEARLY_ZERO[name]
    assert gradcheck(fn, x, kinks=kinks)


@pytest.mark.parametrize(("fn", "x"), [(mg.sin, 1e5 / 3), (lambda x: mg.log(1 - x), 1 - 1e-6)])
def test_numbers_that_float32_rounds_are_no_mistake_of_the_op(fn, x):
    assert_gradients(fn, at(x))


# --- state --------------------------------------------------------------------------------------------------------------


class PowerIteration(nn.Module):
    """x W / |W|, with one step of the power iteration a call."""

    def __init__(self):
        self.weight = Tensor(np.random.default_rng(0).standard_normal((3, 3)), requires_grad=True)
        self.u = np.ones(3)

    def forward(self, x):
        v = self.weight.data.T @ self.u
        v /= np.linalg.norm(v)
        self.u = self.weight.data @ v
        self.u /= np.linalg.norm(self.u)
        return x @ (self.weight / (Tensor(self.u) @ self.weight @ Tensor(v)))


def test_of_a_layer_with_a_state_it_is_said_that_two_calls_differ():
    layer, x = PowerIteration(), np.ones((1, 3))
    with pytest.raises(ValueError, match=r"two calls of PowerIteration differ, since each call changes u"):
        gradcheck(layer, x)
    with pytest.raises(ValueError, match=r"two calls of Sequential differ, since each call changes layers.0.u"):
        gradcheck(nn.Sequential(PowerIteration(), nn.Dropout(0.5)), x)
    with pytest.raises(ValueError, match=r"two calls of fn differ"):
        gradcheck(lambda x: layer(x), x)


class Counter(nn.Module):
    """x times a state that grows with each call: an array, made in the first one or earlier, a Tensor, a list or a float."""

    def __init__(self, state):
        self.state = state

    def forward(self, x):
        if self.state is None:
            self.state = np.zeros(1)
        if isinstance(self.state, list):
            self.state = [self.state[0] + 1.0]
            return x * self.state[0]
        self.state = self.state + 1.0
        return x * self.state


@pytest.mark.parametrize("state", [None, np.zeros(1), Tensor([0.0]), [0.0], 0.0], ids=lambda state: type(state).__name__)
def test_a_state_of_any_kind_is_recognised(state):
    changed = "since each call changes layers.0.state" if state is None or isinstance(state, np.ndarray) else "each call"
    with pytest.raises(ValueError, match=f"gradcheck: two calls of Sequential differ, .*{changed}"):
        gradcheck(nn.Sequential(Counter(state)), np.ones((1, 3)))


def test_a_state_that_begins_to_move_later_is_found_instead_of_blaming_the_function():
    calls = []

    def drifting(x):
        calls.append(x)
        return x * (1.0 + 1e-3 * max(0, len(calls) - 6))

    with pytest.raises(ValueError, match=r"two calls of fn differ"):
        gradcheck(drifting, X)
