"""Rubbish about which a classifier is sure: what noise is like, whom it fools, and where gradient steps take it."""

import numpy as np
import pytest

from minigan.attacks import fooled, fooling_images, rubbish


@pytest.mark.parametrize(("kind", "mean", "std", "low", "high"), [("normal", 0, 1, -6, 6), ("uniform", 0.5, 12**-0.5, 0, 1)])
def test_noise_is_what_it_is_called(kind, mean, std, low, high):
    x = rubbish((2000, 1, 5, 5), kind, np.random.default_rng(0))
    assert (x.shape, x.dtype) == ((2000, 1, 5, 5), np.float32)
    assert (x.mean(), x.std()) == pytest.approx((mean, std), abs=0.02)
    assert low <= x.min() < x.max() <= high


def test_the_share_that_fools_is_counted_at_p_also_of_more_images_than_go_through_at_once():
    def by_first_pixel(x):  # two classes, the logits x_0 and 0: p > 1/2 for one of them, unless x_0 is 0
        return x[:, :1] * np.array([1.0, 0.0], np.float32)

    x = np.array([[0.0], [1.0], [-1.0], [3.0]], np.float32)  # p of the likelier class: 1/2, 0.73, 0.73, 0.95
    assert [fooled(by_first_pixel, x, p) for p in (0.5, 0.7, 0.8, 0.96)] == [0.75, 0.75, 0.25, 0.0]
    x = np.zeros((2500, 1), np.float32)
    x[[3, 999, 1000, 1999, 2400, 2499]] = 5.0  # the ends of each part
    assert fooled(by_first_pixel, x) == 6 / 2500


def test_steps_towards_a_class_go_their_length_in_every_pixel_inside_the_range():
    def linear(x):
        return x @ np.array([[1.0, -1.0], [2.0, 0.0], [-3.0, 1.0]], np.float32)

    x, signs = np.full((2, 3), 0.5, np.float32), np.array([[1, 1, -1], [-1, -1, 1]], np.float32)
    np.testing.assert_array_equal(fooling_images(linear, x, [0, 1], steps=4, step=0.0625), 0.5 + 0.25 * signs)
    np.testing.assert_array_equal(fooling_images(linear, x, 0, steps=2, step=0.5), [[1, 1, 0]] * 2)
    np.testing.assert_array_equal(fooling_images(linear, x, 0, steps=2, step=0.5, clip=None)[0], [1.5, 1.5, -0.5])
