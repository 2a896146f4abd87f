import math

import numpy as np
import pytest

from minigan import nn
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


# --- what a layer takes of an initialiser -------------------------------------------------------------------------------

TAKES_AN_INITIALISER = {
    "Dense": lambda f: nn.Dense(2, 3, weight_init=f),
    "Conv2d": lambda f: nn.Conv2d(2, 3, 1, weight_init=f),
    "ConvTranspose2d": lambda f: nn.ConvTranspose2d(2, 3, 1, weight_init=f),
}
every_layer = pytest.mark.parametrize("name", TAKES_AN_INITIALISER)


@every_layer
def test_layers_that_are_given_one_array_do_not_share_it(name):
    values = []

    def always_the_same(shape, rng):
        values.append(values[0] if values else np.ones(shape, np.float32))
        return values[0]

    first, second = TAKES_AN_INITIALISER[name](always_the_same), TAKES_AN_INITIALISER[name](always_the_same)
    first.weight.data[...] = 7
    assert (second.weight.data == 1).all()
    assert (values[0] == 1).all()


@every_layer
@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda shape: np.ones((3, 3), np.float32), ValueError, r"weight_init returned float32 \(3, 3\); expected floats of"),
        (lambda shape: np.ones(shape, int), ValueError, "weight_init returned int64 .*; expected floats of shape"),
        (lambda shape: np.full(shape, np.nan), ValueError, "weight_init returned a nan or an infinity"),
        (lambda shape: np.full(shape, np.inf), ValueError, "weight_init returned a nan or an infinity"),
        (lambda shape: None, TypeError, "expected real numbers"),
        (lambda shape: np.ma.ones(shape), TypeError, "masked array"),
    ],
    ids=["shape", "dtype", "nan", "inf", "None", "masked"],
)
def test_an_initialiser_that_returns_something_else_is_refused(name, make, error, says):
    with pytest.raises(error, match=says):
        TAKES_AN_INITIALISER[name](lambda shape, rng: make(shape))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_numbers_too_large_for_float32_are_refused():
    with pytest.raises(ValueError, match="weight_init returned a nan or an infinity"):
        nn.Dense(2, 3, weight_init=lambda shape, rng: [[1e39] * 3] * 2)


@every_layer
def test_values_in_place_of_an_initialiser_are_refused(name):
    with pytest.raises(TypeError, match=rf"^{name}: weight_init is a ndarray; expected a function \(shape, rng\) -> array"):
        TAKES_AN_INITIALISER[name](np.ones((2, 3)))


def test_the_initialisers_dtype_is_kept():
    assert nn.Dense(2, 3, weight_init=lambda shape, rng: np.ones(shape)).weight.dtype == np.float64
