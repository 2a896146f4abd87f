"""The embedding layer: a vector for each class."""

from typing import Any

import numpy as np

from minigan.backend import random_numbers
from minigan.engine.tensor import Tensor
from minigan.nn import init
from minigan.nn.module import Module, check_sizes
from minigan.ops.operands import labels_below


class Embedding(Module):
    """Looks up vectors: integer labels (...) in [0, n) -> (..., d). `weight` (n, d) starts standard normal.

    `rng` draws the initial values; minigan's default generator if None. Raises ValueError for other labels.
    """

    def __init__(self, n: int, d: int, rng: np.random.Generator | None = None):
        check_sizes("Embedding", n, d)
        self.weight = init.parameter("Embedding", "weight", init.normal(1.0), (n, d), random_numbers.generator(rng))

    def forward(self, labels: Any) -> Tensor:
        return self.weight[labels_below(repr(self), labels, self.weight.shape[0])]

    def extra_repr(self) -> str:
        return "{}, {}".format(*self.weight.shape)
