"""The conditional GAN: G gets the class to draw, and D the class that it should see (Mirza and Osindero 2014).

Slide: "a realistic 3 is still a fake 7!" (CS/DS 552, class 7)

    min over G, max over D of   E log D(x, y) + E log(1 - D(G(z, y), y))

The class y enters both networks as a one-hot code: ten more dimensions of G's noise, ten more planes of D's image. D needs it
as well: a convincing 3 is wrong if a 7 was asked for, and only a D that knows y can notice this. The samples are those of G's
running average.

What to look for: in samples.png, is every row one class, and do the digits differ within a row? In interpolation.png the noise
is the same in every row: does z mean the same (slant, thickness, width) for all classes? A classifier that has never seen G's
samples counts how many of them show the class asked for; in seconds.png, when does more training bring little?
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit import digits, own_data
from demos.kit.claim import Claim
from demos.kit.comparing import interval
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.runner.options import parser
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.training import adams, timed
from minigan import data, metrics, nn
from minigan.games import Conditional, ConditionalGAN, dcgan_discriminator, dcgan_generator

CLASSES = 10


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 5_500  # iterations; the learning rates fall linearly to 0 over them
    seeds: int = 5
    z: int = 64  # dimensions of the noise, standard normal
    channels: int = 24  # of the 14 x 14 layers; twice as many in those of 7 x 7, four times in those of 4 x 4
    batch: int = 32
    lr: float = 2e-3  # Adam's, with betas (0.5, 0.999)
    decay: float = 0.998  # of G's running average
    looks: int = 6  # moments at which the samples are measured


QUICK = {"steps": 20, "seeds": 2, "channels": 8, "looks": 2}
VERDICT = "True: when both networks get the class, the generator draws the digit that it is asked for."
FINDING = (
    "After 2.9 epochs of MNIST, {of the class asked for, mean|%1} of the samples show the digit asked for (95 % interval over "
    "5 seeds: {of the class asked for, mean low|%1} to {of the class asked for, mean high|%1}; by chance 10 %), of the worst "
    "class {of the class asked for, worst class, mean|%1}. Their Frechet distance to the data is {Frechet distance, mean|.1f}, "
    "after half of the {seconds of a game|.0f} seconds {Frechet distance, half-way|.1f}; of unseen real images, "
    "{Frechet distance, unseen real images|.1f}."
)
ASKED, WORST, DISTANCE = "of the class asked for", "of the class asked for, worst class", "Frechet distance"
TITLE = (
    "{of the class asked for, mean|%1} of the samples show the class asked for, of the worst class "
    "{of the class asked for, worst class, mean|%1}, after {seconds of a game|.0f} CPU seconds; means of the seeds. "
    "The second half of the seconds changes the distance from {Frechet distance, half-way|.1f} to {Frechet distance, mean|.1f}"
)


@demo(Settings(), QUICK, lambda about: parser(about, digits.DATA, quick_data="glyphs", own="images with classes"))
def main(claim: Claim, s: Settings) -> None:
    """Train, measure, draw; then play with the other seeds."""
    if own_data.given(claim.args):
        own = own_data.images(claim.args, classes=True)
        own_data.play(claim, own, game(s, len(own.names), own.shape))
        return
    played = digits.play(claim, game(s))
    digits.well_drawn(claim)
    if claim.settings["steps"] != s.steps:  # --steps ends the run early
        return
    tasks = {f"seed {seed}": (seed,) for seed in range(claim.args.seed + 1, claim.args.seed + s.seeds)}
    runs = run_tasks(play, tasks, played.judge, played.x, played.y, s, steps=s.steps * len(tasks))
    measure(claim, claim.metrics, runs)
    claim.show(picture(runs, claim.metrics["real_images"]), "seconds", claim.words(TITLE))


def game(s: Settings, classes: int = CLASSES, shape: tuple[int, int, int] = (1, 28, 28)) -> ConditionalGAN:
    """The game on images of this shape, with G's running average."""
    G = Conditional(dcgan_generator(s.z + classes, s.channels, shape=shape), classes)
    D = Conditional(dcgan_discriminator(shape[0] + classes, s.channels, side=shape[1]), classes)
    game = ConditionalGAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr))
    game.average = nn.MovingAverage(G, s.decay)
    return game


def play(seed: int, judge: metrics.Judge, x: np.ndarray, y: np.ndarray, s: Settings) -> dict[str, Any]:
    """Play a game; the processor's seconds, and how good the samples are, at each look."""
    mg.seed(seed)
    labels = np.arange(digits.SAMPLES) % CLASSES

    def look(game: ConditionalGAN) -> list[float]:
        samples = digits.pixels(game, digits.SAMPLES, labels)
        right = (digits.opinion(judge, samples)[0] == labels).reshape(-1, CLASSES)
        return [right.mean(), right.mean(axis=0).min(), digits.distance(judge, samples, x)]

    seconds, found = timed(game(s), data.batches(2 * x - 1, y, size=s.batch), s.steps, s.looks, look)
    return {"seconds": seconds, **dict(zip((ASKED, WORST, DISTANCE), np.array(found).T, strict=True))}


def measure(claim: Claim, first: dict[str, float], runs: list[dict[str, Any]]) -> None:
    """The means over the seeds, with the first game's, and their 95 % intervals; the means after half of the training."""
    for name, least in ((ASKED, 0.98), (WORST, 0.95), (DISTANCE, None)):
        mean, low, high = interval([first[name], *(run[name][-1] for run in runs)])
        if least:
            claim.at_least(f"{name}, mean", mean, least)  # by chance, 0.1
        else:
            claim.note(f"{name}, mean", mean, "reported")
        claim.note(f"{name}, mean low", low, "reported: the mean's 95 % interval")
        claim.note(f"{name}, mean high", high)
        claim.note(f"{name}, half-way", np.mean([run[name][len(run[name]) // 2 - 1] for run in runs]), "reported")
    claim.note("seconds of a game", np.mean([run["seconds"][-1] for run in runs]), "reported: of one core")


def picture(runs: list[dict[str, Any]], real: dict[str, Any]) -> Figure:
    """The samples' quality over the seconds of the training, a line for each seed; dotted: unseen real images."""
    figure, (shares, distances) = slide(1, 2, height=5.6)
    lines = (shares, ASKED, FAKE, "accuracy"), (shares, WORST, OTHERS[0], "worst_class"), (distances, DISTANCE, FAKE, "frechet")
    for axes, name, colour, key in lines:
        for i, run in enumerate(runs):
            label = name.removeprefix("of the class asked for, ") if i == 0 else None
            axes.plot(run["seconds"], run[name], "o-" if colour == FAKE else "s--", color=colour, linewidth=1, label=label)
        axes.axhline(real[key], color=REAL if colour == FAKE else OTHERS[0], linestyle=":")
    shares.set(ylabel="share of the samples", xlabel="CPU seconds of the training", ylim=(None, 1))
    shares.legend(loc="lower right")
    distances.set(ylim=(0, None), ylabel="Frechet distance to the data", xlabel="CPU seconds of the training")
    return figure
