"""What is kept of an array: figures that leave out what is not finite, and a corner for the heat map."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan.watching.trace.rows import FIRST, MAP, SourceLine, Value

floats = hnp.arrays("float32", hnp.array_shapes(min_dims=0, max_dims=4, max_side=7), elements=st.floats(-9, 9, width=32))


@given(floats)
def test_figures_are_numpys(array):
    value = Value.of(array)
    assert (value.shape, value.dtype) == (array.shape, "float32")
    assert value.first == tuple(array.reshape(-1)[:FIRST].tolist())
    expected = [array.mean(dtype=float), np.linalg.norm(array.reshape(-1).astype(float)), array.min(), array.max()]
    np.testing.assert_allclose([value.mean, value.norm, value.low, value.high], expected, rtol=1e-6, atol=1e-6)
    assert (value.nans, value.infinities) == (0, 0)


@given(floats)
def test_the_map_is_a_part_of_the_array(array):
    found = Value.of(array).map
    assert found.ndim == 2
    assert max(found.shape) <= MAP
    assert set(found.reshape(-1)) <= set(array.reshape(-1).astype(float))
    if array.ndim < 4:
        assert found.size == array.size


def test_what_is_not_finite_is_counted_and_left_out():
    value = Value.of(np.array([1.0, np.nan, np.inf, -np.inf, 3.0]))
    assert (value.nans, value.infinities, value.mean, value.low, value.high) == (1, 2, 2.0, 1.0, 3.0)
    assert math.isnan(value.first[1])
    assert math.isnan(Value.of(np.array([np.nan])).mean)


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.array(True), np.arange(6), np.zeros((3, 0, 2, 2), "float16")], ids=str)
def test_any_array_will_do(array):
    value = Value.of(array)
    assert value.shape == array.shape
    assert (value.map is None) == (array.size == 0)


def test_large_arrays_show_their_corner_and_images_lie_side_by_side():
    assert Value.of(np.ones((100, 200))).map.shape == (MAP, MAP)
    images = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # N across, C down
    found = Value.of(images).map
    assert found.shape == (3 * 4, 2 * 5)
    np.testing.assert_array_equal(found[4:8, 5:], images[1, 1])
    assert Value.of(np.ones((64, 64, 14, 14))).map.shape == (56, 56)  # whole images only


def test_a_place_is_file_and_line():
    assert str(SourceLine("games/gan.py", 57, "fake = ...")) == "games/gan.py:57"
