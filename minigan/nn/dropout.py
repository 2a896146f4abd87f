"""Dropout as a layer."""

from minigan import checks, ops
from minigan.engine.tensor import Tensor
from minigan.nn.module import Module


class Dropout(Module):
    """In training mode, sets each element to 0 with probability p and divides the others by 1 - p. In eval mode, does nothing.

    Draws from minigan's default generator, whose state a game saves. Raises ValueError for p outside [0, 1).
    """

    def __init__(self, p: float = 0.5):
        self.p = checks.number("Dropout", "p", p, least=0, below=1)

    def forward(self, x: Tensor) -> Tensor:
        return ops.dropout(x, self.p) if self.training else x

    def extra_repr(self) -> str:
        return f"{self.p}"
