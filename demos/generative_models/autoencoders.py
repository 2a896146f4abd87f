"""Autoencoders of digits: encoders, decoders, and the loop that trains them.

Images are (n, 1, 28, 28), with pixels in [0, 1]. Decoders return logits v, whose pixels are sigma(v).
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from demos.kit.classifiers import in_parts
from demos.kit.loops import resumable
from demos.kit.pictures import sheet
from demos.kit.training import descend
from minigan import Tensor, data, nn, no_grad, optim, sigmoid

PIXELS = 28 * 28
PARTS = 20  # of a training run, for its curve
LEAKY = partial(nn.LeakyReLU, 0.2)


def dense(*sizes: int, activation: Callable[[], nn.Module] = LEAKY, norm: bool = False) -> list[nn.Module]:
    """Dense layers of these sizes, with the activation between each two, and with `norm` batch normalisation before it."""
    layers = [nn.Dense(*sizes[:2])]
    for inputs, outputs in pairwise(sizes[1:]):
        layers += [*([nn.BatchNorm1d(inputs)] if norm else []), activation(), nn.Dense(inputs, outputs)]
    return layers


def dense_encoder(code: int, width: int) -> nn.Sequential:
    """An image to `code` numbers, with one hidden layer."""
    return nn.Sequential(nn.Flatten(), nn.Dense(PIXELS, width), nn.ReLU(), nn.Dense(width, code))


def dense_decoder(code: int, width: int) -> nn.Sequential:
    """`code` numbers to an image's logits, with one hidden layer."""
    return nn.Sequential(nn.Dense(code, width), nn.ReLU(), nn.Dense(width, PIXELS), nn.Reshape(1, 28, 28))


def conv_encoder(code: int, channels: int) -> nn.Sequential:
    """An image to `code` numbers: four convolutions, each of which halves the sides and doubles the channels."""
    c = channels
    return nn.Sequential(
        nn.Conv2d(1, c, 4, stride=2, padding=1), nn.BatchNorm2d(c), nn.ReLU(),  # 14 x 14
        nn.Conv2d(c, 2 * c, 4, stride=2, padding=1), nn.BatchNorm2d(2 * c), nn.ReLU(),  # 7 x 7
        nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1), nn.BatchNorm2d(4 * c), nn.ReLU(),  # 4 x 4
        nn.Conv2d(4 * c, 8 * c, 4, stride=2, padding=1), nn.BatchNorm2d(8 * c), nn.ReLU(),  # 2 x 2
        nn.Flatten(), nn.Dense(32 * c, code),
    )  # fmt: skip


def conv_decoder(code: int, channels: int) -> nn.Sequential:
    """`code` numbers to an image's logits, by transposed convolutions."""
    c = channels
    return nn.Sequential(
        nn.Dense(code, 32 * c), nn.ReLU(), nn.Reshape(8 * c, 2, 2),
        nn.ConvTranspose2d(8 * c, 4 * c, 4, stride=2, padding=1), nn.BatchNorm2d(4 * c), nn.ReLU(),  # 4 x 4
        nn.ConvTranspose2d(4 * c, 2 * c, 3, stride=2, padding=1), nn.BatchNorm2d(2 * c), nn.ReLU(),  # 7 x 7
        nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1), nn.BatchNorm2d(c), nn.ReLU(),  # 14 x 14
        nn.ConvTranspose2d(c, 1, 4, stride=2, padding=1),  # 28 x 28
    )  # fmt: skip


def encode(Q: nn.Module, x: np.ndarray) -> np.ndarray:
    """The codes (n, d) of images."""
    with nn.eval_mode(Q), no_grad():
        return in_parts(lambda x: Q(Tensor(x)).numpy(), x)


def pixels(decoder: nn.Module, codes: np.ndarray) -> np.ndarray:
    """The decoder's images (n, 1, 28, 28) of the codes (n, d)."""
    with nn.eval_mode(decoder), no_grad():
        return in_parts(lambda z: sigmoid(decoder(Tensor(z))).numpy(), codes)


def pca(x: np.ndarray, others: np.ndarray, dimensions: int) -> np.ndarray:
    """The others, projected onto the principal components of x."""
    mean, components = x.mean(axis=0).ravel(), principal_components(x, dimensions)
    return (mean + (others.reshape(len(others), -1) - mean) @ components @ components.T).reshape(others.shape)


def principal_components(x: np.ndarray, dimensions: int) -> np.ndarray:
    """(pixels, dimensions): the directions of largest variance, as columns."""
    return np.linalg.eigh(np.cov(x.reshape(len(x), -1), rowvar=False))[1][:, -dimensions:].astype(
        x.dtype
    )  # the largest come last


def linear_map(seen: np.ndarray, x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The best linear map (least squares) from the images `seen` to the images x, applied to others."""
    A, B = (np.column_stack([a.reshape(len(a), -1), np.ones(len(a), a.dtype)]) for a in (seen, others))
    gram = A.T @ A + 1e-3 * len(A) * np.eye(A.shape[1], dtype=A.dtype)  # for pixels that are always black
    return (B @ np.linalg.solve(gram, A.T @ x.reshape(len(x), -1))).reshape(others.shape)


def train(
    objective: Callable[..., Sequence[Tensor]],
    modules: Sequence[nn.Module],
    arrays: Sequence[np.ndarray],
    name: str,
    steps: int,
    batch: int,
    lr: float,
    **changing: Any,
) -> np.ndarray:
    """Train the modules by Adam, with a learning rate that falls to 0 and a progress bar of this name.

    `objective(*minibatch)` returns the terms whose sum is minimised; the result has a row of them for each step. `changing`:
    other objects that it changes; see `loops.resumable`.
    """
    parameters = [p for module in modules for p in module.parameters()]
    batches, optimizer = data.batches(*arrays, size=batch), optim.Adam(parameters, lr)
    decay, rows = optim.LinearDecay(optimizer, steps), []
    parts = {"batches": batches, "optimizer": optimizer, "decay": decay, "rows": rows, **changing}
    for _ in resumable(range(steps), name, **parts, **{f"module {i}": module for i, module in enumerate(modules)}):
        minibatch = next(batches)
        terms = objective(*(minibatch if isinstance(minibatch, tuple) else (minibatch,)))
        descend(optimizer, sum(terms))
        decay.step()
        rows.append([term.item() for term in terms])
    return np.array(rows)


def show(axes: plt.Axes, images: np.ndarray, columns: int, title: str) -> None:
    """Images (n, 1, 28, 28) in one sheet, `columns` to a row."""
    axes.imshow(sheet(images, columns), cmap="gray", vmin=0, vmax=1)
    axes.set_title(title)
    axes.axis("off")


def smooth(curve: np.ndarray) -> np.ndarray:
    """The curve's means over PARTS equal parts."""
    return np.array([part.mean() for part in np.array_split(curve, PARTS)])


def quantiles(side: int) -> np.ndarray:
    """(side * side, 2) points, row by row, that cut the plane's normal distribution into equally likely cells."""
    line = [NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)]
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)
