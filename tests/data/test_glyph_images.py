"""The font digits: MNIST's format, on black, inside the frame, varied, and distinguishable."""

import subprocess
import sys

import numpy as np
import pytest

from minigan import data
from minigan.backend import random_numbers
from minigan.data import glyph_images


@pytest.fixture(scope="module")
def many():
    return data.glyphs(3000, rng=np.random.default_rng(0))


def test_images_and_labels_have_the_format_of_mnist(many):
    images, labels = many
    assert images.shape == (3000, 1, 28, 28)
    assert images.dtype == np.float32
    assert labels.shape == (3000,)
    assert labels.dtype == np.int64
    assert images.min() == 0
    assert images.max() == 1


def test_all_ten_digits_are_equally_likely(many):
    counts = np.bincount(many[1], minlength=10)
    assert len(counts) == 10
    np.testing.assert_allclose(counts, 300, atol=90)  # five standard deviations


def test_no_digit_touches_the_border(many):
    framed = many[0][:, 0].copy()
    framed[:, 1:-1, 1:-1] = 0
    assert framed.max() == 0


def test_every_image_shows_a_digit_of_about_20_pixels_height(many):
    rows = (many[0][:, 0] > 0.5).any(axis=2)  # (n, 28)
    heights = 28 - rows.argmax(axis=1) - rows[:, ::-1].argmax(axis=1)
    assert heights.min() >= 14
    assert heights.max() <= 27
    assert 18 < heights.mean() < 22
    ink = many[0].mean(axis=(1, 2, 3))
    assert ink.min() > 0.03
    assert ink.max() < 0.4


def test_images_are_upright_and_not_mirrored():
    images, labels = data.glyphs(2000, rng=np.random.default_rng(1))
    mean = np.stack([images[labels == digit, 0].mean(axis=0) for digit in range(10)])
    top, bottom = mean[:, :14].sum(axis=(1, 2)), mean[:, 14:].sum(axis=(1, 2))
    left, right = mean[:, :, :14].sum(axis=(1, 2)), mean[:, :, 14:].sum(axis=(1, 2))
    assert bottom[6] > top[6]  # the loop of a 6 is at its bottom, that of a 9 at its top
    assert top[9] > bottom[9]
    assert right[3] > left[3]  # a 3 is open on its left


def test_all_images_differ(many):
    assert len(np.unique(many[0].reshape(3000, -1), axis=0)) == 3000


def test_an_unseen_image_is_recognised_by_its_nearest_neighbour(many):
    images, labels = many
    unseen, answers = data.glyphs(200, rng=np.random.default_rng(2))
    known, asked = images.reshape(3000, -1), unseen.reshape(200, -1)
    squared = (known**2).sum(axis=1) - 2 * asked @ known.T
    assert (labels[squared.argmin(axis=1)] == answers).mean() > 0.9


def test_the_hole_of_a_zero_is_black_and_its_stroke_white():
    images, labels = data.glyphs(2000, rng=np.random.default_rng(3))
    zeros = images[labels == 0, 0]
    across = zeros[:, 14].max(axis=1)
    assert across.min() > 0.5
    middle = zeros.mean(axis=0)[13:15, 13:15].mean()
    assert middle < 0.3


def test_every_matplotlib_gives_the_same_outlines():
    outlines = [glyph_images._outline(font, digit) for font in glyph_images.FONTS for digit in "0123456789"]
    starts = np.concatenate([edges[0] for edges in outlines])
    assert len(starts) == 9265
    weights = np.arange(len(starts))[:, None] % 1000
    assert (weights * np.abs(starts)).sum() == pytest.approx(41826110.12255423, rel=1e-12)


def test_the_generator_decides_the_images():
    first, second = (data.glyphs(5, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_without_rng_the_seed_of_minigan_decides():
    random_numbers.seed(0)
    first, other = data.glyphs(5)[0], data.glyphs(5)[0]
    random_numbers.seed(0)
    np.testing.assert_array_equal(data.glyphs(5)[0], first)
    assert not np.array_equal(first, other)


def test_no_images_are_empty_arrays_and_fewer_are_refused():
    images, labels = data.glyphs(0)
    assert images.shape == (0, 1, 28, 28)
    assert labels.shape == (0,)
    with pytest.raises(ValueError, match="n is -1"):
        data.glyphs(-1)


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_data_needs_neither_matplotlib_nor_tqdm():
    done = run_python("import sys, minigan.data as d; print(sorted({'matplotlib', 'tqdm', 'scipy'} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr


def test_a_missing_matplotlib_is_answered_with_the_extra_to_install():
    done = run_python("import sys; sys.modules['matplotlib'] = None; import minigan.data as d; d.glyphs(1)")
    assert "ImportError: glyphs" in done.stderr
    assert "pip install 'minigan[demos]'" in done.stderr
