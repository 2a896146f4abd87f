"""Techniques of Salimans et al. 2016 that are changes of the GAN's losses: label smoothing and historical averaging."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minigan import Tensor, backend, losses, square
from minigan import sum as total
from minigan.games import GAN
from minigan.games.figures import Figures, discriminator_figures


def smoothed_loss(real_logits: Tensor, fake_logits: Tensor, alpha: float, beta: float = 0.0) -> Tensor:
    """D's loss with the label alpha instead of 1 for real samples, and beta for fake ones.

    By -(p (alpha log D + (1 - alpha) log(1 - D)) + q (beta log D + (1 - beta) log(1 - D))), the best D at densities p and q is
    (alpha p + beta q) / (p + q). One-sided smoothing has beta = 0. With beta above 0, the best D is beta even where there are
    only fakes.
    """
    return losses.log_loss_with_logits(real_logits, alpha) + losses.log_loss_with_logits(fake_logits, beta)


class History:
    """The mean of a player's parameters over all iterations so far: a constant. Moving away from it has a price."""

    def __init__(self, parameters: Sequence[Tensor]):
        self.parameters, self.t = list(parameters), 0
        self.means = [p.data.copy() for p in self.parameters]

    def price(self) -> Tensor:
        """|theta - (1/t) sum of theta[i]|^2, over past theta[i]."""
        return sum((total(square(p - mean)) for p, mean in zip(self.parameters, self.means, strict=True)), Tensor(0.0))

    def add(self) -> None:
        self.t += 1
        for p, mean in zip(self.parameters, self.means, strict=True):
            mean += (p.data - mean) / self.t

    def state_dict(self) -> dict[str, Any]:
        return {"t": self.t, **{str(i): backend.copy_to_numpy(mean) for i, mean in enumerate(self.means)}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.t = int(state["t"])
        self.means = [backend.asarray(np.array(state[str(i)])) for i in range(len(self.means))]


class ImprovedGAN(GAN):
    """The GAN with one-sided label smoothing (alpha below 1) or historical averaging (weight above 0)."""

    def __init__(self, *players: Any, alpha: float = 1.0, weight: float = 0.0):
        super().__init__(*players)
        self.alpha, self.weight = alpha, weight
        self.past_G, self.past_D = History(self.G.parameters()), History(self.D.parameters())

    def step(self, batches: Iterator) -> Figures:
        """A step of D and one of G; G's loss has no smoothed labels."""
        x = self.real(batches)
        fake = self.G(self.noise(len(x))).detach()
        real_logits, fake_logits = self.D(x), self.D(fake)
        loss_D = smoothed_loss(real_logits, fake_logits, self.alpha)
        self.descend(self.opt_D, loss_D + self.weight * self.past_D.price())

        with self.frozen(self.D):
            loss_G = losses.generator_loss(self.D(self.G(self.noise(len(x)))))
            self.descend(self.opt_G, loss_G + self.weight * self.past_G.price())

        self.past_G.add()
        self.past_D.add()
        return discriminator_figures(loss_D, loss_G, real_logits, fake_logits)
