"""The metrics of points against values known by hand or by theory, and against each metric's usual traps."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import data, metrics

CENTRES = data.ring_centres(8, 2.0)
STD = 0.02


def test_a_perfect_sampler_covers_all_modes_evenly_with_high_quality_0_989():
    coverage = metrics.mode_coverage(data.ring(100_000, rng=np.random.default_rng(0)), CENTRES, STD)
    assert coverage["modes"] == coverage["modes_1pct"] == 8
    assert coverage["high_quality"] == pytest.approx(metrics.perfect_high_quality, abs=0.002)
    assert 0 <= coverage["kl"] < 1e-3
    assert metrics.perfect_high_quality == pytest.approx(0.98889, abs=1e-5)


def test_a_collapsed_sampler_has_one_mode_and_kl_log_m():
    coverage = metrics.mode_coverage(np.tile(CENTRES[3], (50, 1)), CENTRES, STD)
    assert coverage == {"modes": 1, "modes_1pct": 1, "high_quality": 1.0, "kl": pytest.approx(math.log(8))}


def test_stray_samples_count_as_modes_but_not_as_one_percent():
    samples = np.concatenate([np.tile(CENTRES[0], (993, 1)), CENTRES[1:]])
    coverage = metrics.mode_coverage(samples, CENTRES, STD)
    assert coverage["modes"] == 8
    assert coverage["modes_1pct"] == 1


@pytest.mark.parametrize(("count", "modes"), [(9, 1), (10, 2)])
def test_exactly_one_percent_of_all_samples_is_enough(count, modes):
    samples = np.concatenate([np.tile(CENTRES[0], (1000 - count, 1)), np.tile(CENTRES[1], (count, 1))])
    assert metrics.mode_coverage(samples, CENTRES, STD)["modes_1pct"] == modes


def test_one_percent_is_of_all_samples_not_of_the_good_ones():
    samples = np.concatenate([np.tile(CENTRES[0], (5, 1)), np.full((995, 2), 50.0)])
    coverage = metrics.mode_coverage(samples, CENTRES, STD)
    assert coverage["modes_1pct"] == 0
    assert coverage["modes"] == 1


def test_the_boundary_of_a_mode_is_three_std():
    offsets = np.array([[2.99, 0], [0, -2.99], [3.01, 0], [2.2, 2.2]]) * 0.5  # the last is 3.11 std away
    assert metrics.mode_coverage(offsets, np.zeros((1, 2)), 0.5)["high_quality"] == 0.5


def test_kl_counts_all_samples_over_their_nearest_modes():
    centres = np.array([[0.0, 0.0], [10.0, 0.0]])
    samples = np.array([[4.0, 0], [1.0, 0], [0.0, 0], [6.0, 0]])  # 3 to 1, only one of them of high quality
    coverage = metrics.mode_coverage(samples, centres, 0.1)
    assert coverage["high_quality"] == 0.25
    assert coverage["kl"] == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))


@pytest.mark.parametrize(("good", "kl"), [(4, math.log(2)), (0, math.log(8))])
def test_samples_with_nan_or_infinity_are_bad_samples_and_all_numbers_are_pythons(good, kl):
    broken = np.array([[np.nan, 0], [0, np.inf], [np.nan, np.nan], [-np.inf, np.inf]], np.float32)
    coverage = metrics.mode_coverage(np.concatenate([CENTRES[:good], broken]), CENTRES, STD)
    assert coverage == {"modes": good, "modes_1pct": good, "high_quality": good / (good + 4), "kl": pytest.approx(kl)}
    assert [type(value) for value in coverage.values()] == [int, int, float, float]


# --- wasserstein1 ---

numbers = st.lists(st.integers(-100, 100).map(float), min_size=1, max_size=8)


@given(numbers, numbers)
def test_wasserstein1_on_the_line_is_the_mean_gap_of_sorted_samples(a, b):
    repeated_a, repeated_b = np.sort(np.repeat(a, len(b))), np.sort(np.repeat(b, len(a)))  # now equally many
    expected = np.abs(repeated_a - repeated_b).mean()
    assert metrics.wasserstein1(np.array(a), np.array(b)) == pytest.approx(expected, abs=1e-9)
    assert metrics.wasserstein1(np.array(b), np.array(a)) == pytest.approx(expected, abs=1e-9)


def test_wasserstein1_in_the_plane_finds_the_best_assignment_and_uses_every_point_once():
    pytest.importorskip("scipy")
    a = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    b = np.array([[3.0, 14.0], [1.0, 0.0], [10.0, 2.0]])
    assert metrics.wasserstein1(a, b) == pytest.approx((1 + 2 + 5) / 3)
    assert metrics.wasserstein1(a, a[::-1]) == 0
    a, b = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [5.0, 0.0]])  # both of a are nearest to b[0]
    assert metrics.wasserstein1(a, b) == pytest.approx((0 + 4) / 2)


def test_a_missing_scipy_is_answered_with_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=r"minigan\[metrics\]"):
        metrics.wasserstein1(np.zeros((3, 2)), np.zeros((3, 2)))
