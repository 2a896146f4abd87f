"""The words of gradcheck's errors and reports."""

import numpy as np
from numpy.typing import ArrayLike

from minigan.gradcheck.comparison import Comparison, Index
from minigan.gradcheck.slopes import Kink

ORDINALS = {1: "first", 2: "second", 3: "third"}


def head(comparison: Comparison) -> str:
    """Which derivative, of which output, for which input."""
    function = comparison.function
    part, *others = function.parts
    of = f" (of {part})" if part and not others else ""
    name = "all inputs together" if comparison.i < 0 else function.names[comparison.i]
    return f"gradcheck: {ORDINALS.get(function.order, f'{function.order}th')} derivative{of}: {name}, "


def message(comparison: Comparison, index: Index, complaint: str) -> str:
    """The error's text."""
    arriving = comparison.function.u
    u = ", ".join(np.array2string(u, precision=4, threshold=8, edgeitems=2).replace("\n", "") for u in arriving)
    a, n, error, suspect = comparison.analytic[index], comparison.numeric[index], comparison.error[index], comparison.suspect
    return (
        f"{head(comparison)}{comparison.probe} {tuple(map(int, index))}: analytic {a:.10g}, numeric {n:.10g} +- {error:.1g} "
        f"({np.count_nonzero(suspect)} of {suspect.size} differ){complaint}; the arriving gradient: {u}"
    )


def diagnosis(comparison: Comparison, index: Index, kink: Kink) -> str:
    """How gradient and slope are related, if it is simple."""
    a, n = comparison.analytic, comparison.numeric
    if not np.isfinite(a).all():
        return "; the analytic gradient is not finite"
    if kink.is_one:
        advice = "is between them: pass kinks=True to accept it, or move x away" if kink.holds(a[index]) else "is outside"
        return f"; x is at a kink, with {kink}; the analytic slope {advice}"
    largest = np.max(np.abs(n), initial=0.0, where=np.isfinite(n)) or 1.0
    a, n = a / largest, n / largest
    if np.max(np.abs(a)) <= 1e-4:
        if comparison.function.order == 1:
            return "; the analytic gradient is zero: is an input missing from record()?"
        return "; the analytic one is zero: does the derivative compute with arrays, x.data, where it should with Tensors?"
    if a.ndim > 1 and close(a, np.swapaxes(n, -1, -2), 1e-4, 1e-6):
        return "; one is the other's transpose"
    factor = np.sum(a * n) / (np.sum(n * n) or 1.0)
    if not close(a, factor * n, 1e-4, 1e-6) or close(factor, 1.0, 1e-4, 0.0):
        return ""
    return "; they differ by the sign" if close(factor, -1.0, 1e-4, 0.0) else f"; they differ by the factor {factor:.6g}"


def close(a: ArrayLike, b: ArrayLike, rtol: float, atol: float) -> bool:
    """Are these equal, within the tolerances, and of the same shape?"""
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
