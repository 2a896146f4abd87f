"""The metrics of points against values known by hand or by theory, and against each metric's usual traps."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import data, metrics

CENTRES = data.ring_centres(8, 2.0)
A, B = CENTRES[0], CENTRES[1]
BROKEN = np.array([[np.nan, 0], [0, np.inf], [np.nan, np.nan], [-np.inf, np.inf]], np.float32)


def test_a_perfect_sampler_covers_all_modes_evenly_with_high_quality_0_989():
    coverage = metrics.mode_coverage(data.ring(100_000, rng=np.random.default_rng(0)), CENTRES, 0.02)
    assert coverage["modes"] == coverage["modes_1pct"] == 8
    assert coverage["high_quality"] == pytest.approx(metrics.perfect_high_quality, abs=0.002)
    assert 0 <= coverage["kl"] < 1e-3
    assert metrics.perfect_high_quality == pytest.approx(0.98889, abs=1e-5)


def of(*groups):
    """Samples: (how many, where)."""
    return np.concatenate([np.tile(where, (count, 1)) for count, where in groups])


COVERAGES = {  # samples -> modes, modes of at least 1 %, high quality, kl
    "collapsed": (of((50, A)), 1, 1, 1.0, math.log(8)), "stray samples": (of((993, A), (1, CENTRES[1:])), 8, 1, 1.0, None),
    "less than 1 %": (of((991, A), (9, B)), 2, 1, 1.0, None), "exactly 1 %": (of((990, A), (10, B)), 2, 2, 1.0, None),
    "1 % of all, not of the good": (of((5, A), (995, (50.0, 50.0))), 1, 0, 0.005, None),
    "inside three std": (np.add(A, [[0.0599, 0], [0, -0.0599]]), 1, 1, 1.0, None),
    "outside": (np.add(A, [[0.0601, 0], [0.044, 0.044]]), 0, 0, 0.0, math.log(8)),
    "kl counts all": (of((3, 1.1 * A), (1, B)), 1, 1, 0.25, math.log(8) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)),
    "nan and infinity": (np.concatenate([CENTRES[:4], BROKEN]), 4, 4, 0.5, math.log(2)),
    "nothing else": (BROKEN, 0, 0, 0.0, math.log(8)),
}  # fmt: skip


@pytest.mark.parametrize(("samples", "modes", "modes_1pct", "high_quality", "kl"), COVERAGES.values(), ids=COVERAGES)
def test_mode_coverage_counts_as_by_hand_in_pythons_numbers(samples, modes, modes_1pct, high_quality, kl):
    found = metrics.mode_coverage(samples, CENTRES, 0.02)
    kl = found["kl"] if kl is None else pytest.approx(kl)
    assert found == {"modes": modes, "modes_1pct": modes_1pct, "high_quality": high_quality, "kl": kl}
    assert [type(value) for value in found.values()] == [int, int, float, float]


numbers = st.lists(st.integers(-100, 100).map(float), min_size=1, max_size=8)


@given(numbers, numbers)
def test_wasserstein1_on_the_line_is_the_mean_gap_of_sorted_samples(a, b):
    repeated_a, repeated_b = np.sort(np.repeat(a, len(b))), np.sort(np.repeat(b, len(a)))  # now equally many
    expected = np.abs(repeated_a - repeated_b).mean()
    assert metrics.wasserstein1(np.array(a), np.array(b)) == pytest.approx(expected, abs=1e-9)


def test_wasserstein1_in_the_plane_finds_the_best_assignment_and_uses_every_point_once():
    pytest.importorskip("scipy")
    a = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    b = np.array([[3.0, 14.0], [1.0, 0.0], [10.0, 2.0]])
    assert metrics.wasserstein1(a, b) == pytest.approx((1 + 2 + 5) / 3)
    a, b = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [5.0, 0.0]])  # both of a are nearest to b[0]
    assert metrics.wasserstein1(a, b) == pytest.approx((0 + 4) / 2)


def test_a_missing_scipy_is_answered_with_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=r"minigan\[metrics\]"):
        metrics.wasserstein1(np.zeros((3, 2)), np.zeros((3, 2)))
