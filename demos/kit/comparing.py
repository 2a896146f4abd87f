"""Is one way better than another, or do the seeds differ as much? Decided by an interval over the seeds, and said in words."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t, ttest_ind

HELPS, HURTS, NOTHING = "helps", "hurts", "no difference beyond chance"
CONFIDENCE = 0.95


@dataclass
class Comparison:
    """The difference of two means over seeds, "with" minus "without", its confidence interval, and what it comes to."""

    difference: float
    low: float
    high: float
    verdict: str


def compare(with_it: Sequence[float], without: Sequence[float], better: str = "lower", paired: bool = False) -> Comparison:
    """What a change does to a figure, by a 95 % confidence interval of the difference of the means.

    Args:
        with_it, without: the figure in each run with the change, and without it.
        better: "lower" or "higher": which figures are.
        paired: the runs are pairs (the same seed decides more of both than the change does): Student's t of the pairs'
            differences. Otherwise Welch's (Biometrika 1947), which does not ask that both vary alike.

    Of single runs, and of runs that are all alike, nothing can be said: the interval is infinite.
    """
    a, b = np.asarray(with_it, np.float64), np.asarray(without, np.float64)
    difference = float(a.mean() - b.mean())
    if paired:
        d = a - b
        margin = t.ppf((1 + CONFIDENCE) / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5 if _varies(d) else np.inf
        low, high = difference - margin, difference + margin
    elif min(len(a), len(b)) > 1 and (_varies(a) or _varies(b)):
        with warnings.catch_warnings(
            action="ignore"
        ):  # where one side's runs are all alike: its variance is 0, and is taken so
            low, high = ttest_ind(a, b, equal_var=False).confidence_interval(CONFIDENCE)
    else:
        low, high = -np.inf, np.inf
    return Comparison(difference, float(low), float(high), verdict(difference, low, high, better))


def _varies(x: np.ndarray) -> bool:
    return len(x) > 1 and np.ptp(x) > 0


def verdict(difference: float, low: float | None, high: float | None, better: str = "lower") -> str:
    """The words that follow from a difference and its interval (None: a file's word for infinity)."""
    if better not in ("lower", "higher"):
        raise ValueError(f'better is {better!r}; expected "lower" or "higher"')
    if low is None or high is None or not (low > 0 or high < 0):
        return NOTHING
    return HELPS if (difference < 0) == (better == "lower") else HURTS
