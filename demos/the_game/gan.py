"""The generative adversarial network: G learns to sample from data that it never sees, by fooling D.

Slide: "In practice, we train D and G iteratively" (CS/DS 541, class 19)

    min over G, max over D of   E log D(x) + E log(1 - D(G(z)))        (Goodfellow et al. 2014, Algorithm 1)

Four sets of data: `ring`, eight narrow Gaussians on a circle; `grid`, 25 of them; `mnist`, handwritten digits; and `glyphs`,
digits drawn from fonts, without a download. G descends -log D(G(z)). Both players use Adam. The learning rates fall to 0:
otherwise the two would circle around the solution forever. `--set loss=hinge` and `--set loss=least-squares` give both players
another loss. On the ring, with the same other settings and seeds 0 to 2, these games also find all 8 modes, and between 96.4 %
and 97.4 % of their samples are within 3 std of one.

What to look for: in samples.png the samples should look like the data. In curves.png, do the losses approach the values that
they have when D can only guess? In over_time.png and animation.gif, G's samples (black) move to where D's output is blue
("real") or pale, and D learns from their new places: is D undecided (white) at the data in the end?
"""

from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from demos.kit import own_data, pictures, ring_and_grid
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.rounding import percent
from demos.kit.run import Run
from demos.kit.runner.options import own_options, parser
from minigan import Tensor, data, losses, metrics, nn, no_grad, optim, sigmoid
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
    loss: Literal["log", "least-squares", "hinge"] = "log"  # the pair that the players descend, see LOSSES
    spread: float = 1.0  # how much wider than usual G's first samples lie: wide enough to start near every mode


SETTINGS = {
    "ring": Settings(steps=26_000, z=2, width=64, batch=128, lr=5e-3, betas=(0.2, 0.999), spread=4.0),
    "grid": Settings(steps=30_000, z=2, width=128, lr=2e-3, betas=(0.0, 0.999), scale=2.0, spread=4.0),
    "mnist": Settings(steps=16_000, z=64, width=256, batch=100, r1=1.0),
    "glyphs": Settings(steps=16_000, z=64, width=256, batch=100, r1=1.0),
}
LOSSES = {"log": losses.log_loss_game, "least-squares": losses.least_squares_game, "hinge": losses.hinge_game}
VERDICT = "True: trained in turns with D, G finds all 8 modes of the ring, and D's accuracy ends near one half."
REACHED = (
    "{modes with 1 % of the samples|.0f} of {modes|.0f} modes, {share within 3 std|%1} of the samples within 3 std of one "
    "(of the data, {share within 3 std, data|%1})"
)
FINDING = f"G reaches {REACHED}. D's accuracy ends at {{accuracy of D at the end|.2f}} (one seed)."
NEAR = {"ring": 0.96, "grid": 0.95}  # least share of the samples within 3 std of a mode ...
NEAR_OTHER_LOSS = 0.95  # ... with another loss than the log-loss, for which the settings were not chosen
QUICK = {"ring": 400, "grid": 250, "mnist": 100, "glyphs": 100}  # iterations with --quick


def chosen(args: Namespace) -> Settings:
    """The settings for these data."""
    name = ("ring" if own_data.has_points(args) else "mnist") if own_data.given(args) else args.data
    return replace(SETTINGS[name], steps=QUICK[name], width=64) if args.quick else SETTINGS[name]


def everything(args: Namespace, settings: Settings) -> dict[str, Any]:
    """What the result depends on; the log-loss is not named, so that checkpoints of older versions can be resumed."""
    named = {"data": args.data, **own_options(args), **asdict(settings)}
    return {name: value for name, value in named.items() if (name, value) != ("loss", "log")}


@demo(SETTINGS["ring"], None, lambda about: parser(about, list(SETTINGS), own="points or images"), chosen, everything)
def main(claim: Claim, settings: Settings) -> None:
    """Points in the plane or images, by the same algorithm: only the sizes of the layers differ."""
    args = claim.args
    if args.data in ("ring", "grid") or own_data.has_points(args):
        points(claim, settings)
        return
    from demos.kit import digits  # here: points need no classifier of digits

    if own_data.given(args):
        own = own_data.images(args)
        own_data.play(claim, own, make_game(settings, *digits.dense_players(settings.z, settings.width, own.shape)))
    else:
        digits.play(claim, make_game(settings, *digits.dense_players(settings.z, settings.width)))
        digits.well_drawn(claim)


def make_game(settings: Settings, G: nn.Module, D: nn.Module) -> GAN:
    """The game of these two players under the settings."""
    opt_G, opt_D = (optim.Adam(player.parameters(), settings.lr, settings.betas) for player in (G, D))
    return GAN(G, D, data.noise(settings.z), opt_G, opt_D, settings.k, settings.l, r1=settings.r1, loss=LOSSES[settings.loss])


def points(claim: Claim, settings: Settings) -> None:
    """A mixture of Gaussians in the plane: can G find all of them, and does it give each its share?"""
    args = claim.args
    own = own_data.given(args)
    x, centres, std = (own_data.points(args), None, None) if own else ring_and_grid.load(args.data)

    w = settings.width
    G = nn.Sequential(nn.Dense(settings.z, w), nn.ReLU(), nn.Dense(w, w), nn.ReLU(), nn.Dense(w, 2))
    D = nn.Sequential(nn.Dense(2, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 1))
    G[-1].weight.data *= settings.spread
    game = make_game(settings, G, D)

    scale = np.float32(settings.scale)
    z, places = data.noise(settings.z)(1000), pictures.lattice(x)

    def snapshot():
        with no_grad():
            opinion = D(Tensor(places / scale))
            if settings.loss != "least-squares":  # there, D's own output is 1 for real and 0 for fake
                opinion = sigmoid(opinion)
        return {"samples": scale * game.sample(len(z), z=z), "D": opinion.numpy().reshape(60, 60)}

    run = Run(claim, game, data.batches(x / scale, size=min(settings.batch, len(x))), x, snapshot)
    run.train()

    samples = scale * game.sample(10_000)
    late = run.history[-len(run.history) // 10 :]
    accuracy = float(np.mean([row["D_accuracy"] for row in late])) if settings.loss == "log" else None
    if own:
        reached = own_data.measure_points(claim, x, samples)
    else:
        coverage = metrics.mode_coverage(samples, centres, std)
        perfect = metrics.mode_coverage(x[:10_000], centres, std)
        claim.metrics |= {"samples": coverage, "perfect_sampler": perfect}
        near = NEAR_OTHER_LOSS if accuracy is None else NEAR[args.data]
        measure(claim, coverage, perfect, len(centres), near, accuracy)
        reached = claim.words(REACHED)
    run.write(samples=own_data.restored(args, samples) if own else samples)
    claim.show(pictures.points_over_time(run.snapshots, x, "$D(x)$: 0 fake, 1 real"), "over_time", reached)
    claim.show(pictures.points(x[:10_000], samples), "samples", reached)
    pictures.points_animation(args.out / "animation.gif", run.snapshots, x, "blue: D says real")
    guess = "The losses, and D's mean outputs at the data and at the samples"
    if accuracy is not None:
        guess = f"In the last tenth of the training, D is right about {percent(accuracy)} of the points; guessing, about 50 %"
    claim.show(pictures.curves(run.history), "curves", guess)
    print(pictures.MOVING)


def measure(claim: Claim, reached: dict, perfect: dict, modes: int, near: float, accuracy: float | None) -> None:
    """All modes found, each with about its share; samples close to the data; a D that can only guess."""
    claim.note("modes", modes, "of the data")
    claim.at_least("modes with 1 % of the samples", reached["modes_1pct"], modes)
    claim.at_least("share within 3 std", reached["high_quality"], near)
    claim.note("share within 3 std, data", perfect["high_quality"], "reported: no sampler is better")
    claim.at_most("KL over modes", reached["kl"], 0.05)  # as when the modes' shares differ by a third
    claim.note("KL over modes, data", perfect["kl"], "reported: of as many points")
    if accuracy is not None:
        claim.between("accuracy of D at the end", accuracy, 0.4, 0.6)
