"""BEGAN's k. Its step by hand: `tests/contracts/test_games.py`."""

import numpy as np
import pytest

from minigan import nn, optim
from tests.games import players


def make(dtype="float32", rule=optim.Adam, lr=0.01, **options):
    return players.make("began", players.Draws(3), dtype, rule, lr, **options)


def minibatches(m=4):
    return players.minibatches("began", m)


@pytest.mark.parametrize(("gamma", "reached"), [(0.0, 0.0), (0.5, None), (1.0, 1.0)])
def test_k_stays_in_0_to_1_however_fast_it_follows(gamma, reached):
    game, given = make(gamma=gamma, lambda_k=1000.0), minibatches()
    game.k = game.cast(0.5)
    ks = [game.step(given)["k"] for _ in range(15)]
    assert min(ks) >= 0
    assert max(ks) <= 1
    assert reached is None or reached in ks


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


def test_d_reconstructs_the_data_better_and_better_while_k_is_0():
    game, given = make(lambda_k=0.0, lr=0.05), minibatches(16)
    first = game.step(given)["L_x"]
    for _ in range(40):
        figures = game.step(given)
    assert figures["L_x"] < first / 2


def test_a_d_that_ends_in_a_sigmoid_is_fine_it_reconstructs_pixels():
    D = nn.Sequential(nn.Dense(2, 2), nn.Sigmoid())
    assert np.isfinite(players.make("began", networks={"D": D}).step(minibatches())["M"])
