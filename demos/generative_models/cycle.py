"""Two networks learn to translate between two sets of points without pairs, if each must undo the other (Zhu et al. 2017).

Slide: "GAN variants (> 100)" (IT3320E, lecture 10)

    D and D_X descend   the log-loss of real y against G(x), and of real x against F(y)
    G and F descend     -log D(G(x)) - log D_X(F(y)) + weight (|F(G(x)) - x| + |G(F(y)) - y|)

The data are two rings of eight Gaussians. The second is turned by half the angle between two modes. No x belongs to any y. The
two GAN games alone ask only that G(x) is distributed as y, and F(y) as x: any order of the modes will do for each of them.

What to look for: the numbers are the modes of x. In the middle, where does G take each mode? On the right, does F take it
back? The upper row is the game with the cycle's loss, the lower row without it. Is the order of the modes the same for all
seeds?
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.mixtures import RING, Mixture, discriminator, generator
from demos.kit.style import FAKE, REAL, slide
from demos.kit.training import train
from minigan import data, nn, optim
from minigan.games import Figures, Game
from minigan.losses import discriminator_loss, generator_loss, l1


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 600  # the learning rates fall linearly to 0 over them
    seeds: int = 3
    weight: float = 1.0  # of the cycle's loss
    width: int = 32
    batch: int = 64
    lr: float = 3e-3  # Adam's, of all four networks
    points: int = 2000  # that are measured


QUICK = {"steps": 60, "seeds": 2, "points": 400}
KINDS = ("with the cycle's loss", "without it")
VERDICT = "True: if each must undo the other, two networks translate between two rings; which mode becomes which is chance."
FINDING = (
    "With the cycle's loss, F brings at least {with the cycle's loss: back in its mode, worst seed|>%} of the points back to "
    "their mode, and x and F(G(x)) are {with the cycle's loss: distance|.2g} apart; a mode's std is 0.1. Without it, "
    "{without it: back in its mode|%} are back, {without it: distance|.2g} apart (means of 3 seeds). The seeds found "
    "{orders of the modes|.0f} different orders of the modes."
)
TITLE = (
    "With the cycle's loss, $F(G(x))$ is {with the cycle's loss: distance|.2g} from $x$; without it, "
    "{without it: distance|.2g} (means of the seeds; the picture shows the first)"
)
TURN = np.pi / 8
R = np.array([[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]], np.float32)
TURNED = Mixture(lambda n: RING.sample(n) @ R.T, RING.centres @ R.T, RING.std)


class CycleGAN(Game):
    """G: x -> y against D, and F: y -> x against D_X; F undoes G, and G undoes F. The prior draws x, the minibatches are y."""

    settings = ("weight",)

    def __init__(self, G, D, prior, opt_G, opt_D, F: nn.Module, D_X: nn.Module, weight: float):
        super().__init__(G, D, prior, opt_G, opt_D)
        self.F, self.D_X, self.weight = F, D_X, weight

    def step(self, batches):
        """A step of both discriminators, then a step of G and F."""
        y = self.real(batches)
        x = self.noise(len(y))
        fake_y, fake_x = self.G(x), self.F(y)
        loss_D = discriminator_loss(self.D(y), self.D(fake_y.detach()))
        loss_D = loss_D + discriminator_loss(self.D_X(x), self.D_X(fake_x.detach()))
        self.descend(self.opt_D, loss_D)

        with self.frozen(self.D, self.D_X):
            cycle = l1(self.F(fake_y), x) + l1(self.G(fake_x), y)
            loss_G = generator_loss(self.D(fake_y)) + generator_loss(self.D_X(fake_x)) + self.weight * cycle
            self.descend(self.opt_G, loss_G)

        return Figures(loss_D=loss_D, loss_G=loss_G, cycle=cycle)


def game(weight: float, s: Settings) -> CycleGAN:
    """The game of four small networks; one optimizer for G and F, one for both discriminators."""
    G, F, D, D_X = generator(s.width), generator(s.width), discriminator(s.width), discriminator(s.width)
    rules = [optim.Adam([*a.parameters(), *b.parameters()], s.lr, (0.5, 0.999)) for a, b in ((G, F), (D, D_X))]
    return CycleGAN(G, D, RING.sample, *rules, F, D_X, weight)


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    """Both kinds of the game with every seed."""
    runs = over_kinds(claim, play, KINDS, s.seeds, s, steps=2 * s.seeds * s.steps)
    measure(claim, runs)
    claim.show(picture([runs[kind][0] for kind in KINDS]), "cycle", claim.words(TITLE))


def play(kind: str, seed: int, s: Settings) -> dict[str, Any]:
    """Fresh x, G(x) and F(G(x)) after a game."""
    mg.seed(seed)
    played = game(s.weight if kind == KINDS[0] else 0.0, s)
    train(played, TURNED.batches(s.batch), s.steps, kind)
    x = data.ring(s.points, std=RING.std, rng=np.random.default_rng(seed))
    y = played.sample(len(x), z=x)
    return {"x": x, "y": y, "back": played.sample(len(y), z=y, G=played.F)}


def measure(claim: Claim, runs: dict[str, list[dict[str, Any]]]) -> None:
    """Does G find the data, and does F undo it? Without the cycle's loss, as the control."""
    distance, back = {}, {}
    for kind in KINDS:
        distance[kind] = [np.linalg.norm(run["back"] - run["x"], axis=1).mean() for run in runs[kind]]
        back[kind] = [np.mean(mode_of(run["back"], RING) == mode_of(run["x"], RING)) for run in runs[kind]]
        claim.note(f"{kind}: distance", np.mean(distance[kind]), "reported: between x and F(G(x)), mean of the seeds")
        claim.note(f"{kind}: back in its mode", np.mean(back[kind]), "reported: by chance 0.125")
    found = [TURNED.coverage(run["y"]) for run in runs[KINDS[0]]]
    claim.at_least("modes of y, worst seed", min(each["modes_1pct"] for each in found), 8)
    claim.at_least("share within 3 std of a mode of y, worst seed", min(each["high_quality"] for each in found), 0.9)
    claim.at_most(f"{KINDS[0]}: distance, worst seed", max(distance[KINDS[0]]), RING.std)
    claim.at_least(f"{KINDS[0]}: back in its mode, worst seed", min(back[KINDS[0]]), 0.95)
    claim.at_most("without it: back in its mode, mean", np.mean(back[KINDS[1]]), 0.5)
    claim.compare("distance, with it less without it", compare(distance[KINDS[0]], distance[KINDS[1]]), {HELPS})
    orders = {tuple(order(run)) for run in runs[KINDS[0]]}
    claim.note("orders of the modes", len(orders), "reported: that the seeds found, with the cycle's loss")


def mode_of(points: np.ndarray, mixture: Mixture) -> np.ndarray:
    """The nearest mode of each point."""
    return np.linalg.norm(points[:, None] - mixture.centres, axis=2).argmin(axis=1)


def order(run: dict[str, Any]) -> list[int]:
    """For each mode of x, the mode of y to which G takes most of its points."""
    of_x, of_y = mode_of(run["x"], RING), mode_of(run["y"], TURNED)
    return [int(np.bincount(of_y[of_x == mode], minlength=8).argmax()) for mode in range(8)]


def picture(runs: list[dict[str, Any]]) -> Figure:
    """x, G(x) and F(G(x)), a row for each kind; numbers: the modes of x, at the means of their points."""
    figure, rows = slide(2, 3, height=9)
    for axes_in_row, run, kind in zip(rows, runs, KINDS, strict=True):
        of_x = mode_of(run["x"], RING)
        for axes, name, title in zip(axes_in_row, ("x", "y", "back"), ("$x$", "$G(x)$", "$F(G(x))$"), strict=True):
            (TURNED if name == "y" else RING).show(axes, run[name], f"{title}, {kind}")
            for mode in range(8):
                place = 1.25 * run[name][of_x == mode].mean(axis=0) if (of_x == mode).any() else (0, 0)
                axes.text(*place, str(mode), color=REAL if name == "x" else FAKE, ha="center", va="center", weight="bold")
    return figure
