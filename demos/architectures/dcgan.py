"""DCGAN: the same game between convolutional networks (Radford, Metz and Chintala 2016), and the shortcomings of dense ones.

Slide: "GANs: Convolutional architectures" (Security and Fairness of Deep Learning, CMU); "What are potential shortcomings of
this architecture?" (Generative Adversarial Networks)

G spreads each pixel of a small image with many channels over 3 x 3 or 4 x 4 pixels of a larger image with fewer channels
(ConvTranspose2d): 4 x 4, 7 x 7, 14 x 14, 28 x 28. D does the reverse. Batch normalisation keeps the activations of both in
range; D sees the real and the generated samples in separate minibatches. The algorithm is that of the demo gan for digits, R1
penalty included. Dense players with the same number of parameters are compared: after the same number of iterations, and after
the same time, in which they play several times as many iterations.

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
from demos.kit.comparing import HELPS, compare, verdict
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.rounding import percent
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

FIGURES = {"Frechet distance": ("frechet", "lower"), "clear digits": ("confident", "higher"), "dots": ("dots", "lower")}


@demo(Settings(), QUICK, lambda about: parser(about, data=digits.DATA, quick_data="glyphs"))
def main(claim: Claim, s: Settings) -> None:
    """Train, measure, draw; then play and compare the other games."""
    played = digits.play(claim, game(CONV, s))
    digits.well_drawn(claim)
    digits.smooth(claim)

    if claim.settings["steps"] == s.steps:  # not if --steps ends the run early
        against(claim, played, s)


def against(claim: Claim, played: digits.Played, s: Settings) -> None:
    """Play the other games and compare."""
    first = claim.args.seed
    steps = {kind: s.steps * (s.pace if kind == SECONDS else 1) for kind in KINDS}
    seeds = {kind: range(first, first + (s.short_seeds if kind == ITERATIONS else s.seeds)) for kind in KINDS}
    tasks = {f"{kind}, seed {i}": (kind, i, steps[kind]) for kind in KINDS for i in seeds[kind]}
    del tasks[f"{CONV}, seed {first}"]  # already played
    found = run_tasks(play, tasks, played.judge, played.x, s, steps=sum(n for *_, n in tasks.values()))
    runs = {kind: [run for (name, *_), run in zip(tasks.values(), found, strict=True) if name == kind] for kind in KINDS}
    pace(claim, runs)
    runs[CONV].insert(0, look(played.samples[: s.samples], played.judge, played.x))
    real = look(played.unseen, played.judge, played.x)
    measure(claim, runs, real)
    claim.show(picture(runs, real), "shortcomings", against_dense(claim.metrics).replace(": ", ":\n"))


def pace(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """The ratio of the times. The first convolutional game is not timed, because it pauses for pictures."""
    if runs[CONV]:
        dense, conv = (np.mean([run["seconds"] for run in runs[kind]]) for kind in (SECONDS, CONV))
        claim.note("seconds of the dense game for each of the convolutional one", dense / conv, "reported: of one core")


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


def found(m: dict[str, float]) -> str:
    """The result, for README."""
    clear = (
        f"{percent(m[f'clear digits, {CONV}'])} of the samples are clear digits instead of "
        f"{percent(m[f'clear digits, {SECONDS}'])} ({word(m, 'clear digits', SECONDS)})"
    )
    return (
        f"{against_dense(m)}. After as many seconds {clear}; a dense G's worst are its "
        f"{m[f'worst class, {SECONDS}']:.0f}s ({percent(m[f'clear digits of the worst class, {SECONDS}'])}), and it leaves "
        f"{m[f'dots, {SECONDS}']:.1f} dots next to an image's strokes instead of {m[f'dots, {CONV}']:.2f}"
    )


def against_dense(m: dict[str, float]) -> str:
    """The players' distances to the data, in words."""
    sides = [
        f"{m[f'Frechet distance, {kind}']:.0f} after {kind.removeprefix('dense, ')} ({word(m, 'Frechet distance', kind)})"
        for kind in (SECONDS, ITERATIONS)
    ]
    return (
        "Convolution against dense layers with as many parameters, Frechet distance: "
        f"{m[f'Frechet distance, {CONV}']:.0f} instead of {' and '.join(sides)}"
    )


def word(m: dict[str, float], name: str, kind: str) -> str:
    """The verdict on convolution for a metric, compared with this kind of dense players."""
    key = f"{name}: {CONV} less {kind}"
    return verdict(m[key], m[f"{key} low"], m[f"{key} high"], FIGURES[name][1])


if __name__ == "__main__":
    main()
