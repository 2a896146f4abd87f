"""The ring and the grid of Gaussians: on them, demos count the modes that G finds."""

import numpy as np

from minigan import data

RING = {"modes": 8, "radius": 2.0, "std": 0.02}
GRID = {"side": 5, "spacing": 2.0, "std": 0.05}


def load(name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """100,000 points of the "ring" or the "grid", (n, 2), its centres (modes, 2), and the std of each mode."""
    if name == "ring":
        return data.ring(100_000, **RING), data.ring_centres(RING["modes"], RING["radius"]), RING["std"]
    return data.grid(100_000, **GRID), data.grid_centres(GRID["side"], GRID["spacing"]), GRID["std"]
