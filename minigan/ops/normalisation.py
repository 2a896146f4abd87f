"""Batch normalisation as one op. Composed of other ops, it would read and write the images three times as often."""

from minigan import backend
from minigan.backend import Array, fused, threads
from minigan.engine.modes import mode
from minigan.engine.shared_derivative import record_shared
from minigan.engine.tensor import Tensor, record
from minigan.ops.elementwise import sqrt
from minigan.ops.operands import Operand, tensors
from minigan.ops.reductions import mean, sum, var


def batch_norm(
    x: Operand, weight: Operand, bias: Operand, eps: float, running: tuple[Array, Array] | None = None, momentum: float = 0.1
) -> tuple[Tensor, Array, Array]:
    """y = weight x^ + bias, x^ = (x - mean) / sqrt(var + eps), with the mean and the (biased) variance of each channel.

    x (N, C, ...), weight and bias (C,). Returns y, and the arrays mean and var, (C,). `running`: averages of mean and of the
    unbiased variance, (C,), which are changed in place: running <- (1 - momentum) running + momentum batch. No gradient depends
    on them. With n numbers in each channel (Ioffe and Szegedy 2015, section 3):

    d/dbias = sum g        d/dweight = sum g x^        d/dx = weight / sqrt(var + eps) (g - d/dbias / n - x^ d/dweight / n)

    The gradients are computed on arrays, in as few passes as possible. Gradients that can be differentiated again are computed
    by ops (`plain_...`).
    """
    x, weight, bias = tensors("batch_norm", x, weight, bias)
    rows = _rows(x.data)
    n = rows.size // rows.shape[-1]
    total = _sums(rows)
    wide = _less_mean(_wide(rows), _per_pixel(total, rows), n)
    centred = wide.reshape(rows.shape)
    left_over = _sums(centred)  # not quite 0, since the mean is rounded: `_statistics` corrects for it
    squares = _sums(centred, centred)
    found = total, left_over, squares, weight.data, bias.data
    if running is None:
        statistics = _statistics(*found, n, eps)
    else:
        statistics = _statistics_and_running(*found, *running, n, eps, 1 - momentum, momentum, n / (n - 1))
    mean, variance, offset, per_std, scale, shift = statistics

    def derivatives(g: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """d/dx, d/dweight and d/dbias."""
        if mode.recording:
            return plain_d_x(g, x, weight, eps), plain_d_weight(g, x, weight, eps), plain_d_bias(g, x, weight, eps)
        rows_of_g = _rows(g.data)
        d_bias, d_weight, rest, slope = _gradient_sums(_sums(rows_of_g), _sums(rows_of_g, centred), offset, per_std, n)
        dx = _d_x(_wide(rows_of_g), wide, _per_pixel(rest, rows), _per_pixel(slope, rows), _per_pixel(scale, rows))
        arrays = _images(dx, x), d_weight, d_bias
        return tuple([record("batch_norm's gradient", array) for array in arrays])

    data = _images(_scaled(wide, _per_pixel(scale, rows), _per_pixel(shift, rows)), x)
    y = record_shared("batch_norm", data, (x, weight, bias), derivatives)
    return y, mean, variance


@fused
def _less_mean(x: Array, total: Array, n: int) -> Array:
    return x - total / n


@fused
def _statistics(
    total: Array, left_over: Array, squares: Array, weight: Array, bias: Array, n: int, eps: float
) -> tuple[Array, ...]:
    """Of each channel: the mean, the variance, the offset of x - mean, 1 / sqrt(var + eps); y = scale (x - mean) + shift."""
    xp, offset = backend.of(total), left_over / n
    variance = xp.maximum(squares / n - offset * offset, 0)  # rounding can make a constant channel's variance negative
    per_std = 1 / xp.sqrt(variance + eps)
    scale = weight * per_std
    return total / n + offset, variance, offset, per_std, scale, bias - scale * offset


@fused
def _statistics_and_running(
    total: Array,
    left_over: Array,
    squares: Array,
    weight: Array,
    bias: Array,
    running_mean: Array,
    running_var: Array,
    n: int,
    eps: float,
    keep: float,
    take: float,
    unbiased: float,
) -> tuple[Array, ...]:
    """`_statistics`, and the running averages in the same kernel."""
    found = _statistics(total, left_over, squares, weight, bias, n, eps)
    mean, variance, *_ = found
    running_mean *= keep
    running_mean += take * mean.astype(running_mean.dtype)
    running_var *= keep
    running_var += take * (unbiased * variance).astype(running_var.dtype)
    return found


@fused
def _scaled(x: Array, scale: Array, shift: Array) -> Array:
    y: Array = x * scale
    y += shift
    return y


@fused
def _gradient_sums(sum_g: Array, sum_gx: Array, offset: Array, per_std: Array, n: int) -> tuple[Array, ...]:
    """d/dbias, d/dweight, and rest and slope in d/dx = scale (g - rest - slope x), for centred x: x^ = (x - offset) per_std."""
    d_weight = (sum_gx - offset * sum_g) * per_std
    slope = d_weight * per_std / n
    return sum_g, d_weight, sum_g / n - slope * offset, slope


@fused
def _d_x(g: Array, x: Array, rest: Array, slope: Array, scale: Array) -> Array:
    """scale (g - rest - slope x)"""
    dx: Array = x * -slope
    dx += g
    dx -= rest
    dx *= scale
    return dx


# --- the same in ops, for gradients that are differentiated again -------------------------------------------------------


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
    """(N, C, ...) -> (N, P, C), (N, C) -> (1, N, C): no copy if the channels are last in memory. At least float32."""
    if x.dtype == "float16":  # a sum of a few hundred numbers can overflow in it
        x = x.astype("float32")
    return x.reshape(*x.shape[:2], -1).transpose(0, 2, 1) if x.ndim > 2 else x[None]


def _wide(rows: Array) -> Array:
    """(N, P, C) -> (N, P*C) for NumPy, which is twice as fast on few long rows as on many short ones."""
    return rows.reshape(len(rows), -1) if backend.chunking_pays(rows) else rows


def _per_pixel(v: Array, rows: Array) -> Array:
    """A number for each channel, (C,), repeated for the P pixels of wide rows: (P*C,)"""
    return backend.of(v).tile(v, rows.shape[1]) if backend.chunking_pays(rows) else v


def _images(rows: Array, x: Tensor) -> Array:
    """(N, P, C) or (N, P*C) -> x's shape and dtype, with the channels last in memory."""
    rows = rows.astype(x.dtype, copy=False)
    if x.ndim == 2:
        return rows.reshape(x.shape)
    rows = rows.reshape(x.shape[0], *x.shape[2:], x.shape[1])
    return rows.transpose(0, rows.ndim - 1, *range(1, rows.ndim - 1))


def _sums(a: Array, b: Array | None = None) -> Array:
    """(N, P, C) -> the sums of a, or of a * b, over all but the last axis: (C,).

    NumPy sums each image, and then over the images. This is several times as fast as `sum` over the first axes, and in one long
    sum float32 would lose two more digits.
    """
    if not backend.chunking_pays(a):
        return a.sum((0, 1)) if b is None else _sum_of_products(a, b)
    xp = backend.of(a)
    with threads.one_blas_thread:
        of_images = xp.ones(a.shape[1], a.dtype) @ a if b is None else xp.einsum("npc,npc->nc", a, b)
    sums: Array = of_images.sum(axis=0)
    return sums


@fused
def _sum_of_products(a: Array, b: Array) -> Array:
    return backend.of(a).sum(a * b, axis=(0, 1))
