"""WGAN and WGAN-GP: clipping, the penalty, what the estimate means. Their steps by hand: `tests/contracts/test_games.py`."""

import numpy as np

from minigan import nn, optim
from tests.games import players


def largest(arrays):
    return max(np.abs(a).max() for a in arrays)


def test_after_each_critic_step_the_weights_are_clipped_before_anything_looks_at_them():
    watch = players.record("wgan", clip=0.05, rule=optim.SGD, lr=1.0, n_critic=3)
    watch.play(2)
    assert all(largest(step.after["D"]) > 0.06 for step in watch.of("opt_D")[:2])  # the step itself goes further ...
    assert all(largest(values) <= np.float32(0.05) for values in watch.of("D")[2:])  # ... all others see the bound
    assert largest(players.values(watch.game.D)) <= np.float32(0.05)
    assert largest(players.values(watch.game.G)) > 0.1


def test_running_statistics_are_no_weights_and_not_clipped():
    critic = nn.Sequential(nn.Dense(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dense(4, 1))
    players.record("wgan", networks={"D": critic}, m=8).play()
    assert critic[1].running_var.min() > 0.1
    assert largest(players.values(critic[1])) <= np.float32(0.01)
