"""The priors: their distributions, and that each owns a stream which can be saved and resumed; the ways between two z."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import data
from minigan.backend import random_numbers

KINDS = ["normal", "uniform", "sphere"]


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_float32_of_the_asked_shape(kind):
    z = data.noise(3, kind, rng=np.random.default_rng(0))(5)
    assert z.shape == (5, 3)
    assert z.dtype == np.float32


@pytest.mark.parametrize(("kind", "variance"), [("normal", 1), ("uniform", 1 / 3), ("sphere", 1)])
def test_noise_has_the_mean_and_variance_of_its_kind(kind, variance):
    z = data.noise(4, kind, rng=np.random.default_rng(0))(50_000)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(z.T), variance * np.eye(4), atol=0.02)


def test_uniform_noise_fills_minus_one_to_one():
    z = data.noise(2, "uniform", rng=np.random.default_rng(0))(10_000)
    assert -1 <= z.min() < -0.99
    assert 0.99 < z.max() <= 1


@pytest.mark.parametrize("d", [1, 2, 100])
def test_sphere_noise_has_norm_sqrt_d(d):
    z = data.noise(d, "sphere", rng=np.random.default_rng(0))(100)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), np.sqrt(d), rtol=1e-5)


def test_each_call_draws_fresh_noise():
    prior = data.noise(2)
    assert not np.array_equal(prior(4), prior(4))


def test_two_priors_do_not_share_a_stream():
    assert not np.array_equal(data.noise(2)(4), data.noise(2)(4))


def test_the_seed_of_minigan_decides_even_if_others_draw_in_between():
    random_numbers.seed(3)
    prior = data.noise(2)
    data.ring(7)
    first = prior(4)
    random_numbers.seed(3)
    np.testing.assert_array_equal(data.noise(2)(4), first)


def test_a_generator_given_for_one_call_leaves_the_own_stream_alone():
    prior, untouched = (data.noise(2, rng=np.random.default_rng(0)) for _ in range(2))
    aside = prior(4, rng=np.random.default_rng(9))
    np.testing.assert_array_equal(prior(4), untouched(4))
    np.testing.assert_array_equal(aside, data.noise(2, rng=np.random.default_rng(9))(4))


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_prior_continues_bit_exactly(kind):
    prior = data.noise(3, kind)
    prior(5)
    state = prior.state_dict()
    expected = prior(5)
    other = data.noise(3, kind)
    other.load_state_dict(state)
    np.testing.assert_array_equal(other(5), expected)


def test_an_unknown_kind_is_answered_with_the_choices():
    with pytest.raises(ValueError, match=r"'gauss'.*'normal', 'uniform', 'sphere'"):
        data.noise(2, "gauss")


def test_noise_without_dimensions_is_refused():
    with pytest.raises(ValueError, match="noise: d is 0; expected a whole number, at least 1"):
        data.noise(0)


@pytest.mark.parametrize("kind", ["normal", "uniform", "sphere"])
def test_repr_is_the_call_that_makes_such_a_prior(kind):
    assert repr(data.noise(3, kind)) == f'noise(d=3, kind="{kind}")'
    assert repr(eval(repr(data.noise(3, kind)), vars(data))) == repr(data.noise(3, kind))


# --- from one z to another ----------------------------------------------------------------------------------------------

either_way = pytest.mark.parametrize("way", [data.lerp, data.slerp])
EAST, NORTH = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])


def lengths(points):
    return np.linalg.norm(points.astype("float64"), axis=-1)


@st.composite
def pairs(draw, same_length=False):
    """Two float64 vectors of up to 40 dimensions, of lengths 0.01 to 100, less than 179 degrees apart; and steps."""
    d, seed = draw(st.integers(2, 40)), draw(st.integers(0, 2**32 - 1))
    angle = draw(st.floats(1e-9, np.deg2rad(179)))
    u, v = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, 2)))[0].T
    a, b = (draw(st.floats(0.01, 100)) for _ in range(2))
    return a * u, (a if same_length else b) * (np.cos(angle) * u + np.sin(angle) * v), draw(st.integers(2, 20))


@either_way
@given(pair=pairs())
def test_a_way_includes_both_its_ends(way, pair):
    a, b, steps = pair
    points = way(a, b, steps)
    assert points.shape == (steps, len(a))
    np.testing.assert_allclose(points[0], a, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(points[-1], b, rtol=1e-12, atol=1e-12)


@either_way
@given(pair=pairs())
def test_the_way_back_is_the_same_way(way, pair):
    a, b, steps = pair
    np.testing.assert_allclose(way(b, a, steps)[::-1], way(a, b, steps), rtol=1e-9, atol=1e-9)


@either_way
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_way_has_its_ends_dtype(way, dtype):
    assert way(EAST.astype(dtype), NORTH.astype(dtype), 5).dtype == dtype


@either_way
def test_a_way_takes_what_a_prior_gives_and_leaves_it_alone(way):
    z = data.noise(64)(2)
    before = z.copy()
    points = way(*z, 12)
    assert (points.shape, points.dtype) == ((12, 64), np.float32)
    np.testing.assert_allclose(points[[0, -1]], z, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(z, before)


@given(pair=pairs())
def test_the_points_of_a_line_are_evenly_spaced(pair):
    a, b, steps = pair
    gaps = np.diff(data.lerp(a, b, steps), axis=0)
    np.testing.assert_allclose(gaps, np.broadcast_to((b - a) / (steps - 1), gaps.shape), rtol=1e-9, atol=1e-12)


def test_halfway_between_orthogonal_vectors_a_line_is_nearer_to_0_by_sqrt_2():
    halfway = data.lerp(7 * EAST, 7 * NORTH, 3)[1]
    np.testing.assert_allclose(halfway, [3.5, 3.5, 0])
    assert lengths(halfway) == pytest.approx(7 / np.sqrt(2), rel=1e-12)


def test_halfway_between_orthogonal_vectors_a_great_circle_is_at_45_degrees_and_as_far_from_0():
    np.testing.assert_allclose(data.slerp(7 * EAST, 7 * NORTH, 3)[1], [7 / np.sqrt(2), 7 / np.sqrt(2), 0], atol=1e-12)


@given(pair=pairs(same_length=True))
def test_a_great_circle_keeps_the_norm_of_its_ends(pair):
    a, b, steps = pair
    np.testing.assert_allclose(lengths(data.slerp(a, b, steps)), lengths(a), rtol=1e-6)


@pytest.mark.parametrize("degrees", [1e-3, 1, 60, 90, 120, 150, 175, 179])
def test_a_great_circle_keeps_the_norm_in_float32(degrees):
    angle = np.deg2rad(degrees)
    a, b = (np.array(v, "float32") for v in ([5, 0], [5 * np.cos(angle), 5 * np.sin(angle)]))
    np.testing.assert_allclose(lengths(data.slerp(a, b, 9)), 5, rtol=1e-6)


@given(pair=pairs())
def test_the_lengths_on_a_great_circle_go_evenly_from_one_to_the_other(pair):
    a, b, steps = pair
    np.testing.assert_allclose(lengths(data.slerp(a, b, steps)), np.linspace(lengths(a), lengths(b), steps), rtol=1e-6)


@given(pair=pairs())
def test_a_great_circle_turns_at_an_even_speed(pair):
    points = data.slerp(*pair)
    directions = points / lengths(points)[:, None]
    chords = lengths(np.diff(directions, axis=0))
    np.testing.assert_allclose(chords, chords[0], rtol=1e-6, atol=1e-9)


@given(pair=pairs())
def test_a_great_circle_stays_in_the_plane_of_its_ends(pair):
    a, b, steps = pair
    plane = np.linalg.qr(np.stack([a, b - (b @ a) / (a @ a) * a], axis=1))[0]
    points = data.slerp(a, b, steps)
    np.testing.assert_allclose(points @ plane @ plane.T, points, atol=1e-6 * lengths(points).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("factor", [1.0, 3.0, 0.25])
def test_in_the_same_direction_a_great_circle_is_a_line(dtype, factor):
    a = np.array([0.3, -1.1, 2.7, 0.01], dtype)
    b = (factor * a).astype(dtype)
    np.testing.assert_allclose(data.slerp(a, b, 6), data.lerp(a, b, 6), rtol=1e-6)


@pytest.mark.parametrize("factor", [-1.0, -4.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_opposite_directions_have_no_one_great_circle(dtype, factor):
    a = np.array([0.3, -1.1, 2.7], dtype)
    with pytest.raises(ValueError, match="slerp: a and b have opposite directions; every great circle through one"):
        data.slerp(a, (factor * a).astype(dtype), 5)
    np.testing.assert_allclose(data.lerp(a, -a, 3)[1], 0, atol=1e-6)  # a line has no objection


@pytest.mark.parametrize("ends", [(EAST, 0 * EAST), (0 * EAST, EAST), (0 * EAST, 0 * EAST)])
def test_zero_has_no_direction(ends):
    with pytest.raises(ValueError, match="slerp: a or b is 0, which has no direction"):
        data.slerp(*ends, 5)
    np.testing.assert_allclose(data.lerp(*ends, 2), ends)  # a line has no objection


@either_way
@pytest.mark.parametrize(
    ("a", "b", "steps"),
    [
        (np.ones(3), np.ones(4), 5),
        (np.ones(1), np.ones(4), 5),  # it would broadcast
        (np.ones((2, 3)), np.ones((2, 3)), 5),
        (np.ones((1, 3)), np.ones(3), 5),
        (np.float64(1), np.float64(2), 5),
        (np.ones(3), 2 * np.ones(3), 1),
        (np.ones(3), 2 * np.ones(3), 0),
        (np.ones(3), 2 * np.ones(3), -2),
    ],
)
def test_wrong_shapes_and_too_few_steps_are_named(way, a, b, steps):
    with pytest.raises(
        ValueError, match=f"{way.__name__}: (a .*, b .*; expected two vectors of|steps is {steps}; .*at least 2)"
    ):
        way(a, b, steps)
