"""Convolutional and dense players with the same number of parameters: their distances to the data, and their failures."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit import digits, pictures
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.training import adams, timed
from minigan import data, metrics, nn
from minigan.games import GAN, dcgan_discriminator, dcgan_generator

CONV, DENSE = "convolutional", "dense"
COLOURS, MARKERS = {DENSE: OTHERS[3], CONV: FAKE}, {DENSE: "s", CONV: "o"}
SHEET = 10, 5  # images of the worst class: columns, rows


def game(kind: str, s: Any, shape: tuple[int, int, int] = (1, 28, 28)) -> GAN:
    """The game of convolutional players, or of dense ones with the same number of parameters."""
    G, D = dcgan_generator(s.z, s.channels, shape=shape), dcgan_discriminator(shape[0], s.channels, side=shape[1])
    if kind != CONV:
        G, D = dense_players(s.z, parameters(G), parameters(D))
    lr, r1 = (s.lr, s.r1) if kind == CONV else (s.dense_lr, s.dense_r1)
    return GAN(G, D, data.noise(s.z), *adams(G, D, lr, lr), r1=r1)


def averaged(kind: str, s: Any, shape: tuple[int, int, int] = (1, 28, 28)) -> GAN:
    """The game, with G's running average."""
    played = game(kind, s, shape)
    played.average = nn.MovingAverage(played.G, s.decay)
    return played


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
    """Play a game of `steps` iterations; the processor's seconds, and `look` at the samples, at each of s.looks moments."""
    mg.seed(seed)
    batches = data.batches(2 * x - 1, size=s.batch if kind == CONV else s.dense_batch)

    def measure(played: GAN) -> dict[str, Any]:
        return look(digits.pixels(played, s.samples), judge, x)

    seconds, looks = timed(averaged(kind, s), batches, steps, s.looks, measure)
    return {"seconds": seconds, "looks": looks}


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
    """The distance over the seconds; the share of clear digits in each class; samples of both kinds' worst class."""
    figure, ((distances, classes), sheets) = slide(2, 2)
    for axes, kind in zip(sheets, (DENSE, CONV), strict=True):
        for i, run in enumerate(runs[kind]):
            look = {"color": COLOURS[kind], "marker": MARKERS[kind], "label": kind if i == 0 else None}
            distances.plot(run["seconds"], [at["frechet"] for at in run["looks"]], **look)
        ends = [run["looks"][-1] for run in runs[kind]]
        shares = 100 * np.mean([end["clear"] for end in ends], axis=0)
        classes.plot(range(10), shares, MARKERS[kind], color=COLOURS[kind], linestyle="", label=kind)
        pictures.labelled(axes, ends[0]["worst"], SHEET[0], [])
        axes.set_title(f"{kind}: its worst class, {np.argmin(ends[0]['clear'])}")
    distances.axhline(real["frechet"], color=REAL, linestyle=":", label="unseen real images")
    distances.set(yscale="log", xlabel="CPU seconds of the training", ylabel="Frechet distance to the data")
    distances.legend()
    classes.plot(range(10), 100 * np.array(real["clear"]), "_", color=REAL, markersize=16, label="unseen\nreal images")
    classes.set(xlabel="class", ylabel="clear digits at the end, %", xticks=range(10), ylim=(0, 105))
    classes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure
