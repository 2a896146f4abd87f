"""The WGAN's clipping, and what the estimate means. Its step by hand: `tests/contracts/test_games.py`."""

import numpy as np

import minigan as mg
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


def test_clipping_cuts_off_at_the_bound_and_leaves_the_rest():
    watch = recorder(clip=0.2, rule=optim.SGD, lr=0.5, n_critic=1)
    watch.play()
    after = watch.of("opt_D")[0].after["D"]
    clipped = [np.clip(w, np.float32(-0.2), np.float32(0.2)) for w in after]
    assert players.equal(players.values(watch.game.D), clipped)
    assert not players.equal(clipped, after)


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


def test_a_constant_added_to_the_critic_changes_neither_player():
    found = []
    for constant in (0.0, 0.25):
        mg.seed(4)
        watch = recorder(clip=1.0, n_critic=2, dtype="float64")
        watch.game.D[-1].bias.data = watch.game.D[-1].bias.data + constant
        watch.play()
        found.append(players.values(watch.game.G) + players.values(watch.game.D)[:-1])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
