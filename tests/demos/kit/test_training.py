"""Training small games: the rates fall to 0, what is looked at and when, and a player whose rate is 0."""

import numpy as np
import pytest

from demos.kit.training import adams, timed, train
from minigan import data, nn
from minigan.games import GAN


@pytest.mark.parametrize(("lr_G", "lr_D"), [(0.1, 0.2), (0.0, 0.1), (0.1, 0.0)])
def test_each_player_has_an_adam_whose_rate_falls_linearly_to_0_and_the_looks_are_evenly_spaced(lr_G, lr_D):
    G, D = nn.Dense(2, 2), nn.Dense(2, 1)
    game, rates = GAN(G, D, data.noise(2), *adams(G, D, lr_G, lr_D)), []
    game.average = nn.MovingAverage(G)
    assert game.opt_G.betas == game.opt_D.betas == (0.5, 0.999)
    before = [[p.numpy().copy() for p in player.parameters()] for player in (G, D)]
    batches = data.batches(np.ones((20, 2), np.float32), size=10)
    assert len(train(game, batches, 8, "game", 2, lambda seen: rates.append((seen.opt_G.lr, seen.opt_D.lr)))) == 8
    assert game.average.t == 8
    np.testing.assert_allclose(rates, np.outer([0.75, 0.5, 0.25, 0], [lr_G, lr_D]), atol=1e-12)
    for player, old, lr in zip((G, D), before, (lr_G, lr_D), strict=True):
        same = [np.array_equal(p.numpy(), b) for p, b in zip(player.parameters(), old, strict=True)]
        assert all(same) if lr == 0 else not any(same)
    seconds, found = timed(game, batches, 8, 2, lambda seen: seen.average.t)
    assert (found, 0 < seconds[0] < seconds[1]) == ([12, 16], True)
