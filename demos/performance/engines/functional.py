"""The dense GANs in an engine that differentiates functions: the common part of Autograd and MyGrad.

All weights are NumPy arrays. Only those that get a gradient are passed to the engine; a frozen network's remain arrays.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from demos.performance.engines import sizes
from demos.performance.engines.sizes import BETAS, EPS, LR, Size, Step


def make(
    engine: Any, layers: dict[str, Callable], value_and_grad: Callable[[Callable], Callable], size: Size, seed: int
) -> Step:
    """One iteration of the GAN; the losses of D and G.

    engine: its module with NumPy's names. layers: by kind, functions of x, and of w and b. value_and_grad: takes a function of
    a network's weights (a list for each layer) and of other arrays; returns a function that returns its value and its
    gradients, in the same lists.
    """
    G, D = sizes.start(size, seed)
    adam_G, adam_D = (Adam(flat(network)) for network in (G, D))
    batches = itertools.cycle(sizes.minibatches(size, seed))

    def forward(network, weights, x):
        for (kind, *_), of_layer in zip(network, weights, strict=True):
            x = layers[kind](x, *of_layer)
        return x

    def softplus(v):
        return engine.logaddexp(v, 0.0)

    @value_and_grad
    def discriminator_loss(D, x, fake):
        return engine.mean(softplus(-forward(size.D, D, x))) + engine.mean(softplus(forward(size.D, D, fake)))

    @value_and_grad
    def generator_loss(G, z):
        return engine.mean(softplus(-forward(size.D, D, forward(size.G, G, z))))

    def step():
        x, z_D, z_G = next(batches)
        loss_D, g = discriminator_loss(D, x, np.asarray(forward(size.G, G, z_D)))
        adam_D.step(flat(g))
        loss_G, g = generator_loss(G, z_G)
        adam_G.step(flat(g))
        return loss_D.item, loss_G.item

    return step


class Adam:
    """One player's weights, changed in place (Kingma and Ba 2015, Algorithm 1)."""

    def __init__(self, weights: list[np.ndarray]):
        self.weights = weights
        self.m, self.v = ([np.zeros_like(w) for w in weights] for _ in range(2))
        self.t = 0

    def step(self, gradients: list[np.ndarray]) -> None:
        """w <- w - lr m^ / (sqrt(v^) + eps)"""
        self.t += 1
        beta1, beta2 = BETAS
        for w, g, m, v in zip(self.weights, gradients, self.m, self.v, strict=True):
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * (g * g)
            root = np.sqrt(v / (1 - beta2**self.t))
            root += EPS
            w -= (LR / (1 - beta1**self.t)) * (m / root)


def flat(network: list[list]) -> list:
    """The weights of all layers in one list."""
    return [w for layer in network for w in layer]
