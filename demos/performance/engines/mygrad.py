"""The dense GANs in MyGrad. A frozen network is one of arrays in place of tensors."""

import itertools
import os
from typing import Any

import mygrad as mg
from mygrad.nnet.activations import leaky_relu, relu

from demos.performance.engines import sizes
from demos.performance.engines.numpy_adam import Adam
from demos.performance.engines.sizes import Network, Size, Step

VERSION = mg.__version__
THREADS = int(os.environ["OPENBLAS_NUM_THREADS"])

LAYERS = {
    "dense": lambda x, w, b: mg.matmul(x, w) + b,
    "relu": relu,
    "leaky_relu": lambda x: leaky_relu(x, sizes.SLOPE),
    "tanh": mg.tanh,
}


def forward(network: Network, weights: list, x: Any) -> Any:
    """The network with these weights at x."""
    for (kind, *_), of_layer in zip(network, weights, strict=True):
        x = LAYERS[kind](x, *of_layer)
    return x


def softplus(v: Any) -> Any:
    """log(1 + e^v)"""
    return mg.logaddexp(v, 0.0)


def make(size: Size, seed: int) -> Step:
    """One iteration of the GAN; the losses of D and G."""
    G, D = ([[mg.tensor(w) for w in layer] for layer in network] for network in sizes.start(size, seed))
    frozen = [[w.data for w in layer] for layer in D]  # the same memory
    of_G, of_D = ([w for layer in network for w in layer] for network in (G, D))
    adam_G, adam_D = (Adam([w.data for w in tensors]) for tensors in (of_G, of_D))
    batches = itertools.cycle(sizes.minibatches(size, seed))

    def step():
        x, z_D, z_G = next(batches)
        fake = forward(size.G, G, z_D).data
        loss_D = mg.mean(softplus(-forward(size.D, D, x))) + mg.mean(softplus(forward(size.D, D, fake)))
        loss_D.backward()
        adam_D.step([w.grad for w in of_D])

        loss_G = mg.mean(softplus(-forward(size.D, frozen, forward(size.G, G, z_G))))
        loss_G.backward()
        adam_G.step([w.grad for w in of_G])
        return loss_D.item, loss_G.item

    return step
