"""Adversarial variational Bayes: what T learns, and in which unit. Its steps by hand: `tests/contracts/test_games.py`."""

import itertools

import numpy as np
import pytest

from minigan import data, games, nn, optim
from tests.games import players


class Shifted(nn.Module):
    """z = 1 + epsilon, whatever x is: Q(z | x) = N(1, 1). `shift` is a parameter, so that there is something to train."""

    def __init__(self):
        self.shift = nn.Dense(1, 1)
        self.shift.weight.data, self.shift.bias.data = np.zeros((1, 1)), np.ones(1)

    def forward(self, x, epsilon):
        return epsilon + self.shift(x)


class OfCode(nn.Dense):
    """T(x, z) = a z + b."""

    def forward(self, x, z):
        return super().forward(z)


def zero(layer):
    for p in layer.parameters():
        p.data = np.zeros(p.shape)
    return layer


def test_t_learns_log_q_minus_log_p_and_not_its_negative():
    """log N(z; 1, 1) - log N(z; 0, 1) = z - 1/2, with mean 1/2 = D_KL over Q. With swapped labels it would be 1/2 - z."""
    Q, P, T = Shifted(), zero(nn.Dense(1, 1)), zero(OfCode(1, 1))
    still, opt_T = optim.SGD(Q.parameters() + P.parameters(), lr=0.0), optim.Adam(T.parameters(), lr=0.1)
    prior, epsilon = players.Draws(1, seed=1), players.Draws(1, seed=2)
    game = games.AdversarialVariationalBayes(P, T, prior, still, opt_T, Q, epsilon)
    decay, x = optim.LinearDecay(opt_T, 120), np.full((1000, 1), 0.5)
    for _ in range(120):
        figures = game.step(itertools.repeat(x))
        decay.step()
    np.testing.assert_allclose([T.weight.item(), T.bias.item()], [1, -0.5], atol=0.05)
    assert figures["D_KL"] == pytest.approx(0.5, abs=0.1)
    assert figures["minus_ELBO"] == pytest.approx(figures["D_KL"] + np.log(2), rel=1e-6)


class Flat(nn.Dense):
    """Of x, flattened, and whatever is beside it."""

    def forward(self, x, z):
        return games.Joint(super().forward)(x, z)


def test_the_likelihood_is_summed_over_the_pixels_and_t_is_not_divided_by_them():
    """Means over the pixels next to T, a mean over the batch, would weigh D_KL too much by the number of pixels."""
    P = nn.Sequential(zero(nn.Dense(3, 12)), nn.Reshape(3, 4))
    networks = {"Q": Flat(12 + 1, 3), "G": P, "D": Flat(12 + 3, 1)}
    game = players.make("avb", networks=networks, epsilon=data.noise(1), dtype="float64")
    figures = game.step(iter([np.zeros((5, 3, 4))]))
    assert figures["minus_log_P"] == pytest.approx(12 * np.log(2), rel=1e-9)


def test_t_judges_the_same_x_with_the_code_from_before_qs_step_and_with_the_priors_z():
    recorder = players.record("avb", dtype="float64", rule=optim.SGD, lr=0.3)
    recorder.play()
    ((_, code, _),), (z,), (x,) = recorder.of("Q"), recorder.of("z"), recorder.of("x")
    for ((judged, second), *_), expected in zip(recorder.of("D"), [code, code, z], strict=True):
        np.testing.assert_array_equal(judged, x)
        np.testing.assert_array_equal(second, expected)
