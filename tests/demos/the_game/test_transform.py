"""The demo of the transform method: the exact transforms against SciPy's distributions, what is averaged, and the claim."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from demos.the_game import transform as demo
from tests.demos.experiments import broken

SCIPY = {"exponential": stats.expon, "Gaussian": stats.norm}
TINY = replace(demo.Settings(), steps=8, pairs=1, n=1000, g_width=8, d_width=8)


@pytest.mark.parametrize("name", list(demo.TARGETS))
def test_the_exact_transform_gives_the_target(name):
    u, target = np.linspace(0.001, 0.999, 999), demo.TARGETS[name]
    x = target.inverse(u)
    np.testing.assert_allclose(x, SCIPY[name].ppf(u), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(target.density(x), SCIPY[name].pdf(x), rtol=1e-12)
    drawn = target.draw(np.random.default_rng(0), 10_000)
    assert stats.kstest(drawn, SCIPY[name].cdf).statistic < 1.63 / 100  # 1 % of such samples lie farther away


@pytest.mark.parametrize("fault", [0.0, 0.1])
def test_the_distance_is_what_theory_says_and_a_wrong_transform_is_far(claim, monkeypatch, fault):
    """W1 of two samples of size n is about 2 / sqrt(pi n) times the integral of sqrt(F (1 - F))."""
    right = demo.TARGETS["Gaussian"]
    monkeypatch.setitem(demo.TARGETS, "Gaussian", replace(right, inverse=lambda u: right.inverse(u) + fault))
    x = np.linspace(-8, 8, 20_001)
    F = stats.norm.cdf(x)
    theory = 2 / np.sqrt(np.pi * 10_000) * np.sum(np.sqrt(F * (1 - F))) * (x[1] - x[0])
    assert demo.exact(claim, "Gaussian", demo.Settings()) == pytest.approx(theory, rel=0.4)
    assert broken(claim) == ({"Gaussian: F^-1(u), times that"} if fault else set())


def test_the_average_is_that_of_the_second_half(monkeypatch):
    """Parameters that count the iterations, 1 to 8: the mean of 5, 6, 7 and 8 is 6.5."""

    def step(self, batches):
        self.count = getattr(self, "count", 0) + 1
        for p in self.G.parameters():
            p.data = np.full(p.shape, self.count, np.float32)

    monkeypatch.setattr(demo.games.GAN, "step", step)
    averaged, last = (demo.restored(state, TINY) for state in demo.train(0, "Gaussian", TINY))
    for mean, p in zip(averaged.G.parameters(), last.G.parameters(), strict=True):
        assert (mean.numpy() == 6.5).all()
        assert (p.numpy() == 8).all()


@pytest.mark.slow
@pytest.mark.parametrize("lr", [0.0, 3e-3])
def test_only_a_generator_that_trains_comes_near(lr):
    s = replace(demo.Settings(), steps=200, batch=64, pairs=3, lr=lr)
    T = demo.restored(demo.train(0, "Gaussian", s)[0], s)
    assert (demo.distance(demo.TARGETS["Gaussian"], T.sample, s) < 0.3) == (lr > 0)
