"""Long games: 20,000 steps of each, after whose first thousand the memory must not grow."""

import gc
import os
import sys
from pathlib import Path

import pytest

import minigan as mg
from minigan import games
from tests.games.players import make, stream

STEPS, WARM = 20_000, 1000
MOST = 2 << 20  # bytes

GAMES = {  # (the kind in `players`, options)
    "gan": ("gan", {}),
    "gan with r1": ("gan", {"r1": 1.0}),
    "gan, k 2, l 2, saturating": ("gan", {"k": 2, "l": 2, "saturating": True}),
    "dcgan": ("dcgan", {}),
    "wgan": ("wgan", {}),
    "wgan_gp": ("wgan_gp", {}),
    "cgan": ("cgan", {}),
    "cgan_images": ("cgan_images", {}),
    "began": ("began", {}),
}


def resident() -> int:
    """The bytes of memory that this process holds (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def soak(name: str, steps: int, warm: int) -> tuple[int, int]:
    """By how much memory grows from step `warm` to the last: bytes that the process holds, and blocks that Python does.

    (`tracemalloc` would count the bytes asked for, and make a step take six times as long.)
    """
    kind, options = GAMES[name]
    game, batches = make(kind, lr=1e-4, **options), stream(kind)
    for step in range(steps):
        if step == warm:
            gc.collect()
            held, blocks = resident(), sys.getallocatedblocks()
        figures = game.step(batches)
        if step % 10 == 0:
            assert all(value == value for value in dict(figures).values()), f"step {step}: {figures}"
        if step % 500 == 0:
            game.sample(3, y=[0, 1, 2] if isinstance(game, games.ConditionalGAN) else None)
            game.load_state_dict(game.state_dict())
    gc.collect()
    return resident() - held, sys.getallocatedblocks() - blocks


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.stress
@pytest.mark.parametrize("name", GAMES)
def test_memory_of_a_long_game_does_not_grow(name):
    mg.seed(0)
    held, blocks = soak(name, STEPS, WARM)
    print(f"{name}: {STEPS - WARM:,} steps, {held / 1e6:+.3f} MB held, {blocks:+,} blocks")
    assert held < MOST
    assert blocks < 2000
