"""The font digits: on black, inside the frame, varied, and distinguishable; and the distance field that draws them."""

import numpy as np
import pytest

from minigan import data
from minigan.data import distance_fields


@pytest.fixture(scope="module")
def many():
    return data.glyphs(2500, rng=np.random.default_rng(0))


def test_a_digit_is_white_on_black_about_20_pixels_high_and_does_not_touch_the_border(many):
    images = many[0][:, 0]
    assert (images.min(), images.max()) == (0, 1)
    np.testing.assert_array_equal(images, np.pad(images[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1))))
    rows = (images > 0.5).any(axis=2)  # (n, 28)
    heights = 28 - rows.argmax(axis=1) - rows[:, ::-1].argmax(axis=1)
    assert 14 <= heights.min() <= heights.max() <= 27
    assert 18 < heights.mean() < 22
    ink = images.mean(axis=(1, 2))
    assert 0.03 < ink.min() <= ink.max() < 0.4


def test_images_are_upright_and_not_mirrored_and_holes_are_black(many):
    images, labels = many
    mean = np.stack([images[labels == digit, 0].mean(axis=0) for digit in range(10)])
    assert mean[6, 14:].sum() > mean[6, :14].sum()  # the loop of a 6 is at its bottom, that of a 9 at its top
    assert mean[9, :14].sum() > mean[9, 14:].sum()
    assert mean[3, :, 14:].sum() > mean[3, :, :14].sum()  # a 3 is open on its left
    assert mean[0, 13:15, 13:15].mean() < 0.3
    assert images[labels == 0, 0, 14].max(axis=1).min() > 0.5  # the stroke of a zero


def test_the_field_is_the_distance_to_the_nearest_edge_and_positive_inside():
    """A rectangle 4 wide and 2 high, of which one edge is a point."""
    corners = np.array([[-2.0, -1.0], [2.0, -1.0], [2.0, 1.0], [2.0, 1.0], [-2.0, 1.0]])
    line = np.array([-3.0, -1.5, 0.0, 0.5, 2.5])
    found = distance_fields.signed_distance(corners, np.roll(corners, -1, axis=0), line)
    x, y = np.abs(line) - 2, np.abs(line)[:, None] - 1
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    np.testing.assert_allclose(found, -outside - np.minimum(np.maximum(x, y), 0), atol=1e-12)


def test_a_field_that_is_linear_is_interpolated_exactly():
    rng = np.random.default_rng(0)
    side = int(2 * distance_fields.REACH / distance_fields.STEP) + 1
    y, x = np.mgrid[:side, :side] * distance_fields.STEP - distance_fields.REACH
    points = rng.uniform(-distance_fields.REACH / 2, distance_fields.REACH / 2, (3, 2, 7)).astype(np.float32)
    fields = np.stack([x + 2 * y, 3 * x - y]).astype(np.float32)
    a, b = points[:, 0], points[:, 1]
    expected = np.stack([a[0] + 2 * b[0], 3 * a[1] - b[1], a[2] + 2 * b[2]])
    np.testing.assert_allclose(distance_fields.bilinear(fields, np.array([0, 1, 0]), points), expected, atol=1e-3)
