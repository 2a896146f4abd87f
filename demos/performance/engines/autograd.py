"""The dense GANs in Autograd: a function's gradient is another function."""

import itertools
import os
from importlib.metadata import version
from typing import Any

import autograd.numpy as np
from autograd import value_and_grad

from demos.performance.engines import sizes
from demos.performance.engines.numpy_adam import Adam
from demos.performance.engines.sizes import Network, Size, Step

VERSION = version("autograd")
THREADS = int(os.environ["OPENBLAS_NUM_THREADS"])

LAYERS = {
    "dense": lambda x, w, b: np.dot(x, w) + b,
    "relu": lambda x: np.maximum(x, 0.0),
    "leaky_relu": lambda x: np.maximum(x, sizes.SLOPE * x),
    "tanh": np.tanh,
}


def forward(network: Network, weights: list, x: Any) -> Any:
    """The network with these weights at x."""
    for (kind, *_), of_layer in zip(network, weights, strict=True):
        x = LAYERS[kind](x, *of_layer)
    return x


def softplus(v: Any) -> Any:
    """log(1 + e^v)"""
    return np.logaddexp(v, 0.0)


def make(size: Size, seed: int) -> Step:
    """One iteration of the GAN; the losses of D and G."""
    G, D = sizes.start(size, seed)
    adam_G, adam_D = (Adam(flat(network)) for network in (G, D))
    batches = itertools.cycle(sizes.minibatches(size, seed))

    @value_and_grad
    def discriminator_loss(D, x, fake):
        return np.mean(softplus(-forward(size.D, D, x))) + np.mean(softplus(forward(size.D, D, fake)))

    @value_and_grad
    def generator_loss(G, z):
        return np.mean(softplus(-forward(size.D, D, forward(size.G, G, z))))

    def step():
        x, z_D, z_G = next(batches)
        loss_D, g = discriminator_loss(D, x, forward(size.G, G, z_D))
        adam_D.step(flat(g))
        loss_G, g = generator_loss(G, z_G)
        adam_G.step(flat(g))
        return loss_D.item, loss_G.item

    return step


def flat(network: list[list]) -> list:
    """The weights of all layers in one list."""
    return [w for layer in network for w in layer]
