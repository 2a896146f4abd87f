"""The generative adversarial network: G learns to sample from data that it never sees, by fooling D.

Slide: "In practice, we train D and G iteratively" (CS/DS 541, class 19)

    min over G, max over D of   E log D(x) + E log(1 - D(G(z)))        (Goodfellow et al. 2014, Algorithm 1)

Four sets of data: `ring`, eight narrow Gaussians on a circle; `grid`, 25 of them; `mnist`, handwritten digits; and `glyphs`,
digits drawn from fonts, without a download. G descends -log D(G(z)). Both players use Adam. The learning rates fall to 0:
otherwise the two would circle around the solution forever.

What to look for: in samples.png the samples should look like the data. In curves.png, do the losses approach the values that
they have when D can only guess? In over_time.png and animation.gif, G's samples (black) move to where D's output is blue
("real") or pale, and D learns from their new places: is D undecided (white) at the data in the end?
"""

from argparse import Namespace
from dataclasses import dataclass, replace

import numpy as np

from demos.kit import pictures, ring_and_grid
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.rounding import percent
from demos.kit.run import Run
from demos.kit.runner.options import parser
from minigan import Tensor, data, metrics, nn, no_grad, optim, sigmoid
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int  # iterations; the learning rates fall linearly to 0 over them
    z: int  # dimensions of the noise, standard normal
    width: int  # of the two hidden layers of each network
    batch: int = 256
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's; momentum, betas[0], lets the players overshoot each other
    k: int = 1  # D steps an iteration
    l: int = 1  # G steps an iteration
    r1: float = 0.0  # weight of the penalty on D's gradient at the data, which keeps D from running away from G
    scale: float = 1.0  # the networks see x / scale
    spread: float = 1.0  # how much wider than usual G's first samples lie: wide enough to start near every mode


SETTINGS = {
    "ring": Settings(steps=26_000, z=2, width=64, batch=128, lr=5e-3, betas=(0.2, 0.999), spread=4.0),
    "grid": Settings(steps=25_000, z=2, width=128, lr=2e-3, betas=(0.0, 0.999), scale=2.0, spread=4.0),
    "mnist": Settings(steps=16_000, z=64, width=256, batch=100, r1=1.0),
    "glyphs": Settings(steps=16_000, z=64, width=256, batch=100, r1=1.0),
}
VERDICT = "True: trained in turns with D, G finds all 8 modes of the ring, and D's accuracy ends near one half."
REACHED = (
    "{modes with 1 % of the samples|.0f} of {modes|.0f} modes, {share within 3 std|%1} of the samples within 3 std of one "
    "(of the data, {share within 3 std, data|%1})"
)
FINDING = f"G reaches {REACHED}. D's accuracy ends at {{accuracy of D at the end|.2f}} (one seed)."
NEAR = {"ring": 0.96, "grid": 0.95}  # least share of the samples within 3 std of a mode
QUICK = {"ring": 400, "grid": 250, "mnist": 100, "glyphs": 100}  # iterations with --quick


def chosen(args: Namespace) -> Settings:
    """The settings for these data."""
    settings = SETTINGS[args.data]
    return replace(settings, steps=QUICK[args.data], width=64) if args.quick else settings


@demo(SETTINGS["ring"], options=lambda about: parser(about, data=list(SETTINGS)), choose=chosen)
def main(claim: Claim, settings: Settings) -> None:
    """Points in the plane or images, by the same algorithm: only the sizes of the layers differ."""
    if claim.args.data in ("ring", "grid"):
        points(claim, settings)
    else:
        from demos.kit import digits  # here: points need no classifier of digits

        digits.play(claim, make_game(settings, *digits.dense_players(settings.z, settings.width)))
        digits.well_drawn(claim)


def make_game(settings: Settings, G: nn.Module, D: nn.Module) -> GAN:
    """The game of these two players under the settings."""
    opt_G, opt_D = (optim.Adam(player.parameters(), settings.lr, settings.betas) for player in (G, D))
    return GAN(G, D, data.noise(settings.z), opt_G, opt_D, k=settings.k, l=settings.l, r1=settings.r1)


def points(claim: Claim, settings: Settings) -> None:
    """A mixture of Gaussians in the plane: can G find all of them, and does it give each its share?"""
    args = claim.args
    x, centres, std = ring_and_grid.load(args.data)

    w = settings.width
    G = nn.Sequential(nn.Dense(settings.z, w), nn.ReLU(), nn.Dense(w, w), nn.ReLU(), nn.Dense(w, 2))
    D = nn.Sequential(nn.Dense(2, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 1))
    G[-1].weight.data *= settings.spread
    game = make_game(settings, G, D)

    scale = np.float32(settings.scale)
    z, places = data.noise(settings.z)(1000), pictures.lattice(x)

    def snapshot():
        with no_grad():
            opinion = sigmoid(D(Tensor(places / scale))).numpy().reshape(60, 60)
        return {"samples": scale * game.sample(len(z), z=z), "D": opinion}

    run = Run(claim, game, data.batches(x / scale, size=settings.batch), x, snapshot)
    run.train()

    samples = scale * game.sample(10_000)
    coverage = metrics.mode_coverage(samples, centres, std)
    perfect = metrics.mode_coverage(x[:10_000], centres, std)
    accuracy = float(np.mean([row["D_accuracy"] for row in run.history[-len(run.history) // 10 :]]))
    claim.metrics |= {"samples": coverage, "perfect_sampler": perfect}
    measure(claim, coverage, perfect, len(centres), NEAR[args.data], accuracy)
    run.write(samples=samples)
    reached = claim.words(REACHED)
    claim.show(pictures.points_over_time(run.snapshots, x, "$D(x)$: 0 fake, 1 real"), "over_time", reached)
    claim.show(pictures.points(x[:10_000], samples), "samples", reached)
    pictures.points_animation(args.out / "animation.gif", run.snapshots, x, "blue: D says real")
    guess = f"In the last tenth of the training, D is right about {percent(accuracy)} of the points; guessing, about 50 %"
    claim.show(pictures.curves(run.history), "curves", guess)
    print(pictures.MOVING)


def measure(claim: Claim, reached: dict, perfect: dict, modes: int, near: float, accuracy: float) -> None:
    """All modes found, each with about its share; samples close to the data; a D that can only guess."""
    claim.note("modes", modes, "of the data")
    claim.at_least("modes with 1 % of the samples", reached["modes_1pct"], modes)
    claim.at_least("share within 3 std", reached["high_quality"], near)
    claim.note("share within 3 std, data", perfect["high_quality"], "reported: no sampler is better")
    claim.at_most("KL over modes", reached["kl"], 0.05)  # as when the modes' shares differ by a third
    claim.note("KL over modes, data", perfect["kl"], "reported: of as many points")
    claim.between("accuracy of D at the end", accuracy, 0.4, 0.6)
