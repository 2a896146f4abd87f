"""A closer look where a gradient and its slope do not agree at first glance: which of the two is to blame?

The slope is measured with steps of all sizes, first in extended precision, if fn knows it: its own error can then be told. A
gradient that agrees there may still have lost digits in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minigan.gradcheck import wording
from minigan.gradcheck.kinks import Kink
from minigan.gradcheck.slopes import Slope, measure

if TYPE_CHECKING:
    from minigan.gradcheck.comparison import Comparison

USEFUL = 1e-3  # a slope whose error is larger than this share of it tells nothing
LARGE = 1e-4 * np.finfo(np.float64).max
CANNOT_TELL = "; the check cannot tell: the numeric slope's error is too large"
NOTHING = "; nothing could be compared: fn is infinite or nan around x"
UNDECIDED = (CANNOT_TELL, NOTHING)


def complaint(comparison: Comparison, place: tuple) -> str | None:
    """What is wrong with the gradient at this place; None if it is right."""
    terms, tolerance, claimed = comparison.at(place), comparison.tolerance, comparison.analytic[place]
    if tolerance.fixed:
        return wording.diagnosis(comparison, place, Kink(terms, tolerance.eps))
    slopes: list[Slope] = []
    for precise in filter(None, (comparison.extended, comparison)):
        found = measured(comparison, precise, place)
        for slope in found:
            if _agrees(precise, place, slope):
                comparison.numeric[place], comparison.error[place] = slope.value, slope.error
                return _lost_digits(comparison, precise, place, slope)
        slopes += found
        if any(_is_known(precise, place, slope) for slope in found):
            break
    if not slopes:
        return NOTHING
    best = min(slopes, key=lambda slope: slope.error + slope.hidden)
    comparison.numeric[place], comparison.error[place] = best.value, best.error + best.hidden
    kink = Kink(terms, min(best.step, comparison.steps[place]))
    if tolerance.kinks and kink.holds(claimed):
        return None
    if abs(claimed - best.value) <= best.error + best.hidden:
        return CANNOT_TELL
    if best.value == 0 < best.usual:
        return "; fn is flat near x and moves farther away: is it computed in a lower precision?"
    return wording.diagnosis(comparison, place, kink)


def measured(comparison: Comparison, precise: Comparison, place: tuple) -> list[Slope]:
    """The slope by steps of about 1 and, where x is much smaller or larger, by steps of about its size."""
    terms, largest = precise.at(place), np.max(comparison.sizes)
    units = {1.0, *[float(size) for size in (comparison.sizes[place], largest) if size and not 1e-3 <= size <= 1e3]}
    return [slope for unit in units if (slope := measure(terms, unit, _inner_sizes(comparison, place, unit)))]


def _inner_sizes(comparison: Comparison, place: tuple, unit: float) -> np.ndarray:
    """How large the numbers are of which each term is computed as a small difference: its rounding error tells."""
    least = comparison.function.inner_size
    if comparison.extended is None:
        return np.array(least)
    rough, exact, steps = comparison.at(place), comparison.extended.at(place), unit * 2.0 ** -np.arange(8, 16)
    errors = [np.abs(rough(h) - exact(h)) for h in (*steps, *-steps)]  # several, for one of them may be 0 by chance
    return np.maximum(np.max(np.nan_to_num(errors, nan=0.0, posinf=0.0), axis=0) / np.finfo(np.float64).eps, least)


def _agrees(comparison: Comparison, place: tuple, slope: Slope) -> bool:
    """Is the gradient the slope, as far as that is known, and is it known well enough?"""
    a, n = comparison.analytic[place], slope.value
    if not np.isfinite(a):  # too large for float64, or a number on the way was
        return bool(np.isinf(a) and np.sign(a) * n > LARGE)
    moving, own = _of_moving_terms(comparison, place, slope), _own_rounding(comparison, place)
    allowed = comparison.tolerance.atol + comparison.relative(moving, n) + slope.error + own * slope.size
    rest_is_hidden = abs(a - moving) <= slope.hidden + own * (comparison.function.size + slope.inner)
    return bool(abs(moving - n) <= allowed and rest_is_hidden and _is_known(comparison, place, slope))


def _is_known(comparison: Comparison, place: tuple, slope: Slope) -> bool:
    """Is the slope known well enough to judge the gradient?"""
    a, n = _of_moving_terms(comparison, place, slope), slope.value
    rest, own = abs(comparison.analytic[place] - a), _own_rounding(comparison, place)
    finite = np.isfinite(comparison.analytic)
    usual = np.max(np.abs(comparison.analytic), where=finite, initial=slope.usual)
    small = max(USEFUL * max(abs(a), abs(n), rest), 1e-6 * usual)
    if a != n and slope.error > max(small, own * slope.size):
        return False
    return bool(rest == 0 or slope.hidden <= max(small, own * (comparison.function.size + slope.inner)))


def _of_moving_terms(comparison: Comparison, place: tuple, slope: Slope) -> float:
    """The slope that the gradient claims for the terms that move. The others' slope is hidden by their rounding errors."""
    if slope.moving.all():
        return comparison.analytic[place]
    return comparison.of(comparison.function.moving(slope.moving)).analytic[place]


def _own_rounding(comparison: Comparison, place: tuple) -> float:
    """How far rounding may take a right formula, such as 1 - y^2 where y is nearly 1, for terms of size 1."""
    return 10_000 * np.finfo(comparison.x.dtype).eps / max(comparison.sizes[place] / 1000, 1)


def _lost_digits(comparison: Comparison, extended: Comparison, place: tuple, slope: Slope) -> str | None:
    """A complaint if the gradient differs by more than rounding from what its formula gives in extended precision."""
    a, exact = comparison.analytic[place], extended.analytic[place]
    length = min(comparison.sizes[place] or 1, 1, 1000 * slope.step)  # over which L changes
    lost = 1e-9 * (comparison.function.size + slope.inner) / length + np.finfo(np.float64).tiny
    allowed = comparison.tolerance.atol + comparison.relative(a, exact) + lost
    if abs(a - exact) <= allowed or abs(a - exact) <= allowed + extended.last_digits[place]:
        return None
    g, g_exact = (c.gradient if c.place == "direction" else c.analytic[place] for c in (comparison, extended))
    too_large = np.isinf(g) & (np.sign(g) * g_exact > LARGE)
    if too_large.any() and (too_large | np.isfinite(g)).all():
        return None
    finite = "" if np.isfinite(a) else "; the analytic gradient is not finite"
    return f"{finite}; in extended precision the same formula gives {exact:.10g}"
