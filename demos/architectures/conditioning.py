"""G draws the class asked for only if both G and D get the class; otherwise its digits are right by chance alone.

Slide: "Why is f necessary in D?"; "Need to know what class was generated — a realistic 3 is still a fake 7!"; "Why better than
just training a separate GAN for each f?"; "Share knowledge across many classes." (CS/DS 552, class 7)

f is the class, a one-hot code that is appended to z for G and to x for D, or left out: four games that differ in nothing else.
Then sharing: one class (each seed has its own) has only 20 images left. It learns with nine full classes, in one game in
which it is as frequent as they are; or alone, with as many iterations. A judge, trained on real digits, measures G's samples.

What to look for: a row of samples for each class asked for. If only G gets the class, it has no reason to obey: D accepts a
realistic 3 as a real 7. How far are the rare class's samples from all real images of it (Frechet distance)? A G that trains for
long can learn its 20 images by heart, so the games are compared at the end, and also each at its best moment.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.pictures import labelled
from demos.kit.rounding import percent
from demos.kit.runner.progress import progress
from demos.kit.style import FAKE, MARKERS, OTHERS, REAL, slide
from demos.kit.training import adams, train
from minigan import Tensor, data, metrics, nn
from minigan.games import GAN, Conditional, ConditionalGAN

CLASSES, PIXELS = 10, 14 * 14
SHOWN = 5  # samples of each class, of each game
FEW_SHOWN = 10  # images of the rare class, of each kind
TOLD = {"neither": (False, False), "G alone": (True, False), "D alone": (False, True), "both": (True, True)}  # (G, D)
RARE = ("with nine", "alone")  # how the rare class learns


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 6000  # iterations of each of the four games. The learning rates fall linearly to 0
    seeds: int = 2
    z: int = 32
    width: int = 128  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 2e-3
    few: int = 20  # images of the rare class
    rare_steps: int = 3000  # iterations of each game with a rare class
    rare_lr: float = 4e-3
    rare_seeds: int = 10
    looks: int = 12  # number of measurements during such a game
    judged: int = 2000  # samples; of the rare class half as many
    judge_steps: int = 3000


QUICK = {"steps": 200, "seeds": 1, "width": 64, "lr": 1e-2, "judged": 600, "judge_steps": 100}
QUICK |= {"rare_steps": 50, "rare_seeds": 2, "looks": 2}
VERDICT = "True, but sharing across classes helps only late in training; G obeys only if D also gets the class."
OBEYED = (
    "Told to both, at least {accuracy_both|>%} of the digits are what was asked for; told to G alone, at most "
    "{accuracy_G alone|<%}"
)
SHARING = (
    "Frechet distance {rare_with_nine_end|.0f} with nine full classes, {rare_alone_end|.0f} alone (sharing: "
    "{sharing_end|lower}); each at its best moment, {rare_with_nine_best|.0f} and {rare_alone_best|.0f} ({sharing_best|lower})"
)
FINDING = (
    "If both networks get the class, at least {accuracy_both|>%} of the digits are right; if only G does, at most "
    "{accuracy_G alone|<%}. Of one class, 20 images are left. At the end, its samples have Frechet distance "
    "{rare_with_nine_end|.0f} if G learns nine full classes too, {rare_alone_end|.0f} if it learns this class alone; the 20 "
    "images themselves {rare_copies|.0f}."
)


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    """The four games; then a rare class, with nine others and alone."""
    args = claim.args
    x, y, (others, classes) = digits.load(args)
    x, others = large(small(x)), large(small(others))  # the judge and the games learn from the same images
    judge = metrics.train_judge(x, y, s.judge_steps) if args.quick else metrics.judge(x, y, s.judge_steps, progress=progress)

    games = over_kinds(claim, experiment, TOLD, s.seeds, x, y, judge, s, steps=len(TOLD) * s.seeds * s.steps)
    rare = over_kinds(claim, experiment, RARE, s.rare_seeds, x, y, judge, s, steps=len(RARE) * s.rare_seeds * s.rare_steps)
    measure(claim, games, metrics.image_quality(others, judge, x, classes)["accuracy"])
    measure_rare(claim, rare)
    claim.show(picture_of_games(games), "conditioning", claim.words(OBEYED))
    title = claim.words(f"A class of which {s.few} images are left: {SHARING}")
    claim.show(picture_of_rare(rare, s.few), "rare", title)


def experiment(kind: str, seed: int, x: np.ndarray, y: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """Play one game, and measure its samples."""
    mg.seed(seed)
    if kind in RARE:
        return play_rare(kind == "with nine", seed, x, y, judge, s)
    samples = play(s, TOLD[kind], x, y, kind)
    rows = [samples[asked(len(samples)) == c][:SHOWN] for c in range(CLASSES)]
    return {**look(samples, judge, x, y), "samples": np.concatenate(rows)}


def small(x: np.ndarray) -> np.ndarray:
    """Images (n, 1, 28, 28) in [0, 1] -> the games' (n, 196) in [-1, 1]: the means of 2 x 2 pixels."""
    return 2 * mg.avg_pool2d(Tensor(x), 2).numpy().reshape(-1, PIXELS) - 1


def large(x: np.ndarray) -> np.ndarray:
    """Back to (n, 1, 28, 28) in [0, 1], for the judge: every pixel four times."""
    return mg.upsample2d(Tensor((x.reshape(-1, 1, 14, 14) + 1) / 2), 2).numpy()


class Untold(nn.Module):
    """A network of (x, y) that ignores y."""

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
    """G of z and D of x, with inputs for the class if they are told it."""
    G = nn.Sequential(*dense(s.z + CLASSES * told_G, s.width, PIXELS), nn.Tanh())
    return G, dense(PIXELS + CLASSES * told_D, s.width, 1)


def conditional_game(s: Settings, told: tuple[bool, bool], lr: float) -> ConditionalGAN:
    """A game of all classes; `told`: whether G gets the class, and whether D does."""
    G, D = (Conditional(p, CLASSES) if t else Untold(p) for p, t in zip(players(s, *told), told, strict=True))
    return ConditionalGAN(G, D, data.noise(s.z), *adams(G, D, lr, lr))


def play(s: Settings, told: tuple[bool, bool], x: np.ndarray, y: np.ndarray, name: str) -> np.ndarray:
    """One game of all classes. G's samples, class after class."""
    game = conditional_game(s, told, s.lr)
    train(game, data.batches(small(x), y, size=s.batch), s.steps, name)
    return large(game.sample(s.judged, asked(s.judged)))


def play_rare(nine: bool, seed: int, x: np.ndarray, y: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """Learn a class of which few images are left, with nine full classes or alone; measure its samples several times."""
    c = seed % CLASSES
    mine = np.flatnonzero(y == c)
    few = np.random.default_rng(seed).permutation(mine)[: s.few]
    if nine:
        game = conditional_game(s, TOLD["both"], s.rare_lr)
        rows = np.concatenate([np.flatnonzero(y != c), np.resize(few, len(mine))])  # the few again and again
        batches = data.batches(small(x[rows]), y[rows], size=s.batch)
    else:
        G, D = players(s, False, False)
        game = GAN(G, D, data.noise(s.z), *adams(G, D, s.rare_lr, s.rare_lr))
        batches = data.batches(small(x[np.resize(few, 10 * s.batch)]), size=s.batch)
    real = digits.features(judge, x[mine])
    seen: list[dict] = []

    def look(game):
        n = s.judged // 2
        samples = large(game.sample(n, np.full(n, c)) if nine else game.sample(n))
        distance = metrics.frechet_distance(digits.features(judge, samples), real)
        seen.append({"frechet": distance, "samples": samples[:FEW_SHOWN]})

    train(game, batches, s.rare_steps, "a rare class", s.rare_steps // s.looks, look, seen=seen)
    distances = np.array([moment["frechet"] for moment in seen])
    return {
        "frechet": distances,
        "best": seen[int(distances.argmin())]["samples"],
        "end": seen[-1]["samples"],
        "few": x[few[:FEW_SHOWN]],
        "copies": metrics.frechet_distance(digits.features(judge, x[few]), real),
        "nearest": float(np.median(metrics.nearest_distances(seen[-1]["samples"], x[few]))),
    }


def asked(n: int) -> np.ndarray:
    """The classes of n samples: the same number of each, class after class."""
    return np.repeat(np.arange(CLASSES), n // CLASSES)


def look(samples: np.ndarray, judge: metrics.Judge, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The share in the class asked for, the Frechet distance from the data, and the variety within a class."""
    labels = asked(len(samples))
    right = digits.opinion(judge, samples)[0] == labels
    distance = metrics.frechet_distance(digits.features(judge, samples), digits.features(judge, x[: len(samples)]))
    return {"accuracy": float(right.mean()), "frechet": distance, "spread": spread(samples, labels) / spread(x, y)}


def spread(x: np.ndarray, y: np.ndarray) -> float:
    """The pixels' standard deviation within a class; mean over pixels and classes."""
    return float(np.mean([x[y == c].std(axis=0).mean() for c in range(CLASSES)]))


def measure(claim: Claim, games: dict[str, list[dict]], real: float) -> None:
    """The four games' accuracy, distance and spread."""
    values = {(name, key): [run[key] for run in runs] for name, runs in games.items() for key in runs[0]}
    claim.note("accuracy_real", real, "reported: the judge on real images that it has not seen")
    for name in ("neither", "G alone"):
        claim.at_most(f"accuracy_{name}", max(values[name, "accuracy"]), 0.15, quick=True)  # chance is 0.1; worst seed
    claim.note("accuracy_D alone", max(values["D alone", "accuracy"]), "reported: chance is 0.1 (largest of the seeds)")
    claim.at_least("accuracy_both", min(values["both", "accuracy"]), 0.9)  # worst seed
    for key, meaning in (("frechet", "0 is best"), ("spread", "within a class, 1 for the data")):
        for name in games:
            claim.note(f"{key}_{name}", np.mean(values[name, key]), f"reported: {meaning}; mean of the seeds")


def measure_rare(claim: Claim, rare: dict[str, list[dict]]) -> None:
    """Whether nine other classes help a rare one: the Frechet distance of its samples from all its real images."""
    for when, of in {"end": lambda distances: distances[-1], "best": np.min}.items():
        nine, alone = ([of(run["frechet"]) for run in rare[kind]] for kind in RARE)
        claim.note(f"rare_with_nine_{when}", np.mean(nine), "reported: Frechet distance, mean of the seeds")
        claim.note(f"rare_alone_{when}", np.mean(alone), "reported: Frechet distance, mean of the seeds")
        claim.compare(f"sharing_{when}", compare(nine, alone, paired=True), {HELPS} if when == "end" else None)
    claim.note("rare_copies", np.mean([run["copies"] for run in rare["alone"]]), "reported: of the few images themselves")
    for kind, name in zip(RARE, ("with_nine", "alone"), strict=True):
        nearest = np.mean([run["nearest"] for run in rare[kind]])
        claim.note(f"nearest_{name}", nearest, "reported: from a sample to the nearest of the few; 0: copies")


def picture_of_games(games: dict[str, list[dict]]) -> plt.Figure:
    """A row of samples for each class, of each game."""
    figure, places = slide(1, len(TOLD))
    for axes, (name, runs) in zip(places, games.items(), strict=True):
        labelled(axes, runs[0]["samples"], SHOWN, [str(c) for c in range(CLASSES)])
        right = np.mean([run["accuracy"] for run in runs])
        axes.set(title=f"class told to {name}:\n{percent(right)} as asked for", ylabel="class asked for")
        axes.label_outer()
    return figure


def picture_of_rare(rare: dict[str, list[dict]], few: int) -> plt.Figure:
    """The distances during the training; the images."""
    figure, (left, right) = slide(1, 2, width_ratios=(4, 5))
    for kind, colour, line, marker in zip(RARE, (REAL, FAKE), ("-", "--"), MARKERS, strict=False):
        distances = np.array([run["frechet"] for run in rare[kind]])
        share = np.arange(1, distances.shape[1] + 1) / distances.shape[1]
        left.plot(share, distances.T, color=colour, linestyle=line, linewidth=0.5, alpha=0.5)
        label = {"with nine": "with nine full classes", "alone": "alone"}[kind]
        left.plot(share, distances.mean(axis=0), color=colour, linestyle=line, marker=marker, label=label)
    copies = np.mean([run["copies"] for run in rare["alone"]])
    left.axhline(copies, color=OTHERS[3], linestyle=":", label=f"the {few} images themselves")
    left.set(xlabel="share of the training", ylabel="Frechet distance of the rare class (thick: mean)", yscale="log")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12))
    nine, alone = (rare[kind][0] for kind in RARE)
    rows = {f"some of\nthe {few}": alone["few"], "with nine:\nend": nine["end"], "best": nine["best"]}
    rows |= {"alone:\nend": alone["end"], "best ": alone["best"]}
    labelled(right, np.concatenate(list(rows.values())), FEW_SHOWN, list(rows))
    right.set_title("the rare class of the first seed")
    return figure
