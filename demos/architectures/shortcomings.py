"""Convolutional and dense players with the same number of parameters: their distances to the data, and their failures."""

import time
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit import digits, pictures
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.training import adams, train
from minigan import data, metrics, nn
from minigan.games import GAN, dcgan_discriminator, dcgan_generator

CONV, SECONDS, ITERATIONS = "convolutional", "dense, as many seconds", "dense, as many iterations"
KINDS = (ITERATIONS, SECONDS, CONV)
COLOURS = {ITERATIONS: OTHERS[1], SECONDS: OTHERS[3], CONV: FAKE}
MARKERS = {ITERATIONS: "^", SECONDS: "s", CONV: "o"}
SHEET = 10, 5  # images of the worst class: columns, rows


def game(kind: str, s: Any) -> GAN:
    """The game of convolutional players, or of dense ones with the same number of parameters."""
    G, D = dcgan_generator(s.z, s.channels), dcgan_discriminator(channels=s.channels)
    if kind != CONV:
        G, D = dense_players(s.z, parameters(G), parameters(D))
    lr, r1 = (s.lr, s.r1) if kind == CONV else (s.dense_lr, s.dense_r1)
    return GAN(G, D, data.noise(s.z), *adams(G, D, lr, lr), r1=r1)


def parameters(network: nn.Module) -> int:
    """The number of its parameters."""
    return sum(p.size for p in network.parameters())


def dense_players(z: int, total_G: int, total_D: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Dense G and D with about total_G and total_D parameters."""
    return digits.dense_generator(z, width(total_G, z, 784)), digits.dense_discriminator(width(total_D, 784, 1))


def width(total: int, inputs: int, outputs: int) -> int:
    """The width w of two hidden layers with w^2 + (inputs + outputs + 2) w + outputs parameters, about `total`."""
    half = (inputs + outputs + 2) / 2
    return max(1, round((half**2 + total - outputs) ** 0.5 - half))


def play(kind: str, seed: int, steps: int, judge: metrics.Judge, x: np.ndarray, s: Any) -> dict[str, Any]:
    """Play a game of `steps` iterations: `look` at G's samples, and the processor's seconds."""
    mg.seed(seed)
    began = time.process_time()
    played = game(kind, s)
    batches = data.batches(2 * x - 1, size=s.batch if kind == CONV else s.dense_batch)
    train(played, batches, steps, "game")
    seconds = time.process_time() - began
    return look((played.sample(s.samples) + 1) / 2, judge, x) | {"seconds": seconds}


def look(samples: np.ndarray, judge: metrics.Judge, x: np.ndarray) -> dict[str, Any]:
    """The judge's metrics of the samples; the share of clear digits in each class; dots; samples of the worst class."""
    classes, clear = digits.opinion(judge, samples)
    shares = [float(clear[classes == c].mean()) if (classes == c).any() else 0.0 for c in range(10)]
    sheet = np.zeros((SHEET[0] * SHEET[1], 1, 28, 28), np.float32)
    worst = samples[classes == np.argmin(shares)][: len(sheet)]
    sheet[: len(worst)] = worst
    figures = {"frechet": digits.distance(judge, samples, x), "confident": float(clear.mean()), "dots": dots(samples)}
    return figures | {"clear": shares, "worst": sheet}


def dots(images: np.ndarray) -> float:
    """The mean number of bright pixels in an image without a bright neighbour among the eight; strokes have none."""
    bright = np.pad(images[:, 0] > 0.5, ((0, 0), (1, 1), (1, 1)))
    around = sum(np.roll(bright, (i, j), axis=(1, 2)).astype(int) for i in (-1, 0, 1) for j in (-1, 0, 1)) - bright
    return float((bright & (around == 0)).sum() / len(images))


def picture(runs: dict[str, list[dict]], real: dict[str, Any]) -> Figure:
    """Each kind's distance to the data; the share of clear digits in each class; samples of both kinds' worst class."""
    figure, ((distances, classes), sheets) = slide(2, 2)
    for i, kind in enumerate(KINDS):
        points = [run["frechet"] for run in runs[kind]]
        distances.plot(points, [i] * len(points), MARKERS[kind], color=COLOURS[kind])
    distances.axvline(real["frechet"], color=REAL, linestyle="--")
    look = {"xytext": (8, 0), "textcoords": "offset points", "color": REAL, "va": "center"}
    distances.annotate("unseen real images", (real["frechet"], 2.5), **look)
    distances.set(xscale="log", xlabel="Frechet distance to the data", yticks=range(3), ylim=(-0.5, 2.9))
    distances.set_yticklabels([kind.replace(", ", ",\n") for kind in KINDS])
    for kind in (CONV, SECONDS):
        shares = 100 * np.mean([run["clear"] for run in runs[kind]], axis=0)
        classes.plot(range(10), shares, MARKERS[kind], color=COLOURS[kind], linestyle="", label=kind.replace(", ", ",\n"))
    classes.plot(range(10), 100 * np.array(real["clear"]), "_", color=REAL, markersize=16, label="unseen\nreal images")
    classes.set(xlabel="class", ylabel="clear digits, %", xticks=range(10), ylim=(0, 105))
    classes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    for axes, kind in zip(sheets, (SECONDS, CONV), strict=True):
        run = runs[kind][0]
        pictures.labelled(axes, run["worst"], SHEET[0], [])
        axes.set_title(f"{kind}: its worst class, {np.argmin(run['clear'])}")
    return figure
