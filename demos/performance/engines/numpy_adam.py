"""Adam for the engines that compute gradients only."""

import numpy as np

from demos.performance.engines.sizes import BETAS, EPS, LR


class Adam:
    """One player's weights, changed in place (Kingma and Ba 2015, Algorithm 1)."""

    def __init__(self, weights: list[np.ndarray]):
        self.weights = weights
        self.m, self.v = ([np.zeros_like(w) for w in weights] for _ in range(2))
        self.t = 0

    def step(self, gradients: list[np.ndarray]) -> None:
        """w <- w - lr m^ / (sqrt(v^) + eps)"""
        self.t += 1
        beta1, beta2 = BETAS
        for w, g, m, v in zip(self.weights, gradients, self.m, self.v, strict=True):
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * (g * g)
            root = np.sqrt(v / (1 - beta2**self.t))
            root += EPS
            w -= (LR / (1 - beta1**self.t)) * (m / root)
