"""The dense GANs in Autograd: a function's gradient is a function."""

import os
from functools import partial
from importlib.metadata import version

import autograd.numpy as np
from autograd import value_and_grad

from demos.performance.engines import functional, sizes

VERSION = version("autograd")
THREADS = int(os.environ["OPENBLAS_NUM_THREADS"])
LAYERS = {
    "dense": lambda x, w, b: np.dot(x, w) + b,
    "relu": lambda x: np.maximum(x, 0.0),
    "leaky_relu": lambda x: np.maximum(x, sizes.SLOPE * x),
    "tanh": np.tanh,
}
make = partial(functional.make, np, LAYERS, value_and_grad)
