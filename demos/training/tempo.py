"""How to choose k and l: modes, quality and swing for each choice, at the same cost.

Slide: "How to choose k , l ? More hyperparameters to optimize." (CS/DS 541, class 19)

An iteration freezes G for k steps of D, and then D for l steps of G. Each cell of the grid trains the same networks with its
own (k, l), for the same number of steps of D and G together. "What kind of training curve should we expect?" D's accuracy on
new samples is near 1 while G is bad, then falls towards one half, where D can only guess.

What to look for: with l > k, does G leave modes out? Does the samples' centre swing from one mode to the next instead of
resting at 0? With k >= l, do still more D steps help at the same cost? See the share of samples within 3 std of a mode.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.loops import resumable
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.style import D_COLOUR, OTHERS, slide
from minigan import Tensor, data, no_grad, optim
from minigan.games import GAN
from minigan.games.figures import accuracy


@dataclass
class Settings:
    cost: int = 5040  # steps of D and of G together, in each cell: a multiple of every k + l
    counts: tuple[int, ...] = (1, 2, 5)  # the values of k and of l
    seeds: int = 3  # the metrics are means over them, unless marked otherwise
    width: int = 64  # of the two hidden layers of each network
    batch: int = 128
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's
    moments: int = 60  # at which samples and D are measured


QUICK = Settings(cost=840, counts=(1, 2), seeds=1, width=64, batch=64, moments=20)
VERDICT = "True, but one rule goes far on this ring: with k >= l, G finds nearly all modes, with l > k less than one of 8."
FINDING = (
    "At equal cost, G finds at least {k >= l: modes, worst cell|>} of 8 modes if k >= l, at most "
    "{l > k: modes, best cell|<} if l > k (means of 3 seeds). At least {k >= l: share within 3 std, worst cell|>%} of the "
    "samples lie near a mode if k >= l, with k = 2, l = 1 {k = 2, l = 1: high_quality|%}. Between k = 2, l = 1 and k = l = 1: "
    "{share within 3 std: k = 2, l = 1 beside k = 1, l = 1|higher}."
)
IN_MODES = (
    "At equal cost, with k >= l: at least {k >= l: modes, worst cell|>} of 8 modes, and "
    "{k >= l: share within 3 std, worst cell|>%} of the samples within 3 std; with l > k: at most "
    "{l > k: modes, best cell|<}, and {l > k: share within 3 std, best cell|<%}"
)
IN_ACCURACY = (
    "With k >= l, D's accuracy comes down to {k >= l: D's accuracy, least|.2f} to {k >= l: D's accuracy, most|.2f}, "
    "by the choice of k and l"
)

MORE_D = ((2, 1), (5, 1), (5, 2))  # (k, l): each is compared with (1, 1) and with (l, k)
EXPECTED = {  # of each cell's metrics
    "modes_1pct": "8 of 8 is all",
    "high_quality": "0.989 for the data itself",
    "kl": "0 is even, 2.08 one mode",
    "swing": "0 is at rest, 2 from mode to mode",
    "accuracy": "towards 0.5",
    "first_accuracy": "higher",
}


@demo(Settings(), QUICK)
def main(claim: Claim, settings: Settings) -> None:
    """Every (k, l) with every seed."""
    cells = [(k, l) for k in settings.counts for l in settings.counts]
    steps = settings.seeds * sum(settings.cost // (k + l) for k, l in cells)
    runs = over_kinds(claim, play, cells, settings.seeds, settings, steps=steps)
    figures = {cell: [summary(seen) for seen in of_cell] for cell, of_cell in runs.items()}
    measure(claim, figures)
    claim.show(draw_grid(settings, figures), "tempo", as_formulas(claim.words(IN_MODES)))
    claim.show(draw_curves(settings, runs), "tempo_curves", as_formulas(claim.words(IN_ACCURACY)))


def as_formulas(text: str) -> str:
    """With k >= l as a formula, which a picture's title does not break."""
    return text.replace("k >= l", "$k \\geq l$").replace("l > k", "$l > k$")


# --- the games ----------------------------------------------------------------------------------------------------------


def play(cell: tuple[int, int], seed: int, settings: Settings) -> list[dict]:
    """One training run with (k, l): at each moment the coverage of the modes, the samples' mean, and D's accuracy."""
    mg.seed(seed)
    k, l = cell
    G, D = generator(settings.width), discriminator(settings.width)
    opt_G, opt_D = (optim.Adam(player.parameters(), settings.lr, settings.betas) for player in (G, D))
    game, batches = GAN(G, D, data.noise(2), opt_G, opt_D, k=k, l=l), RING.batches(settings.batch)
    iterations = settings.cost // (k + l)
    looks, seen = set(np.linspace(1, iterations, settings.moments, dtype=int)), []
    for t in resumable(range(1, iterations + 1), "game", game=game, batches=batches, seen=seen):
        game.step(batches)
        if t in looks:
            samples, real = game.sample(2500), RING.sample(2500)  # new, for G and for D
            with no_grad():
                right = accuracy(D(Tensor(real)), D(Tensor(samples))).item()
            row = {"cost": t * (k + l), "accuracy": right, "mean": samples.mean(axis=0)}
            seen.append(row | RING.coverage(samples))
    return seen


def summary(seen: list[dict]) -> dict[str, float]:
    """A training run in numbers: means over its last quarter, since a single moment may be lucky."""
    late = seen[-max(2, len(seen) // 4) :]
    means = {key: float(np.mean([s[key] for s in late])) for key in ("modes_1pct", "high_quality", "kl", "accuracy")}
    swing = np.sqrt(np.mean([np.sum(s["mean"] ** 2) for s in late]))  # the data's mean is 0
    return {**means, "swing": float(swing), "first_accuracy": max(s["accuracy"] for s in seen[: len(seen) // 4])}


def mean(figures: dict, cell: tuple[int, int], key: str) -> float:
    """Over the seeds."""
    return float(np.mean([f[key] for f in figures[cell]]))


def measure(claim: Claim, figures: dict) -> None:
    """Bounds for the whole grid; more D steps compared with fewer; the metrics of each cell."""
    keeping, ahead = [(k, l) for k, l in figures if k >= l], [(k, l) for k, l in figures if k < l]
    claim.at_least("k >= l: modes, worst cell", min(mean(figures, cell, "modes_1pct") for cell in keeping), 7)
    claim.at_most("l > k: modes, best cell", max(mean(figures, cell, "modes_1pct") for cell in ahead), 3)
    claim.note("k >= l: share within 3 std, worst cell", min(mean(figures, cell, "high_quality") for cell in keeping))
    claim.note("l > k: share within 3 std, best cell", max(mean(figures, cell, "high_quality") for cell in ahead))
    accuracies = [mean(figures, cell, "accuracy") for cell in keeping]
    least = min(accuracies)
    claim.note("k >= l: D's accuracy, least", least, "above 0.5, which is never reached", least > 0.5)
    claim.at_most("k >= l: D's accuracy, most", max(accuracies), 0.75)
    for k, l in MORE_D:
        if (k, l) in figures:
            more, turned, equal = ([f["high_quality"] for f in figures[cell]] for cell in ((k, l), (l, k), (1, 1)))
            name = f"share within 3 std: k = {k}, l = {l} beside k ="
            claim.compare(f"{name} {l}, l = {k}", compare(more, turned, "higher"), {HELPS})
            claim.compare(f"{name} 1, l = 1", compare(more, equal, "higher"))
    for k, l in figures:
        for key, expected in EXPECTED.items():
            claim.note(f"k = {k}, l = {l}: {key}", mean(figures, (k, l), key), expected)


# --- the pictures -------------------------------------------------------------------------------------------------------


def draw_grid(settings: Settings, figures: dict) -> Figure:
    """Three heat maps over k and l; bright is better."""
    figure, places = slide(1, 3, height=5.0)
    counts = settings.counts
    maps = {"modes_1pct": ("modes found, of 8", "cividis"), "high_quality": ("share within 3 std", "cividis")}
    maps |= {"swing": ("swing of the samples' centre", "cividis_r")}
    for axes, (key, (title, colours)) in zip(places, maps.items(), strict=True):
        values = np.array([[mean(figures, (k, l), key) for l in counts] for k in counts])
        image = axes.imshow(values, cmap=colours, origin="lower")
        for (i, j), value in np.ndenumerate(values):
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", bbox={"color": "white", "alpha": 0.8, "pad": 2})
        axes.set_xticks(range(len(counts)), counts)
        axes.set_yticks(range(len(counts)), counts)
        axes.set(xlabel="l, G steps", ylabel="k, D steps")
        figure.colorbar(image, ax=axes, location="bottom", label=title)
    return figure


def draw_curves(settings: Settings, runs: dict) -> Figure:
    """D's accuracy over the training in three cells, a line for each seed."""
    figure, places = slide(1, 3, height=5.0, sharey=True)
    last = settings.counts[-1]
    for axes, (k, l) in zip(places, [(1, last), (1, 1), (last, 1)], strict=True):
        for seen in runs[k, l]:
            axes.plot([s["cost"] for s in seen], [s["accuracy"] for s in seen], color=D_COLOUR, linewidth=1.5)
        axes.axhline(0.5, color=OTHERS[2], linestyle=":")
        axes.set(title=f"k = {k}, l = {l}", xlabel="steps of D and G together", ylim=(0, 1.02))
        axes.xaxis.get_major_locator().set_params(nbins=4)
    places[0].set_ylabel("D's accuracy (dotted: it guesses)")
    return figure
