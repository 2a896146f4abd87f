"""The measured tasks: each size's networks, minibatches and first weights, the same numbers for every engine.

A network is a list of layers. A layer is its kind and its numbers:

    ("dense", inputs, outputs), ("conv", channels, outputs, kernel, stride, padding), ("conv_transpose", the same five),
    ("batch_norm", channels), ("relu",), ("leaky_relu",), ("tanh",), ("flatten",), ("reshape", channels, height, width)

A dense or convolutional layer has a bias unless its last number is False. Weights have the shapes (inputs, outputs),
(outputs, channels, kernel, kernel) and, transposed, (channels, outputs, kernel, kernel).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

LR, BETAS, EPS = 2e-4, (0.5, 0.999), 1e-8  # Adam's, for both players
PENALTY = 10.0  # WGAN-GP's weight of the gradient penalty
SLOPE = 0.2  # LeakyReLU's
MINIBATCHES = 4  # each engine uses them in turn

Layer = tuple[Any, ...]
Network = list[Layer]
Step = Callable[[], tuple[Callable[[], float], ...]]  # plays an iteration; returns a function for each loss, which reads it


@dataclass(frozen=True)
class Size:
    """A task, its networks and its minibatch.

    Tasks: "gan", a step of D on real and detached fake samples, then one of G with D frozen, losses from logits by softplus,
    G's not saturating; "wgan-gp", one step of the critic D; "fgsm", the gradient of the cross entropy with respect to the
    images that D classifies. Players step by Adam.
    """

    task: str
    batch: int
    shape: list[int]  # of one real sample
    D: Network
    G: Network = field(default_factory=list)
    z: int = 100


def dense_gan(hidden: int, features: int, batch: int, z: int = 100, depth: int = 1, images: bool = True) -> Size:
    """G z-hidden-features, D features-hidden-1, each with `depth` hidden layers; G ends in tanh for images in [-1, 1]."""
    inner_G, inner_D = (
        [layer for _ in range(depth - 1) for layer in (("dense", hidden, hidden), (activation,))]
        for activation in ("relu", "leaky_relu")
    )
    G = [("dense", z, hidden), ("relu",), *inner_G, ("dense", hidden, features), *([("tanh",)] if images else [])]
    D = [("dense", features, hidden), ("leaky_relu",), *inner_D, ("dense", hidden, 1)]
    return Size("gan", batch, [features], D, G, z)


def dcgan(batch: int = 64, channels: int = 64) -> Size:
    """The networks of `minigan.games.dcgan`, for 28 x 28 pixels."""
    c = channels
    G = [
        ("dense", 100, 4 * c * 16, False), ("reshape", 4 * c, 4, 4), ("batch_norm", 4 * c), ("relu",),
        ("conv_transpose", 4 * c, 2 * c, 3, 2, 1, False), ("batch_norm", 2 * c), ("relu",),
        ("conv_transpose", 2 * c, c, 4, 2, 1, False), ("batch_norm", c), ("relu",),
        ("conv_transpose", c, 1, 4, 2, 1), ("tanh",),
    ]  # fmt: skip
    D = [
        ("conv", 1, c, 4, 2, 1), ("leaky_relu",),
        ("conv", c, 2 * c, 4, 2, 1, False), ("batch_norm", 2 * c), ("leaky_relu",),
        ("conv", 2 * c, 4 * c, 3, 2, 1, False), ("batch_norm", 4 * c), ("leaky_relu",),
        ("flatten",), ("dense", 4 * c * 16, 1),
    ]  # fmt: skip
    return Size("gan", batch, [1, 28, 28], D, G)


def small_dcgan(side: int, batch: int = 16, channels: int = 16) -> Size:
    """The same with one layer less, for images whose side is a multiple of 4."""
    c, s = channels, side // 4
    G = [
        ("dense", 100, 2 * c * s * s, False), ("reshape", 2 * c, s, s), ("batch_norm", 2 * c), ("relu",),
        ("conv_transpose", 2 * c, c, 4, 2, 1, False), ("batch_norm", c), ("relu",),
        ("conv_transpose", c, 1, 4, 2, 1), ("tanh",),
    ]  # fmt: skip
    D = [
        ("conv", 1, c, 4, 2, 1), ("leaky_relu",),
        ("conv", c, 2 * c, 4, 2, 1, False), ("batch_norm", 2 * c), ("leaky_relu",),
        ("flatten",), ("dense", 2 * c * s * s, 1),
    ]  # fmt: skip
    return Size("gan", batch, [1, side, side], D, G)


def wgan_gp(hidden: int = 256, features: int = 784, batch: int = 64, **rest: Any) -> Size:
    """The networks of `dense_gan`, D as a critic."""
    return replace(dense_gan(hidden, features, batch, **rest), task="wgan-gp")


def fgsm(batch: int = 1000) -> Size:
    """A convolutional classifier of ten classes."""
    D = [
        ("conv", 1, 16, 4, 2, 1), ("relu",), ("conv", 16, 32, 4, 2, 1), ("relu",),
        ("flatten",), ("dense", 32 * 7 * 7, 10),
    ]  # fmt: skip
    return Size("fgsm", batch, [1, 28, 28], D)


SIZES = {
    "tiny": dense_gan(32, 2, batch=64, images=False),
    "mlp256": dense_gan(256, 784, batch=64),
    "mlp1024": dense_gan(1024, 784, batch=128),
    "dcgan": dcgan(),
    "dcgan2": small_dcgan(28, batch=64, channels=64),
    "fgsm": fgsm(),
    "wgan-gp": wgan_gp(),
    "wgan-gp2": wgan_gp(128, 2, z=2, depth=2, images=False),
    "ring": dense_gan(128, 2, batch=256, z=2, depth=2, images=False),
}


def weights(network: Network, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """The first weights, a list for each layer: uniform on +-1 / sqrt(fan-in); 1 and 0 for batch norm."""
    return [_of_layer(rng, *layer) for layer in network]


def _of_layer(rng: np.random.Generator, kind: str, *numbers: Any) -> list[np.ndarray]:
    if kind == "batch_norm":
        return [np.ones(numbers, np.float32), np.zeros(numbers, np.float32)]
    if kind not in ("dense", "conv", "conv_transpose"):
        return []
    inputs, outputs, *rest = numbers
    kernel = [rest[0]] * 2 if kind != "dense" else []
    weight = [outputs, inputs, *kernel] if kind == "conv" else [inputs, outputs, *kernel]
    bound = 1 / np.sqrt(inputs * np.prod(kernel))
    shapes = [weight] if numbers[-1] is False else [weight, [outputs]]
    return [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]


def start(size: Size, seed: int) -> tuple[list, list]:
    """The first weights of G and of D."""
    rng = np.random.default_rng(seed)
    return weights(size.G, rng), weights(size.D, rng)


def minibatches(size: Size, seed: int) -> list[tuple[np.ndarray, ...]]:
    """The iterations' data in turn: (x, z of D's step, z of G's step); WGAN-GP: (x, z, u); fgsm: (x, labels)."""
    rng = np.random.default_rng(seed + 1)
    return [_minibatch(size, rng) for _ in range(MINIBATCHES)]


def _minibatch(size: Size, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    n = size.batch
    x = rng.uniform(-1, 1, (n, *size.shape)).astype(np.float32)
    if size.task == "fgsm":
        return x, rng.integers(10, size=n)
    z = rng.standard_normal((2, n, size.z), dtype=np.float32)
    return (x, z[0], z[1]) if size.task == "gan" else (x, z[0], rng.random((n, 1), dtype=np.float32))
