import math

import numpy as np
import pytest

from minigan.nn import init

DENSE, CONV = (300, 200), (64, 32, 5, 5)
EVERY = [init.xavier_uniform, init.he_normal, init.fan_in_uniform, init.normal(), init.uniform(0.1), init.zeros, init.ones]


def draw(initialiser, shape, seed=0):
    return initialiser(shape, np.random.default_rng(seed))


@pytest.mark.parametrize("initialiser", EVERY)
@pytest.mark.parametrize("shape", [(3, 2), (4, 3, 2, 2)])
def test_values_are_float32_of_the_shape(initialiser, shape):
    values = draw(initialiser, shape)
    assert (values.shape, values.dtype) == (shape, np.float32)


@pytest.mark.parametrize("initialiser", EVERY[:5])
def test_values_depend_on_the_generator_alone(initialiser):
    np.testing.assert_array_equal(draw(initialiser, DENSE), draw(initialiser, DENSE))
    assert not np.array_equal(draw(initialiser, DENSE), draw(initialiser, DENSE, seed=1))


@pytest.mark.parametrize(
    ("initialiser", "shape", "bound"),
    [
        (init.xavier_uniform, DENSE, math.sqrt(6 / 500)),
        (init.xavier_uniform, CONV, math.sqrt(6 / (25 * 96))),
        (init.fan_in_uniform, DENSE, 1 / math.sqrt(300)),
        (init.fan_in_uniform, CONV, 1 / math.sqrt(25 * 32)),
        (init.uniform(0.3), DENSE, 0.3),
    ],
)
def test_uniform_initialisers_fill_their_interval_evenly(initialiser, shape, bound):
    values = draw(initialiser, shape)
    assert np.abs(values).max() <= bound * (1 + 1e-6)
    assert np.abs(values).max() > 0.999 * bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert values.mean() == pytest.approx(0, abs=0.02 * bound)


@pytest.mark.parametrize(
    ("initialiser", "shape", "mean", "std"),
    [
        (init.he_normal, DENSE, 0, math.sqrt(2 / 300)),
        (init.he_normal, CONV, 0, math.sqrt(2 / (25 * 32))),
        (init.normal(), DENSE, 0, 0.02),
        (init.normal(0.5, mean=1.0), DENSE, 1, 0.5),
    ],
)
def test_normal_initialisers_have_their_mean_and_std(initialiser, shape, mean, std):
    values = draw(initialiser, shape)
    assert values.mean() == pytest.approx(mean, abs=0.02 * std)
    assert values.std() == pytest.approx(std, rel=0.02)
    assert np.mean(np.abs(values - mean) > 2 * std) == pytest.approx(0.0455, abs=0.005)


def test_zeros_and_ones():
    assert (draw(init.zeros, (2, 2)) == 0).all()
    assert (draw(init.ones, (2, 2)) == 1).all()


def test_fans_of_dense_and_convolution_weights():
    assert init.fans((3, 4)) == (3, 4)
    assert init.fans((8, 4, 3, 5)) == (60, 120)


@pytest.mark.parametrize("initialiser", EVERY[:3])
def test_a_vector_has_no_fans(initialiser):
    with pytest.raises(ValueError, match=r"shape \(3,\) has no fan-in"):
        draw(initialiser, (3,))
