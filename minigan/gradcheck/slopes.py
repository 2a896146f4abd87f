"""The slope of a function at a point, measured by central differences, and its error.

    (L(h) - L(-h)) / 2h = L'(0) + the truncation error, which falls with h + the rounding error of L, divided by h

No step h is right for every function: 1e-5 is far too large for log at 1e-6, and lost at 1e12. So steps of all sizes are
tried; where the slope stops changing, its error is smallest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Terms = Callable[[float], np.ndarray]  # step -> the terms of L there, a vector: L is their sum
STEPS = 4.0 ** -np.arange(1, 16)  # from a quarter down to 1e-9; times a power of 2, x + h loses no digits of h


@dataclass(frozen=True)
class Slope:
    """A measured slope, and its error."""

    value: float
    error: float
    step: float
    usual: float  # how steep L is on average, as far as the steps go
    size: float  # of the terms that move
    inner: float  # of the larger numbers of which the terms are small differences
    moving: np.ndarray  # which terms move
    unmoved: np.ndarray  # a bound on each term's slope, from its rounding error, if no step has moved it; 0 if one has

    @property
    def hidden(self) -> float:
        """A bound on the slope of all terms that no step has moved."""
        bound: float = np.sum(self.unmoved)
        return bound


def measure(terms: Terms, unit: float, inner: np.ndarray) -> Slope | None:
    """The slope of L at 0, for an L that changes over lengths of about `unit` or less; None if L is infinite or nan there.

    The error of each step's slope is estimated by a sum of three: its rounding error; the change since the step before, which
    exceeds the remaining truncation error; and its difference from the smaller steps' slopes, beyond their rounding errors.
    The slope with the smallest sum counts. `inner` is the size of larger numbers of which each term is a small difference.
    """
    steps = 2.0 ** np.round(np.log2(unit)) * STEPS
    sides = np.array([[terms(h), terms(-h)] for h in steps])
    change = difference(sides[:, 0], sides[:, 1])
    usable = np.isfinite(change).all(axis=1)
    if np.count_nonzero(usable) < 2:
        return None
    steps, sides, change = steps[usable], sides[usable], change[usable]
    moving = (change != 0).any(axis=0)
    if np.isinf(sides).any() and not moving.any():
        return None
    size = np.abs(sides).max(axis=1) + inner
    sizes = np.sum(size, axis=1, where=moving)
    unmoved = np.where(~moving & np.isfinite(size[0]), rounding(size[0], sides.dtype), 0.0) / (2 * steps[0])
    slopes, roundings = change.sum(axis=1) / (2 * steps), rounding(sizes, sides.dtype) / (2 * steps)
    slopes[1:] += np.diff(slopes) / 15  # Richardson: a quarter of the step has a sixteenth of the error
    errors = roundings + np.abs(slopes - np.concatenate([slopes[1:2], slopes[:-1]]))
    for k, slope in enumerate(slopes[:-1]):
        errors[k] += max(0.0, np.max(np.abs(slope - slopes[k + 1 :]) - roundings[k + 1 :]))
    best = np.argmin(errors)
    usual = np.ptp(np.sum(sides, axis=2, where=moving)) / steps[0]
    return Slope(slopes[best], errors[best], steps[best], usual, sizes[best], np.sum(inner), moving, unmoved)


def rounding(size: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The rounding error of a difference of two sums of terms of this size: a few units in the last place."""
    error: np.ndarray = 8 * np.finfo(dtype).eps * (size + np.finfo(dtype).tiny)
    return error


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b; 0 where both are the same infinity."""
    return np.where(a == b, 0.0, a - b)


# --- kinks --------------------------------------------------------------------------------------------------------------


class Kink:
    """Whether L has one slope below 0 and another above: a kink, or a jump, nearer to 0 than `step`; or only curvature.

    Each term of L has such slopes. Its derivative may be anything between them; so may that of the sum.
    """

    def __init__(self, terms: Terms, step: float):
        far, near = (self._around(terms, h) for h in (step, step / 8))
        self.below, self.above, _ = (slope.sum() for slope in far)
        low, high = (np.array([limit(*sides).sum() for *sides, _ in (far, near)]) for limit in (np.minimum, np.maximum))
        across = np.array([slope.sum() for *_, slope in (far, near)])
        ends = terms(step), terms(-step)
        noise = 16 * rounding(np.abs(ends[0]).sum(where=ends[0] != ends[1]), ends[0].dtype) / step
        gap, slack = high - low, 1e-3 * (np.abs(low) + np.abs(high)) + noise  # one-sided differences are not as accurate
        bent = gap[0] > slack[0] and gap[1] > gap[0] / 2  # curvature would leave an eighth of the gap
        outside = np.maximum(low - across, across - high) - gap
        jumps = outside[0] > slack[0] and outside[1] > outside[0] / 2  # curvature, an eighth of this
        self.is_one = bool(bent or jumps)
        self.low, self.high, self.slack = low.min(), high.max(), slack.max()

    def holds(self, slope: float) -> bool:
        """Is there a kink, and is the slope between those of its sides?"""
        return self.is_one and bool(self.low - self.slack <= slope <= self.high + self.slack)

    def __str__(self) -> str:
        return f"slope {self.below:.6g} below and {self.above:.6g} above"

    @staticmethod
    def _around(terms: Terms, h: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each term, the slope a little below 0, the slope a little above it, and the slope from one side to the other."""
        below, above = terms(-h), terms(h)
        return difference(below, terms(-2 * h)) / h, difference(terms(2 * h), above) / h, difference(above, below) / (2 * h)
