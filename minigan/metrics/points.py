"""The quality of points: the modes that samples in the plane reach, and their distance from data. Arrays in, numbers out."""

import math

import numpy as np
from numpy.typing import NDArray

from minigan import backend, checks

# The `high_quality` of a perfect sampler, 0.989: in the plane a Gaussian has exp(-3**2 / 2) of its mass beyond 3 std.
# A larger share is not better: the samples are too narrow inside the modes.
perfect_high_quality = 1 - math.exp(-4.5)

Floats = NDArray[np.float64]


def mode_coverage(samples: np.ndarray, centres: np.ndarray, std: float) -> dict[str, float]:
    """How samples (n, 2) cover a mixture of Gaussians with these centres (m, 2) and this standard deviation.

    - `modes`: the modes with at least one sample within 3 std (a stray sample is enough)
    - `modes_1pct`: the modes that are nearest to, and within 3 std of, at least 1 % of all the samples
    - `high_quality`: the share of samples within 3 std of their nearest centre; compare `perfect_high_quality`
    - `kl`: KL(samples over their nearest modes || uniform) in nats: 0 is balanced, log(m) is a single mode

    Samples with NaN or infinity are not of high quality and have no nearest mode, so `kl` leaves them out; it is log(m)
    if no others are left. Raises ValueError for wrong shapes, no samples, centres that are not finite, or std <= 0.
    """
    samples, centres = _points("samples", samples), _points("centres", centres)
    if not np.isfinite(centres).all():
        raise ValueError("centres has NaN or infinite values: the modes' positions must be finite")
    std = checks.number("mode_coverage", "std", std, above=0)
    finite = samples[np.isfinite(samples).all(axis=1)]
    distances = _distances(finite, centres)  # (finite samples, m)
    near = distances <= 3 * std
    nearest = distances.argmin(axis=1)
    good = np.bincount(nearest[near.any(axis=1)], minlength=len(centres))  # (m,) samples of high quality
    return {
        "modes": int(near.any(axis=0).sum()),
        "modes_1pct": int((100 * good >= len(samples)).sum()),
        "high_quality": float(good.sum() / len(samples)),
        "kl": kl_to_uniform(np.bincount(nearest, minlength=len(centres))),
    }


def wasserstein1(a: np.ndarray, b: np.ndarray) -> float:
    """The exact Wasserstein-1 distance, in data units, between two sets of equally weighted points.

    On the line, (n,) against (m,), by sorting. In the plane, (n, 2) against (n, 2), by the optimal assignment of points
    to points: this needs SciPy (ImportError without it) and time that grows like n**3, seconds for n = 2,000.
    Raises ValueError for other shapes, empty sets, and values that are not finite.
    """
    a, b = numbers("wasserstein1", "a", a), numbers("wasserstein1", "b", b)
    for name, points in (("a", a), ("b", b)):
        if not points.size or not np.isfinite(points).all():
            raise ValueError(f"{name} of shape {points.shape} must hold at least one point, and only finite values")
    if a.ndim == b.ndim == 1:
        return _wasserstein1_line(a, b)
    if a.shape == b.shape and a.ndim == 2 and a.shape[1] == 2:
        return _wasserstein1_plane(a, b)
    raise ValueError(f"a has shape {a.shape} and b {b.shape}: give (n,) and (m,), or twice (n, 2) with the same n")


def _wasserstein1_line(a: np.ndarray, b: np.ndarray) -> float:
    """The area between the distribution functions, seen from either axis: the integral of |F_a^-1 - F_b^-1|."""
    a, b = np.sort(a), np.sort(b)
    x = np.sort(np.concatenate([a, b]))
    share_a = np.searchsorted(a, x[:-1], side="right") / len(a)  # F_a between x[i] and x[i+1], where it is constant
    share_b = np.searchsorted(b, x[:-1], side="right") / len(b)
    return float(np.sum(np.abs(share_a - share_b) * np.diff(x)))


def _wasserstein1_plane(a: np.ndarray, b: np.ndarray) -> float:
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError("wasserstein1 in the plane needs SciPy: pip install 'minigan[metrics]'") from error
    distances = _distances(a, b)
    return float(distances[linear_sum_assignment(distances)].mean())


def numbers(who: str, name: str, values: np.ndarray) -> Floats:
    """An array of float64. Complex numbers, text and the like are refused."""
    try:
        array = backend.to_numpy(values)
    except ValueError as error:
        raise ValueError(f"{who}: {name} is not an array of numbers: {error}") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{who}: {name} is {array.dtype}: give an array of numbers")
    return array.astype(np.float64)


def _points(name: str, values: np.ndarray) -> Floats:
    """The values as (n, 2) float64, n >= 1."""
    points = numbers("mode_coverage", name, values)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{name} has shape {points.shape}: points in the plane have shape (n, 2)")
    if len(points) == 0:
        raise ValueError(f"{name} is empty: give at least one point")
    return points


def _distances(a: Floats, b: Floats) -> Floats:
    """Between each point of `a` (n, 2) and each of `b` (m, 2): (n, m)."""
    distances: Floats = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])
    return distances


def kl_to_uniform(counts: np.ndarray) -> float:
    """KL(counts / sum || uniform) = log m - entropy, in nats."""
    if counts.sum() == 0:
        return math.log(len(counts))  # no samples at all: as bad as a single mode
    p = counts[counts > 0] / counts.sum()  # 0 log 0 = 0
    return max(0.0, float(math.log(len(counts)) + np.sum(p * np.log(p))))  # rounding can dip below 0
