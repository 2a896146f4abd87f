"""The verdict on a comparison: GradcheckError where the gradient is wrong.

Where a gradient and its slope do not agree at first glance, the slope is measured with steps of all sizes, first in extended
precision, if fn supports it: its own error is then known. A gradient that agrees there may still have lost digits in float64.
"""

from dataclasses import replace

import numpy as np

from minigan.gradcheck import wording
from minigan.gradcheck.comparison import MOST_ELEMENTS, USEFUL, Comparison, Index, Together
from minigan.gradcheck.slopes import Kink, Slope, measure

LARGE = 1e-4 * np.finfo(np.float64).max
CANNOT_TELL = "; the check cannot decide: the numeric slope's error is too large"
NOTHING = "; nothing could be compared: fn is infinite or nan around x"
UNDECIDED = (CANNOT_TELL, NOTHING)


class GradcheckError(AssertionError):
    """The derivative that an op returns is not the derivative of the op, or the check cannot decide."""


def verify(comparison: Comparison) -> int:
    """Raise GradcheckError where the gradient is wrong; return how many slopes were compared."""
    if isinstance(comparison, Together):
        return _verify_together(comparison)
    g, x = comparison.gradient, comparison.x
    if g.shape != x.shape or g.dtype != x.dtype:
        raise GradcheckError(f"{wording.head(comparison)}the gradient is {g.dtype} {g.shape}, not {x.dtype} {x.shape}")
    distance = np.nan_to_num(np.abs(comparison.analytic - comparison.numeric), nan=np.inf)
    for index in sorted(map(tuple, np.argwhere(comparison.suspect)), key=lambda index: -distance[index]):
        if (found := complaint(comparison, index)) is None:
            comparison.suspect[index] = False
            continue
        comparison.function.check_repeatable()
        if len(comparison.function.parts) > 1:  # which one is wrong?
            for part in map(comparison.function.part, range(len(comparison.function.parts))):
                verify(replace(comparison, function=part, gradient=part.gradients[comparison.i]))
        if comparison.most < x.size <= MOST_ELEMENTS:
            verify(replace(comparison, most=MOST_ELEMENTS))
        raise GradcheckError(wording.message(comparison, index, found))
    return int(comparison.unknown.size - np.count_nonzero(comparison.unknown))


def _verify_together(comparison: Together) -> int:
    """Raise GradcheckError if the gradients do not add up to the slopes. Counts no slope: each has been compared alone."""
    comparison.rounding = float(np.max(comparison.error))
    for index in map(tuple, np.argwhere(comparison.suspect & np.isfinite(comparison.analytic))):
        if (found := complaint(comparison, index)) not in (None, *UNDECIDED):
            raise GradcheckError(wording.message(comparison, index, found))
    return 0


# --- the second look ----------------------------------------------------------------------------------------------------


def complaint(comparison: Comparison, index: Index) -> str | None:
    """What is wrong with the gradient at this index; None if it is right."""
    terms, tolerance, analytic = comparison.at(index), comparison.tolerance, comparison.analytic[index]
    if tolerance.fixed:
        return wording.diagnosis(comparison, index, Kink(terms, tolerance.eps))
    slopes: list[Slope] = []
    for precise in filter(None, (comparison.extended, comparison)):
        found = measured(comparison, precise, index)
        for slope in found:
            if _agrees(precise, index, slope):
                comparison.numeric[index], comparison.error[index] = slope.value, slope.error
                return _lost_digits(comparison, precise, index, slope)
        slopes += found
        if any(_is_known(precise, index, slope) for slope in found):
            break
    if not slopes:
        return NOTHING
    best = min(slopes, key=lambda slope: slope.error + slope.hidden)
    comparison.numeric[index], comparison.error[index] = best.value, best.error + best.hidden
    kink = Kink(terms, min(best.step, comparison.steps[index]))
    if tolerance.kinks and kink.holds(analytic):
        return None
    if abs(analytic - best.value) <= best.error + best.hidden:
        return CANNOT_TELL
    if best.value == 0 < best.usual:
        return "; fn is flat near x and moves farther away: is it computed in a lower precision?"
    return wording.diagnosis(comparison, index, kink)


def measured(comparison: Comparison, precise: Comparison, index: Index) -> list[Slope]:
    """The slope by steps of about 1 and, where x is much smaller or larger, of about its size or the largest element's.

    A slope with a large error is left out if another one's is small and that one has smaller steps or the smaller error:
    steps of the size of the largest element may carry a small one too far.
    """
    terms, largest = precise.at(index), np.max(comparison.sizes)
    units = {1.0, *[float(size) for size in (comparison.sizes[index], largest) if size and not 1e-3 <= size <= 1e3]}
    slopes = [slope for unit in sorted(units) if (slope := measure(terms, unit, _inner_sizes(comparison, index, unit)))]
    own, touched = _own_rounding(precise, index), np.any([slope.moving for slope in slopes], axis=0)
    errors = np.array([slope.error + own * slope.size + np.sum(slope.unmoved[touched]) for slope in slopes])
    known = errors < USEFUL * np.abs([slope.value for slope in slopes])
    better = [known[:k].any() or (known & (errors < error)).any() for k, error in enumerate(errors)]
    return [slope for k, slope in enumerate(slopes) if known[k] or not better[k]]


def _inner_sizes(comparison: Comparison, index: Index, unit: float) -> np.ndarray:
    """How large the numbers are of which each term is a small difference, from the term's rounding error."""
    least = comparison.function.inner_size
    if comparison.extended is None:
        return np.array(least)
    rough, exact, steps = comparison.at(index), comparison.extended.at(index), unit * 2.0 ** -np.arange(8, 16)
    errors = [np.abs(rough(h) - exact(h)) for h in (*steps, *-steps)]  # several, for one of them may be 0 by chance
    largest: np.ndarray = np.max(np.nan_to_num(errors, nan=0.0, posinf=0.0), axis=0)
    return np.maximum(largest / np.finfo(np.float64).eps, least)


def _agrees(comparison: Comparison, index: Index, slope: Slope) -> bool:
    """Is the slope known well enough, and the gradient equal to it within the errors?"""
    a, n = comparison.analytic[index], slope.value
    if not np.isfinite(a):  # too large for float64, or an intermediate result was
        return bool(np.isinf(a) and np.sign(a) * n > LARGE)
    moving, own = _of_moving_terms(comparison, index, slope), _own_rounding(comparison, index)
    allowed = comparison.tolerance.atol + comparison.relative(moving, n) + slope.error + own * slope.size
    rest_is_hidden = abs(a - moving) <= slope.hidden + own * (comparison.function.size + slope.inner)
    return bool(abs(moving - n) <= allowed and rest_is_hidden and _is_known(comparison, index, slope))


def _is_known(comparison: Comparison, index: Index, slope: Slope) -> bool:
    """Is the slope known well enough to check the gradient?"""
    a, n = _of_moving_terms(comparison, index, slope), slope.value
    rest, own = abs(comparison.analytic[index] - a), _own_rounding(comparison, index)
    finite = np.isfinite(comparison.analytic)
    usual = np.max(np.abs(comparison.analytic), where=finite, initial=slope.usual)
    small = max(USEFUL * max(abs(a), abs(n), rest), 1e-6 * usual)
    if a != n and slope.error > max(small, own * slope.size):
        return False
    return bool(rest == 0 or slope.hidden <= max(small, own * (comparison.function.size + slope.inner)))


def _of_moving_terms(comparison: Comparison, index: Index, slope: Slope) -> float:
    """The gradient's slope for the terms that move. The others' slope is hidden by their rounding errors."""
    if not slope.moving.all():
        comparison = comparison.of(comparison.function.weighted(slope.moving))
    analytic: float = comparison.analytic[index]
    return analytic


def _own_rounding(comparison: Comparison, index: Index) -> float:
    """The possible rounding error of a right formula, such as 1 - y^2 where y is nearly 1, for terms of size 1."""
    rounding: float = 10_000 * np.finfo(comparison.x.dtype).eps / max(comparison.sizes[index] / 1000, 1)
    return rounding


def _lost_digits(comparison: Comparison, extended: Comparison, index: Index, slope: Slope) -> str | None:
    """A complaint if the gradient differs by more than rounding from its formula's result in extended precision."""
    a, exact = comparison.analytic[index], extended.analytic[index]
    length = min(comparison.sizes[index] or 1, 1, 1000 * slope.step)  # over which L changes
    lost = 1e-9 * (comparison.function.size + slope.inner) / length + np.finfo(np.float64).tiny
    allowed = comparison.tolerance.atol + comparison.relative(a, exact) + lost
    if abs(a - exact) <= allowed or abs(a - exact) <= allowed + extended.last_digits[index]:
        return None
    g, g_exact = (c.gradient if c.probe == "direction" else c.analytic[index] for c in (comparison, extended))
    too_large = np.isinf(g) & (np.sign(g) * g_exact > LARGE)
    if too_large.any() and (too_large | np.isfinite(g)).all():
        return None
    finite = "" if np.isfinite(a) else "; the analytic gradient is not finite"
    return f"{finite}; in extended precision the same formula gives {exact:.10g}"
