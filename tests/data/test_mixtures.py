"""The mixtures in the plane: where the modes are, and that samples are spread over them as documented."""

import numpy as np
import pytest

from minigan import data


def nearest(samples, centres):
    """The index of each sample's nearest centre, and the distance to it."""
    distances = np.linalg.norm(samples[:, None] - centres, axis=2)
    return distances.argmin(axis=1), distances.min(axis=1)


def test_centres_are_distinct_and_where_they_should_be():
    ring, grid = data.ring_centres(8, 2.0), data.grid_centres(5, 2.0)
    assert len(np.unique(ring.round(6), axis=0)) == 8
    np.testing.assert_allclose(ring[[0, 2]], [[2, 0], [0, 2]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), 2)
    assert len(np.unique(grid, axis=0)) == 25
    np.testing.assert_array_equal(np.unique(grid), [-4, -2, 0, 2, 4])
    np.testing.assert_array_equal(data.grid_centres(2, 3.0).mean(axis=0), [0, 0])


@pytest.mark.parametrize(
    ("draw", "centres", "std"),
    [(data.ring, data.ring_centres(8, 2.0), 0.02), (data.grid, data.grid_centres(5, 2.0), 0.05)],
)
def test_samples_have_the_documented_spread_around_equally_likely_centres(draw, centres, std):
    n = 25_000
    samples = draw(n, rng=np.random.default_rng(0))
    mode, _ = nearest(samples, centres)
    np.testing.assert_allclose((samples - centres[mode]).std(axis=0), std, rtol=0.03)
    shares = np.bincount(mode, minlength=len(centres)) / n
    np.testing.assert_allclose(shares, 1 / len(centres), atol=5 * np.sqrt(1 / len(centres) / n))


def test_the_shape_arguments_move_the_modes():
    samples = data.ring(500, modes=3, radius=5.0, std=0.0)
    assert nearest(samples, data.ring_centres(3, 5.0))[1].max() < 1e-6
    np.testing.assert_array_equal(np.unique(data.grid(500, side=2, spacing=3.0, std=0.0)), [-1.5, 1.5])
