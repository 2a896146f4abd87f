"""The demo of the adversarial autoencoder: its measures against formulas by hand, and a claim that mistakes break."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

import minigan as mg
from demos.generative_models import adversarial_autoencoder as demo
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.run import start
from minigan import Tensor, metrics
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

TINY = replace(demo.Settings(), code=3, width=8, d_width=8, steps=3, batch=16, codes=20, judged=30, seeds=1)


@pytest.mark.slow
def test_a_quick_run_leaves_its_picture_and_claims_nothing(tmp_path):
    assert broken_claims(demo, tmp_path) == []
    assert summary_of(tmp_path)["holds"] == {}
    assert_shows_something(tmp_path / "adversarial_autoencoder.png")


@pytest.mark.slow
def test_a_run_leaves_its_picture_and_figures(tmp_path):
    out = smaller_run(demo, tmp_path, steps=2, width=8, d_width=8)
    assert {path.name for path in out.iterdir()} == {
        "adversarial_autoencoder.png",
        "codes.png",
        "summary.json",
        "checkpoint.npz",
    }


# --- the models -----------------------------------------------------------------------------------------------------------


def learnt(kind, monkeypatch):
    """A model after some steps, and its networks before them and after."""
    seen, players = {}, demo.players

    def keep(s):
        seen["networks"] = players(s)
        seen["before"] = [values(network) for network in seen["networks"]]
        return seen["networks"]

    monkeypatch.setattr(demo, "players", keep)
    x = np.random.default_rng(0).random((60, 1, 28, 28), np.float32)
    found = demo.learn(kind, 3, x[20:], x[:20], metrics.Judge(np.random.default_rng(0)), TINY)
    return found, seen["before"], [values(network) for network in seen["networks"]], x[:20], seen["networks"]


def values(network):
    return [p.numpy().copy() for p in network.parameters()]


def test_both_models_begin_alike_and_d_learns_in_one_of_them_alone(monkeypatch):
    (_, plain, plain_after, *_), (_, ours, ours_after, *_) = (learnt(kind, monkeypatch) for kind in demo.KINDS)
    for a, b in zip(plain, ours, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))
    assert moved(plain, plain_after) == [True, True, False]  # Q, P, D
    assert moved(ours, ours_after) == [True, True, True]


def moved(before, after):
    return [not np.array_equal(a[0], b[0]) for a, b in zip(before, after, strict=True)]


@pytest.mark.parametrize("kind", demo.KINDS)
def test_the_error_and_the_codes_are_those_of_unseen_images(kind, monkeypatch):
    found, _, _, others, (Q, P, _) = learnt(kind, monkeypatch)
    with mg.no_grad():
        code = Q(Tensor(others))
        images = P(code).numpy()
    assert found["error"] == pytest.approx(np.mean((images - others) ** 2), rel=1e-6)
    np.testing.assert_allclose(found["codes"], code.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["distances"], demo.distances(code.numpy()), atol=1e-6)
    assert found["samples"].shape == (30, 1, 28, 28)
    assert 0 <= found["samples"].min() < found["samples"].max() <= 1


# --- the measures ---------------------------------------------------------------------------------------------------------


def test_the_distance_is_the_largest_difference_of_the_distribution_functions():
    codes = np.random.default_rng(0).normal([0, 1, 0], [1, 1, 2], (2000, 3))
    for column, found in zip(codes.T, demo.distances(codes), strict=True):
        F = norm.cdf(np.sort(column))
        steps = np.arange(2001) / 2000
        assert found == pytest.approx(max(np.abs(F - steps[1:]).max(), np.abs(F - steps[:-1]).max()), rel=1e-12)
    assert demo.distances(codes)[0] < 0.05 < 0.1 < demo.distances(codes)[1:].min()


def test_draws_like_the_codes_have_their_mean_and_covariance():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((2000, 2)) @ np.array([[2.0, 1.0], [0.0, 0.5]]) + [3, -1]
    z = rng.standard_normal((2000, 2))
    z = (z - z.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T  # exactly white
    drawn = demo.like(codes, z)
    np.testing.assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=1e-9)


# --- the claim ------------------------------------------------------------------------------------------------------------


def run(distance=0.03, error=0.02, frechet=100.0):
    return {
        "distances": np.array([0.01, distance]),
        "distances, training": np.array([0.01, 0.02]),
        "error": error,
        "frechet": {"prior": frechet, "fitted": 90.0},
    }


def measured(tmp_path, ours):
    claim = Claim(start(digits.options(""), ["--out", str(tmp_path)], "adversarial_autoencoder"), {})
    demo.measure(claim, {"plain": [run(0.8, 0.018, 1200.0), run(0.7, 0.02, 1000.0)], "adversarial": ours})
    return claim


def test_what_is_claimed(tmp_path):
    claim = measured(tmp_path, [run(), run(0.04)])
    assert list(claim.holds.values()) == [True] * 3
    assert claim.metrics["KS distance from the prior"] == 0.04
    assert claim.metrics["KS distance from the prior, plain"] == 0.7
    assert claim.metrics["squared error over that of plain"] == pytest.approx(0.02 / 0.018)


@pytest.mark.parametrize("worse", [{"distance": 0.06}, {"error": 0.03}, {"frechet": 700.0}])
def test_a_mistake_in_one_seed_breaks_it(worse, tmp_path):
    assert list(measured(tmp_path, [run(), run(**worse)]).holds.values()).count(False) == 1
