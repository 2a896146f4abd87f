"""`gradcheck_report`: how accurate each gradient is, as the rows of a table."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minigan.gradcheck.check import DEFAULT, QUIET, comparisons_of_all
from minigan.gradcheck.comparison import Comparison
from minigan.gradcheck.kinks import Kink
from minigan.gradcheck.second_look import complaint, measured
from minigan.gradcheck.slopes import Slope
from minigan.gradcheck.wording import ORDINALS


def gradcheck_report(fn: Callable[..., Any], *inputs: Any, order: int = 2) -> str:
    """How accurate each gradient is: `gradcheck`'s comparisons as the rows of a table. Nothing is an error here.

    The largest difference between gradient and numeric slope, and the numeric slope's own error, are relative to the largest
    slope. At kinks, the slopes below and above are listed next to the subgradient that was returned.
    """
    rows = [f"{'derivative':10}  {'by':30}  {'difference':10}  {'own error':10}  verdict"]
    with np.errstate(**QUIET):
        for comparison in comparisons_of_all(fn, inputs, order, DEFAULT):
            rows += _rows(comparison)
    return "\n".join(rows)


def _rows(comparison: Comparison) -> list[str]:
    places, name = list(np.ndindex(comparison.shape)), comparison.function.names[comparison.i]
    kinks = {place: kink for place in places if (kink := Kink(comparison.at(place), comparison.steps[place])).is_one}
    wrong = [
        place
        for place in map(tuple, np.argwhere(comparison.suspect))
        if not (place in kinks and kinks[place].holds(comparison.analytic[place])) and complaint(comparison, place)
    ]
    slopes = {place: _best(comparison, place) for place in places if place not in kinks}
    largest = max([abs(slope.value) for slope in slopes.values()], default=0.0) or 1.0
    apart = max([abs(comparison.analytic[place] - slope.value) for place, slope in slopes.items()], default=0.0) / largest
    error = max([slope.error for slope in slopes.values()], default=0.0) / largest
    order = ORDINALS.get(comparison.function.order, str(comparison.function.order))
    verdict = f"wrong at {len(wrong)} of {len(places)}" if wrong else "ok"
    notes = [f"  {comparison.place} {place}: {kink}, takes {comparison.analytic[place]:.6g}" for place, kink in kinks.items()]
    return [f"{order:10}  {name:30}  {apart:<10.1e}  {error:<10.1e}  {verdict}", *notes]


def _best(comparison: Comparison, place: tuple) -> Slope:
    """The slope that is known best."""
    found = measured(comparison, comparison.extended or comparison, place)
    return min(found, key=lambda slope: slope.error, default=Slope(*[np.nan] * 8))
