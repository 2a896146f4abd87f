"""OMD's predictors on theta w: the matrix is the recursion, its eigenvalue the rate, and another predictor is noticed."""

import numpy as np
import pytest

from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from demos.wasserstein import limit_cycles, predictors
from demos.wasserstein.predictors import PREDICTORS, limit, matrix, play, radius
from minigan import optim

every_predictor = pytest.mark.parametrize("name", PREDICTORS)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(predictors, "STEPS", 25)
    monkeypatch.setattr(limit_cycles, "STEPS", 25)


@every_predictor
def test_25_steps_are_25_products_with_the_matrix(name, short):
    """What lies before the start is 0: the gradients, and so the z that they would be of, and M."""
    state = np.zeros(len(matrix(name, 0.2)))
    state[:2] = 1
    distances = [np.hypot(*state[:2])]
    for _ in range(25):
        state = matrix(name, 0.2) @ state
        distances.append(np.hypot(*state[:2]))
    np.testing.assert_allclose(play(name, 0.2), distances, rtol=0, atol=1e-12)


@every_predictor
def test_one_vector_of_both_players_steps_as_the_two_of_the_game_do(name, short):
    game = limit_cycles.GAMES["bilinear game"]
    how = limit_cycles.Play(lambda params, eta: optim.OMD(params, eta, PREDICTORS[name]), "", "")
    distances = limit_cycles.distance(limit_cycles.run(game, how), game)
    np.testing.assert_allclose(play(name, game.eta), distances, rtol=1e-12)


def test_the_last_gradients_rate_is_the_root_of_its_equation():
    for eta in (0.1, 0.57, 0.6):
        root = np.abs(np.roots([1, -(1 - 2j * eta), -1j * eta])).max()
        assert radius("last gradient", eta) == pytest.approx(root, rel=1e-12)


def test_the_limits_are_those_of_the_formulas(monkeypatch):
    """With a decay d, (1 - d) sqrt((1 + d) / (3 - d)); d = 0 is the last gradient."""
    assert limit("last gradient") == pytest.approx(1 / np.sqrt(3), rel=1e-9)
    for d in (0.1, 0.5, 0.9):
        monkeypatch.setitem(PREDICTORS, "decay", d)
        assert limit("decay") == pytest.approx((1 - d) * np.sqrt((1 + d) / (3 - d)), rel=1e-9)


def test_the_longer_the_average_the_smaller_are_the_rates_it_bears(monkeypatch):
    limits = []
    for n in range(1, 12):
        monkeypatch.setitem(PREDICTORS, "average", n)
        limits.append(limit("average"))
    assert (np.diff(limits) < 0).all()


@every_predictor
def test_small_rates_are_as_good_with_every_predictor(name):
    """The average of gradients that hardly change is each of them: |eigenvalue| = 1 - eta^2 / 2 + O(eta^4)."""
    assert radius(name, 1e-3) == pytest.approx(1 - 0.5e-6, abs=1e-9)


def reported(out, wrong=None):
    """The claim about an average of 2 at a rate that is small enough, and at one that is not."""
    claim = Claim(start(common_options(""), ["--out", str(out)], "limit_cycles"), {})
    runs = {("average of 2", eta): play(wrong or "average of 2", eta) for eta in (0.4, 0.5)}
    predictors.report(claim, runs)
    return claim


def test_the_rates_are_the_eigenvalues(tmp_path):
    assert list(reported(tmp_path).holds.values()) == [True] * 3


def test_another_predictor_breaks_the_claim(tmp_path):
    assert list(reported(tmp_path, "decay 0.5").holds.values()) == [False, False, False]


def test_the_words_have_every_predictors_limit(tmp_path):
    assert reported(tmp_path).words(predictors.LIMITS) == (
        "OMD on the bilinear game converges for rates below "
        "0.58 (last gradient), 0.45 (average of 2), 0.26 (average of 5), 0.39 (decay 0.5), 0.095 (decay 0.9)"
    )
