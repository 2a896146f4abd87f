"""Feature matching: mistakes of published versions. Its step by hand: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses, optim
from tests.games import players


def test_g_matches_the_means_in_the_updated_d_and_not_each_sample_its_partner():
    """The mean of the squares |f(x_i) - f(G(z_i))|^2 has another gradient: it has the spread of G's samples shrink."""
    game, x = players.make("feature_matching", players.Draws(3), "float64", optim.SGD, 0.0), players.minibatch("gan")
    game.opt_D.lr = 0.5
    figures = game.step(iter([x]))
    f, x, z = game.features, Tensor(x), Tensor(game.prior.taken()[1])
    loss = mg.sum((f(x).mean(axis=0) - f(game.G(z)).mean(axis=0)) ** 2)
    means = mg.grad(loss, game.G.parameters())
    partners = mg.grad(((f(x) - f(game.G(z))) ** 2).sum(axis=1).mean(), game.G.parameters())
    for g, expected in zip(players.gradients(game.G), means, strict=True):
        np.testing.assert_allclose(g, expected.numpy(), rtol=1e-12, atol=1e-15)
    assert max(np.abs(g.numpy() - wrong.numpy()).max() for g, wrong in zip(means, partners, strict=True)) > 1e-2
    assert figures["loss_G"] == pytest.approx(loss.item(), rel=1e-12)


def test_g_whose_means_are_the_datas_has_no_gradient_however_its_samples_lie():
    f_real, f_fake = np.array([[1.0, 0.0], [-1.0, 4.0]]), Tensor([[9.0, 2.0], [-9.0, 2.0]], requires_grad=True)
    loss = losses.feature_matching_loss(Tensor(f_real), f_fake)
    assert loss.item() == 0
    np.testing.assert_array_equal(mg.grad(loss, f_fake)[0].numpy(), 0)
