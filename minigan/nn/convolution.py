"""Convolutional layers, on images (N, C, H, W)."""

import numpy as np

from minigan import ops
from minigan.backend import random_numbers
from minigan.engine.tensor import Tensor
from minigan.nn import init
from minigan.nn.module import Module, check_sizes
from minigan.ops.convolution import Pair, pair_of


class Conv2d(Module):
    """A convolution: (N, in_channels, H, W) -> (N, out_channels, OH, OW); see `ops.conv2d`.

    Args:
        kernel_size, stride, padding: one integer, or two, for height and width.
        bias: whether to add one number for each output channel.
        weight_init: initialiser of `weight` (out_channels, in_channels, KH, KW); the default is uniform on
            +-1 / sqrt(in_channels KH KW), as is the bias.
        rng: draws the initial values; minigan's default generator if None.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        bias: bool = True,
        weight_init: init.Initialiser = init.fan_in_uniform,
        rng: np.random.Generator | None = None,
    ):
        self.sizes = (in_channels, out_channels, pair_of("Conv2d", "kernel_size", kernel_size, least=1))
        self.stride, self.padding = stride, padding
        self.weight, self.bias = _parameters("Conv2d", (out_channels, in_channels), self.sizes, bias, weight_init, rng)

    def forward(self, x: Tensor) -> Tensor:
        return ops.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    def extra_repr(self) -> str:
        return _described(self)


class ConvTranspose2d(Module):
    """A transposed convolution: (N, in_channels, H, W) -> (N, out_channels, OH, OW); see `ops.conv_transpose2d`.

    Arguments as for `Conv2d`, but `weight` is (in_channels, out_channels, KH, KW), and its default bound, as in PyTorch, is
    1 / sqrt(out_channels KH KW). With kernel_size 4, stride 2, padding 1, height and width double.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        bias: bool = True,
        weight_init: init.Initialiser = init.fan_in_uniform,
        rng: np.random.Generator | None = None,
    ):
        self.sizes = (in_channels, out_channels, pair_of("ConvTranspose2d", "kernel_size", kernel_size, least=1))
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.weight, self.bias = _parameters("ConvTranspose2d", (in_channels, out_channels), self.sizes, bias, weight_init, rng)

    def forward(self, x: Tensor) -> Tensor:
        return ops.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding, self.output_padding)

    def extra_repr(self) -> str:
        return _described(self)


def _parameters(
    layer: str,
    channels: tuple[int, int],
    sizes: tuple[int, int, tuple[int, int]],
    bias: bool,
    weight_init: init.Initialiser,
    rng: np.random.Generator | None,
) -> tuple[Tensor, Tensor | None]:
    """weight (*channels, KH, KW), and bias (out_channels,) or None."""
    n_in, n_out, kernel = sizes
    check_sizes(layer, n_in, n_out)
    rng = random_numbers.generator(rng)
    shape = (*channels, *kernel)
    weight = init.parameter(layer, "weight", weight_init, shape, rng)
    if not bias:
        return weight, None
    return weight, init.parameter(layer, "bias", init.uniform(init.fans(shape)[0] ** -0.5), (n_out,), rng)


def _described(layer: Conv2d | ConvTranspose2d) -> str:
    n_in, n_out, kernel = layer.sizes
    names = ("stride", "padding", "output_padding")
    options = "".join(f", {name}={getattr(layer, name)}" for name in names if hasattr(layer, name))
    options += "" if layer.bias is not None else ", bias=False"
    return f"{n_in}, {n_out}, {kernel}{options}"
