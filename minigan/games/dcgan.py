"""The networks of DCGAN (Radford, Metz and Chintala 2016) for images of 28 x 28 pixels in [-1, 1]; `GAN` trains them.

Convolutions with stride 2 in place of pooling; batch normalisation in both networks, except at G's output and D's input; ReLU
in G, LeakyReLU in D; weights from normal(0, 0.02).
"""

import numpy as np

from minigan.backend import random_numbers
from minigan.nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
    init,
)


def dcgan_generator(z: int = 100, channels: int = 64, rng: np.random.Generator | None = None) -> Sequential:
    """Noise (N, z) -> (N, 4 channels, 4, 4) -> (N, 2 channels, 7, 7) -> (N, channels, 14, 14) -> images (N, 1, 28, 28)."""
    rng = random_numbers.generator(rng)
    return initialise(
        Sequential(
            Dense(z, 4 * channels * 4 * 4, bias=False, rng=rng),  # batch normalisation would subtract a bias
            Reshape(4 * channels, 4, 4),
            BatchNorm2d(4 * channels),
            ReLU(),
            ConvTranspose2d(4 * channels, 2 * channels, 3, stride=2, padding=1, bias=False, rng=rng),
            BatchNorm2d(2 * channels),
            ReLU(),
            ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1, bias=False, rng=rng),
            BatchNorm2d(channels),
            ReLU(),
            ConvTranspose2d(channels, 1, 4, stride=2, padding=1, rng=rng),
            Tanh(),
        ),
        rng,
    )


def dcgan_discriminator(in_channels: int = 1, channels: int = 64, rng: np.random.Generator | None = None) -> Sequential:
    """Images (N, in_channels, 28, 28) -> (N, channels, 14, 14) -> (N, 2 channels, 7, 7) -> (N, 4 channels, 4, 4) -> (N, 1)."""
    rng = random_numbers.generator(rng)
    return initialise(
        Sequential(
            Conv2d(in_channels, channels, 4, stride=2, padding=1, rng=rng),
            LeakyReLU(0.2),
            Conv2d(channels, 2 * channels, 4, stride=2, padding=1, bias=False, rng=rng),
            BatchNorm2d(2 * channels),
            LeakyReLU(0.2),
            Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1, bias=False, rng=rng),
            BatchNorm2d(4 * channels),
            LeakyReLU(0.2),
            Flatten(),
            Dense(4 * channels * 4 * 4, 1, rng=rng),
        ),
        rng,
    )


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
