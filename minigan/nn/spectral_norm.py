"""Spectral normalisation: a layer whose weight is divided by its largest singular value."""

import numpy as np

from minigan import backend, checks, ops
from minigan.backend import Array, random_numbers, threads
from minigan.engine.tensor import Tensor
from minigan.nn.convolution import Conv2d, ConvTranspose2d
from minigan.nn.dense import Dense
from minigan.nn.module import Module

Layer = Dense | Conv2d | ConvTranspose2d


class SpectralNorm(Module):
    """The layer with W / sigma(W) in the place of its weight W, where sigma(W) is the largest singular value of W.

    W counts as a matrix with a row for each output channel. Each forward pass in training mode first improves u and v, the
    estimates of the singular vectors (Miyato et al. 2018, Algorithm 1):

        repeat `iterations` times:
            v <- W^T u / |W^T u|
            u <- W v / |W v|
        sigma = u^T W v

    The gradient for W passes through sigma, with u and v as constants: d sigma / dW = u v^T (equation 12), as in PyTorch. In
    eval mode u and v stay as they are. They are float32 buffers, saved with the network. The parameters are the layer's own,
    such as `layer.weight`. After an assignment to a weight, sigma is right again after a few passes in training mode.

    Args:
        layer: a Dense, Conv2d or ConvTranspose2d. Its own attributes stay as they are.
        iterations: of each pass; one is enough, since W changes little between two passes.
        rng: draws the first u; minigan's default generator if None. The first iterations follow at once.

    Raises TypeError for another layer, and ValueError for a weight that is 0 everywhere.
    """

    def __init__(self, layer: Layer, iterations: int = 1, rng: np.random.Generator | None = None):
        if not isinstance(layer, Layer):
            raise TypeError(f"SpectralNorm: layer is a {type(layer).__name__}; expected a Dense, Conv2d or ConvTranspose2d")
        self.layer = layer
        self.iterations = checks.whole("SpectralNorm", "iterations", iterations, most=1000)
        W = self._matrix()
        if not W.data.any():
            raise ValueError(f"SpectralNorm: the weight of {layer!r} is 0 everywhere, so sigma is 0; use another weight_init")
        drawn = random_numbers.generator(rng).standard_normal(len(W), dtype=np.float32)
        self.u = backend.of(W.data).asarray(drawn)
        self._iterate(W.data)

    def forward(self, x: Tensor) -> Tensor:
        W, weight = self._matrix(), self.layer.weight
        if self.training:
            self._iterate(W.data)
        sigma = ops.sum(W * (self.u[:, None] * self.v))  # u^T W v; its derivative for W is u v^T
        return _with_weight(self.layer, weight / sigma.astype(weight.dtype)).forward(x)

    def _matrix(self) -> Tensor:
        """The weight as a matrix, (out_channels, all other axes)."""
        out = 0 if isinstance(self.layer, Conv2d) else 1
        return ops.moveaxis(self.layer.weight, out, 0).reshape(self.layer.weight.shape[out], -1)

    def _iterate(self, W: Array) -> None:
        """The power iteration, which changes u and v. No gradient depends on these arrays: each pass has its own u v^T."""
        u = self.u
        with threads.one_blas_thread:
            for _ in range(self.iterations):
                v = _unit(u @ W)
                u = _unit(W @ v)
        self.u, self.v = u.astype("float32"), v.astype("float32")

    def __repr__(self) -> str:
        return f"SpectralNorm({self.layer!r}, iterations={self.iterations})"


def _unit(x: Array) -> Array:
    unit: Array = x / (x @ x) ** 0.5
    return unit


def _with_weight(layer: Layer, weight: Tensor) -> Layer:
    """The same layer with this weight. (`copy` would cut the weight's history; to change the layer would disturb threads.)"""
    twin = type(layer).__new__(type(layer))
    vars(twin).update(vars(layer), weight=weight)
    return twin
