"""Spectral normalisation: a layer whose weight is divided by its largest singular value."""

import numpy as np

from minigan import backend, checks, ops
from minigan.backend import random_numbers
from minigan.engine.modes import no_grad
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
    eval mode u and v stay as they are. They are buffers, saved with the network. The parameters are the layer's own, such as
    `layer.weight`. After an assignment to a weight, sigma is right again once a few passes in training mode have followed.

    Args:
        layer: a Dense, Conv2d or ConvTranspose2d; it stays usable without the norm.
        iterations: of each pass; one is enough, since W changes little between two passes.
        rng: draws the first u; minigan's default generator if None. The first iterations follow at once.

    Raises TypeError for another layer, and ValueError for a weight that is 0 everywhere.
    """

    def __init__(self, layer: Layer, iterations: int = 1, rng: np.random.Generator | None = None):
        if not isinstance(layer, Layer):
            raise TypeError(f"SpectralNorm: layer is a {type(layer).__name__}; expected a Dense, Conv2d or ConvTranspose2d")
        self.layer = layer
        self.iterations = checks.whole("SpectralNorm", "iterations", iterations)
        W = self._matrix()
        if not W.data.any():
            raise ValueError(f"SpectralNorm: the weight of {layer!r} is 0 everywhere, so sigma is 0; use another weight_init")
        drawn = random_numbers.generator(rng).standard_normal(len(W), dtype=np.float32)
        self.u = backend.of(W.data).asarray(drawn)
        self._iterate(W)

    def forward(self, x: Tensor) -> Tensor:
        W, weight = self._matrix(), self.layer.weight
        if self.training:
            self._iterate(W)
        sigma = ops.matmul(self.u, W) @ self.v
        return _with_weight(self.layer, weight / sigma.astype(weight.dtype)).forward(x)

    def _matrix(self) -> Tensor:
        """The weight as a matrix, (out_channels, all other axes)."""
        out = 0 if isinstance(self.layer, Conv2d) else 1
        return ops.moveaxis(self.layer.weight, out, 0).reshape(self.layer.weight.shape[out], -1)

    @no_grad()
    def _iterate(self, W: Tensor) -> None:
        """The power iteration. u and v become new arrays: the backward pass of an earlier forward pass needs the old ones."""
        u = Tensor(self.u)
        for _ in range(self.iterations):
            v = _unit(u @ W)
            u = _unit(W @ v)
        self.u, self.v = u.astype("float32").data, v.astype("float32").data

    def __repr__(self) -> str:
        return f"SpectralNorm({self.layer!r}, iterations={self.iterations})"


def _unit(x: Tensor) -> Tensor:
    return x / ops.norm(x)


def _with_weight(layer: Layer, weight: Tensor) -> Layer:
    """The same layer with this weight. (`copy` would cut the weight's history; to change the layer would disturb threads.)"""
    twin = type(layer).__new__(type(layer))
    vars(twin).update(vars(layer), weight=weight)
    return twin
