"""WGAN: what is not clipped. The steps of WGAN and WGAN-GP by hand: `tests/contracts/test_games.py`."""

import numpy as np

from minigan import nn
from tests.games import players


def test_running_statistics_are_no_weights_and_not_clipped():
    critic = nn.Sequential(nn.Dense(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dense(4, 1))
    players.record("wgan", networks={"D": critic}, m=8).play()
    assert critic[1].running_var.min() > 0.1
    assert max(np.abs(values).max() for values in players.values(critic[1])) <= np.float32(0.01)
