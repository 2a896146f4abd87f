"""The adversarial patch: where it lies, how large, its gradient, and a model that a patch can rule."""

import numpy as np
import pytest

from minigan import gradcheck
from minigan.attacks import adversarial_patch, apply_patch, patch_success
from minigan.ops import concatenate


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def x():
    return rng(1).random((40, 2, 16, 20), dtype=np.float32)


def test_pixels_outside_its_place_are_untouched_and_those_inside_are_the_patch(x):
    pasted, place = apply_patch(x, np.full((2, 5, 5), 7.0), 0.1, rng())
    assert pasted.dtype == np.float32
    outside = np.broadcast_to(~place[:, None], x.shape)
    np.testing.assert_array_equal(pasted.data[outside], x[outside])
    np.testing.assert_allclose(pasted.data[~outside], 7.0, rtol=1e-6)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25])
def test_it_covers_its_share_of_the_area_and_lies_in_the_image_whole(x, share):
    _, place = apply_patch(np.repeat(x, 20, axis=0), np.zeros((2, 4, 4)), share, rng())
    assert place.mean() == pytest.approx(share, rel=0.02)
    assert np.ptp(place.mean(axis=(1, 2))) < 0.05  # none is cut off at the border


def test_a_range_of_shares_gives_each_image_its_own(x):
    _, place = apply_patch(np.repeat(x, 10, axis=0), np.zeros((2, 4, 4)), (0.02, 0.3), rng())
    covered = place.mean(axis=(1, 2))
    assert covered.min() < 0.05 < 0.27 < covered.max()
    assert covered.mean() == pytest.approx(0.16, abs=0.02)


def test_without_rotation_a_patch_of_matching_size_is_copied_between_pixels():
    """8 x 8 pixels on 16 x 16, a quarter of the area; a ramp stays a ramp, of which the place's fractions shift the start."""
    ramp = np.arange(8.0).repeat(8).reshape(1, 8, 8)
    pasted, place = apply_patch(np.full((30, 1, 16, 16), -1.0), ramp, 0.25, rng(), angle=0)
    for image, where_ in zip(pasted.data[:, 0], place, strict=True):
        rows, columns = where_.any(axis=1), where_.any(axis=0)
        assert where_.sum() == rows.sum() * columns.sum() == 64  # an upright square
        inside = image[rows][:, columns]
        np.testing.assert_allclose(inside, inside[:, :1].repeat(8, axis=1), atol=1e-9)
        np.testing.assert_allclose(np.diff(inside[1:-1, 0]), 1, rtol=1e-9)
        assert np.abs(inside[:, 0] - np.arange(8)).max() <= 0.5 + 1e-9


def test_places_and_angles_cover_what_they_may():
    """The centre of the patch, and the direction of its ramp, over many images."""
    ramp = np.arange(16.0).repeat(16).reshape(1, 16, 16)
    pasted, place = apply_patch(np.zeros((300, 1, 32, 32)), ramp, 0.2, rng(), angle=22.5)
    for size in (0, 1):
        where_ = np.array([np.argwhere(p)[:, size].mean() for p in place])
        half = np.sqrt(0.2) * 16
        assert half - 0.6 < where_.min() + 0.5 < half * 1.35
        assert 32 - half * 1.35 < where_.max() + 0.5 < 32 - half + 0.6
    slopes = []
    for image, p in zip(pasted.data[:, 0], place, strict=True):
        rows, columns = np.nonzero(p)
        a = np.stack([rows, columns, np.ones(len(rows))], axis=1)
        down, across, _ = np.linalg.lstsq(a, image[p], rcond=None)[0]
        slopes.append(np.degrees(np.arctan2(across, down)))
    assert np.abs(slopes).max() < 23.5
    assert np.max(slopes) > 21
    assert np.min(slopes) < -21


def test_the_gradient_is_that_of_finite_differences():
    x, patch = rng(1).random((3, 2, 7, 7)), rng(3).random((2, 3, 3))
    assert gradcheck(lambda p: apply_patch(x, p, 0.3, rng(5))[0], patch)


def test_the_same_generator_gives_the_same_places(x):
    patch = rng(3).random((2, 4, 4))
    one, other = (apply_patch(x, patch, 0.1, rng(4))[0].data for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert (one != apply_patch(x, patch, 0.1, rng(5))[0].data).any()


# --- a model that looks at the brightest stripe --------------------------------------------------------------------------


def stripes(x):
    """Three classes: how much each row differs from the next, each column from the next, and a constant."""
    down = ((x[:, :, 1:] - x[:, :, :-1]) ** 2).mean(axis=(1, 2, 3))
    across = ((x[:, :, :, 1:] - x[:, :, :, :-1]) ** 2).mean(axis=(1, 2, 3))
    return concatenate(
        [v.reshape(-1, 1) for v in (200.0 * down - 100.0 * across, 200.0 * across - 100.0 * down, 0.0 * down + 2.0)], 1
    )


def test_a_trained_patch_rules_a_model_where_a_random_one_does_not():
    x = np.full((60, 1, 16, 16), 0.5)
    y = np.full(60, 2)
    patch = adversarial_patch(stripes, x, 0, 0.15, steps=60, batch=16, rng=rng())
    assert patch.shape == (1, 7, 7)  # sqrt(0.15 256) = 6.2
    assert patch.min() >= 0
    assert patch.max() <= 1
    noise = rng(1).random(patch.shape)
    trained, random = (patch_success(stripes, x, y, p, 0, 0.15, rng(2)) for p in (patch, noise))
    assert trained > 0.9
    assert random < 0.6
    other = adversarial_patch(stripes, x, 1, 0.15, steps=60, batch=16, rng=rng())
    assert patch_success(stripes, x, y, other, 1, 0.15, rng(2)) > 0.9
    assert patch_success(stripes, x, y, other, 0, 0.15, rng(2)) < 0.1


def test_success_leaves_out_images_of_the_target_class():
    x, y = np.zeros((10, 1, 8, 8)), np.array([0] * 4 + [1] * 6)

    def by_corner(x):  # the class 0 wherever the image is not black
        bright = x.sum(axis=(1, 2, 3)).reshape(-1, 1)
        return concatenate([bright, 0.0 * bright + 1e-9], 1)

    assert patch_success(by_corner, x, y, np.ones((1, 3, 3)), 0, 0.1, rng()) == 1
    assert patch_success(by_corner, x, y, np.ones((1, 3, 3)), 1, 0.1, rng()) == 0
    x[:4] = 1.0
    assert patch_success(by_corner, x, y, np.zeros((1, 3, 3)), 0, 0.1, rng()) == 0
    assert np.isnan(patch_success(by_corner, x, np.zeros(10, int), np.zeros((1, 3, 3)), 0, 0.1, rng()))
