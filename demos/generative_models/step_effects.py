"""The effect of one network's steps on the other's loss, in a VAE and in a GAN.

Every `EVERY` iterations, both losses are measured on held-out data with fixed noise, before and after each network's step. The
changes are in the metrics of that iteration, under the name "changes": rows of (0 if the first network stepped, 1 if the
second; the change of the first's loss; of the second's).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from minigan import Tensor, losses, no_grad
from minigan.games import GAN, Game
from minigan.nn import Module
from minigan.optim import Optimizer

EVERY = 20  # iterations between two measurements


class Watched(Game):
    """A game that measures the effects of its networks' steps. It has `losses()`: both, on the held-out data."""

    changes: list[list[float]]

    @contextmanager
    def watching(self, optimizer: Optimizer) -> Iterator[None]:
        """Measure both losses before and after a step of the optimizer, if it is time."""
        if optimizer.state[0]["t"] % EVERY:
            yield
        else:
            before = self.losses()
            yield
            self.changes.append([float(optimizer is self.opt_G), *(self.losses() - before).tolist()])

    def with_changes(self, figures: Mapping[str, float]) -> dict:
        """The metrics of an iteration, with the changes measured in it."""
        changes, self.changes = self.changes, []
        return {**figures, **({"changes": changes} if changes else {})}


class WatchedGAN(Watched, GAN):
    """D, then G, each descends its own loss."""

    def look_at(self, x: np.ndarray) -> None:
        """Measure the losses on these images, from -1 to 1, and on the same number of samples."""
        self.changes, self.held = [], (Tensor(x), Tensor(self.prior(len(x))))

    def losses(self) -> np.ndarray:
        """D's, and G's."""
        x, z = self.held
        with no_grad():
            real, fake = self.D(x), self.D(self.G(z))
            return np.array([losses.discriminator_loss(real, fake).item(), losses.generator_loss(fake).item()])

    def descend(self, optimizer: Optimizer, loss: Tensor) -> None:
        with self.watching(optimizer):
            super().descend(optimizer, loss)

    def step(self, batches: Iterator) -> dict:
        """One iteration of the GAN."""
        return self.with_changes(super().step(batches))


class WatchedVAE(Watched):
    """The encoder in D's place, the decoder in G's: both descend the same loss."""

    def __init__(self, vae: Module, opt_P: Optimizer, opt_Q: Optimizer):
        super().__init__(vae.P, vae.Q, vae.prior, opt_P, opt_Q)
        self.vae = vae

    def look_at(self, x: np.ndarray) -> None:
        """Measure the loss on these images."""
        self.changes, self.held = [], (x, self.prior(len(x)))

    def losses(self) -> np.ndarray:
        """-ELBO, the loss of both."""
        with no_grad():
            loss = sum(self.vae(*self.held)).item()
        return np.array([loss, loss])

    def step(self, batches: Iterator) -> dict:
        """One minibatch: a single backward pass, then the encoder's step, then the decoder's."""
        loss = sum(self.vae(next(batches)))
        for optimizer in (self.opt_D, self.opt_G):
            optimizer.zero_grad()
        loss.backward()
        for optimizer in (self.opt_D, self.opt_G):
            with self.watching(optimizer):
                optimizer.step()
        return self.with_changes({"loss": loss.item()})


def totals(figures: list[dict]) -> np.ndarray:
    """(2, 2): the total change of each loss (columns) by the measured steps of each network (rows)."""
    rows = np.array([row for step in figures for row in step.get("changes", [])])
    return np.array([rows[rows[:, 0] == player, 1:].sum(axis=0) for player in (0, 1)])
