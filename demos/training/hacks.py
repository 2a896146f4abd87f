"""Published tricks to make GANs work, one at a time: which help, which hurt, and which make no difference beyond chance.

Slide: "17 tips to make GANs work (https://github.com/soumith/ganhacks)"; "Use a spherical z" (IT3320E, lecture 10)

The base: G and D of dense layers on digits, with the R1 penalty and Adam for both; G ends in tanh, z is on a sphere, LeakyReLU,
no batch norm, hard labels. Its learning rate and penalty were chosen for the best G that some ten seconds can train, which is
still a weak one. Each trick is switched on or off alone, on the same seeds. It helps if the Frechet distance between a
classifier's features of G(z) and of x falls: the 95 % confidence interval of the ratio must be below 1.

One trick is tried on two other games, because its effect depends on the game: batch norm in D with real and fake minibatches
apart, not mixed into one. If a minibatch is standardised alone, D cannot see what all its images have in common. The games are
dense layers without the penalty, and small networks of the demo dcgan with it. Both are in use; one alone would mislead.
What to look for: which bars on the left cross 1; on the right, how good G is in each of the games.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import exp

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, NOTHING, compare, verdict
from demos.kit.experiment import demo
from demos.kit.loops import resumable, run_tasks
from demos.kit.runner.progress import progress
from demos.kit.style import OTHERS, RIGHT, WRONG, slide
from demos.training.tricks import TrickedGAN, Tricks, players
from minigan import Tensor, data, metrics, no_grad, optim


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed and the tricks."""

    steps: int = 1500  # iterations; the learning rates fall linearly to 0
    seeds: int = 5
    z: int = 64
    width: int = 128  # of the two hidden layers of each network
    batch: int = 32
    lr: float = 6e-3  # Adam's, with betas (0.5, 0.999)
    lr_sgd: float = 0.15  # of D's SGD; with twice as much, D's weights overflow
    r1: float = 5.0  # weight of the penalty
    norm_steps: int = 1200  # with batch norm in D
    norm_lr: float = 2e-3  # the largest that works with batch norm
    conv_steps: int = 500  # DCGAN's networks
    conv_seeds: int = 12  # more, because these seeds differ more
    conv_batch: int = 16
    channels: int = 8
    samples: int = 2000  # that are compared with as many real images


QUICK = {
    "steps": 40,
    "norm_steps": 30,
    "conv_steps": 5,
    "seeds": 1,
    "conv_seeds": 1,
    "width": 32,
    "channels": 4,
    "samples": 200,
}


@dataclass(frozen=True)
class Row:
    """A trick, switched on and off in one game."""

    name: str
    on: Mapping  # changes of the base
    off: Mapping
    expected: frozenset | None = None  # the expected verdicts; None: any
    words: str = field(default="", kw_only=True)  # the name in README, if it is not `name`


BASE = Tricks()
TIPS = {
    "tanh": Row("tanh and [-1, 1], not sigmoid and [0, 1]", {}, {"tanh": False}, words="tanh"),
    "sphere": Row("z on a sphere, not uniform", {}, {"sphere": False}, words="z on a sphere"),
    "leaky": Row("LeakyReLU, not ReLU", {}, {"leaky": False}, frozenset({HELPS}), words="LeakyReLU"),
    "soft": Row("soft and noisy labels", {"soft": True}, {}),
    "sgd": Row("SGD for D, Adam for G", {"sgd": True}, {}, words="SGD for D"),
    "noise": Row("noise on D's inputs", {"noise": 0.2}, {}),
    "dropout": Row("dropout in G, at test time, too", {"dropout": 0.5}, {}, words="dropout in G"),
}


def apart(game: str, expected: frozenset, **changes: bool) -> Row:
    """Batch norm in D, with real and fake apart and mixed."""
    return Row(
        f"D's batch norm apart: {game}", {"norm": "apart", **changes}, {"norm": "mixed", **changes}, expected, words=game
    )


NORMS = {
    "norm_dense": apart("dense, no R1", frozenset({HURTS}), r1=False),
    "norm_conv_r1": apart("DCGAN, R1", frozenset({HELPS}), conv=True),
}
ROWS = TIPS | NORMS
LOOKS = {HELPS: (RIGHT, "o"), HURTS: (WRONG, "X"), NOTHING: (OTHERS[3], "s")}  # colour, marker


@demo(Settings(), QUICK, digits.options, record={"base": asdict(BASE)})
def main(claim: Claim, s: Settings) -> None:
    """Every trick with and without, on the same seeds."""
    args = claim.args
    x, y, (others, _) = digits.load(args)
    judge = metrics.train_judge(x, y, steps=60) if args.quick else metrics.judge(x, y, progress=progress)
    played: dict[Tricks, list[dict]] = {BASE: []}
    played |= {replace(BASE, **change): [] for row in ROWS.values() for change in (row.on, row.off)}
    games = [(tricks, args.seed + i) for tricks in played for i in range(s.conv_seeds if tricks.conv else s.seeds)]
    tasks = {f"{in_words(tricks)}, seed {seed}": (tricks, seed) for tricks, seed in games}
    runs = run_tasks(play_and_judge, tasks, x, judge, s, steps=sum(length(tricks, s) for tricks, _ in tasks.values()))
    for (tricks, _), run in zip(tasks.values(), runs, strict=True):
        played[tricks].append(run)
    real = quality(others, x, judge, s)
    sides = {key: [played[replace(BASE, **change)] for change in (row.on, row.off)] for key, row in ROWS.items()}
    measure(claim, played[BASE], real, sides)
    claim.show(picture(claim.metrics, sides), "hacks", title(claim.metrics))


# --- a game -----------------------------------------------------------------------------------------------------------


def in_words(tricks: Tricks) -> str:
    """The differences from the base."""
    base = asdict(BASE)
    return ", ".join(f"{name} = {value}" for name, value in asdict(tricks).items() if value != base[name]) or "base"


def length(tricks: Tricks, s: Settings) -> int:
    """Iterations of a game."""
    return s.conv_steps if tricks.conv else s.norm_steps if tricks.norm else s.steps


def play_and_judge(tricks: Tricks, seed: int, x: np.ndarray, judge: metrics.Judge, s: Settings) -> dict[str, float]:
    """The quality of G's samples after a game."""
    return quality(play(tricks, x, s, seed), x, judge, s)


def quality(images: np.ndarray, x: np.ndarray, judge: metrics.Judge, s: Settings) -> dict[str, float]:
    """Frechet distance to as many images of the data; number of classes that have at least 1 % of the images."""
    found = metrics.image_quality(images[: s.samples], judge, x[: s.samples])
    return {key: found[key] for key in ("frechet", "classes")}


def play(tricks: Tricks, x: np.ndarray, s: Settings, seed: int) -> np.ndarray:
    """Play the game on images in [0, 1]; return G's samples, in [0, 1]."""
    mg.seed(seed)
    G, D = players(tricks, s.z, s.channels if tricks.conv else s.width)
    steps, lr = length(tricks, s), s.norm_lr if tricks.norm else s.lr
    opt_G = optim.Adam(G.parameters(), lr, (0.5, 0.999))
    opt_D = optim.SGD(D.parameters(), s.lr_sgd) if tricks.sgd else optim.Adam(D.parameters(), lr, (0.5, 0.999))
    prior = data.noise(s.z, "sphere" if tricks.sphere else "uniform")
    game = TrickedGAN(G, D, prior, opt_G, opt_D, tricks=tricks, steps=steps, r1=s.r1)
    batches = data.batches(2 * x - 1 if tricks.tanh else x, size=s.conv_batch if tricks.conv else s.batch)
    decay = optim.LinearDecay([opt_G, opt_D], steps)
    for _ in resumable(range(steps), "game", game=game, batches=batches, decay=decay):
        game.step(batches)
        decay.step()
    with no_grad():  # in training mode: dropout stays on, and batch norm has thousands of samples for its statistics
        samples = G(Tensor(prior(s.samples))).numpy()
    return ((samples + 1) / 2 if tricks.tanh else samples).clip(0, 1)


# --- the metrics --------------------------------------------------------------------------------------------------------


def measure(claim: Claim, base: list[dict], real: dict, sides: dict[str, list[list[dict]]]) -> None:
    """For each trick, the ratio of the Frechet distances with it and without; how many tips help; how good the base is."""
    claim.note("base_frechet", distance(base), "reported: mean of the seeds")
    claim.note("real_frechet", real["frechet"], "reported: of real images that were not learnt from")
    claim.at_least("base_classes", min(run["classes"] for run in base), 10)
    for key, (on, off) in sides.items():
        claim.note(f"{key}_with", distance(on), "reported: Frechet distance")
        claim.note(f"{key}_without", distance(off), "reported: Frechet distance")
        claim.note(f"{key}_classes_with", np.mean([run["classes"] for run in on]), "reported")
        claim.note(f"{key}_classes_without", np.mean([run["classes"] for run in off]), "reported")
        logs = ([np.log(run["frechet"]) for run in runs] for runs in (on, off))  # of a ratio: seeds differ by factors
        claim.compare(f"{key}_log_ratio", compare(*logs), ROWS[key].expected)
    for name, word in (("help", HELPS), ("hurt", HURTS), ("make_no_difference", NOTHING)):
        claim.note(f"tips_that_{name}", len(of_verdict(claim.metrics, TIPS, word)), f"reported: of {len(TIPS)}")


def distance(runs: list[dict]) -> float:
    """The geometric mean of the Frechet distances."""
    return float(np.exp(np.mean([np.log(run["frechet"]) for run in runs])))


def comes_to(m: dict[str, float], key: str) -> str:
    """A trick's verdict."""
    name = f"{key}_log_ratio"
    return verdict(m[name], m[f"{name} low"], m[f"{name} high"])


def of_verdict(m: dict[str, float], rows: Mapping[str, Row], word: str) -> list[str]:
    """The tricks with this verdict, the strongest first."""
    return sorted((key for key in rows if comes_to(m, key) == word), key=lambda key: -abs(m[f"{key}_log_ratio"]))


def found(m: dict[str, float]) -> str:
    """For README."""
    parts = [f"on a weak dense G (Frechet distance {m['base_frechet']:.0f}, real images {m['real_frechet']:.0f})"]
    for word, said in ((HELPS, "help"), (HURTS, "hurt"), (NOTHING, NOTHING)):
        keys = of_verdict(m, TIPS, word)
        names = (f"{TIPS[key].words or TIPS[key].name}{'' if word == NOTHING else times(m, key)}" for key in keys)
        parts.append(f"{said}: {', '.join(names) or 'none'}")
    norms = (f"{row.words}: {comes_to(m, key)}{times(m, key)}" for key, row in NORMS.items())
    return "; ".join(parts) + f". Batch norm in D, real and fake minibatches apart, not mixed: {'; '.join(norms)}"


def times(m: dict[str, float], key: str) -> str:
    """The factor of the distance, in brackets."""
    return f" (distance x {exp(m[f'{key}_log_ratio']):.2g})"


def title(m: dict[str, float]) -> str:
    """The picture's."""
    weak = f"Frechet distance {m['base_frechet']:.0f}, real images {m['real_frechet']:.0f}"
    tips = ", ".join(
        f"{m[f'tips_that_{name}']:.0f} {name.replace('_', ' ')}" for name in ("help", "hurt", "make_no_difference")
    )
    norms = ", ".join(f"{comes_to(m, key)} ({row.words})" for key, row in NORMS.items())
    return f"{len(TIPS)} tips on a weak G ({weak}): {tips}\nBatch norm in D, real and fake apart: {norms}"


def picture(m: dict[str, float], sides: dict[str, list[list[dict]]]) -> Figure:
    """The tips, most helpful first, then batch norm: the ratio of the distances, and the distances of all seeds."""
    figure, (left, right) = slide(1, 2, width_ratios=(1, 1), sharey=True)
    order = sorted(TIPS, key=lambda key: m[f"{key}_log_ratio"]) + list(NORMS)
    for place, key in enumerate(order):
        name = f"{key}_log_ratio"
        colour, marker = LOOKS[comes_to(m, key)]
        ends = [m[name] if np.isinf(m[f"{name} {end}"]) else m[f"{name} {end}"] for end in ("low", "high")]
        left.plot(np.exp(ends), [place, place], color=colour, marker="|", markersize=12)
        left.plot(exp(m[name]), place, color=colour, marker=marker, markersize=10)
        for runs, face, shift in zip(sides[key], (colour, "white"), (-0.15, 0.15), strict=True):
            right.scatter(
                [run["frechet"] for run in runs], [place + shift] * len(runs), 40, face, marker=marker, edgecolors=colour
            )
    left.axvline(1, color="black", linewidth=1)
    left.set_yticks(range(len(order)), [ROWS[key].name for key in order])
    left.invert_yaxis()
    for axes in (left, right):
        axes.axhline(len(TIPS) - 0.5, color="black", linewidth=1, linestyle=":")
        axes.set_xscale("log")
    left.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    left.minorticks_off()
    right.set_xticks([100, 200, 500, 1000, 2000], ["100", "200", "500", "1,000", "2,000"])
    right.minorticks_off()
    left.set(ylabel="trick", xlabel="Frechet distance with it / without it\n(bars: 95 % intervals)", xlim=(0.2, 5))
    right.set(xlabel="Frechet distance of each seed\n(full: with it; hollow: without)")
    handles = [Line2D([], [], color=colour, marker=marker, markersize=10, linestyle="") for colour, marker in LOOKS.values()]
    figure.legend(handles, list(LOOKS), loc="outside lower center", ncols=len(LOOKS))
    return figure


if __name__ == "__main__":
    main()
