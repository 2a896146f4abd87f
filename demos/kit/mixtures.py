"""Mixtures of Gaussians in the plane that a small GAN learns in seconds, for demos that play many games."""

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from demos.kit.pictures import REAL
from minigan import data, metrics, nn


@dataclass
class Mixture:
    """Equally likely Gaussians: a function that draws samples, the centres (m, 2), and the standard deviation."""

    sample: Callable[[int], np.ndarray]  # n -> (n, 2) points of the data
    centres: np.ndarray
    std: float

    def batches(self, size: int):
        """Minibatches of 20,000 points."""
        return data.batches(self.sample(20_000), size=size)

    def coverage(self, samples: np.ndarray) -> dict[str, int | float]:
        """`metrics.mode_coverage` of these modes."""
        return metrics.mode_coverage(samples, self.centres, self.std)

    def show(self, axes: plt.Axes, samples: np.ndarray, title: str) -> None:
        """Draw the samples in black over the modes, which are pale discs with radius 3 std."""
        for centre in self.centres:
            axes.add_patch(plt.Circle(centre, 3 * self.std, color=REAL, alpha=0.3, linewidth=0))
        axes.scatter(*samples.T, s=2, color="black", linewidths=0)
        reach = 1.4 * np.abs(self.centres).max()
        axes.set(title=title, aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[])


# The std is larger than usual, so that networks reach a distance of 3 std within a few hundred steps.
RING = Mixture(lambda n: data.ring(n, std=0.1), data.ring_centres(), 0.1)
GRID = Mixture(lambda n: data.grid(n, spacing=1.0, std=0.1), data.grid_centres(spacing=1.0), 0.1)


def generator(width: int) -> nn.Sequential:
    """A network from two numbers of noise to a point in the plane."""
    return nn.Sequential(nn.Dense(2, width), nn.ReLU(), nn.Dense(width, width), nn.ReLU(), nn.Dense(width, 2))


def discriminator(width: int, features: int = 2) -> nn.Sequential:
    """A network from a point, or several features of it, to a logit. It also serves as a critic."""
    layers = nn.Dense(features, width), nn.LeakyReLU(0.2), nn.Dense(width, width), nn.LeakyReLU(0.2), nn.Dense(width, 1)
    return nn.Sequential(*layers)
