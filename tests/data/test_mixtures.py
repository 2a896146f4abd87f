"""The mixtures in the plane: where the modes are, and that samples are spread over them as documented."""

import numpy as np
import pytest

from minigan import data
from minigan.backend import random_numbers


def nearest(samples, centres):
    """The index of each sample's nearest centre, and the distance to it."""
    distances = np.linalg.norm(samples[:, None] - centres, axis=2)
    return distances.argmin(axis=1), distances.min(axis=1)


def test_ring_centres_are_distinct_and_start_at_angle_zero():
    centres = data.ring_centres(8, 2.0)
    assert centres.shape == (8, 2)
    assert len(np.unique(centres.round(6), axis=0)) == 8
    np.testing.assert_allclose(centres[0], [2, 0])
    np.testing.assert_allclose(centres[2], [0, 2], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 2)


def test_grid_centres_are_distinct_evenly_spaced_and_centred_on_zero():
    centres = data.grid_centres(5, 2.0)
    assert len(np.unique(centres, axis=0)) == 25
    np.testing.assert_array_equal(np.unique(centres[:, 0]), [-4, -2, 0, 2, 4])
    np.testing.assert_array_equal(np.unique(centres[:, 1]), [-4, -2, 0, 2, 4])
    np.testing.assert_array_equal(data.grid_centres(2, 3.0).mean(axis=0), [0, 0])


@pytest.mark.parametrize(
    ("draw", "centres", "std"),
    [(data.ring, data.ring_centres(8, 2.0), 0.02), (data.grid, data.grid_centres(5, 2.0), 0.05)],
)
def test_samples_have_the_documented_spread_around_equally_likely_centres(draw, centres, std):
    n = 25_000
    samples = draw(n, rng=np.random.default_rng(0))
    assert samples.shape == (n, 2)
    assert samples.dtype == np.float32
    mode, _ = nearest(samples, centres)
    np.testing.assert_allclose((samples - centres[mode]).std(axis=0), std, rtol=0.03)
    shares = np.bincount(mode, minlength=len(centres)) / n
    np.testing.assert_allclose(shares, 1 / len(centres), atol=5 * np.sqrt(1 / len(centres) / n))


def test_the_shape_arguments_move_the_modes():
    samples = data.ring(500, modes=3, radius=5.0, std=0.0, rng=np.random.default_rng(0))
    assert nearest(samples, data.ring_centres(3, 5.0))[1].max() < 1e-6
    samples = data.grid(500, side=2, spacing=3.0, std=0.0, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(np.unique(samples), [-1.5, 1.5])


@pytest.mark.parametrize("draw", [data.ring, data.grid])
def test_without_rng_the_seed_of_minigan_decides(draw):
    random_numbers.seed(0)
    first, second = draw(10), draw(10)
    random_numbers.seed(0)
    np.testing.assert_array_equal(draw(10), first)
    assert not np.array_equal(first, second)


def test_no_samples_are_an_empty_array():
    assert data.ring(0).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: data.ring(-1), "n"),
        (lambda: data.ring(1, modes=0), "modes"),
        (lambda: data.grid(1, side=0), "side"),
        (lambda: data.grid(1, std=-1.0), "std"),
        (lambda: data.grid(1, std=float("nan")), "std"),
    ],
)
def test_impossible_arguments_are_named(call, name):
    with pytest.raises(ValueError, match=rf"^\w+: {name} is"):
        call()
