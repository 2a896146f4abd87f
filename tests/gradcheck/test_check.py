"""The gradient checker itself: what it must reject, and with which words; what it must accept; what it must refuse."""

import numpy as np
import pytest

import minigan as mg
from minigan import GradcheckError, Tensor, data, games, gradcheck, nn, optim, record
from minigan.engine.modes import mode
from minigan.gradcheck import gradcheck_report
from tests.games import players

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.7, -0.3]])
SQUARE = np.array([[0.5, -1.5], [1.0, 0.7]])
AT_A_KINK = np.array([[0.0, -1.5, 2.0], [0.0, 0.7, -0.3]])
FACTORS = [1.001, 0.999, 2.0, 0.5]


def op_with(derivative, forward=lambda a: a * a):
    """An op, x^2 unless told otherwise, with this derivative(g, x)."""
    return lambda x: record("op", forward(x.data), (x, lambda g, y: derivative(g, x)))


# --- rejected -----------------------------------------------------------------------------------------------------------


ONE_WRONG = np.ones((2, 3))
ONE_WRONG[1, 2] = 1.01
ONE_OF_MANY = (np.arange(1000) != 500).astype(float)
BAD = op_with(lambda g, x: g * 2.002 * x)
ONCE = Tensor(X + 0.1)


def product(da=lambda g, a, b: g * b, db=lambda g, a, b: g * a):
    return lambda a, b: record("op", a.data * b.data, (a, lambda g, y: da(g, a, b)), (b, lambda g, y: db(g, a, b)))


def summed_back(wrong):
    """A repetition whose gradient is summed back wrongly."""
    return op_with(lambda g, x: wrong(g), lambda a: a + np.zeros((2, 3)))


def cube_of_wrong_third_order(x):
    slope = lambda x: record("slope", 3 * x.data**2, (x, lambda g, y: g * Tensor(x.data * 6)))  # noqa: E731
    return op_with(lambda g, x: g * slope(x), lambda a: a**3)(x)


def differing_where_recorded(factor):
    return op_with(lambda g, x: g * (2.0 * (factor if mode.recording else 1.0)) * x)


WHOLE = (
    r"^gradcheck: first derivative: input 0, index \(\d, \d\): analytic \S+, numeric \S+ \+- \S+ \(6 of 6 differ\); "
    r"they differ by the factor 1.5; the arriving gradient: \[\[ 0.1257 -0.1321  0.6404\] \[ 0.1049 -0.5357  0.3616\]\]$"
)
REJECTED = {  # name: (the function, its inputs, what the error says, options)
    **{f"factor {f:g}": (op_with(lambda g, x, f=f: g * 2 * x * f), [X], f"differ by the factor {f:g}", {}) for f in FACTORS},
    "the whole message": (op_with(lambda g, x: g * 3 * x), [X], WHOLE, {}),
    "sign": (op_with(lambda g, x: -g * 2 * x), [X], "they differ by the sign", {}),
    "zero": (op_with(lambda g, x: g * 0), [X], r"gradient is zero: is an input missing from record\(\)", {}),
    "not recorded": (lambda x: record("op", x.data * x.data), [X], "gradient is zero", {}),
    "transpose": (op_with(lambda g, x: (g * 2 * x).T), [SQUARE], "one is the other's transpose", {}),
    "nan": (op_with(lambda g, x: g * np.nan), [X], "the analytic gradient is not finite", {}),
    "one element": (
        op_with(lambda g, x: g * 2 * x * ONE_WRONG), [X],
        r"input 0, index \(1, 2\): analytic -?\S+, numeric -?\S+ \+- \S+ \(1 of 6 differ\)", {"order": 1},
    ),
    "the second input": (product(db=lambda g, a, b: g * a * 1.001), [X, X + 1], "input 1, index", {}),
    "the first of repeated": (summed_back(lambda g: g[0]), [np.ones(3)], "gradcheck", {}),
    "the mean of repeated": (summed_back(lambda g: g.mean(0)), [np.ones(3)], "gradcheck", {}),
    "the largest of repeated": (summed_back(lambda g: g.max(0)), [np.ones(3)], "gradcheck", {}),
    "a sum over the wrong axis": (
        op_with(lambda g, x: mg.broadcast_to(g.reshape(1, 2), (2, 2)), lambda a: a.sum(1)), [SQUARE], "gradcheck", {}
    ),
    "an array captured earlier": (op_with(lambda g, x: g * 2 * ONCE), [X], "gradcheck", {}),
    "second order": (op_with(lambda g, x: g * Tensor(2 * x.data)), [X], "second derivative.*input 0, index", {"order": 2}),
    "third order": (cube_of_wrong_third_order, [X], "third derivative", {"order": 3}),
    "detach": (lambda x: x.detach() * x, [X], "gradcheck", {}),
    "one of many": (op_with(lambda g, x: g * ONE_OF_MANY, lambda a: a * 1), [np.ones(1000)], "gradcheck", {}),
    "a coarse step": (mg.exp, [X], "gradcheck", {"eps": 0.1}),
    "one of several outputs": (lambda x: (x * 2, BAD(x)), [X], r"\(of output 1\): input 0, .*factor 1.001", {}),
    "the gradient's gradient": (
        product(da=lambda g, a, b: g * Tensor(b.data)), [X, X + 1],
        r"second derivative \(of the gradient for input 0\): input 1, index .*where it should with Tensors", {},
    ),
    "the arriving gradient": (
        op_with(lambda g, x: Tensor(g.data) * 2 * x), [X],
        r"second derivative .*: the arriving gradient, index \(\d, \d\): analytic 0", {},
    ),
    "where it is recorded, sign": (differing_where_recorded(-1.0), [X], "input 0: with create_graph=True the gradient", {}),
    "where it is recorded, 1 %": (differing_where_recorded(1.01), [X], "with create_graph=True the gradient differs", {}),
    "smooth points next to a kink": (BAD, [AT_A_KINK], "factor 1.001", {"kinks": True}),
    "next to a large output": (
        op_with(lambda g, x: g * (2 * x + Tensor(np.array([0.0, 1e-4])))), [np.array([1e7, 0.01])],
        r"index \(1,\)", {"order": 1},
    ),
}  # fmt: skip
LOWER = {"second order": 1, "third order": 2, "the gradient's gradient": 1, "the arriving gradient": 1}  # where they pass


@pytest.mark.parametrize("name", REJECTED)
def test_a_mistake_is_rejected_and_named(name):
    fn, inputs, says, options = REJECTED[name]
    with pytest.raises(GradcheckError, match=says):
        gradcheck(fn, *inputs, **options)
    if name in LOWER:
        assert gradcheck(fn, *inputs, order=LOWER[name])


ACCEPTED = {
    "several inputs and outputs, integers": (lambda a, i, b: (a[i] * b, a.sum(), b), [X, np.array([0, 0, 1]), np.ones(3)]),
    "a Tensor and a number": (mg.multiply, [Tensor(X), 2.5]),
    "an input that is not used": (lambda a, b: a * a, [X, SQUARE]),
    "another byte order": (mg.sin, [X.astype(">f8")]),
    "right where it is recorded": (differing_where_recorded(1.0), [X]),
}


@pytest.mark.parametrize(("fn", "inputs"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_right_is_accepted(fn, inputs):
    assert gradcheck(fn, *inputs) is True


@pytest.mark.parametrize("op", [mg.maximum, mg.minimum])
def test_half_to_each_of_two_that_tie_passes(op):
    assert gradcheck(op, X, X.copy(), kinks=True)
    assert gradcheck(op, X, X[:1], kinks=True)


def test_large_inputs_go_by_directions_and_still_catch_a_thousandth():
    x, calls = np.random.default_rng(0).standard_normal(1000), []

    def counted(x):
        calls.append(1)
        return x * x

    assert gradcheck(counted, x, order=2)
    assert len(calls) < 400
    with pytest.raises(GradcheckError, match=r"direction .*they differ by the factor 1.001"):
        gradcheck(op_with(lambda g, x: g * 2.002 * x), x)


# --- accepted -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("x", [X, np.array(0.5), np.ones((0, 2)), np.asfortranarray(X), X[::-1, ::2]], ids=str)
def test_accepts_right_derivatives(x, order):
    assert gradcheck(op_with(lambda g, x: g * 2 * x), x, order=order) is True
    assert gradcheck(lambda x: mg.exp(x * 0.5), x, order=order) is True


def test_changes_neither_inputs_nor_the_generator():
    x = X.copy()
    t = Tensor(x, requires_grad=True)
    state = mg.random_numbers.generator_state(mg.random_numbers.generator())
    assert gradcheck(mg.exp, t)
    np.testing.assert_array_equal(x, X)
    assert t.grad is None
    assert mg.random_numbers.generator_state(mg.random_numbers.generator()) == state


# --- other ways back ---------------------------------------------------------------------------------------------------


def right_in(passes):
    """x^2, whose gradient is right in this many backward passes through one graph."""

    def square(x):
        calls = []

        def derivative(g, y):
            calls.append(g)
            return g * 2.0 * x * (1.0 if len(calls) <= passes else 2.0)

        return record("square", x.data**2, (x, derivative))

    return square


@pytest.mark.parametrize("order", [1, 2])
def test_a_gradient_that_is_wrong_in_the_third_backward_pass_is_refused(order):
    assert gradcheck(right_in(100), X, order=order)
    with pytest.raises(GradcheckError, match="input 0: in another backward pass through the same graph the gradient differs"):
        gradcheck(right_in(2), X, order=order)


# --- kinks --------------------------------------------------------------------------------------------------------------

KINKED = {
    "relu": (mg.relu, AT_A_KINK),
    "leaky_relu": (mg.leaky_relu, AT_A_KINK),
    "elu 2": (lambda x: mg.elu(x, 2.0), AT_A_KINK),
    "abs": (mg.abs, AT_A_KINK),
    "sign": (mg.sign, AT_A_KINK[:, 1:]),
    "clip": (lambda x: mg.clip(x, -1.5, 2.0), AT_A_KINK),
    "max": (lambda x: mg.max(x, axis=0), np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 2.0]])),
    "max_pool2d": (lambda x: mg.max_pool2d(x, 2, 1), np.ones((1, 1, 3, 3))),
    "norm": (mg.norm, np.zeros(3)),
}


def slope_at_0(slope):
    """relu, with this slope at 0."""
    return op_with(lambda g, x: g * np.where(x.data == 0, slope, x.data > 0), lambda a: np.maximum(a, 0))


@pytest.mark.parametrize("name", KINKED)
def test_a_subgradient_at_a_kink_passes_if_kinks_are_allowed(name):
    assert gradcheck(*KINKED[name], kinks=True)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu 2", "clip", "max_pool2d"])
def test_a_kink_is_an_error_otherwise_which_names_both_slopes_and_what_to_do(name):
    with pytest.raises(GradcheckError, match=r"x is at a kink, with slope \S+ below and \S+ above; .* pass kinks=True"):
        gradcheck(*KINKED[name])


@pytest.mark.parametrize(("slope", "right"), [(0, True), (0.3, True), (1, True), (7, False), (-0.1, False), (np.nan, False)])
def test_at_relus_kink_any_slope_from_0_to_1_is_right(slope, right):
    if right:
        assert gradcheck(slope_at_0(slope), AT_A_KINK, kinks=True)
    else:
        with pytest.raises(GradcheckError, match=r"is outside|not finite"):
            gradcheck(slope_at_0(slope), AT_A_KINK, kinks=True)


def test_shares_of_a_tie_that_are_right_alone_must_be_right_together():
    def generous(a, b):
        pairs = [(t, lambda g, y, t=t, o=o: g * (t.data >= o.data)) for t, o in ((a, b), (b, a))]
        return record("generous", np.maximum(a.data, b.data), *pairs)

    with pytest.raises(GradcheckError, match="all inputs together, direction"):
        gradcheck(generous, X, X.copy(), kinks=True)


# --- large numbers ------------------------------------------------------------------------------------------------------


def test_where_float64_overflows_slopes_are_measured_in_extended_precision():
    x = np.array([1000.0, 0.5, -1000.0])
    assert gradcheck(mg.exp, x)
    assert gradcheck(mg.softplus, x)
    with pytest.raises(GradcheckError, match=r"index \(0,\): analytic nan, numeric 0.1257.*not finite"):
        gradcheck(lambda x: mg.log(1.0 + mg.exp(x)), x)


# --- the report ---------------------------------------------------------------------------------------------------------


def test_report_says_how_accurate_each_gradient_is_and_how_well_that_is_known():
    header, first, second, by_u = gradcheck_report(mg.exp, X).splitlines()
    assert header.split() == ["derivative", "by", "difference", "own", "error", "verdict"]
    difference, own_error = map(float, first.split()[3:5])
    assert difference < own_error < 1e-9
    assert [line.split()[0] for line in (first, second, by_u)] == ["first", "second", "second"]
    assert "the arriving gradient" in by_u
    assert all(line.endswith("ok") for line in (first, second, by_u))


def test_report_counts_what_is_wrong_instead_of_raising():
    without_a_simple_diagnosis = op_with(lambda g, x: g * (1 - mg.tanh(x)), np.tanh)
    for wrong in (op_with(lambda g, x: g * 3 * x), without_a_simple_diagnosis):
        assert "wrong at 6 of 6" in gradcheck_report(wrong, X, order=1)


def test_report_has_a_row_for_a_wrong_second_backward_pass():
    *_, last = gradcheck_report(right_in(1), X, order=1).splitlines()
    assert last.startswith("wrong: input 0: in another backward pass through the same graph the gradient differs, by up to")


def test_report_lists_no_kink_where_only_the_curvature_jumps():
    assert "below" not in gradcheck_report(lambda x: x * mg.abs(x), np.array([0.0, 1.0]), order=1)


def test_report_names_the_subgradient_at_each_kink():
    report = gradcheck_report(mg.maximum, np.array([1.0, 2.0]), np.array([1.0, 0.0]), order=1)
    assert report.count("index (0,): slope 0 below and 0.12573 above, takes 0.0628651") == 2


# --- modules and games --------------------------------------------------------------------------------------------------


class Wrong(nn.Dense):
    """A dense layer whose weight gets a gradient that is too large by a hundredth."""

    def forward(self, x):
        pairs = [(x, lambda g, y: g @ self.weight.T), (self.weight, lambda g, y: x.T @ g * 1.01), (self.bias, lambda g, y: g)]
        return record("wrong", x.data @ self.weight.data + self.bias.data, *pairs)


class Spectral(nn.Module):
    """x W, divided by an estimate of W's largest singular value that improves with each call."""

    def __init__(self):
        self.weight = Tensor(np.random.default_rng(0).standard_normal((3, 2)), requires_grad=True)
        self.u = np.ones(3)

    def forward(self, x):
        v = self.weight.data.T @ self.u
        self.u = self.weight.data @ v / np.linalg.norm(self.weight.data @ v)
        return x @ self.weight / float(self.u @ self.weight.data @ v / np.linalg.norm(v))


class Noisy(nn.Module):
    """x plus noise from a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        return x + self.rng.standard_normal(x.shape)


def test_module_is_checked_for_its_parameters_by_name_and_stays_as_it_was():
    module = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.3), nn.Dense(4, 2))
    before = module.state_dict()
    assert gradcheck(module, SQUARE @ X[:2])
    assert all(np.array_equal(value, before[name]) for name, value in module.state_dict().items())
    with pytest.raises(GradcheckError, match=r"first derivative: layers\.0\.weight, index \(\d, \d\): .* factor 1.01"):
        gradcheck(nn.Sequential(Wrong(3, 4), nn.Tanh()), X)


@pytest.mark.parametrize("name", players.RULES)
def test_every_game_is_right_in_every_loss_and_stays_as_it_was(name):
    game = players.make(name)
    before, generators = [*players.values(game.G), *players.values(game.D)], mg.random_numbers.generators_state()
    assert gradcheck(game, players.minibatch(name))
    assert players.equal(before, [*players.values(game.G), *players.values(game.D)])
    assert mg.random_numbers.generators_state() == generators


@pytest.mark.parametrize("player", ["D", "G"])
def test_error_in_a_game_names_the_loss_and_the_parameter(player):
    G, D = players.mlp(3, 5, 2), players.mlp(2, 5, 1)
    network = D if player == "D" else G
    network.layers[0] = Wrong(*network.layers[0].weight.shape)
    game = games.GAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1), k=2)
    said = rf"\(of loss_{player}, step 1\): {player}\.layers\.0\.weight, index \(\d, \d\): .*factor 1.01"
    with pytest.raises(GradcheckError, match=said):
        gradcheck(game, players.minibatch("gan"))
    if player == "D":
        assert gradcheck_report(game, players.minibatch("gan")).count("wrong") == 1


def test_game_with_a_prior_that_cannot_repeat_itself_is_refused():
    G, D = players.mlp(3, 5, 2), players.mlp(2, 5, 1)
    rng = np.random.default_rng(0)
    prior = lambda m: rng.standard_normal((m, 3))  # noqa: E731
    game = games.GAN(G, D, prior, optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
    with pytest.raises(ValueError, match="fn returns different values for the same inputs"):
        gradcheck(game, players.minibatch("gan"))


def test_game_whose_generator_has_a_state_is_refused_instead_of_blaming_its_gradient():
    G, D = nn.Sequential(Spectral(), nn.Tanh()), players.mlp(2, 5, 1)
    game = games.GAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
    with pytest.raises(ValueError, match=r"gradcheck: two steps of GAN differ, since each step changes G\.layers\.0\.u;"):
        gradcheck(game, players.minibatch("gan"))


def test_networks_that_own_a_generator_are_no_state():
    G, D = nn.Sequential(nn.Dense(3, 2), Noisy()), players.mlp(2, 5, 1)
    game = games.GAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
    assert gradcheck(game, players.minibatch("gan"))
    assert gradcheck(G, X)


def test_a_module_without_parameters_repeats_its_random_numbers_too():
    assert gradcheck(nn.Dropout(0.5), np.linspace(0.5, 2.0, 6))
