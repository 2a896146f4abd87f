"""The dense GANs in an engine that differentiates functions: the common part of Autograd and MyGrad.

All weights are NumPy arrays. Only those that get a gradient are passed to the engine; a frozen network's remain arrays.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.performance.engines import sizes
from demos.performance.engines.numpy_adam import Adam
from demos.performance.engines.sizes import Network, Size, Step


@dataclass(frozen=True)
class Functional:
    """An engine's functions, by their names in NumPy.

    value_and_grad: takes a function of a network's weights (a list for each layer) and of other arrays; returns a function
    that returns its value and its gradients, in the same lists.
    """

    matmul: Callable
    relu: Callable
    leaky_relu: Callable
    tanh: Callable
    mean: Callable
    logaddexp: Callable
    value_and_grad: Callable[[Callable], Callable]

    def forward(self, network: Network, weights: list, x: Any) -> Any:
        """The network with these weights at x."""
        for (kind, *_), of_layer in zip(network, weights, strict=True):
            if kind == "dense":
                w, b = of_layer
                x = self.matmul(x, w) + b
            else:
                x = getattr(self, kind)(x)
        return x

    def softplus(self, v: Any) -> Any:
        """log(1 + e^v)"""
        return self.logaddexp(v, 0.0)

    def make(self, size: Size, seed: int) -> Step:
        """One iteration of the GAN; the losses of D and G."""
        G, D = sizes.start(size, seed)
        adam_G, adam_D = (Adam(flat(network)) for network in (G, D))
        batches = itertools.cycle(sizes.minibatches(size, seed))
        forward, softplus, mean = self.forward, self.softplus, self.mean

        @self.value_and_grad
        def discriminator_loss(D, x, fake):
            return mean(softplus(-forward(size.D, D, x))) + mean(softplus(forward(size.D, D, fake)))

        @self.value_and_grad
        def generator_loss(G, z):
            return mean(softplus(-forward(size.D, D, forward(size.G, G, z))))

        def step():
            x, z_D, z_G = next(batches)
            loss_D, g = discriminator_loss(D, x, np.asarray(forward(size.G, G, z_D)))
            adam_D.step(flat(g))
            loss_G, g = generator_loss(G, z_G)
            adam_G.step(flat(g))
            return loss_D.item, loss_G.item

        return step


def flat(network: list[list]) -> list:
    """The weights of all layers in one list."""
    return [w for layer in network for w in layer]
