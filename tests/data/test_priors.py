"""The priors: their distributions, and that each owns a stream which can be saved and resumed."""

import numpy as np
import pytest

from minigan import backend, data

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
    backend.seed(3)
    prior = data.noise(2)
    data.ring(7)
    first = prior(4)
    backend.seed(3)
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
    with pytest.raises(ValueError, match=r"d is 0.*'normal', 'uniform', 'sphere'"):
        data.noise(0)
