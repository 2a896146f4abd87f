"""Intervals over seeds: the textbooks' figures, and the words that follow from them."""

import numpy as np
import pytest
from scipy import stats

from demos.kit.comparing import HELPS, HURTS, NOTHING, compare, interval, verdict


def test_the_intervals_are_welchs_and_students():
    a, b = [27.5, 21.0, 19.0, 23.6, 17.0], [27.1, 22.0, 20.8, 23.4, 29.9, 31.2]
    found = compare(a, b)
    assert found.difference == pytest.approx(np.mean(a) - np.mean(b))
    assert (found.low, found.high) == pytest.approx(tuple(stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)))
    paired = compare(a, b[:5], paired=True)
    assert (paired.low, paired.high) == pytest.approx(tuple(stats.ttest_rel(a, b[:5]).confidence_interval(0.95)))
    assert interval(a) == pytest.approx((np.mean(a), *stats.ttest_1samp(a, 0.0).confidence_interval(0.95)))
    one_side_alike = compare([1.0, 1.0, 1.0], [2.0, 2.1, 1.9])
    assert one_side_alike.high + 1 == pytest.approx(stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3))


@pytest.mark.parametrize(
    ("a", "b", "better", "words"),
    [
        ([1.0, 1.1, 1.2], [5.0, 5.1, 5.3], "lower", HELPS),
        ([1.0, 1.1, 1.2], [5.0, 5.1, 5.3], "higher", HURTS),
        ([1.0], [2.0], "lower", NOTHING),  # of single runs, and two or three that are all alike, nothing can be said
        ([1.0] * 3, [2.0] * 3, "lower", NOTHING),
        ([1.0] * 4, [2.0] * 4, "lower", HELPS),
        ([0.3, 0.1 + 0.2, 0.3, 0.3], [0.3] * 4, "lower", NOTHING),  # errors of rounding
        ([1.0, np.nan], [2.0, 3.0], "lower", NOTHING),
    ],
)
@pytest.mark.parametrize("paired", [False, True])
def test_the_words_follow_from_the_interval_and_from_what_is_better(a, b, better, words, paired):
    found = compare(a, b, better, paired=paired)
    assert found.verdict == words == verdict(found.difference, found.low, found.high, better)
    if np.ptp(a) < 1e-12:
        infinite, difference = len(a) < 4, found.difference
        assert (found.low, found.high) == ((-np.inf, np.inf) if infinite else (difference, difference))
        assert difference in (0, -1)


def test_pairs_that_differ_alike_and_a_files_null():
    pairs = compare([1.0, 2.0, 3.0, 5.0], [2.0, 3.0, 4.0, 6.0], paired=True)
    assert (pairs.low, pairs.high, pairs.verdict) == (-1.0, -1.0, HELPS)
    assert verdict(1.0, None, None) == NOTHING
