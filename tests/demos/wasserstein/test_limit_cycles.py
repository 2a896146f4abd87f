"""Limit cycles: paths against the same recursions by hand, optimism on digits, and the bounds of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest

from demos.wasserstein import limit_cycles, optimism
from demos.wasserstein.limit_cycles import GAMES, PLAYS, distance, run
from minigan import metrics
from minigan.games import WGANGP
from tests.demos.experiments import broken, judged
from tests.demos.running import broken_claims


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(limit_cycles, "STEPS", 500)


@pytest.mark.slow
def test_the_claim_holds_after_all_steps(tmp_path):
    assert broken_claims(limit_cycles, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("eta", "factor"), [(0.57, 0.981), (0.60, 1.057)])
def test_omd_is_stable_below_one_over_the_root_of_three_only(eta, factor):
    claim = judged(limit_cycles.stability)
    assert all(claim.holds.values())
    assert claim.metrics[f"bilinear game, OMD, eta {eta:.4f}: factor"] == pytest.approx(factor, abs=1e-3)
    assert (factor < 1) == (eta < 3**-0.5)


def test_descent_without_optimism_breaks_the_claim(short):
    game = GAMES["bilinear game"]
    distances = {
        "OMD": distance(run(game, PLAYS["GD at once"]), game),
        "GD in turn": distance(run(game, PLAYS["GD in turn"]), game),
    }
    assert broken(judged(limit_cycles.arrivals, "bilinear game", distances)) == {"bilinear game, OMD: distance"}
    paths = {"GD in turn": run(game, PLAYS["GD in turn"])}
    spiral = {"GD at once": np.sqrt(2 * 1.01 ** np.arange(1001))}
    assert broken(judged(limit_cycles.spiral_and_ellipse, paths, spiral)) == set()
    still = {"GD in turn": run(game, PLAYS["OMD"])}, {"GD at once": np.ones(1001)}
    assert len(broken(judged(limit_cycles.spiral_and_ellipse, *still))) == 2


def test_optimistic_adam_arrives_without_momentum_only(short):
    game = GAMES["bilinear game"]
    assert distance(run(game, PLAYS["optimistic Adam"]), game)[-1] < 0.02
    assert distance(run(game, PLAYS["optimistic Adam, momentum"]), game)[-100:].min() > 0.5


def test_the_paths_on_theta_w_are_the_recursions(short):
    """z = theta + i w; the players descend and ascend along -i z. |z_t|^2 = 2 (1 + eta^2)^t by GD: its steps are orthogonal."""
    game = GAMES["bilinear game"]
    np.testing.assert_allclose(distance(run(game, PLAYS["GD at once"]), game), np.sqrt(2 * 1.01 ** np.arange(501)), rtol=1e-12)
    eta, z = 0.1, [1 + 1j]
    for t in range(500):
        before = z[t - 1] if t else 0.0
        z.append(z[t] + 1j * eta * (2 * z[t] - before))
    theta, w = run(game, PLAYS["OMD"])[:, :, 0].T
    np.testing.assert_allclose(theta + 1j * w, np.array(z), rtol=0, atol=1e-12)


def test_the_dirac_gans_radii(short):
    """D(x) = sigma(w x), data at 0: g_theta = -w sigma(w theta), g_w = -theta sigma(w theta)."""
    theta, w = 1.0, -1.0
    for _ in range(500):
        p = 1 / (1 + np.exp(-w * theta))
        theta, w = theta + 0.2 * w * p, w - 0.2 * theta * p
    game = GAMES["Dirac GAN"]
    at_once, in_turn = (distance(run(game, PLAYS[how]), game) for how in ("GD at once", "GD in turn"))
    assert at_once[-1] == pytest.approx(np.hypot(theta, w), rel=1e-9)
    assert at_once[-1] == pytest.approx(3.097, abs=1e-3)
    assert 1.3 < in_turn.min() < in_turn.max() < 1.5


def test_the_published_cycle_comes_from_clipping_the_critics_weights(monkeypatch):
    """The same experiment in plain NumPy: 999 steps at once, w clipped to [-1, 1]."""
    monkeypatch.setattr(limit_cycles, "STEPS", 999)
    theta, w = np.full(2, 1.7), np.full(2, 1.4)
    for _ in range(999):
        theta, w = theta + 0.1 * w, np.clip(w + 0.1 * (np.array([3.0, 4.0]) - theta), -1, 1)
    np.testing.assert_allclose(theta, (3.48000545, 5.07760794), atol=1e-8)
    game = replace(GAMES["Gaussian's mean"], theta=(1.7, 1.7), w=(1.4, 1.4), eta=0.1)
    np.testing.assert_allclose(run(game, PLAYS["GD, w clipped"])[-1], (theta, w), atol=1e-8)


# --- optimism on digits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("worst", "misses"), [(130.0, []), (2500.0, ["digits: Frechet distance, worst run"])])
def test_a_generator_that_has_not_learnt_is_a_broken_bound(worst, misses):
    runs = {
        f"{rule}, 5:1": [{"frechet": 110.0}, {"frechet": d}] for rule, d in zip(optimism.RULES, (120.0, worst), strict=True)
    }
    assert broken(judged(optimism.report, optimism.Settings(), runs)) == set(misses)
    effect = judged(optimism.report, optimism.Settings(), runs).metrics["digits, 5:1: Frechet distance, optimistic less Adam"]
    assert effect == pytest.approx((worst - 120) / 2)


@pytest.mark.parametrize("tempo", [1, 2, 5])
@pytest.mark.parametrize("rule", optimism.RULES)
def test_the_rules_differ_in_nothing_else_and_every_tempo_costs_as_many_updates(rule, tempo, record, two_sets):
    played = record(optimism, "train")
    s = replace(optimism.QUICK, width=8, batch=16, samples=20, rates=(1e-3, 2e-3))
    optimism.play(rule, tempo, 7, two_sets.x, metrics.Judge(), s)
    game, rate = played[0].game, s.rates[list(optimism.RULES).index(rule)]
    assert (type(game), game.n_critic, game.penalty) == (WGANGP, tempo, s.penalty)
    assert type(game.opt_G) is type(game.opt_D) is optimism.RULES[rule]
    assert (game.opt_G.lr, game.opt_D.lr, game.opt_D.betas) == (rate, rate, s.betas)
    assert played[0].steps * (tempo + 1) == s.updates
    assert next(played[0].batches).min() < -0.9
