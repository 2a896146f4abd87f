"""The dense GANs in MyGrad: `backward` of a loss sets the gradients of the weights' tensors."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import mygrad as mg
from mygrad.nnet.activations import leaky_relu, relu

from demos.performance.engines import functional, sizes

VERSION = mg.__version__
THREADS = int(os.environ["OPENBLAS_NUM_THREADS"])


def value_and_grad(function: Callable) -> Callable:
    """The function's value, and its gradients by the arrays of its first argument."""

    def both(weights: list, *arrays: Any) -> tuple:
        tensors = [[mg.tensor(w, copy=False) for w in layer] for layer in weights]
        loss = function(tensors, *arrays)
        loss.backward()
        return loss, [[w.grad for w in layer] for layer in tensors]

    return both


LAYERS = {
    "dense": lambda x, w, b: mg.matmul(x, w) + b,
    "relu": relu,
    "leaky_relu": lambda x: leaky_relu(x, sizes.SLOPE),
    "tanh": mg.tanh,
}
make = partial(functional.make, mg, LAYERS, value_and_grad)
