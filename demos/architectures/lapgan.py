"""LAPGAN: an image is drawn coarse to fine, by one GAN for each level of a Laplacian pyramid (Denton et al. 2015).

Slide: "Deep generative image models using a laplacian pyramid of adversarial networks" (IT3320E, lecture 10, references)

    training   I_(k+1) = d(I_k), l_k = u(I_(k+1)), h_k = I_k - l_k;  D_k tells l_k + h_k from l_k + G_k(z, l_k)
    sampling   I_2 = G_2(z), 7 x 7;  then I_k = u(I_(k+1)) + G_k(z, u(I_(k+1))) for 14 x 14 and 28 x 28

d is the mean of 2 x 2 pixels; u repeats each pixel. Each level is trained by itself, on real coarse images. The networks of
7 x 7 are dense, the finer ones convolutional; these begin at the linear map with the least squared error, so that they only
have to learn the rest. Samples are those of G's running average. A single dense GAN of 28 x 28 has as many parameters as the
three levels together, and less training time.

What to look for: the details that each level adds, and the source of the distance to the data. The finer levels also start
from real coarse images that no network has seen. Without a GAN, these are enlarged by repeated pixels, by cubic splines, or by
the linear map of all pixels with the least squared error: are G's details better?
"""

import time
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import zoom

import minigan as mg
from demos.architectures import pyramid, shortcomings
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.pictures import sheet
from demos.kit.rounding import at_most
from demos.kit.style import FAKE, REAL, slide
from demos.kit.training import adams, train
from minigan import data, metrics, nn
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 1_800  # iterations at 28 x 28; the learning rates fall linearly to 0 over them
    middle_steps: int = 2_600  # at 14 x 14
    coarse_steps: int = 4_000  # at 7 x 7
    single_steps: int = 9_500  # of the single GAN: about 60 % of LAPGAN's time
    seeds: int = 3
    z: int = 32  # dimensions of the noise of dense players; finer levels have a plane of noise
    width: int = 256  # of the hidden layers at 7 x 7; those of the single GAN follow from the number of parameters
    batch: int = 64  # of dense players
    channels: int = 16  # of the convolutions at 28 x 28 and 14 x 14
    conv_batch: int = 32
    lr: float = 2e-3  # Adam's, betas (0.5, 0.999)
    r1: float = 1.0  # weight of the penalty on D's gradient at the data, of dense players
    conv_r1: float = 0.5
    decay: float = 0.998  # of G's running averages


QUICK = {"steps": 20, "middle_steps": 20, "coarse_steps": 60, "single_steps": 60, "seeds": 1, "width": 32, "channels": 4}
VERDICT = "Not reached at this size: the finer levels are better than least squares, but a dense GAN is better than all levels."
DISTANCES = (
    "LAPGAN ends at a Frechet distance of {Frechet distance, LAPGAN|.0f}; one scale, with as many parameters, at "
    "{Frechet distance, one scale|.0f}, in {seconds of the single GAN for each of LAPGAN|%} of the time. From unseen 7 x 7 "
    "images, LAPGAN's finer levels reach {Frechet distance, LAPGAN from 7 x 7|.0f}, least squares "
    "{Frechet distance, least squares from 7 x 7|.0f}"
)
FINDING = (
    "On MNIST, LAPGAN ends at Frechet distance {Frechet distance, LAPGAN|.0f}; one dense GAN, with as many parameters and "
    "in {seconds of the single GAN for each of LAPGAN|%} of the time, at {Frechet distance, one scale|.0f} (means of 3 seeds). "
    "From real 14 x 14 images, its finest level, after one epoch, reaches {Frechet distance, LAPGAN from 14 x 14|.1f} (cubic "
    "spline: {Frechet distance, cubic spline from 14 x 14|.0f}, least squares: "
    "{Frechet distance, least squares from 14 x 14|.1f}); from 7 x 7 images, both levels reach "
    "{Frechet distance, LAPGAN from 7 x 7|.0f} (least squares: {Frechet distance, least squares from 7 x 7|.0f})."
)

LAPGAN, SINGLE = "LAPGAN", "one scale"
BETTER = {"Frechet distance": "lower", "clear digits": "higher"}
FITTED = 2_000  # images that a level's linear map is fitted to
LEVELS = 2  # of residuals: 28 x 28 and 14 x 14; the smallest images are 7 x 7
STARTS = "14 x 14", "7 x 7"  # real coarse images, from which LAPGAN's finer levels and the controls start
COLUMNS, SHOWN = 8, 72  # samples of a game in a row of the picture, and in all its rows


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    """The pyramid of real images; what is possible without a GAN; LAPGAN and a single GAN with every seed."""
    args = claim.args
    x, y, (others, _) = digits.load(args)
    error = np.abs(pyramid.rebuild(pyramid.build(others, LEVELS)) - others).max()
    claim.at_most("largest error of a pixel that is taken apart and rebuilt", error, 1e-6, quick=True)
    judge = digits.judge_of(args, x, y)
    without = controls(judge, x, others)
    steps = s.seeds * (s.steps + s.middle_steps + s.coarse_steps + s.single_steps)
    runs = over_kinds(claim, play, (LAPGAN, SINGLE), s.seeds, judge, x, others, s, steps=steps)
    measure(claim, runs, without)
    claim.show(picture(runs, without), "lapgan", claim.words(DISTANCES))


def controls(judge: metrics.Judge, x: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """`look` at unseen images that were coarse, and then enlarged without a GAN. The linear map is that of all pixels."""
    found = {}
    for start, known, coarse in zip(STARTS, *(pyramid.gaussian(images, LEVELS)[1:] for images in (x, others)), strict=True):
        times = 28 // coarse.shape[-1]
        a, b = (np.c_[images.reshape(len(images), -1), np.ones(len(images), np.float32)] for images in (known, coarse))
        weight, *_ = np.linalg.lstsq(a.T @ a, a.T @ x.reshape(len(x), -1), rcond=1e-6)
        found |= look(pyramid.enlarged(coarse, 28), judge, x, f", repeated pixels from {start}")
        spline = zoom(np.eye(coarse.shape[-1]), (times, 1), mode="nearest", grid_mode=True)  # of each column, and each row
        found |= look(spline @ coarse @ spline.T, judge, x, f", cubic spline from {start}")
        found |= look((b @ weight).reshape(others.shape), judge, x, f", least squares from {start}")
    return found


def play(kind: str, seed: int, judge: metrics.Judge, x: np.ndarray, others: np.ndarray, s: Settings) -> dict:
    """Train; the samples' distance to the data, the share of clear digits, and the processor's seconds."""
    mg.seed(seed)
    images, began = pyramid.gaussian(2 * x - 1, LEVELS), time.process_time()
    if kind == LAPGAN:  # each level by itself, on real images of its size
        games = levels(images, s)
        for game, real, steps in zip(games, images, (s.steps, s.middle_steps), strict=False):
            train(game, pyramid.Pairs(real, s.conv_batch), steps, "a finer level")
        train(games[-1], data.batches(images[-1], size=s.batch), s.coarse_steps, "7 x 7")
    else:
        games = [single(s)]
        train(games[0], data.batches(images[0], size=s.batch), s.single_steps, "one scale")
    run = {"seconds": time.process_time() - began}
    *finer, last = games
    course = refine(finer, last.sample(digits.SAMPLES, G=last.average.module))
    run |= look((course[-1] + 1) / 2, judge, x) | {"course": [(images[:SHOWN] + 1) / 2 for images in course]}
    for i, start in enumerate(STARTS[: len(finer)], 1):
        coarse = pyramid.gaussian(2 * others - 1, i)[-1]
        run |= look((refine(finer[:i], coarse)[-1] + 1) / 2, judge, x, f", {kind} from {start}")
    return run


def levels(images: list[np.ndarray], s: Settings) -> list[GAN]:
    """The games of 28 x 28, 14 x 14 and 7 x 7, with running averages of G; the last has no condition."""
    games = []
    for large, small in pairwise(images):
        G = pyramid.Residual(painter(s.channels), *pyramid.least_squares(large[:FITTED]))
        D = pyramid.OfSum(critic(large.shape[-1], s.channels))
        games.append(GAN(G, D, pyramid.RealCondition(small), *adams(G, D, s.lr, s.lr), r1=s.conv_r1))
    G, D = digits.dense_generator(s.z, s.width, 7), digits.dense_discriminator(s.width, 7)
    games.append(GAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr), r1=s.r1))
    for game in games:
        game.average = nn.MovingAverage(game.G, s.decay)
    return games


def painter(c: int) -> nn.Sequential:
    """(N, 5, H, W) -> (N, 4, H, W)"""
    first, second = nn.Conv2d(5, c, 3, padding=1, bias=False), nn.Conv2d(c, c, 3, padding=1, bias=False)
    last = nn.Conv2d(c, 4, 3, padding=1)
    last.weight.data *= 0.1  # G begins near its linear map
    return nn.Sequential(first, nn.BatchNorm2d(c), nn.ReLU(), second, nn.BatchNorm2d(c), nn.ReLU(), last)


def critic(side: int, c: int) -> nn.Sequential:
    """(N, 1, side, side) -> (N, 1)"""
    first, second = nn.Conv2d(1, c, 4, stride=2, padding=1), nn.Conv2d(c, 2 * c, 4, stride=2, padding=1)
    last = nn.Dense(2 * c * (side // 4) ** 2, 1)
    return nn.Sequential(first, nn.LeakyReLU(), second, nn.LeakyReLU(), nn.Flatten(), last)


def single(s: Settings) -> GAN:
    """A GAN of 28 x 28. Each player has about as many parameters as its counterparts of all levels together."""
    games = levels(pyramid.gaussian(np.zeros((1, 1, 28, 28), np.float32), LEVELS), s)
    total_G, total_D = (sum(shortcomings.parameters(getattr(game, player)) for game in games) for player in "GD")
    G, D = shortcomings.dense_players(s.z, total_G, total_D)
    game = GAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr), r1=s.r1)
    game.average = nn.MovingAverage(G, s.decay)
    return game


def refine(finer: list[GAN], images: np.ndarray) -> list[np.ndarray]:
    """The images, refined by these levels, the finest first: [images, ..., I_0], I_k = u(I_(k+1)) + G_k(z, I_(k+1))."""
    course = [images]
    for game in reversed(finer):
        pairs = game.sample(len(images), z=game.prior.beside_noise(course[-1]), G=game.average.module)
        course.append(pairs.sum(axis=1, keepdims=True))
    return course


def look(images: np.ndarray, judge: metrics.Judge, x: np.ndarray, of: str = "") -> dict[str, float]:
    """The distance of images to the data, and the share of clear digits; `of` ends their names."""
    images = images.clip(0, 1).astype(np.float32)
    clear = digits.opinion(judge, images)[1].mean()
    return {f"Frechet distance{of}": digits.distance(judge, images, x), f"clear digits{of}": float(clear)}


def measure(claim: Claim, runs: dict[str, list[dict]], without: dict[str, float]) -> None:
    """LAPGAN compared with one scale; its finer levels, from real coarse images, with what is possible without a GAN."""

    def mean(kind, name):
        return np.mean([run[name] for run in runs[kind]])

    for kind, name in product(runs, BETTER):
        claim.note(f"{name}, {kind}", mean(kind, name), "reported: the mean over the seeds")
    for name, value in without.items():
        claim.note(name, value, "reported: of unseen images")
    for start in STARTS:
        clear, distance = (f"{name}, {LAPGAN} from {start}" for name in ("clear digits", "Frechet distance"))
        claim.note(clear, mean(LAPGAN, clear), "reported: of unseen images")
        least = min(value for name, value in without.items() if "Frechet" in name and start in name)
        expected = f"at most {at_most(least, 3)}, the least without a GAN"
        claim.note(distance, mean(LAPGAN, distance), expected, mean(LAPGAN, distance) <= least)
    seconds = mean(SINGLE, "seconds") / mean(LAPGAN, "seconds")
    claim.note("seconds of the single GAN for each of LAPGAN", seconds, "reported: of one core")
    ratio = mean(LAPGAN, "Frechet distance") / mean(SINGLE, "Frechet distance")
    claim.at_most("Frechet distance, LAPGAN / one scale", ratio, 1)
    for name, better in BETTER.items():
        lapgan, one = ([run[name] for run in side] for side in runs.values())
        claim.compare(f"{name}: LAPGAN less one scale", compare(lapgan, one, better))


def picture(runs: dict[str, list[dict]], without: dict[str, float]) -> Figure:
    """LAPGAN's samples, level by level; samples of the single GAN; the distance of every game, and of the controls."""
    figure, (course, one, distances) = slide(1, 3, height=5.5, width_ratios=(4, 4, 3))
    steps = [pyramid.enlarged(images, 28) for images in runs[LAPGAN][0]["course"]]
    rows = [images[i : i + COLUMNS] for i in range(0, SHOWN // len(steps), COLUMNS) for images in steps]
    sheets = {"LAPGAN, coarse to fine": np.concatenate(rows), "one scale": runs[SINGLE][0]["course"][-1]}
    for axes, (title, images) in zip((course, one), sheets.items(), strict=True):
        axes.imshow(sheet(images.clip(0, 1), COLUMNS), cmap="gray", vmin=0, vmax=1)
        axes.set_title(title)
        axes.axis("off")
    points = {f"{kind} from noise": [run["Frechet distance"] for run in side] for kind, side in runs.items()}
    for start in STARTS:
        name = f"{LAPGAN} from {start}"
        points[name] = [run[f"Frechet distance, {name}"] for run in runs[LAPGAN]]
        names = [name for name in without if "Frechet" in name and start in name]
        points |= {name.removeprefix("Frechet distance, "): [without[name]] for name in names}
    for i, (name, found) in enumerate(points.items()):
        distances.plot(found, [-i] * len(found), "o" if LAPGAN in name else "s", color=FAKE if LAPGAN in name else REAL)
    distances.set(xscale="log", xlabel="Frechet distance to the data", yticks=range(0, -len(points), -1))
    distances.set_yticklabels(points)
    distances.grid(axis="y", alpha=0.3)
    return figure
