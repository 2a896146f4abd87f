"""The verdict on a comparison: GradcheckError where the gradient is wrong."""

from dataclasses import replace

import numpy as np

from minigan.gradcheck import wording
from minigan.gradcheck.comparison import MOST_ELEMENTS, Comparison, Together
from minigan.gradcheck.second_look import UNDECIDED, complaint


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
        if len(comparison.function.parts) > 1:
            _find_part(comparison)
        if comparison.most < x.size <= MOST_ELEMENTS:
            verify(replace(comparison, most=MOST_ELEMENTS))
        raise GradcheckError(wording.message(comparison, index, found))
    return int(comparison.unknown.size - np.count_nonzero(comparison.unknown))


def _find_part(comparison: Comparison) -> None:
    """Raise GradcheckError for the one output, of several, whose gradient is wrong."""
    for k in range(len(comparison.function.parts)):
        part = comparison.function.part(k)
        verify(replace(comparison, function=part, gradient=part.gradients[comparison.i]))


def _verify_together(comparison: Together) -> int:
    """Raise GradcheckError if the gradients do not add up to the slopes. Counts no slope: each has been compared alone."""
    comparison.rounding = float(np.max(comparison.error))
    for index in map(tuple, np.argwhere(comparison.suspect & np.isfinite(comparison.analytic))):
        if (found := complaint(comparison, index)) not in (None, *UNDECIDED):
            raise GradcheckError(wording.message(comparison, index, found))
    return 0
