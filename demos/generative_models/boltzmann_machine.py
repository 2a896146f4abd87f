"""The restricted Boltzmann machine, in the engine's ops: free energy and Gibbs steps."""

import numpy as np

import minigan as mg
from minigan import Tensor, nn, no_grad, sigmoid, softplus
from minigan.backend import random_numbers


class RBM(nn.Module):
    """The restricted Boltzmann machine: p(v, h) ~ e^(v.b + h.c + v W h), pixels v and hidden units h all 0 or 1."""

    def __init__(self, hidden: int, mean_image: np.ndarray):
        W = 0.01 * random_numbers.generator().standard_normal((len(mean_image), hidden), dtype=np.float32)
        p = 0.98 * mean_image + 0.01
        self.W = Tensor(W, requires_grad=True)
        self.b = Tensor(np.log(p / (1 - p)), requires_grad=True)  # with W = 0, p(v) is the mean image
        self.c = Tensor(np.zeros(hidden, np.float32), requires_grad=True)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = -log of the sum over h of e^(v.b + h.c + v W h): (n,)."""
        return -(v @ self.b) - mg.sum(softplus(v @ self.W + self.c), axis=1)

    def hidden(self, v: Tensor) -> Tensor:
        """p(h = 1 | v), (n, hidden)."""
        return sigmoid(v @ self.W + self.c)

    def visible(self, h: Tensor) -> Tensor:
        """p(v = 1 | h), (n, 784)."""
        return sigmoid(h @ self.W.T + self.b)

    def gibbs(self, v: Tensor, rng: np.random.Generator) -> Tensor:
        """One step v -> h -> v, with drawn units."""
        return draw(self.visible(draw(self.hidden(v), rng)), rng)


def draw(p: Tensor, rng: np.random.Generator) -> Tensor:
    """1 with probability p, else 0. A comparison has no derivative: no gradient passes through it."""
    return (p > Tensor(rng.random(p.shape, dtype=np.float32))).astype(p.dtype)


def from_noise(rbm: RBM, n: int, steps: int, rng: np.random.Generator) -> dict[int, np.ndarray]:
    """n chains from noise: p(v | h) as images (n, 1, 28, 28) after 1, 10, 100 ... steps and at the end; at 0, the noise."""
    shown, found = {0, steps, *(10**i for i in range(9) if 10**i < steps)}, {}
    v = p = draw(Tensor(np.full((n, len(rbm.b)), 0.5, np.float32)), rng)
    with no_grad():
        for t in range(steps + 1):
            if t in shown:
                found[t] = p.numpy().reshape(n, 1, 28, 28)
            p = rbm.visible(draw(rbm.hidden(v), rng))
            v = draw(p, rng)
    return found
