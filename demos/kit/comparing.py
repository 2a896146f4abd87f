"""Is a difference larger than chance? A confidence interval over the seeds decides; the verdict is a few words."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HELPS, HURTS, NOTHING = "helps", "hurts", "no difference beyond chance"
CONFIDENCE = 0.95
SURE = 4  # with at least this many equal runs on each side, the equality is not chance
ROUNDING = 1e-12  # numbers whose relative difference is at most this are equal


@dataclass
class Comparison:
    """The difference of two means over seeds, "with" minus "without", its confidence interval, and the verdict."""

    difference: float
    low: float
    high: float
    verdict: str


def compare(with_it: Sequence[float], without: Sequence[float], better: str = "lower", paired: bool = False) -> Comparison:
    """The effect of a change on a metric, with a 95 % confidence interval of the difference of the means.

    Args:
        with_it, without: the metric in each run with the change, and without it.
        better: "lower" or "higher": which values are better.
        paired: whether the runs are pairs, which share a seed: Student's t of the pairs' differences. Otherwise Welch's t
            (Biometrika 1947), which does not assume equal variances.

    If all runs of each side are equal (6 of 6 seeds find 8 modes with the change, and 1 without it), or all differences of
    pairs are, the interval has width 0, provided that each side has at least 4 runs. With fewer equal runs, or a single run,
    the interval is infinite.
    """
    a, b = np.asarray(with_it, np.float64), np.asarray(without, np.float64)
    difference, fewest = float(a.mean() - b.mean()), min(len(a), len(b))
    rounding = ROUNDING * max(np.abs(a).max(), np.abs(b).max())
    equal = all(np.ptp(x) <= rounding for x in ([a - b] if paired else [a, b]))
    if equal and fewest >= SURE:
        difference = low = high = difference if abs(difference) > rounding else 0.0
    elif equal or fewest == 1:
        low, high = -np.inf, np.inf
    elif paired:
        from scipy.stats import t  # here, not above: its import takes as long as NumPy's and matplotlib's together

        margin = t.ppf((1 + CONFIDENCE) / 2, len(a) - 1) * (a - b).std(ddof=1) / len(a) ** 0.5
        low, high = (a - b).mean() - margin, (a - b).mean() + margin
    else:
        from scipy.stats import ttest_ind

        with warnings.catch_warnings(action="ignore"):  # of equal runs on a side: a variance of 0 is right
            low, high = ttest_ind(a, b, equal_var=False).confidence_interval(CONFIDENCE)
    return Comparison(difference, float(low), float(high), verdict(difference, low, high, better))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of the runs and its 95 % confidence interval (Student's t). For few or equal runs: as in `compare`."""
    comparison = compare(values, [0.0] * len(values), paired=True)
    return comparison.difference, comparison.low, comparison.high


def verdict(difference: float, low: float | None, high: float | None, better: str = "lower") -> str:
    """The verdict on a difference with this interval (None: infinity, as read from a file)."""
    if better not in ("lower", "higher"):
        raise ValueError(f'better is {better!r}; expected "lower" or "higher"')
    if low is None or high is None or not (low > 0 or high < 0):
        return NOTHING
    return HELPS if (difference < 0) == (better == "lower") else HURTS
