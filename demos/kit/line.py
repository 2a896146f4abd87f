"""Games on the line: distributions with known densities, and networks for them."""

from dataclasses import dataclass

import numpy as np

from minigan import nn


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians on the line: one weight, mean and standard deviation for each."""

    weights: tuple[float, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n samples, (n, 1) float32: minibatches for networks with one input."""
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        x = np.take(self.means, which) + np.take(self.stds, which) * rng.standard_normal(n)
        return x.astype(np.float32)[:, None]

    def density(self, x: np.ndarray) -> np.ndarray:
        """p(x), of x's shape, in float64."""
        z = (np.asarray(x, np.float64)[..., None] - self.means) / np.array(self.stds)
        return (np.array(self.weights) * np.exp(-(z**2) / 2) / (np.array(self.stds) * np.sqrt(2 * np.pi))).sum(axis=-1)


def jensen_shannon(p: np.ndarray, q: np.ndarray, dx: float = 1.0) -> float:
    """JSD(p || q) = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, in nats.

    p, q: densities at points with spacing dx, or, with dx = 1, probabilities.
    """
    m = (p + q) / 2
    return float(dx * sum(np.sum(a[a > 0] * np.log(a[a > 0] / m[a > 0])) for a in (p, q)) / 2)


def network(width: int, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """A G or a D on the line: one input, two hidden layers, one output."""
    return nn.Sequential(nn.Dense(1, width), activation(), nn.Dense(width, width), activation(), nn.Dense(width, 1))


def time_to_half(distances: np.ndarray, every: int) -> int:
    """The first measured iteration with at most half of the initial distance; else the last one. `every`: iterations a row."""
    return int(np.append(np.flatnonzero(distances <= distances[0] / 2), len(distances) - 1)[0]) * every
