"""Intervals over seeds: the textbooks' figures, and the words that follow from them."""

import numpy as np
import pytest
from scipy import stats

from demos.kit.comparing import HELPS, HURTS, NOTHING, compare, interval, verdict

RNG = np.random.default_rng(0)


def test_welchs_interval_is_the_textbooks():
    a, b = [27.5, 21.0, 19.0, 23.6, 17.0], [27.1, 22.0, 20.8, 23.4, 29.9, 31.2]
    found = compare(a, b)
    va, vb = np.var(a, ddof=1) / 5, np.var(b, ddof=1) / 6
    degrees = (va + vb) ** 2 / (va**2 / 4 + vb**2 / 5)
    margin = stats.t.ppf(0.975, degrees) * np.sqrt(va + vb)
    assert found.difference == pytest.approx(np.mean(a) - np.mean(b))
    assert (found.low, found.high) == pytest.approx((found.difference - margin, found.difference + margin))


def test_a_paired_interval_is_that_of_the_differences():
    a, b = RNG.standard_normal(7), RNG.standard_normal(7)
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    found = compare(a, b, paired=True)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_the_interval_of_a_mean_is_students():
    values = [5.1, 4.9, 5.6, 5.8, 4.4]
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert interval(values) == pytest.approx((np.mean(values), low, high))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([3.0], (3.0, -np.inf, np.inf)),
        ([3.0] * 3, (3.0, -np.inf, np.inf)),
        ([3.0] * 4, (3.0, 3.0, 3.0)),
        ([0.0] * 4, (0.0, 0.0, 0.0)),
        ([-1.0, 1.0], (0.0, -stats.t.ppf(0.975, 1), stats.t.ppf(0.975, 1))),
    ],
)
def test_the_interval_of_few_runs_or_of_those_that_are_all_alike(values, found):
    assert interval(values) == pytest.approx(found)


@pytest.mark.slow
@pytest.mark.parametrize("paired", [False, True])
def test_of_two_ways_that_are_alike_one_in_twenty_comparisons_finds_a_difference(paired):
    draws = np.random.default_rng(1).standard_normal((1000, 2, 6))
    verdicts = [compare(a, b, paired=paired).verdict for a, b in draws]
    assert 30 <= sum(v != NOTHING for v in verdicts) <= 72  # 50, and three standard deviations


@pytest.mark.parametrize(("better", "words"), [("lower", HELPS), ("higher", HURTS)])
def test_the_words_follow_from_the_interval_and_from_what_is_better(better, words):
    found = compare([1.0, 1.1, 1.2], [5.0, 5.1, 5.3], better)
    assert found.verdict == words == verdict(found.difference, found.low, found.high, better)


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0] * 3, [2.0] * 3), ([1.0], [2.0, 3.0]), ([1.0] * 3, [2.0] * 9)])
@pytest.mark.parametrize("paired", [False, True])
def test_nothing_can_be_said_of_single_runs_nor_of_two_or_three_that_are_all_alike(a, b, paired):
    if paired and len(a) != len(b):
        return
    found = compare(a, b, paired=paired)
    assert found.verdict == NOTHING
    assert (found.low, found.high) == (-np.inf, np.inf)


@pytest.mark.parametrize(("with_it", "words"), [(8.0, HELPS), (0.0, HURTS), (1.0, NOTHING)])
@pytest.mark.parametrize("paired", [False, True])
def test_four_runs_that_are_all_alike_are_enough(with_it, words, paired):
    found = compare([with_it] * 4, [1.0] * 4, "higher", paired=paired)
    assert (found.difference, found.low, found.high) == (with_it - 1,) * 3
    assert found.verdict == words


def test_pairs_whose_differences_are_alike_are_enough_though_the_runs_vary():
    found = compare([1.0, 2.0, 3.0, 5.0], [2.0, 3.0, 4.0, 6.0], paired=True)
    assert (found.low, found.high, found.verdict) == (-1.0, -1.0, HELPS)


@pytest.mark.parametrize("paired", [False, True])
def test_errors_of_rounding_are_no_difference(paired):
    a, b = np.array([0.3, 0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2]), np.array([0.1 + 0.2, 0.3, 0.3, 0.3, 0.3])
    assert np.ptp(a - b) > 0
    found = compare(a, b, paired=paired)
    assert (found.difference, found.low, found.high, found.verdict) == (0.0, 0.0, 0.0, NOTHING)


def test_one_side_may_be_all_alike():
    found = compare([1.0, 1.0, 1.0], [2.0, 2.1, 1.9])
    margin = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((-1 - margin, -1 + margin))


def test_a_files_null_is_an_infinity_and_a_nan_decides_nothing():
    assert verdict(1.0, None, None) == verdict(1.0, -np.inf, np.inf) == verdict(np.nan, np.nan, np.nan) == NOTHING
    assert compare([1.0, np.nan], [2.0, 3.0]).verdict == NOTHING
    with pytest.raises(ValueError, match="better is 'more'"):
        compare([1.0], [2.0], "more")
