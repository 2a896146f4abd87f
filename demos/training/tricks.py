"""Published tricks to make GANs work, each with a switch, and the game that uses them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial

import numpy as np

import minigan as mg
from minigan import Tensor, losses, nn
from minigan.backend import random_numbers
from minigan.games import GAN, dcgan_discriminator, dcgan_generator
from minigan.games.figures import Figures, discriminator_figures


@dataclass(frozen=True)
class Tricks:
    """The base setting: dense layers and the R1 penalty; the first three tricks are on, the others off."""

    tanh: bool = True  # G ends in tanh, pixels in [-1, 1]; else in a sigmoid, in [0, 1]
    sphere: bool = True  # z on a sphere; else uniform in a cube
    leaky: bool = True  # LeakyReLU of slope 0.2 in both networks; else ReLU
    norm: str = ""  # batch norm in D: real and fake minibatches "apart", or "mixed" into one
    soft: bool = False  # labels from [0.7, 1] and [0, 0.3], 5 % of them swapped
    sgd: bool = False  # SGD for D, Adam for G; else Adam for both
    noise: float = 0.0  # on D's inputs at the start; the standard deviation falls linearly to 0
    dropout: float = 0.0  # in G, also when samples are drawn
    r1: bool = True  # the penalty on D's gradient at the data
    conv: bool = False  # DCGAN's networks, which have batch norm in both; else dense layers

    def __str__(self) -> str:
        """The differences from the base."""
        changed = (f"{f.name} = {getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default)
        return ", ".join(changed) or "base"


class TrickedGAN(GAN):
    """The GAN with D's inputs, labels and minibatches changed by the tricks."""

    def __init__(self, *players, tricks: Tricks, steps: int, r1: float = 0.0):
        # The penalty is on a change of the image: in [0, 1], a step of the same size is twice as large a change.
        super().__init__(*players, r1=r1 * tricks.r1 / (1 if tricks.tanh else 4))
        self.tricks, self.steps, self.t, self.rng = tricks, steps, 0, random_numbers.spawn()

    def step(self, batches: Iterator) -> Figures:
        x = self.real(batches)
        x.requires_grad = self.r1 > 0
        v_real, v_fake = self.logits(x, self.G(self.noise(len(x))).detach())
        loss_D = self.objective(v_real, v_fake)
        penalty = (self.r1 / 2) * losses.squared_gradient_norm(v_real, x) if self.r1 else 0.0
        self.descend(self.opt_D, loss_D + penalty)
        with self.frozen(self.D):
            loss_G = losses.generator_loss(self.logits(x.detach(), self.G(self.noise(len(x))))[1])
            self.descend(self.opt_G, loss_G)
        self.t += 1
        return discriminator_figures(loss_D, loss_G, v_real, v_fake)

    def logits(self, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """D's logits of both minibatches, judged apart or as one."""
        x, fake = self.blurred(x), self.blurred(fake)
        if self.tricks.norm != "mixed":
            return self.D(x), self.D(fake)
        v = self.D(mg.concatenate([x, fake]))
        return v[: len(x)], v[len(x) :]

    def blurred(self, x: Tensor) -> Tensor:
        """x plus this iteration's noise."""
        std = self.tricks.noise * (1 - self.t / self.steps)
        return x + Tensor(std * self.rng.standard_normal(x.shape, dtype=np.float32)) if std > 0 else x

    def objective(self, v_real: Tensor, v_fake: Tensor) -> Tensor:
        """D's loss, with labels 1 and 0, or soft and noisy ones."""
        if not self.tricks.soft:
            return losses.discriminator_loss(v_real, v_fake)
        real, fake = (soft_labels(label, v_real.shape, self.rng) for label in (1, 0))
        return losses.log_loss_with_logits(v_real, real) + losses.log_loss_with_logits(v_fake, fake)


def soft_labels(label: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Uniform within 0.3 of the label; for 5 % of them, within 0.3 of the other label."""
    labels = np.where(rng.random(shape) < 0.05, 1 - label, label)
    return np.abs(labels - 0.3 * rng.random(shape)).astype(np.float32)


def players(tricks: Tricks, z: int, w: int) -> tuple[nn.Sequential, nn.Sequential]:
    """G and D: DCGAN's with w channels, or dense layers of width w; the base's are those of `digits.dense_players`."""
    if tricks.conv:
        return dcgan_generator(z, w), dcgan_discriminator(channels=w)

    act = partial(nn.LeakyReLU, 0.2) if tricks.leaky else nn.ReLU
    norm = [nn.BatchNorm1d(w)] if tricks.norm else []

    def drop():
        return [nn.Dropout(tricks.dropout)] if tricks.dropout else []

    last = nn.Tanh() if tricks.tanh else nn.Sigmoid()
    hidden = nn.Dense(z, w), act(), *drop(), nn.Dense(w, w), act(), *drop()
    G = nn.Sequential(*hidden, nn.Dense(w, 784), last, nn.Reshape(1, 28, 28))
    judged = nn.Dense(784, w), act(), nn.Dense(w, w), *norm, act()
    return G, nn.Sequential(nn.Flatten(), *judged, nn.Dense(w, 1))
