"""The demo of the adversarial autoencoder: its measures against formulas by hand, and faults that break the claim."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from demos.generative_models import adversarial_autoencoder as demo
from minigan import Tensor, metrics
from tests.demos.experiments import broken

TINY = replace(demo.Settings(), code=3, width=8, d_width=8, steps=3, batch=16, codes=20, judged=30, seeds=1)


@pytest.mark.parametrize(("kind", "moves"), [("plain", [True, True, False]), ("adversarial", [True, True, True])])
def test_d_learns_in_one_model_alone_and_error_and_codes_are_those_of_unseen_images(kind, moves, monkeypatch):
    def values():
        return [network.parameters()[0].numpy().copy() for network in networks]

    networks = demo.players(TINY)
    before = values()
    monkeypatch.setattr(demo, "players", lambda s: networks)
    x = np.random.default_rng(0).random((60, 1, 28, 28), np.float32)
    found = demo.learn(kind, 3, x[20:], x[:20], metrics.Judge(np.random.default_rng(0)), TINY)
    assert [not np.array_equal(a, b) for a, b in zip(before, values(), strict=True)] == moves
    Q, P, _ = networks
    code = Q(Tensor(x[:20]))
    assert found["error"] == pytest.approx(np.mean((P(code).numpy() - x[:20]) ** 2), rel=1e-5)
    np.testing.assert_allclose(found["codes"], code.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["distances"], demo.distances(code.numpy()), atol=1e-6)
    assert found["samples"].shape == (30, 1, 28, 28)
    assert 0 <= found["samples"].min() < found["samples"].max() <= 1


def test_the_distance_is_the_largest_difference_of_the_distribution_functions():
    codes = np.random.default_rng(0).normal([0, 1, 0], [1, 1, 2], (2000, 3))
    for column, found in zip(codes.T, demo.distances(codes), strict=True):
        F, steps = norm.cdf(np.sort(column)), np.arange(2001) / 2000
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


def run(distance=0.03, error=0.02, frechet=100.0):
    distances = {"distances": np.array([0.01, distance]), "distances, training": np.array([0.01, 0.02])}
    return distances | {"error": error, "frechet": {"prior": frechet, "fitted": 90.0}}


@pytest.mark.parametrize(
    ("worse", "fails"),
    [
        ({}, set()),
        ({"distance": 0.06}, {"KS distance from the prior"}),
        ({"error": 0.03}, {"squared error over that of plain"}),
        ({"frechet": 700.0}, {"Frechet distance over that of plain"}),
    ],
)
def test_a_mistake_in_one_seed_breaks_the_claim(claim, worse, fails):
    demo.measure(claim, {"plain": [run(0.8, 0.018, 1200.0), run(0.7, 0.02, 1000.0)], "adversarial": [run(), run(**worse)]})
    assert broken(claim) == fails
    assert claim.metrics["KS distance from the prior, plain"] == 0.7
