"""The networks of DCGAN (Radford, Metz and Chintala 2016) for images with pixels in [-1, 1]; `GAN` trains them.

Convolutions with stride 2 in place of pooling; batch normalisation in both networks, except at G's output and D's input; ReLU
in G, LeakyReLU in D; weights from normal(0, 0.02).
"""

from itertools import pairwise

import numpy as np

from minigan.backend import random_numbers
from minigan.nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    Module,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
    init,
)

SIDES = {16: (4, 8, 16), 28: (4, 7, 14, 28), 32: (4, 8, 16, 32), 64: (4, 8, 16, 32, 64)}  # of an image: those in G's layers


def dcgan_generator(
    z: int = 100, channels: int = 64, rng: np.random.Generator | None = None, shape: tuple[int, int, int] = (1, 28, 28)
) -> Sequential:
    """Noise (N, z) -> (N, 4 channels, 4, 4) -> (N, 2 channels, 7, 7) -> (N, channels, 14, 14) -> images (N, 1, 28, 28).

    `shape`: of an image, with as many rows as columns: 16, 28, 32 or 64.
    """
    rng, sides = random_numbers.generator(rng), _sides("dcgan_generator", shape[1], shape[2])
    width = channels * 2 ** (len(sides) - 2)
    first = Dense(z, width * 4 * 4, bias=False, rng=rng)  # batch normalisation would subtract a bias
    layers: list[Module] = [first, Reshape(width, 4, 4), BatchNorm2d(width), ReLU()]
    for small, side in pairwise(sides[:-1]):
        bigger = ConvTranspose2d(width, width // 2, _kernel(small, side), stride=2, padding=1, bias=False, rng=rng)
        width //= 2
        layers += [bigger, BatchNorm2d(width), ReLU()]
    layers += [ConvTranspose2d(width, shape[0], 4, stride=2, padding=1, rng=rng), Tanh()]
    return initialise(Sequential(*layers), rng)


def dcgan_discriminator(
    in_channels: int = 1, channels: int = 64, rng: np.random.Generator | None = None, side: int = 28
) -> Sequential:
    """Images (N, in_channels, 28, 28) -> (N, channels, 14, 14) -> (N, 2 channels, 7, 7) -> (N, 4 channels, 4, 4) -> (N, 1).

    `side`: of the images, 16, 28, 32 or 64.
    """
    rng, sides = random_numbers.generator(rng), _sides("dcgan_discriminator", side, side)
    layers: list[Module] = [Conv2d(in_channels, channels, 4, stride=2, padding=1, rng=rng), LeakyReLU(0.2)]
    for small, large in reversed([*pairwise(sides[:-1])]):
        smaller = Conv2d(channels, 2 * channels, _kernel(small, large), stride=2, padding=1, bias=False, rng=rng)
        channels *= 2
        layers += [smaller, BatchNorm2d(channels), LeakyReLU(0.2)]
    return initialise(Sequential(*layers, Flatten(), Dense(channels * 4 * 4, 1, rng=rng)), rng)


def _kernel(small: int, large: int) -> int:
    """The kernel's size between these sides, with stride 2 and padding 1: 4 for twice the side; 3 between 4 and 7."""
    return 4 if large == 2 * small else 3


def _sides(name: str, height: int, width: int) -> tuple[int, ...]:
    if height != width or height not in SIDES:
        raise ValueError(f"{name}: images of {height} x {width}; expected sides of {', '.join(map(str, SIDES))}")
    return SIDES[height]


def initialise(network: Sequential, rng: np.random.Generator | None = None) -> Sequential:
    """The paper's initial values: weights from normal(0, 0.02), around 1 for batch normalisation; biases 0."""
    rng = random_numbers.generator(rng)
    for layer in network:
        if isinstance(layer, Conv2d | ConvTranspose2d | Dense | BatchNorm2d):
            centre = 1.0 if isinstance(layer, BatchNorm2d) else 0.0
            layer.weight.data = init.normal(0.02, centre)(layer.weight.shape, rng)
            if layer.bias is not None:
                layer.bias.data = init.zeros(layer.bias.shape, rng)
    return network
