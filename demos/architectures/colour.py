"""Colour: a DCGAN with three channels draws coloured shapes on textured grounds, or (--data cifar10) the photos of CIFAR-10.

Slide: "Generated samples (CIFAR-10)"; "GANs: Convolutional architectures" (Security and Fairness of Deep Learning, CMU)

Only the first layer of D and the last of G differ from those for grey digits: they have three channels, red, green and blue.
The scenes are drawn by `data.scenes`: one of ten shapes, with colours, size, angle, place and ground that do not depend on the
class. CIFAR-10 is downloaded, or read from a folder (MINIGAN_DATA, --data-dir); its results are shown, and not judged.

Two rulers: two halves of real images, as many as samples; and real images from which one of six hues is taken, the pixels with
the same order of red, green and blue. A pixel has one of 64 colours, four levels each of red, green and blue. The distance of
two sets of images' colours is the total variation of their shares: 0 if all are equal, 1 if they have no colour in common.

What to look for: in samples.png, what has G learnt, the colours, the grounds, the shapes? In colours.png, do its pixels have
the colours of the data, and what would more seconds bring?
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.architectures.shortcomings import CONV, averaged
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.pictures import images as sheets
from demos.kit.runner.options import COLOUR, Options, add_data_options, common_options
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.training import timed
from minigan import data, metrics
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 2_400  # iterations; the learning rates fall linearly to 0 over them
    z: int = 64  # dimensions of the noise, standard normal
    channels: int = 16  # of the 16 x 16 layers; twice as many in those of 8 x 8, four times in those of 4 x 4
    batch: int = 32
    lr: float = 3e-3  # Adam's, with betas (0.5, 0.999)
    r1: float = 0.5  # weight of the penalty on D's gradient at the data
    decay: float = 0.998  # of G's running average, which draws the samples
    looks: int = 4  # moments at which the samples are measured
    samples: int = 5_000


QUICK = {"steps": 6, "channels": 8, "looks": 2, "samples": 150}
DISTANCE, COLOURS = "Frechet distance", "distance of the colours"
HALVES, MISSING = "two halves of real images", "real images without one of six hues"
TIMES = 10  # the largest Frechet distance, in those of two halves of real images
LEVELS = 4  # of red, of green and of blue: 64 colours
SHEET = 144  # samples in the picture
VERDICT = (
    "Not reached at this size: in four minutes, a small DCGAN comes near the colours; its shapes can hardly be recognised."
)
FINDING = (
    "After {seconds|.0f} CPU seconds (16 channels, 2.6 epochs, one seed), the samples' colours are "
    "{distance of the colours|.2f} from those of real images (two halves of these: "
    "{distance of the colours, two halves of real images|.2f}; without one of six hues: "
    "{distance of the colours, real images without one of six hues|.2f}), and a classifier sees {classes|.0f} of 10 classes. "
    "The Frechet distance, {Frechet distance|.0f}, half-way "
    "{Frechet distance, half-way|.0f}, is more than ten times that of two halves of real images, "
    "{Frechet distance, two halves of real images|.1f}: the shapes are rough."
)
TITLE = (
    "Frechet distance {Frechet distance|.0f} (two halves of real images: {Frechet distance, two halves of real images|.1f}), "
    "{classes|.0f} of 10 classes, after {seconds|.0f} CPU seconds"
)
SAME_COLOURS = (
    "Distance of the samples' colours from those of real images: {distance of the colours|.3f}; of two halves of real images "
    "{distance of the colours, two halves of real images|.3f}, of real images without one of six hues "
    "{distance of the colours, real images without one of six hues|.3f}"
)


def options(description: str) -> Options:
    """The common options, --data and --data-dir."""
    options = common_options(description)
    add_data_options(options, COLOUR)
    return options


@demo(Settings(), QUICK, options)
def main(claim: Claim, s: Settings) -> None:
    """Train, and compare the samples with real images."""
    x, y, _ = digits.load(claim.args)
    judge = digits.judge_of(claim.args, x, y)
    one, other = np.split(digits.some(x, 2 * s.samples), 2)
    (run,) = run_tasks(play, {"game": (claim.args.seed,)}, judge, x, one, s, steps=s.steps)
    measure(claim, run, rulers(judge, one, other))
    claim.show(sheets(x[:SHEET], run["looks"][-1]["sheet"]), "samples", claim.words(TITLE))
    claim.show(picture(run, shares(pixels(one)), claim.metrics[f"{DISTANCE}, {HALVES}"]), "colours", claim.words(SAME_COLOURS))


def play(seed: int, judge: metrics.Judge, x: np.ndarray, real: np.ndarray, s: Settings) -> dict[str, Any]:
    """Play a game on x. At each look: the processor's seconds until then, and the samples compared with real images."""
    mg.seed(seed)
    near, real_colours = digits.features(judge, real), shares(pixels(real))

    def look(game: GAN) -> dict[str, Any]:
        samples = digits.pixels(game, len(real))
        colours, (classes, clear) = shares(pixels(samples)), digits.opinion(judge, samples)
        return {
            DISTANCE: metrics.frechet_distance(digits.features(judge, samples), near),
            COLOURS: apart(colours, real_colours),
            "classes": int((100 * np.bincount(classes) >= len(classes)).sum()),
            "clear": clear.mean(),
            "shares": colours,
            "sheet": samples[:SHEET],
        }

    minibatches = data.batches(2 * x - 1, size=s.batch)
    seconds, looks = timed(averaged(CONV, s, x.shape[1:]), minibatches, s.steps, s.looks, look)
    return {"seconds": seconds, "looks": looks}


def pixels(images: np.ndarray) -> np.ndarray:
    """Red, green and blue of all pixels, (m, 3); of grey ones, all three are equal."""
    return np.broadcast_to(images, (len(images), 3, *images.shape[2:])).transpose(0, 2, 3, 1).reshape(-1, 3)


def shares(pixels: np.ndarray) -> np.ndarray:
    """The share of each of the 64 colours among the pixels (m, 3)."""
    levels = np.minimum((LEVELS * pixels).astype(int), LEVELS - 1)
    return np.bincount(levels @ [LEVELS**2, LEVELS, 1], minlength=LEVELS**3) / max(1, len(levels))


def apart(p: np.ndarray, q: np.ndarray) -> float:
    """The total variation distance of two distributions."""
    return float(np.abs(p - q).sum() / 2)


def rulers(judge: metrics.Judge, one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """The distances of two halves of real images, and those of their colours if one of six hues is taken from the other."""
    colours, others = shares(pixels(one)), pixels(other)
    order = others.argsort(axis=1) @ [9, 3, 1]
    without = [apart(shares(others[order != hue]), colours) for hue in np.unique(order)]
    return {
        f"{DISTANCE}, {HALVES}": metrics.frechet_distance(digits.features(judge, one), digits.features(judge, other)),
        f"{COLOURS}, {HALVES}": apart(colours, shares(others)),
        f"{COLOURS}, {MISSING}": float(np.mean(without)),
    }


def measure(claim: Claim, run: dict[str, Any], real: dict[str, float]) -> None:
    """The samples at the end against the rulers; with CIFAR-10, without bounds."""
    last, judged = run["looks"][-1], claim.args.data != "cifar10"
    for name, value in real.items():
        claim.note(name, value, "reported")
    distance, colours = TIMES * real[f"{DISTANCE}, {HALVES}"], real[f"{COLOURS}, {MISSING}"]
    bounds = {
        DISTANCE: (f"at most {distance:.3g}, {TIMES} times that of {HALVES}", last[DISTANCE] <= distance),
        COLOURS: (f"at most {colours:.3g}, that of {MISSING}", last[COLOURS] <= colours),
        "classes": ("at least 10, each with 1 % of the samples", last["classes"] >= 10),
    }
    for name, (expected, holds) in bounds.items():
        claim.note(name, last[name], *((expected, holds) if judged else ("reported: not judged",)))
    claim.note(f"{DISTANCE}, half-way", run["looks"][len(run["looks"]) // 2 - 1][DISTANCE], "reported")
    claim.note("clear shapes", last["clear"], "reported: share of the samples of which a classifier is more than 90 % sure")
    claim.note("seconds", run["seconds"][-1], "reported: of one core, for the training")


def picture(run: dict[str, Any], real: np.ndarray, halves: float) -> Figure:
    """The Frechet distance over the seconds; the shares of the 64 colours, of real images upwards, of samples downwards."""
    figure, (left, right) = slide(1, 2, height=5.6, width_ratios=(2, 3))
    left.semilogy(run["seconds"], [at[DISTANCE] for at in run["looks"]], "o-", color=FAKE, label="samples")
    left.axhline(halves, color=REAL, linestyle=":", label=HALVES)
    left.axhline(TIMES * halves, color=OTHERS[3], linestyle="--", label=f"{TIMES} times that")
    left.set(xlabel="CPU seconds of the training", ylabel="Frechet distance to real images")
    left.legend(loc="center right", bbox_to_anchor=(1, 0.35))
    order = np.argsort(real)[::-1]
    levels = np.stack(np.unravel_index(order, (LEVELS,) * 3), axis=1) / (LEVELS - 1)
    for heights in (100 * real, -100 * run["looks"][-1]["shares"]):
        right.bar(range(len(order)), heights[order], color=levels, edgecolor="black", linewidth=0.5, width=1)
    right.axhline(0, color="black")
    right.text(0.98, 0.95, "real images", transform=right.transAxes, ha="right", va="top", color=REAL)
    right.text(0.98, 0.05, "samples", transform=right.transAxes, ha="right", color=FAKE)
    right.set(xticks=[], xlabel="64 colours", ylabel="share of the pixels, %")
    right.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    return figure
