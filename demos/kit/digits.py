"""Code that the demos on images share: the data, the training, the judge's metrics, and the final pictures."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import minigan as mg
from demos.catalogue import FOLDER
from demos.kit import pictures
from demos.kit.claim import Claim
from demos.kit.classifiers import in_parts
from demos.kit.pictures import MOVING
from demos.kit.rounding import at_least, at_most
from demos.kit.run import Run
from demos.kit.runner.options import PUBLISHED, add_data_options, common_options
from demos.kit.runner.progress import progress
from demos.kit.training import adams, train
from demos.kit.words import say
from minigan import Tensor, backend, data, metrics, nn, no_grad, softmax
from minigan.backend import random_numbers
from minigan.games import GAN, ConditionalGAN, Game

DATA = ("mnist", "glyphs")
SAMPLES = 5_000
WAYS = 1_000  # interpolations from one z to another; G's images half way are judged
CLEAR = 0.5  # least share of clear digits among G's samples, relative to real images
SMOOTH = 0.8  # least share of clear digits half way from one z to another, relative to G's samples

NEAR = (
    "Frechet distance {Frechet distance|.0f} (real images without one class: "
    "{Frechet distance, real images without one class|.0f})"
)
DRAWN = (  # by a game without classes
    "{clear digits|%} of the samples are clear digits (of real images {clear digits, unseen real images|%}), "
    f"of {{classes|.0f}} classes; {NEAR}"
)
DRAWN_AS_ASKED = (  # by a conditional game
    "{of the class asked for|%} of the samples show the class asked for, of the worst class "
    f"{{of the class asked for, worst class|%}}; {NEAR}"
)
ON_THE_WAY = (
    "Half way from one $z$ to another, {clear digits half way on a straight line|%} of the images are clear digits on straight "
    "lines, {clear digits half way on a great circle|%} on great circles; of samples, {clear digits|%}"
)
# Of the history's last tenth: of a game with a discriminator, and of BEGAN.
LATE_GUESSES = "In the last tenth of the training, D is right about {D_accuracy|%} of the images; guessing, about 50 %"
OUTPUTS = "The losses, and D's mean outputs for real and for fake images"  # with another loss than the log-loss
LATE_BALANCE = "In the last tenth of the training, $L(G(z))$ is {ratio|.2f} times $L(x)$, and $M$ is {M|.3f}"


def options(description: str, choices: Sequence[str] = DATA) -> argparse.ArgumentParser:
    """The options of demos about digits: the common ones, --data and --data-dir."""
    parser = common_options(description)
    add_data_options(parser, choices, quick_data="glyphs")
    return parser


# Of demos about the gallery's generator, which has learnt MNIST. Glyphs only let a quick run do without.
gallery_options = partial(options, choices=DATA[:1])


def gallery_generator() -> ConditionalGAN:
    """The game in demos/gallery/cgan.npz: seed 0 of the demo cgan, with G's running average as G; G is frozen."""
    game = mg.load(FOLDER / "gallery" / "cgan.npz")
    game.G.requires_grad_(False).eval()
    return game


def dense_players(z: int, width: int, shape: tuple[int, int, int] = (1, 28, 28)) -> tuple[nn.Sequential, nn.Sequential]:
    """G and D for images of this shape, with pixels from -1 to 1, with dense layers only."""
    channels, side, _ = shape
    return dense_generator(z, width, side, channels=channels), dense_discriminator(width, side, channels)


def dense_generator(
    z: int, width: int, side: int = 28, layer: Callable[[int, int], nn.Dense] = nn.Dense, channels: int = 1
) -> nn.Sequential:
    """(N, z) -> (N, channels, side, side). `layer`: makes the dense layers."""
    w = width
    return nn.Sequential(
        layer(z, w), nn.LeakyReLU(0.2), layer(w, w), nn.LeakyReLU(0.2), layer(w, channels * side**2), nn.Tanh(),
        nn.Reshape(channels, side, side),
    )  # fmt: skip


def dense_discriminator(width: int, side: int = 28, channels: int = 1) -> nn.Sequential:
    """(N, channels, side, side) -> (N, 1)"""
    w = width
    layers = nn.Dense(channels * side**2, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 1)
    return nn.Sequential(nn.Flatten(), *layers)


def train_generator(x: np.ndarray, settings: Any) -> nn.Module:
    """G of the dense players, trained on images x in [0, 1]; `settings` has steps, z, width, batch, lr and r1."""
    G, D = dense_players(settings.z, settings.width)
    game = GAN(G, D, data.noise(settings.z), *adams(G, D, settings.lr, settings.lr), r1=settings.r1)
    train(game, data.batches(2 * x - 1, size=settings.batch), settings.steps, "training a generator")
    return G.eval()


def in_pixels(G: nn.Module) -> Callable[[Tensor], Tensor]:
    """G with images in [0, 1] instead of tanh's [-1, 1]."""
    return lambda z: (G(z) + 1.0) / 2.0


def draw(G: Callable[[Tensor], Tensor], z: np.ndarray) -> np.ndarray:
    """G's images of the noise z (n, d), as NumPy arrays."""
    with no_grad():
        return G(Tensor(z.astype(np.float32))).numpy()


def load(args, n: int | None = None) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Training images (m, C, H, W) in [0, 1], their classes (m,), and n unseen images (None: SAMPLES) with their classes."""
    n = SAMPLES if n is None else n
    try:
        if args.data in PUBLISHED:
            read = data.mnist if args.data == "mnist" else data.cifar10
            others, classes = read("test", root=args.data_dir)
            some = np.random.default_rng(0).permutation(len(others))[:n]  # the second half is easier to read
            return *read(root=args.data_dir), (others[some], classes[some])
    except data.DataError as error:
        raise SystemExit(f"{error}") from None
    draw, many = (data.scenes, 30_000) if args.data == "scenes" else (data.glyphs, 60_000)
    x, y = draw(3_000 if args.quick else many)
    return x, y, draw(300 if args.quick else n)


# --- a game ---------------------------------------------------------------------------------------------------------------


@dataclass
class Played:
    """A finished game: the training and G's samples in [0, 1]; the judge, data and unseen images to compare them with."""

    run: Run
    samples: np.ndarray
    judge: metrics.Judge
    x: np.ndarray
    y: np.ndarray
    unseen: np.ndarray


def play(claim: Claim, game: Game, panels=pictures.DISCRIMINATOR_PANELS, along: int = 0) -> Played:
    """Train the game, whose networks see pixels from -1 to 1, and draw G's samples; of a conditional game, class by class.

    The samples are those of G's running average, if the game has one. Adds the judge's metrics of them and of unseen real
    images, without bounds; for these, see `well_drawn`.
    `along`: if not 0, each snapshot has "distance", the Frechet distance of this many samples to the data.
    """
    args = claim.args
    x, y, others = load(args)
    conditional = isinstance(game, ConditionalGAN)
    columns = 10 if conditional else 8
    pairs = WAYS // 10 if args.quick else WAYS
    z = game.prior(8 * columns + 2 * pairs + along, rng=random_numbers.spawn())
    fixed, others_z = z[: 8 * columns], z[8 * columns :]
    ends, z_along = (others_z[:pairs], others_z[pairs : 2 * pairs]), others_z[2 * pairs :]
    sample = partial(pixels, game)

    def classes(n):
        return np.arange(n) % 10 if conditional else None

    judge = judge_of(args, x, y)
    near = features(judge, some(x, along)) if along else None

    def snapshot():
        arrays = {"samples": sample(len(fixed), classes(len(fixed)), fixed)}
        if along:
            there = features(judge, sample(along, classes(along), z_along))
            arrays["distance"] = np.array(metrics.frechet_distance(there, near))
        return arrays

    run = Run(claim, game, data.batches(2 * x - 1, y, size=claim.settings["batch"]), x, snapshot)
    run.train()

    labels = classes(SAMPLES)
    samples = sample(SAMPLES, labels)
    measured = quality(judge, x, others, samples, labels)
    claim.metrics |= measured
    half_way = [opinion(judge, sample(len(z), classes(len(z)), z))[1].mean() for z in middles(*ends)]
    add_metrics(claim, measured, without_one_class(judge, x, others), half_way)
    run.write(samples=samples, **({"labels": labels} if conditional else {}))
    show(claim, run, (x, y), (samples, labels), columns)
    names = [f"class {c}" for c in range(8)] if conditional else []
    picture = pictures.interpolations(*ways(sample, fixed, conditional), names)
    claim.show(picture, "interpolation", claim.words(ON_THE_WAY))
    late = last_tenth(run.history)
    guesses = LATE_BALANCE if "ratio" in late else LATE_GUESSES if "D_accuracy" in late else OUTPUTS
    claim.show(pictures.curves(run.history, panels), "curves", say(guesses, late))
    print(MOVING)
    return Played(run, samples, judge, x, y, others[0])


def pixels(game: Game, n: int, classes: Any = None, z: np.ndarray | None = None) -> np.ndarray:
    """n samples of G, or of its running average if the game has one: tanh's [-1, 1] to pixels in [0, 1]."""
    G = next((average.module for average in game.parts(nn.MovingAverage).values()), game.G)
    return (game.sample(n, classes, z, G=G) + 1) / 2


def last_tenth(history: list[dict[str, float]]) -> dict[str, float]:
    """The means over the last tenth of the training."""
    late = history[-max(1, len(history) // 10) :]
    return {name: float(np.mean([row[name] for row in late])) for name in late[0]}


def show(claim: Claim, run: Run, real: tuple, fake: tuple, columns: int) -> None:
    """Draw data and samples, each with its classes or None, and how the samples changed during the training."""
    (x, y), (samples, labels) = real, fake
    title = claim.words(DRAWN if labels is None else DRAWN_AS_ASKED)
    if labels is None:
        sheets = pictures.images(x[:144], samples[:144])
    else:
        sheets = pictures.images(by_class(x, y), by_class(samples, labels), labels=[str(c) for c in range(10)])
    claim.show(sheets, "samples", title)
    claim.show(pictures.images_over_time(run.snapshots, 2 * columns), "over_time", f"After {run.steps:,} iterations, {title}")
    pictures.images_animation(claim.args.out / "animation.gif", run.snapshots, columns)


def by_class(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The first 12 images of each class, class after class."""
    return np.concatenate([images[labels == c][:12] for c in range(10)])


# --- from one z to another ------------------------------------------------------------------------------------------------


def ways(sample, z: np.ndarray, conditional: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images on the ways from one z to another, (8, 12, 1, 28, 28) each: on straight lines, and on great circles.

    Of a conditional game: between the same two z, for eight classes.
    """
    ends = [(z[0], z[1]) if conditional else (z[2 * i], z[2 * i + 1]) for i in range(8)]
    return tuple(
        np.stack([sample(12, i if conditional else None, way(a, b, 12)) for i, (a, b) in enumerate(ends)])
        for way in (data.lerp, data.slerp)
    )


def middles(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half way from the z in a to those in b, (n, d) each: on straight lines, and on great circles."""
    return tuple(np.stack([way(*ends, 3)[1] for ends in zip(a, b, strict=True)]) for way in (data.lerp, data.slerp))


# --- the judge's metrics --------------------------------------------------------------------------------------------------


def judge_of(args: argparse.Namespace, x: np.ndarray, y: np.ndarray) -> metrics.Judge:
    """The classifier of the data that measures the quality of images: from the cache, or trained now."""
    if args.quick:
        return metrics.train_judge(x, y, steps=60)
    return metrics.judge(x, y, progress=lambda steps: progress(steps, desc="training a judge"))


def quality(judge: metrics.Judge, x: np.ndarray, others: tuple, samples: np.ndarray, labels) -> dict[str, dict]:
    """The judge's metrics of the samples, and of real images that neither G nor the judge has seen."""
    return {
        "samples": metrics.image_quality(samples, judge, x, labels),
        "real_images": metrics.image_quality(others[0], judge, x, others[1]),
    }


def without_one_class(judge: metrics.Judge, x: np.ndarray, others: tuple[np.ndarray, np.ndarray]) -> float:
    """The Frechet distance between the data and real images of nine classes: the mean over which one is missing."""
    images, classes = others
    a, b = features(judge, some(x, len(images))), features(judge, images)
    return float(np.mean([metrics.frechet_distance(a, b[classes != c]) for c in range(10)]))


def features(judge: metrics.Judge, images: np.ndarray) -> np.ndarray:
    """The judge's features of the images: (n, 64)."""
    with no_grad():
        return in_parts(lambda part: backend.to_numpy(judge.features(part).data), images)


def opinion(judge: metrics.Judge, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class that the judge assigns to each image, and whether it is more than 90 % sure."""
    p = probabilities(judge, images)
    return p.argmax(axis=1), p.max(axis=1) > metrics.images.CONFIDENT


@no_grad()
def probabilities(judge: metrics.Judge, images: np.ndarray) -> np.ndarray:
    """The judge's probability of each class: (n, 10)."""
    return backend.to_numpy(softmax(judge.head(features(judge, images)), axis=1).data)


def distance(judge: metrics.Judge, samples: np.ndarray, x: np.ndarray) -> float:
    """The Frechet distance between samples and as many of the data, by the judge's features."""
    return metrics.frechet_distance(features(judge, samples), features(judge, some(x, len(samples))))


def classes_drawn(judge: metrics.Judge, samples: np.ndarray) -> int:
    """The number of classes with at least 1 % of the samples."""
    counts = np.bincount(opinion(judge, samples)[0], minlength=10)
    return int((100 * counts >= len(samples)).sum())


def some(x: np.ndarray, n: int) -> np.ndarray:
    """At most n of the data, drawn at random with a fixed seed."""
    return x[np.random.default_rng(0).permutation(len(x))[:n]]


def add_metrics(claim: Claim, measured: dict[str, dict], without: float, half_way: list[float]) -> None:
    """Add the metrics of a game on digits, without bounds."""
    row, real = measured["samples"], measured["real_images"]
    claim.note("clear digits", row["confident"], "reported: share of the samples that a classifier is more than 90 % sure of")
    claim.note("clear digits, unseen real images", real["confident"], "reported")
    claim.note("classes", row["classes"], "reported: those with at least 1 % of the samples")
    claim.note("Frechet distance", row["frechet"], "reported: between the classifier's features of the samples and the data")
    claim.note("Frechet distance, unseen real images", real["frechet"], "reported")
    claim.note("Frechet distance, real images without one class", without, "reported: the mean over which one is missing")
    claim.note("nearest training image", row["nearest"], "reported: median distance; a copy has 0")
    claim.note("nearest training image, unseen real images", real["nearest"], "reported")
    for name, share in zip(("a straight line", "a great circle"), half_way, strict=True):
        claim.note(f"clear digits half way on {name}", share, "reported: from one z to another")
    if "accuracy" in row:
        claim.note("of the class asked for", row["accuracy"], "reported: share of the samples")
        claim.note("of the class asked for, worst class", row["worst_class"], "reported")
        claim.note("of their class, unseen real images", real["accuracy"], "reported: where the classifier is right")


def well_drawn(claim: Claim) -> None:
    """Judge whether G has learnt to draw digits: all ten classes, about as clear as real ones, at a small Frechet distance."""
    m = claim.metrics
    claim.at_least("classes", m["classes"], 10)
    least, most = CLEAR * m["clear digits, unseen real images"], m["Frechet distance, real images without one class"]
    expected = f"at least {at_least(least, 3)}, {CLEAR:g} of real images'"
    claim.note("clear digits", m["clear digits"], expected, m["clear digits"] >= least)
    expected = f"at most {at_most(most, 3)}, that of real images without one class"
    claim.note("Frechet distance", m["Frechet distance"], expected, m["Frechet distance"] <= most)


def smooth(claim: Claim) -> None:
    """Judge whether the images between two digits are digits: half way, nearly as many are clear as among samples.

    On great circles, z is as long as noise is; on straight lines, it is nearer to 0.
    """
    name, least = "clear digits half way on a great circle", SMOOTH * claim.metrics["clear digits"]
    share, expected = claim.metrics[name], f"at least {at_least(least, 3)}, {SMOOTH:g} of samples'"
    claim.note(name, share, expected, share >= least)
