"""Damaged images of digits (noise, a hole, a coarse grid), mended by the obvious remedy if there is one."""

import numpy as np

TASKS = ("reconstruction", "denoising", "inpainting", "super-resolution")
SHARES = (1, 2, 3, 2)  # of a minibatch, in eighths


class Damage:
    """The networks' input for each task: noise of this standard deviation; a hole of this side, filled from the mean image."""

    def __init__(self, mean: np.ndarray, noise: float, side: int):
        self.mean, self.noise, self.side = mean, noise, side

    def __call__(self, task: str, x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | bool]:
        """The damaged images, mended by the obvious remedy if there is one; and which of their pixels are known."""
        if task == "denoising":
            return (x + np.float32(self.noise) * rng.standard_normal(x.shape, np.float32)).clip(0, 1), False
        if task == "inpainting":
            known = ~hole(len(x), self.side, rng)
            return np.where(known, x, self.mean), known
        return (bilinear(coarse(x)) if task == "super-resolution" else x), False

    def mixed(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A minibatch: each task damages its share of it."""
        parts = np.split(x, len(x) * np.cumsum(SHARES)[:-1] // sum(SHARES))
        return np.concatenate([self(task, part, rng)[0] for task, part in zip(TASKS, parts, strict=True)])


def hole(n: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 1, 28, 28): True in a square within the middle 20 x 20 pixels, where MNIST's digits are."""
    corner = rng.integers(4, 25 - side, (n, 2, 1))
    inside = (np.arange(28) >= corner) & (np.arange(28) < corner + side)  # (n, 2, 28): rows, columns
    return inside[:, 0, :, None][:, None] & inside[:, 1, None, :][:, None]


def coarse(x: np.ndarray, side: int = 7) -> np.ndarray:
    """(n, 1, 28, 28) -> (n, 1, side, side): means of equal squares."""
    return x.reshape(-1, 1, side, 28 // side, side, 28 // side).mean(axis=(3, 5))


def bilinear(small: np.ndarray) -> np.ndarray:
    """(n, 1, 7, 7) -> (n, 1, 28, 28): interpolated between the centres of the small pixels, constant beyond the outermost."""
    at = (np.arange(28) + 0.5) / 4 - 0.5  # in small pixels
    weight = np.maximum(0, 1 - np.abs(at.clip(0, 6)[:, None] - np.arange(7))).astype(small.dtype)  # (28, 7)
    return weight @ small @ weight.T
