"""Adversarial variational Bayes: its steps by hand, what T comes to, what each step changes, mistakes that others made."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, nn, optim
from tests.games import players, reference, reference_autoencoders
from tests.games.test_every_game import differences
from tests.helpers.states import assert_same


def make(dtype="float64", rule=optim.Adam, lr=0.01):
    return players.make("avb", players.Draws(3), dtype, rule, lr, epsilon=players.Draws(2, seed=2))


def minibatches(m=4):
    return (players.minibatch("avb", m, seed) for seed in itertools.count())


def all_values(game):
    return {name: players.values(getattr(game, name)) for name in "QGD"}


# --- against a reference without an engine ------------------------------------------------------------------------------


def test_25_iterations_agree_with_a_reference_by_hand():
    game = make()
    Q, P, T = (players.by_hand(network) for network in (game.Q, game.G, game.D))
    rules = [reference.Adam(0.01), reference.Adam(0.01)]
    for i in range(25):
        x = players.minibatch("avb", 6, seed=i)
        figures = game.step(iter([x]))
        (z,), (epsilon,) = game.prior.taken(), game.epsilon.taken()
        expected = reference_autoencoders.avb_step(Q, P, T, *rules, x, z, epsilon)
        assert dict(figures) == pytest.approx(expected, rel=1e-8, abs=1e-8)
    for network, net in ((game.Q, Q), (game.G, P), (game.D, T)):
        players.assert_agree(network, net)


# --- gradients ----------------------------------------------------------------------------------------------------------


def test_gradients_of_both_steps_are_the_finite_differences_and_qs_passes_through_z_in_t():
    game = make(rule=optim.SGD, lr=0.0)
    x = players.minibatch("avb")
    game.step(iter([x]))
    (z,), (epsilon,), x = game.prior.taken(), game.epsilon.taken(), Tensor(x)
    z, epsilon = Tensor(z), Tensor(epsilon)

    def minus_elbo():
        code = game.Q(x, epsilon)
        v, y = game.G(code).numpy(), x.numpy()
        return game.D(x, code).numpy().mean() + np.sum(np.log1p(np.exp(v)) - y * v) / len(y)

    def loss_of_t():
        at_code, at_prior = game.D(x, game.Q(x, epsilon)).numpy(), game.D(x, z).numpy()
        return np.mean(np.log1p(np.exp(-at_code))) + np.mean(np.log1p(np.exp(at_prior)))

    for network, loss in ((game.Q, minus_elbo), (game.G, minus_elbo), (game.D, loss_of_t)):
        found = players.gradients(network)
        assert max(np.abs(g).max() for g in found) > 1e-3
        for p, g in zip(network.parameters(), found, strict=True):
            np.testing.assert_allclose(g.ravel(), differences(loss, p, list(np.ndindex(p.shape))), rtol=1e-6, atol=1e-9)


# --- what T comes to ------------------------------------------------------------------------------------------------------


def affine(weight, bias):
    """A layer with these numbers."""
    layer = nn.Dense(*np.shape(weight))
    layer.weight.data, layer.bias.data = np.array(weight, float), np.array(bias, float)
    return layer


class Shifted(nn.Module):
    """z = 1 + epsilon, whatever x is: Q(z | x) = N(1, 1). `shift` is a parameter, so that there is something to train."""

    def __init__(self):
        self.shift = nn.Dense(1, 1)
        self.shift.weight.data, self.shift.bias.data = np.zeros((1, 1)), np.ones(1)

    def forward(self, x, epsilon):
        return epsilon + self.shift(x)


class OfCode(nn.Module):
    """T(x, z) = a z + b."""

    def __init__(self):
        self.line = affine([[0.0]], [0.0])

    def forward(self, x, z):
        return self.line(z)


def test_t_learns_log_q_minus_log_p_and_not_its_negative():
    """log N(z; 1, 1) - log N(z; 0, 1) = z - 1/2, with mean 1/2 = D_KL over Q. With swapped labels it would be 1/2 - z."""
    Q, P, T = Shifted(), affine([[0.0]], [0.0]), OfCode()
    still, opt_T = optim.SGD(Q.parameters() + P.parameters(), lr=0.0), optim.Adam(T.parameters(), lr=0.03)
    prior, epsilon = players.Draws(1, seed=1), players.Draws(1, seed=2)
    game = games.AdversarialVariationalBayes(P, T, prior, still, opt_T, Q, epsilon)
    decay, x = optim.LinearDecay(opt_T, 400), np.full((1000, 1), 0.5)
    for _ in range(400):
        figures = game.step(itertools.repeat(x))
        decay.step()
    np.testing.assert_allclose([T.line.weight.item(), T.line.bias.item()], [1, -0.5], atol=0.05)
    assert figures["D_KL"] == pytest.approx(0.5, abs=0.1)
    assert figures["minus_ELBO"] == pytest.approx(figures["D_KL"] + np.log(2), rel=1e-6)


def test_the_likelihood_is_summed_over_the_pixels_and_t_is_not_divided_by_them():
    """Means over the pixels beside T, a mean over the batch, would weigh D_KL as many times too much as there are pixels."""
    Q, P, T = games.Joint(nn.Dense(12 + 1, 3)), nn.Sequential(nn.Dense(3, 12), nn.Reshape(3, 4)), games.Joint(nn.Dense(15, 1))

    class Flat(nn.Module):
        def __init__(self, network):
            self.network = network

        def forward(self, x, z):
            return self.network(x.reshape(len(x), -1), z)

    Q, T = Flat(Q), Flat(T)
    still, rule_T = optim.SGD(Q.parameters() + P.parameters(), lr=0.0), optim.SGD(T.parameters(), lr=0.0)
    for p in P.parameters():
        p.data = p.data * 0.0
    game = games.AdversarialVariationalBayes(P, T, data.noise(3), still, rule_T, Q, data.noise(1))
    figures = game.step(iter([np.zeros((5, 3, 4), np.float32)]))
    assert figures["minus_log_P"] == pytest.approx(12 * np.log(2), rel=1e-6)


# --- the order of events, and who moves -----------------------------------------------------------------------------------


def watched(game):
    """The game, whose steps note in a list, in order: which optimizer steps, and all parameters before it and after."""
    notes, steps = [], {name: getattr(game, name).step for name in ("opt_G", "opt_D")}

    def watch(name):
        def step():
            before = all_values(game)
            steps[name]()
            grads = {network: [p.grad for p in getattr(game, network).parameters()] for network in "QGD"}
            notes.append((name, before, all_values(game), grads))

        getattr(game, name).step = step

    for name in steps:
        watch(name)
    return notes


def test_the_elbos_step_moves_p_and_q_alone_and_ts_step_t_alone():
    game, batches = make(), minibatches()
    notes = watched(game)
    for _ in range(2):
        game.step(batches)
    assert [name for name, *_ in notes] == ["opt_G", "opt_D"] * 2
    for name, before, after, _ in notes:
        moved = {network for network in "QGD" if not players.equal(before[network], after[network])}
        assert moved == ({"Q", "G"} if name == "opt_G" else {"D"})


def test_ts_parameters_get_no_gradient_in_the_elbos_step_and_q_and_p_none_in_ts():
    game = make()
    notes = watched(game)
    game.step(minibatches())
    (_, _, _, after_G), (_, _, _, after_D) = notes
    assert after_G["D"] == [None] * len(after_G["D"])
    for network in "QG":
        assert all(a is b for a, b in zip(after_G[network], after_D[network], strict=True))
    assert all(p.requires_grad for p in game.D.parameters())


def test_epsilon_and_z_are_drawn_anew_in_each_iteration():
    game, batches = make(), minibatches()
    for _ in range(3):
        game.step(batches)
    for draws, d in ((game.prior.taken(), 3), (game.epsilon.taken(), 2)):
        assert [draw.shape for draw in draws] == [(4, d)] * 3
        assert len({draw.tobytes() for draw in draws}) == 3


def test_t_judges_pairs_with_the_same_x_the_code_that_q_made_before_its_step_and_the_priors_z():
    game, seen = make(rule=optim.SGD, lr=0.3), []
    forward, x = game.D.forward, players.minibatch("avb")
    game.D.forward = lambda x, z: (seen.append((x.numpy(), z.numpy())), forward(x, z))[1]
    with mg.no_grad():
        epsilon = players.Draws(2, seed=2)(4)  # as the game will draw it
        code = game.Q(Tensor(x), Tensor(epsilon)).numpy()
    game.step(iter([x]))
    for (judged, z), expected in zip(seen, [code, code, game.prior.taken()[0]], strict=True):
        np.testing.assert_array_equal(judged, x)
        np.testing.assert_array_equal(z, expected)


# --- saving, and refusals -----------------------------------------------------------------------------------------------


def test_the_encoder_and_its_noise_are_saved():
    game, batches = players.make("avb"), players.stream("avb")
    game.step(batches)
    state = game.state_dict()
    assert {"Q", "epsilon", "prior"} <= set(state)
    other = players.make("avb")
    other.load_state_dict(state)
    assert_same(other.state_dict(), state)
    np.testing.assert_array_equal(other.epsilon(3), game.epsilon(3))
    assert players.equal(players.values(other.Q), players.values(game.Q))


def make_by(opt_G, opt_D, T=None):
    """A game whose optimizers have the parameters of the networks that these letters name."""
    networks = {"Q": games.Joint(nn.Dense(4, 3)), "P": nn.Dense(3, 2), "T": T or games.Joint(nn.Dense(5, 1))}
    rules = [optim.SGD([p for name in names for p in networks[name].parameters()], 0.1) for names in (opt_G, opt_D)]
    args = networks["P"], networks["T"], data.noise(3), *rules, networks["Q"], data.noise(2)
    return games.AdversarialVariationalBayes(*args)


def test_optimizers_of_other_parameters_and_a_sigmoid_are_refused():
    make_by("QP", "T")
    with pytest.raises(ValueError, match="AdversarialVariationalBayes: opt_G lacks parameters of Q"):
        make_by("P", "T")
    with pytest.raises(ValueError, match="opt_G has none of G's parameters; are the optimizers swapped"):
        make_by("T", "QP")
    with pytest.raises(ValueError, match="AdversarialVariationalBayes: D ends in a Sigmoid"):
        make_by("QP", "T", T=nn.Sequential(nn.Dense(5, 1), nn.Sigmoid()))


def test_x_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"y must lie in \[0, 1\]"):
        make().step(iter([np.full((4, 2), 2.0)]))
