"""The WGAN's clipping, and what the estimate means. Its step by hand: `tests/contracts/test_games.py`."""

import numpy as np

from minigan import Tensor, nn, optim
from tests.games import players


def recorder(**options):
    return players.record("wgan", **options)


def largest(arrays):
    return max(np.abs(a).max() for a in arrays)


# --- clipping -----------------------------------------------------------------------------------------------------------


def test_after_each_critic_step_the_weights_are_clipped_before_anything_looks_at_them():
    watch = recorder(clip=0.05, rule=optim.SGD, lr=1.0, n_critic=3)
    watch.play(2)
    stepped = [step.after["D"] for step in watch.of("opt_D")]
    assert largest(stepped[0]) > 0.06  # the step itself goes further ...
    assert any(largest(after) > 0.06 for after in stepped[1:])
    assert all(largest(values) <= np.float32(0.05) for _, _, values in watch.of("D")[2:])  # ... all others see the bound
    assert largest(players.values(watch.game.D)) <= np.float32(0.05)


def test_g_is_not_clipped():
    watch = recorder(clip=1e-3)
    watch.play()
    assert largest(players.values(watch.game.G)) > 0.1


def test_running_statistics_are_no_weights_and_not_clipped():
    critic = nn.Sequential(nn.Dense(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dense(4, 1))
    recorder(networks={"D": critic}, m=8).play()
    assert critic[1].running_var.min() > 0.1
    assert largest(players.values(critic[1])) <= np.float32(0.01)


# --- what the estimate means --------------------------------------------------------------------------------------------


def test_the_critic_rates_the_data_above_the_fakes_and_g_moves_its_samples_to_where_the_critic_is_larger():
    watch = recorder(clip=0.1, lr=0.02)
    before = np.linalg.norm(watch.game.G(Tensor(np.zeros((1, 3), np.float32))).numpy() - [2, -1])
    watch.game.opt_G.lr = 0.0
    figures = watch.play(10)
    assert figures["w_estimate"] == -figures["loss_D"] > 0.05
    watch.game.opt_G.lr = 0.02
    watch.play(30)
    assert np.linalg.norm(watch.game.G(Tensor(np.zeros((1, 3), np.float32))).numpy() - [2, -1]) < before / 2
