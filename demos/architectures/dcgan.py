"""DCGAN: the same game between convolutional networks (Radford, Metz and Chintala 2016), and the shortcomings of dense ones.

Slide: "GANs: Convolutional architectures" (Security and Fairness of Deep Learning, CMU); "What are potential shortcomings of
this architecture?" (Generative Adversarial Networks)

G's layers turn a small image with many channels into a larger one with fewer (ConvTranspose2d): 4 x 4, 7 x 7, 14 x 14, 28 x 28.
D does the reverse. Batch normalisation keeps the activations of both in range. Dense players with as many parameters are
compared after as many iterations, and after as much time, in which they play several times as many iterations.

What to look for: in shortcomings.png, the distance to the data, the digits that fail, and the dots that a dense G leaves next
to its strokes: it does not know which pixels are neighbours. In interpolation.png, is every image on the way from one z to
another a digit? Half way, straight lines are nearer to 0 than any z that G was trained on; great circles are not.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from demos.architectures.shortcomings import CONV, ITERATIONS, KINDS, SECONDS, game, look, picture, play
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.runner.options import parser


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 1_600  # iterations; the learning rates fall linearly to 0 over them
    seeds: int = 3  # games of each kind
    short_seeds: int = 8  # of dense players after the same number of iterations: these games are short, and differ much
    z: int = 64  # dimensions of the noise, standard normal
    channels: int = 16  # of the 14 x 14 layers; twice as many in those of 7 x 7, four times in those of 4 x 4
    batch: int = 32
    lr: float = 3e-3  # Adam's, with betas (0.5, 0.999)
    r1: float = 0.5  # weight of the penalty on D's gradient at the data: D must not get far ahead of G
    pace: int = 9  # iterations of dense players in the time of one convolutional iteration, on one core
    dense_batch: int = 64
    dense_lr: float = 2e-3
    dense_r1: float = 1.0
    samples: int = 5_000  # of each game, for the comparison


QUICK = {"steps": 20, "seeds": 1, "short_seeds": 1, "channels": 8, "pace": 2, "samples": 300}
VERDICT = "True: at equal size and time, convolutional networks draw more realistic digits than dense ones."
DISTANCES = (
    "Convolution against dense layers with as many parameters, Frechet distance: {Frechet distance, convolutional|.0f} instead "
    "of {Frechet distance, dense, as many seconds|.0f} after as many seconds "
    "({Frechet distance: convolutional less dense, as many seconds|lower}) and "
    "{Frechet distance, dense, as many iterations|.0f} after as many iterations "
    "({Frechet distance: convolutional less dense, as many iterations|lower})"
)
FINDING = (
    "After 0.85 epochs of MNIST, convolutional players end at Frechet distance {Frechet distance, convolutional|.0f}, dense "
    "ones at {Frechet distance, dense, as many seconds|.0f} in the same time (real images without one class: "
    "{Frechet distance, real images without one class|.0f}). Only {clear digits, convolutional|%} of the samples are clear "
    "digits; of real images, {clear digits, unseen real images|%}."
)
FIGURES = {"Frechet distance": ("frechet", "lower"), "clear digits": ("confident", "higher"), "dots": ("dots", "lower")}


@demo(Settings(), QUICK, lambda about: parser(about, data=digits.DATA, quick_data="glyphs"))
def main(claim: Claim, s: Settings) -> None:
    """Train, measure, draw; then play and compare the other games."""
    played = digits.play(claim, game(CONV, s))
    digits.well_drawn(claim)
    digits.smooth(claim)
    if claim.settings["steps"] != s.steps:  # --steps ends the run early
        return
    first = claim.args.seed
    steps = {kind: s.steps * (s.pace if kind == SECONDS else 1) for kind in KINDS}
    seeds = {kind: range(first, first + (s.short_seeds if kind == ITERATIONS else s.seeds)) for kind in KINDS}
    tasks = {f"{kind}, seed {i}": (kind, i, steps[kind]) for kind in KINDS for i in seeds[kind]}
    del tasks[f"{CONV}, seed {first}"]  # already played
    found = run_tasks(play, tasks, played.judge, played.x, s, steps=sum(n for *_, n in tasks.values()))
    runs = {kind: [run for (name, *_), run in zip(tasks.values(), found, strict=True) if name == kind] for kind in KINDS}
    if runs[CONV]:  # without the game that was played first: it paused for pictures
        dense, conv = (np.mean([run["seconds"] for run in runs[kind]]) for kind in (SECONDS, CONV))
        claim.note("seconds of the dense game for each of the convolutional one", dense / conv, "reported: of one core")
    runs[CONV].insert(0, look(played.samples[: s.samples], played.judge, played.x))
    real = look(played.unseen, played.judge, played.x)
    measure(claim, runs, real)
    claim.show(picture(runs, real), "shortcomings", claim.words(DISTANCES).replace(": ", ":\n"))


def measure(claim: Claim, runs: dict[str, list[dict]], real: dict[str, Any]) -> None:
    """The means over the seeds, and convolutional players compared with dense ones."""
    for kind in KINDS:
        for name, (figure, _) in FIGURES.items():
            claim.note(f"{name}, {kind}", np.mean([run[figure] for run in runs[kind]]), "reported: the mean over the seeds")
        clear = np.mean([run["clear"] for run in runs[kind]], axis=0)
        claim.note(f"worst class, {kind}", clear.argmin(), "reported: fewest of its samples are clear digits")
        claim.note(f"clear digits of the worst class, {kind}", clear.min(), "reported")
    claim.note("dots, unseen real images", real["dots"], "reported: in an image, bright pixels without a bright neighbour")
    for (name, (figure, better)), kind in product(FIGURES.items(), (ITERATIONS, SECONDS)):
        with_it, without = ([run[figure] for run in runs[side]] for side in (CONV, kind))
        expected = None if figure == "confident" else {HELPS}  # a judge may be as sure of misplaced digits
        claim.compare(f"{name}: {CONV} less {kind}", compare(with_it, without, better), expected)
