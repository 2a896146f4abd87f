"""The priors' distributions, and the ways between two z. Seeds and saved states are in `tests/contracts/test_data.py`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import data
from minigan.backend import cupy_generator


@pytest.mark.parametrize(("kind", "variance", "most"), [("normal", 1, 9), ("uniform", 1 / 3, 1), ("sphere", 1, 2)])
def test_noise_has_the_mean_variance_and_bounds_of_its_kind(kind, variance, most):
    prior = data.noise(4, kind, rng=np.random.default_rng(0))
    z = prior(50_000)
    assert (z.shape, z.dtype, repr(prior)) == ((50_000, 4), np.float32, f'noise(d=4, kind="{kind}")')
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(z.T), variance * np.eye(4), atol=0.02)
    assert 0.99 * min(most, 4) < np.abs(z).max() <= most * (1 + 1e-6)
    if kind == "sphere":
        np.testing.assert_allclose(lengths(z), 2, rtol=1e-5)


def test_a_normal_number_from_a_uniform_0_is_finite():
    assert cupy_generator._box_muller(lambda i, counter: 0.0 * i, np.arange(1, 3), 0, 1).tolist() == [0, 0]


def lengths(points):
    return np.linalg.norm(points.astype("float64"), axis=-1)


@st.composite
def pairs(draw):
    """Two float64 vectors of up to 40 dimensions, of lengths 0.01 to 100, less than 179 degrees apart; and steps."""
    d, seed = draw(st.integers(2, 40)), draw(st.integers(0, 2**32 - 1))
    angle = draw(st.just(0.0) | st.floats(1e-9, np.deg2rad(179)))
    u, v = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, 2)))[0].T
    a, b = (draw(st.floats(0.01, 100)) for _ in range(2))
    return a * u, b * (np.cos(angle) * u + np.sin(angle) * v), draw(st.integers(2, 20))


@given(pair=pairs())
def test_the_points_of_a_line_are_evenly_spaced(pair):
    a, b, steps = pair
    np.testing.assert_allclose(data.lerp(a, b, steps), np.linspace(a, b, steps), rtol=1e-9, atol=1e-12)


@given(pair=pairs())
def test_a_great_circle_turns_at_an_even_speed_in_the_plane_of_its_ends_and_its_length_changes_evenly(pair):
    a, b, steps = pair
    points = data.slerp(a, b, steps)
    np.testing.assert_allclose(lengths(points), np.linspace(lengths(a), lengths(b), steps), rtol=1e-6)
    chords = lengths(np.diff(points / lengths(points)[:, None], axis=0))
    np.testing.assert_allclose(chords, chords[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(points[[0, -1]], [a, b], rtol=1e-12, atol=1e-12)
    plane = np.linalg.qr(np.stack([a, b - (b @ a) / (a @ a) * a], axis=1))[0]
    np.testing.assert_allclose(points @ plane @ plane.T, points, atol=1e-6 * lengths(points).max())


def test_an_angle_near_pi_is_that_of_double_precision():
    assert lengths(data.slerp(*np.float32([[1, 0], [-1, 1e-3]]), 3))[1] == pytest.approx(1, rel=1e-5)
