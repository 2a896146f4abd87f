"""Long games: 20,000 steps of each, after whose first thousand the memory must not grow."""

import gc
import os
import sys
from pathlib import Path

import pytest

from tests.games.players import GAMES, make, stream

STEPS, WARM = 20_000, 1000
FURTHER = [("gan", {"r1": 1.0}), ("gan", {"k": 2, "l": 2, "saturating": True})]


def resident() -> int:
    """The bytes of memory that this process holds (Linux). `tracemalloc` would make a step take six times as long."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.stress
@pytest.mark.parametrize(("name", "options"), [(name, {}) for name in GAMES] + FURTHER)
def test_memory_of_a_long_game_does_not_grow(name, options):
    game, batches = make(name, lr=1e-4, **options), stream(name)
    for step in range(STEPS):
        if step == WARM:
            gc.collect()
            held, blocks = resident(), sys.getallocatedblocks()
        figures = game.step(batches)
        if step % 10 == 0:
            assert all(value == value for value in dict(figures).values()), f"step {step}: {figures}"
        if step % 500 == 0:
            game.sample(3, y=[0, 1, 2] if GAMES[name].classes else None)
            game.load_state_dict(game.state_dict())
    gc.collect()
    assert resident() - held < 2 << 20
    assert sys.getallocatedblocks() - blocks < 2000
