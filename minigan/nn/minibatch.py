"""Minibatch discrimination: a layer that shows a discriminator how similar the samples of a minibatch are."""

import numpy as np

from minigan import ops
from minigan.backend import random_numbers
from minigan.engine.tensor import Tensor
from minigan.nn import init
from minigan.nn.module import Module, check_sizes
from minigan.ops.operands import floating


class MinibatchDiscrimination(Module):
    """x (N, A) -> (N, A + B): appends to each sample B numbers, its closeness to the samples of the minibatch.

        M_i = x_i T, as B rows of C numbers
        c_b(x_i, x_j) = exp(-|M_ib - M_jb|_1), between 0 (far apart) and 1 (equal)
        o(x_i)_b = sum over j of c_b(x_i, x_j), appended to x_i

    (Salimans et al. 2016, section 3.2.) The sum includes j = i, as in the paper; the authors' code omits this term. It is 1
    for every sample, and the next layer's bias can cancel it. Real and fake samples pass through the layer separately.

    Args:
        in_features, kernels, dims: A, B and C.
        weight_init: initialiser of `weight`, T as a matrix (A, B C); the default is that of `Dense`.
        rng: draws the initial values; minigan's default generator if None.
    """

    def __init__(
        self,
        in_features: int,
        kernels: int,
        dims: int,
        weight_init: init.Initialiser = init.fan_in_uniform,
        rng: np.random.Generator | None = None,
    ):
        check_sizes("MinibatchDiscrimination", in_features, kernels, dims)
        self.kernels, self.dims = kernels, dims
        shape = (in_features, kernels * dims)
        self.weight = init.parameter("MinibatchDiscrimination", "weight", weight_init, shape, random_numbers.generator(rng))

    def forward(self, x: Tensor) -> Tensor:
        x = floating("MinibatchDiscrimination", x)
        if x.ndim != 2 or x.shape[1] != len(self.weight):
            raise ValueError(f"{self!r}: the input has shape {x.shape}; expected (N, {len(self.weight)})")
        M = (x @ self.weight).reshape(len(x), self.kernels, self.dims)
        distances = ops.abs(M[:, None] - M[None]).sum(axis=3)  # (N, N, B)
        return ops.concatenate([x, ops.exp(-distances).sum(axis=1)], axis=1)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, {self.kernels}, {self.dims}"
