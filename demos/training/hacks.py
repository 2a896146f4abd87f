"""Of eight published tricks to make GANs work, three still help, one hurts, and four make no difference beyond chance.

Slide: "17 tips to make GANs work (https://github.com/soumith/ganhacks)"; "Use a spherical z" (IT3320E, lecture 10)

The base: G and D of dense layers on digits, G descends -log D(G(z)), 1,200 iterations, Adam for both; G ends in tanh, z lies
on a sphere, LeakyReLU, no batch norm, hard labels. Each trick is switched on, or off, alone, on the same six seeds. It helps if
the mean Frechet distance between the judge's features of G(z) and of x falls, and 0 is outside the difference's 95 % confidence
interval (of eight tricks without any effect, one would be found in every third table, on average). What was found: tanh with
[-1, 1] (759 instead of 1275), LeakyReLU (759, 946) and dropout in G at test time, too (623, 759) help; SGD for D, soft and
noisy labels, noise on D's inputs and z on a sphere make no difference that six seeds could show. Batch norm in D with real and
fake minibatches apart hurts (1637, one class; mixed: 713), perhaps as each is standardised by itself, which hides what a whole
minibatch of fakes has in common. Other games, longer ones, or convolutions, may rank them differently.
What to look for: which error bars on the left cross 0, and what the same trick does to the number of classes on the right.
"""

from dataclasses import asdict, dataclass, replace
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ttest_ind

import minigan as mg
from demos.kit import digits
from demos.kit.checkpoints import resumable
from demos.kit.claim import Claim
from demos.kit.jobs import each
from demos.kit.progress import progress
from demos.kit.run import start
from demos.training.tricks import TrickedGAN, Tricks, players
from minigan import Tensor, data, metrics, no_grad, optim


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed and the tricks."""

    steps: int = 1200  # iterations; the learning rates fall linearly to 0
    seeds: int = 6
    z: int = 64
    width: int = 128  # of the two hidden layers of each network
    batch: int = 64
    lr: float = 1e-3  # Adam's, with betas (0.5, 0.999)
    lr_sgd: float = 0.1  # of D's SGD
    samples: int = 2000  # that the judge looks at


QUICK = {"steps": 60, "seeds": 1, "width": 32, "batch": 32, "samples": 200}


BASE = Tricks()
ROWS = {  # (what it is, with the trick, without it): changes of the base
    "tanh": ("tanh and [-1, 1], not sigmoid and [0, 1]", {}, {"tanh": False}),
    "sphere": ("z on a sphere, not uniform", {}, {"sphere": False}),
    "norm": ("batch norm in D: real and fake apart, not mixed", {"norm": "apart"}, {"norm": "mixed"}),
    "leaky": ("LeakyReLU, not ReLU", {}, {"leaky": False}),
    "soft": ("soft and noisy labels", {"soft": True}, {}),
    "sgd": ("SGD for D, Adam for G", {"sgd": True}, {}),
    "noise": ("noise on D's inputs", {"noise": 0.2}, {}),
    "dropout": ("dropout in G, at test time, too", {"dropout": 0.5}, {}),
}
HELPS, HURTS, NOTHING = "helps", "hurts", "no difference beyond chance"
COLOURS = {HELPS: "tab:green", HURTS: "tab:red", NOTHING: "grey"}


def main(argv: list[str] | None = None) -> None:
    """Every trick with and without, on the same seeds."""
    args = start(digits.options(__doc__), argv, "hacks")
    s = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(s), "base": asdict(BASE)})
    x, y, _ = digits.load(args)
    judge = metrics.train_judge(x, y, steps=60) if args.quick else metrics.judge(x, y, progress=progress)
    played: dict[Tricks, list[dict]] = {BASE: []}
    played |= {replace(BASE, **change): [] for _, *pair in ROWS.values() for change in pair}
    seeds = range(args.seed, args.seed + s.seeds)
    tasks = {f"{in_words(tricks)}, seed {seed}": (tricks, seed) for tricks, seed in product(played, seeds)}
    runs = each(quality, tasks, x, judge, s, steps=len(tasks) * s.steps)
    for (tricks, _), run in zip(tasks.values(), runs, strict=True):
        played[tricks].append(run)
    table = [compare(key, *(played[replace(BASE, **change)] for change in pair)) for key, (_, *pair) in ROWS.items()]
    table.sort(key=lambda row: row["difference"])
    measure(claim, table)
    print("\n" + "\n".join(sentence(row) for row in table))
    claim.finish(picture(table), "hacks")


# --- a game -----------------------------------------------------------------------------------------------------------


def in_words(tricks: Tricks) -> str:
    """What differs from the base."""
    base = asdict(BASE)
    return ", ".join(f"{name} = {value}" for name, value in asdict(tricks).items() if value != base[name]) or "base"


def quality(tricks: Tricks, seed: int, x: np.ndarray, judge: metrics.Judge, s: Settings) -> dict[str, float]:
    """The judge's figures of G's samples after a game."""
    return metrics.image_quality(play(tricks, x, s, seed), judge, x)


def play(tricks: Tricks, x: np.ndarray, s: Settings, seed: int) -> np.ndarray:
    """Play the game on images in [0, 1]; G's samples, in [0, 1]."""
    mg.seed(seed)
    G, D = players(tricks, s.z, s.width)
    opt_G = optim.Adam(G.parameters(), s.lr, (0.5, 0.999))
    opt_D = optim.SGD(D.parameters(), s.lr_sgd) if tricks.sgd else optim.Adam(D.parameters(), s.lr, (0.5, 0.999))
    prior = data.noise(s.z, "sphere" if tricks.sphere else "uniform")
    game = TrickedGAN(G, D, prior, opt_G, opt_D, tricks=tricks, steps=s.steps)
    batches, decay = data.batches(2 * x - 1 if tricks.tanh else x, size=s.batch), optim.LinearDecay([opt_G, opt_D], s.steps)
    for _ in resumable(range(s.steps), "game", game=game, batches=batches, decay=decay):
        game.step(batches)
        decay.step()
    with no_grad():  # in training mode: dropout goes on, and G has nothing else that would differ
        samples = G(Tensor(prior(s.samples))).numpy()
    return ((samples + 1) / 2 if tricks.tanh else samples).clip(0, 1)


# --- the figures --------------------------------------------------------------------------------------------------------


def compare(key: str, with_it: list[dict], without: list[dict]) -> dict:
    """A trick's row: both sides' mean and standard deviation over the seeds, their difference, and what it comes to."""
    row: dict = {"key": key, "name": ROWS[key][0]}
    for side, runs in (("with", with_it), ("without", without)):
        for figure in ("frechet", "classes", "confident"):
            values = [run[figure] for run in runs]
            row[f"{figure}_{side}"] = float(np.mean(values))
            row[f"{figure}_{side}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    row["difference"] = row["frechet_with"] - row["frechet_without"]
    row["margin"] = margin([run["frechet"] for run in with_it], [run["frechet"] for run in without])
    beyond = abs(row["difference"]) > row["margin"]
    row["verdict"] = NOTHING if not beyond else HELPS if row["difference"] < 0 else HURTS
    return row


def margin(a: list[float], b: list[float]) -> float:
    """Half of the 95 % confidence interval of the means' difference (Welch's t-test); of single seeds, infinite."""
    if min(len(a), len(b)) < 2 or np.ptp(a) == np.ptp(b) == 0:
        return float("inf")
    low, high = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    return float(high - low) / 2


def measure(claim: Claim, table: list[dict]) -> None:
    """All of the table; and how many tricks help."""
    for row in table:
        for figure in ("frechet", "classes", "confident"):
            for side in ("with", "without"):
                claim.note(f"{row['key']}_{figure}_{side}", row[f"{figure}_{side}"], "")
                claim.note(f"{row['key']}_{figure}_{side}_sd", row[f"{figure}_{side}_sd"], "")
        claim.note(f"{row['key']}_difference", row["difference"], f"below 0 helps, if beyond {row['margin']:.3g}")
    for name, verdict in (("help", HELPS), ("hurt", HURTS), ("make_no_difference", NOTHING)):
        claim.note(f"tricks_that_{name}", sum(row["verdict"] == verdict for row in table), f"reported: of {len(table)}")


def sentence(row: dict) -> str:
    """A row in words."""
    sides = (f"{row[f'frechet_{side}']:.0f} +- {row[f'frechet_{side}_sd']:.0f} {side}" for side in ("with", "without"))
    classes = f"{row['classes_with']:.1f} classes with, {row['classes_without']:.1f} without"
    return f"{row['name']}: {row['verdict']} (Frechet distance {', '.join(sides)}; {classes})."


def picture(table: list[dict]) -> plt.Figure:
    """The tricks from the most helpful on: what each does to the Frechet distance, and to the number of classes."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.4), layout="constrained", width_ratios=(3, 2), sharey=True)
    for place, row in enumerate(table):
        colour = COLOURS[row["verdict"]]
        error = row["margin"] if np.isfinite(row["margin"]) else 0.0
        left.errorbar(row["difference"], place, xerr=error, fmt="o", color=colour, capsize=4)
        for side, face in (("with", colour), ("without", "white")):
            x, sd = row[f"classes_{side}"], row[f"classes_{side}_sd"]
            shift = place - 0.12 if side == "with" else place + 0.12
            right.errorbar(x, shift, xerr=sd, fmt="o", color=colour, markerfacecolor=face, capsize=3)
    left.axvline(0, color="black", linewidth=0.8)
    left.set_yticks(range(len(table)), [row["name"] for row in table])
    left.invert_yaxis()
    left.set(xlabel="Frechet distance, with the trick minus without (bars: 95 % confidence)", title="left of 0: it helps")
    right.set(xlabel="classes with at least 1 % of the samples", title="full: with the trick; hollow: without", xlim=(0, 10.5))
    counts = {verdict: sum(row["verdict"] == verdict for row in table) for verdict in COLOURS}
    left.legend([plt.Line2D([], [], marker="o", linestyle="", color=c) for c in COLOURS.values()], list(COLOURS))
    figure.suptitle(
        f"{len(table)} tricks, one at a time: {counts[HELPS]} help, {counts[HURTS]} hurt, "
        f"{counts[NOTHING]} make no difference beyond chance"
    )
    return figure


if __name__ == "__main__":
    main()
