"""The GAN: what survives a step that fails, memory. Its step by hand: `tests/contracts/test_games.py`."""

import gc
import itertools
import tracemalloc

import numpy as np
import pytest

from minigan import data, games, nn, optim
from tests.games import players


def test_ds_flags_are_restored_when_the_g_step_fails():
    game = players.make("gan")
    game.opt_G.step = lambda: 1 / 0
    game.D[0].bias.requires_grad = False
    with pytest.raises(ZeroDivisionError):
        game.step(players.stream("gan"))
    assert [p.requires_grad for p in game.D.parameters()] == [True, False, True, True]


def test_memory_is_steady():
    game, batches, held = players.make("gan", r1=1.0), itertools.repeat(data.ring(256)), []
    for _ in range(20):
        game.step(batches)
    tracemalloc.start()
    try:
        for _ in range(3):
            for _ in range(10):
                game.step(batches)
            gc.collect()  # this also empties the interpreter's lists of blocks to be used again
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[-1] - held[0] < 10_000  # bytes: with one minibatch's array a step, 40,000


def test_g_learns_where_the_data_are():
    G, D = players.mlp(2, 16, 2), players.mlp(2, 16, 1, activation=nn.LeakyReLU)
    game = games.GAN(G, D, data.noise(2), *(optim.Adam(p.parameters(), 0.02, (0.5, 0.9)) for p in (G, D)), r1=0.5)
    decay, batches = optim.LinearDecay([game.opt_G, game.opt_D], 100), players.stream("gan", n=400, size=32)
    for _ in range(100):
        game.step(batches)
        decay.step()
    assert np.linalg.norm(game.sample(500).mean(0) - [2, -1]) < 0.3
