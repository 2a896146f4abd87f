"""Batch normalisation as one op. Composed of other ops, it would read and write the images three times as often."""

from collections.abc import Callable
from typing import Any

from minigan import backend
from minigan.backend import Array
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
    mu = _sums(rows) / n
    centred = _wide(rows) - _per_pixel(mu, rows)
    rest = _sums(centred.reshape(rows.shape)) / n  # what rounding has left of the mean
    centred -= _per_pixel(rest, rows)
    x_mu = centred.reshape(rows.shape)
    variance = _sums(x_mu, x_mu) / n
    per_std = (variance + eps) ** -0.5  # 1 / sqrt(var + eps)
    scaled = centred * _per_pixel(weight.data * per_std, rows)
    scaled += _per_pixel(bias.data, rows)

    def d_x(g: Array) -> Array:
        dx = centred * _per_pixel(_sums(g, x_mu) * (-per_std * per_std / n), rows)
        dx += _wide(g)
        dx -= _per_pixel(_sums(g) / n, rows)
        dx *= _per_pixel(weight.data * per_std, rows)
        return _images(dx, x)

    def d_weight(g: Array) -> Array:
        return _sums(g, x_mu) * per_std

    def fast(derivative: Callable[[Array], Array], g: Tensor) -> Tensor:
        return Tensor(derivative(_rows(g.data)))

    y = record(
        "batch_norm",
        _images(scaled, x),
        (x, lambda g, y: plain_d_x(g, x, weight, eps) if mode.recording else fast(d_x, g)),
        (weight, lambda g, y: plain_d_weight(g, x, weight, eps) if mode.recording else fast(d_weight, g)),
        (bias, lambda g, y: plain_d_bias(g, x, weight, eps) if mode.recording else fast(_sums, g)),
    )
    return y, mu + rest, variance


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
    """(N, P, C) -> (N, P*C): NumPy is twice as fast on a few long rows as on many short ones."""
    return rows.reshape(len(rows), -1)


def _per_pixel(v: Array, rows: Array) -> Array:
    """A number for each channel, (C,), once for each of the P pixels: (P*C,)"""
    return backend.of(v).tile(v, rows.shape[1])


def _images(rows: Array, x: Tensor) -> Array:
    """(N, P*C) -> x's shape and dtype, the channels last in memory."""
    rows = rows.astype(x.dtype, copy=False)
    if x.ndim == 2:
        return rows.reshape(x.shape)
    rows = rows.reshape(x.shape[0], *x.shape[2:], x.shape[1])
    return rows.transpose(0, rows.ndim - 1, *range(1, rows.ndim - 1))


def _sums(a: Array, b: Array | None = None) -> Array:
    """(N, P, C) -> the sums over each channel of a, or of a * b, (C,): image by image, and then over the images.

    Several times as fast as `sum` over the first axes; and in one long sum, float32 would lose two digits more.
    """
    xp = backend.of(a)
    each = xp.ones(a.shape[1], a.dtype) @ a if b is None else xp.einsum("npc,npc->nc", a, b)
    return each.sum(axis=0)
