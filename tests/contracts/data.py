"""What draws data: sources, which return samples, and streams, which go on. A new one is a row."""

import numpy as np

from minigan import data
from tests.helpers.ranks import Comm

SOURCES = {  # name: (n, rng or None) -> samples
    "ring": lambda n, rng: data.ring(n, rng=rng),
    "grid": lambda n, rng: data.grid(n, rng=rng),
    "glyphs": lambda n, rng: data.glyphs(n, rng)[0],
    "glyphs, labels": lambda n, rng: data.glyphs(n, rng)[1],
    "scenes": lambda n, rng: data.scenes(n, rng)[0],
    "scenes, labels": lambda n, rng: data.scenes(n, rng)[1],
}
SHAPES = {"ring": (2,), "grid": (2,), "glyphs": (1, 28, 28), "glyphs, labels": (), "scenes": (3, 32, 32), "scenes, labels": ()}


def batches(rng):
    return data.batches(np.arange(44).reshape(22, 2), size=6, rng=rng)


STREAMS = {  # name: (rng or None -> a stream, stream -> what it gives next)
    **{
        f"noise, {kind}": (lambda rng, kind=kind: data.noise(3, kind, rng), lambda prior: prior(5))
        for kind in data.priors._KINDS
    },
    "batches": (batches, next),
    "share": (lambda rng: data.share(batches(rng), Comm(1, 2)), next),
}
OTHERS = {  # they draw nothing
    *("DataError", "cifar10", "grid_centres", "images", "lerp", "mnist", "ring_centres", "shared_noise", "slerp"),
}
