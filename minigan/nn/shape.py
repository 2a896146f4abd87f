"""Layers that only change the shape."""

import math

from minigan import checks, ops
from minigan.engine.tensor import Tensor
from minigan.nn.module import Module


class Flatten(Module):
    """(N, ...) -> (N, features): each sample as one vector."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.reshape(x, len(x), math.prod(x.shape[1:]))


class Reshape(Module):
    """(N, ...) -> (N, *shape): `Reshape(1, 28, 28)` turns vectors of size 784 into images."""

    def __init__(self, *shape: int):
        self.shape = tuple([checks.whole("Reshape", "shape", n, least=-1) for n in shape])

    def forward(self, x: Tensor) -> Tensor:
        return ops.reshape(x, len(x), *self.shape)

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.shape))
