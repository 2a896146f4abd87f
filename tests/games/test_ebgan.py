"""EBGAN: mistakes that implementations are known for. Its step by hand: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses, nn, optim
from tests.games import players


class Fixed(nn.Module):
    """A D that reconstructs v as v - e(v) for a given e, plus its only parameter, which is 0: an energy of one's own."""

    def __init__(self, e):
        self.e, self.shift = e, Tensor(np.zeros(2), requires_grad=True)

    def forward(self, v):
        return v - Tensor(self.e(v.numpy())) + self.shift


def with_energies(e, margin, G=None):
    """A step on ones, of an EBGAN whose D has these energies: its metrics, and the game."""
    networks = {"D": Fixed(e)} | ({"G": G} if G else {})
    game = players.make("ebgan", players.Draws(3), "float64", optim.SGD, 0.0, networks, margin=margin)
    return game.step(iter([np.ones((2, 2))])), game


def test_gs_gradient_takes_both_paths_through_the_reconstruction_and_directly():
    """A known mistake: the image that is reconstructed is detached, as if it were a target."""
    game = players.make("ebgan", players.Draws(3), "float64", optim.SGD, 0.0)
    game.step(players.minibatches("ebgan"))
    z, found = Tensor(game.prior.taken()[1]), players.gradients(game.G)
    whole = mg.grad(mg.norm((v := game.G(z)) - game.D(v), axis=1).mean(), game.G.parameters())
    part = mg.grad(mg.norm((v := game.G(z)).detach() - game.D(v), axis=1).mean(), game.G.parameters())
    for g, w, reconstruction in zip(found, whole, part, strict=True):
        np.testing.assert_allclose(g, w.numpy(), rtol=1e-12)
        assert np.abs(w.numpy() - reconstruction.numpy()).max() > 1e-3


def test_each_sample_has_a_hinge_of_its_own():
    """A known mistake is the hinge of the minibatch's mean: of energies 0 and 4, it would take max(0, 2 - 2) = 0, not 1."""
    G = nn.Sequential(nn.Dense(3, 2, bias=False))
    G[0].weight.data = np.zeros((3, 2))
    energies = np.array([[0.0, 0.0], [0.0, 4.0]])
    figures, _ = with_energies(lambda v: energies if (v == 0).all() else 0 * v, 2.0, G)
    assert (figures["D_fake"], figures["loss_D"]) == (2, 1)


@pytest.mark.parametrize(("margin", "moves"), [(1.0, False), (5.0, True)])
def test_a_fake_above_the_margin_no_longer_moves_d_and_one_below_does(margin, moves):
    figures, game = with_energies(lambda v: np.broadcast_to([3.0, 0.0], v.shape) * (v != 1), margin)
    assert figures["D_fake"] == 3
    assert figures["loss_D"] == max(0, margin - 3)
    assert (game.D.shift.grad.numpy()[0] != 0) == moves


def test_an_energy_is_the_length_of_the_difference_not_its_mean_square():
    """Margins of published runs are in this unit: 784 pixels that are off by 1/2 have the energy 14, in the mean square 1/4."""
    D = nn.Sequential(nn.Flatten(), nn.Dense(784, 784), nn.Reshape(1, 28, 28))
    for p in D.parameters():
        p.data = np.zeros(p.shape, "float32")
    networks = {"G": nn.Sequential(nn.Dense(3, 784), nn.Reshape(1, 28, 28)), "D": D}
    game = players.make("ebgan", rule=optim.SGD, lr=0.0, networks=networks)
    assert game.step(iter([np.full((3, 1, 28, 28), 0.5)]))["D_real"] == pytest.approx(14, rel=1e-6)


# --- the pull-away term -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("S", "value"),
    [
        ([[2.0, 0], [0, 3]], 0),  # known mistakes: counted with i = j, it would be 1/2 or more
        ([[1.0, 1], [2, 2], [5, 5]], 1),  # alike but for their length; normalised over the minibatch, it would be less
        ([[1.0, 0], [-2, 0]], 1),  # opposite: without the square, it would be -1
        ([[1.0, 0], [0, 1], [1, 0]], 1 / 3),
        ([[0.0, 0], [1, 0]], 0),
    ],
)
def test_the_pull_away_term_is_the_mean_squared_cosine_of_two_different_codes(S, value):
    assert losses.pull_away_term(Tensor(np.array(S))).item() == pytest.approx(value, abs=1e-15)


def test_the_pull_away_term_is_gs_alone_and_makes_codes_differ():
    found = []
    for weight in (0.0, 30.0):
        mg.seed(0)
        watch = players.record("ebgan", 16, dtype="float64", rule=optim.SGD, margin=2.0, pull_away=weight)
        figures, game = watch.play(), watch.game
        codes = game.D.encoder(game.G(Tensor(np.random.default_rng(0).standard_normal((64, 3)))))
        found.append((players.values(game.D), dict(figures), losses.pull_away_term(codes).item()))
    (D, figures, usual), (D_too, figures_too, repelled) = found
    assert players.equal(D, D_too)  # D's step does not depend on the term
    assert figures == figures_too
    assert repelled < usual - 1e-3


def test_d_raises_the_energy_of_fakes_to_the_margin_and_lowers_the_datas():
    watch = players.record("ebgan", 16, rule=optim.Adam, lr=0.05, margin=3.0)
    watch.game.opt_G.lr = 0.0
    figures = watch.play(120)
    assert figures["D_real"] < 0.5
    assert figures["D_fake"] > 2.5
