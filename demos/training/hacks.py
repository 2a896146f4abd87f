"""Published tricks to make GANs work, one at a time: which help, which hurt, and which make no difference beyond chance.

Slide: "17 tips to make GANs work (https://github.com/soumith/ganhacks)"; "Use a spherical z" (IT3320E, lecture 10)

The base: dense G and D on digits, with the R1 penalty and Adam for both; G ends in tanh, z is on a sphere, LeakyReLU, no batch
norm, hard labels. Its rate and penalty were chosen for the best G of some ten seconds, which is still weak. Each trick is
switched on or off alone, on the same seeds. It helps if the Frechet distance between a classifier's features of G(z) and of x
falls: the 95 % confidence interval of the ratio must be below 1. Five seeds have low power: an interval reaches some 15 % to
either side, so an effect below that stays unseen. "No difference beyond chance" does not say that there is none.

The effect of one trick depends on the game: batch norm in D with real and fake minibatches apart, not mixed into one. If a
minibatch is standardised alone, D cannot see what all its images have in common. So it is tried on two more games: dense layers
without the penalty, and small networks of the demo dcgan with it.

What to look for: which bars on the left cross 1; on the right, how good G is in each of the games.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, NOTHING, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.style import slide
from demos.kit.training import adam, train
from demos.training.tricks import TrickedGAN, Tricks, players
from demos.training.verdicts import LOOKS, by_verdict, verdict_on
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


QUICK = dict(steps=40, norm_steps=30, conv_steps=5, seeds=1, conv_seeds=1, width=32, channels=4, samples=200)
VERDICT = (
    "True, but only of some tips: on this weak G, {tips_that_help|.0f} of 7 help and {tips_that_hurt|.0f} hurts; five seeds "
    "are too few to tell about {tips_that_make_no_difference|.0f}."
)
FINDING = (
    "On a dense G (Frechet distance to MNIST {base_frechet|.0f}, of real digits {real_frechet|.0f}; 5 seeds), LeakyReLU "
    "{leaky_log_ratio|lower}, dropout in G {dropout_log_ratio|lower}, SGD for D {sgd_log_ratio|lower}, a spherical z: "
    "{sphere_log_ratio|lower} (the ratio's logarithm is between {sphere_log_ratio low|.2f} and {sphere_log_ratio high|.2f}). "
    "Batch norm of real and fake apart: {norm_dense_log_ratio|lower} (dense D), "
    "{norm_conv_r1_log_ratio|lower} (DCGAN)."
)
TITLE = (
    "7 tips on a weak G (Frechet distance {base_frechet|.0f}, real images {real_frechet|.0f}): {tips_that_help|.0f} help, "
    "{tips_that_hurt|.0f} hurt, {tips_that_make_no_difference|.0f} make no difference\nBatch norm in D, real and fake apart: "
    "{norm_dense_log_ratio|lower} (dense, no R1), {norm_conv_r1_log_ratio|lower} (DCGAN, R1)"
)


@dataclass(frozen=True)
class Row:
    """A trick, switched on and off in one game."""

    name: str
    on: Mapping  # changes of the base
    off: Mapping
    expected: frozenset | None = None  # the expected verdicts; None: any


BASE = Tricks()
TIPS = {
    "tanh": Row("tanh and [-1, 1], not sigmoid and [0, 1]", {}, {"tanh": False}),
    "sphere": Row("z on a sphere, not uniform", {}, {"sphere": False}),
    "leaky": Row("LeakyReLU, not ReLU", {}, {"leaky": False}, frozenset({HELPS})),
    "soft": Row("soft and noisy labels", {"soft": True}, {}),
    "sgd": Row("SGD for D, Adam for G", {"sgd": True}, {}),
    "noise": Row("noise on D's inputs", {"noise": 0.2}, {}),
    "dropout": Row("dropout in G, at test time, too", {"dropout": 0.5}, {}),
}


def apart(game: str, expected: frozenset, **changes: bool) -> Row:
    """Batch norm in D, with real and fake apart and mixed."""
    return Row(f"D's batch norm apart: {game}", {"norm": "apart", **changes}, {"norm": "mixed", **changes}, expected)


NORMS = {
    "norm_dense": apart("dense, no R1", frozenset({HURTS}), r1=False),
    "norm_conv_r1": apart("DCGAN, R1", frozenset({HELPS}), conv=True),
}
ROWS = TIPS | NORMS


@demo(Settings(), QUICK, digits.options, record={"base": asdict(BASE)})
def main(claim: Claim, s: Settings) -> None:
    """Every trick with and without, on the same seeds."""
    x, y, (others, _) = digits.load(claim.args)
    judge = digits.judge_of(claim.args, x, y)
    changed = [replace(BASE, **change) for row in ROWS.values() for change in (row.on, row.off)]
    seeds = {tricks: s.conv_seeds if tricks.conv else s.seeds for tricks in (BASE, *changed)}
    steps = sum(n * length(tricks, s) for tricks, n in seeds.items())
    played = over_kinds(claim, play_and_judge, seeds, seeds, s, x, judge, steps=steps)
    sides = {key: [played[replace(BASE, **change)] for change in (row.on, row.off)] for key, row in ROWS.items()}
    real = metrics.image_quality(others[: s.samples], judge, x[: s.samples])
    measure(claim, played[BASE], real, sides)
    claim.show(picture(claim.metrics, sides), "hacks", claim.words(TITLE))


def length(tricks: Tricks, s: Settings) -> int:
    """Iterations of a game."""
    return s.conv_steps if tricks.conv else s.norm_steps if tricks.norm else s.steps


def play_and_judge(tricks: Tricks, seed: int, s: Settings, x: np.ndarray, judge: metrics.Judge) -> dict[str, float]:
    """The quality of G's samples after a game."""
    return metrics.image_quality(play(tricks, x, s, seed), judge, x[: s.samples])


def play(tricks: Tricks, x: np.ndarray, s: Settings, seed: int) -> np.ndarray:
    """Play the game on images in [0, 1]; return G's samples, in [0, 1]."""
    mg.seed(seed)
    G, D = players(tricks, s.z, s.channels if tricks.conv else s.width)
    steps, lr = length(tricks, s), s.norm_lr if tricks.norm else s.lr
    opt_D = optim.SGD(D.parameters(), s.lr_sgd) if tricks.sgd else adam(D, lr)
    prior = data.noise(s.z, "sphere" if tricks.sphere else "uniform")
    game = TrickedGAN(G, D, prior, adam(G, lr), opt_D, tricks=tricks, steps=steps, r1=s.r1)
    batches = data.batches(2 * x - 1 if tricks.tanh else x, size=s.conv_batch if tricks.conv else s.batch)
    train(game, batches, steps, "game")
    with no_grad():  # in training mode: dropout stays on, and batch norm has thousands of samples for its statistics
        samples = G(Tensor(prior(s.samples))).numpy()
    return ((samples + 1) / 2 if tricks.tanh else samples).clip(0, 1)


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
    tips = by_verdict(claim.metrics, "{}_log_ratio", TIPS)
    for name, word in (("help", HELPS), ("hurt", HURTS), ("make_no_difference", NOTHING)):
        claim.note(f"tips_that_{name}", len(tips[word]), f"reported: of {len(TIPS)}")


def distance(runs: list[dict]) -> float:
    """The geometric mean of the Frechet distances."""
    return float(np.exp(np.mean([np.log(run["frechet"]) for run in runs])))


def picture(m: dict[str, float], sides: dict[str, list[list[dict]]]) -> Figure:
    """The tips, most helpful first, then batch norm: the ratio of the distances, and the distances of all seeds."""
    figure, (left, right) = slide(1, 2, width_ratios=(1, 1), sharey=True)
    order = sorted(TIPS, key=lambda key: m[f"{key}_log_ratio"]) + list(NORMS)
    for place, key in enumerate(order):
        name = f"{key}_log_ratio"
        colour, marker = LOOKS[verdict_on(m, name)]
        ends = [m[name] if np.isinf(m[f"{name} {end}"]) else m[f"{name} {end}"] for end in ("low", "high")]
        left.plot(np.exp(ends), [place, place], color=colour, marker="|", markersize=12)
        left.plot(np.exp(m[name]), place, color=colour, marker=marker, markersize=10)
        for runs, face, shift in zip(sides[key], (colour, "white"), (-0.15, 0.15), strict=True):
            distances = [run["frechet"] for run in runs]
            right.scatter(distances, [place + shift] * len(runs), 40, face, marker=marker, edgecolors=colour)
    left.axvline(1, color="black", linewidth=1)
    left.set_yticks(range(len(order)), [ROWS[key].name for key in order])
    left.invert_yaxis()
    for axes in (left, right):
        axes.axhline(len(TIPS) - 0.5, color="black", linewidth=1, linestyle=":")
        axes.set_xscale("log")
        axes.minorticks_off()
    left.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    right.set_xticks([100, 200, 500, 1000, 2000], ["100", "200", "500", "1,000", "2,000"])
    left.set(ylabel="trick", xlabel="Frechet distance with it / without it\n(bars: 95 % intervals)", xlim=(0.2, 5))
    right.set(xlabel="Frechet distance of each seed\n(full: with it; hollow: without)")
    handles = [Line2D([], [], color=colour, marker=marker, markersize=10, linestyle="") for colour, marker in LOOKS.values()]
    figure.legend(handles, list(LOOKS), loc="outside lower center", ncols=len(LOOKS))
    return figure
