"""The update rules: against references from the papers, step by step by hand, and in the bilinear game."""

import math
from fractions import Fraction

import numpy as np
import pytest

from minigan import Tensor, optim
from tests.optim.stepping import every_rule, parameter, step

# --- against references written from the papers -------------------------------------------------------------------------


def naive_sgd(theta, gradients, lr):
    for g in gradients:
        theta = theta - lr * g
    return theta


def naive_momentum(theta, gradients, lr, momentum):
    for t in range(1, len(gradients) + 1):  # b_t written out: sum of momentum^(t - s) g_s
        b = sum(momentum ** (t - s) * gradients[s - 1] for s in range(1, t + 1))
        theta = theta - lr * b
    return theta


def naive_rmsprop(theta, gradients, lr, alpha, eps):
    for t in range(1, len(gradients) + 1):  # the average written out
        v = (1 - alpha) * sum(alpha ** (t - s) * gradients[s - 1] ** 2 for s in range(1, t + 1))
        theta = theta - lr * gradients[t - 1] / (np.sqrt(v) + eps)
    return theta


def naive_omd(theta, gradients, lr):
    for t, g in enumerate(gradients):
        theta = theta - 2 * lr * g + lr * (gradients[t - 1] if t else 0.0)
    return theta


def naive_omd_with_averages(theta, gradients, lr, weights):
    """M_(t+1) written out: the gradients from g_t back to g_1, times the weights; M_1 = 0."""
    predictions = [sum(w * g for w, g in zip(weights, gradients[t - 1 :: -1], strict=False)) if t else 0 for t in range(51)]
    for t, g in enumerate(gradients):
        theta = theta - lr * (g + predictions[t + 1] - predictions[t])
    return theta


def adams_direction(gradients, t, beta1, beta2, eps):
    """That of step t >= 1, the averages written out."""
    m = (1 - beta1) * sum(beta1 ** (t - s) * gradients[s - 1] for s in range(1, t + 1))
    v = (1 - beta2) * sum(beta2 ** (t - s) * gradients[s - 1] ** 2 for s in range(1, t + 1))
    return (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)


def naive_adam(theta, gradients, lr, *options):
    for t in range(1, len(gradients) + 1):
        theta = theta - lr * adams_direction(gradients, t, *options)
    return theta


def naive_optimistic_adam(theta, gradients, lr, *options):
    for t in range(1, len(gradients) + 1):
        previous = adams_direction(gradients, t - 1, *options) if t > 1 else 0.0
        theta = theta - 2 * lr * adams_direction(gradients, t, *options) + lr * previous
    return theta


@pytest.mark.parametrize(
    ("optimizer", "naive"),
    [
        (lambda p: optim.SGD(p, lr=0.03), lambda x, g: naive_sgd(x, g, 0.03)),
        (lambda p: optim.SGD(p, lr=0.03, momentum=0.9), lambda x, g: naive_momentum(x, g, 0.03, 0.9)),
        (lambda p: optim.SGD(p, lr=0.03, momentum=0.5), lambda x, g: naive_momentum(x, g, 0.03, 0.5)),
        (lambda p: optim.RMSProp(p, 0.03), lambda x, g: naive_rmsprop(x, g, 0.03, 0.99, 1e-8)),
        (lambda p: optim.RMSProp(p, 0.03, 0.8, 1e-2), lambda x, g: naive_rmsprop(x, g, 0.03, 0.8, 1e-2)),
        (lambda p: optim.OMD(p, 0.03), lambda x, g: naive_omd(x, g, 0.03)),
        (lambda p: optim.OMD(p, 0.03, 1), lambda x, g: naive_omd(x, g, 0.03)),
        (lambda p: optim.OMD(p, 0.03, 4), lambda x, g: naive_omd_with_averages(x, g, 0.03, [1 / 4] * 4)),
        (lambda p: optim.OMD(p, 0.03, 0.7), lambda x, g: naive_omd_with_averages(x, g, 0.03, 0.3 * 0.7 ** np.arange(50))),
        (optim.Adam, lambda x, g: naive_adam(x, g, 1e-3, 0.9, 0.999, 1e-8)),
        (lambda p: optim.Adam(p, 0.02, (0.5, 0.9), 1e-3), lambda x, g: naive_adam(x, g, 0.02, 0.5, 0.9, 1e-3)),
        (lambda p: optim.Adam(p, 0.02, betas=(0.0, 0.9)), lambda x, g: naive_adam(x, g, 0.02, 0.0, 0.9, 1e-8)),
        (optim.OptimisticAdam, lambda x, g: naive_optimistic_adam(x, g, 1e-3, 0.9, 0.999, 1e-8)),
        (
            lambda p: optim.OptimisticAdam(p, 0.02, (0.5, 0.9), 1e-3),
            lambda x, g: naive_optimistic_adam(x, g, 0.02, 0.5, 0.9, 1e-3),
        ),
    ],
    ids=[
        *("sgd", "momentum 0.9", "momentum 0.5", "rmsprop", "rmsprop with options"),
        *("omd", "omd, average of 1", "omd, average of 4", "omd, decayed average"),
        *("adam", "adam with options", "adam without momentum", "optimistic adam", "optimistic adam with options"),
    ],
)
def test_50_steps_follow_the_rule(optimizer, naive):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((3, 2)), rng.standard_normal((50, 3, 2))
    p = parameter(start)
    rule = optimizer([p])
    for g in gradients:
        step(rule, g)
    np.testing.assert_allclose(p.numpy(), naive(start, gradients), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_adams_first_step_is_lr_in_the_gradients_direction_whatever_its_size(size):
    p = parameter([0.0, 0.0])
    step(optim.Adam([p], lr=0.1), [size, -size])
    np.testing.assert_allclose(p.numpy(), [-0.1, 0.1], rtol=2e-5)


def test_adams_eps_stands_outside_the_root_and_after_the_correction():
    p = parameter([0.0])
    step(optim.Adam([p], lr=1.0, eps=1.0), [3.0])
    assert p.item() == pytest.approx(-3 / (3 + 1), rel=1e-14)


def test_rmsprops_eps_stands_outside_the_root_and_its_average_starts_at_0_uncorrected():
    p = parameter([0.0])
    step(optim.RMSProp([p], lr=1.0, alpha=0.75, eps=1.0), [4.0])
    assert p.item() == pytest.approx(-4 / (2 + 1), rel=1e-14)


def test_sgd_with_momentum_on_a_constant_gradient_accelerates_to_lr_over_1_minus_momentum():
    p = parameter([0.0])
    rule = optim.SGD([p], lr=0.1, momentum=0.9)
    for _ in range(300):
        before = p.item()
        step(rule, [1.0])
    assert before - p.item() == pytest.approx(0.1 / (1 - 0.9), rel=1e-10)


@every_rule
def test_every_rule_goes_downhill(make):
    p = parameter([2.0, -3.0])
    rule = make([p], lr=0.02)
    for _ in range(500):
        rule.zero_grad()
        (p * p).sum().backward()
        rule.step()
    assert np.abs(p.numpy()).max() < 0.01


# --- the bilinear game: min over x, max over y of x y, from (1, 1), both players at once --------------------------------


def bilinear(make, steps):
    """The distance from the equilibrium (0, 0) after each step; each player has an optimizer of its own."""
    x, y = parameter([1.0]), parameter([1.0])
    players, distances = (make([x]), make([y])), []
    for _ in range(steps):
        x.grad, y.grad = Tensor(y.numpy().copy()), Tensor(-x.numpy())  # y ascends
        for rule in players:
            rule.step()
        distances.append(np.hypot(x.item(), y.item()))
    return distances


def test_in_the_bilinear_game_gradient_descent_runs_away_and_omd_arrives():
    away, inwards = (bilinear(lambda p, rule=rule: rule(p, 0.1), 2000) for rule in (optim.SGD, optim.OMD))
    assert away[-1] > 1e4
    assert inwards[-1] < 1e-4
    np.testing.assert_allclose(away, np.sqrt(2) * 1.01 ** (np.arange(1, 2001) / 2), rtol=1e-9)


def test_omd_approaches_the_equilibrium_at_the_rate_of_its_matrix():
    """u_t = (x_t, y_t, x_(t-1), y_(t-1)) is multiplied by one matrix in each step; its largest eigenvalue is the rate."""
    eta, J, one = 0.1, np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(2)
    matrix = np.block([[one - 2 * eta * J, eta * J], [one, np.zeros((2, 2))]])
    rate = np.abs(np.linalg.eigvals(matrix)).max()
    assert rate == pytest.approx(0.994936, abs=1e-6)
    distances = bilinear(lambda p: optim.OMD(p, eta), 2000)
    assert (distances[1999] / distances[999]) ** (1 / 1000) == pytest.approx(rate, abs=1e-6)


def test_in_the_bilinear_game_adam_circles_and_optimistic_adam_arrives():
    circling, inwards = (
        bilinear(lambda p, rule=rule: rule(p, 0.05, betas=(0.0, 0.999)), 4000) for rule in (optim.Adam, optim.OptimisticAdam)
    )
    assert circling[-1] > 1
    assert inwards[-1] < 1e-20


# --- optimistic Adam, step by step --------------------------------------------------------------------------------------


def trajectory(rule, gradients):
    """Where one parameter that starts at 0 is after each step."""
    (p,), found = rule.params, []
    for g in gradients:
        step(rule, [g])
        found.append(p.item())
    return found


def test_four_steps_of_optimistic_adam_are_those_computed_by_hand_with_fractions():
    """betas (1/2, 0): v^ = g^2, so d = m^ / |g|. lr 1, eps 0, from 0 on.

    g = 1, 2, -1, 3    m = 1/2, 5/4, 1/8, 25/16    m^ = 1, 5/3, 1/7, 5/3    d = 1, 5/6, 1/7, 5/9
    """
    d = [Fraction(0), Fraction(1), Fraction(5, 6), Fraction(1, 7), Fraction(5, 9)]
    by_hand = [Fraction(-2), Fraction(-8, 3), Fraction(-89, 42), Fraction(-389, 126)]
    assert by_hand == [sum(d[s - 1] - 2 * d[s] for s in range(1, t + 1)) for t in range(1, 5)]
    found = trajectory(optim.OptimisticAdam([parameter([0.0])], 1.0, (0.5, 0.0), 0.0), [1, 2, -1, 3])
    np.testing.assert_allclose(found, [float(theta) for theta in by_hand], rtol=0, atol=1e-12)


SIGNS, BETAS = [1, -1, 1, 1], (0.5, 0.75)


SIGNS, BETAS = [1, -1, 1, 1], (0.5, 0.75)


BY_HAND = [-2, -1 / 3, -32 / 21, -269 / 105]


def test_four_steps_with_gradients_of_size_1_are_those_computed_by_hand():
    """v^ = 1 whatever beta2 is, so d = m^. m = 1/2, -1/4, 3/8, 11/16; m^ = 1, -1/3, 3/7, 11/15."""
    found = trajectory(optim.OptimisticAdam([parameter([0.0])], 1.0, BETAS, 0.0), SIGNS)
    np.testing.assert_allclose(found, BY_HAND, rtol=0, atol=1e-12)


def averages(gradients, betas):
    """m and v after each step, 0 before the first."""
    ms, vs = [0.0], [0.0]
    for g in gradients:
        ms.append(betas[0] * ms[-1] + (1 - betas[0]) * g)
        vs.append(betas[1] * vs[-1] + (1 - betas[1]) * g * g)
    return ms, vs


def direction(ms, vs, betas, s, t):
    """m_s / sqrt(v_s), with the bias corrections of step t."""
    return (ms[s] / (1 - betas[0] ** t)) / np.sqrt(vs[s] / (1 - betas[1] ** t)) if s > 0 else 0.0


def adam_on_extrapolated_gradients(gradients, betas):
    before = [0, *gradients]
    ms, vs = averages([2 * g - before[t] for t, g in enumerate(gradients)], betas)
    return [direction(ms, vs, betas, t, t) for t in range(1, len(gradients) + 1)]


def the_present_corrections_for_both_terms(gradients, betas):
    ms, vs = averages(gradients, betas)
    return [2 * direction(ms, vs, betas, t, t) - direction(ms, vs, betas, t - 1, t) for t in range(1, len(gradients) + 1)]


def a_look_two_steps_back(gradients, betas):
    ms, vs = averages(gradients, betas)
    return [2 * direction(ms, vs, betas, t, t) - direction(ms, vs, betas, t - 2, t - 2) for t in range(1, len(gradients) + 1)]


def a_previous_direction_that_is_the_present_one(gradients, betas):
    ms, vs = averages(gradients, betas)
    return [direction(ms, vs, betas, t, t) for t in range(1, len(gradients) + 1)]


def a_first_step_of_1(gradients, betas):
    ms, vs = averages(gradients, betas)
    d = [direction(ms, vs, betas, t, t) for t in range(1, len(gradients) + 1)]
    return [2 * now - before for now, before in zip(d, [d[0], *d], strict=False)]


def the_published_rule(gradients, betas):
    ms, vs = averages(gradients, betas)
    d = [direction(ms, vs, betas, t, t) for t in range(len(gradients) + 1)]
    return [2 * d[t] - d[t - 1] for t in range(1, len(gradients) + 1)]


def test_the_rule_written_as_the_wrong_ones_below_gives_the_steps_by_hand():
    np.testing.assert_allclose(-np.cumsum(the_published_rule(SIGNS, BETAS)), BY_HAND, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        adam_on_extrapolated_gradients,
        the_present_corrections_for_both_terms,
        a_look_two_steps_back,
        a_previous_direction_that_is_the_present_one,
        a_first_step_of_1,
    ],
)
def test_the_steps_by_hand_are_not_those_of(wrong):
    assert np.abs(-np.cumsum(wrong(SIGNS, BETAS)) - BY_HAND).max() > 0.05


def test_the_first_step_of_optimistic_adam_is_exactly_twice_adams():
    gradients = np.random.default_rng(0).standard_normal(5)
    a, b = parameter(np.zeros(5)), parameter(np.zeros(5))
    step(optim.Adam([a], 0.125), gradients)
    step(optim.OptimisticAdam([b], 0.125), gradients)
    np.testing.assert_array_equal(b.numpy(), 2 * a.numpy())


def test_on_a_constant_gradient_later_steps_are_adams():
    found = trajectory(optim.OptimisticAdam([parameter([0.0])], 0.1, eps=0.0), [3.0] * 5)
    np.testing.assert_allclose(np.diff(found), -0.1, rtol=1e-10)


def test_a_new_learning_rate_holds_for_both_terms():
    rule = optim.OptimisticAdam([parameter([0.0])], 1.0, (0.5, 0.0), 0.0)
    trajectory(rule, [1, 2])
    before = rule.params[0].item()
    rule.lr = 0.5
    step(rule, [-1])
    assert rule.params[0].item() - before == pytest.approx(-0.5 * (2 / 7 - 5 / 6), rel=1e-12)


def test_each_parameter_looks_back_at_its_own_last_step():
    """b has no gradient in the second step: in the third, its previous direction is that of the first."""
    a, b, alone = parameter([0.0]), parameter([0.0]), parameter([0.0])
    rule = optim.OptimisticAdam([a, b], 0.1)
    step(rule, [1.0], [2.0])
    a.grad, b.grad = Tensor(np.array([5.0])), None
    rule.step()
    step(rule, [1.0], [-3.0])
    trajectory(optim.OptimisticAdam([alone], 0.1), [2.0, -3.0])
    assert b.item() == alone.item()
    assert [state["t"] for state in rule.state] == [3, 2]


# --- OMD ----------------------------------------------------------------------------------------------------------------


def test_omd_steps_by_twice_the_gradient_minus_the_last_which_is_0_at_first():
    assert trajectory(optim.OMD([parameter([0.0])], 1.0), [1, 3, -2, 0, 0]) == [-2, -7, 0, -2, -2]


def test_omd_on_a_constant_gradient_is_gradient_descent_after_the_first_step():
    assert np.diff(trajectory(optim.OMD([parameter([0.0])], 0.5), [4.0] * 4)).tolist() == [-2.0] * 3


@pytest.mark.parametrize(("lr", "inwards"), [(0.57, True), (0.6, False)])
def test_omd_is_stable_below_1_over_the_square_root_of_3(lr, inwards):
    distances = bilinear(lambda p: optim.OMD(p, lr), 400)
    assert (distances[-1] < 0.01) == inwards
    assert (distances[-1] > 100) != inwards


def test_five_steps_of_omd_with_averages_are_those_computed_by_hand():
    """lr 1, g = 6, 12, -6, 0, 0. Of three: M = 2, 6, 4, 2, -2; with decay 1/2: M = 3, 15/2, 3/4, 3/8, 3/16, and M_1 = 0."""
    gradients, starts = np.array([6, 12, -6, 0, 0]), [0.0]
    for predictor, M in ((3, [2, 6, 4, 2, -2]), (0.5, [3, 7.5, 0.75, 0.375, 0.1875])):
        by_hand = -np.cumsum(gradients + np.diff([0, *M]))
        np.testing.assert_allclose(trajectory(optim.OMD([parameter(starts)], 1.0, predictor), gradients), by_hand, atol=1e-14)


def test_the_default_is_the_last_gradient_which_is_the_average_of_one():
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(1), rng.standard_normal((50, 1))
    last, one, default = (optim.OMD([parameter(start)], 0.0625, *p) for p in (["last"], [1], []))
    steps = [trajectory(rule, gradients[:, 0]) for rule in (last, default)]
    assert steps[0] == steps[1]
    np.testing.assert_allclose(trajectory(one, gradients[:, 0]), steps[0], rtol=1e-13)


def test_a_parameter_that_waits_keeps_its_own_last_gradients():
    """b misses a step, so the place of its oldest gradient is another one than a's."""
    a, b, alone = parameter([0.0]), parameter([0.0]), parameter([0.0])
    rule = optim.OMD([a, b], 0.1, 2)
    for t, g in enumerate([1.0, -3.0, 2.0, 5.0, 0.5]):
        step(rule, [7.0], None if t == 1 else [g])
    trajectory(optim.OMD([alone], 0.1, 2), [1.0, 2.0, 5.0, 0.5])
    assert b.item() == alone.item()


@pytest.mark.parametrize("predictors", [("last", 1), (2, 3), (2, 0.5), (0.5, 0.6)])
def test_a_state_with_another_predictor_is_refused(predictors):
    saved, other = (optim.OMD([parameter()], 0.1, predictor) for predictor in predictors)
    step(saved, [1, 2, 3])
    with pytest.raises(ValueError, match=r"load_state_dict: predictor is .* here, and was .* where the state was saved"):
        other.load_state_dict(saved.state_dict())


# --- what the rules refuse ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, math.nan])
def test_bad_momentum_and_betas_are_refused(value):
    with pytest.raises(ValueError, match="SGD: momentum is"):
        optim.SGD([parameter()], 0.1, momentum=value)
    with pytest.raises(ValueError, match=r"Adam: betas\[0\] is"):
        optim.Adam([parameter()], betas=(value, 0.999))
    with pytest.raises(ValueError, match=r"RMSProp: alpha is"):
        optim.RMSProp([parameter()], 0.1, alpha=value)
    for rule in (optim.Adam, optim.OptimisticAdam):
        with pytest.raises(ValueError, match=rf"^{rule.__name__}: betas\[1\] is"):
            rule([parameter()], betas=(0.9, value))


@pytest.mark.parametrize("eps", [-1e-8, math.nan])
def test_a_bad_eps_is_refused(eps):
    for rule in (optim.Adam, optim.OptimisticAdam, optim.RMSProp):
        with pytest.raises(ValueError, match=f"^{rule.__name__}: eps is"):
            rule([parameter()], lr=0.1, eps=eps)


@pytest.mark.parametrize("rule", [optim.Adam, optim.OptimisticAdam, optim.RMSProp])
def test_an_eps_that_is_0_in_the_parameters_dtype_is_refused(rule):
    p = Tensor(np.ones(2, np.float16), requires_grad=True)
    p.grad = Tensor(np.zeros(2, np.float16))
    with pytest.raises(ValueError, match=rf"^{rule.__name__}: eps=1e-08 is 0 in float16"):
        rule([p], lr=0.1).step()
    rule([p], lr=0.1, eps=1e-4).step()


@pytest.mark.parametrize("rule", [optim.Adam, optim.OptimisticAdam, optim.RMSProp])
def test_an_eps_that_is_0_is_refused_also_where_it_comes_later(rule):
    p = Tensor(np.ones(2, np.float16), requires_grad=True)
    p.grad = Tensor(np.zeros(2, np.float16))
    first, resumed = rule([p], lr=0.1, eps=1e-4), rule([p], lr=0.1, eps=1e-4)
    first.step()
    resumed.load_state_dict(first.state_dict())
    first.eps = resumed.eps = 1e-9
    for optimizer in (first, resumed):
        with pytest.raises(ValueError, match="is 0 in float16"):
            optimizer.step()
