"""Training small games: the rates fall to 0, what is looked at and when, and a player whose rate is 0."""

import numpy as np
import pytest

from demos.kit.training import adams, train
from minigan import data, nn
from minigan.games import GAN


def game(lr_G=0.1, lr_D=0.2):
    G, D = nn.Dense(2, 2), nn.Dense(2, 1)
    return GAN(G, D, data.noise(2), *adams(G, D, lr_G, lr_D))


def batches():
    return data.batches(np.zeros((20, 2), np.float32), size=10)


def parameters(player):
    return [p.numpy().copy() for p in player.parameters()]


def test_each_player_has_an_adam_of_its_own():
    G, D = nn.Dense(2, 2), nn.Dense(2, 1)
    of_G, of_D = adams(G, D, 0.1, 0.2)
    assert (of_G.lr, of_D.lr) == (0.1, 0.2)
    assert of_G.betas == of_D.betas == (0.5, 0.999)
    assert [id(p) for p in of_G.params] == [id(p) for p in G.parameters()]
    assert [id(p) for p in of_D.params] == [id(p) for p in D.parameters()]


def test_the_rates_fall_linearly_to_0_and_the_looks_are_evenly_spaced():
    g, rates = game(), []
    train(g, batches(), 8, "game", 2, lambda seen: rates.append((seen is g, seen.opt_G.lr, seen.opt_D.lr)))
    assert [same for same, _, _ in rates] == 4 * [True]
    np.testing.assert_allclose([(G, D) for _, G, D in rates], np.outer([0.75, 0.5, 0.25, 0], [0.1, 0.2]), atol=1e-12)


@pytest.mark.parametrize(("lr_G", "lr_D"), [(0.0, 0.1), (0.1, 0.0)])
def test_a_player_whose_rate_is_0_stands_still_and_the_other_learns(lr_G, lr_D):
    g = game(lr_G, lr_D)
    before = parameters(g.G), parameters(g.D)
    train(g, batches(), 3, "game")
    for player, old, lr in zip((g.G, g.D), before, (lr_G, lr_D), strict=True):
        same = [np.array_equal(a, b) for a, b in zip(parameters(player), old, strict=True)]
        assert all(same) if lr == 0 else not any(same)
