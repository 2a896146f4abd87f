"""A generator fills a hole in many ways that look right; regression fills it once, with their mean, which looks like none.

Slide: "Current applications - image denoising, inpainting, super-resolution" (Security and Fairness of Deep Learning, CMU)

    z* = argmin over z of |known (G(z, y) - x)|^2 + weight |z|^2, from many starts z and for all classes y
    regression: a network f descends |hole (f(known x) - x)|^2

The hole is the middle square of an unseen digit; the known pixels are pasted over each filling. G is the gallery's conditional
GAN, which has learnt whole digits and has never seen a hole: only its noise is searched. A start is the nearest of some samples
of its class; a filling is acceptable if its error at the known pixels is at most `acceptable` times that of the image's best.

What to look for: where the known pixels leave open which digit it is, the fillings disagree, and regression draws a grey
compromise. Its squared error in the hole is lower all the same; a classifier of digits, which measures what the filled images
look like (Frechet distance), prefers G's. Do the acceptable fillings show more classes, the larger the hole is?
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from demos.generative_models import autoencoders
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare, interval
from demos.kit.experiment import demo
from demos.kit.loops import resumable, run_tasks
from demos.kit.pictures import sheet
from demos.kit.style import FAKE, OTHERS, REAL, slide
from minigan import Tensor, attacks, backend, losses, metrics, nn
from minigan.backend import random_numbers
from minigan.games import ConditionalGAN

CLASSES = 10


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    images: int = 100  # unseen digits, each with every hole
    sides: tuple[int, ...] = (8, 12, 16)  # of the holes, in pixels
    starts: int = 30  # for each image; their classes take turns
    samples: int = 200  # of G, among which each start is found
    descents: int = 36  # Adam's steps on z
    lr: float = 0.15
    weight: float = 0.1  # of |z|^2
    acceptable: float = 1.5
    mapped: int = 20_000  # images from which the linear map is learnt
    width: int = 512  # of the regression's two hidden layers
    steps: int = 1000
    batch: int = 96
    regression_lr: float = 1e-3  # Adam's, falling to 0


QUICK = {"images": 8, "sides": (8, 16), "starts": 10, "samples": 5, "descents": 3, "mapped": 500, "width": 16, "steps": 30}
VERDICT = (
    "True: a generator fills a hole in several ways that look like digits; regression has less error, and looks less like one."
)
FINDING = (
    "With a hole of 16 x 16 pixels, 100 unseen digits have Frechet distance {hole of 16, GAN: Frechet distance|.0f} if G fills "
    "it, {hole of 16, regression: Frechet distance|.0f} if regression does (unharmed: {without a hole: Frechet distance|.0f}); "
    "regression's squared error is {hole of 16, regression: error|.3f}, G's {hole of 16, GAN: error|.3f}. The entropy of "
    "the fillings' classes is {hole of 8: entropy of the classes|.2f} nats for a hole of 8 x 8, "
    "{hole of 16: entropy of the classes|.2f} for 16 x 16. G is a conditional GAN; all ten classes are searched."
)
TITLE = (
    "In a hole of 16 x 16 pixels, regression has squared error {hole of 16, regression: error|.2f}, G "
    "{hole of 16, GAN: error|.2f}; but the digits that G fills are nearer to real ones: Frechet distance "
    "{hole of 16, GAN: Frechet distance|.0f}, not {hole of 16, regression: Frechet distance|.0f}"
)
GAN, REGRESSION, LINEAR = "GAN", "regression", "linear map"
FILLERS = (LINEAR, REGRESSION, GAN)
EMPTY = 0.25  # grey, where there is no other acceptable filling
PART = 25  # images whose fillings are one batch
SHOWN, FILLINGS = 3, 7  # digits in the picture, and fillings of each


@demo(Settings(), QUICK, digits.gallery_options)
def main(claim: Claim, s: Settings) -> None:
    """Fill by regression, by the linear map and by G; measure the filled images; draw."""
    x, y, (real, _) = digits.load(claim.args, s.images)
    real, judge = real[: s.images], digits.judge_of(claim.args, x, y)
    f = regression(x, s)
    tasks = {f"hole of {side}": (side,) for side in s.sides}
    runs = run_tasks(fill, tasks, real, judge, s, steps=len(tasks) * -(-len(real) // PART))
    holes = dict(zip(s.sides, runs, strict=True))
    for side, run in holes.items():
        known = outside(side)
        run["images"] |= {REGRESSION: pasted(real, restored(f, x, real, known), known)}
        run["images"] |= {LINEAR: pasted(real, mapped(x[: s.mapped], real, known), known)}
    data = digits.features(judge, digits.some(x, digits.SAMPLES))
    rows = {side: numbers(run, real, outside(side), judge, data, s) for side, run in holes.items()}
    measure(claim, rows, looks(real, judge, data))
    claim.show(picture(holes, real, rows, claim.metrics), "fillings", claim.words(TITLE))


def outside(side: int) -> np.ndarray:
    """(28, 28): False in the middle square of this side."""
    inside = np.abs(np.arange(28) - 13.5) < side / 2
    return ~(inside[:, None] & inside)


def pasted(x: np.ndarray, filling: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The filling with the known pixels of x."""
    return np.where(known, x, filling)


# --- by regression ------------------------------------------------------------------------------------------------------


def regression(x: np.ndarray, s: Settings) -> nn.Module:
    """A network that descends the squared error in holes of all sides. The mean image fills the holes of its input."""
    f, mean = nn.Sequential(nn.Flatten(), *autoencoders.dense(784, s.width, s.width, 784), nn.Sigmoid()), x.mean(axis=0)
    knowns = np.stack([outside(side) for side in s.sides])[np.arange(s.batch) % len(s.sides)][:, None]

    def objective(x: np.ndarray) -> tuple[Tensor]:
        known = knowns[: len(x)]
        filled = f(Tensor(np.where(known, x, mean))).reshape(*x.shape)
        return (losses.mse(filled * Tensor(~known), Tensor(np.where(known, 0, x))),)

    autoencoders.train(objective, [f], [x], "regression", s.steps, s.batch, s.regression_lr)
    return f.eval()


def restored(f: nn.Module, x: np.ndarray, real: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The regression's output for images with a hole."""
    return f(Tensor(np.where(known, real, x.mean(axis=0)))).numpy().reshape(real.shape)


def mapped(x: np.ndarray, real: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The output of the linear map that least squares fits."""
    return autoencoders.linear_map(x * known, x, real * known).clip(0, 1)


# --- by the generator ---------------------------------------------------------------------------------------------------


def fill(side: int, real: np.ndarray, judge: metrics.Judge, s: Settings) -> dict[str, Any]:
    """G's fillings of images with this hole. From every start: the known pixels' error, the judge's class, both (n, starts)."""
    known, game, rows = outside(side), digits.gallery_generator(), []
    starts = nearest(game, real, known, s)
    for i in resumable(range(0, len(real), PART), f"hole of {side}", rows=rows):
        rows.append(searched(game.G, real[i : i + PART], known, starts[i : i + PART], judge, s))
    run = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    return run | {"images": {GAN: run["fillings"][:, 0]}}


def nearest(game: ConditionalGAN, real: np.ndarray, known: np.ndarray, s: Settings) -> np.ndarray:
    """(n, starts, d): for each image and start, of some samples of the start's class the z of the one nearest to it.

    |known (G - x)|^2 = |known G|^2 - 2 (known x) . G + a constant
    """
    rng, seen, found = random_numbers.spawn(), (real * known).reshape(len(real), -1), []
    for start in range(s.starts):
        z = backend.to_numpy(game.prior(s.samples, rng=rng))
        samples = digits.pixels(game, len(z), start % CLASSES, z).reshape(len(z), -1)
        found.append(z[((samples**2 @ known.ravel()) - 2 * seen @ samples.T).argmin(axis=1)])
    return np.stack(found, axis=1)


def searched(G: nn.Module, real: np.ndarray, known: np.ndarray, z: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """The minima that Adam reaches from z (n, starts, d), the starts of all images in one batch; and a few of the fillings."""
    n, y = len(real), np.tile(np.arange(s.starts) % CLASSES, len(real))
    x = real.repeat(s.starts, axis=0)

    def images(z: Tensor) -> Tensor:
        return digits.in_pixels(lambda z: G(z, y))(z)

    mask = Tensor(known.astype(x.dtype))
    starts = z.reshape(n * s.starts, -1)
    seen = attacks.project(lambda z: images(z) * mask, x * known, lambda m: starts, s.descents, s.lr, 1, weight=s.weight)
    filled = pasted(x, digits.draw(images, backend.to_numpy(seen.z)), known)
    error = backend.to_numpy(seen.distance).reshape(n, -1)
    classes = digits.opinion(judge, filled)[0].reshape(n, -1)
    filled = filled.reshape(n, -1, *real.shape[1:])
    shown = np.full((n, FILLINGS, *real.shape[1:]), EMPTY, x.dtype)
    for i in range(n):
        chosen = varied(error[i], classes[i], s)
        shown[i, : len(chosen)] = filled[i, chosen]
    return {"error": error, "class": classes, "fillings": shown}


def acceptable(error: np.ndarray, s: Settings) -> np.ndarray:
    """Which fillings of an image are acceptable, by their errors at the known pixels."""
    return error <= s.acceptable * error.min(axis=-1, keepdims=True)


def varied(error: np.ndarray, classes: np.ndarray, s: Settings) -> list[int]:
    """At most FILLINGS acceptable fillings of an image: the best, the best of each other class, the other ones."""
    order = [int(i) for i in error.argsort() if acceptable(error, s)[i]]
    first = [i for place, i in enumerate(order) if classes[i] not in classes[order[:place]]]
    return [*first, *(i for i in order if i not in first)][:FILLINGS]


# --- the numbers --------------------------------------------------------------------------------------------------------


def numbers(
    run: dict[str, Any], real: np.ndarray, known: np.ndarray, judge: metrics.Judge, data: np.ndarray, s: Settings
) -> dict:
    """What the filled images of a hole's side look like; how many fillings are acceptable, and their classes' entropy (n,)."""
    good = acceptable(run["error"], s)
    row = {"entropy": np.array([entropy(classes[use]) for classes, use in zip(run["class"], good, strict=True)])}
    row["acceptable"] = good.sum(axis=1)
    for name in FILLERS:
        row[name] = looks(run["images"][name], judge, data)
        row[name]["error"] = float(np.square(run["images"][name] - real).sum() / (~known).sum() / len(real))
    return row


def looks(images: np.ndarray, judge: metrics.Judge, data: np.ndarray) -> dict[str, float]:
    """The Frechet distance of images to the features of the data; the share of clear digits."""
    frechet = metrics.frechet_distance(digits.features(judge, images), data)
    return {"Frechet distance": frechet, "clear digits": float(digits.opinion(judge, images)[1].mean())}


def entropy(classes: np.ndarray) -> float:
    """Of the shares of the classes, in nats: 0 if all are one class, log(10) if all ten are as frequent."""
    shares = np.bincount(classes)[np.unique(classes)] / len(classes)
    return float(-(shares * np.log(shares)).sum())


def measure(claim: Claim, rows: dict[int, dict[str, Any]], unharmed: dict[str, float]) -> None:
    """G's filled images against those of regression, at each side; the entropies of the acceptable fillings' classes."""
    for name, value in unharmed.items():
        claim.note(f"without a hole: {name}", value, "reported: the same digits")
    for side, row in rows.items():
        for name in FILLERS:
            for what, value in row[name].items():
                claim.note(
                    f"hole of {side}, {name}: {what}", value, "reported" + ": mean square in the hole" * (what == "error")
                )
        gan, mean = row[GAN], row[REGRESSION]
        name = f"hole of {side}: Frechet distance, GAN's over regression's"
        claim.at_most(name, gan["Frechet distance"] / mean["Frechet distance"], 1)
        claim.at_least(f"hole of {side}: squared error, GAN's over regression's", gan["error"] / mean["error"], 1)
        claim.note(f"hole of {side}: acceptable fillings", row["acceptable"].mean(), "reported: mean over the images")
        for end, value in zip(("", " low", " high"), interval(row["entropy"]), strict=True):
            claim.note(f"hole of {side}: entropy of the classes{end}", value, "reported: of acceptable fillings, nats")
    for small, large in pairwise(rows):
        grown = compare(rows[large]["entropy"], rows[small]["entropy"], better="higher", paired=True)
        claim.compare(f"entropy, hole of {large} less hole of {small}", grown, {HELPS})


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(holes: dict[int, dict[str, Any]], real: np.ndarray, numbers: dict[int, Any], m: dict[str, float]) -> Figure:
    """The digits with the most different fillings, with each hole; Frechet distances, squared errors and entropies by side."""
    figure, places = slide(3, 2, width_ratios=(9, 4))
    left = figure.add_subplot(places[0, 0].get_gridspec()[:, 0])
    for axes in places[:, 0]:
        axes.remove()
    rows, sides = [], list(holes)
    for i in numbers[sides[-1]]["entropy"].argsort(kind="stable")[::-1][:SHOWN]:
        for side, run in holes.items():
            hole = pasted(real[i], np.full_like(real[i], 0.5), outside(side))
            rows += [real[i], hole, run["images"][LINEAR][i], run["images"][REGRESSION][i], *run["fillings"][i]]
    columns = 4 + FILLINGS
    left.imshow(sheet(np.stack(rows), columns), cmap="gray", vmin=0, vmax=1)
    names = ["digit", "hole", "linear\nmap", "regres-\nsion", "G: acceptable fillings, of different digits first"]
    left.set_xticks([30 * (i + 0.5) for i in (0, 1, 2, 3, (columns + 3) / 2)], names, fontsize=12)
    left.xaxis.tick_top()
    left.tick_params(length=0)
    left.set_yticks([])
    left.set_xlabel(f"of {len(real)} digits, the {SHOWN} whose fillings differ most")
    left.spines[:].set_visible(False)
    kinds = {LINEAR: (OTHERS[3], "^:"), REGRESSION: (REAL, "s--"), GAN: (FAKE, "o-")}
    for axes, what in zip(places[:2, 1], ("Frechet distance", "error"), strict=True):
        for name, (colour, style) in kinds.items():
            axes.plot(sides, [m[f"hole of {side}, {name}: {what}"] for side in sides], style, color=colour, label=name)
    places[0, 1].axhline(m["without a hole: Frechet distance"], color="black", linestyle=":", linewidth=1, label="no hole")
    places[0, 1].legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=2, fontsize=12)
    middle, low, high = (
        np.array([m[f"hole of {side}: entropy of the classes{end}"] for side in sides]) for end in ("", " low", " high")
    )
    places[2, 1].errorbar(sides, middle, [middle - low, high - middle], fmt="o-", color=FAKE, capsize=4)
    labels = "Frechet distance", "squared error\nin the hole", "entropy of the\nfillings' classes"
    for axes, label in zip(places[:, 1], labels, strict=True):
        axes.set(ylabel=label, ylim=(0, 1.1 * axes.dataLim.ymax), xticks=sides)
    places[2, 1].set_xlabel("side of the hole, pixels")
    return figure
