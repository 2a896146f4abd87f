"""The gradient checker itself: what it must reject, and with which words; what it must accept; what it must refuse."""

import numpy as np
import pytest

import minigan as mg
from minigan import GradcheckError, Tensor, data, games, gradcheck, nn, optim, record
from minigan.engine.modes import mode
from minigan.gradcheck import gradcheck_report
from tests.games import players

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.7, -0.3]])
AT_A_KINK = np.array([[0.0, -1.5, 2.0], [0.0, 0.7, -0.3]])
ONE_WRONG = np.where(np.arange(6).reshape(2, 3) == 5, 1.01, 1.0)


def op_with(derivative, forward=lambda a: a * a):
    """An op, x^2 unless told otherwise, with this derivative(g, x)."""
    return lambda x: record("op", forward(x.data), (x, lambda g, y: derivative(g, x)))


def cube_of_wrong_third_order(x):
    slope = lambda x: record("slope", 3 * x.data**2, (x, lambda g, y: g * Tensor(x.data * 6)))  # noqa: E731
    return op_with(lambda g, x: g * slope(x), lambda a: a**3)(x)


def differing_where_recorded(factor):
    return op_with(lambda g, x: g * (2.0 * (factor if mode.recording else 1.0)) * x)


BAD = op_with(lambda g, x: g * 2.002 * x)
WHOLE = (
    r"^gradcheck: first derivative: input 0, index \(\d, \d\): analytic \S+, numeric \S+ \+- \S+ \(6 of 6 differ\); "
    r"they differ by the factor 1.5; the arriving gradient: \[\[ 0.1257 -0.1321  0.6404\] \[ 0.1049 -0.5357  0.3616\]\]$"
)
REJECTED = {  # name: (the function, its inputs, what the error says, options); more in test_planted_mistakes
    "the whole message": (op_with(lambda g, x: g * 3 * x), [X], WHOLE, {}),
    "one element": (
        op_with(lambda g, x: g * 2 * x * ONE_WRONG), [X],
        r"input 0, index \(1, 2\): analytic -?\S+, numeric -?\S+ \+- \S+ \(1 of 6 differ\)", {"order": 1},
    ),
    "third order": (cube_of_wrong_third_order, [X], "third derivative", {"order": 3}),
    "one of several outputs": (lambda x: (x * 2, BAD(x)), [X], r"\(of output 1\): input 0, .*factor 1.001", {}),
    "where it is recorded": (differing_where_recorded(1.01), [X], "with create_graph=True the gradient differs", {}),
    "smooth points next to a kink": (BAD, [AT_A_KINK], "factor 1.001", {"kinks": True}),
    "next to a large output": (
        op_with(lambda g, x: g * (2 * x + np.array([0.0, 1e-4]))), [np.array([1e7, 0.01])], r"index \(1,\)", {"order": 1}
    ),
    "large inputs, by directions": (BAD, [np.linspace(-2, 2, 1000)], r"direction .*they differ by the factor 1.001", {}),
}  # fmt: skip


@pytest.mark.parametrize(("fn", "inputs", "says", "options"), REJECTED.values(), ids=REJECTED)
def test_a_mistake_is_rejected_and_named(fn, inputs, says, options):
    with pytest.raises(GradcheckError, match=says):
        gradcheck(fn, *inputs, **options)
    assert fn is not cube_of_wrong_third_order or gradcheck(fn, *inputs, order=2)


RIGHT = op_with(lambda g, x: g * 2 * x)
ACCEPTED = {
    "several inputs and outputs, integers": (lambda a, i, b: (a[i] * b, a.sum(), b), [X, np.array([0, 0, 1]), np.ones(3)]),
    "an input that is not used": (lambda a, b: a * a, [X, X[0]]),
    "right where it is recorded": (differing_where_recorded(1.0), [X]), "a scalar": (RIGHT, [np.array(0.5)]),
    "nothing": (RIGHT, [np.ones((0, 2))]), "strided": (RIGHT, [np.asfortranarray(X)[::-1, ::2]]),
    "another byte order": (RIGHT, [X.astype(">f8")]),
}  # fmt: skip


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize(("fn", "inputs"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_right_is_accepted(fn, inputs, order):
    assert gradcheck(fn, *inputs, order=order) is True


def right_in(passes):
    """x^2, whose gradient is right in this many backward passes through one graph."""

    def square(x):
        calls = []
        return record("square", x.data**2, (x, lambda g, y: calls.append(g) or g * 2.0 * x * (1.0 + (len(calls) > passes))))

    return square


@pytest.mark.parametrize("order", [1, 2])
def test_a_gradient_that_is_wrong_in_the_third_backward_pass_is_refused(order):
    assert gradcheck(right_in(100), X, order=order)
    with pytest.raises(GradcheckError, match="input 0: in another backward pass through the same graph the gradient differs"):
        gradcheck(right_in(2), X, order=order)


# --- kinks and large numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "x"), [(mg.relu, AT_A_KINK), (lambda x: mg.max_pool2d(x, 2, 1), np.ones((1, 1, 3, 3)))])
def test_a_kink_is_an_error_which_names_both_slopes_and_what_to_do_unless_kinks_are_allowed(op, x):
    assert gradcheck(op, x, kinks=True)
    with pytest.raises(GradcheckError, match=r"x is at a kink, with slope \S+ below and \S+ above; .* pass kinks=True"):
        gradcheck(op, x)


@pytest.mark.parametrize(("slope", "right"), [(0, True), (0.3, True), (1, True), (7, False), (-0.1, False), (np.nan, False)])
def test_at_relus_kink_any_slope_from_0_to_1_is_right(slope, right):
    relu = op_with(lambda g, x: g * np.where(x.data == 0, slope, x.data > 0), lambda a: np.maximum(a, 0))
    if right:
        assert gradcheck(relu, AT_A_KINK, kinks=True)
    else:
        with pytest.raises(GradcheckError, match=r"is outside|not finite"):
            gradcheck(relu, AT_A_KINK, kinks=True)


# --- the report ---------------------------------------------------------------------------------------------------------


def test_report_says_how_accurate_each_gradient_is_counts_what_is_wrong_and_names_kinks():
    _, *right = gradcheck_report(mg.exp, X).splitlines()
    assert [line.split()[0] for line in right if line.endswith("ok")] == ["first", "second", "second"]
    difference, own_error = map(float, right[0].split()[3:5])
    assert difference < own_error < 1e-9
    for wrong in (op_with(lambda g, x: g * 3 * x), op_with(lambda g, x: g * (1 - mg.tanh(x)), np.tanh)):
        assert "wrong at 6 of 6" in gradcheck_report(wrong, X, order=1)
    *_, last = gradcheck_report(right_in(1), X, order=1).splitlines()
    assert last.startswith("wrong: input 0: in another backward pass through the same graph the gradient differs, by up to")
    assert "below" not in gradcheck_report(lambda x: x * mg.abs(x), np.array([0.0, 1.0]), order=1)  # the curvature jumps
    report = gradcheck_report(mg.maximum, np.array([1.0, 2.0]), np.array([1.0, 0.0]), order=1)
    assert report.count("index (0,): slope 0 below and 0.12573 above, takes 0.0628651") == 2


# --- modules and games --------------------------------------------------------------------------------------------------


class Wrong(nn.Dense):
    """A dense layer whose weight gets a gradient that is too large by a hundredth."""

    def forward(self, x):
        pairs = [(x, lambda g, y: g @ self.weight.T), (self.weight, lambda g, y: x.T @ g * 1.01), (self.bias, lambda g, y: g)]
        return record("wrong", x.data @ self.weight.data + self.bias.data, *pairs)


class PowerIteration(nn.Module):
    """x W, divided by an estimate of W's largest singular value that improves with each call."""

    def __init__(self):
        self.weight = Tensor(np.random.default_rng(0).standard_normal((3, 2)), requires_grad=True)
        self.u = np.ones(3)

    def forward(self, x):
        v = self.weight.data.T @ self.u
        self.u = self.weight.data @ v / np.linalg.norm(self.weight.data @ v)
        return x @ self.weight / float(self.u @ self.weight.data @ v / np.linalg.norm(v))


def game_of(G=None, D=None, prior=None, **options):
    G, D = G or players.mlp(3, 4, 2), D or players.mlp(2, 5, 1)
    rules = [optim.SGD(network.parameters(), 0.1) for network in (G, D)]
    return games.GAN(G, D, prior or data.noise(3), *rules, **options)


def test_module_is_checked_for_its_parameters_by_name_and_stays_as_it_was():
    module = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.3), nn.Dense(4, 2))
    before = module.state_dict()
    assert gradcheck(module, X)
    assert all(np.array_equal(value, before[name]) for name, value in module.state_dict().items())
    assert gradcheck(nn.Dropout(0.5), np.linspace(0.5, 2.0, 6))
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
@pytest.mark.parametrize("bias", [0.0, -30.0, 15.0])  # of a discriminator that is sure
def test_error_in_a_game_names_the_loss_and_the_parameter(player, bias):
    networks = {"G": players.mlp(3, 2, 2), "D": players.mlp(2, 2, 1)}
    networks[player].layers[0] = Wrong(*networks[player].layers[0].weight.shape)
    networks["D"].layers[-1].bias.data = np.array([bias], np.float32)
    game = game_of(**networks, saturating=True)
    said = rf"\(of loss_{player}, step 1\): {player}\.layers\.0\.weight, index \(\d, \d\): .*factor 1.01"
    with pytest.raises(GradcheckError, match=said):
        gradcheck(game, players.minibatch("gan"))


def test_error_in_an_encoder_is_of_gs_loss():
    game = players.make("ali")
    game.Q.layers[0].__class__ = Wrong
    with pytest.raises(GradcheckError, match=r"\(of loss_G, step 1\): Q\.layers\.0\.weight, index \(\d, \d\): .*factor 1.01"):
        gradcheck(game, players.minibatch("ali"))


def test_a_player_that_the_step_never_updates_is_named():
    game = game_of()
    game.opt_F = optim.SGD(nn.Dense(2, 2).parameters(), 0.1)
    with pytest.raises(ValueError, match="the step of GAN never updates F: opt_F takes no step"):
        gradcheck(game, players.minibatch("gan"))


def test_a_game_that_cannot_repeat_itself_is_refused_instead_of_blaming_its_gradient():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="fn returns different values for the same inputs"):
        gradcheck(game_of(prior=lambda m: rng.standard_normal((m, 3))), players.minibatch("gan"))
    with pytest.raises(ValueError, match=r"gradcheck: two calls of PowerIteration differ, since each call changes u;"):
        gradcheck(PowerIteration(), np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"gradcheck: two steps of GAN differ, since each step changes G\.layers\.0\.u;"):
        gradcheck(game_of(nn.Sequential(PowerIteration(), nn.Tanh())), players.minibatch("gan"))
