"""Batch normalisation as one op. Composed of other ops, it would read and write the images three times as often."""

from typing import Any

from minigan import backend
from minigan.backend import Array
from minigan.grad_mode import mode
from minigan.ops.elementwise import sqrt
from minigan.ops.operands import tensors
from minigan.ops.reductions import mean, var
from minigan.tensor import Tensor, grad, record


def batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Tensor, Array, Array]:
    """y = weight x^ + bias, x^ = (x - mean) / sqrt(var + eps), with mean and (biased) variance of each channel over the rest.

    x (N, C, ...), weight and bias (C,). Returns y, and the arrays mean and var, (C,). With n numbers in each channel
    (Ioffe and Szegedy 2015, section 3):

    d/dbias = sum g        d/dweight = sum g x^        d/dx = weight / sqrt(var + eps) (g - d/dbias / n - x^ d/dweight / n)
    """
    x, weight, bias = tensors("batch_norm", x, weight, bias)
    rows = _rows(x.data)
    n, mu = len(rows), _sums(rows) / len(rows)
    centred = rows - mu
    variance = _sums(centred, centred) / n
    per_std = (variance + eps) ** -0.5  # 1 / sqrt(var + eps)
    scaled = centred * (weight.data * per_std)
    scaled += bias.data

    def d_x(g: Array) -> Array:
        dx = centred * (_sums(g, centred) * (-per_std * per_std / n))
        dx += g
        dx -= _sums(g) / n
        dx *= weight.data * per_std
        return dx

    def derivative(of: Tensor, formula) -> Any:
        def either(g, y):
            if mode.recording:  # it is to be differentiated again: the plain form can be
                return grad(plain_batch_norm(x, weight, bias, eps), of, g, create_graph=True)[0]
            return Tensor(formula(_rows(g.data)))

        return either

    y = record(
        "batch_norm",
        _images(scaled, x.shape),
        (x, derivative(x, lambda g: _images(d_x(g), x.shape))),
        (weight, derivative(weight, lambda g: _sums(g, centred) * per_std)),
        (bias, derivative(bias, _sums)),
    )
    return y, mu, variance


def plain_batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """The same y, composed of ops: this is what `batch_norm` is tested against, and what its second derivatives come from."""
    axes = tuple(i for i in range(x.ndim) if i != 1)
    shape = (1, x.shape[1], *[1] * (x.ndim - 2))  # of one number a channel
    x_hat = (x - mean(x, axes, keepdims=True)) / sqrt(var(x, axes, keepdims=True) + eps)
    return weight.reshape(shape) * x_hat + bias.reshape(shape)


def _rows(x: Array) -> Array:
    """(N, C, ...) -> (n, C): every number of a channel in its column. No copy where the channels lie last in memory."""
    return x.reshape(*x.shape[:2], -1).transpose(0, 2, 1).reshape(-1, x.shape[1]) if x.ndim > 2 else x


def _images(rows: Array, shape: tuple[int, ...]) -> Array:
    """(n, C) -> the shape (N, C, ...), the channels last in memory."""
    if len(shape) == 2:
        return rows
    rows = rows.reshape(shape[0], *shape[2:], shape[1])
    return rows.transpose(0, rows.ndim - 1, *range(1, rows.ndim - 1))


def _sums(a: Array, b: Array | None = None) -> Array:
    """(n, C) -> the sums of the columns of a, or of a * b, (C,): as products of matrices, several times as fast as `sum`."""
    xp = backend.of(a)
    return xp.ones(len(a), a.dtype) @ a if b is None else xp.einsum("ij,ij->j", a, b)
