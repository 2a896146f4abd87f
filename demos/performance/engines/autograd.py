"""The dense GANs in Autograd: a function's gradient is a function."""

import os
from importlib.metadata import version

import autograd.numpy as np
from autograd import value_and_grad

from demos.performance.engines import sizes
from demos.performance.engines.functional import Functional

VERSION = version("autograd")
THREADS = int(os.environ["OPENBLAS_NUM_THREADS"])

make = Functional(
    matmul=np.dot,
    relu=lambda x: np.maximum(x, 0.0),
    leaky_relu=lambda x: np.maximum(x, sizes.SLOPE * x),
    tanh=np.tanh,
    mean=np.mean,
    logaddexp=np.logaddexp,
    value_and_grad=value_and_grad,
).make
