"""The adversarial patch: where it is, how large, its gradient, and a model that a patch can rule."""

import numpy as np
import pytest

from minigan import gradcheck
from minigan.attacks import adversarial_patch, apply_patch, patch, patch_success
from minigan.ops import concatenate


def rng(seed=0):
    return np.random.default_rng(seed)


X = rng(1).random((40, 2, 16, 20), dtype=np.float32)


@pytest.mark.parametrize("share", [0.05, 0.25])
def test_the_patch_covers_its_share_is_whole_inside_the_image_and_pixels_outside_are_untouched(share):
    x = np.repeat(X, 10, axis=0)
    pasted, place = apply_patch(x, np.full((2, 5, 5), 7.0), share, rng())
    assert pasted.dtype == np.float32
    inside = np.broadcast_to(place[:, None], x.shape)
    np.testing.assert_array_equal(pasted.data[~inside], x[~inside])
    np.testing.assert_allclose(pasted.data[inside], 7.0, rtol=1e-6)
    assert place.mean() == pytest.approx(share, rel=0.02)
    assert np.ptp(place.mean(axis=(1, 2))) < 0.05  # none is cut off at the border


def test_a_range_of_shares_gives_each_image_its_own():
    _, place = apply_patch(np.repeat(X, 10, axis=0), np.zeros((2, 4, 4)), (0.02, 0.3), rng())
    covered = place.mean(axis=(1, 2))
    assert covered.min() < 0.05 < 0.27 < covered.max()
    assert covered.mean() == pytest.approx(0.16, abs=0.02)


def test_without_rotation_a_patch_of_matching_size_is_copied_between_pixels():
    """8 x 8 pixels on 16 x 16, a quarter of the area; a ramp stays a ramp, of which the place's fractions shift the start."""
    ramp = np.arange(8.0).repeat(8).reshape(1, 8, 8)
    pasted, place = apply_patch(np.full((30, 1, 16, 16), -1.0), ramp, 0.25, rng(), angle=0)
    for image, where in zip(pasted.data[:, 0], place, strict=True):
        rows, columns = where.any(axis=1), where.any(axis=0)
        assert where.sum() == rows.sum() * columns.sum() == 64  # an upright square
        inside = image[rows][:, columns]
        np.testing.assert_allclose(inside, inside[:, :1].repeat(8, axis=1), atol=1e-9)
        np.testing.assert_allclose(np.diff(inside[1:-1, 0]), 1, rtol=1e-9)
        assert np.abs(inside[:, 0] - np.arange(8)).max() <= 0.5 + 1e-9


def test_places_and_angles_cover_what_they_may():
    """The centre of the patch, and the direction of its ramp, over many images."""
    ramp = np.arange(16.0).repeat(16).reshape(1, 16, 16)
    pasted, place = apply_patch(np.zeros((300, 1, 32, 32)), ramp, 0.2, rng(), angle=22.5)
    half, slopes, centres = np.sqrt(0.2) * 16, [], []
    for image, p in zip(pasted.data[:, 0], place, strict=True):
        rows, columns = np.nonzero(p)
        a = np.stack([rows, columns, np.ones(len(rows))], axis=1)
        down, across, _ = np.linalg.lstsq(a, image[p], rcond=None)[0]
        slopes.append(np.degrees(np.arctan2(across, down)))
        centres.append([rows.mean() + 0.5, columns.mean() + 0.5])
    assert -23.5 < min(slopes) < -21 < 21 < max(slopes) < 23.5
    for low, high in zip(np.min(centres, axis=0), np.max(centres, axis=0), strict=True):
        assert half - 0.6 < low < half * 1.35
        assert 32 - half * 1.35 < high < 32 - half + 0.6


def test_the_gradient_is_that_of_finite_differences():
    x, pixels = rng(1).random((3, 2, 7, 7)), rng(3).random((2, 3, 3))
    assert gradcheck(lambda p: apply_patch(x, p, 0.3, rng(5))[0], pixels)


def stripes(x):
    """Three classes: how much each row differs from the next, each column from the next, and a constant."""
    down = ((x[:, :, 1:] - x[:, :, :-1]) ** 2).mean(axis=(1, 2, 3))
    across = ((x[:, :, :, 1:] - x[:, :, :, :-1]) ** 2).mean(axis=(1, 2, 3))
    logits = 200.0 * down - 100.0 * across, 200.0 * across - 100.0 * down, 0.0 * down + 2.0
    return concatenate([v.reshape(-1, 1) for v in logits], 1)


def test_a_trained_patch_rules_a_model_where_a_random_one_does_not():
    x, y = np.full((60, 1, 16, 16), 0.5), np.full(60, 2)
    pixels, other = (adversarial_patch(stripes, x, k, 0.15, steps=60, batch=16, rng=rng()) for k in (0, 1))
    assert pixels.shape == (1, 7, 7)  # sqrt(0.15 256) = 6.2
    assert 0 <= pixels.min() <= pixels.max() <= 1
    success = [patch_success(stripes, x, y, p, 0, 0.15, rng(2)) for p in (pixels, rng(1).random(pixels.shape), other)]
    assert success[0] > 0.9
    assert success[1] < 0.6
    assert success[2] < 0.1
    assert patch_success(stripes, x, y, other, 1, 0.15, rng(2)) > 0.9


def test_success_leaves_out_images_of_the_target_class_and_counts_all_parts(monkeypatch):
    monkeypatch.setattr(patch, "CHUNK", 4)
    x, y = np.zeros((10, 1, 8, 8)), np.array([0] * 4 + [1] * 6)
    x[[5, 9]] = -1.0

    def success(y, white):  # the class 0 wherever the image's sum is above 0, else class 1
        return patch_success(by_sum, x, y, np.full((1, 3, 3), white), 0, 0.1, rng())

    def by_sum(x):
        bright = x.sum(axis=(1, 2, 3)).reshape(-1, 1)
        return concatenate([bright, 0.0 * bright + 1e-9], 1)

    assert success(y, 1.0) == 4 / 6
    assert success(y, 0.0) == 0
    assert np.isnan(success(np.zeros(10, int), 1.0))
