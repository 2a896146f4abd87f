"""LAPGAN: an image is drawn coarse to fine, by one GAN for each level of a Laplacian pyramid (Denton et al. 2015).

Slide: "Deep generative image models using a laplacian pyramid of adversarial networks" (IT3320E, lecture 10, references)

    training   I_(k+1) = d(I_k), l_k = u(I_(k+1)), h_k = I_k - l_k;  D_k tells l_k + h_k from l_k + G_k(z, l_k)
    sampling   I_2 = G_2(z), 7 x 7;  then I_k = u(I_(k+1)) + G_k(z, u(I_(k+1))) for 14 x 14 and 28 x 28

d is the mean of 2 x 2 pixels; u repeats each pixel. Each level is trained by itself, on real coarse images. The networks of
7 x 7 are dense, the finer ones convolutional. A single dense GAN of 28 x 28 has as many parameters as the three levels together
and about the same training time.

What to look for: the details that each level adds, and the source of the distance to the data: the finer levels, which train
for 0.37 epochs, also start from real coarse images. Here LAPGAN ends farther from the data than the single GAN.
"""

import time
from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.architectures import pyramid, shortcomings
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.pictures import sheet
from demos.kit.style import FAKE, MARKERS, OTHERS, REAL, slide
from demos.kit.training import adams, train
from minigan import data, metrics, nn
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 700  # iterations at 28 x 28, and at 14 x 14; the learning rates fall linearly to 0 over them
    coarse_steps: int = 3_000  # at 7 x 7
    single_steps: int = 6_000  # of the single GAN: about the same time as LAPGAN's
    seeds: int = 3
    z: int = 32  # dimensions of the noise of dense players; finer levels have a plane of noise
    width: int = 256  # of the hidden layers at 7 x 7; those of the single GAN follow from the number of parameters
    batch: int = 64  # of dense players
    channels: int = 8  # of the convolutions at 28 x 28 and 14 x 14
    conv_batch: int = 32
    lr: float = 2e-3  # Adam's of dense players, betas (0.5, 0.999)
    conv_lr: float = 6e-3
    r1: float = 1.0  # weight of the penalty on D's gradient at the data


QUICK = {"steps": 20, "coarse_steps": 60, "single_steps": 60, "seeds": 1, "width": 32, "channels": 4}
VERDICT = "Not reached at this size: after 0.37 epochs, the finer levels are too weak to judge LAPGAN."
DISTANCES = (
    "LAPGAN ends at a Frechet distance of {Frechet distance, LAPGAN|.0f}; one scale, with as many parameters and seconds, at "
    "{Frechet distance, one scale|.0f} (LAPGAN: {Frechet distance: LAPGAN less one scale|lower}). From real coarse images, the "
    "finer levels reach {Frechet distance, real coarse images|.0f}"
)
FINDING = (
    "On MNIST, LAPGAN ends at Frechet distance {Frechet distance, LAPGAN|.0f}; one dense GAN, with as many parameters and as "
    "much time, at {Frechet distance, one scale|.0f} (means of 3 seeds). Even from real 7 x 7 images, the finer levels reach "
    "only {Frechet distance, real coarse images|.0f}."
)

LAPGAN, SINGLE = "LAPGAN", "one scale"
BETTER = {"Frechet distance": "lower", "clear digits": "higher"}
LEVELS = 2  # of residuals: 28 x 28 and 14 x 14; the smallest images are 7 x 7
COLUMNS, SHOWN = 8, 72  # samples of a game in the picture, and how many are in a row


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    """The pyramid of real images; LAPGAN and a single GAN with every seed."""
    args = claim.args
    x, y, (others, _) = digits.load(args)
    error = np.abs(pyramid.rebuild(pyramid.build(others, LEVELS)) - others).max()
    claim.at_most("largest error of a pixel that is taken apart and rebuilt", error, 1e-6, quick=True)
    judge = digits.judge_of(args, x, y)
    steps = s.seeds * (LEVELS * s.steps + s.coarse_steps + s.single_steps)
    runs = over_kinds(claim, play, (LAPGAN, SINGLE), s.seeds, judge, x, s, steps=steps)
    measure(claim, runs)
    claim.show(picture(runs), "lapgan", claim.words(DISTANCES))


def play(kind: str, seed: int, judge: metrics.Judge, x: np.ndarray, s: Settings) -> dict:
    """Train; the samples' distance to the data, the share of clear digits, and the processor's seconds."""
    mg.seed(seed)
    x, began = 2 * x - 1, time.process_time()
    if kind == LAPGAN:  # each level by itself, on real images of its size
        games, images = levels(x, s), pyramid.gaussian(x, LEVELS)
        for side, game, real in zip((28, 14), games, images, strict=False):
            train(game, pyramid.Pairs(real, s.conv_batch), s.steps, f"{side} x {side}")
        train(games[-1], data.batches(images[-1], size=s.batch), s.coarse_steps, "7 x 7")
    else:
        games = [single(s)]
        train(games[0], data.batches(x, size=s.batch), s.single_steps, "one scale")
    run = {"seconds": time.process_time() - began}
    course = refine(games, games[-1].sample(digits.SAMPLES))
    run |= look(course[-1], judge, x) | {"course": [images[:SHOWN] for images in course]}
    if kind == LAPGAN:
        small = pyramid.gaussian(digits.some(x, digits.SAMPLES), LEVELS)[-1]
        run["Frechet distance, real coarse images"] = look(refine(games, small)[-1], judge, x)["Frechet distance"]
    return run


def levels(x: np.ndarray, s: Settings) -> list[GAN]:
    """The games of 28 x 28, 14 x 14 and 7 x 7; the last has no condition."""
    games = []
    for side, small in zip((28, 14), pyramid.gaussian(x, LEVELS)[1:], strict=True):
        G, D = pyramid.Residual(painter(s.channels)), pyramid.OfSum(critic(side, s.channels))
        games.append(GAN(G, D, pyramid.RealCondition(small), *adams(G, D, s.conv_lr, s.conv_lr), r1=s.r1))
    G, D = digits.dense_generator(s.z, s.width, 7), digits.dense_discriminator(s.width, 7)
    return [*games, GAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr), r1=s.r1)]


def painter(c: int) -> nn.Sequential:
    """(N, 2, H, W) -> (N, 4, H, W)"""
    layers = nn.Conv2d(2, c, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(c, c, 3, padding=1), nn.LeakyReLU()
    return nn.Sequential(*layers, nn.Conv2d(c, 4, 3, padding=1))


def critic(side: int, c: int) -> nn.Sequential:
    """(N, 1, side, side) -> (N, 1)"""
    first, second = nn.Conv2d(1, c, 4, stride=2, padding=1), nn.Conv2d(c, 2 * c, 4, stride=2, padding=1)
    last = nn.Dense(2 * c * (side // 4) ** 2, 1)
    return nn.Sequential(first, nn.LeakyReLU(), second, nn.LeakyReLU(), nn.Flatten(), last)


def single(s: Settings) -> GAN:
    """A GAN of 28 x 28. Each player has about as many parameters as its counterparts of all levels together."""
    games = levels(np.zeros((1, 1, 28, 28), np.float32), s)
    total_G, total_D = (sum(shortcomings.parameters(getattr(game, player)) for game in games) for player in "GD")
    G, D = shortcomings.dense_players(s.z, total_G, total_D)
    return GAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr), r1=s.r1)


def refine(games: list[GAN], images: np.ndarray) -> list[np.ndarray]:
    """The images, refined by the finer levels: [images, ..., I_0], I_k = u(I_(k+1)) + h_k, h_k = G_k(z, u(I_(k+1)))."""
    course = [images]
    for game in games[-2::-1]:
        pairs = game.sample(len(images), z=game.prior.beside_noise(course[-1]))
        course.append(pairs.sum(axis=1, keepdims=True))
    return course


def look(images: np.ndarray, judge: metrics.Judge, x: np.ndarray) -> dict[str, float]:
    """The distance of images to the data (both from -1 to 1), and the share of clear digits."""
    samples, real = (((v + 1) / 2).clip(0, 1) for v in (images, digits.some(x, len(images))))
    distance = metrics.frechet_distance(digits.features(judge, samples), digits.features(judge, real))
    return {"Frechet distance": distance, "clear digits": float(digits.opinion(judge, samples)[1].mean())}


def measure(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """LAPGAN compared with one scale, and with itself on real coarse images."""

    def mean(kind, name):
        return np.mean([run[name] for run in runs[kind]])

    for kind, name in product(runs, BETTER):
        claim.note(f"{name}, {kind}", mean(kind, name), "reported: the mean over the seeds")
    real = "Frechet distance, real coarse images"
    claim.note(real, mean(LAPGAN, real), "reported: LAPGAN's finer levels, by themselves")
    seconds = mean(SINGLE, "seconds") / mean(LAPGAN, "seconds")
    claim.note("seconds of the single GAN for each of LAPGAN", seconds, "reported: of one core")
    ratio = mean(LAPGAN, "Frechet distance") / mean(SINGLE, "Frechet distance")
    claim.at_most("Frechet distance, LAPGAN / one scale", ratio, 1)
    for name, better in BETTER.items():
        lapgan, one = ([run[name] for run in side] for side in runs.values())
        claim.compare(f"{name}: LAPGAN less one scale", compare(lapgan, one, better))


def picture(runs: dict[str, list[dict]]) -> Figure:
    """LAPGAN's samples, level by level; samples of the single GAN; the distance of every game."""
    figure, (course, one, distances) = slide(1, 3, height=6, width_ratios=(4, 4, 3))
    steps = [pyramid.enlarged(images, 28) for images in runs[LAPGAN][0]["course"]]
    rows = [images[i : i + COLUMNS] for i in range(0, SHOWN // len(steps), COLUMNS) for images in steps]
    sheets = {"LAPGAN: 7 x 7, 14 x 14, 28 x 28": np.concatenate(rows), "one scale": runs[SINGLE][0]["course"][-1]}
    for axes, (title, images) in zip((course, one), sheets.items(), strict=True):
        axes.imshow(sheet(((images + 1) / 2).clip(0, 1), COLUMNS), cmap="gray", vmin=0, vmax=1)
        axes.set_title(title)
        axes.axis("off")
    for i, (side, colour) in enumerate(zip(runs.values(), (FAKE, OTHERS[3]), strict=True)):
        distances.plot([i] * len(side), [run["Frechet distance"] for run in side], MARKERS[i], color=colour)
    real = [run["Frechet distance, real coarse images"] for run in runs[LAPGAN]]
    distances.plot([0] * len(real), real, MARKERS[2], color=REAL, label="from real 7 x 7 images")
    distances.set(xticks=[0, 1], xlim=(-0.5, 1.5), ylim=(0, None), ylabel="Frechet distance", title="a point for each game")
    distances.set_xticklabels([LAPGAN, SINGLE])
    distances.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08))
    return figure
