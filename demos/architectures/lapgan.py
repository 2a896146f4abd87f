"""LAPGAN: an image is drawn coarse to fine, by one GAN for each level of a Laplacian pyramid (Denton et al. 2015).

Slide: "Deep generative image models using a laplacian pyramid of adversarial networks" (IT3320E, lecture 10, references)

    training   I_(k+1) = d(I_k), l_k = u(I_(k+1)), h_k = I_k - l_k;  D_k tells l_k + h_k from l_k + G_k(z, l_k)
    sampling   I_2 = G_2(z), 7 x 7;  then I_k = u(I_(k+1)) + G_k(z, u(I_(k+1))) for 14 x 14 and 28 x 28

d is the mean of 2 x 2 pixels; u repeats each pixel. Every level is trained by itself, on real coarse images: no network sees
the output of the level above. The networks of 7 x 7 are dense, the finer ones convolutional. LAPGAN is compared with a single
dense GAN of 28 x 28, whose G and D have as many parameters as those of the three levels together. It trains for the same time.

What to look for: the details that each level adds, and the source of the distance to the data: the finer levels also start from
real coarse images. LAPGAN was expected to end at most as far from the data as the single GAN. At this size it does not.
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
from demos.kit.comparing import compare, verdict
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.pictures import sheet
from demos.kit.rounding import at_most
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

LAPGAN, SINGLE = "LAPGAN", "one scale"
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
    tasks = {f"{kind}, seed {args.seed + i}": (kind, args.seed + i) for kind, i in product((LAPGAN, SINGLE), range(s.seeds))}
    steps = s.seeds * (LEVELS * s.steps + s.coarse_steps + s.single_steps)
    found = run_tasks(play, tasks, judge, x, s, steps=steps)
    runs = {LAPGAN: found[: s.seeds], SINGLE: found[s.seeds :]}
    measure(claim, runs)
    claim.show(picture(runs), "lapgan", in_words(claim.metrics))


# --- the games ------------------------------------------------------------------------------------------------------------


def play(kind: str, seed: int, judge: metrics.Judge, x: np.ndarray, s: Settings) -> dict:
    """Train; the samples' distance to the data, the share of clear digits, and the processor's seconds."""
    mg.seed(seed)
    x, began = 2 * x - 1, time.process_time()
    games = levels(x, s) if kind == LAPGAN else [single(s)]
    if kind == LAPGAN:
        train_levels(games, gaussian(x), s)
    else:
        train(games[0], data.batches(x, size=s.batch), s.single_steps, "one scale")
    run = {"seconds": time.process_time() - began}
    course = sample(games, digits.SAMPLES)
    run |= look(course[-1], judge, x) | {"course": [images[:SHOWN] for images in course]}
    if kind == LAPGAN:
        small = gaussian(digits.some(x, digits.SAMPLES))[-1]
        run["Frechet distance, real coarse images"] = look(refine(games, small)[-1], judge, x)["Frechet distance"]
    return run


def train_levels(games: list[GAN], images: list[np.ndarray], s: Settings) -> None:
    """Each level by itself, on real images of its size."""
    for side, game, x in zip((28, 14), games, images, strict=False):
        train(game, pyramid.Pairs(x, s.conv_batch), s.steps, f"{side} x {side}")
    train(games[-1], data.batches(images[-1], size=s.batch), s.coarse_steps, "7 x 7")


def gaussian(x: np.ndarray) -> list[np.ndarray]:
    """[I_0, I_1, I_2]"""
    images = [x]
    for _ in range(LEVELS):
        images.append(pyramid.down(images[-1]))
    return images


def levels(x: np.ndarray, s: Settings) -> list[GAN]:
    """The games of 28 x 28, 14 x 14 and 7 x 7; the last has no condition."""
    games = []
    for side, small in zip((28, 14), gaussian(x)[1:], strict=True):
        G, D = pyramid.Residual(painter(s.channels)), pyramid.OfSum(critic(side, s.channels))
        games.append(GAN(G, D, pyramid.RealCondition(small), *adams(G, D, s.conv_lr, s.conv_lr), r1=s.r1))
    w, z = s.width, s.z
    G = nn.Sequential(
        nn.Dense(z, w), nn.LeakyReLU(), nn.Dense(w, w), nn.LeakyReLU(), nn.Dense(w, 49), nn.Tanh(), nn.Reshape(1, 7, 7),
    )  # fmt: skip
    D = nn.Sequential(nn.Flatten(), nn.Dense(49, w), nn.LeakyReLU(), nn.Dense(w, w), nn.LeakyReLU(), nn.Dense(w, 1))
    return [*games, GAN(G, D, data.noise(z), *adams(G, D, s.lr, s.lr), r1=s.r1)]


def painter(c: int) -> nn.Sequential:
    """(N, 2, H, W) -> (N, 4, H, W)"""
    return nn.Sequential(
        nn.Conv2d(2, c, 3, padding=1), nn.LeakyReLU(),
        nn.Conv2d(c, c, 3, padding=1), nn.LeakyReLU(),
        nn.Conv2d(c, 4, 3, padding=1),
    )  # fmt: skip


def critic(side: int, c: int) -> nn.Sequential:
    """(N, 1, side, side) -> (N, 1)"""
    return nn.Sequential(
        nn.Conv2d(1, c, 4, stride=2, padding=1), nn.LeakyReLU(),
        nn.Conv2d(c, 2 * c, 4, stride=2, padding=1), nn.LeakyReLU(),
        nn.Flatten(), nn.Dense(2 * c * (side // 4) ** 2, 1),
    )  # fmt: skip


def single(s: Settings) -> GAN:
    """A GAN of 28 x 28. Each player has about as many parameters as its counterparts of all levels together."""
    games = levels(np.zeros((1, 1, 28, 28), np.float32), s)
    total_G, total_D = (sum(shortcomings.parameters(getattr(game, player)) for game in games) for player in "GD")
    G, D = shortcomings.dense_generator(s.z, total_G), shortcomings.dense_discriminator(total_D)
    return GAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr), r1=s.r1)


def sample(games: list[GAN], n: int) -> list[np.ndarray]:
    """n samples after each level, the coarsest first."""
    *_, coarsest = games
    return refine(games, coarsest.sample(n))


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


# --- the metrics ----------------------------------------------------------------------------------------------------------


def measure(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """LAPGAN compared with one scale, and with itself on real coarse images."""
    means = {kind: {name: np.mean([run[name] for run in side]) for name in BETTER} for kind, side in runs.items()}
    for kind, name in product(runs, BETTER):
        claim.note(f"{name}, {kind}", means[kind][name], "reported: the mean over the seeds")
    real = "Frechet distance, real coarse images"
    claim.note(real, np.mean([run[real] for run in runs[LAPGAN]]), "reported: LAPGAN's finer levels, by themselves")
    seconds = [np.mean([run["seconds"] for run in side]) for side in runs.values()]
    claim.note("seconds of the single GAN for each of LAPGAN", seconds[1] / seconds[0], "reported: of one core")
    ratio = means[LAPGAN]["Frechet distance"] / means[SINGLE]["Frechet distance"]
    claim.at_most("Frechet distance, LAPGAN / one scale", ratio, 1)
    for name, better in BETTER.items():
        lapgan, one = ([run[name] for run in side] for side in runs.values())
        claim.compare(f"{name}: LAPGAN less one scale", compare(lapgan, one, better))


BETTER = {"Frechet distance": "lower", "clear digits": "higher"}


def found(m: dict[str, float]) -> str:
    """The result, for README."""
    error = at_most(m["largest error of a pixel that is taken apart and rebuilt"])
    return f"the pyramid is exact within {error}. {in_words(m)}"


def in_words(m: dict[str, float]) -> str:
    """LAPGAN's distance and the single GAN's, in words."""
    key = "Frechet distance: LAPGAN less one scale"
    word = verdict(m[key], m[f"{key} low"], m[f"{key} high"])
    near, far = (m[f"Frechet distance, {kind}"] for kind in (LAPGAN, SINGLE))
    return (
        f"LAPGAN ends at a Frechet distance of {near:.0f}; one scale, with as many parameters and seconds, at {far:.0f} "
        f"(LAPGAN: {word}). From real coarse images, the finer levels reach "
        f"{m['Frechet distance, real coarse images']:.0f}"
    )


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


if __name__ == "__main__":
    main()
