"""The GAN paper's own score, a Parzen window's log-likelihood, prefers averages of digits to a GAN's digits, and to real ones.

Slide: "Show Goodfellow et al. 2014 paper." (CS/DS 541, class 19)

    log p(x) = log of the mean over m samples s of N(x; s, sigma^2 I)      sigma: the best for validation images

The paper's table 1 gives 225 nats for its GAN, the mean over MNIST's test images with m = 10,000. Here the samplers are the
gallery's conditional GAN (all classes equally often), training images, and two that nobody wants: averages of training images,
the centres of k-means; and pixels each of which comes from a training image of its own. Theis, van den Oord and Bethge (2016,
table 1) have 243 nats for training images and 313 for 10,000 centres.

What to look for: which samples would you call digits, and what does each score say? The log-likelihood asks only whether each
test image has a sample near it, in pixels; an average is near many. The Frechet distance of a classifier's features is the
control: it puts training images first.
"""

from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from demos.generative_models import autoencoders
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, NOTHING, compare
from demos.kit.experiment import demo
from demos.kit.loops import resumable, run_tasks
from demos.kit.pictures import labelled
from demos.kit.style import OTHERS, REAL, slide
from minigan import metrics
from minigan.backend import random_numbers


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    samples: int = 10_000  # of each sampler
    test: int = 10_000  # unseen images
    validation: int = 1_000  # training images that choose sigma; no sampler has them
    sigmas: int = 15  # candidates
    least: float = 0.1  # of them
    most: float = 0.5
    lloyd: int = 5  # steps of k-means
    components: int = 50  # principal components in which it finds the nearest centre


QUICK = {"samples": 200, "test": 100, "validation": 100, "sigmas": 3, "lloyd": 1, "components": 5}
REAL_ONES, CENTRES, GAN, PIXELS = "training images", "k-means centres", "GAN", "independent pixels"
SAMPLERS = (CENTRES, REAL_ONES, GAN, PIXELS)
BLOCK = 500  # images whose distances to all samples are in memory together
PRINCIPAL = 10_000  # images of which the principal components are
SHOWN = 24  # samples of each sampler, in two rows
VERDICT = "True: a Parzen window gives averages of digits more nats than real digits, and real digits more than a GAN's."
FINDING = (
    "Log-likelihood of MNIST's test images, nats: k-means centres {k-means centres: log-likelihood|.0f}, training images "
    "{training images: log-likelihood|.0f}, a conditional GAN {GAN: log-likelihood|.0f} (the paper's GAN: 225), independent "
    "pixels {independent pixels: log-likelihood|.0f}. Frechet distance: centres {k-means centres: Frechet distance|.1f}, "
    "training images {training images: Frechet distance|.1f}, GAN {GAN: Frechet distance|.1f}."
)
TITLE = (
    "A Parzen window gives averages of digits {k-means centres: log-likelihood|.0f} nats, real digits "
    "{training images: log-likelihood|.0f}, a GAN's {GAN: log-likelihood|.0f}. By Frechet distance real digits come first"
)


@demo(Settings(), QUICK, digits.gallery_options)
def main(claim: Claim, s: Settings) -> None:
    """Every sampler: its samples, their Parzen window's log-likelihood, and what a classifier of digits says."""
    x, y, (test, _) = digits.load(claim.args, s.test)
    judge = digits.judge_of(claim.args, x, y)
    validation, known = np.split(random_numbers.spawn().permutation(x), [s.validation])
    blocks = -(-len(test) // BLOCK)
    tasks = {name: (name,) for name in SAMPLERS}
    runs = run_tasks(score, tasks, known, validation, test[: s.test], judge, s, steps=len(SAMPLERS) * blocks)
    scores = dict(zip(SAMPLERS, runs, strict=True))
    measure(claim, scores)
    claim.show(picture(scores), "parzen", claim.words(TITLE))


def score(
    name: str, known: np.ndarray, validation: np.ndarray, test: np.ndarray, judge: metrics.Judge, s: Settings
) -> dict[str, Any]:
    """The log-likelihood of each test image by this sampler; how near its samples are to the known images."""
    samples = drawn(name, known, s, random_numbers.spawn())
    sigmas, found = np.geomspace(s.least, s.most, s.sigmas), []
    sigma = float(sigmas[parzen(validation, samples, sigmas).mean(axis=1).argmax()])
    for i in resumable(range(0, len(test), BLOCK), name, found=found):
        found.append(parzen(test[i : i + BLOCK], samples, [sigma])[0])
    return {
        "log-likelihood": np.concatenate(found),
        "sigma": sigma,
        "Frechet distance": digits.distance(judge, samples, known),
        "clear digits": float(digits.opinion(judge, samples)[1].mean()),
        "shown": samples[:SHOWN],
    }


def drawn(name: str, known: np.ndarray, s: Settings, rng: np.random.Generator) -> np.ndarray:
    """The samples of this sampler."""
    if name == GAN:
        game = digits.gallery_generator()
        return digits.pixels(game, s.samples, np.arange(s.samples) % 10, game.prior(s.samples, rng=rng))
    if name == CENTRES:
        return centres(known, s.samples, s.lloyd, s.components, rng)
    if name == PIXELS:
        choice = rng.integers(len(known), size=(s.samples, *known.shape[1:]))
        return np.take_along_axis(known, choice, axis=0)
    return rng.permutation(known)[: s.samples]


def parzen(x: np.ndarray, samples: np.ndarray, sigmas: Any) -> np.ndarray:
    """(sigmas, n): the log-density of the images under a mixture of equal Gaussians around the samples."""
    flat, around, d = x.reshape(len(x), -1), samples.reshape(len(samples), -1), samples[0].size
    density = np.empty((len(sigmas), len(x)))
    for i in range(0, len(x), BLOCK):
        part = flat[i : i + BLOCK]
        squares = (part**2).sum(axis=1)[:, None] + (around**2).sum(axis=1) - 2 * part @ around.T
        nearest = squares.min(axis=1, keepdims=True)
        for j, sigma in enumerate(sigmas):
            total = np.exp((nearest - squares) * np.float32(0.5 / sigma**2)).sum(axis=1, dtype=np.float64)
            constant = d / 2 * np.log(2 * np.pi * sigma**2) + np.log(len(samples))
            density[j, i : i + BLOCK] = np.log(total) - 0.5 / sigma**2 * nearest[:, 0] - constant
    return density


def centres(x: np.ndarray, k: int, steps: int, components: int, rng: np.random.Generator) -> np.ndarray:
    """k means of the images, by Lloyd's steps from k of them. A mean without members stays.

    The nearest mean is that by principal components, which takes a fifteenth of the time: a mean's are its members' mean.
    """
    flat = x.reshape(len(x), -1)
    axes, pixels = autoencoders.principal_components(x[:PRINCIPAL], components), rng.permutation(flat)[:k]
    points, means = flat @ axes, pixels @ axes
    for _ in range(steps):
        own = np.concatenate([nearest(points[i : i + BLOCK], means) for i in range(0, len(points), BLOCK)])
        order = own.argsort(kind="stable")  # members of one mean are neighbours
        used, first, counts = np.unique(own[order], return_index=True, return_counts=True)
        means[used] = np.add.reduceat(points[order], first) / counts[:, None]
        pixels[used] = np.add.reduceat(flat[order], first) / counts[:, None]
    return pixels.reshape(-1, *x.shape[1:])


def nearest(points: np.ndarray, means: np.ndarray) -> np.ndarray:
    """The index of the nearest mean of each point: |p - c|^2 = |p|^2 - 2 p . c + |c|^2."""
    return ((means**2).sum(axis=1) / 2 - points @ means.T).argmin(axis=1)


def measure(claim: Claim, scores: dict[str, dict[str, Any]]) -> None:
    """The GAN's log-likelihood beside the paper's; the samplers' order by log-likelihood, and by Frechet distance."""
    for name, row in scores.items():
        values, expected = row["log-likelihood"], "reported: nats, mean over the test images"
        if name == GAN:
            claim.between(f"{name}: log-likelihood", values.mean(), 100, 350)  # the paper: 225
        else:
            claim.note(f"{name}: log-likelihood", values.mean(), expected)
        claim.note(f"{name}: standard error", values.std(ddof=1) / len(values) ** 0.5, "reported: over the test images")
        claim.note(f"{name}: sigma", row["sigma"], "reported: the best for the validation images")
        claim.note(f"{name}: Frechet distance", row["Frechet distance"], "reported")
        claim.note(f"{name}: clear digits", row["clear digits"], "reported")
    blurred = scores[CENTRES]
    for other, verdicts in ((GAN, (HELPS,)), (REAL_ONES, (HELPS, NOTHING))):
        gained = compare(blurred["log-likelihood"], scores[other]["log-likelihood"], better="higher", paired=True)
        claim.compare(f"log-likelihood, centres less {other}", gained, verdicts)
        ratio = scores[other]["Frechet distance"] / blurred["Frechet distance"]
        claim.at_most(f"Frechet distance, {other} over centres", ratio, 1)


def picture(scores: dict[str, dict[str, Any]]) -> Figure:
    """Samples of each sampler, their log-likelihood and their Frechet distance."""
    figure, (sheets, *bars) = slide(1, 3, height=5.4, width_ratios=(10, 4, 4))
    labelled(sheets, np.concatenate([row["shown"] for row in scores.values()]), SHOWN // 2, [*scores], 2)
    sheets.set_aspect("auto")  # as high as the bars
    sheets.set_title("samples")
    nats = {name: float(row["log-likelihood"].mean()) for name, row in scores.items()}
    draw_bars(bars[0], nats, "{:.0f}", "log-likelihood, nats\n(more is better)")
    distances = {name: row["Frechet distance"] for name, row in scores.items()}
    draw_bars(bars[1], distances, "{:.1f}", "Frechet distance\n(less is better, log)")
    return figure


def draw_bars(axes: plt.Axes, values: dict[str, float], form: str, title: str) -> None:
    """A bar for each sampler, from top to bottom; the best one is blue."""
    best = max(values, key=lambda name: values[name] * (1 if "more" in title else -1))
    places = np.arange(len(values))
    axes.barh(places, list(values.values()), color=[REAL if name == best else OTHERS[3] for name in values], height=0.6)
    for place, value in zip(places, values.values(), strict=True):
        axes.text(max(value, 0), place, f" {form.format(value)}", va="center")
    axes.set_xscale("symlog" if min(values.values()) > 0 else "linear")  # distances from 1 to 1,000
    axes.set(yticks=[], xticks=[], ylim=(len(values) - 0.5, -0.5), title=title)
    axes.spines["bottom"].set_visible(False)
    axes.minorticks_off()
    axes.margins(x=0.25)
