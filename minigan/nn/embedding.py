"""The embedding layer: a vector for each class."""

from typing import Any

import numpy as np

from minigan import backend
from minigan.nn import init
from minigan.nn.module import Module, check_sizes
from minigan.tensor import Tensor


class Embedding(Module):
    """Looks up vectors: integer labels (...) in [0, n) -> (..., d). `weight` (n, d) starts standard normal.

    `rng` draws the initial values; minigan's default generator if None. Raises ValueError for other labels.
    """

    def __init__(self, n: int, d: int, rng: np.random.Generator | None = None):
        check_sizes("Embedding", n, d)
        self.weight = Tensor(init.normal(1.0)((n, d), backend.generator(rng)), requires_grad=True, name="weight")

    def forward(self, labels: Any) -> Tensor:
        labels = labels.data if isinstance(labels, Tensor) else self.weight.xp.asarray(labels)
        n = self.weight.shape[0]
        if labels.dtype.kind not in "iu" or (labels.size and not (int(labels.min()) >= 0 and int(labels.max()) < n)):
            raise ValueError(f"{self!r}: labels must be integers from 0 to {n - 1}; got {labels.dtype} {labels.shape}")
        return self.weight[labels]

    def extra_repr(self) -> str:
        return "{}, {}".format(*self.weight.shape)
