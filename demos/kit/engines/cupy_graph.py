"""The GANs in minigan on a GPU, each iteration one recorded CUDA graph: see `minigan.games.Captured`."""

import itertools
from collections.abc import Callable

import cupyx.cutensor  # noqa: F401 (what recorded products need: without it, this engine is left out)

from demos.kit.engines import cupy, minigan, sizes
from demos.kit.engines.sizes import Size
from minigan import games

VERSION = cupy.VERSION
THREADS = 1


def make(size: Size, seed: int) -> Callable[[], tuple[float, float]]:
    """The losses of D and G."""
    minibatches = sizes.minibatches(size, seed)
    player, batches = games.Captured(minigan.game(size, minibatches, seed)), itertools.cycle(minibatches)

    def step():
        figures = player.step(batches)
        return figures["loss_D"], figures["loss_G"]

    return step
