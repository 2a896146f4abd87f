"""Is one way better than another, or do the seeds differ as much? Decided by an interval over the seeds, and said in words."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HELPS, HURTS, NOTHING = "helps", "hurts", "no difference beyond chance"
CONFIDENCE = 0.95
SURE = 4  # runs that are all alike, so many on each side, are no accident
ROUNDING = 1e-12  # figures that lie so near to each other, beside their size, are alike


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

    Of runs that are all alike on both sides (6 of 6 seeds find 8 modes with the change, and 1 without it), or of pairs whose
    differences are, the interval has no width, if each side has at least 4. Of fewer such runs, and of single ones, nothing
    can be said: the interval is infinite.
    """
    a, b = np.asarray(with_it, np.float64), np.asarray(without, np.float64)
    difference, fewest = float(a.mean() - b.mean()), min(len(a), len(b))
    rounding = ROUNDING * max(np.abs(a).max(), np.abs(b).max())
    alike = all(np.ptp(x) <= rounding for x in ([a - b] if paired else [a, b]))
    if alike and fewest >= SURE:
        difference = low = high = difference if abs(difference) > rounding else 0.0
    elif alike or fewest == 1:
        low, high = -np.inf, np.inf
    else:
        low, high = _student(a - b) if paired else _welch(a, b)
    return Comparison(difference, float(low), float(high), verdict(difference, low, high, better))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of the runs, and its 95 % confidence interval (Student's t), which is as wide as `compare` says for few runs."""
    found = compare(values, [0.0] * len(values), paired=True)
    return found.difference, found.low, found.high


def _student(d: np.ndarray) -> tuple[float, float]:
    """The interval of the mean of pairs' differences."""
    from scipy.stats import t  # here, not above: it takes as long to import as NumPy and matplotlib together

    margin = t.ppf((1 + CONFIDENCE) / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean() - margin, d.mean() + margin


def _welch(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The interval of the difference of two means."""
    from scipy.stats import ttest_ind

    with warnings.catch_warnings(action="ignore"):  # scipy's, where one side's runs are all alike: a variance of 0 is right
        return ttest_ind(a, b, equal_var=False).confidence_interval(CONFIDENCE)


def verdict(difference: float, low: float | None, high: float | None, better: str = "lower") -> str:
    """The words that follow from a difference and its interval (None: a file's word for infinity)."""
    if better not in ("lower", "higher"):
        raise ValueError(f'better is {better!r}; expected "lower" or "higher"')
    if low is None or high is None or not (low > 0 or high < 0):
        return NOTHING
    return HELPS if (difference < 0) == (better == "lower") else HURTS
