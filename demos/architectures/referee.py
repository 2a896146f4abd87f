"""One referee for all generators of digits: the same classifier, the same number of samples, the same rulers.

Slide: "Generators are 'as good' as the true data samples - At least in the eyes of the discriminators" (Generative Adversarial
Networks)

Each demo of images reports a Frechet distance of its own, after its own training. Here one judge compares their samples, which
their last runs left next to this one's results (`samples.npz`): train them first, `python -m demos cgan` and so on. There are
three rulers. Unseen real images are as near to the data as samples can come. The second needs no adversary: real digits of
7 x 7 pixels, enlarged by one linear map, which least squares fits. The third is one clear real digit of each class, repeated.

The Inception score, exp of the mean KL(p(y|x) || p(y)) (Salimans et al. 2016), is high if the judge is sure of each sample and
finds all classes equally often. It compares nothing with the data and is blind to variety within a class: the ten repeated
digits have the highest score. The Frechet distance is not fooled.

Precision is the share of samples that lie among real images, recall that of real images that lie among the samples
(Kynkaanniemi et al. 2019: within the distance to the third neighbour, by the judge's features). "Told apart" is the accuracy of
a fresh classifier, which learns real against fake; 50 % is a perfect generator's. The seconds are those of a demo's whole run.

What to look for: where score and distance disagree; which game is nearest, and what its seconds bought; who draws clear digits
but few kinds (low recall); how easily the fresh classifier, an opponent that no G has trained against, tells the best samples
from real images.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from demos.generative_models.damage import coarse
from demos.kit import classifiers, digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.pictures import sheet
from demos.kit.runner.options import parser
from demos.kit.style import FAKE, REAL, slide
from minigan import metrics, nn

UNSEEN, LINEAR, REPEATED = RULERS = "unseen real images", "least squares from 7 x 7", "ten real digits, repeated"
NOT_GENERATORS = "fgsm", "referee"  # their samples are images that were changed
NEIGHBOUR = 3
SHOWN = 12  # images of each row
COLUMNS = {  # the table's: a format of each number
    "Frechet distance": "{:.1f}", "Inception score": "{:.2f}", "clear digits": "{:.0%}", "precision": "{:.0%}",
    "recall": "{:.0%}", "told apart": "{:.0%}", "CPU seconds": "{:,.0f}",
}  # fmt: skip


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed and the other demos' samples."""

    samples: int = 5_000  # of each generator; a run with fewer is left out
    neighbours: int = 2_000  # of the samples, for precision and recall
    steps: int = 600  # of the fresh classifier
    batch: int = 128  # half of them real


QUICK = {"samples": 150, "neighbours": 100, "steps": 20}
VERDICT = "True, but a new D finds a difference: convolutional GANs beat a linear map from real 7 x 7 pixels; BEGAN does not."
FINDING = (
    "Of {generators|.0f} generators, the nearest has Frechet distance {nearest generator|.1f}; least squares from 7 x 7 pixels "
    "has {least squares from 7 x 7: Frechet distance|.0f}, unseen real images "
    "{unseen real images: Frechet distance|.1f}. A fresh classifier is right about {nearest generator, told apart|%} of the "
    "nearest generator's samples and real images; guessing, about 50 %. Ten real digits, repeated, fool the Inception score "
    "({ten real digits, repeated: Inception score|.2f}; unseen real images {unseen real images: Inception score|.2f}), but not "
    "the Frechet distance ({ten real digits, repeated: Frechet distance|.0f})."
)
TITLE = "One referee for all generators. In blue, three rulers: real images; real 7 x 7 pixels, enlarged; ten digits, repeated"


@demo(Settings(), QUICK, lambda about: parser(about, data=digits.DATA, quick_data="glyphs"))
def main(claim: Claim, s: Settings) -> None:
    """Measure the rulers and the samples of the other demos' last runs; draw the table."""
    x, y, (unseen, _) = digits.load(claim.args, s.samples)
    judge = digits.judge_of(claim.args, x, y)
    rulers = {UNSEEN: unseen, LINEAR: enlarged(x, unseen), REPEATED: repeated(x, judge, len(unseen))}
    found = {name: (images, 0.0) for name, images in rulers.items()}
    found |= samples_next_to(claim.args.out, claim.args.data, s.samples)
    rows = {name: {"CPU seconds": seconds} | row(images, judge, x, s) for name, (images, seconds) in found.items()}
    rows = dict(sorted(rows.items(), key=lambda item: item[1]["Frechet distance"]))
    measure(claim, rows)
    claim.show(picture(rows, {name: images for name, (images, _) in found.items()}), "referee", TITLE)


def samples_next_to(out: Path, data: str, n: int) -> dict[str, tuple[np.ndarray, float]]:
    """n samples and the CPU seconds of each run on these data next to this one's folder that left samples of 28 x 28."""
    found = {}
    for file in sorted(out.parent.glob("*/samples.npz")):
        if file.parent.name in NOT_GENERATORS or not file.with_name("summary.json").is_file():
            continue
        summary = json.loads(file.with_name("summary.json").read_text(encoding="utf-8"))
        with np.load(file) as arrays:
            images = arrays["samples"]
        same_data = summary["settings"].get("data", data) == data
        if same_data and images.shape[1:] == (1, 28, 28) and len(images) >= n:
            found[file.parent.name] = digits.some(images, n).astype(np.float32), summary["cpu_seconds"]
    return found


def enlarged(x: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Images from their own 7 x 7 pixels, by the linear map with a constant that least squares fits on x."""
    small, large = (np.c_[coarse(part).reshape(len(part), -1), np.ones(len(part))] for part in (x, images))
    weights = np.linalg.lstsq(small, x.reshape(len(x), -1), rcond=None)[0]
    return (large @ weights).clip(0, 1).astype(np.float32).reshape(images.shape)


def repeated(x: np.ndarray, judge: metrics.Judge, n: int) -> np.ndarray:
    """n images: of each class the one that the judge is surest of, again and again."""
    surest = digits.probabilities(judge, x).argmax(axis=0)
    return x[np.resize(surest, n)]


def row(images: np.ndarray, judge: metrics.Judge, x: np.ndarray, s: Settings) -> dict[str, float]:
    """The numbers of one generator's samples."""
    data = digits.some(x, len(images))
    near, real = digits.features(judge, images), digits.features(judge, data)
    return {
        "Frechet distance": metrics.frechet_distance(near, real),
        "Inception score": metrics.inception_score(digits.probabilities(judge, images)),
        "clear digits": float(digits.opinion(judge, images)[1].mean()),
        "classes": float(digits.classes_drawn(judge, images)),
        "precision": share_inside(near[: s.neighbours], real[: s.neighbours]),
        "recall": share_inside(real[: s.neighbours], near[: s.neighbours]),
        "told apart": told_apart(images, data, s),
    }


def share_inside(a: np.ndarray, b: np.ndarray) -> float:
    """The share of the points a that lie in one of the balls around the points b that reach to their third neighbours in b."""
    radii = np.sort(distances(b, b), axis=1)[:, NEIGHBOUR]  # column 0 is the point itself
    return float((distances(a, b) <= radii).any(axis=1).mean())


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, d), (m, d) -> (n, m), squared."""
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T


def told_apart(fake: np.ndarray, real: np.ndarray, s: Settings) -> float:
    """The accuracy of a fresh classifier on the fifth of the images that it has not seen."""
    images, labels = np.concatenate([fake, real]), np.repeat([0, 1], [len(fake), len(real)])
    order = np.random.default_rng(0).permutation(len(images))
    seen, unseen = np.split(order, [len(order) * 4 // 5])
    layers = nn.Flatten(), nn.Dense(784, 256), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Dense(256, 2)
    classifier = classifiers.Classifier(nn.Sequential(*layers), digits=(0, 1))
    classifiers.train(classifier, images[seen], labels[seen], "telling apart", s.steps, s.batch, 1e-3)
    return 1 - classifiers.mistakes(classifier, images[unseen], labels[unseen])["error"] / 100


def measure(claim: Claim, rows: dict[str, dict[str, float]]) -> None:
    """Every number; each generator must be nearer to the data than the linear map.

    The repeated digits must have at least the score of real images, and be farther from the data: five times as far, and
    farther than each generator that passes.
    """
    generators = [name for name in rows if name not in RULERS]
    for name, numbers in rows.items():
        for column, value in numbers.items():
            claim.note(f"{name}: {column}", value, "reported")
    for name in generators:
        claim.at_most(f"{name}: Frechet distance", rows[name]["Frechet distance"], rows[LINEAR]["Frechet distance"])
    claim.at_least(f"{REPEATED}: Inception score", rows[REPEATED]["Inception score"], rows[UNSEEN]["Inception score"])
    distances = {name: numbers["Frechet distance"] for name, numbers in rows.items()}
    passing = [distances[name] for name in generators if distances[name] <= distances[LINEAR]]
    claim.at_least(f"{REPEATED}: Frechet distance", distances[REPEATED], max([5 * distances[UNSEEN], *passing]))
    claim.note("generators", len(generators), "reported: demos whose runs have samples of 28 x 28 pixels")
    nearest = rows[generators[0]] if generators else dict.fromkeys(COLUMNS, np.nan)
    claim.note("nearest generator", nearest["Frechet distance"], "reported: its Frechet distance")
    claim.note("nearest generator, told apart", nearest["told apart"], "reported: accuracy of a fresh classifier")


def picture(rows: dict[str, dict[str, float]], images: dict[str, np.ndarray]) -> Figure:
    """A row for each generator: some samples, and its numbers."""
    figure, axes = slide(height=2.2 + 0.45 * len(rows))
    shown = sheet(np.concatenate([images[name][:SHOWN] for name in rows]), SHOWN)
    height, width = shown.shape
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1)
    places = [width * (1.1 + 0.19 * i) for i in range(len(COLUMNS))]
    for place, column in zip(places, COLUMNS, strict=True):
        axes.text(place, -6, column.replace(" ", "\n"), ha="center", va="bottom", fontsize=13)
    middles = [height * (i + 0.5) / len(rows) for i in range(len(rows))]
    for middle, (name, numbers) in zip(middles, rows.items(), strict=True):
        for place, (column, form) in zip(places, COLUMNS.items(), strict=True):
            text = "" if column == "CPU seconds" and not numbers[column] else form.format(numbers[column])
            axes.text(place, middle, text, ha="center", va="center", color=REAL if name in RULERS else FAKE)
    axes.set_yticks(middles, list(rows))
    axes.set(xticks=[], xlim=(0, places[-1] + 0.1 * width), ylim=(height, -0.25 * height / len(rows) - 34))
    axes.spines[:].set_visible(False)
    return figure
