"""The running average of a network: its formula, and an average as a part of a game."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from tests.contracts.games import make, stream
from tests.helpers.states import assert_same


@pytest.mark.parametrize("decay", [0.3, 0.999])
@pytest.mark.parametrize(("dtype", "of_average", "tolerance"), [("f2", "f4", 1e-6), ("f4", "f4", 1e-6), ("f8", "f8", 1e-14)])
def test_an_average_moves_by_its_formula_and_copies_buffers(decay, dtype, of_average, tolerance):
    layer, rng = nn.Dense(2, 2), np.random.default_rng(0)
    network = nn.Sequential(layer, nn.BatchNorm1d(2), layer)  # a layer twice: its parameters are averaged once
    for p in network.parameters():
        p.data = rng.standard_normal(p.shape).astype(dtype)
    expected, average = [p.numpy().astype("f8") for p in network.parameters()], nn.MovingAverage(network, decay)
    kept = average.module.parameters()
    for t in range(1, 6):
        share = 1 - min(decay, (1 + t) / (10 + t))
        for i, p in enumerate(network.parameters()):
            p.data = rng.standard_normal(p.shape).astype(dtype)
            expected[i] = expected[i] + share * (p.numpy() - expected[i])
        network[1].running_mean[...] = t
        average.update()
        for p, values in zip(kept, expected, strict=True):
            np.testing.assert_allclose(p.numpy(), values, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(average.module[1].running_mean, t)
    assert {(p.dtype.str[1:], p.requires_grad) for p in kept} == {(of_average, False)}
    assert [m.training for m in (*average.module.modules(), *network.modules())] == [False] * 3 + [True] * 3
    loss = average.module(mg.Tensor(np.ones((2, 2)), requires_grad=True)).sum()
    average.update()
    with pytest.raises(RuntimeError, match="was changed in place"):
        loss.backward()


def with_averages():
    game = make("cgan")
    game.average, game.of_D = nn.MovingAverage(game.G), nn.MovingAverage(game.D, 0.9)
    return game


def played(game, batches):
    for _ in range(2):
        game.step(batches)
        for average in game.averages().values():
            average.update()
    return game.state_dict(), game.sample(4, y=1, G=game.average.module, rng=np.random.default_rng(0))


def test_a_game_saves_its_averages_shows_them_and_samples_from_them():
    game, batches = with_averages(), stream("cgan")
    saved, position = played(game, batches)[0], batches.state_dict()
    end, samples = played(game, batches)
    assert repr(game).splitlines()[-2:] == [
        "  average: MovingAverage(decay=0.999, 47 numbers, step 4)",
        "  of_D: MovingAverage(decay=0.9, 36 numbers, step 4)",
    ]
    assert not np.allclose(samples, game.sample(4, y=1, rng=np.random.default_rng(0)))
    game, batches = with_averages(), stream("cgan")
    game.load_state_dict(saved)
    batches.load_state_dict(position)
    again = played(game, batches)
    assert_same(again[0], end)
    np.testing.assert_array_equal(again[1], samples)
