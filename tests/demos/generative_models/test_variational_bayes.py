"""The demo of adversarial variational Bayes: its measures against closed forms, and a claim that mistakes break."""

from dataclasses import replace

import numpy as np
import pytest

import minigan as mg
from demos.generative_models import autoencoders
from demos.generative_models import variational_bayes as demo
from minigan import Tensor, data, nn

TINY = replace(demo.Settings(), width=8, t_width=8, steps=4, moving=3, batch=16, codes=20, every=2, seeds=1)


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


def measured(claim, T, log_p=-1.4, gaps=0.02):
    ours = [run(log_p=log_p - i / 1000, gaps=gaps + i / 1000) for i in range(3)]
    other = [run(log_p=-1.55 - i / 1000, gaps=0.15 + i / 1000) for i in range(3)]
    demo.measure(claim, {demo.VAE: other, demo.AVB: ours, demo.BOTH: [run(0.97), run(T), run()]})
    return demo.title(claim)


@pytest.mark.parametrize(("T", "holds"), [(1.04, True), (0.94, False), (1.06, False), (-1.0, False)])
def test_a_t_that_is_off_in_one_seed_breaks_the_claim(claim, T, holds):
    measured(claim, T)
    assert claim.holds == {"mean of T beside D_KL, where Q is normal: off by": holds}


@pytest.mark.parametrize(
    ("log_p", "gaps", "words"),
    [(-1.4, 0.02, ("leaves smaller gaps", "P likelier")), (-1.8, 0.15, ("leaves gaps that differ by chance", "P less likely"))],
)
def test_what_helps_and_what_does_not_is_said(claim, log_p, gaps, words):
    title = measured(claim, 1.0, log_p, gaps)
    assert all(word in title for word in words)
