"""The demo of adversarial variational Bayes: its measures against closed forms, and a claim that mistakes break."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.generative_models import autoencoders
from demos.generative_models import variational_bayes as demo
from demos.kit.claim import Claim
from demos.kit.run import start
from demos.kit.runner.options import common_options
from minigan import Tensor, data, nn
from tests.demos.running import assert_shows_something, broken_claims, smaller_run, summary_of

TINY = replace(demo.Settings(), width=8, t_width=8, steps=4, moving=3, batch=16, codes=20, every=2, seeds=1)


@pytest.mark.slow
def test_a_quick_run_leaves_its_picture_and_claims_nothing(tmp_path):
    assert broken_claims(demo, tmp_path) == []
    assert summary_of(tmp_path)["holds"] == {}
    assert_shows_something(tmp_path / "variational_bayes.png")


@pytest.mark.slow
def test_a_run_leaves_its_picture_and_figures(tmp_path):
    out = smaller_run(demo, tmp_path, steps=4, every=2, width=8, t_width=8, codes=20)
    assert {path.name for path in out.iterdir()} == {"variational_bayes.png", "summary.json", "checkpoint.npz"}


@pytest.mark.parametrize("kind", demo.KINDS)
def test_each_model_learns_and_says_what_it_can(kind):
    found = demo.learn(kind, 0, TINY)
    more = {"T"} if kind == demo.AVB else {"T", "D_KL", "curve"} if kind == demo.BOTH else set()
    assert set(found) == {"codes", "gaps", "right", "log P"} | more
    assert found["codes"].shape == (4, 20, 2)
    assert all(np.isfinite(value).all() for value in found.values())
    if kind == demo.BOTH:
        assert found["curve"].shape == (2, 2)
        assert found["curve"][-1, 1] == found["D_KL"]  # the last look is at the end


def test_p_and_q_come_to_rest():
    D_KL = demo.learn(demo.BOTH, 0, replace(TINY, steps=6, moving=3, every=1))["curve"][:, 1]
    assert len(set(D_KL[:3])) == 3
    assert len(set(D_KL[2:])) == 1


# --- the measures, by players whose answers are known -----------------------------------------------------------------------


class Quadrants(nn.Module):
    """P that tells the image by the quadrant of z: its pixel is white, and the others are black."""

    def __init__(self, sure=50.0):
        self.sure = sure

    def forward(self, z):
        quadrant = 2 * (z.numpy()[:, 0] > 0) + (z.numpy()[:, 1] > 0)
        return Tensor(self.sure * (2 * np.eye(4)[quadrant] - 1))


class Shift(nn.Module):
    """The moments of Normal: mu = (x_1, -2 x_2), sigma^2 = e."""

    def forward(self, x):
        mu = x[:, :2] * Tensor(np.array([1.0, -2.0], np.float32))
        return mg.concatenate([mu, Tensor(np.ones(mu.shape, np.float32))], axis=1)


class LogRatio(nn.Module):
    """T* = log Q(z | x) - log P(z) of that Q."""

    def forward(self, x, z):
        mu = x.numpy()[:, :2] * [1.0, -2.0]
        log_q = -((z.numpy() - mu) ** 2) / (2 * np.e) - 0.5
        return Tensor((log_q + z.numpy() ** 2 / 2).sum(axis=1, keepdims=True))


def test_log_p_is_the_integral_over_the_prior():
    assert demo.log_likelihood(Quadrants()) == pytest.approx(-np.log(4), abs=1e-6)  # the best there is
    assert demo.log_likelihood(Quadrants(0.0)) == pytest.approx(-4 * np.log(2), rel=1e-9)  # each pixel a coin
    right, wrong = -4 * np.log1p(np.exp(-1.0)), -4 * np.log1p(np.exp(-1.0)) - 2.0  # two pixels wrong, by logits of 1
    expected = np.log(0.25 * np.exp(right) + 0.75 * np.exp(wrong))
    assert demo.log_likelihood(Quadrants(1.0)) == pytest.approx(expected, rel=1e-9)


def test_gaps_are_the_divergence_of_the_codes_from_the_prior():
    z = autoencoders.quantiles(100)  # as even as can be
    assert demo.gaps(z) == pytest.approx(0, abs=1e-12)
    assert demo.gaps(z[z[:, 0] > 0]) == pytest.approx(np.log(2), rel=1e-9)  # one half is empty
    assert demo.gaps(np.full((7, 2), 30.0)) == pytest.approx(np.log(100), rel=1e-9)  # all in the last cell
    assert 0.001 < demo.gaps(data.noise(2, rng=np.random.default_rng(0))(20_000)) < 0.005  # chance: 99 / (2 n)


def test_the_mean_of_the_best_t_is_the_divergence():
    Q, epsilon = demo.Normal(Shift()), data.noise(2, rng=np.random.default_rng(0))
    expected = ((1 + 4) / 4 + 2 * (np.e - 1 - 1)) / 2  # the mean of mu^2 over the images; sigma^2 - 1 - log sigma^2, twice
    assert demo.divergence(Q) == pytest.approx(expected, rel=1e-6)
    assert demo.mean_of_t(Q, LogRatio(), epsilon, 20_000) == pytest.approx(expected, rel=0.02)
    z = demo.codes(Q, epsilon, 20_000)
    np.testing.assert_allclose(z.mean(axis=1), [[1, 0], [0, -2], [0, 0], [0, 0]], atol=0.05)
    np.testing.assert_allclose(z.var(axis=1), np.e, rtol=0.05)


def test_images_that_p_tells_are_counted():
    class Corners(nn.Module):
        """Image i in its own quadrant, but image 4 in that of image 1."""

        def forward(self, x, epsilon):
            at = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
            return Tensor(x.numpy() @ at)

    assert demo.look(Corners(), Quadrants(), data.noise(2), TINY)["right"] == 0.75


# --- the claim ------------------------------------------------------------------------------------------------------------


def run(T=1.0, log_p=-1.4, gaps=0.02):
    return {"T": T, "D_KL": 1.0, "log P": log_p, "gaps": gaps, "right": 0.99}


def measured(tmp_path, both, ours=None):
    claim = Claim(start(common_options(""), ["--out", str(tmp_path)], "variational_bayes"), {})
    ours = ours or [run(log_p=-1.40 - i / 1000, gaps=0.02 + i / 1000) for i in range(3)]
    other = [run(log_p=-1.55 - i / 1000, gaps=0.15 + i / 1000) for i in range(3)]
    demo.measure(claim, {demo.VAE: other, demo.AVB: ours, demo.BOTH: both})
    return claim


def test_what_is_claimed(tmp_path):
    claim = measured(tmp_path, [run(0.97), run(1.04), run(1.0)])
    assert claim.holds == {"mean of T beside D_KL, where Q is normal: off by": True}
    assert "a Q of any shape leaves smaller gaps in the prior (KL 0.021 nats; a VAE: 0.151) and makes P l" in demo.title(claim)


@pytest.mark.parametrize("T", [0.94, 1.06, -1.0])
def test_a_t_that_is_off_in_one_seed_breaks_it(T, tmp_path):
    assert list(measured(tmp_path, [run(), run(T), run()]).holds.values()) == [False]


def test_what_does_not_help_is_said(tmp_path):
    worse = [run(log_p=-1.8 - i / 1000, gaps=0.15 + i / 1000) for i in range(3)]
    words = demo.title(measured(tmp_path, [run()], worse))
    assert "leaves gaps that differ by chance alone" in words
    assert "makes P less likely" in words
