"""DCGAN: the same game between convolutional networks (Radford, Metz and Chintala 2016), and the shortcomings of dense ones.

Slide: "GANs: Convolutional architectures" (Security and Fairness of Deep Learning, CMU); "What are potential shortcomings of
this architecture?" (Generative Adversarial Networks)

G's layers turn a small image with many channels into a larger one with fewer (ConvTranspose2d): 4 x 4, 7 x 7, 14 x 14, 28 x 28.
D does the reverse. Batch normalisation keeps the activations of both in range. The samples are those of G's running average.
Dense players have as many parameters. Their whole training takes as long as the first quarter of the convolutional one; at the
end of that quarter, both are compared, although only the dense players' rates have fallen to 0.

What to look for: in shortcomings.png, the distance over the seconds (where does more training bring little?), the digits that
fail, and the dots that a dense G leaves next to its strokes: it does not know which pixels are neighbours. In
interpolation.png, is every image on the way from one z to another a digit? Half way, straight lines are nearer to 0 than any z
that G was trained on; great circles are not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.architectures.shortcomings import CONV, DENSE, averaged, look, picture, play
from demos.kit import digits, own_data
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.runner.options import parser


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 6_000  # iterations; the learning rates fall linearly to 0 over them
    seeds: int = 3  # games of each kind
    z: int = 32  # dimensions of the noise, standard normal
    channels: int = 16  # of the 14 x 14 layers; twice as many in those of 7 x 7, four times in those of 4 x 4
    batch: int = 32
    lr: float = 3e-3  # Adam's, with betas (0.5, 0.999)
    r1: float = 0.5  # weight of the penalty on D's gradient at the data: D must not get far ahead of G
    decay: float = 0.998  # of G's running average
    looks: int = 4  # moments of a game at which the samples are measured; the first ends the quarter
    pace: int = 9  # iterations of dense players in the time of one convolutional iteration, on one core
    dense_batch: int = 64
    dense_lr: float = 2e-3
    dense_r1: float = 1.0
    samples: int = 5_000  # of each game, for the comparison


QUICK = {"steps": 20, "seeds": 2, "channels": 8, "looks": 2, "pace": 2, "samples": 300}
VERDICT = "True, but one in five samples is unclear: in equal time, convolutional networks beat dense ones."
CURVES = (
    "Frechet distance after {seconds, dense|.0f} seconds: convolutional players {Frechet distance, convolutional, after a "
    "quarter|.0f}, dense ones {Frechet distance, dense|.0f}.\nThe last {seconds, the second half|.0f} of "
    "{seconds, convolutional|.0f} seconds change {Frechet distance, convolutional, half-way|.1f} to "
    "{Frechet distance, convolutional|.1f}, and clear digits from {clear digits, convolutional, half-way|%} to "
    "{clear digits, convolutional|%}"
)
FINDING = (
    "After 3.2 epochs of MNIST ({seconds, convolutional|.0f} CPU seconds, 16 channels), convolutional players end at Frechet "
    "distance {Frechet distance, convolutional|.1f}, with {clear digits, convolutional|%} clear digits (means of 3 seeds; real "
    "images: {clear digits, unseen real images|%}). After a quarter of it they are at "
    "{Frechet distance, convolutional, after a quarter|.0f}, dense players with as many parameters at "
    "{Frechet distance, dense|.0f}."
)
FIGURES = {"Frechet distance": ("frechet", "lower"), "clear digits": ("confident", "higher"), "dots": ("dots", "lower")}


@demo(Settings(), QUICK, lambda about: parser(about, digits.DATA, quick_data="glyphs", own="images"))
def main(claim: Claim, s: Settings) -> None:
    """Train, measure, draw; then play and compare the other games."""
    if own_data.given(claim.args):
        own = own_data.images(claim.args)
        own_data.play(claim, own, averaged(CONV, s, own.shape))
        return
    played = digits.play(claim, averaged(CONV, s))
    digits.well_drawn(claim)
    digits.smooth(claim)
    if claim.settings["steps"] != s.steps or s.seeds == 1:  # --steps ends the run early; one game has no comparison
        return
    first, quarter = claim.args.seed, s.steps // s.looks
    tasks = {f"{CONV}, seed {i}": (CONV, i, s.steps) for i in range(first + 1, first + s.seeds)}
    tasks |= {f"{DENSE}, seed {i}": (DENSE, i, quarter * s.pace) for i in range(first, first + s.seeds)}
    found = run_tasks(play, tasks, played.judge, played.x, s, steps=sum(n for *_, n in tasks.values()))
    runs = {CONV: found[: s.seeds - 1], DENSE: found[s.seeds - 1 :]}
    real = look(played.unseen, played.judge, played.x)
    measure(claim, look(played.samples[: s.samples], played.judge, played.x), runs, real)
    claim.show(picture(runs, real), "shortcomings", claim.words(CURVES))


def measure(claim: Claim, first: dict[str, Any], runs: dict[str, list[dict]], real: dict[str, Any]) -> None:
    """The means over the seeds, with the first game's; convolutional players compared with dense ones after as much time."""
    conv, dense = ([run["looks"] for run in runs[kind]] for kind in (CONV, DENSE))
    ends = {CONV: [first, *(looks[-1] for looks in conv)], DENSE: [looks[-1] for looks in dense]}
    moments = {
        f"{CONV}, after a quarter": [looks[0] for looks in conv],
        f"{CONV}, half-way": [looks[len(looks) // 2 - 1] for looks in conv],
        DENSE: ends[DENSE],
    }
    for kind, found in moments.items():
        for name, (figure, _) in FIGURES.items():
            claim.note(f"{name}, {kind}", np.mean([at[figure] for at in found]), "reported: the mean over the seeds")
    claim.at_least(f"clear digits, {CONV}", np.mean([at["confident"] for at in ends[CONV]]), 0.85)
    claim.at_most(f"Frechet distance, {CONV}", np.mean([at["frechet"] for at in ends[CONV]]), 10)
    claim.note(f"dots, {CONV}", np.mean([at["dots"] for at in ends[CONV]]), "reported: the mean over the seeds")
    claim.note("dots, unseen real images", real["dots"], "reported: in an image, bright pixels without a bright neighbour")
    for kind, found in ends.items():
        clear = np.mean([at["clear"] for at in found], axis=0)
        claim.note(f"worst class, {kind}", clear.argmin(), "reported: fewest of its samples are clear digits")
        claim.note(f"clear digits of the worst class, {kind}", clear.min(), "reported")
    seconds = {kind: np.mean([run["seconds"] for run in runs[kind]], axis=0) for kind in runs}
    for kind, spent in seconds.items():
        claim.note(f"seconds, {kind}", spent[-1], "reported: of one core")
    claim.note("seconds, the second half", seconds[CONV][-1] - seconds[CONV][len(seconds[CONV]) // 2 - 1], "reported")
    claim.note("seconds of dense players for each of convolutional ones", seconds[DENSE][-1] / seconds[CONV][0], "reported")
    for name, (figure, better) in FIGURES.items():
        with_it, without = ([at[figure] for at in moments[kind]] for kind in (f"{CONV}, after a quarter", DENSE))
        expected = None if figure == "confident" else {HELPS}  # a judge may be as sure of misplaced digits
        claim.compare(f"{name} after a quarter: {CONV} less {DENSE}", compare(with_it, without, better), expected)
