"""ALI, or BiGAN: its pairs, its codes. Its step by hand: `tests/contracts/test_games.py`."""

import itertools

import numpy as np
import pytest

from minigan import Tensor, data, nn, optim
from minigan.games import ALI, Joint, game
from tests.games import players


def test_joint_puts_z_behind_the_flattened_x():
    x, z = Tensor(np.arange(8.0).reshape(2, 1, 2, 2)), Tensor([[10.0, 11.0], [12.0, 13.0]])
    pairs = Joint(nn.Sequential())(x, z)
    np.testing.assert_array_equal(pairs.numpy(), [[0, 1, 2, 3, 10, 11], [4, 5, 6, 7, 12, 13]])


@pytest.mark.slow
def test_codes_of_points_on_a_line_come_back():
    """x = 2 z + 1: P and Q become inverse to each other, though neither has seen P(Q(x))."""
    G, Q, D = nn.Dense(1, 1), nn.Dense(1, 1), Joint(players.mlp(2, 16, 16, 1))
    opt_G, opt_D = (optim.Adam(params, 0.02, (0.5, 0.9)) for params in (G.parameters() + Q.parameters(), D.parameters()))
    line, decay = ALI(G, D, data.noise(1), opt_G, opt_D, Q), optim.LinearDecay([opt_G, opt_D], 300)
    x = 2 * np.random.default_rng(0).standard_normal((4000, 1)) + 1
    batches = data.batches(x, size=64)
    for _ in range(300):
        line.step(batches)
        decay.step()
    there = line.encode(x[:500])
    back = line.sample(500, z=there)
    assert np.abs(back - x[:500]).mean() < 0.25 * np.abs(x[:500] - x.mean()).mean()
    assert abs(there.std() - 1) < 0.2


def test_codes_are_made_in_parts_in_eval_mode_and_the_mode_is_restored(monkeypatch):
    monkeypatch.setattr("minigan.games.ali.CHUNK", 2)
    assert game.CHUNK == 1000
    played, modes, x = players.make("ali"), [], players.minibatch("ali", 5)
    expected, forward = played.Q(Tensor(x.astype("float32"))).numpy(), played.Q.forward
    played.Q.forward = lambda x: (modes.extend(m.training for m in played.Q.modules()), forward(x))[1]
    codes = played.encode(x)
    assert (type(codes), codes.dtype) == (np.ndarray, np.float32)
    np.testing.assert_allclose(codes, expected, rtol=1e-5)
    assert modes == [False] * len(modes) != []
    assert all(m.training for m in played.Q.modules())


def test_an_encoder_may_draw_noise():
    class Noisy(nn.Dense):
        def forward(self, x):
            return super().forward(x) + Tensor(np.random.default_rng(0).standard_normal((len(x), 3)).astype("float32"))

    played = players.make("ali", networks={"Q": Noisy(2, 3)})
    assert np.isfinite(played.step(itertools.repeat(players.minibatch("ali")))["loss_G"])
