"""Elementwise functions. g is the gradient that arrives at the output y. A derivative that has y reuses the forward result."""

import math

from minigan import backend
from minigan.backend import Array, fused
from minigan.engine.tensor import Tensor, record
from minigan.ops.operands import Operand, check_broadcast, floating, operand, operands, tensors, wide


def exp(x: Operand) -> Tensor:
    """e to the power x; the derivative is the output itself."""
    x = floating("exp", x)
    return record("exp", x.xp.exp(x.data), (x, lambda g, y: g * y))


def expm1(x: Operand) -> Tensor:
    """e to the power x, minus 1, exact for small x."""
    x = floating("expm1", x)
    return record("expm1", x.xp.expm1(x.data), (x, lambda g, y: g * (y + 1.0)))


def log(x: Operand) -> Tensor:
    """The natural logarithm. It is -inf at 0 and nan below, with NumPy's warning."""
    x = floating("log", x)
    return record("log", x.xp.log(x.data), (x, lambda g, y: g / x))


def log1p(x: Operand) -> Tensor:
    """log(1 + x), exact for small x."""
    x = floating("log1p", x)
    return record("log1p", x.xp.log1p(x.data), (x, lambda g, y: g / (1.0 + x)))


def sqrt(x: Operand) -> Tensor:
    """The square root. The gradient at 0 is infinite."""
    x = floating("sqrt", x)
    return record("sqrt", x.xp.sqrt(x.data), (x, lambda g, y: g / (2.0 * y)))


def square(x: Operand) -> Tensor:
    """x * x."""
    x = wide("square", x)
    return record("square", x.data * x.data, (x, lambda g, y: g * (2.0 * x)))


def abs(x: Operand) -> Tensor:
    """|x|; the derivative at 0 is 0."""
    x = wide("abs", x)
    return record("abs", x.xp.abs(x.data), (x, lambda g, y: g * sign(x)))


def sign(x: Operand) -> Tensor:
    """-1, 0 or 1, and nan for nan; the derivative is 0 everywhere."""
    x = operand("sign", x)
    return record("sign", _sign(x.data), (x, lambda g, y: Tensor._of(y.xp.zeros_like(y.data))))


@fused
def _sign(x: Array) -> Array:
    xp = backend.of(x)
    return xp.where(x == x, xp.sign(x), x)  # nan for nan: not every backend's sign is


def sin(x: Operand) -> Tensor:
    """The sine of x in radians."""
    x = floating("sin", x)
    return record("sin", x.xp.sin(x.data), (x, lambda g, y: g * cos(x)))


def cos(x: Operand) -> Tensor:
    """The cosine of x in radians."""
    x = floating("cos", x)
    return record("cos", x.xp.cos(x.data), (x, lambda g, y: -g * sin(x)))


def tanh(x: Operand) -> Tensor:
    """The hyperbolic tangent; d tanh = 1 - tanh^2."""
    x = floating("tanh", x)
    return record("tanh", x.xp.tanh(x.data), (x, lambda g, y: g * (1.0 - y * y)))


def power(x: Operand, p: Operand) -> Tensor:
    """x to the power p, elementwise: d/dx = p x^(p - 1), d/dp = y log x.

    x^0 is 1 with derivative 0, also at x = 0. d/dp is 0 at x = 0 and nan for x < 0, where no derivative exists.
    """
    if isinstance(p, int | float):
        return _power_of_number(x, p)
    x, p = operands("power", x, p)

    def d_x(g: Tensor, y: Tensor) -> Tensor:
        """p x^(p - 1). If p is 0, x^(p - 1) may be infinite, so then it is y p / x, and y p / inf at x = 0."""
        is_zero = p.data == 0
        quotient = p / where(is_zero, where(x.data == 0, math.inf, x), 1.0)
        return g * where(is_zero, y * quotient, p * power(x, where(is_zero, 1.0, p - 1.0)))

    return record("power", x.data**p.data, (x, d_x), (p, lambda g, y: g * y * log(where(x.data == 0, 1.0, x))))


def _power_of_number(x: Operand, p: int | float) -> Tensor:
    x = wide("power", x)
    if not (isinstance(p, int) and p >= 0):
        x = floating("power", x)
    slope = (lambda g, y: g * (p * power(x, p - 1))) if p else (lambda g, y: g * 0.0)
    return record("power", x.data ** (p if isinstance(p, int) else float(p)), (x, slope))


def maximum(a: Operand, b: Operand) -> Tensor:
    """The larger of a and b, elementwise. At a tie each gets half of the gradient."""
    a, b = operands("maximum", a, b, widen=False)
    data = a.xp.maximum(a.data, b.data)
    return record("maximum", data, (a, lambda g, y: g * _win(a, b)), (b, lambda g, y: g * _win(b, a)))


def minimum(a: Operand, b: Operand) -> Tensor:
    """The smaller of a and b, elementwise. At a tie each gets half of the gradient."""
    a, b = operands("minimum", a, b, widen=False)
    data = a.xp.minimum(a.data, b.data)
    return record("minimum", data, (a, lambda g, y: g * _win(b, a)), (b, lambda g, y: g * _win(a, b)))


def _win(a: Tensor, b: Tensor) -> Array:
    """1 where a > b, 1/2 where they tie, 0 where b is larger."""
    win = (a.data > b.data).astype(a.dtype)
    win += (a.data == b.data).astype(a.dtype) * 0.5
    return win


def clip(x: Operand, low: Array | float | None = None, high: Array | float | None = None) -> Tensor:
    """x limited to [low, high]. The derivative is 1 strictly inside, 0 outside and on the edges. None is no bound."""
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        raise TypeError("clip: the bounds are constants; for bounds that need gradients use minimum(maximum(x, low), high)")
    x, *bounds = tensors("clip", x, *[bound for bound in (low, high) if bound is not None])
    if isinstance(low, int | float) and isinstance(high, int | float) and not low <= high:
        raise ValueError(f"clip: low is {low}, above high, {high}")
    check_broadcast("clip", x.shape, *[bound.shape for bound in bounds])
    least = None if low is None else bounds[0].data.copy()
    most = None if high is None else bounds[-1].data.copy()

    def derivative(g: Tensor, y: Tensor) -> Tensor:
        g = g if least is None else g * (x.data > least)
        return g if most is None else g * (x.data < most)

    data = x.xp.clip(x.data, least, most) if bounds else x.data.copy()  # NumPy 2.0 cannot clip without a bound
    return record("clip", data, (x, derivative))


def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """a where the condition holds (is not 0), b elsewhere. Each gets the gradient of the elements that were taken from it.

    A nan in the branch that is not taken does not reach the output, but its op can pass it on to the gradient: with x < 0,
    where(x > 0, sqrt(x), 0) gives x the gradient 0 * nan. Choose the argument first: sqrt(where(x > 0, x, 1)).
    """
    mask = operand("where", condition).data != 0  # a new array, so later changes of the condition have no effect
    a, b = operands("where", a, b, widen=False)
    check_broadcast("where", mask.shape, a.shape)
    check_broadcast("where", mask.shape, b.shape)
    data = a.xp.where(mask, a.data, b.data)
    return record("where", data, (a, lambda g, y: where(mask, g, 0.0)), (b, lambda g, y: where(mask, 0.0, g)))
