"""The generator of a device, here computing with NumPy: the published algorithm, the distributions, a state that resumes."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from minigan.backend import cupy_generator
from minigan.backend.cupy_generator import DeviceGenerator

MASK = 2**64 - 1


def splitmix64(state, n):
    """The algorithm as its authors write it, number by number."""
    found = []
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        found.append(z ^ (z >> 31))
    return found


@given(seed=st.integers(0, MASK), parts=st.lists(st.integers(0, 20), max_size=5))
def test_it_is_splitmix64_however_many_are_drawn_at_a_time(seed, parts):
    rng = DeviceGenerator(np, seed)
    found = [number for n in parts for number in rng.bits(n).tolist()]
    assert found == splitmix64(seed, sum(parts))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "law"), [("random", "uniform"), ("standard_normal", "norm")])
def test_numbers_have_their_distribution(name, law, dtype):
    x = getattr(DeviceGenerator(np, 5), name)((300, 401), dtype)
    assert (x.dtype, x.shape) == (dtype, (300, 401))
    assert stats.kstest(x.ravel(), law).pvalue > 0.01
    if law == "uniform":
        assert 0 <= x.min() < 1e-4 < 1 - 1e-4 < x.max() < 1
    else:
        assert np.abs(x).max() > 4
    for lag in (1, x.size // 2, x.size - x.size // 2):  # half of all: of each pair of uniform ones
        assert abs(np.corrcoef(x.ravel()[:-lag], x.ravel()[lag:])[0, 1]) < 0.01


@pytest.mark.parametrize("size", [(), 0, 1, (3,), (2, 0), (5, 1, 3)])
def test_any_shape_and_normal_numbers_are_drawn_in_pairs_and_none_is_used_again(size):
    rng, other = DeviceGenerator(np, 5), DeviceGenerator(np, 5)
    x = rng.standard_normal(size)
    other.bits(x.size + x.size % 2)
    assert rng.bits(3).tolist() == other.bits(3).tolist()
    assert x.shape == rng.random(size).shape == (size if isinstance(size, tuple) else (size,))


def test_of_long_arrays_no_range_is_kept(monkeypatch):
    monkeypatch.setattr(cupy_generator, "_KEPT", 4)
    before = cupy_generator._counted.cache_info()
    DeviceGenerator(np, 5).random(5)
    assert cupy_generator._counted.cache_info() == before


def from_state(rng):
    other = DeviceGenerator(np, 0)
    other.set_state(rng.state())
    return other


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda rng: pickle.loads(pickle.dumps(rng)), from_state])
def test_a_copy_or_a_saved_state_goes_on_by_itself(duplicate):
    rng = DeviceGenerator(np, 2**63 - 1)
    rng.standard_normal(7)
    other = duplicate(rng)
    np.testing.assert_array_equal(other.random(3), rng.random(3))
    other.random(1)
    assert not np.array_equal(other.random(3), rng.random(3))
