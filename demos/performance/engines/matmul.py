"""Not an engine, but the least work of any engine on BLAS: the matrix products of each size, with `out=`.

A convolution's products are those of its windows (rows) with its kernels (columns). Nothing else is computed: no gathering of
windows, no activation, no update.
"""

import os
from collections.abc import Iterator

import numpy as np

from demos.performance.engines.sizes import Network, Size, Step

VERSION = np.__version__
THREADS = int(os.environ["OPENBLAS_NUM_THREADS"])


class Product:
    """Y = X W, X (rows, k), W (k, n), and the two products of its derivatives."""

    def __init__(self, rng: np.random.Generator, rows: int, k: int, n: int):
        self.shape = rows, k, n
        self.x, self.w = (rng.standard_normal(shape, dtype=np.float32) for shape in ((rows, k), (k, n)))
        self.y, self.dx, self.dw = (np.empty(shape, np.float32) for shape in ((rows, n), (rows, k), (k, n)))

    def forward(self) -> None:
        """Y = X W"""
        np.matmul(self.x, self.w, out=self.y)

    def to_input(self) -> None:
        """dX = dY W^T, with Y in place of dY."""
        np.matmul(self.y, self.w.T, out=self.dx)

    def to_weights(self) -> None:
        """dW = X^T dY"""
        np.matmul(self.x.T, self.y, out=self.dw)


def products(network: Network, batch: int, side: int) -> Iterator[tuple[int, int, int]]:
    """(rows, k, n) of each layer's product, for images of this side."""
    for kind, *numbers in network:
        if kind == "dense":
            yield batch, numbers[0], numbers[1]
        elif kind == "reshape":
            side = numbers[1]
        elif kind == "conv":
            c, o, k, stride, padding, *_ = numbers
            side = (side + 2 * padding - k) // stride + 1
            yield batch * side * side, k * k * c, o
        elif kind == "conv_transpose":
            c, o, k, stride, padding, *_ = numbers
            yield batch * side * side, c, k * k * o
            side = (side - 1) * stride - 2 * padding + k


def make(size: Size, seed: int) -> Step:
    """One iteration's products; there are no losses."""
    rng = np.random.default_rng(seed)
    G, D = ([Product(rng, *p) for p in products(network, size.batch, size.shape[-1])] for network in (size.G, size.D))
    play = {"gan": gan, "wgan-gp": critic, "fgsm": fgsm}[size.task]

    def step():
        play(G, D)
        return ()

    return step


def gan(G: list[Product], D: list[Product]) -> None:
    """D's forward and backward pass on real and on fake samples; then G's, through D."""
    learn(G, D)
    forward(G)
    slope(D)
    backward(G)


def critic(G: list[Product], D: list[Product]) -> None:
    """D's step as in `gan`; then D's slope at x_hat, and the backward pass from the slope to the weights."""
    learn(G, D)
    slope(D)
    for p in D:
        p.to_weights()
        p.forward()


def fgsm(G: list[Product], D: list[Product]) -> None:
    """The gradient for the images that D classifies."""
    slope(D)


def learn(G: list[Product], D: list[Product]) -> None:
    """D's forward and backward pass on real and on fake samples."""
    forward(G)
    for _ in ("real", "fake"):
        forward(D)
        backward(D)


def forward(network: list[Product]) -> None:
    for p in network:
        p.forward()


def slope(network: list[Product]) -> None:
    """The forward pass, and the backward pass of a frozen network, to its input."""
    forward(network)
    for p in reversed(network):
        p.to_input()


def backward(network: list[Product]) -> None:
    """The backward pass to the weights, without the gradient of the first layer's input."""
    for p in reversed(network):
        p.to_weights()
        if p is not network[0]:
            p.to_input()
