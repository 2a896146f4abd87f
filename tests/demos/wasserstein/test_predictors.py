"""OMD's predictors on theta w: the matrix is the recursion, its eigenvalue the rate, and another predictor is noticed."""

import numpy as np
import pytest

from demos.wasserstein import limit_cycles, predictors
from demos.wasserstein.predictors import PREDICTORS, limit, matrix, play, radius
from minigan import optim
from tests.demos.experiments import broken, judged


@pytest.mark.parametrize("name", PREDICTORS)
def test_25_steps_are_25_products_with_the_matrix_and_those_of_the_game_and_small_rates_are_as_good(name, monkeypatch):
    """What lies before the start is 0: the gradients, and so the z that they would be of, and M."""
    for module in (predictors, limit_cycles):
        monkeypatch.setattr(module, "STEPS", 25)
    game = limit_cycles.GAMES["bilinear game"]
    state = np.zeros(len(matrix(name, game.eta)))
    state[:2] = 1
    distances = [np.hypot(*state[:2])]
    for _ in range(25):
        state = matrix(name, game.eta) @ state
        distances.append(np.hypot(*state[:2]))
    np.testing.assert_allclose(play(name, game.eta), distances, rtol=0, atol=1e-12)
    how = limit_cycles.Play(lambda params, eta: optim.OMD(params, eta, PREDICTORS[name]), "", "")
    np.testing.assert_allclose(limit_cycles.distance(limit_cycles.run(game, how), game), distances, rtol=1e-12)
    assert radius(name, 1e-3) == pytest.approx(1 - 0.5e-6, abs=1e-9)  # 1 - eta^2 / 2 + O(eta^4)


def test_the_last_gradients_rate_is_the_root_of_its_equation():
    for eta in (0.1, 0.57, 0.6):
        root = np.abs(np.roots([1, -(1 - 2j * eta), -1j * eta])).max()
        assert radius("last gradient", eta) == pytest.approx(root, rel=1e-12)


def test_the_limits_are_those_of_the_formulas_and_the_longer_the_average_the_smaller(monkeypatch):
    """With a decay d, (1 - d) sqrt((1 + d) / (3 - d)); d = 0 is the last gradient."""
    assert limit("last gradient") == pytest.approx(1 / np.sqrt(3), rel=1e-9)
    for d in (0.1, 0.5, 0.9):
        monkeypatch.setitem(PREDICTORS, "mine", d)
        assert limit("mine") == pytest.approx((1 - d) * np.sqrt((1 + d) / (3 - d)), rel=1e-9)
    limits = []
    for n in range(1, 12):
        monkeypatch.setitem(PREDICTORS, "mine", n)
        limits.append(limit("mine"))
    assert (np.diff(limits) < 0).all()


@pytest.mark.parametrize(("played", "misses"), [("average of 2", 0), ("decay 0.5", 3)])
def test_another_predictor_breaks_the_claim(played, misses):
    """At a rate that is small enough for an average of 2, and at one that is not."""
    assert len(broken(judged(predictors.report, {("average of 2", eta): play(played, eta) for eta in (0.4, 0.5)}))) == misses
