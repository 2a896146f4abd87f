"""BEGAN: D is an autoencoder, and a controller balances the game (Berthelot, Schumm and Metz 2017).

Slide: "Boundary equilibrium GAN (BEGAN)"; "Interpolations of real images" (IT3320E, lecture 10)

    L(v) = mean |v - D(v)|        D descends L(x) - k L(G(z))        G descends L(G(z))
    k <- clip(k + lambda_k (gamma L(x) - L(G(z))), 0, 1)
    z* = argmin over z of |G(z) - x|^2, for a real, unseen image x; then G along the line from one z* to another

D learns to reconstruct the data and to fail on G's samples; G makes samples that D reconstructs well. k keeps the ratio
L(G(z)) / L(x) near gamma: it rises while the ratio is smaller, and falls otherwise.

What to look for: in curves.png, does the ratio settle at gamma? M = L(x) + |gamma L(x) - L(G(z))| should fall as the images get
better; no loss of a GAN does so. But M measures how well D reconstructs, not how many digits G draws: in blind_spot.png, a low
gamma, with which G need not vary, also lowers M. In real_images.png, is G's image half way from a real digit to another
more like a digit than the mean of their pixels is?
"""

from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import minigan as mg
from demos.kit import digits, pictures
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, compare
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.run import Run
from demos.kit.runner.options import Options, parser
from demos.kit.style import D_COLOUR, FAKE, G_COLOUR, MARKERS, OTHERS, REAL, slide
from demos.kit.training import train
from minigan import attacks, backend, data, metrics, nn, optim
from minigan.games import BEGAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 2_500  # iterations; the learning rates fall linearly to 0 over them
    seeds: int = 3  # games with each gamma
    gamma: float = 0.75  # the target of the ratio L(G(z)) / L(x)
    low: float = 0.3  # another gamma, the lowest that the paper uses
    lambda_k: float = 0.1  # how fast k follows; the paper's 0.001 is for runs a hundred times as long
    z: int = 64  # dimensions of the noise, uniform in [-1, 1]
    width: int = 256  # of the hidden layers
    code: int = 64  # of D's narrowest layer
    batch: int = 64
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)
    along: int = 1_000  # samples whose Frechet distance is compared with M during the training
    images: int = 200  # unseen, each with a z* to find
    descents: int = 200  # Adam's steps on z ...
    descent_lr: float = 0.2  # ... at this rate, falling to 0
    restarts: int = 5


QUICK = {"steps": 60, "seeds": 1, "width": 64, "along": 100, "images": 12, "descents": 20, "restarts": 2}
NEAR = 1.25  # at most, |G(z*) - x| as a multiple of the distance of the nearest training image
PAIRS, POINTS = 3, 9  # of real images, in the picture; on the way from one to the other
WAYS = ("through z", "through pixels")
VERDICT = "True, but balance is not quality: M falls and the ratio holds, yet images stay poor, also between real digits."
HALF_WAY = (
    "Half way between two unseen digits (100 pairs), G's images are {through z: nearest training image|.1f} away from the "
    "nearest training image, the means of pixels {through pixels: nearest training image|.1f} (medians). The Frechet distances "
    "of these 100 images are {through z: Frechet distance|.0f} and {through pixels: Frechet distance|.0f}."
)
FINDING = (
    "On MNIST, 2,500 iterations, the ratio of the losses settles at {ratio in the last quarter|.2f} (target 0.75), at Frechet "
    "distance {Frechet distance with gamma|.0f} (real images without one class: "
    "{Frechet distance, real images without one class|.0f}). With target 0.3, the measure M ends lower although G draws "
    "{classes with a low gamma|.1f} classes instead of {classes with gamma|.1f}. " + HALF_WAY
)
LESS_VARIED = (
    "({M with a low gamma|.3f}, {M with gamma|.3f}) while G draws {classes with a low gamma|.1f} classes instead of "
    "{classes with gamma|.1f}"
)


def options(about: str) -> Options:
    """Those of the games of images, and --gamma."""
    options = parser(about, data=digits.DATA, quick_data="glyphs")
    about_gamma = f"in [0, 1], in one game alone (default: {Settings.gamma}, then {Settings.low})"
    options.add_argument("--gamma", type=share, help=about_gamma)
    return options


def chosen(args: Namespace) -> Settings:
    """The settings with --quick and --gamma."""
    s = replace(Settings(), **QUICK) if args.quick else Settings()
    return s if args.gamma is None else replace(s, gamma=args.gamma)


@demo(Settings(), QUICK, options, chosen)
def main(claim: Claim, s: Settings) -> None:
    """Train, measure, draw; then play the other games."""
    played = digits.play(claim, game(s.gamma, s), panels(s.gamma), along=s.along)
    thermostat(claim, played.run)
    interpolate(claim, played, s)
    if claim.args.gamma is None and claim.settings["steps"] == s.steps:  # not if --steps ends the run early
        blind_spot(claim, played, s)


def game(gamma: float, s: Settings) -> BEGAN:
    """A game with this gamma."""
    G, D = generator(s), autoencoder(s)
    opt_G, opt_D = (optim.Adam(player.parameters(), s.lr, s.betas) for player in (G, D))
    return BEGAN(G, D, data.noise(s.z, "uniform"), opt_G, opt_D, gamma=gamma, lambda_k=s.lambda_k)


def generator(settings: Settings) -> nn.Sequential:
    """(N, z) -> (N, 1, 28, 28)"""
    return digits.dense_generator(settings.z, settings.width, layer=dense)


def autoencoder(settings: Settings) -> nn.Sequential:
    """(N, 1, 28, 28) -> (N, code) -> (N, 1, 28, 28)

    Convolutions were tried in single games, with 16 channels at 14 x 14, ELU and batch 16. After 1,500 iterations, the Frechet
    distance was 545 with gamma 0.8; with gamma 1 and higher rates, it rose from 558 to 632 while M fell (seed 1000).
    """
    w, code = settings.width, settings.code
    layers = dense(784, w), nn.LeakyReLU(0.2), dense(w, code), dense(code, w), nn.LeakyReLU(0.2), dense(w, 784)
    return nn.Sequential(nn.Flatten(), *layers, nn.Reshape(1, 28, 28))


def dense(inputs: int, outputs: int) -> nn.Dense:
    """A layer with larger initial weights than usual: with small ones, all of G's samples start alike and stay alike."""
    return nn.Dense(inputs, outputs, weight_init=nn.init.he_normal)


def thermostat(claim: Claim, run: Run) -> None:
    """Does the ratio settle at gamma, and does M fall with the distance between the samples and the data?"""
    gamma = claim.settings["gamma"]
    claim.between("ratio in the last quarter", late([row["ratio"] for row in run.history], 4), gamma - 0.05, gamma + 0.05)
    claim.at_least("rank correlation of M with the Frechet distance", spearmanr(*along_the_training(run))[0], 0.7)


def along_the_training(run: Run) -> tuple[list[float], list[float]]:
    """At each snapshot: the mean of M since the last snapshot, and the Frechet distance."""
    moments = [int(snapshot["step"]) for snapshot in run.snapshots]
    means = [np.mean([row["M"] for row in run.history if a < row["step"] <= b]) for a, b in pairwise(moments)]
    return means, [float(snapshot["distance"]) for snapshot in run.snapshots[1:]]


def late(values: Sequence[float], part: int) -> float:
    """The mean over the last 1 / part of the training."""
    return float(np.mean(values[-max(1, len(values) // part) :]))


def interpolate(claim: Claim, played: digits.Played, s: Settings) -> None:
    """From one real, unseen image to another: the ways through z and through pixels, and the images half way."""
    real = played.unseen[: s.images]
    found = embed(played.run.game, real, s)
    looks = {way: metrics.image_quality(found[way][:, POINTS // 2], played.judge, played.x) for way in WAYS}
    measure_ways(claim, found["error"].mean() / metrics.nearest_distances(real, played.x).mean(), looks)
    claim.show(picture_of_ways(found, real), "real_images", claim.words(HALF_WAY))


def embed(game: BEGAN, real: np.ndarray, s: Settings) -> dict[str, np.ndarray]:
    """|G(z*) - x| of each image, (n,); the ways from the first to the second, from the third, ...: (n / 2, POINTS, C, H, W)."""
    G = digits.in_pixels(game.G)
    found = attacks.project(G, real, game.prior, s.descents, s.descent_lr, s.restarts)
    ends = backend.to_numpy(found.z), real.reshape(len(real), -1)
    z, pixels = (np.concatenate([data.lerp(a, b, POINTS) for a, b in zip(e[::2], e[1::2], strict=False)]) for e in ends)
    ways = {way: a.reshape(-1, POINTS, *real.shape[1:]) for way, a in zip(WAYS, (digits.draw(G, z), pixels), strict=True)}
    return {"error": np.sqrt(backend.to_numpy(found.distance)), **ways}


def measure_ways(claim: Claim, error: float, looks: dict[str, dict]) -> None:
    """The error of G(z*), relative to the nearest training image's; the images half way from one real image to another."""
    claim.at_most("|G(z*) - x|, over the nearest training image's", error, NEAR)
    for name, key in (("Frechet distance", "frechet"), ("nearest training image", "nearest"), ("clear digits", "confident")):
        for way, look in looks.items():
            claim.note(f"{way}: {name}", look[key], "reported: half way between two unseen images")
        if name != "clear digits":
            claim.at_most(f"half way: {name}, z over pixels", looks[WAYS[0]][key] / looks[WAYS[1]][key], 1)


def picture_of_ways(found: dict[str, np.ndarray], real: np.ndarray) -> Figure:
    """The ways between real images: a row through z, and below through pixels."""
    pairs = range(min(PAIRS, len(real) // 2))
    rows = [np.concatenate([real[2 * i, None], found[way][i], real[2 * i + 1, None]]) for i in pairs for way in WAYS]
    figure, axes = slide()
    pictures.labelled(axes, np.concatenate(rows), POINTS + 2, [*WAYS] * len(pairs))
    pitch = real.shape[-1] + 2
    axes.set_xticks([pitch * (i + 0.5) for i in (0, (POINTS + 1) / 2, POINTS + 1)], ["real $x_1$", "half way", "real $x_2$"])
    return figure


def blind_spot(claim: Claim, played: digits.Played, s: Settings) -> None:
    """The same with a low gamma: M, the number of classes, and the distance."""
    gammas, seeds = (s.gamma, s.low), range(claim.args.seed, claim.args.seed + s.seeds)
    tasks = {f"gamma {gamma}, seed {seed}": (gamma, seed) for gamma, seed in product(gammas, seeds)}
    del tasks[f"gamma {s.gamma}, seed {claim.args.seed}"]  # already played
    steps = claim.settings["steps"]
    found = run_tasks(play, tasks, played.judge, played.x, steps, s, steps=steps * len(tasks))
    runs = {gamma: [run for (g, _), run in zip(tasks.values(), found, strict=True) if g == gamma] for gamma in gammas}
    runs[s.gamma].insert(0, look(played.run.history, played.samples, played.judge, played.x))
    for gamma, side in zip(("gamma", "a low gamma"), runs.values(), strict=True):
        for name in ("M", "classes", "Frechet distance"):
            claim.note(f"{name} with {gamma}", np.mean([run[name] for run in side]), "reported: the mean over the seeds")
    m = claim.metrics
    claim.at_most("classes with a low gamma", m["classes with a low gamma"], m["classes with gamma"] / 2)
    for name, expected in (("M", HELPS), ("Frechet distance", HURTS)):
        usual, low = ([run[name] for run in side] for side in runs.values())
        claim.compare(f"{name}: a low gamma", compare(low, usual), {expected})
    lower = "lower" if m["M: a low gamma high"] < 0 else "no lower"
    title = claim.words(f"With gamma {s.low:g} instead of {s.gamma:g}, M ends {lower} {LESS_VARIED}")
    claim.show(picture(along_the_training(played.run), runs), "blind_spot", title)


def play(gamma: float, seed: int, judge: metrics.Judge, x: np.ndarray, steps: int, s: Settings) -> dict[str, float]:
    """Play a game with this gamma; see `look`."""
    mg.seed(seed)
    played = game(gamma, s)
    history = train(played, data.batches(2 * x - 1, size=s.batch), steps, "game")
    return look(history, (played.sample(digits.SAMPLES) + 1) / 2, judge, x)


def look(history: list, samples: np.ndarray, judge: metrics.Judge, x: np.ndarray) -> dict[str, float]:
    """M at the end, the mean over the last tenth; the number of classes drawn; the samples' distance to the data."""
    return {
        "M": late([float(row["M"]) for row in history], 10),
        "classes": digits.classes_drawn(judge, samples),
        "Frechet distance": digits.distance(judge, samples, x),
    }


def picture(along: tuple[list[float], list[float]], runs: dict[float, list[dict]]) -> Figure:
    """M against the distance during a game; M and the number of classes at the end of all games."""
    figure, panels = slide(1, 3, height=5.5)
    panels[0].plot(*along, MARKERS[0], color=FAKE)
    panels[0].set(xlabel="$M$", ylabel="Frechet distance to the data", ylim=(0, None), title="one game, moment by moment")
    for axes, name, label in zip(panels[1:], ("M", "classes"), ("$M$ at the end", "classes drawn, of 10"), strict=True):
        draw_games(axes, runs, name, (REAL, OTHERS[1]))
        axes.set(ylabel=label, title="a point for each game")
        axes.set_xticklabels([f"$\\gamma$ = {gamma:g}" for gamma in runs])
    return figure


def draw_games(axes: Axes, runs: dict[Any, list[dict]], name: str, colours: tuple[str, ...]) -> None:
    """A point for each game's metric of this name, above the game's kind."""
    for i, side in enumerate(runs.values()):
        axes.plot([i] * len(side), [run[name] for run in side], MARKERS[i], color=colours[i])
    axes.set(xticks=range(len(runs)), xlim=(-0.5, len(runs) - 0.5))
    axes.set_ylim(0, 10.5 if name == "classes" else 1.2 * max(run[name] for side in runs.values() for run in side))


def share(text: str) -> float:
    """A number from 0 to 1, or argparse's error."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def panels(gamma: float) -> tuple[pictures.Panel, ...]:
    """The panels of the game's curves, with gamma."""
    errors = {"L_x": ("$L(x)$, of real", REAL, None), "loss_G": ("$L(G(z))$, of fake", FAKE, None)}
    weight = {"k": ("$k$, the weight of D's second task", D_COLOUR, None)}
    ratio = {"ratio": ("$L(G(z)) / L(x)$", G_COLOUR, gamma)}
    return (
        pictures.Panel("reconstruction error", {**errors, "M": ("$M$", OTHERS[2], None)}),
        pictures.Panel("weight $k$", weight),
        pictures.Panel("$L(G(z)) / L(x)$\n(dotted: $\\gamma$)", ratio, ylim=(0, 1.5)),
    )
