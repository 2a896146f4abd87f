"""Reductions over axes. `axis` is None (all), an integer or a tuple, negative ones counted from the end, as in NumPy."""

import math
from typing import Any

from minigan import checks
from minigan.backend import Array
from minigan.engine.tensor import Tensor, record
from minigan.ops.elementwise import exp, where
from minigan.ops.operands import axes_of, axis_of, floating, operand, wide

Axis = int | tuple[int, ...] | None
HALF = "e"  # NumPy's character for float16, in which sums are too large though the result fits: they are made in float32


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over axes: every element that was added gets the gradient of the sum."""
    x = wide("sum", x)
    if x._data.dtype.char == HALF:
        return sum(x.astype("float32"), axis, keepdims).astype("float16")
    axes = axes_of("sum", x, axis)
    return record("sum", x.data.sum(axes, keepdims=keepdims), (x, lambda g, y: _spread(g, x, axes)))


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes; integers are averaged as float32."""
    x = floating("mean", x)
    axes = axes_of("mean", x, axis)
    n = count("mean", x, axes)
    return record("mean", x.data.mean(axes, keepdims=keepdims), (x, lambda g, y: _spread(g * (1.0 / n), x, axes)))


def var(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The variance over axes: sum (x - mean)^2 / (n - ddof), ddof = 0 as in NumPy. d/dx = 2 (x - mean) / (n - ddof)."""
    x = floating("var", x)
    if x._data.dtype.char == HALF:
        return var(x.astype("float32"), axis, ddof, keepdims).astype("float16")
    axes = axes_of("var", x, axis)
    n = count("var", x, axes)
    if n <= checks.whole("var", "ddof", ddof, least=0):
        raise ValueError(f"var: ddof={ddof} needs more than {n} elements (shape {x.shape}, axis {axis})")

    def derivative(g: Tensor, y: Tensor) -> Tensor:
        return _spread(g * (2.0 / (n - ddof)), x, axes) * (x - mean(x, axes, keepdims=True))

    return record("var", x.data.var(axes, ddof=ddof, keepdims=keepdims), (x, derivative))


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element over axes; several that tie share the gradient equally."""
    x = operand("max", x)
    axes = axes_of("max", x, axis)
    count("max", x, axes)
    return record("max", x.data.max(axes, keepdims=keepdims), (x, lambda g, y: _to_extremes(g, x, y, axes)))


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element over axes; several that tie share the gradient equally."""
    x = operand("min", x)
    axes = axes_of("min", x, axis)
    count("min", x, axes)
    return record("min", x.data.min(axes, keepdims=keepdims), (x, lambda g, y: _to_extremes(g, x, y, axes)))


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over axes. Each element's derivative is the product of the others, right with any number of zeros.

    The backward pass forms, for n factors, the n x n table in which row i holds 1 in place of factor i.
    """
    x = wide("prod", x)
    axes = axes_of("prod", x, axis)

    def derivative(g: Tensor, y: Tensor) -> Tensor:
        kept = [i for i in range(x.ndim) if i not in axes]
        order = (*kept, *axes)
        n = math.prod(x.shape[i] for i in axes)
        rows = x.transpose(order).reshape((*(x.shape[i] for i in kept), 1, n))  # the factors as the last axis
        others = prod(where(x.xp.eye(n, dtype=bool), 1.0, rows), axis=-1).reshape(tuple([x.shape[i] for i in order]))
        return _spread(g, x, axes) * others.transpose(tuple([order.index(i) for i in range(x.ndim)]))

    return record("prod", x.data.prod(axes, keepdims=keepdims), (x, derivative))


def cumsum(x: Any, axis: int | None = None) -> Tensor:
    """Running sums along an axis (None: of the flattened array). Element i is in all sums from i on."""
    x = wide("cumsum", x)
    if axis is None:
        return cumsum(x.reshape(-1), 0)
    i = axis_of("cumsum", x, axis)
    return record("cumsum", x.data.cumsum(i), (x, lambda g, y: cumsum(g.flip(i), i).flip(i)))


def norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The Euclidean length, sqrt(sum x^2), over axes: d/dx = x / |x|, and 0 where x = 0.

    So it is where all squares round to 0: in float32, where no |x| is above 1e-23. Where one is above 1e19, the length is
    infinite, with NumPy's warning; in float64, above 1e154.
    """
    x = floating("norm", x)
    if x._data.dtype.char == HALF:
        return norm(x.astype("float32"), axis, keepdims).astype("float16")
    axes = axes_of("norm", x, axis)

    def derivative(g: Tensor, y: Tensor) -> Tensor:
        length = y.reshape(_kept_shape(x, axes))
        return g.reshape(_kept_shape(x, axes)) * (x / where(length.data == 0, math.inf, length))  # at 0, all derivatives are 0

    return record("norm", x.xp.sqrt((x.data * x.data).sum(axes, keepdims=keepdims)), (x, derivative))


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over axes, without overflow: the largest element is taken out first. d/dx = softmax(x)."""
    x = floating("logsumexp", x)
    axes = axes_of("logsumexp", x, axis)
    count("logsumexp", x, axes)
    top = largest(x, axes)
    y = log_sum_exp(x - top, axes) + top
    return y if keepdims else y.squeeze(axes)


def largest(x: Tensor, axes: tuple[int, ...]) -> Array:
    """The largest element of each sum: a constant that can be taken out. Infinite ones stay."""
    top = x.data.max(axes, keepdims=True)
    return x.xp.where(x.xp.isfinite(top), top, 0)


def log_sum_exp(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """log(sum(exp(x))) of numbers of which the largest is 0, with reduced axes of size 1. d/dx = exp(x - y)."""
    data = x.xp.log(x.xp.exp(x.data).sum(axes, keepdims=True))
    return record("logsumexp", data, (x, lambda g, y: _spread(g, x, axes) * exp(x - y)))


# --- what the reductions share ------------------------------------------------------------------------------------------


def _kept_shape(x: Tensor, axes: tuple[int, ...]) -> tuple[int, ...]:
    """x's shape with the reduced axes as 1: what keepdims gives."""
    return tuple([1 if i in axes else n for i, n in enumerate(x.shape)])


def _spread(g: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The gradient of a reduction, repeated along the reduced axes: to x's shape."""
    return (g.reshape(_kept_shape(x, axes)) if g.ndim else g).broadcast_to(x.shape)


def _to_extremes(g: Tensor, x: Tensor, y: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The gradient of a maximum or minimum, split evenly among the elements that attain it."""
    hit = (x.data == y.data.reshape(_kept_shape(x, axes))).astype(x.dtype)
    return _spread(g, x, axes) * (hit / hit.sum(axes, keepdims=True))


def count(name: str, x: Tensor, axes: tuple[int, ...]) -> int:
    """How many elements each result is made of; at least one."""
    n = math.prod(x.shape[i] for i in axes)
    if n == 0:
        raise ValueError(f"{name}: no elements along axes {axes} of shape {x.shape}")
    return n
