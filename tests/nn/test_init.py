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
    np.testing.assert_array_equal(values, draw(initialiser, shape))  # the generator alone decides
    constant = {init.zeros: 0, init.ones: 1}.get(initialiser)
    assert np.ptp(values) > 0 if constant is None else (values == constant).all()


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


def test_fans_of_dense_and_convolution_weights():
    assert init.fans((3, 4)) == (3, 4)
    assert init.fans((8, 4, 3, 5)) == (60, 120)


NARROW = {  # name: (a layer whose weights by default fill the interval of the fan-in, its bound)
    "Dense": (lambda: nn.Dense(25, 4000), 1 / 5),
    "Conv2d": (lambda: nn.Conv2d(4, 900, 2), 1 / 4),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(900, 4, 2), 1 / 4),
    "MinibatchDiscrimination": (lambda: nn.MinibatchDiscrimination(9, 40, 50), 1 / 3),
}


@pytest.mark.parametrize(("make", "bound"), NARROW.values(), ids=NARROW)
def test_by_default_weight_and_bias_fill_the_interval_of_the_fan_in(make, bound):
    layer = make()
    assert bound * 0.999 < np.abs(layer.weight.data).max() <= bound
    assert np.std(layer.weight.data) == pytest.approx(bound / 3**0.5, rel=0.03)
    for bias in layer.parameters()[1:]:
        assert bound / 2 < np.abs(bias.data).max() <= bound


def test_an_embedding_starts_standard_normal():
    weight = nn.Embedding(100, 50).weight.numpy()
    assert (weight.mean(), weight.std()) == (pytest.approx(0, abs=0.05), pytest.approx(1, abs=0.05))


# --- what a layer takes of an initialiser -------------------------------------------------------------------------------

TAKES_AN_INITIALISER = {
    "Dense": lambda f: nn.Dense(2, 3, weight_init=f),
    "Conv2d": lambda f: nn.Conv2d(2, 3, 1, weight_init=f),
    "ConvTranspose2d": lambda f: nn.ConvTranspose2d(2, 3, 1, weight_init=f),
    "MinibatchDiscrimination": lambda f: nn.MinibatchDiscrimination(2, 3, 1, weight_init=f),
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


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_numbers_too_large_for_float32_are_refused():
    with pytest.raises(ValueError, match="weight_init returned a nan or an infinity"):
        nn.Dense(2, 3, weight_init=lambda shape, rng: [[1e39] * 3] * 2)


def test_the_initialisers_dtype_is_kept():
    assert nn.Dense(2, 3, weight_init=lambda shape, rng: np.ones(shape)).weight.dtype == np.float64
