"""Pooling and upsampling as layers, on images (N, C, H, W)."""

from minigan import ops
from minigan.engine.tensor import Tensor
from minigan.nn.module import Module
from minigan.ops.convolution import Pair


class MaxPool2d(Module):
    """The largest pixel of each window; see `ops.max_pool2d`. `stride` None: the kernel's size."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        self.options = (kernel_size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return ops.max_pool2d(x, *self.options)

    def extra_repr(self) -> str:
        return "{}, stride={}, padding={}".format(*self.options)


class AvgPool2d(Module):
    """The mean of each window; see `ops.avg_pool2d`. `stride` None: the kernel's size."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        self.options = (kernel_size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return ops.avg_pool2d(x, *self.options)

    def extra_repr(self) -> str:
        return "{}, stride={}, padding={}".format(*self.options)


class Upsample(Module):
    """Every pixel repeated `scale` times along height and width; see `ops.upsample2d`."""

    def __init__(self, scale: Pair = 2):
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return ops.upsample2d(x, self.scale)

    def extra_repr(self) -> str:
        return f"{self.scale}"
