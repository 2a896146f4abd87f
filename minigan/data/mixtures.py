"""Mixtures of Gaussians in the plane, whose modes can be counted: a ring and a square grid."""

import numpy as np
from numpy.typing import NDArray

from minigan import checks
from minigan.backend import random_numbers

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


def ring(n: int, modes: int = 8, radius: float = 2.0, std: float = 0.02, rng: np.random.Generator | None = None) -> Singles:
    """`n` samples of equally likely Gaussians on a circle around 0: an (n, 2) float32 array.

    `radius` and the standard deviation `std` are in data units. `rng` is minigan's default generator if None.
    Raises ValueError for n or std below 0 or modes below 1.
    """
    return _mixture("ring", n, ring_centres(modes, radius), std, rng)


def grid(n: int, side: int = 5, spacing: float = 2.0, std: float = 0.05, rng: np.random.Generator | None = None) -> Singles:
    """`n` samples of side x side equally likely Gaussians on a square grid centred on 0: an (n, 2) float32 array.

    `spacing` (between neighbouring centres) and the standard deviation `std` are in data units. `rng` is minigan's
    default generator if None. Raises ValueError for n or std below 0 or side below 1.
    """
    return _mixture("grid", n, grid_centres(side, spacing), std, rng)


def ring_centres(modes: int = 8, radius: float = 2.0) -> Floats:
    """The ring's centres, at the angles 2 pi j / modes, j = 0 ... modes-1: a (modes, 2) float64 array."""
    checks.whole("ring", "modes", modes)
    radius = checks.number("ring", "radius", radius)
    angles = 2 * np.pi * np.arange(modes) / modes  # the last angle is not 2 pi, which is the first centre
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def grid_centres(side: int = 5, spacing: float = 2.0) -> Floats:
    """The grid's centres, row by row from the lower left: a (side**2, 2) float64 array with mean 0."""
    checks.whole("grid", "side", side)
    spacing = checks.number("grid", "spacing", spacing)
    line = spacing * (np.arange(side) - (side - 1) / 2)
    x, y = np.meshgrid(line, line)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _mixture(name: str, n: int, centres: Floats, std: float, rng: np.random.Generator | None) -> Singles:
    """(n, 2) float32 samples: each a uniformly drawn centre plus isotropic Gaussian noise."""
    n, std = checks.whole(name, "n", n, least=0), checks.number(name, "std", std, least=0)
    rng = random_numbers.generator(rng)
    chosen = centres[rng.integers(len(centres), size=n)]
    return (chosen + std * rng.standard_normal((n, 2))).astype(np.float32)
