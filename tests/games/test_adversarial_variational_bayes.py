"""Adversarial variational Bayes: what T learns. Its steps by hand: `tests/contracts/test_games.py`."""

import itertools

import numpy as np
import pytest

from minigan import games, nn, optim
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
