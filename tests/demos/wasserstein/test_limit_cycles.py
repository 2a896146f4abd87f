"""Paths and predictors on small games against the same recursions by hand, and optimism on digits."""

import numpy as np
import pytest

from demos.wasserstein import limit_cycles, predictors
from demos.wasserstein.limit_cycles import GAMES, PLAYS, distance, run
from demos.wasserstein.predictors import PREDICTORS, limit, matrix, play, radius
from minigan import optim

BILINEAR = GAMES["bilinear game"]


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(limit_cycles, "STEPS", 500)


def test_gds_path_on_theta_w_is_the_recursion_and_optimistic_adam_arrives_without_momentum_only(short):
    """z = theta + i w; the players descend and ascend along -i z. |z_t|^2 = 2 (1 + eta^2)^t by GD: its steps are orthogonal."""
    spiral = distance(run(BILINEAR, PLAYS["GD at once"]), BILINEAR)
    np.testing.assert_allclose(spiral, np.sqrt(2 * 1.01 ** np.arange(501)), rtol=1e-12)
    assert distance(run(BILINEAR, PLAYS["optimistic Adam"]), BILINEAR)[-1] < 0.02
    assert distance(run(BILINEAR, PLAYS["optimistic Adam, momentum"]), BILINEAR)[-100:].min() > 0.5


def test_the_dirac_gans_radii(short):
    """D(x) = sigma(w x), data at 0: g_theta = -w sigma(w theta), g_w = -theta sigma(w theta)."""
    theta, w = 1.0, -1.0
    for _ in range(500):
        p = 1 / (1 + np.exp(-w * theta))
        theta, w = theta + 0.2 * w * p, w - 0.2 * theta * p
    game = GAMES["Dirac GAN"]
    at_once, in_turn = (distance(run(game, PLAYS[how]), game) for how in ("GD at once", "GD in turn"))
    assert at_once[-1] == pytest.approx(np.hypot(theta, w), rel=1e-9)
    assert 1.3 < in_turn.min() < in_turn.max() < 1.5


def test_clipping_the_critics_weights_is_that_of_plain_numpy(short):
    theta, w = np.full(2, 1.7), np.full(2, 1.4)
    for _ in range(500):
        theta, w = theta + 0.1 * w, np.clip(w + 0.1 * (np.array([3.0, 4.0]) - theta), -1, 1)
    np.testing.assert_allclose(run(GAMES["Gaussian's mean"], PLAYS["GD, w clipped"])[-1], (theta, w), atol=1e-8)


@pytest.mark.parametrize("name", PREDICTORS)
def test_25_steps_are_25_products_with_the_matrix_and_those_of_the_game_and_small_rates_are_as_good(name, monkeypatch):
    """What lies before the start is 0: the gradients, and so the z that they would be of, and M."""
    for module in (predictors, limit_cycles):
        monkeypatch.setattr(module, "STEPS", 25)
    states = [np.eye(len(matrix(name, 0.1)))[:2].sum(axis=0)]
    for _ in range(25):
        states.append(matrix(name, 0.1) @ states[-1])
    distances = [np.hypot(*state[:2]) for state in states]
    np.testing.assert_allclose(play(name, 0.1), distances, rtol=0, atol=1e-12)
    how = limit_cycles.Play(lambda params, eta: optim.OMD(params, eta, PREDICTORS[name]), "", "")
    np.testing.assert_allclose(distance(run(BILINEAR, how), BILINEAR), distances, rtol=1e-12)
    assert radius(name, 1e-3) == pytest.approx(1 - 0.5e-6, abs=1e-9)  # 1 - eta^2 / 2 + O(eta^4)


def test_the_limits_are_those_of_the_formulas_and_the_longer_the_average_the_smaller(monkeypatch):
    """With a decay d, (1 - d) sqrt((1 + d) / (3 - d)); d = 0 is the last gradient."""
    limits = {"last": limit("last gradient")}
    for predictor in (0.1, 0.5, 0.9, *range(1, 12)):
        monkeypatch.setitem(PREDICTORS, "mine", predictor)
        limits[predictor] = limit("mine")
    assert limits["last"] == pytest.approx(1 / np.sqrt(3), rel=1e-9)
    for d in (0.1, 0.5, 0.9):
        assert limits[d] == pytest.approx((1 - d) * np.sqrt((1 + d) / (3 - d)), rel=1e-9)
    assert (np.diff([limits[n] for n in range(1, 12)]) < 0).all()
