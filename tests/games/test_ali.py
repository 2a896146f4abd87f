"""ALI, or BiGAN: its pairs, its encoder. Its step by hand: `tests/contracts/test_games.py`."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, losses, nn, optim
from minigan.games import ALI, Joint, game
from tests.games import players


def test_joint_puts_z_behind_the_flattened_x():
    x, z = Tensor(np.arange(8.0).reshape(2, 1, 2, 2)), Tensor([[10.0, 11.0], [12.0, 13.0]])
    pairs = Joint(nn.Sequential())(x, z)
    np.testing.assert_array_equal(pairs.numpy(), [[0, 1, 2, 3, 10, 11], [4, 5, 6, 7, 12, 13]])


def test_p_and_q_each_learn_from_their_own_pair_alone_with_its_label_swapped():
    """Without its term, Q's gradient would be none; with the label unswapped, its negative."""
    played, x = players.make("ali", players.Draws(3), "float64", optim.SGD, 0.0), players.minibatch("ali")
    played.step(iter([x]))
    G, D, Q, x, z = played.G, played.D, played.Q, Tensor(x), Tensor(played.prior.taken()[1])
    of_Q = mg.grad(mg.mean(mg.softplus(D(x, Q(x)))), Q.parameters())
    of_P = mg.grad(losses.generator_loss(D(G(z), z)), G.parameters())
    for found, expected in zip(players.gradients(Q) + players.gradients(G), of_Q + of_P, strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-10, atol=1e-14)
    assert min(np.abs(g.numpy()).max() for g in of_Q[:1] + of_P[:1]) > 1e-3


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
