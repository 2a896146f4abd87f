"""Normalisation: of each channel over the minibatch (batch norm) or over a fixed reference batch (virtual batch norm), of each
sample over features (layer norm, group norm)."""

import math
from typing import Any

import numpy as np

from minigan import backend, checks, ops
from minigan.engine.tensor import Tensor
from minigan.nn.module import Module, Place, check_sizes
from minigan.ops.normalisation import batch_norm
from minigan.ops.operands import floating


class _BatchNorm(Module):
    """y = weight (x - mean) / sqrt(var + eps) + bias, for each channel (Ioffe and Szegedy 2015, Algorithm 1).

    In training mode, mean and (biased) variance are the minibatch's, and the running statistics are updated:
    running <- (1 - momentum) running + momentum batch, with the unbiased variance, as in PyTorch. In eval mode the running
    statistics are used. In training mode, raises ValueError for one value per channel: its variance would be 0.
    """

    ndims: tuple[int, ...] = ()

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5):
        check_sizes(type(self).__name__, channels)
        self.momentum = checks.number(type(self).__name__, "momentum", momentum, least=0, most=1)
        self.eps = checks.number(type(self).__name__, "eps", eps, above=0)
        self.weight = Tensor(np.ones(channels, np.float32), requires_grad=True, name=Place("weight"))
        self.bias = Tensor(np.zeros(channels, np.float32), requires_grad=True, name=Place("bias"))
        self.running_mean = backend.asarray(np.zeros(channels, np.float32))
        self.running_var = backend.asarray(np.ones(channels, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        channels = len(self.running_mean)
        if x.ndim not in self.ndims or x.shape[1] != channels:
            raise ValueError(f"{self!r}: the input has shape {x.shape}; expected ({', '.join(['N', str(channels), '...'])})")
        if not self.training:
            shape = (1, channels, *[1] * (x.ndim - 2))  # one number per channel
            scale = self.weight / (self.running_var + self.eps) ** 0.5
            return (x - self.running_mean.reshape(shape)) * scale.reshape(shape) + self.bias.reshape(shape)
        n = math.prod(x.shape) // channels
        if n < 2:
            raise ValueError(
                f"{self!r}: a minibatch of shape {x.shape} has fewer than two values a channel; use more, or eval()"
            )
        running = self.running_mean, self.running_var
        return batch_norm(x, self.weight, self.bias, self.eps, running, self.momentum)[0]

    def extra_repr(self) -> str:
        return f"{len(self.running_mean)}, momentum={self.momentum}, eps={self.eps}"


class BatchNorm1d(_BatchNorm):
    """Batch norm of vectors (N, C) or sequences (N, C, L)."""

    __doc__ = __doc__ and f"{__doc__}\n\n{_BatchNorm.__doc__}"  # `python -OO` has none
    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of images (N, C, H, W)."""

    __doc__ = __doc__ and f"{__doc__}\n\n{_BatchNorm.__doc__}"  # `python -OO` has none
    ndims = (4,)


class LayerNorm(Module):
    """y = weight (x - mean) / sqrt(var + eps) + bias, with mean and variance over the last axes of each sample.

    `shape`: the sizes of these axes, a tuple, or an integer for the last axis alone. It is the shape of `weight` and `bias`.
    Training and eval mode do the same.
    """

    def __init__(self, shape: int | tuple[int, ...], eps: float = 1e-5):
        self.eps = checks.number("LayerNorm", "eps", eps, above=0)
        shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        if not shape:
            raise ValueError("LayerNorm: shape is (); expected at least one size")
        check_sizes("LayerNorm", *shape)
        self.weight = Tensor(np.ones(shape, np.float32), requires_grad=True, name=Place("weight"))
        self.bias = Tensor(np.zeros(shape, np.float32), requires_grad=True, name=Place("bias"))

    def forward(self, x: Tensor) -> Tensor:
        shape = self.weight.shape
        if x.shape[x.ndim - len(shape) :] != shape:
            raise ValueError(f"{self!r}: the input has shape {x.shape}; expected (..., {', '.join(map(str, shape))})")
        return _normalised(x, tuple(range(-len(shape), 0)), self.eps) * self.weight + self.bias

    def extra_repr(self) -> str:
        return f"{self.weight.shape}, eps={self.eps}"


class GroupNorm(Module):
    """y = weight (x - mean) / sqrt(var + eps) + bias, with mean and variance over each group of channels of each sample.

    (Wu and He 2018, section 3.1.) x is (N, channels, ...). The channels form `groups` groups of neighbours of equal size. With
    groups = channels this is instance norm; with groups = 1, layer norm with a weight and a bias for each channel. `weight` and
    `bias` are (channels,). Training and eval mode do the same.

    Raises ValueError if `groups` does not divide `channels`, and for groups of one number, whose variance would be 0.
    """

    def __init__(self, groups: int, channels: int, eps: float = 1e-5):
        check_sizes("GroupNorm", groups, channels)
        if channels % groups:
            raise ValueError(f"GroupNorm: {channels} channels do not form {groups} groups of equal size; choose a divisor")
        self.groups, self.eps = int(groups), checks.number("GroupNorm", "eps", eps, above=0)
        self.weight = Tensor(np.ones(channels, np.float32), requires_grad=True, name=Place("weight"))
        self.bias = Tensor(np.zeros(channels, np.float32), requires_grad=True, name=Place("bias"))

    def forward(self, x: Tensor) -> Tensor:
        channels = len(self.weight)
        if x.ndim < 2 or x.shape[1] != channels:
            raise ValueError(f"{self!r}: the input has shape {x.shape}; expected (N, {channels}, ...)")
        n = math.prod(x.shape[1:]) // self.groups
        if n < 2:
            raise ValueError(f"{self!r}: the input has shape {x.shape}, fewer than two numbers a group; use fewer groups")
        normalised = _normalised(x.reshape(x.shape[0], self.groups, n), (2,), self.eps).reshape(x.shape)
        shape = (channels, *[1] * (x.ndim - 2))  # one number per channel
        return normalised * self.weight.reshape(shape) + self.bias.reshape(shape)

    def extra_repr(self) -> str:
        return f"{self.groups}, {len(self.weight)}, eps={self.eps}"


class VirtualBatchNorm(Module):
    """Batch norm of each sample alone with a fixed reference batch: the rest of its minibatch does not change its output.

    x is (n + N, channels, ...): the n samples of the reference batch, followed by a minibatch of N. The reference batch is
    normalised by its own statistics, and each other sample by those of n + 1 samples, the reference batch and the sample itself
    (Salimans et al. 2016, section 3.4), with c = 1 / (n + 1):

        mean = (1 - c) mean_reference + c mean_sample
        var  = (1 - c) var_reference  + c var_sample + c (1 - c) (mean_sample - mean_reference)^2
        y    = weight (x - mean) / sqrt(var + eps) + bias

    The statistics are computed anew in each pass, since the weights of earlier layers change, and gradients pass through them.
    `WithReference` puts the reference batch before every minibatch. Training and eval mode do the same. `weight` and `bias` are
    (channels,). Raises ValueError for n below 2, and for fewer than n rows.
    """

    def __init__(self, channels: int, n: int, eps: float = 1e-5):
        check_sizes("VirtualBatchNorm", channels)
        self.n = checks.whole("VirtualBatchNorm", "n", n, least=2)
        self.eps = checks.number("VirtualBatchNorm", "eps", eps, above=0)
        self.weight = Tensor(np.ones(channels, np.float32), requires_grad=True, name=Place("weight"))
        self.bias = Tensor(np.zeros(channels, np.float32), requires_grad=True, name=Place("bias"))

    def forward(self, x: Tensor) -> Tensor:
        channels = len(self.weight)
        if x.ndim < 2 or x.shape[1] != channels or len(x) < self.n:
            raise ValueError(f"{self!r}: the input has shape {x.shape}; expected ({self.n} + N, {channels}, ...)")
        shape = (channels, *[1] * (x.ndim - 2))  # one number per channel
        return self._normalised(x) * self.weight.reshape(shape) + self.bias.reshape(shape)

    def _normalised(self, x: Tensor) -> Tensor:
        if x.dtype == "float16":  # in which the square of 300 overflows
            return self._normalised(x.astype("float32")).astype("float16")
        c, axes = 1 / (self.n + 1), tuple(range(2, x.ndim))  # of one sample's channel; of a vector: none
        reference, own = x[: self.n], x[self.n :]
        mean, var = (f(reference, (0, *axes), keepdims=True) for f in (ops.mean, ops.var))
        shift = ops.mean(own, axes, keepdims=True) - mean
        own_var = (1 - c) * var + c * ops.var(own, axes, keepdims=True) + c * (1 - c) * ops.square(shift)
        parts = (reference - mean) / ops.sqrt(var + self.eps), (own - mean - c * shift) / ops.sqrt(own_var + self.eps)
        return ops.concatenate(parts)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, {self.n}, eps={self.eps}"


class WithReference(Module):
    """A network with `VirtualBatchNorm`: its reference batch goes before each minibatch, and its outputs are left out.

        G = nn.Sequential(nn.Dense(2, 64), nn.VirtualBatchNorm(64, 100), nn.ReLU(), nn.Dense(64, 2))
        G = nn.WithReference(G, data.noise(2)(100))

    A pass costs as much as one of n more samples. `reference` (n, ...), a minibatch of noise or of data, is copied to a float32
    buffer: it is fixed, and saved with the network. Raises ValueError for a layer whose n is not the reference's.
    """

    def __init__(self, network: Module, reference: Any):
        if not isinstance(network, Module):
            raise TypeError(f"WithReference: network is a {type(network).__name__}; expected a Module")
        self.network = network
        self.reference = floating("WithReference", reference).data.astype("float32")
        shape, norms = self.reference.shape, [layer for layer in network.modules() if isinstance(layer, VirtualBatchNorm)]
        if wrong := [layer for layer in norms if shape[:1] != (layer.n,)]:
            raise ValueError(f"WithReference: the reference has shape {shape}; {wrong[0]!r} expects {wrong[0].n} rows")

    def forward(self, x: Tensor) -> Tensor:
        x = floating("WithReference", x)
        if x.shape[1:] != self.reference.shape[1:]:
            raise ValueError(f"WithReference: the input has shape {x.shape}, the reference {self.reference.shape}")
        both = ops.concatenate([Tensor(self.reference).astype(x.dtype), x])
        y: Tensor = self.network(both)[len(self.reference) :]
        return y


def _normalised(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """(x - mean) / sqrt(var + eps), with mean and variance over these axes."""
    if x.dtype == "float16":  # in which the square of 300 overflows
        return _normalised(x.astype("float32"), axes, eps).astype("float16")
    return (x - ops.mean(x, axes, keepdims=True)) / ops.sqrt(ops.var(x, axes, keepdims=True) + eps)
