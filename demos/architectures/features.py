"""Whose features are best? A linear classifier with few labels on what a GAN's D sees in a digit, and on four other codes.

Slide: "Learn the natural features of a dataset"; "How to learn this feature representation?"; "Unsupervised
Representation Learning with Deep Convolutional Generative Adversarial Networks" (Security and Fairness of Deep Learning, CMU)

D learns without labels: it only tells digits from G's images. Its features, as in section 5 of Radford, Metz and Chintala 2016:
the outputs of all convolutional blocks, each pooled to 4 x 4 by its maxima. For comparison: the same features of the same D
before its training (random convolutions); the slide's own answer, an autoencoder's code; principal components; pixels.

On each of them, ridge regression fits one linear map to one-hot labels. Its penalty, and whether each feature is scaled to
variance 1, are chosen for each kind of features on 2,000 further images with labels. Errors are counted on test images.

What to look for: how much of the gain over pixels do random convolutions have, and how much is learnt? Which differences are
left with 1,000 labels?
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from demos.architectures.codes import CODE, GAN_D, PCA, PIXELS, RANDOM, encoders
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_seeds
from demos.kit.pictures import labelled
from demos.kit.style import FAKE, OTHERS, REAL, slide


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 1_000  # of a game without labels; the learning rates fall linearly to 0 over them
    seeds: int = 2  # games, and autoencoders
    draws: int = 4  # of the labels, for each seed
    labels: tuple[int, ...] = (100, 1000)
    z: int = 32
    channels: int = 16  # of D's first block; the second has twice as many, the third four times
    batch: int = 32
    lr: float = 3e-3
    r1: float = 0.5
    code: int = 64  # numbers in the autoencoder's code, and principal components
    width: int = 256  # of the autoencoder's hidden layers
    code_steps: int = 1_500
    code_batch: int = 100
    pool: int = 6_000  # training images from which those with labels are drawn
    chosen_on: int = 2_000  # further training images, on which penalty and scaling are chosen


QUICK = {"steps": 20, "seeds": 1, "draws": 3, "channels": 8, "code_steps": 40, "pool": 2000, "chosen_on": 300}
KINDS = {  # label of the curve: colour and style
    PIXELS: (OTHERS[3], "s:"), PCA: (OTHERS[2], "v-."), CODE: (OTHERS[0], "^--"), RANDOM: (REAL, "D--"), GAN_D: (FAKE, "o-"),
}  # fmt: skip
PENALTIES = 10.0 ** np.arange(-4, 2)  # in units of the features' mean squared norm
UNITS, TOP = 6, 10  # of the last block, in the picture; digits that excite each of them most
TICKS = 2, 3, 5, 10, 20, 30  # per cent
VERDICT = "True: what a GAN's D learns without labels helps a linear classifier more than pixels or random convolutions do."
FINDING = (
    "With {fewest labels|.0f} labels, a linear map errs on {D of a GAN, fewest labels: errors (%)|.1f} % of unseen digits from "
    "D's features, on {random convolutions, fewest labels: errors (%)|.1f} % from the same convolutions before training, on "
    "{autoencoder, fewest labels: errors (%)|.1f} % from an autoencoder's code, on {pixels, fewest labels: errors (%)|.1f} % "
    "from pixels. With {most labels|,.0f}: {D of a GAN, most labels: errors (%)|.1f}, "
    "{random convolutions, most labels: errors (%)|.1f}, {autoencoder, most labels: errors (%)|.1f} and "
    "{pixels, most labels: errors (%)|.1f} % (means of 8 draws of the labels, 4 for each of 2 games)."
)
TITLE = (
    "Errors with {fewest labels|.0f} labels: D's features {D of a GAN, fewest labels: errors (%)|.1f} %, random convolutions "
    "{random convolutions, fewest labels: errors (%)|.1f} %, pixels {pixels, fewest labels: errors (%)|.1f} %"
)


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    x, y, unseen = digits.load(claim.args)
    runs = over_seeds(claim, play, s, x, y, unseen, steps=s.steps + s.code_steps)
    measure(claim, runs, s)
    claim.show(picture(runs, s), "features", claim.words(TITLE))


def play(seed: int, s: Settings, x: np.ndarray, y: np.ndarray, unseen: tuple[np.ndarray, np.ndarray]) -> dict:
    """The errors on unseen digits (draws,) by kind and number of labels; the digits that excite units of D most."""
    order = np.random.default_rng(seed).permutation(len(x))
    pool, chosen_on = (order[: s.pool], order[s.pool : s.pool + s.chosen_on])
    images = x[pool], x[chosen_on], unseen[0]
    classes = y[pool], y[chosen_on], unseen[1]
    found = {"top": {}}
    for kind, encode in encoders(seed, x, s).items():
        features = [encode(part) for part in images]
        if kind in (GAN_D, RANDOM):
            found["top"][kind] = exciting(features[2], unseen[0])
        for n in s.labels:
            found[kind, n] = errors(features, classes, n, s.draws, seed)
    return found


def exciting(features: np.ndarray, images: np.ndarray) -> np.ndarray:
    """For some units of the last block, the images that excite them most."""
    units = np.linspace(features.shape[1] * 3 // 7, features.shape[1] - 1, UNITS).astype(int)
    return np.concatenate([images[np.argsort(features[:, unit])[: -TOP - 1 : -1]] for unit in units])


# --- the classifier ---------------------------------------------------------------------------------------------------------


def errors(features: list[np.ndarray], classes: tuple, n: int, draws: int, seed: int) -> np.ndarray:
    """Errors (draws,) in per cent on the test images, with n labels: pool, images for the choice, and test images."""
    rng, found = np.random.default_rng(seed), []
    chosen = [
        np.concatenate([rng.permutation(np.flatnonzero(classes[0] == c))[: n // 10] for c in range(10)]) for _ in range(draws)
    ]
    mean, scale = features[0].mean(axis=0), features[0].std(axis=0) + 1e-3
    for divisor in (np.ones_like(scale), scale):
        pool, *others = ((part - mean) / divisor for part in features)
        for few in chosen:
            maps = ridge(pool[few], np.eye(10)[classes[0][few]])
            found.append([[wrong(part @ W, y) for part, y in zip(others, classes[1:], strict=True)] for W in maps])
    rates = np.reshape(found, (2, draws, len(PENALTIES), 2))  # scaling, draw, penalty, (choice, test)
    scaling, penalty = np.unravel_index(rates[..., 0].mean(axis=1).argmin(), (2, len(PENALTIES)))
    return rates[scaling, :, penalty, 1]


def ridge(F: np.ndarray, Y: np.ndarray) -> list[np.ndarray]:
    """For each penalty, the map W (d, 10) that minimises |F W - (Y - mean)|^2 + penalty |W|^2: W = F' (F F' + penalty)^-1 Y."""
    K = F @ F.T
    unit = np.trace(K) * np.eye(len(K))
    return [F.T @ np.linalg.solve(K + penalty / len(K) * unit, Y - Y.mean(axis=0)) for penalty in PENALTIES]


def wrong(scores: np.ndarray, y: np.ndarray) -> float:
    return 100 * float((scores.argmax(axis=1) != y).mean())


def measure(claim: Claim, runs: list[dict], s: Settings) -> None:
    """The mean errors, and what D's features change, draw by draw. With the fewest labels, they beat two controls."""
    claim.note("fewest labels", s.labels[0])
    claim.note("most labels", s.labels[-1])
    for name, n in (("fewest", s.labels[0]), ("most", s.labels[-1])):
        rates = {kind: np.concatenate([run[kind, n] for run in runs]) for kind in KINDS}
        for kind, found in rates.items():
            claim.note(f"{kind}, {name} labels: errors (%)", found.mean(), "reported: mean over the draws")
        for kind in (RANDOM, PIXELS, CODE, PCA):
            expected = {HELPS} if name == "fewest" and kind in (RANDOM, PIXELS) else None
            change = compare(rates[GAN_D], rates[kind], paired=True)
            claim.compare(f"{name} labels: errors of D's features less those of {kind} (points)", change, expected)


def picture(runs: list[dict], s: Settings) -> Figure:
    """Errors against the number of labels, a small point for each draw; the digits that excite some units most."""
    figure, (left, right) = slide(1, 2, height=6.4, width_ratios=(5, 4))
    for kind, (colour, style) in KINDS.items():
        rates = np.array([[rate for run in runs for rate in run[kind, n]] for n in s.labels])
        left.loglog(s.labels, rates.mean(axis=1), style, color=colour, label=kind)
        left.loglog(s.labels, rates, style[0], color=colour, markersize=3, alpha=0.5)
    left.set(xlabel="labels", ylabel="errors, unseen digits (%)", ylim=(min(2, rates.min()), None))
    left.set_xticks(s.labels, [f"{n:,}" for n in s.labels])
    left.set_yticks(TICKS, [str(tick) for tick in TICKS])
    left.minorticks_off()
    left.legend(loc="lower left")
    labelled(right, np.concatenate([runs[0]["top"][kind] for kind in (RANDOM, GAN_D)]), TOP, ["random", "D of\na GAN"], UNITS)
    right.set_title("in each row, the digits that excite one unit most")
    return figure
