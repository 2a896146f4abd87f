"""Activations: stable at any argument, without overflow. Frequent ones avoid `where`, which is slow."""

from math import inf

from minigan import backend, checks
from minigan.backend import Array, fused, random_numbers
from minigan.engine.tensor import Tensor, record
from minigan.ops.elementwise import exp, minimum
from minigan.ops.operands import Operand, axes_of, floating, linear
from minigan.ops.reductions import count, largest, log_sum_exp, sum


def relu(x: Operand) -> Tensor:
    """max(x, 0); the derivative at 0 is 0."""
    x = floating("relu", x)  # `clip` takes a third of the time of `maximum` with a number
    return record("relu", x.xp.clip(x.data, 0, inf), (x, lambda g, y: linear(_where_positive, g, y)))


@fused
def _where_positive(g: Array, x: Array) -> Array:
    """g where x > 0, 0 elsewhere. (relu passes its result as x: both are above 0 at the same places.)"""
    y = (x > 0).astype(x.dtype)
    y *= g
    return y


def leaky_relu(x: Operand, slope: float = 0.2) -> Tensor:
    """x above 0, slope * x below (0 <= slope < 1); the derivative at 0 is the slope."""
    x = floating("leaky_relu", x)
    if type(slope) is not float or not 0 <= slope < 1:
        slope = checks.number("leaky_relu", "slope", slope, least=0, below=1)
    data = _leaky_relu(x.data, slope)
    return record("leaky_relu", data, (x, lambda g, y: linear(_times_slope, g, x, slope, 1 - slope)))


@fused
def _leaky_relu(x: Array, slope: float) -> Array:
    return backend.of(x).maximum(x, slope * x)


@fused
def _times_slope(g: Array, x: Array, slope: float, rest: float) -> Array:
    """g where x > 0, slope g elsewhere; rest is 1 - slope."""
    y = (x > 0).astype(x.dtype)  # 1 or 0; below, 1 or slope
    y *= rest
    y += slope
    y *= g
    return y


def elu(x: Operand, alpha: float = 1.0) -> Tensor:
    """x above 0, alpha (e^x - 1) below (alpha >= 0); the derivative at 0 is the smaller of the branches', min(1, alpha)."""
    x, alpha = floating("elu", x), checks.number("elu", "alpha", alpha, least=0)

    def derivative(g: Tensor, y: Tensor) -> Tensor:
        below = (x.data <= 0 if alpha <= 1 else x.data < 0).astype(x.dtype)
        return g * (1 - below) + g * (alpha * below) * exp(minimum(x, 0.0))

    return record("elu", _elu(x.data, alpha), (x, derivative))


@fused
def _elu(x: Array, alpha: float) -> Array:
    xp = backend.of(x)
    return xp.maximum(x, 0) + alpha * xp.expm1(xp.minimum(x, 0))


def sigmoid(x: Operand) -> Tensor:
    """The logistic function 1 / (1 + e^-x); d sigma = sigma (1 - sigma)."""
    x = floating("sigmoid", x)
    return record("sigmoid", sigmoid_array(x.data), (x, lambda g, y: g * (y * (1.0 - y))))


@fused
def sigmoid_array(x: Array) -> Array:
    xp = backend.of(x)
    y: Array = xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))  # 1 / (1 + e^-x) for x >= 0, e^x / (1 + e^x) for x < 0
    return y


def softplus(x: Operand) -> Tensor:
    """log(1 + e^x), computed as max(x, 0) + log(1 + e^-|x|); d softplus = sigma."""
    x = floating("softplus", x)
    return record("softplus", softplus_array(x.data), (x, lambda g, y: g * sigmoid(x)))


@fused
def softplus_array(x: Array) -> Array:
    xp = backend.of(x)
    y = xp.log1p(xp.exp(-xp.abs(x)))
    y += xp.maximum(x, 0)
    return y


def log_sigmoid(x: Operand) -> Tensor:
    """log sigma(x) = -softplus(-x). It is finite for every x; log(sigmoid(x)) is not."""
    return -softplus(-floating("log_sigmoid", x))


def dropout(x: Operand, p: float = 0.5, rng: random_numbers.Generator | None = None) -> Tensor:
    """Each element becomes 0 with probability p; the others are divided by 1 - p, so that the mean stays (0 <= p < 1).

    `rng` draws the mask; None is minigan's default generator. The op always drops; the layer `nn.Dropout` has an eval mode.
    """
    x = floating("dropout", x)
    p = checks.number("dropout", "p", p, least=0, below=1)
    drawn = random_numbers.noise_generator(rng, x.data).random(x.shape, dtype="float32")
    return linear(_dropout, x, Tensor._of(x.xp.asarray(drawn)), p, 1 / (1 - p))


@fused
def _dropout(x: Array, drawn: Array, p: float, factor: float) -> Array:
    """factor x where drawn >= p, else 0."""
    y = (drawn >= p).astype(x.dtype)
    y *= factor
    y *= x
    return y


def softmax(x: Operand, axis: int = -1) -> Tensor:
    """e^x / sum e^x along an axis. With y the output: dx = y (g - sum(g y))."""
    x = floating("softmax", x)
    axes = axes_of("softmax", x, axis)
    count("softmax", x, axes)
    e = x.xp.exp(x.data - x.data.max(axes, keepdims=True))
    e /= e.sum(axes, keepdims=True)
    return record("softmax", e, (x, lambda g, y: y * (g - sum(g * y, axes, keepdims=True))))


def log_softmax(x: Operand, axis: int = -1) -> Tensor:
    """log softmax(x) = x - logsumexp(x) along an axis. It is finite even where the softmax rounds to 0."""
    x = floating("log_softmax", x)
    axes = axes_of("log_softmax", x, axis)
    count("log_softmax", x, axes)
    x = x - largest(x, axes)  # the same in exact arithmetic; floats are finer near 0
    return x - log_sum_exp(x, axes)
