"""Batch normalisation as one op. Composed of other ops, it would read and write the images three times as often."""

import weakref
from typing import Any

from minigan import backend
from minigan.backend import Array, fused
from minigan.modes import mode
from minigan.ops.elementwise import sqrt
from minigan.ops.operands import tensors
from minigan.ops.reductions import mean, sum, var
from minigan.tensor import Tensor, record


def batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Tensor, Array, Array]:
    """y = weight x^ + bias, x^ = (x - mean) / sqrt(var + eps), with mean and (biased) variance of each channel over the rest.

    x (N, C, ...), weight and bias (C,). Returns y, and the arrays mean and var, (C,). With n numbers in each channel
    (Ioffe and Szegedy 2015, section 3):

    d/dbias = sum g        d/dweight = sum g x^        d/dx = weight / sqrt(var + eps) (g - d/dbias / n - x^ d/dweight / n)

    On arrays, in as few passes as possible; where the gradient is to be differentiated again, in ops (`plain_...`).
    """
    x, weight, bias = tensors("batch_norm", x, weight, bias)
    rows = _rows(x.data)
    n = rows.size // rows.shape[-1]
    total = backend.sums(rows)
    centred = _without(_wide(rows), _per_pixel(total, rows), n)
    left = backend.sums(centred.reshape(rows.shape))  # what rounding has left of the mean
    _take_out(centred, _per_pixel(left, rows), n)
    x_mu = centred.reshape(rows.shape)
    mean, variance, per_std, scale = _statistics(total, left, backend.sums(x_mu, x_mu), weight.data, n, eps)
    data = _scaled(centred, _per_pixel(scale, rows), _per_pixel(bias.data, rows))
    kept: list[Any] = []  # the gradient that came last, and its sums, which all three derivatives need

    def sums(g: Tensor) -> tuple[Array, Array, Array]:
        """g as rows, sum g, sum g (x - mean)"""
        g_rows = _rows(g.data)
        if not kept or kept[0]() is not g:
            kept[:] = [weakref.ref(g), backend.sums(g_rows), backend.sums(g_rows, x_mu)]
        return g_rows, kept[1], kept[2]

    def d_x(g: Tensor) -> Tensor:
        g_rows, sum_g, sum_gx = sums(g)
        slope, rest = _of_the_mean(sum_g, sum_gx, per_std, n)
        dx = _d_x(_wide(g_rows), centred, _per_pixel(slope, rows), _per_pixel(rest, rows), _per_pixel(scale, rows))
        return Tensor(_images(dx, x))

    y = record(
        "batch_norm",
        _images(data, x),
        (x, lambda g, y: plain_d_x(g, x, weight, eps) if mode.recording else d_x(g)),
        (weight, lambda g, y: plain_d_weight(g, x, weight, eps) if mode.recording else Tensor(sums(g)[2] * per_std)),
        (bias, lambda g, y: plain_d_bias(g, x, weight, eps) if mode.recording else Tensor(sums(g)[1])),
    )
    return y, mean, variance


@fused
def _without(x: Array, total: Array, n: int) -> Array:
    return x - total / n


@fused
def _take_out(x: Array, total: Array, n: int) -> None:
    x -= total / n


@fused
def _statistics(total: Array, left: Array, squares: Array, weight: Array, n: int, eps: float) -> tuple[Array, ...]:
    """Of each channel: mean, variance, 1 / sqrt(var + eps), and that times the weight."""
    variance = squares / n
    per_std = 1 / backend.of(total).sqrt(variance + eps)
    return total / n + left / n, variance, per_std, weight * per_std


@fused
def _scaled(x: Array, scale: Array, bias: Array) -> Array:
    y = x * scale
    y += bias
    return y


@fused
def _of_the_mean(sum_g: Array, sum_gx: Array, per_std: Array, n: int) -> tuple[Array, Array]:
    """What changes with x by way of the variance, for each (x - mean), and by way of the mean."""
    return sum_gx * (per_std * per_std) / n, sum_g / n


@fused
def _d_x(g: Array, x_mu: Array, slope: Array, rest: Array, scale: Array) -> Array:
    """scale (g - rest - slope x_mu)"""
    dx = x_mu * -slope
    dx += g
    dx -= rest
    dx *= scale
    return dx


# --- the same, plainly: what the fast form is tested against ------------------------------------------------------------


def plain_batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """y, composed of ops."""
    x_hat, _ = _normalised(x, eps)
    return _per_channel(weight, x) * x_hat + _per_channel(bias, x)


def plain_d_x(g: Tensor, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """weight / sqrt(var + eps) (g - mean g - x^ mean(g x^))"""
    x_hat, std = _normalised(x, eps)
    axes = _all_but_channels(x)
    inner = g - mean(g, axes, keepdims=True) - x_hat * mean(g * x_hat, axes, keepdims=True)
    return _per_channel(weight, x) / std * inner


def plain_d_weight(g: Tensor, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """sum g x^"""
    return sum(g * _normalised(x, eps)[0], _all_but_channels(x))


def plain_d_bias(g: Tensor, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """sum g"""
    return sum(g, _all_but_channels(x))


def _normalised(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """x^ and sqrt(var + eps)."""
    axes = _all_but_channels(x)
    std = sqrt(var(x, axes, keepdims=True) + eps)
    return (x - mean(x, axes, keepdims=True)) / std, std


def _per_channel(v: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...), to be broadcast over x."""
    return v.reshape(1, -1, *[1] * (x.ndim - 2))


def _all_but_channels(x: Tensor) -> tuple[int, ...]:
    return tuple(i for i in range(x.ndim) if i != 1)


# --- arrays with the channels last --------------------------------------------------------------------------------------


def _rows(x: Array) -> Array:
    """(N, C, ...) -> (N, P, C), (N, C) -> (1, N, C): no copy where the channels lie last in memory. At least float32."""
    if x.dtype == "float16":  # the sum of a few hundred numbers can be too large for it
        x = x.astype("float32")
    return x.reshape(*x.shape[:2], -1).transpose(0, 2, 1) if x.ndim > 2 else x[None]


def _wide(rows: Array) -> Array:
    """(N, P, C) -> (N, P*C) for NumPy, which is twice as fast on a few long rows as on many short ones."""
    return rows.reshape(len(rows), -1) if backend.pieces_pay(rows) else rows


def _per_pixel(v: Array, rows: Array) -> Array:
    """A number for each channel, (C,), once for each of the P pixels where rows are wide: (P*C,)"""
    return backend.of(v).tile(v, rows.shape[1]) if backend.pieces_pay(rows) else v


def _images(rows: Array, x: Tensor) -> Array:
    """(N, P, C) or (N, P*C) -> x's shape and dtype, the channels last in memory."""
    rows = rows.astype(x.dtype, copy=False)
    if x.ndim == 2:
        return rows.reshape(x.shape)
    rows = rows.reshape(x.shape[0], *x.shape[2:], x.shape[1])
    return rows.transpose(0, rows.ndim - 1, *range(1, rows.ndim - 1))
