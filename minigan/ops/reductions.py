"""Reductions over axes. `axis` is None (all), an integer or a tuple, as in NumPy: negative ones count from the end."""

import math

from minigan import checks
from minigan.backend import Array
from minigan.engine.methods import Axis
from minigan.engine.tensor import Tensor, record
from minigan.ops.elementwise import exp, where
from minigan.ops.operands import Operand, axes_of, axis_of, floating, operand, wide

HALF = "e"  # NumPy's character for float16. A sum may overflow in it though the result fits, so sums are made in float32


def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over axes. Every element gets the sum's gradient."""
    x = wide("sum", x)
    if x._data.dtype.char == HALF:
        return sum(x.astype("float32"), axis, keepdims).astype("float16")
    axes = axes_of("sum", x, axis)
    return record("sum", x.data.sum(axes, keepdims=keepdims), (x, lambda g, y: _spread(g, x, axes)))


def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes; integers are averaged as float32."""
    x = floating("mean", x)
    axes = axes_of("mean", x, axis)
    n = count("mean", x, axes)
    return record("mean", x.data.mean(axes, keepdims=keepdims), (x, lambda g, y: _spread(g * (1.0 / n), x, axes)))


def var(x: Operand, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The variance over axes: sum (x - mean)^2 / (n - ddof), ddof = 0 as in NumPy. d/dx = 2 (x - mean) / (n - ddof)."""
    x = floating("var", x)
    if x._data.dtype.char == HALF:
        return var(x.astype("float32"), axis, ddof, keepdims).astype("float16")
    axes = axes_of("var", x, axis)
    n = _count_above(ddof, "var", x, axes)

    def derivative(g: Tensor, y: Tensor) -> Tensor:
        return _spread(g * (2.0 / (n - ddof)), x, axes) * (x - mean(x, axes, keepdims=True))

    return record("var", x.data.var(axes, ddof=ddof, keepdims=keepdims), (x, derivative))


def std(x: Operand, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation over axes, sqrt(var): |x - mean| / sqrt(n - ddof), where |.| is the length of `norm`.

    d/dx = (x - mean) / ((n - ddof) std), and 0 for a constant x, as the norm's at 0.
    """
    x = floating("std", x)
    if x._data.dtype.char == HALF:
        return std(x.astype("float32"), axis, ddof, keepdims).astype("float16")
    axes = axes_of("std", x, axis)
    n = _count_above(ddof, "std", x, axes)
    centred = x - mean(x, axes, keepdims=True)
    centred = centred - mean(centred, axes, keepdims=True)  # the mean is rounded: of a constant x, only this leaves exact 0s
    return norm(centred, axes, keepdims) / math.sqrt(n - ddof)


def max(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element over axes. Elements that tie share the gradient equally."""
    x = operand("max", x)
    axes = axes_of("max", x, axis)
    count("max", x, axes)
    return record("max", x.data.max(axes, keepdims=keepdims), (x, lambda g, y: _to_extremes(g, x, y, axes)))


def min(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element over axes. Elements that tie share the gradient equally."""
    x = operand("min", x)
    axes = axes_of("min", x, axis)
    count("min", x, axes)
    return record("min", x.data.min(axes, keepdims=keepdims), (x, lambda g, y: _to_extremes(g, x, y, axes)))


def prod(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over axes. Each element's derivative is the product of the others, also if some are zeros.

    For n factors, the backward pass forms an n x n matrix: row i has the factors, with 1 in place of factor i.
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


def cumsum(x: Operand, axis: int | None = None) -> Tensor:
    """Cumulative sums along an axis (None: of the flattened array). Element i is in all sums from i on."""
    x = wide("cumsum", x)
    if axis is None:
        return cumsum(x.reshape(-1), 0)
    i = axis_of("cumsum", x, axis)
    return record("cumsum", x.data.cumsum(i), (x, lambda g, y: cumsum(g.flip(i), i).flip(i)))


def norm(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The Euclidean length, sqrt(sum x^2), over axes: d/dx = x / |x|, and 0 if x = 0.

    It is also 0 if all squares round to 0: in float32, if no |x| is above 1e-23. If one is above 1e19 (in float64, 1e154), the
    length is infinite, with NumPy's warning.
    """
    x = floating("norm", x)
    if x._data.dtype.char == HALF:
        return norm(x.astype("float32"), axis, keepdims).astype("float16")
    axes = axes_of("norm", x, axis)

    def derivative(g: Tensor, y: Tensor) -> Tensor:
        length = y.reshape(_kept_shape(x, axes))
        return g.reshape(_kept_shape(x, axes)) * (x / where(length.data == 0, math.inf, length))  # at 0, all derivatives are 0

    return record("norm", x.xp.sqrt((x.data * x.data).sum(axes, keepdims=keepdims)), (x, derivative))


def logsumexp(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over axes. The largest element is subtracted first, against overflow. d/dx = softmax(x)."""
    x = floating("logsumexp", x)
    axes = axes_of("logsumexp", x, axis)
    count("logsumexp", x, axes)
    top = largest(x, axes)
    y = log_sum_exp(x - top, axes) + top
    return y if keepdims else y.squeeze(axes)


def largest(x: Tensor, axes: tuple[int, ...]) -> Array:
    """The largest element of each sum, to be subtracted; 0 where it is infinite. It counts as a constant."""
    top = x.data.max(axes, keepdims=True)
    return x.xp.where(x.xp.isfinite(top), top, 0)


def log_sum_exp(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """log(sum(exp(x))) if the largest x is 0. The reduced axes have size 1. d/dx = exp(x - y)."""
    data = x.xp.log(x.xp.exp(x.data).sum(axes, keepdims=True))
    return record("logsumexp", data, (x, lambda g, y: _spread(g, x, axes) * exp(x - y)))


# --- helpers of the reductions ------------------------------------------------------------------------------------------


def _kept_shape(x: Tensor, axes: tuple[int, ...]) -> tuple[int, ...]:
    """x's shape with the reduced axes of size 1, as with keepdims."""
    return tuple([1 if i in axes else n for i, n in enumerate(x.shape)])


def _spread(g: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The gradient of a reduction, repeated along the reduced axes, in x's shape."""
    return (g.reshape(_kept_shape(x, axes)) if g.ndim else g).broadcast_to(x.shape)


def _to_extremes(g: Tensor, x: Tensor, y: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The gradient of a maximum or minimum, split evenly among the elements that equal it."""
    share: Array = (x.data == y.data.reshape(_kept_shape(x, axes))).astype(x.dtype)
    share /= share.sum(axes, keepdims=True)
    return _spread(g, x, axes) * share


def count(name: str, x: Tensor, axes: tuple[int, ...]) -> int:
    """The number of elements in each result. Raises ValueError if it is 0."""
    n: int = x._data.size if len(axes) == x._data.ndim else math.prod(x.shape[i] for i in axes)
    if n == 0:
        raise ValueError(f"{name}: no elements along axes {axes} of shape {x.shape}")
    return n


def _count_above(ddof: int, name: str, x: Tensor, axes: tuple[int, ...]) -> int:
    """The number of elements in each result. Raises ValueError if it is not above ddof."""
    n = count(name, x, axes)
    if n <= checks.whole(name, "ddof", ddof, least=0):
        raise ValueError(f"{name}: ddof={ddof} needs more than {n} elements (shape {x.shape}, axes {axes})")
    return n
