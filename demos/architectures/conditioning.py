"""A G that is told the class obeys if D is told as well; otherwise its digits are what was asked for by chance alone.

Slide: "Why is f necessary in D?"; "Need to know what class was generated — a realistic 3 is still a fake 7!"; "Why better than
just training a separate GAN for each f?"; "Share knowledge across many classes." (CS/DS 552, class 7)

f is the class, a one-hot code appended to z for G and to x for D, or left out: four games, alike in all else. A judge that has
learnt from real digits says which class it sees in G's samples. What to look for: a row of samples for each class asked for.
G cannot obey what it is not told; told alone, it has no reason to, as D takes a realistic 3 for a real 7. Where D alone is
told, nine of ten digits are of the wrong class, however well drawn, and they come out worst of all (Frechet distance).
Then one game of all classes beside ten of one class each, at equal cost: a tenth of the iterations, and of the images, for
each. Those ten are in the right class without being told, if they draw digits at all, but end further from the data (for lack
of iterations or of images: an equal cost does not tell); with few images of each class, the difference is smaller.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.pictures import FAKE, REAL, sheet
from demos.kit.progress import progress
from demos.kit.run import start
from demos.kit.training import adams, train
from minigan import Tensor, data, metrics, nn
from minigan.games import GAN, Conditional, ConditionalGAN

CLASSES, PIXELS = 10, 14 * 14
SHOWN = 5  # samples of each class, of each game
FIGURES = ("accuracy", "frechet", "spread")
TOLD = {"neither": (False, False), "G alone": (True, False), "D alone": (False, True), "both": (True, True)}  # (G, D)


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 6000  # iterations; of ten separate games together, too. The learning rates fall linearly to 0
    seeds: int = 3
    z: int = 32
    width: int = 128  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 2e-3
    few: int = 100  # images of each class, in the comparison with little data
    judged: int = 2000  # samples, as many of each class
    judge_steps: int = 3000


QUICK = {"steps": 300, "seeds": 1, "width": 64, "few": 20, "lr": 1e-2, "judged": 200, "judge_steps": 100}


def main(argv: list[str] | None = None) -> None:
    """The four games; then ten separate games instead of one, with all the data and with little."""
    args = start(digits.options(__doc__), argv, "conditioning")
    s = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(s)})
    x, y, (others, classes) = digits.load(args)
    x, others = large(small(x)), large(small(others))  # the judge learns from what the games learn from
    judge = metrics.train_judge(x, y, s.judge_steps) if args.quick else metrics.judge(x, y, s.judge_steps, progress=progress)
    some = np.concatenate([np.flatnonzero(y == c)[: s.few] for c in range(CLASSES)])
    seeds = range(args.seed, args.seed + s.seeds)

    def experiments(name, play, *rest):
        return [once(f"{name}, seed {seed}", experiment, judge, x, y, play, s, seed, *rest) for seed in seeds]

    found = {name: experiments(name, play, told, x, y, name) for name, told in TOLD.items()}
    found["separate"] = experiments("separate", play_separate, x, y)
    found["both, few images"] = experiments("both, few images", play, TOLD["both"], x[some], y[some], "both, few images")
    found["separate, few images"] = experiments("separate, few images", play_separate, x[some], y[some])
    measure(claim, found, metrics.image_quality(others, judge, x, classes)["accuracy"])
    claim.finish(picture(found), "conditioning")


def experiment(judge: metrics.Judge, x: np.ndarray, y: np.ndarray, play: Callable[..., np.ndarray], *args: Any) -> dict:
    """The figures of play(*args)'s samples, and the first of them of each class."""
    samples = play(*args)
    rows = [samples[asked(len(samples)) == c][:SHOWN] for c in range(CLASSES)]
    return {**look(samples, judge, x, y), "samples": np.concatenate(rows)}


def small(x: np.ndarray) -> np.ndarray:
    """Images (n, 1, 28, 28) in [0, 1] as the games see them: the means of 2 x 2 pixels, from -1 to 1, (n, 196)."""
    return 2 * mg.avg_pool2d(Tensor(x), 2).numpy().reshape(-1, PIXELS) - 1


def large(x: np.ndarray) -> np.ndarray:
    """Back to (n, 1, 28, 28) in [0, 1], for the judge: every pixel four times."""
    return mg.upsample2d(Tensor((x.reshape(-1, 1, 14, 14) + 1) / 2), 2).numpy()


# --- the games ----------------------------------------------------------------------------------------------------------


class Untold(nn.Module):
    """A network of (x, y) that does not look at y."""

    def __init__(self, network: nn.Module):
        self.network = network

    def forward(self, x: Tensor, y: np.ndarray) -> Tensor:
        return self.network(x)


def dense(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    sizes = (inputs, width), (width, width), (width, outputs)
    first, second, last = (nn.Dense(*size, weight_init=nn.init.he_normal) for size in sizes)
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), last)


def players(s: Settings, told_G: bool, told_D: bool) -> tuple[nn.Module, nn.Module]:
    """G of z and D of x, with room for a class where they are told it."""
    G = nn.Sequential(*dense(s.z + CLASSES * told_G, s.width, PIXELS), nn.Tanh())
    return G, dense(PIXELS + CLASSES * told_D, s.width, 1)


def play(s: Settings, seed: int, told: tuple[bool, bool], x: np.ndarray, y: np.ndarray, name: str) -> np.ndarray:
    """One game of all classes; `told`: whether G, and whether D, is told the class. G's samples, class after class."""
    mg.seed(seed)
    G, D = (Conditional(p, CLASSES) if t else Untold(p) for p, t in zip(players(s, *told), told, strict=True))
    game = ConditionalGAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr))
    train(game, data.batches(small(x), y, size=s.batch), s.steps, name)
    return large(game.sample(s.judged, asked(s.judged)))


def play_separate(s: Settings, seed: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A game for each class, on its images alone, with a tenth of the iterations. All Gs' samples, class after class."""
    mg.seed(seed)
    samples = []
    for c in range(CLASSES):
        G, D = players(s, False, False)
        game, mine = GAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr)), small(x[y == c])
        train(game, data.batches(mine, size=min(s.batch, len(mine))), s.steps // CLASSES, f"class {c} alone")
        samples.append(game.sample(s.judged // CLASSES))
    return large(np.concatenate(samples))


def asked(n: int) -> np.ndarray:
    """The classes of n samples: as many of each, class after class."""
    return np.repeat(np.arange(CLASSES), n // CLASSES)


def look(samples: np.ndarray, judge: metrics.Judge, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The share in the class asked for, the Frechet distance from the data, and the variety within a class."""
    labels = asked(len(samples))
    quality = metrics.image_quality(samples, judge, x, labels)
    return {key: quality[key] for key in ("accuracy", "frechet")} | {"spread": spread(samples, labels) / spread(x, y)}


def spread(x: np.ndarray, y: np.ndarray) -> float:
    """The pixels' standard deviation within a class; mean over pixels and classes."""
    return float(np.mean([x[y == c].std(axis=0).mean() for c in range(CLASSES)]))


def measure(claim: Claim, found: dict[str, list[dict]], real: float) -> None:
    """Who has to be told; and one game beside ten."""
    values = {(name, key): [run[key] for run in runs] for name, runs in found.items() for key in FIGURES}
    claim.note("accuracy_real", real, "reported: the judge on real images that it has not seen")
    for name in ("neither", "G alone", "D alone"):
        worst = max(values[name, "accuracy"])
        holds = worst <= 0.15 if name != "D alone" else None
        expected = "reported" if holds is None else "at most 0.15"
        claim.note(f"accuracy_{name}", worst, f"{expected}; chance is 0.1 (largest of the seeds)", holds)
    both = min(values["both", "accuracy"])
    holds = both >= 0.9 if not claim.args.quick else None
    claim.note("accuracy_both", both, "at least 0.9 (smallest of the seeds; not with --quick)", holds)
    for name in list(found)[4:]:
        claim.note(f"accuracy_{name}", min(values[name, "accuracy"]), "reported (smallest of the seeds)")
    for key, meaning in (("frechet", "0 is best"), ("spread", "within a class, 1 for the data")):
        for name in found:
            claim.note(f"{key}_{name}", np.mean(values[name, key]), f"reported: {meaning}; mean of the seeds")


def picture(found: dict[str, list[dict]]) -> plt.Figure:
    """A row of samples for each class, of each game; how often the class is right; one game beside ten."""
    mean = {(name, key): np.mean([run[key] for run in runs]) for name, runs in found.items() for key in FIGURES}
    figure = plt.figure(figsize=(16, 5.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(5, 2))
    titles = {name: f"class told to {name}:" for name in TOLD} | {"separate": "ten separate GANs:"}
    for axes, (name, title) in zip(left.subplots(1, 5), titles.items(), strict=True):
        axes.imshow(sheet(found[name][0]["samples"], SHOWN), cmap="gray", vmin=0, vmax=1)
        axes.set(title=f"{title}\n{mean[name, 'accuracy']:.0%} right", xticks=[], yticks=[])
    left.axes[0].set_yticks([15 + 30 * c for c in range(CLASSES)], range(CLASSES))
    left.axes[0].set_ylabel("class asked for")
    above, below = right.subplots(2, 1)
    bars(above, found, list(TOLD), "accuracy", "share in the class asked for")
    bars(below, found, list(found)[3:], "frechet", "Frechet distance from the data")
    figure.suptitle(
        f"Told to both, {mean['both', 'accuracy']:.0%} of the digits are what was asked for; told to G alone, "
        f"{mean['G alone', 'accuracy']:.0%}. At equal cost, ten separate GANs end "
        f"{mean['separate', 'frechet'] / mean['both', 'frechet']:.1f} times as far from the data"
    )
    return figure


def bars(axes: plt.Axes, found: dict[str, list[dict]], names: list[str], key: str, label: str) -> None:
    """The mean over the seeds for each game, and a dot for each seed."""
    for i, name in enumerate(names):
        values = [run[key] for run in found[name]]
        axes.barh(i, np.mean(values), color=FAKE if "separate" in name or name in list(TOLD)[:3] else REAL, alpha=0.5)
        axes.scatter(values, np.full(len(values), i), s=14, color="black", zorder=2)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel=label, xlim=(0, 1 if key == "accuracy" else None))


if __name__ == "__main__":
    main()
