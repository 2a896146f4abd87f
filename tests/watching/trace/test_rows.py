"""What is kept of an array: numbers that leave out what is not finite, and a corner for the heat map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan.watching.trace.rows import FIRST, MAP, Value


@given(hnp.arrays("float32", hnp.array_shapes(min_dims=0, max_dims=4, max_side=7), elements=st.floats(-9, 9, width=32)))
def test_its_numbers_are_numpys_and_its_map_is_a_part_of_the_array(array):
    value = Value.of(array)
    assert (value.shape, value.dtype) == (array.shape, "float32")
    assert value.first == tuple(array.reshape(-1)[:FIRST].tolist())
    expected = [array.mean(dtype=float), np.linalg.norm(array.reshape(-1).astype(float)), array.min(), array.max()]
    np.testing.assert_allclose([value.mean, value.norm, value.low, value.high], expected, rtol=1e-6, atol=1e-6)
    assert (value.nans, value.infinities) == (0, 0)
    if 0 < array.ndim < 4:
        np.testing.assert_array_equal(value.map, array.reshape(-1, array.shape[-1])[:MAP])


def test_what_is_not_finite_is_counted_and_left_out():
    value = Value.of(np.array([1.0, np.nan, np.inf, -np.inf, 3.0]))
    assert (value.nans, value.infinities, value.mean, value.low, value.high) == (1, 2, 2.0, 1.0, 3.0)
    nothing = Value.of(np.zeros((3, 0, 2, 2), "float16"))
    assert np.isnan([value.first[1], nothing.mean, nothing.norm, nothing.low, nothing.high]).all()
    assert nothing.map is None


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e307])
def test_values_whose_squares_are_no_floats(size):
    with np.errstate(all="raise"):
        assert Value.of(np.array([3 * size, 4 * size]) / 10).norm == pytest.approx(size / 2)


def test_large_arrays_show_their_corner_and_images_are_side_by_side():
    assert Value.of(np.ones((100, 200))).map.shape == (MAP, MAP)
    images = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # N across, C down
    found = Value.of(images).map
    assert found.shape == (3 * 4, 2 * 5)
    np.testing.assert_array_equal(found[4:8, 5:], images[1, 1])
    assert Value.of(np.ones((64, 64, 14, 14))).map.shape == (56, 56)  # whole images only
