"""The mixtures in the plane: where the modes are, and that samples are spread over them as documented."""

import numpy as np
import pytest

from minigan import data


def test_centres_are_distinct_and_where_they_should_be():
    ring, grid = data.ring_centres(8, 2.0), data.grid_centres(5, 2.0)
    assert len(np.unique(ring.round(6), axis=0)) == 8
    np.testing.assert_allclose(ring[[0, 2]], [[2, 0], [0, 2]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), 2)
    assert len(np.unique(grid, axis=0)) == 25
    np.testing.assert_array_equal(np.unique(grid), [-4, -2, 0, 2, 4])
    np.testing.assert_array_equal(np.unique(data.grid(500, side=2, spacing=3.0, std=0.0)), [-1.5, 1.5])


DRAWS = {
    "ring": (data.ring, data.ring_centres(8, 2.0), 0.02, {}),
    "grid": (data.grid, data.grid_centres(5, 2.0), 0.05, {}),
    "three": (data.ring, data.ring_centres(3, 5.0), 0.1, {"modes": 3, "radius": 5.0, "std": 0.1}),
}


@pytest.mark.parametrize(("draw", "centres", "std", "options"), DRAWS.values(), ids=DRAWS)
def test_samples_have_the_documented_spread_around_equally_likely_centres(draw, centres, std, options):
    n = 25_000
    samples = draw(n, **options, rng=np.random.default_rng(0))
    mode = np.linalg.norm(samples[:, None] - centres, axis=2).argmin(axis=1)
    np.testing.assert_allclose((samples - centres[mode]).std(axis=0), std, rtol=0.03)
    shares = np.bincount(mode, minlength=len(centres)) / n
    np.testing.assert_allclose(shares, 1 / len(centres), atol=5 * np.sqrt(1 / len(centres) / n))
