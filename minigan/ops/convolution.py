"""Convolution in two dimensions, on images (N, C, H, W), and its transpose.

Three functions are each other's derivatives. With Y = conv(X, W), linear in X and in W:
    dX = input_grad(G, W)      every output pixel passes its gradient back to the window that it came from
    dW = weight_grad(X, G)     every weight sums, over all windows, pixel times gradient
The derivatives of input_grad are conv and weight_grad; those of weight_grad are input_grad and conv. So all higher derivatives
need no further code. `conv_transpose2d` is input_grad itself.

In memory images have their channels last, (N, H, W, C) behind an (N, C, H, W) view: a window is then a few long runs.
"""

import functools
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from minigan import backend
from minigan.backend import Array, cupy_im2col, threads
from minigan.engine.tensor import Derivative, Tensor, record
from minigan.ops.operands import Operand, floating, pair

Pair = int | tuple[int, int]
Size = tuple[int, ...]  # (height, width), such as x.shape[2:]
Around = tuple[tuple[int, int], tuple[int, int]]
CHUNK = 2 << 20  # bytes of im2col's columns that a core processes at a time
SUMS = 16  # weight gradients of chunks in memory, at most


@dataclass(frozen=True)
class Windows:
    """A kernel's windows on an image, as (height, width): kernel size, step, zeros on both sides, distance between taps."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    def effective_kernel_size(self) -> tuple[int, int]:
        """How many pixels one window spans."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def zeros(self) -> Around:
        """The number of zeros around an image: (above, below), (left, right)."""
        ph, pw = self.padding
        return (ph, ph), (pw, pw)

    def counts(self, size: Size, around: Around | None = None) -> tuple[int, int]:
        """How many windows fit on an image of this size. Pixels that the stride leaves over at the end are in no window."""
        (h, w), ((above, below), (left, right)) = size, around or self.zeros()
        (kh, kw), (sh, sw) = self.effective_kernel_size(), self.stride
        return (above + h + below - kh) // sh + 1, (left + w + right - kw) // sw + 1

    def taps(self, counts: tuple[int, int]) -> Iterator[tuple[int, int, slice, slice]]:
        """For each kernel position (i, j): the rows and the columns of the padded image under it, one for each window."""
        (sh, sw), (dh, dw), (oh, ow) = self.stride, self.dilation, counts
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                yield i, j, slice(i * dh, i * dh + sh * oh, sh), slice(j * dw, j * dw + sw * ow, sw)


# --- the ops ------------------------------------------------------------------------------------------------------------


def conv2d(
    x: Operand, weight: Operand, bias: Operand | None = None, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Tensor:
    """y[n, o, p, q] = b[o] + sum over c, i, j of x[n, c, p stride + i dilation, q stride + j dilation] w[o, c, i, j].

    Args:
        x: (N, C, H, W). weight: (O, C, KH, KW). bias: (O,) or None.
        stride, padding (zeros on both sides), dilation: one integer, or two, for height and width.

    Returns (N, O, OH, OW), OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1. Raises ValueError if the shapes
    do not fit.
    """
    x, weight = _images_and_kernels("conv2d", x, weight, channels=1)
    windows = _windows("conv2d", weight, stride, padding, dilation)
    if min(windows.counts(x.shape[2:])) < 1:
        raise ValueError(
            f"conv2d: a window of {windows.effective_kernel_size()} does not fit on x {x.shape} with padding {windows.padding}"
        )
    return _conv(x, weight, windows, _bias("conv2d", bias, weight.shape[0], x))


def conv_transpose2d(
    x: Operand, weight: Operand, bias: Operand | None = None, stride: Pair = 1, padding: Pair = 0, output_padding: Pair = 0
) -> Tensor:
    """The transpose of conv2d: every pixel of x adds the kernel, times the pixel's value, to the output.

    Args:
        x: (N, C, H, W). weight: (C, O, KH, KW). bias: (O,) or None.
        stride, padding: those of the convolution of which this is the transpose.
        output_padding: the number of additional rows and columns at the end, less than the stride. A strided convolution maps
            images of several sizes to one size; this chooses the size to return to.

    Returns (N, O, OH, OW), OH = (H - 1) stride - 2 padding + KH + output_padding.
    """
    x, weight = _images_and_kernels("conv_transpose2d", x, weight, channels=0)
    windows = _windows("conv_transpose2d", weight, stride, padding, 1)
    extra = pair_of("conv_transpose2d", "output_padding", output_padding, least=0)
    if any(e >= s for e, s in zip(extra, windows.stride, strict=True)):
        raise ValueError(f"conv_transpose2d: output_padding {extra} must be smaller than stride {windows.stride}")
    height_and_width = zip(x.shape[2:], windows.stride, windows.padding, windows.kernel, extra, strict=True)
    size = tuple((n - 1) * s - 2 * p + k + e for n, s, p, k, e in height_and_width)
    if min(size) < 1:
        raise ValueError(f"conv_transpose2d: x {x.shape} with padding {windows.padding} leaves an output of size {size}")
    return _conv_input_grad(x, weight, windows, size, _bias("conv_transpose2d", bias, weight.shape[1], x))


# --- three functions, each the others' derivative -----------------------------------------------------------------------


def _conv(x: Tensor, weight: Tensor, windows: Windows, bias: Tensor | None = None) -> Tensor:
    return _record_with_bias(
        "conv2d",
        _conv_array(x.data, weight.data, windows),
        bias,
        (x, lambda g, y: _conv_input_grad(g, weight, windows, x.shape[2:])),
        (weight, lambda g, y: _conv_weight_grad(x, g, windows)),
    )


def _conv_input_grad(g: Tensor, weight: Tensor, windows: Windows, size: Size, bias: Tensor | None = None) -> Tensor:
    return _record_with_bias(
        "conv_transpose2d",
        _input_grad_array(g.data, weight.data, windows, size),
        bias,
        (g, lambda h, y: _conv(h, weight, windows)),
        (weight, lambda h, y: _conv_weight_grad(h, g, windows)),
    )


def _record_with_bias(name: str, y: Array, bias: Tensor | None, *inputs: tuple[Tensor, Derivative]) -> Tensor:
    """Record an op with output y (N, O, OH, OW), plus a bias (O,). The bias's gradient is the sum over all but the channels."""
    if bias is None:
        return record(name, y, *inputs)
    b = bias.data[:, None, None]
    y = backend.of(y).add(y, b, out=y if _dtype(y, b) == y.dtype else None)
    return record(name, y, *inputs, (bias, lambda g, y: g.sum((0, 2, 3))))


def _conv_weight_grad(x: Tensor, g: Tensor, windows: Windows) -> Tensor:
    return record(
        "conv2d's weight gradient",
        _weight_grad_array(x.data, g.data, windows),
        (x, lambda h, y: _conv_input_grad(g, h, windows, x.shape[2:])),
        (g, lambda h, y: _conv(x, h, windows)),
    )


# --- the same three on arrays, as matrix products -----------------------------------------------------------------------


def _conv_array(x: Array, weight: Array, windows: Windows) -> Array:
    """x (N, C, H, W), weight (O, C, KH, KW) -> (N, O, OH, OW)"""
    (oh, ow), o, matrix = windows.counts(x.shape[2:]), len(weight), _matrix(weight)
    y = backend.of(x).empty((len(x), oh, ow, o), dtype=_dtype(x, weight))

    def fill(chunk: slice) -> None:
        backend.of(x).matmul(im2col(x[chunk], windows), matrix, out=y[chunk].reshape(-1, o))

    threads.over(_chunks(x, oh * ow * len(matrix)), fill)
    return y.transpose(0, 3, 1, 2)


def _weight_grad_array(x: Array, g: Array, windows: Windows) -> Array:
    """x (N, C, H, W), g (N, O, OH, OW) -> (O, C, KH, KW)"""
    (kh, kw), c, o = windows.kernel, x.shape[1], g.shape[1]
    chunks = _chunks(x, g.shape[2] * g.shape[3] * kh * kw * c)
    groups = [chunks[group] for group in threads.pieces(len(chunks), min(len(chunks), SUMS))]

    def weight_grad(group: list[slice]) -> Array:
        return functools.reduce(operator.iadd, (im2col(x[chunk], windows).T @ _rows(g[chunk]) for chunk in group))

    w = functools.reduce(operator.iadd, threads.over(groups, weight_grad))
    return w.reshape(kh, kw, c, o).transpose(3, 2, 0, 1)  # from (KH*KW*C, O)


def _input_grad_array(g: Array, weight: Array, windows: Windows, size: Size) -> Array:
    """g (N, O, OH, OW), weight (O, C, KH, KW) -> (N, C, H, W)"""
    blocks = windows.dilation == (1, 1) and all(p < k for p, k in zip(windows.padding, windows.kernel, strict=True))
    if blocks and backend.chunking_pays(g):
        (th, *_, vh, _), (tw, *_, vw, _) = _axes(windows, size, g.shape[2:])
        in_blocks, by_adding = th * vh * tw * vw * math.prod(windows.stride), math.prod(windows.kernel) * math.prod(g.shape[2:])
        more = (in_blocks - by_adding) * g.shape[1]  # multiplications, for each channel of an image
        # To add one of the columns' numbers to its pixel costs as much as 64 multiplications; of one or two channels, less.
        blocks = weight.shape[1] > 2 and more < 64 * by_adding
    return (_input_grad_by_blocks if blocks else _input_grad_by_adding)(g, weight, windows, size)


def _input_grad_by_adding(g: Array, weight: Array, windows: Windows, size: Size) -> Array:
    """The windows' columns, added to the pixels that they came from."""
    (n, _, oh, ow), c, (h, w), (ph, pw) = g.shape, weight.shape[1], size, windows.padding
    matrix = _matrix(weight).T
    x = backend.of(g).zeros((n, h + 2 * ph, w + 2 * pw, c), dtype=_dtype(g, weight))

    def add(chunk: slice) -> None:
        columns = (_rows(g[chunk]) @ matrix).reshape(-1, oh, ow, *windows.kernel, c)
        for i, j, rows, cols in windows.taps((oh, ow)):
            x[chunk, rows, cols] += columns[:, :, :, i, j]

    threads.over(_chunks(g, oh * ow * matrix.shape[1]), add)
    return x[:, ph : ph + h, pw : pw + w].transpose(0, 3, 1, 2)


def _input_grad_by_blocks(g: Array, weight: Array, windows: Windows, size: Size) -> Array:
    """The same without additions in memory. The kernel is cut into T blocks of one stride s. Then, along each axis,

    x[s v + i] = sum over t of g[v - t] w[s t + i]: an ordinary convolution of g whose every output is s x s pixels.
    """
    (n, o, oh, ow), c, (sh, sw) = g.shape, weight.shape[1], windows.stride
    (th, top, bottom, vh, skip_h), (tw, left, right, vw, skip_w) = _axes(windows, size, (oh, ow))
    matrix = backend.of(g).empty((th, tw, o, sh, sw, c), dtype=weight.dtype)
    blocks, fill = matrix[::-1, ::-1], ((0, th * sh - windows.kernel[0]), (0, tw * sw - windows.kernel[1]))
    one_stride = Windows((sh, sw), (sh, sw), (0, 0), (1, 1))
    _taps(weight, one_stride, fill, out=blocks.transpose(2, 0, 1, 3, 4, 5))  # v - t: the last block comes first
    matrix = matrix.reshape(th * tw * o, sh * sw * c)
    ones = Windows((th, tw), (1, 1), (0, 0), (1, 1))
    x = backend.of(g).empty((n, vh, sh, vw, sw, c), dtype=_dtype(g, weight))

    def paint(chunk: slice) -> None:
        columns = im2col(g[chunk], ones, ((top, bottom), (left, right)))  # (N*VH*VW, TH*TW*O)
        x[chunk] = (columns @ matrix).reshape(-1, vh, vw, sh, sw, c).transpose(0, 1, 3, 2, 4, 5)

    threads.over(_chunks(g, vh * vw * len(matrix)), paint)
    x = x.reshape(n, vh * sh, vw * sw, c)
    return x[:, skip_h : skip_h + size[0], skip_w : skip_w + size[1]].transpose(0, 3, 1, 2)


def _chunks(images: Array, numbers: int) -> list[slice]:
    """Chunks of images whose columns fit a core's cache. This takes at most half as long as all images at once.

    numbers: the size of one image's columns.
    """
    n = len(images)
    if not backend.chunking_pays(images):
        return [slice(0, n)]
    return threads.pieces(n, max(1, n // max(1, CHUNK // max(1, numbers * images.itemsize))))


def _axes(windows: Windows, size: Size, counts: Size) -> list[tuple[int, int, int, int, int]]:
    """`_blocks` of the rows and of the columns."""
    axes = zip(windows.kernel, windows.stride, windows.padding, size, counts, strict=True)
    return [_blocks(*axis) for axis in axes]


def _blocks(k: int, s: int, p: int, size: int, windows: int) -> tuple[int, int, int, int, int]:
    """Along one axis: the number T of blocks, the zeros before and after g, the number of v, the pixels before the image."""
    t, first, last = -(-k // s), p // s, (p + size - 1) // s  # the image is p ... p + size - 1 of the padded one
    return t, t - 1 - first, last - (windows - 1), last - first + 1, p - s * first


def im2col(x: Array, windows: Windows, around: Around | None = None) -> Array:
    """Every window as a row: (N, C, H, W) -> (N*OH*OW, KH*KW*C)

    `around`: the number of zeros (above, below), (left, right); by default, the windows' padding.
    """
    taps = _taps(x, windows, around or windows.zeros())
    return taps.reshape(math.prod(taps.shape[:3]), math.prod(taps.shape[3:]))  # copies, in runs of kw * c if the dilation is 1


def _taps(x: Array, windows: Windows, around: Around, out: Array | None = None) -> Array:
    """Every window: (N, C, H, W) -> (N, OH, OW, KH, KW, C). Without `out`, to write them to, NumPy's result is a view."""
    (n, c, *size), (sh, sw), (dh, dw) = x.shape, windows.stride, windows.dilation
    rows, columns = around
    shape = n, *windows.counts(tuple(size), around), *windows.kernel, c
    if not backend.chunking_pays(x):
        y = backend.of(x).empty(shape, x.dtype) if out is None else out
        return cupy_im2col.im2col(x, y, (rows[0], columns[0]), windows.stride, windows.dilation)
    x = _zeros_around(x, rows, columns)
    of_image, of_channel, of_row, of_pixel = x.strides
    strides = (of_image, sh * of_row, sw * of_pixel, dh * of_row, dw * of_pixel, of_channel)
    taps: Array = backend.of(x).lib.stride_tricks.as_strided(x, shape, strides)
    if out is not None:
        out[...] = taps
    return taps


def _zeros_around(x: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """(N, C, H, W) -> (N, C, H + rows, W + columns), with zeros before and after, channels last in memory."""
    (n, c, h, w), channels_last = x.shape, x.transpose(0, 2, 3, 1)
    if not any(rows + columns) and channels_last.flags.c_contiguous:
        return x
    padded = backend.of(x).zeros((n, h + sum(rows), w + sum(columns), c), dtype=x.dtype)
    padded[:, rows[0] : rows[0] + h, columns[0] : columns[0] + w] = channels_last
    return padded.transpose(0, 3, 1, 2)


def _dtype(a: Array, b: Array) -> Any:
    """The dtype of a product of floats: the wider one."""
    return backend.of(a).promote_types(a.dtype, b.dtype)


def _rows(g: Array) -> Array:
    """Every output pixel as a row: (N, O, OH, OW) -> (N*OH*OW, O)"""
    return g.transpose(0, 2, 3, 1).reshape(-1, g.shape[1])


def _matrix(weight: Array) -> Array:
    """The kernels as columns: (O, C, KH, KW) -> (KH*KW*C, O)"""
    return weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))


# --- arguments ----------------------------------------------------------------------------------------------------------


def _images_and_kernels(name: str, x: Operand, weight: Operand, channels: int) -> tuple[Tensor, Tensor]:
    """x and weight as Tensors of four axes; `channels` is the weight's axis of x's channels."""
    x, weight = pair(name, x, weight)
    if x.ndim != 4 or weight.ndim != 4 or 0 in weight.shape or x.shape[1] != weight.shape[channels]:
        layout = "(O, C, KH, KW)" if channels else "(C, O, KH, KW)"
        raise ValueError(f"{name}: x {x.shape} and weight {weight.shape} do not fit; expected (N, C, H, W) and {layout}")
    return floating(name, x), floating(name, weight)


def _bias(name: str, bias: Operand | None, channels: int, x: Tensor) -> Tensor | None:
    """The bias as a Tensor of floats."""
    if bias is None:
        return None
    _, bias = pair(name, x, bias)
    if bias.shape != (channels,):
        raise ValueError(f"{name}: bias {bias.shape} does not fit the output's {channels} channels; expected ({channels},)")
    return bias


def _windows(name: str, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Windows:
    _, _, kh, kw = weight.shape
    return Windows(
        (kh, kw),
        pair_of(name, "stride", stride, least=1),
        pair_of(name, "padding", padding, least=0),
        pair_of(name, "dilation", dilation, least=1),
    )


def pair_of(name: str, what: str, value: Pair, least: int) -> tuple[int, int]:
    """One integer, or two, as (height, width)."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or any(isinstance(v, bool) or not isinstance(v, Integral) or not least <= v < 2**31 for v in both):
        raise ValueError(f"{name}: {what} is {value!r}; expected one integer, or two, of at least {least} (and below 2**31)")
    return int(both[0]), int(both[1])
