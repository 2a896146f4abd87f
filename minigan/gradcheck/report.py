"""`gradcheck_report`: how accurate each gradient is, as the rows of a table."""

from math import nan

import numpy as np
from numpy.typing import ArrayLike

from minigan.engine.tensor import Tensor
from minigan.games.game import Game
from minigan.gradcheck.check import DEFAULT, comparisons_of_all, quiet
from minigan.gradcheck.comparison import Comparison, Index
from minigan.gradcheck.function import TensorFunction
from minigan.gradcheck.slopes import Kink, Slope
from minigan.gradcheck.verdict import GradcheckError, complaint, measured
from minigan.gradcheck.wording import ORDINALS
from minigan.nn import Module

NONE = np.zeros(0, bool)
UNKNOWN = Slope(value=nan, error=nan, step=nan, usual=nan, size=nan, inner=nan, moving=NONE, unmoved=NONE)


def gradcheck_report(fn: TensorFunction | Module | Game, *inputs: ArrayLike | Tensor, order: int = 2) -> str:
    """How accurate each gradient is: `gradcheck`'s comparisons as the rows of a table. A wrong gradient raises nothing.

    The largest difference between gradient and numeric slope, and the numeric slope's own error, are relative to the largest
    slope. At kinks, the slopes below and above are listed next to the subgradient that was returned.
    """
    rows = [f"{'derivative':10}  {'by':30}  {'difference':10}  {'own error':10}  verdict"]
    try:
        with quiet():
            for comparison in comparisons_of_all(fn, inputs, order, DEFAULT):
                rows += _rows(comparison)
    except GradcheckError as error:  # of another backward pass
        rows.append(f"wrong: {str(error).removeprefix('gradcheck: ')}")
    return "\n".join(rows)


def _rows(comparison: Comparison) -> list[str]:
    indices: list[Index] = list(np.ndindex(comparison.shape))
    name = comparison.function.names[comparison.i]
    kinks = {index: kink for index in indices if (kink := Kink(comparison.at(index), comparison.steps[index])).is_one}
    wrong = [
        index
        for index in map(tuple, np.argwhere(comparison.suspect))
        if not (index in kinks and kinks[index].holds(comparison.analytic[index])) and complaint(comparison, index) is not None
    ]
    known = {index: measured(comparison, comparison.extended or comparison, index) for index in indices if index not in kinks}
    slopes = {index: min(found, key=lambda slope: slope.error, default=UNKNOWN) for index, found in known.items()}
    largest = max([abs(s.value) for s in slopes.values() if abs(s.value) > s.error], default=0.0) or 1.0
    apart = max([abs(comparison.analytic[index] - slope.value) for index, slope in slopes.items()], default=0.0) / largest
    error = max([slope.error for slope in slopes.values()], default=0.0) / largest
    order = ORDINALS.get(comparison.function.order, str(comparison.function.order))
    verdict = f"wrong at {len(wrong)} of {len(indices)}" if wrong else "ok"
    notes = [f"  {comparison.probe} {index}: {kink}, takes {comparison.analytic[index]:.6g}" for index, kink in kinks.items()]
    return [f"{order:10}  {name:30}  {apart:<10.1e}  {error:<10.1e}  {verdict}", *notes]
