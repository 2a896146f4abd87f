"""What one network's steps do to the other's loss: a VAE's two networks, and a GAN's, watched while they learn.

Every now and then, both losses are taken on held-out data with fixed noise, before and after each network's step. The changes
are in the figures of that iteration, under the name "changes": rows of (0: the first network stepped, 1: the second; the change
of the first's loss; of the second's).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from minigan import Tensor, losses, no_grad
from minigan.games import GAN, Game
from minigan.nn import Module
from minigan.optim import Optimizer

EVERY = 20  # iterations between two that are watched


class Watched(Game):
    """A game whose networks' steps are watched."""

    changes: list[list[float]]

    def losses(self) -> np.ndarray:
        """Both losses on the data that are looked at: the first network's, the second's."""
        raise NotImplementedError

    @contextmanager
    def watching(self, optimizer: Optimizer) -> Iterator[None]:
        """A step of the optimizer."""
        if optimizer.state[0]["t"] % EVERY:
            yield
        else:
            before = self.losses()
            yield
            self.changes.append([float(optimizer is self.opt_G), *(self.losses() - before).tolist()])

    def with_changes(self, figures: Mapping[str, float]) -> dict:
        """The figures of an iteration, with what was seen in it."""
        changes, self.changes = self.changes, []
        return {**figures, **({"changes": changes} if changes else {})}


class WatchedGAN(Watched, GAN):
    """D, then G, each down a loss of its own."""

    def look_at(self, x: np.ndarray) -> None:
        """Take the losses on these images, from -1 to 1, and as many samples."""
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
    """The encoder, in D's place, and the decoder, in G's: both down the same loss."""

    def __init__(self, vae: Module, opt_P: Optimizer, opt_Q: Optimizer):
        super().__init__(vae.P, vae.Q, vae.prior, opt_P, opt_Q)
        self.vae = vae

    def look_at(self, x: np.ndarray) -> None:
        """Take the loss on these images."""
        self.changes, self.held = [], (x, self.prior(len(x)))

    def losses(self) -> np.ndarray:
        """-ELBO is the encoder's, and the decoder's."""
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
    """(2, 2): by how much the steps of each network changed each loss, over all the iterations that were watched."""
    rows = np.array([row for step in figures for row in step.get("changes", [])])
    return np.array([rows[rows[:, 0] == player, 1:].sum(axis=0) for player in (0, 1)])
