"""Pooling and upsampling of images (N, C, H, W). They are compositions of slices, so their derivatives need no code."""

from minigan.engine.tensor import Tensor
from minigan.ops.convolution import Pair, Windows, pair_of
from minigan.ops.operands import Operand, floating, operand
from minigan.ops.reductions import max
from minigan.ops.shaping import broadcast_to, pad, reshape, stack


def max_pool2d(x: Operand, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Tensor:
    """The largest pixel of each window. Pixels that tie share the gradient equally.

    Args:
        x: (N, C, H, W).
        kernel_size, stride (None: the kernel's size, so that windows do not overlap): one integer, or two.
        padding: on both sides, at most half the kernel. A padded pixel is never the largest.

    Returns (N, C, OH, OW), OH = floor((H + 2 padding - KH) / stride) + 1.
    """
    return max(stack(_taps("max_pool2d", floating("max_pool2d", x), kernel_size, stride, padding, -float("inf"))), axis=0)


def avg_pool2d(x: Operand, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Tensor:
    """The mean of each window, padded zeros included. Arguments and result as for `max_pool2d`."""
    x = floating("avg_pool2d", x)
    if x.dtype == "float16":  # the sum may overflow in it
        return avg_pool2d(x.astype("float32"), kernel_size, stride, padding).astype("float16")
    taps = _taps("avg_pool2d", x, kernel_size, stride, padding, 0.0)
    total = taps[0]
    for tap in taps[1:]:
        total = total + tap
    return total * (1.0 / len(taps))


def upsample2d(x: Operand, scale: Pair = 2) -> Tensor:
    """Every pixel repeated `scale` times along height and width (nearest neighbour): (N, C, H, W) -> (N, C, H s, W s)."""
    x = _images("upsample2d", operand("upsample2d", x))
    (n, c, h, w), (sh, sw) = x.shape, pair_of("upsample2d", "scale", scale, least=1)
    return reshape(broadcast_to(reshape(x, n, c, h, 1, w, 1), (n, c, h, sh, w, sw)), n, c, h * sh, w * sw)


def _taps(name: str, x: Tensor, kernel_size: Pair, stride: Pair | None, padding: Pair, border: float) -> list[Tensor]:
    """For each position in the window, an (N, C, OH, OW) image: the pixels at this position of all windows."""
    _images(name, x)
    kernel = pair_of(name, "kernel_size", kernel_size, least=1)
    steps = kernel if stride is None else pair_of(name, "stride", stride, least=1)
    ph, pw = pair_of(name, "padding", padding, least=0)
    if 2 * ph > kernel[0] or 2 * pw > kernel[1]:
        raise ValueError(f"{name}: padding {padding} is more than half of kernel_size {kernel}")
    windows = Windows(kernel, steps, (ph, pw), (1, 1))
    counts = windows.counts(x.shape[2:])
    if min(counts) < 1 or 0 in x.shape[2:]:
        raise ValueError(f"{name}: a window of {kernel} does not fit on x {x.shape} with padding {(ph, pw)}")
    padded = pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)], border) if ph or pw else x
    return [padded[:, :, rows, cols] for _, _, rows, cols in windows.taps(counts)]


def _images(name: str, x: Tensor) -> Tensor:
    if x.ndim != 4:
        raise ValueError(f"{name}: x has shape {x.shape}; expected images, (N, C, H, W)")
    return x
