"""Games with an autoencoder: what D learns, k, energies, codes. Their steps by hand: `tests/contracts/test_games.py`."""

import itertools

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, data, games, losses, nn, optim
from tests.games import players


def zero(network, dtype="float64"):
    for p in network.parameters():
        p.data = np.zeros(p.shape, dtype)
    return network


# --- the adversarial autoencoder, adversarial variational Bayes: which is real ------------------------------------------


def test_for_the_adversarial_autoencoder_the_prior_is_real_and_a_code_is_fake():
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


class Shifted(nn.Dense):
    """z = 1 + epsilon, whatever x is: Q(z | x) = N(1, 1)."""

    def forward(self, x, epsilon):
        return epsilon + 1.0 + 0.0 * super().forward(x)


class OfCode(nn.Dense):
    """T(x, z) = a z + b."""

    def forward(self, x, z):
        return super().forward(z)


def test_avbs_t_learns_log_q_minus_log_p_and_not_its_negative():
    """log N(z; 1, 1) - log N(z; 0, 1) = z - 1/2, with mean 1/2 = D_KL over Q. With swapped labels it would be 1/2 - z."""
    Q, P, T = zero(Shifted(1, 1)), zero(nn.Dense(1, 1)), zero(OfCode(1, 1))
    still, opt_T = optim.SGD(Q.parameters() + P.parameters(), lr=0.0), optim.Adam(T.parameters(), lr=0.1)
    prior, epsilon = players.Draws(1, seed=1), players.Draws(1, seed=2)
    game = games.AdversarialVariationalBayes(P, T, prior, still, opt_T, Q, epsilon)
    decay, x = optim.LinearDecay(opt_T, 120), np.full((1000, 1), 0.5)
    for _ in range(120):
        figures = game.step(itertools.repeat(x))
        decay.step()
    np.testing.assert_allclose([T.weight.item(), T.bias.item()], [1, -0.5], atol=0.05)
    assert figures["D_KL"] == pytest.approx(0.5, abs=0.1)
    assert figures["minus_ELBO"] == pytest.approx(figures["D_KL"] + np.log(2), rel=1e-6)


# --- ALI, or BiGAN ------------------------------------------------------------------------------------------------------


def test_joint_puts_z_behind_the_flattened_x():
    x, z = Tensor(np.arange(8.0).reshape(2, 1, 2, 2)), Tensor([[10.0, 11.0], [12.0, 13.0]])
    pairs = games.Joint(nn.Sequential())(x, z)
    np.testing.assert_array_equal(pairs.numpy(), [[0, 1, 2, 3, 10, 11], [4, 5, 6, 7, 12, 13]])


@pytest.mark.slow
def test_codes_of_points_on_a_line_come_back():
    """x = 2 z + 1: P and Q become inverse to each other, though neither has seen P(Q(x))."""
    G, Q, D = nn.Dense(1, 1), nn.Dense(1, 1), games.Joint(players.mlp(2, 16, 16, 1))
    opt_G, opt_D = (optim.Adam(params, 0.02, (0.5, 0.9)) for params in (G.parameters() + Q.parameters(), D.parameters()))
    line, decay = games.ALI(G, D, data.noise(1), opt_G, opt_D, Q), optim.LinearDecay([opt_G, opt_D], 300)
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
    played, modes, x = players.make("ali"), [], players.minibatch("ali", 5)
    expected, forward = played.Q(Tensor(x.astype("float32"))).numpy(), played.Q.forward
    played.Q.forward = lambda x: (modes.append((len(x), any(m.training for m in played.Q.modules()))), forward(x))[1]
    codes = played.encode(x)
    assert (type(codes), codes.dtype) == (np.ndarray, np.float32)
    np.testing.assert_allclose(codes, expected, rtol=1e-5)
    assert modes == [(2, False), (2, False), (1, False)]
    assert all(m.training for m in played.Q.modules())


# --- BEGAN --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gamma", "reached"), [(0.0, 0.0), (0.5, None), (1.0, 1.0)])
def test_began_s_k_stays_in_0_to_1_however_fast_it_follows(gamma, reached):
    game, given = players.make("began", gamma=gamma, lambda_k=1000.0), players.minibatches("began")
    game.k = game.cast(0.5)
    ks = [game.step(given)["k"] for _ in range(15)]
    assert 0 <= min(ks) <= max(ks) <= 1
    assert reached is None or reached in ks


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_began_s_k_is_a_constant_of_the_networks_dtype_without_a_graph_and_is_saved(dtype):
    game, given = players.make("began", dtype=dtype, lambda_k=0.5), players.minibatches("began")
    game.step(given)
    assert (game.k.dtype, game.k.is_leaf, game.k.requires_grad) == (dtype, True, False)
    game.k = game.cast(0.25)
    state = game.state_dict()
    game.step(given)
    game.load_state_dict(state)
    assert (game.k.item(), game.k.dtype) == (0.25, dtype)
    assert repr(game).splitlines()[0] == "BEGAN(gamma=0.5, lambda_k=0.5), k = 0.25"


# --- EBGAN --------------------------------------------------------------------------------------------------------------


def test_an_energy_is_the_length_of_the_difference_not_its_mean_square():
    """Margins of published runs are in this unit: 784 pixels that are off by 1/2 have the energy 14, in the mean square 1/4."""
    D = zero(nn.Sequential(nn.Flatten(), nn.Dense(784, 784), nn.Reshape(1, 28, 28)), "float32")
    networks = {"G": nn.Sequential(nn.Dense(3, 784), nn.Reshape(1, 28, 28)), "D": D}
    game = players.make("ebgan", rule=optim.SGD, lr=0.0, networks=networks)
    assert game.step(iter([np.full((3, 1, 28, 28), 0.5)]))["D_real"] == pytest.approx(14, rel=1e-6)


def test_codes_may_be_maps_and_a_code_of_zeros_has_a_gradient_of_zeros():
    S = Tensor(np.random.default_rng(0).standard_normal((3, 2, 2, 2)))
    assert losses.pull_away_term(S).item() == pytest.approx(losses.pull_away_term(S.reshape(3, 8)).item())
    zeros = Tensor(np.zeros((3, 2)), requires_grad=True)
    np.testing.assert_array_equal(mg.grad(losses.pull_away_term(zeros), zeros)[0].numpy(), 0)
