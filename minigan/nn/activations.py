"""The activations as layers, for use in `Sequential`."""

from minigan import checks, ops
from minigan.engine.tensor import Tensor
from minigan.nn.module import Module


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(x)


class LeakyReLU(Module):
    """x above 0, slope * x below."""

    def __init__(self, slope: float = 0.2):
        self.slope = checks.number("LeakyReLU", "slope", slope, least=0, below=1)

    def forward(self, x: Tensor) -> Tensor:
        return ops.leaky_relu(x, self.slope)

    def extra_repr(self) -> str:
        return f"{self.slope}"


class ELU(Module):
    """x above 0, alpha (e^x - 1) below."""

    def __init__(self, alpha: float = 1.0):
        self.alpha = checks.number("ELU", "alpha", alpha, least=0)

    def forward(self, x: Tensor) -> Tensor:
        return ops.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"{self.alpha}"


class Sigmoid(Module):
    """1 / (1 + e^-x)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.tanh(x)


class Softplus(Module):
    """log(1 + e^x)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.softplus(x)


class Softmax(Module):
    """e^x / sum e^x along the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.softmax(x)
