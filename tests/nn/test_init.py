"""Initialisers: their distributions, and what a layer takes of one."""

import math

import numpy as np
import pytest

from minigan import nn
from minigan.nn import init

DENSE, CONV = (300, 200), (64, 32, 5, 5)


def of(make, name="weight"):
    """What a layer begins with."""
    return lambda shape, rng: getattr(make(), name).data


DISTRIBUTIONS = {  # name: (the initialiser, a shape, mean, std, the bound of a uniform one)
    "xavier_uniform": (init.xavier_uniform, DENSE, 0, math.sqrt(2 / 500), True),
    "xavier_uniform of a convolution": (init.xavier_uniform, CONV, 0, math.sqrt(2 / (25 * 96)), True),
    "fan_in_uniform": (init.fan_in_uniform, DENSE, 0, 1 / math.sqrt(3 * 300), True),
    "fan_in_uniform of a convolution": (init.fan_in_uniform, CONV, 0, 1 / math.sqrt(3 * 25 * 32), True),
    "uniform": (init.uniform(0.3), DENSE, 0, 0.3 / math.sqrt(3), True),
    "he_normal": (init.he_normal, DENSE, 0, math.sqrt(2 / 300), False),
    "he_normal of a convolution": (init.he_normal, CONV, 0, math.sqrt(2 / (25 * 32)), False),
    "normal": (init.normal(), DENSE, 0, 0.02, False),
    "normal elsewhere": (init.normal(0.5, mean=1.0), DENSE, 1, 0.5, False),
    "zeros": (init.zeros, DENSE, 0, 0, False),
    "ones": (init.ones, CONV, 1, 0, False),
    "Dense": (of(lambda: nn.Dense(25, 4000)), (25, 4000), 0, 1 / 5 / math.sqrt(3), True),
    "Conv2d": (of(lambda: nn.Conv2d(4, 900, 2)), (900, 4, 2, 2), 0, 1 / 4 / math.sqrt(3), True),
    "ConvTranspose2d": (of(lambda: nn.ConvTranspose2d(900, 4, 2)), (900, 4, 2, 2), 0, 1 / 4 / math.sqrt(3), True),
    "MinibatchDiscrimination": (
        of(lambda: nn.MinibatchDiscrimination(9, 40, 50)), (9, 2000), 0, 1 / 3 / math.sqrt(3), True
    ),
    "a bias": (of(lambda: nn.Dense(9, 9000), "bias"), (9000,), 0, 1 / 3 / math.sqrt(3), True),
    "Embedding": (of(lambda: nn.Embedding(100, 50)), (100, 50), 0, 1, False),
}  # fmt: skip


@pytest.mark.parametrize(("initialiser", "shape", "mean", "std", "uniform"), DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_an_initialiser_has_its_distribution(initialiser, shape, mean, std, uniform):
    values = initialiser(shape, np.random.default_rng(0))
    assert (values.shape, values.dtype) == (shape, np.float32)
    assert values.mean() == pytest.approx(mean, abs=0.05 * std)
    assert values.std() == pytest.approx(std, rel=0.03)
    largest = np.abs(values - mean).max()
    assert largest == pytest.approx(math.sqrt(3) * std, rel=1e-3) if uniform else largest >= 3 * std


@pytest.mark.parametrize(("kind", "sizes"), [(nn.Dense, (2, 3)), (nn.MinibatchDiscrimination, (2, 3, 1))])
def test_layers_that_are_given_one_array_do_not_share_it_and_keep_its_dtype(kind, sizes):
    values = []
    layers = [kind(*sizes, weight_init=lambda shape, rng: values.append(np.ones(shape)) or values[0]) for _ in range(2)]
    layers[0].weight.data[...] = 7
    assert (layers[1].weight.data == 1).all()
    assert (values[0] == 1).all()
    assert layers[0].weight.dtype == np.float64
