"""Kinks and jumps: points where a function has one slope below and another above."""

import numpy as np

from minigan.gradcheck.slopes import Terms, difference, rounding


class Kink:
    """Whether there is a kink, or a jump, at a distance of less than `step` from 0, or only curvature.

    Each term of L has a slope below 0 and a slope above. Its derivative may be anything between them; so may that of the sum.
    """

    def __init__(self, terms: Terms, step: float):
        far, near = (_slopes_around(terms, h) for h in (step, step / 8))
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


def _slopes_around(terms: Terms, h: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each term, the slope a little below 0, the slope a little above it, and the slope from one side to the other."""
    below, above = terms(-h), terms(h)
    return difference(below, terms(-2 * h)) / h, difference(terms(2 * h), above) / h, difference(above, below) / (2 * h)
