"""BEGAN's k, and G's gradient. Its step by hand: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, losses, nn, optim
from tests.games import players


def make(dtype="float32", rule=optim.Adam, lr=0.01, **options):
    return players.make("began", players.Draws(3), dtype, rule, lr, **options)


def minibatches(m=4):
    return players.minibatches("began", m)


def test_k_starts_at_0_so_that_the_first_d_step_looks_at_the_data_alone():
    found = []
    for seed in (1, 2):  # of the noise
        mg.seed(0)
        game = players.make("began", players.Draws(3, seed), rule=optim.SGD)
        assert game.k.item() == 0
        game.step(minibatches())
        found.append(players.values(game.D))
    assert players.equal(*found)


@pytest.mark.parametrize(("gamma", "reached"), [(0.0, 0.0), (0.5, None), (1.0, 1.0)])
def test_k_stays_in_0_to_1_however_fast_it_follows(gamma, reached):
    game, given = make(gamma=gamma, lambda_k=1000.0), minibatches()
    game.k = game.cast(0.5)
    ks = [game.step(given)["k"] for _ in range(15)]
    assert min(ks) >= 0
    assert max(ks) <= 1
    assert reached is None or reached in ks


@pytest.mark.parametrize(("gamma", "direction"), [(0.0, -1), (1.0, 1)])
def test_k_rises_while_fakes_are_reconstructed_better_than_gamma_asks_and_falls_while_worse(gamma, direction):
    game = make(rule=optim.SGD, lr=0.0, lambda_k=0.01, gamma=gamma)
    game.k = game.cast(0.5)
    figures = game.step(minibatches())
    assert 0 < figures["loss_G"] < figures["L_x"]
    assert direction * (figures["k"] - 0.5) > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_k_is_a_constant_of_the_networks_dtype_without_a_graph_and_is_saved(dtype):
    game, given = make(dtype, lambda_k=0.5), minibatches()
    game.step(given)
    assert (game.k.dtype, game.k.is_leaf, game.k.requires_grad) == (dtype, True, False)
    game.k = game.cast(0.25)
    state = game.state_dict()
    game.step(given)
    assert state["k"] == 0.25
    game.load_state_dict(state)
    assert (game.k.item(), game.k.dtype) == (0.25, dtype)
    assert repr(game).splitlines()[0] == "BEGAN(gamma=0.5, lambda_k=0.5), k = 0.25"


def test_gs_gradient_takes_both_paths_through_the_reconstruction_and_directly():
    game = make("float64", optim.SGD, lr=0.0)
    game.step(minibatches())
    z, found = Tensor(game.prior.taken()[1]), players.gradients(game.G)

    def gradient(loss):
        return [g.numpy() for g in mg.grad(loss(game.G(z)), game.G.parameters())]

    reconstruction = gradient(lambda v: losses.l1(game.D(v), v.detach()))
    direct = gradient(lambda v: losses.l1(game.D(v).detach(), v))
    for g, a, b in zip(found, reconstruction, direct, strict=True):
        np.testing.assert_allclose(g, a + b, rtol=1e-9, atol=1e-12)
        assert min(np.abs(a).max(), np.abs(b).max()) > 1e-3


def test_d_reconstructs_the_data_and_k_above_0_makes_it_worse_at_the_fakes():
    game, given, errors = make(lambda_k=0.0, lr=0.05), minibatches(16), []
    first = game.step(given)["L_x"]
    for _ in range(40):
        figures = game.step(given)
    assert figures["L_x"] < first / 2
    for k in (0.0, 1.0):
        mg.seed(0)
        game = make("float64", optim.SGD, lambda_k=0.0)
        game.k = game.cast(k)
        watch = players.Recorder(game, minibatches())
        watch.play()
        fake = watch.passes("D")[1][0]  # the same for both k
        errors.append(np.abs(game.D(Tensor(fake)).numpy() - fake).mean())
    assert errors[1] > errors[0] + 1e-5


def test_a_d_that_ends_in_a_sigmoid_is_fine_it_reconstructs_pixels():
    D = nn.Sequential(nn.Dense(2, 2), nn.Sigmoid())
    assert np.isfinite(players.make("began", networks={"D": D}).step(minibatches())["M"])
