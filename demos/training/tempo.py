"""How to choose k and l: D must keep up with G, and more than that brings little at the same cost.

Slide: "How to choose k , l ? More hyperparameters to optimize." (CS/DS 541, class 19)

An iteration freezes G for k steps of D, and then D for l steps of G. Each cell of the grid trains the same networks by
another (k, l), for the same number of steps of D and G together. "What kind of training curve should we expect?" D's accuracy
on new samples: it is near 1 while G is bad, then comes down to one half, where D can only guess, but "we will probably never
reach the equilibrium": it stays above.
What to look for: with l > k, G runs ahead: it leaves modes out, and its samples' centre swings from one to the next instead
of resting at 0; D's accuracy leaps with it. With k >= l, all modes are there (nearly, where k = 5 leaves l = 1 too few steps
of G), and the curve comes down, more slowly the more D learns.
"""

from dataclasses import asdict, dataclass

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import minigan as mg
from demos.kit.checkpoints import once, resumable
from demos.kit.claim import Claim
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.progress import progress
from demos.kit.run import common_options, start
from minigan import Tensor, data, no_grad, optim
from minigan.games import GAN
from minigan.games.figures import accuracy


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    cost: int = 5040  # steps of D and of G together, in each cell: a multiple of every k + l
    counts: tuple[int, ...] = (1, 2, 5)  # what k and l are chosen from
    seeds: int = 3  # the figures are means over them, where they do not say otherwise
    width: int = 128  # of the two hidden layers of each network
    batch: int = 256
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's
    moments: int = 60  # at which samples and D are looked at
    least_modes: float = 7.0  # expected where k >= l
    most_accuracy: float = 0.75


QUICK = Settings(
    cost=2400, counts=(1, 2), seeds=1, width=64, batch=128, moments=30, least_modes=5.0, most_accuracy=0.85
)  # half-way


def train(settings: Settings, seed: int, k: int, l: int, bar: tqdm) -> list[dict]:
    """One training run: at each moment the coverage of the modes, the samples' mean, and D's accuracy."""
    mg.seed(seed)
    G, D = generator(settings.width), discriminator(settings.width)
    opt_G, opt_D = (optim.Adam(player.parameters(), settings.lr, settings.betas) for player in (G, D))
    game, batches = GAN(G, D, data.noise(2), opt_G, opt_D, k=k, l=l), RING.batches(settings.batch)
    iterations = settings.cost // (k + l)
    looks, seen = set(np.linspace(1, iterations, settings.moments, dtype=int)), []
    for t in resumable(range(1, iterations + 1), "game", bar, game=game, batches=batches, seen=seen):
        game.step(batches)
        if t in looks:
            seen.append({"cost": t * (k + l), **look(game)})
    return seen


def look(game: GAN) -> dict:
    """Figures of new samples, which neither G nor D was trained on."""
    samples, real = game.sample(2500), RING.sample(2500)
    with no_grad():
        right = accuracy(game.D(Tensor(real)), game.D(Tensor(samples))).item()
    return {"accuracy": right, "mean": samples.mean(axis=0), **RING.coverage(samples)}


def summary(seen: list[dict]) -> dict[str, float]:
    """A training run in numbers: means over its last quarter, as a single moment may be a lucky one."""
    late = seen[-max(2, len(seen) // 4) :]
    means = {key: float(np.mean([s[key] for s in late])) for key in ("modes_1pct", "high_quality", "kl", "accuracy")}
    swing = np.sqrt(np.mean([np.sum(s["mean"] ** 2) for s in late]))  # the data's mean is 0
    return {**means, "swing": float(swing), "first_accuracy": max(s["accuracy"] for s in seen[: len(seen) // 4])}


def main(argv: list[str] | None = None) -> None:
    """Every (k, l) with every seed."""
    args = start(common_options(__doc__), argv, "tempo")
    settings = QUICK if args.quick else Settings()
    claim = Claim(args, asdict(settings))
    cells = [(k, l) for k in settings.counts for l in settings.counts]
    iterations = sum(settings.cost // (k + l) for k, l in cells)
    with progress(total=iterations * settings.seeds, unit="it") as bar:

        def play(seed, k, l):
            return once(f"k = {k}, l = {l}, seed {seed}", train, settings, seed, k, l, bar, bar=bar)

        runs = {cell: [play(args.seed + i, *cell) for i in range(settings.seeds)] for cell in cells}
    found = {cell: [summary(seen) for seen in of_cell] for cell, of_cell in runs.items()}
    report(claim, found)
    claim.finish(draw(claim, settings, runs, found), "tempo")


def mean(found: dict, cell: tuple[int, int], key: str) -> float:
    """Over the seeds."""
    return float(np.mean([f[key] for f in found[cell]]))


def report(claim: Claim, found: dict) -> None:
    """The figures of each cell, and what the grid as a whole says."""
    s = claim.settings
    keeps_up = min(mean(found, (k, l), "modes_1pct") for k, l in found if k >= l)
    behind = max(mean(found, (k, l), "modes_1pct") for k, l in found if k < l)
    claim.note("k >= l: modes, worst cell", keeps_up, f"at least {s['least_modes']:g} of 8", keeps_up >= s["least_modes"])
    claim.note("l > k: modes, best cell", behind, "at most 3 of 8", behind <= 3)
    accuracies = [mean(found, (k, l), "accuracy") for k, l in found if k >= l]
    least, most = min(accuracies), max(accuracies)
    claim.note("k >= l: D's accuracy, least", least, "above 0.5, which is never reached", least > 0.5)
    claim.note("k >= l: D's accuracy, most", most, f"at most {s['most_accuracy']:g}", most <= s["most_accuracy"])
    for k, l in found:
        for key, expected in EXPECTED.items():
            claim.note(f"k = {k}, l = {l}: {key}", mean(found, (k, l), key), expected)


EXPECTED = {
    "modes_1pct": "8 of 8 is all",
    "high_quality": "0.989 for the data itself",
    "kl": "0 is even, 2.08 one mode",
    "swing": "0 is at rest, 2 from mode to mode",
    "accuracy": "towards 0.5",
    "first_accuracy": "higher",
}


# --- the picture --------------------------------------------------------------------------------------------------------


def draw(claim: Claim, settings: Settings, runs: dict, found: dict) -> plt.Figure:
    """Four heat maps of the grid, and the curves of a few cells."""
    figure = plt.figure(figsize=(13, 8), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1))
    maps = {"modes_1pct": ("modes of 8", "viridis"), "high_quality": ("share within 3 std", "viridis")}
    maps |= {"kl": ("KL to the uniform", "viridis_r"), "swing": ("swing of the samples' centre", "viridis_r")}
    for axes, (key, (title, colours)) in zip(top.subplots(1, 4), maps.items(), strict=True):
        heat_map(axes, settings.counts, found, key, colours)
        axes.set_title(title)
    last = settings.counts[-1]
    for axes, cell in zip(bottom.subplots(1, 3, sharey=True), [(1, last), (1, 1), (last, 1)], strict=True):
        curves(axes, runs[cell], f"k = {cell[0]}, l = {cell[1]}: {mean(found, cell, 'modes_1pct'):.1f} of 8 modes")
    bottom.axes[0].set_ylabel("D's accuracy")
    keeps_up, behind = claim.metrics["k >= l: modes, worst cell"], claim.metrics["l > k: modes, best cell"]
    figure.suptitle(f"Where k >= l, at least {keeps_up:.1f} of 8 modes; where G runs ahead, l > k, at most {behind:.1f}")
    return figure


def heat_map(axes: plt.Axes, counts: tuple[int, ...], found: dict, key: str, colours: str) -> None:
    """A number for each (k, l)."""
    values = np.array([[mean(found, (k, l), key) for l in counts] for k in counts])
    axes.imshow(values, cmap=colours, origin="lower")
    for (i, j), value in np.ndenumerate(values):
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", bbox={"color": "white", "alpha": 0.7, "pad": 2})
    axes.set_xticks(range(len(counts)), counts)
    axes.set_yticks(range(len(counts)), counts)
    axes.set(xlabel="l, G steps", ylabel="k, D steps")


def curves(axes: plt.Axes, seeds: list[list[dict]], title: str) -> None:
    """D's accuracy over the training, a line for each seed."""
    for seen in seeds:
        axes.plot([s["cost"] for s in seen], [s["accuracy"] for s in seen], linewidth=1)
    axes.axhline(0.5, color="black", linestyle=":", linewidth=1)
    axes.set(title=title, xlabel="steps of D and G", ylim=(0, 1.02))


if __name__ == "__main__":
    main()
