"""The adversarial autoencoder: its three steps by hand, their order, what each changes, and mistakes that others have made."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, losses, nn, optim
from tests.games import players, reference, reference_autoencoders
from tests.games.test_every_game import differences
from tests.helpers.states import assert_same

NETWORKS = ("Q", "G", "D")


def make(dtype="float64", rule=optim.Adam, lr=0.01):
    return players.make("aae", players.Draws(3), dtype, rule, lr)


def minibatches(m=4):
    return (players.minibatch("aae", m, seed) for seed in itertools.count())


def watched(game):
    """The game, whose steps note in a list, in order: which optimizer steps, and all parameters before it and after."""
    notes, steps = [], {name: getattr(game, name).step for name in ("opt_G", "opt_D", "opt_Q")}

    def watch(name):
        def step():
            before = {network: players.values(getattr(game, network)) for network in NETWORKS}
            steps[name]()
            after = {network: players.values(getattr(game, network)) for network in NETWORKS}
            notes.append((name, before, after, {n: [p.grad for p in getattr(game, n).parameters()] for n in NETWORKS}))

        getattr(game, name).step = step

    for name in steps:
        watch(name)
    return notes


# --- against a reference without an engine ------------------------------------------------------------------------------


def test_25_iterations_agree_with_a_reference_by_hand():
    game = make()
    Q, P, D = (players.by_hand(network) for network in (game.Q, game.G, game.D))
    rules = [reference.Adam(0.01) for _ in range(3)]
    for i in range(25):
        x = players.minibatch("aae", 6, seed=i)
        figures = dict(game.step(iter([x])))
        (z,) = game.prior.taken()
        expected = reference_autoencoders.aae_step(Q, P, D, *rules, x, z)
        assert figures.pop("D_accuracy") == pytest.approx(expected.pop("D_accuracy"), rel=1e-6)  # a share, in float32
        assert figures == pytest.approx(expected, rel=1e-8)
    for network, net in ((game.Q, Q), (game.G, P), (game.D, D)):
        players.assert_agree(network, net)


# --- gradients ----------------------------------------------------------------------------------------------------------


def test_gradients_of_all_three_steps_are_the_finite_differences():
    game = make(rule=optim.SGD, lr=0.0)
    notes, x = watched(game), players.minibatch("aae")
    game.step(iter([x]))
    (z,), x = game.prior.taken(), Tensor(x)
    z = Tensor(z)
    formulas = {
        "opt_G": lambda: np.mean((game.G(game.Q(x)).numpy() - x.numpy()) ** 2),
        "opt_D": lambda: np.mean(np.log1p(np.exp(-game.D(z).numpy())) + np.log1p(np.exp(game.D(game.Q(x)).numpy()))),
        "opt_Q": lambda: np.mean(np.log1p(np.exp(-game.D(game.Q(x)).numpy()))),
    }
    steps = {"opt_G": ("Q", "G"), "opt_D": ("D",), "opt_Q": ("Q",)}
    for name, _, _, gradients in notes:
        for network in steps[name]:
            for p, g in zip(getattr(game, network).parameters(), gradients[network], strict=True):
                expected = differences(formulas[name], p, list(np.ndindex(p.shape)))
                np.testing.assert_allclose(g.numpy().ravel(), expected, rtol=1e-6, atol=1e-9)
            assert max(np.abs(g.numpy()).max() for g in gradients[network]) > 1e-3


# --- the order of events, and who moves -----------------------------------------------------------------------------------


def test_the_reconstruction_comes_first_then_d_then_q_each_with_its_own_networks():
    """Others step D first, or take both of Q's losses in one step, or let the regularisation move the decoder or D."""
    game = make()
    notes = watched(game)
    batches = minibatches()
    for _ in range(2):
        game.step(batches)
    assert [name for name, *_ in notes] == ["opt_G", "opt_D", "opt_Q"] * 2
    moves = {"opt_G": {"Q", "G"}, "opt_D": {"D"}, "opt_Q": {"Q"}}
    for name, before, after, _ in notes:
        assert {n for n in NETWORKS if not players.equal(before[n], after[n])} == moves[name]


def test_all_steps_of_an_iteration_are_on_the_same_minibatch_and_one_draw_of_z():
    game, drawn = make(), []
    batches = (drawn.append(1) or x for x in minibatches())
    for _ in range(3):
        game.step(batches)
    assert (len(drawn), len(game.prior.taken())) == (3, 3)


def test_q_descends_against_the_updated_d_and_d_judges_the_codes_of_the_updated_q():
    game = make(rule=optim.SGD, lr=0.3)
    notes = watched(game)
    x = players.minibatch("aae")
    figures = game.step(iter([x]))
    (z,) = game.prior.taken()
    (_, _, reconstructed, _), (_, _, judged, _), _ = notes
    code = by_values(game.Q, reconstructed["Q"])(x)
    fresh, updated = (by_values(game.D, where["D"]) for where in (reconstructed, judged))
    assert figures["loss_D"] == pytest.approx(
        np.mean(np.log1p(np.exp(-fresh(z)))) + np.mean(np.log1p(np.exp(fresh(code)))), rel=1e-12
    )
    assert figures["loss_Q"] == pytest.approx(np.mean(np.log1p(np.exp(-updated(code)))), rel=1e-12)
    assert abs(figures["loss_Q"] - np.mean(np.log1p(np.exp(-fresh(code))))) > 1e-4


def by_values(module, values):
    """The module as a function of arrays, with other parameters."""
    net = players.by_hand(module)
    net.params = values
    return lambda x: net.forward(x)[0]


def test_codes_are_detached_ds_step_leaves_no_gradient_in_q():
    """What Q has at D's step, and until its own, is the reconstruction's; and what P has stays so."""
    game = make()
    notes = watched(game)
    game.step(minibatches())
    after_G, after_D, after_Q = (gradients for *_, gradients in notes)
    for network in ("Q", "G"):
        assert all(a is b for a, b in zip(after_G[network], after_D[network], strict=True))
    for network in ("G", "D"):
        assert all(a is b for a, b in zip(after_D[network], after_Q[network], strict=True))
    assert all(p.requires_grad for p in game.D.parameters())


def test_the_regularisations_gradient_of_q_is_its_own_without_the_reconstructions():
    game = make(rule=optim.SGD, lr=0.0)
    notes, x = watched(game), players.minibatch("aae")
    game.step(iter([x]))
    expected = mg.grad(losses.generator_loss(game.D(game.Q(Tensor(x)))), game.Q.parameters())
    for g, e in zip(notes[2][3]["Q"], expected, strict=True):
        np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=1e-12)


def test_the_prior_is_real_and_a_code_is_fake():
    """Swapped labels train D as well, but then -log D(Q(x)) drives the codes away from the prior."""
    game = make(lr=0.02)
    x = np.random.default_rng(0).normal([2.0, -1.0], 0.5, (64, 2))
    for p in game.Q.parameters():
        p.data = p.data * 3.0  # codes far from the prior
    game.opt_G.lr = game.opt_Q.lr = 0.0
    for _ in range(100):
        figures = game.step(iter([x]))
    assert figures["D_real"] > 0.8
    assert figures["D_fake"] < 0.2


# --- saving, and refusals -----------------------------------------------------------------------------------------------


def test_the_encoder_and_each_optimizers_averages_are_saved():
    game, batches = players.make("aae"), players.stream("aae")
    game.step(batches)
    state = game.state_dict()
    assert {"Q", "opt_Q", "G", "opt_G", "D", "opt_D"} <= set(state)
    assert game.opt_Q.state is not game.opt_G.state
    other = players.make("aae")
    other.load_state_dict(state)
    assert_same(other.state_dict(), state)
    assert players.equal(players.values(other.Q), players.values(game.Q))


def make_by(opt_G, opt_D, opt_Q, D=None):
    """A game whose optimizers have the parameters of the networks that these letters name."""
    networks = {"Q": nn.Dense(2, 3), "P": nn.Dense(3, 2), "D": D or nn.Dense(3, 1)}
    rules = [optim.SGD([p for name in names for p in networks[name].parameters()], 0.1) for names in (opt_G, opt_D, opt_Q)]
    return games.AdversarialAutoencoder(networks["P"], networks["D"], data.noise(3), *rules[:2], networks["Q"], rules[2])


def test_the_optimizers_have_the_parameters_that_their_phases_train():
    make_by("QP", "D", "Q")
    make_by("PQ", "D", "Q")


@pytest.mark.parametrize("names", [("P", "D", "Q"), ("QP", "D", "QP"), ("QP", "D", "D"), ("QP", "D", "QD")])
def test_optimizers_of_other_parameters_are_refused(names):
    with pytest.raises(ValueError, match="AdversarialAutoencoder: opt_G needs P's and Q's parameters, opt_Q Q's alone"):
        make_by(*names)


def test_swapped_optimizers_and_a_sigmoid_in_d_are_refused():
    with pytest.raises(ValueError, match="opt_G has none of G's parameters; are the optimizers swapped"):
        make_by("D", "QP", "Q")
    with pytest.raises(ValueError, match="AdversarialAutoencoder: D ends in a Sigmoid"):
        make_by("QP", "D", "Q", D=nn.Sequential(nn.Dense(3, 1), nn.Sigmoid()))


def test_a_decoder_whose_images_have_another_shape_is_refused_and_not_broadcast():
    game = make_by("QP", "D", "Q")
    game.Q = nn.Dense(1, 3)
    with pytest.raises(ValueError, match=r"mse: shapes \(4, 2\) and \(4, 1\) differ"):
        game.step(iter([np.zeros((4, 1), np.float32)]))
