"""The dense (fully connected) layer."""

import numpy as np

from minigan.backend import random_numbers
from minigan.engine.tensor import Tensor
from minigan.nn import init
from minigan.nn.module import Module, check_sizes
from minigan.ops.linear import affine
from minigan.ops.operands import floating


class Dense(Module):
    """y = x W + b: x (..., in_features) -> (..., out_features).

    Args:
        in_features, out_features: sizes of the last axis, before and after.
        bias: whether to add b.
        weight_init: initialiser of `weight` (in, out); the default is uniform on +-1 / sqrt(in_features), as is the bias.
        rng: draws the initial values; minigan's default generator if None.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        weight_init: init.Initialiser = init.fan_in_uniform,
        rng: np.random.Generator | None = None,
    ):
        check_sizes("Dense", in_features, out_features)
        rng = random_numbers.generator(rng)
        self.weight = init.parameter("Dense", "weight", weight_init, (in_features, out_features), rng)
        self.bias = None
        if bias:
            self.bias = init.parameter("Dense", "bias", init.uniform(1 / in_features**0.5), (out_features,), rng)

    def forward(self, x: Tensor) -> Tensor:
        x = floating("Dense", x)
        if x.shape[-1:] != self.weight.shape[:1]:
            raise ValueError(f"{self!r}: the input has shape {x.shape}; expected (..., {self.weight.shape[0]})")
        if self.bias is None:
            return x @ self.weight
        if x.ndim == 2:
            return affine(x, self.weight, self.bias)
        return affine(x.reshape(-1, x.shape[-1]), self.weight, self.bias).reshape(*x.shape[:-1], self.weight.shape[1])

    def extra_repr(self) -> str:
        n, m = self.weight.shape
        return f"{n}, {m}" if self.bias is not None else f"{n}, {m}, bias=False"
