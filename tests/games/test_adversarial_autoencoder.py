"""The adversarial autoencoder: which is real. Its steps by hand, and who moves: `tests/contracts/test_games.py`."""

import numpy as np

import minigan as mg
from minigan import Tensor, losses, optim
from tests.games import players


def test_the_prior_is_real_and_a_code_is_fake():
    """Swapped labels train D as well, but then -log D(Q(x)) drives the codes away from the prior."""
    game = players.make("aae", lr=0.05)
    for p in game.Q.parameters():
        p.data = p.data * 5.0  # codes far from the prior
    game.opt_G.lr = game.opt_Q.lr = 0.0
    given = players.minibatches("aae", 64)
    for _ in range(50):
        figures = game.step(given)
    assert figures["D_real"] > 0.8
    assert figures["D_fake"] < 0.2


def test_the_regularisations_gradient_of_q_is_its_own_without_the_reconstructions():
    """Published versions step D first, take both of Q's losses in one step, or let the regularisation move P or D."""
    recorder = players.record("aae", dtype="float64", rule=optim.SGD, lr=0.0)
    recorder.play()
    x, Q, D = Tensor(recorder.of("x")[0]), recorder.game.Q, recorder.game.D
    expected = mg.grad(losses.generator_loss(D(Q(x))), Q.parameters())
    for g, e in zip(recorder.of("opt_Q")[0].gradients["Q"], expected, strict=True):
        np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=1e-12)
