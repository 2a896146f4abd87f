"""The Laplacian pyramid of images (Burt and Adelson 1983), and classes that turn each level into a game of a plain `GAN`.

    I_(k+1) = d(I_k)        l_k = u(I_(k+1))        h_k = I_k - l_k        so that I_k = l_k + h_k, whatever d and u are

A conditional GAN is a GAN of pairs: real ones (h_k, l_k), and generated ones (G_k(z, l_k), l_k).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigan import Tensor, backend, concatenate, data, nn, upsample2d
from minigan.backend import random_numbers


def down(images: np.ndarray) -> np.ndarray:
    """d: (N, 1, 2 H, 2 W) -> (N, 1, H, W), the means of 2 x 2 pixels."""
    n, c, height, width = images.shape
    return images.reshape(n, c, height // 2, 2, width // 2, 2).mean(axis=(3, 5))


def up(images: np.ndarray) -> np.ndarray:
    """u: (N, 1, H, W) -> (N, 1, 2 H, 2 W), each pixel four times: d(u(I)) = I."""
    return images.repeat(2, axis=2).repeat(2, axis=3)


def enlarged(images: np.ndarray, side: int) -> np.ndarray:
    """The images as squares of `side` pixels, for pictures."""
    while images.shape[-1] < side:
        images = up(images)
    return images


def gaussian(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """[I_0, I_1, ..., I_K]"""
    pyramid = [images]
    for _ in range(levels):
        pyramid.append(down(pyramid[-1]))
    return pyramid


def least_squares(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The linear map from I_(k+1) to h_k with the least squared error: weight (4, 1, 5, 5) and bias (4,) of a convolution.

    Its channels are the four pixels under each of I_(k+1), as those of `Residual`.
    """
    low = down(images)
    h = images - up(low)
    four = np.stack([h[:, 0, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1).reshape(-1, 4)
    around = sliding_window_view(np.pad(low[:, 0], ((0, 0), (2, 2), (2, 2))), (5, 5), axis=(1, 2)).reshape(-1, 25)
    a = np.column_stack([around, np.ones(len(around), around.dtype)])
    weight, *_ = np.linalg.lstsq(a.T @ a, a.T @ four)
    return weight[:-1].T.reshape(4, 1, 5, 5), weight[-1]


def build(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """[h_0, h_1, ..., I_K]: the residual of each level, the finest first, and the smallest image."""
    pyramid = gaussian(images, levels)
    return [large - up(small) for large, small in pairwise(pyramid)] + pyramid[-1:]


def rebuild(parts: list[np.ndarray]) -> np.ndarray:
    """I_0 from its parts, the smallest image first: I_k = u(I_(k+1)) + h_k."""
    *residuals, images = parts
    for h in residuals[::-1]:
        images = up(images) + h
    return images


class Pairs(Iterator):
    """Real minibatches of a level: (h, l) of images, as (N, 2, H, W)."""

    def __init__(self, images: np.ndarray, size: int):
        self.batches = data.batches(images, size=size)
        self.state_dict, self.load_state_dict = self.batches.state_dict, self.batches.load_state_dict

    def __next__(self) -> np.ndarray:
        images = next(self.batches)
        low = up(down(images))
        return np.concatenate([images - low, low], axis=1)


class RealCondition:
    """A level's prior: I_(k+1) of real images and noise, (N, 5, H / 2, W / 2). Levels train independently.

    The noise is a plane as large as the finer image (as in the paper): four numbers under each pixel of I_(k+1).
    """

    def __init__(self, small: np.ndarray):
        self.small, self.rng = small, random_numbers.spawn()
        self.noise = data.noise(4 * small[0].size)

    def __call__(self, m: int) -> np.ndarray:
        return self.beside_noise(self.small[self.rng.integers(len(self.small), size=m)])

    def beside_noise(self, small: np.ndarray) -> np.ndarray:
        """The input of G_k for these images: each with its noise."""
        z = backend.to_numpy(self.noise(len(small))).reshape(len(small), 4, *small.shape[2:])
        return np.concatenate([small, z], axis=1)

    def state_dict(self) -> dict[str, Any]:
        return {"noise": self.noise.state_dict(), "rng": random_numbers.generator_state(self.rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.noise.load_state_dict(state["noise"])
        random_numbers.set_generator_state(self.rng, state["rng"])


class Residual(nn.Module):
    """G_k: I_(k+1) and z -> the pair (h, l); h is a linear map of I_(k+1), which begins with these weights, plus a network.

    `network`: (N, 5, H, W) -> (N, 4, H, W), the four pixels under each of I_(k+1).
    """

    def __init__(self, network: nn.Module, weight: np.ndarray, bias: np.ndarray):
        self.network, self.linear = network, nn.Conv2d(1, 4, weight.shape[-1], padding=weight.shape[-1] // 2)
        self.linear.weight.data, self.linear.bias.data = weight, bias

    def forward(self, small_and_z: Tensor) -> Tensor:
        n, _, height, width = small_and_z.shape
        h = self.linear(small_and_z[:, :1]) + self.network(small_and_z)
        h = h.reshape(n, 2, 2, height, width)
        h = h.transpose(0, 3, 1, 4, 2).reshape(n, 1, 2 * height, 2 * width)
        return concatenate([h, upsample2d(small_and_z[:, :1])], axis=1)


class OfSum(nn.Module):
    """D_k: judges the pair (h, l) by l + h, as in the paper; h alone does not show whether it belongs to l."""

    def __init__(self, network: nn.Module):
        self.network = network

    def forward(self, pair: Tensor) -> Tensor:
        return self.network(pair[:, :1] + pair[:, 1:])
