"""Colour: a DCGAN with three channels draws coloured shapes on textured grounds, or (--data cifar10) the photos of CIFAR-10.

Slide: "Generated samples (CIFAR-10)"; "GANs: Convolutional architectures" (Security and Fairness of Deep Learning, CMU)

Only the first layer of D and the last of G differ from those for grey digits: they have three channels, red, green and blue.
The scenes are drawn by `data.scenes`: one of ten shapes, with colours, size, angle, place and ground that do not depend on the
class. CIFAR-10 is downloaded, or read from a folder (MINIGAN_DATA, --data-dir); its results are shown, and not judged.

A colour is one of 64: four levels of red, of green and of blue. The distance between two sets of images is half the sum of
the differences of the 64 shares (total variation). As a ruler, one of six hues is taken away from real images: all pixels with
the same order of red, green and blue.

What to look for: in samples.png, what does G learn first, the colours, the grounds or the shapes? In colours.png, do its pixels
have the colours of the data?
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.architectures.shortcomings import CONV, averaged
from demos.kit import digits, pictures
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.runner.options import COLOUR, add_data_options, common_options
from demos.kit.style import FAKE, REAL, slide
from demos.kit.training import timed
from minigan import data, metrics


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 2_000  # iterations; the learning rates fall linearly to 0 over them
    z: int = 64  # dimensions of the noise, standard normal
    channels: int = 16  # of the 16 x 16 layers; twice as many in those of 8 x 8, four times in those of 4 x 4
    batch: int = 32
    lr: float = 3e-3  # Adam's, with betas (0.5, 0.999)
    r1: float = 0.5  # weight of the penalty on D's gradient at the data
    decay: float = 0.998  # of G's running average, which draws the samples
    looks: int = 3  # moments at which the samples are measured
    samples: int = 5_000


QUICK = {"steps": 6, "channels": 8, "looks": 2, "samples": 150}
DISTANCE, COLOURS = "Frechet distance", "distance of the colours"
HALVES, MISSING = "two halves of real images", "real images without one of six hues"
LEVELS = 4  # of red, of green and of blue: 64 colours
VERDICT = "..."
FINDING = "..."
TITLE = "..."


def options(description: str) -> Any:
    """The common options, --data and --data-dir."""
    options = common_options(description)
    add_data_options(options, COLOUR)
    return options


@demo(Settings(), QUICK, options)
def main(claim: Claim, s: Settings) -> None:
    """Train, and compare the samples with real images."""
    x, y, _ = digits.load(claim.args)
    judge = digits.judge_of(claim.args, x, y)
    (run,) = run_tasks(play, {"game": (claim.args.seed,)}, judge, x, s, steps=s.steps)
    one, other = np.split(digits.some(x, 2 * min(s.samples, len(x) // 2)), 2)
    measure(claim, run, rulers(one, other, judge))
    claim.show(pictures.images(x[:144], run["samples"][:144]), "samples", claim.words(TITLE))
    claim.show(picture(claim, run, one), "colours", claim.words(TITLE_COLOURS))


def play(seed: int, judge: metrics.Judge, x: np.ndarray, s: Settings) -> dict[str, Any]:
    """Play a game; the processor's seconds and the distance at each look; the samples at the end."""
    mg.seed(seed)
    one, samples = digits.some(x, 2 * s.samples)[: s.samples], []
    ...
