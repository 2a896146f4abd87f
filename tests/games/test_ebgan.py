"""EBGAN: its steps against NumPy alone, its gradients, and a test for each mistake that implementations are known for."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, losses, nn, optim
from tests.games import players, reference, reference_ebgan


def make(dtype="float32", rule=optim.Adam, lr=0.01, **options):
    return players.make("ebgan", players.Draws(3), dtype, rule, lr, **options)


def minibatches(m=4):
    return (players.minibatch("ebgan", m, seed) for seed in itertools.count())


class Fixed(nn.Module):
    """A D that reconstructs v as v - e(v) for a given e, plus its only parameter, which is 0: an energy of one's own."""

    def __init__(self, e):
        self.e, self.shift = e, Tensor(np.zeros(2), requires_grad=True)

    def forward(self, v):
        return v - Tensor(self.e(v.numpy())) + self.shift


def with_energies(e, margin, x, G=None):
    """A step on x, of an EBGAN whose D has these energies along the first coordinate: its figures, and itself."""
    G = nn.Sequential(nn.Dense(3, 2)) if G is None else G
    D = Fixed(e)
    players.in_float64(G)
    game = games.EBGAN(G, D, players.Draws(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.0), margin=margin)
    return game.step(iter([x])), game


# --- against a reference without an engine ------------------------------------------------------------------------------


@pytest.mark.parametrize(("margin", "pull_away"), [(0.6, 0.0), (0.6, 0.5), (10.0, 0.1)])
def test_25_iterations_agree_with_a_reference_by_hand(margin, pull_away):
    game = make("float64", margin=margin, pull_away=pull_away)
    G, D, rules = players.by_hand(game.G), players.by_hand(game.D), [reference.Adam(0.01), reference.Adam(0.01)]
    depth, above = len(list(game.D.encoder)), []
    for i in range(25):
        x = players.minibatch("ebgan", 6, seed=i)
        figures = game.step(iter([x]))
        zs = game.prior.taken()
        above.append(reference_ebgan.energy(D, G.forward(zs[0])[0])[0] > margin)
        expected = reference_ebgan.ebgan_step(G, D, *rules, x, zs, margin, pull_away, depth)
        assert dict(figures) == pytest.approx(expected, abs=1e-8)
    players.assert_agree(game.G, G)
    players.assert_agree(game.D, D)
    assert (0 < np.mean(above) < 1) == (margin < 10)  # both sides of the hinge were met


# --- gradients ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pull_away", [0.0, 0.3])
def test_both_players_gradients_are_the_slopes_of_their_losses(pull_away):
    game = make("float64", margin=0.6, pull_away=pull_away)
    game.prior = data.noise(3)
    assert mg.gradcheck(game, players.minibatch("ebgan", 6), rtol=1e-6)


def test_gs_gradient_takes_both_paths_through_the_reconstruction_and_directly():
    """A known mistake: the image that is reconstructed is detached, as if it were a target."""
    game = make("float64", optim.SGD, lr=0.0)
    watch = players.Recorder(game, iter([players.minibatch("ebgan")]))
    watch.play()
    z, found = Tensor(watch.of("z")[1]), players.gradients(game.G)

    def gradient(loss):
        return [g.numpy() for g in mg.grad(loss(game.G(z)), game.G.parameters())]

    whole = gradient(lambda v: mg.norm(v - game.D(v), axis=1).mean())
    reconstruction = gradient(lambda v: mg.norm(v.detach() - game.D(v), axis=1).mean())
    for g, w, part in zip(found, whole, reconstruction, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12)
        assert np.abs(w - part).max() > 1e-3


# --- the hinge ----------------------------------------------------------------------------------------------------------


def test_each_sample_has_a_hinge_of_its_own():
    """A known mistake is the hinge of the minibatch's mean: of energies 0 and 4, it would take max(0, 2 - 2) = 0, not 1."""
    G = nn.Sequential(nn.Dense(3, 2, bias=False))
    G[0].weight.data = np.zeros((3, 2))
    energies = np.array([[0.0, 0.0], [0.0, 4.0]])
    figures, _ = with_energies(lambda v: energies if (v == 0).all() else 0 * v, 2.0, np.ones((2, 2)), G)
    assert figures["D_fake"] == 2
    assert figures["loss_D"] == 1


def test_a_fake_above_the_margin_no_longer_moves_d_and_one_below_does():
    for margin, moves in ((1.0, False), (5.0, True)):
        figures, game = with_energies(lambda v: np.broadcast_to([3.0, 0.0], v.shape) * (v != 1), margin, np.ones((2, 2)))
        assert figures["D_fake"] == 3
        assert figures["loss_D"] == max(0, margin - 3)
        assert (game.D.shift.grad.numpy()[0] != 0) == moves


def test_an_energy_is_the_length_of_the_difference_not_its_mean_square():
    """Margins of published runs are in this unit: 784 pixels that are off by 1/2 have the energy 14, in the mean square 1/4."""
    G, D = nn.Sequential(nn.Dense(3, 784), nn.Reshape(1, 28, 28)), nn.Sequential(nn.Flatten(), nn.Dense(784, 784))
    D = nn.Sequential(*D, nn.Reshape(1, 28, 28))
    for p in D.parameters():
        p.data = np.zeros(p.shape, "float32")
    game = games.EBGAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.0))
    images = np.full((3, 1, 28, 28), 0.5, "float32")
    np.testing.assert_allclose(game.energy(Tensor(images)).numpy(), [14, 14, 14], rtol=1e-6)
    assert game.step(iter([images]))["D_real"] == pytest.approx(14)


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


def test_codes_may_be_maps_and_a_code_of_zeros_has_gradients():
    S = Tensor(np.random.default_rng(0).standard_normal((3, 2, 2, 2)), requires_grad=True)
    assert losses.pull_away_term(S).item() == pytest.approx(losses.pull_away_term(S.reshape(3, 8)).item())
    zeros = Tensor(np.zeros((3, 2)), requires_grad=True)
    (g,) = mg.grad(losses.pull_away_term(zeros), [zeros])
    assert (g.numpy() == 0).all()


def test_one_sample_has_no_other_to_repel():
    with pytest.raises(ValueError, match=r"pull_away_term: codes of shape \(1, 2\); expected at least two codes"):
        losses.pull_away_term(Tensor(np.ones((1, 2))))


def test_the_pull_away_term_is_gs_alone_and_makes_codes_differ():
    grown = []
    for weight in (0.0, 30.0):
        mg.seed(0)
        game = make("float64", optim.SGD, lr=0.01, margin=2.0, pull_away=weight)
        game.prior = players.Draws(3, seed=5)
        figures = game.step(minibatches(16))
        grown.append((players.values(game.D), dict(figures)))
        with mg.no_grad():
            codes = game.D.encoder(game.G(Tensor(np.random.default_rng(0).standard_normal((64, 3)))))
        grown[-1] += (losses.pull_away_term(codes).item(),)
    (D, figures, usual), (D_too, figures_too, repelled) = grown
    assert players.equal(D, D_too)  # D's step does not know of the term
    assert figures == figures_too
    assert repelled < usual - 1e-3


# --- learning, and refusals ---------------------------------------------------------------------------------------------


def test_d_raises_the_energy_of_fakes_to_the_margin_and_lowers_the_datas():
    game = make(lr=0.02, margin=3.0)
    game.opt_G.lr = 0.0
    for batch in itertools.islice(minibatches(16), 300):
        figures = game.step(iter([batch]))
    assert figures["D_real"] < 0.5
    assert figures["D_fake"] > 2.5


def test_a_d_without_an_encoder_is_refused_where_its_code_is_needed():
    G, D = nn.Dense(3, 2), nn.Dense(2, 2)
    players_and_rules = G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1)
    assert np.isfinite(games.EBGAN(*players_and_rules).step(minibatches())["loss_D"])
    with pytest.raises(TypeError, match=r"EBGAN: pull_away needs D's code, and D has no encoder; make it an Autoencoder"):
        games.EBGAN(*players_and_rules, pull_away=0.1)


def test_a_d_that_returns_one_number_a_sample_is_refused_and_not_broadcast():
    G, D = nn.Dense(3, 2), nn.Dense(2, 1)
    game = games.EBGAN(G, D, data.noise(3), optim.SGD(G.parameters(), 0.1), optim.SGD(D.parameters(), 0.1))
    with pytest.raises(ValueError, match=r"EBGAN: D maps shape \(4, 2\) to \(4, 1\); expected an autoencoder"):
        game.step(minibatches())


@pytest.mark.parametrize("options", [{"margin": 0}, {"margin": float("nan")}, {"pull_away": -0.1}])
def test_a_margin_that_is_not_above_0_and_a_weight_below_0_are_refused(options):
    with pytest.raises(ValueError, match=rf"EBGAN: {next(iter(options))} is .*; expected"):
        make(**options)


def test_the_default_margin_is_the_papers_for_mnist():
    assert (make().margin, make().pull_away) == (10, 0)
