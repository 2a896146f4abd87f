"""Where D looks at a (x1 - x2) alone, noise that cancels stays; dropout on its input ends that, and so does learning.

Slide: "In the latter case, D gives feedback to G that images are “ok” as long as the background noise “cancels” itself"; "we
can use dropout on the input layer x, so that each pathway must judge independently if the image is a fake." (CS/DS 552,
class 7)

At a digit's border, x1 = x2 = 0; the weaker a x1 - a x2 = 0 is true as well. A D of two pathways, relu(a (x1 - x2)) and
relu(a (x2 - x1)), knows only the weaker one. In the toy, this D stands still and a linear G of two pixels learns: x1 - x2 goes
to 0; x1 + x2, which has no gradient, stays as noisy as it was. With dropout, a pathway often sees x1 or x2 alone, and all the
noise goes. But a D that may learn, from the same weights, soon sees x1 + x2 too: the noise goes without dropout.

On digits, D learns from the start. What to look for: pairs of border pixels with opposite weights into D's first layer, as in
the toy. There are none: after the training, no pair is more opposite than chance had made one before it. The noise at G's
border falls without dropout as well as with it (of ink: a dropped pixel is black, the slide's 0), and the seeds differ more
than the two do. What the slide fears needs, here, a D that stands still.
"""

from dataclasses import asdict, dataclass, replace
from itertools import product

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.pictures import FAKE, REAL
from demos.kit.run import start
from demos.kit.training import adams, train
from minigan import Tensor, data, nn
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    dropout: float = 0.2  # of D's input, where there is any
    seeds: int = 3
    z: int = 64
    batch: int = 100
    every: int = 50  # iterations between two looks at the borders
    steps: int = 1500  # the toy: iterations; here and below, the learning rates fall linearly to 0
    a: float = 2.0  # D's weights of x1 and x2
    lr: float = 1e-2
    lr_discriminator: float = 1e-3  # where D learns; where it stands still, 0
    digit_steps: int = 2000  # digits: iterations
    digit_lr: float = 5e-4  # of both
    width: int = 256  # of the two hidden layers of each network


QUICK = {"seeds": 1, "steps": 500, "digit_steps": 100, "every": 10, "width": 32}


def main(argv: list[str] | None = None) -> None:
    """The toy with a D that stands still, and with one that learns; then digits; each without and with dropout."""
    args = start(digits.options(__doc__), argv, "coadaptation")
    settings = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(settings)})
    x, _, _ = digits.load(args)
    seeds, dropouts = range(args.seed, args.seed + settings.seeds), (0.0, settings.dropout)
    toys = {
        (learns, p): [once(f"toy, {learns = }, {p = }, {seed = }", play_toy, settings, seed, learns, p) for seed in seeds]
        for learns, p in product((False, True), dropouts)
    }
    games = {p: [once(f"digits, {p = }, {seed = }", play_digits, settings, seed, p, x) for seed in seeds] for p in dropouts}
    measure_toys(claim, toys, settings.dropout)
    measure_digits(claim, games)
    claim.finish(picture(toys, games, claim.metrics, settings), "coadaptation")


def pathways(a: float, dropout: float) -> nn.Sequential:
    """The slide's D: v = c - relu(a (x1 - x2)) - relu(a (x2 - x1)), behind dropout."""
    first = nn.Dense(2, 2, bias=False, weight_init=lambda *_: np.array([[a, -a], [-a, a]], np.float32))  # a column each
    return nn.Sequential(nn.Dropout(dropout), first, nn.ReLU(), nn.Dense(2, 1, weight_init=nn.init.normal(0.0, mean=-1.0)))


def play_toy(s: Settings, seed: int, learns: bool, dropout: float) -> dict[str, np.ndarray]:
    """A linear G of two pixels with noise of size 1 against this D; data: x1 = x2 = 0. G's samples before and after."""
    mg.seed(seed)
    G, D = nn.Dense(s.z, 2, bias=False, weight_init=nn.init.normal(s.z**-0.5)), pathways(s.a, dropout)
    game = GAN(G, D, data.noise(s.z), *adams(G, D, s.lr, s.lr_discriminator if learns else 0.0))
    z = data.noise(s.z)(2000)
    before = game.sample(2000, z=z)
    train(game, data.batches(np.zeros((1000, 2), np.float32), size=s.batch), s.steps, "toy")
    return {"before": before, "after": game.sample(2000, z=z)}


def noise(x: np.ndarray, sign: int = 1) -> float:
    """The standard deviation of x1 + x2; with sign -1, of x1 - x2."""
    return float((x[:, 0] + sign * x[:, 1]).std())


def measure_toys(claim: Claim, toys: dict, dropout: float) -> None:
    """What is left of the noise, in the worst of the seeds."""
    sums = {key: [noise(run["after"]) for run in runs] for key, runs in toys.items()}
    stays, goes = min(sums[False, 0.0]), max(sums[False, dropout])
    before = min(noise(run["before"]) for run in toys[False, 0.0])
    claim.note("toy_before", before, "reported: std(x1 + x2), least noisy seed")
    claim.note("toy", stays, "above 1: the noise that cancels stays", stays > 1)
    claim.note("toy_difference", max(noise(run["after"], -1) for run in toys[False, 0.0]), "reported: std(x1 - x2)")
    claim.note("toy_dropout", goes, "below 0.05: nothing stays", goes < 0.05)
    claim.note("toy_D_learns", max(sums[True, 0.0]), "reported: above 1, if the effect outlived D's learning")
    claim.note("toy_D_learns_dropout", max(sums[True, dropout]), "reported")


class InkDropout(nn.Dropout):
    """Dropout for pixels from -1, black, to 1: on the scale of ink, from 0 to 1, so that a dropped pixel is black."""

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * super().forward((x + 1.0) / 2.0) - 1.0


def play_digits(s: Settings, seed: int, dropout: float, x: np.ndarray) -> dict:
    """The dense players on digits: ink in G's borders over time, and how opposite D's first layer sees its pixels."""
    mg.seed(seed)
    border = (x == 0).all(axis=0).ravel()  # pixels that are black in all images
    G, D = digits.dense_players(s.z, s.width)
    D, W, ink = nn.Sequential(InkDropout(dropout), *D), D[1].weight, []
    before = W.numpy()[border].copy()

    def look(game):
        ink.append(np.square((game.sample(500).reshape(500, -1)[:, border] + 1) / 2).mean())

    game = GAN(G, D, data.noise(s.z), *adams(G, D, s.digit_lr, s.digit_lr))
    batches = data.batches(2 * x - 1, size=s.batch)
    train(game, batches, s.digit_steps, f"digits, dropout {dropout}", s.every, look, ink=ink)
    after = W.numpy()[border]
    return {"ink": ink, "before": cosines(before), "after": cosines(after), "learnt": cosines(after - before)}


def cosines(W: np.ndarray) -> np.ndarray:
    """The cosine of the angle between each two rows of W: -1 is opposite. In the order of np.triu_indices(len(W), 1)."""
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(W), 1)]


def measure_digits(claim: Claim, games: dict[float, list[dict]]) -> None:
    """Ink in G's borders, and opposite pairs in D's first layer."""
    claim.note("digits_cosine_before", lowest(games, "before"), "reported: of the most opposite pair, by chance")
    for p, runs in games.items():
        name, ink = "digits_dropout" if p else "digits", [run["ink"][-1] for run in runs]
        claim.note(f"{name}_cosine", lowest({p: runs}, "after"), "reported: -1 in the toy")
        claim.note(f"{name}_cosine_learnt", lowest({p: runs}, "learnt"), "reported: of what the training added")
        claim.note(f"{name}_ink_least", min(ink), "reported: at G's border, 0 in the data; of the seeds, the least")
        claim.note(f"{name}_ink_most", max(ink), "reported: and the most")


def lowest(games: dict[float, list[dict]], key: str) -> float:
    """The cosine of the most opposite pair in these games."""
    return float(min(run[key].min() for runs in games.values() for run in runs))


def picture(toys: dict, games: dict, figures: dict[str, float], settings: Settings) -> plt.Figure:
    """The toy's samples, four times; ink in G's borders over the training; the cosines in D's first layer."""
    figure = plt.figure(figsize=(14, 7.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(7, 6))
    for axes, ((learns, p), runs) in zip(left.subplots(2, 2, sharex=True, sharey=True).flat, toys.items(), strict=True):
        draw_toy(axes, runs[0], f"D {'learns' if learns else 'stands still'}, {f'dropout {p}' if p else 'no dropout'}")
    left.axes[0].legend(loc="upper left", markerscale=4)
    left.suptitle("the toy: G's two border pixels (data: $x_1 = x_2 = 0$)")
    above, below = right.subplots(2, 1)
    draw_digits(above, below, games, settings.every)
    right.suptitle("digits: D learns from the start")
    figure.suptitle(
        f"In the lecture's toy, noise that cancels stays, std($x_1 + x_2$) = {figures['toy']:.2g}; with dropout "
        f"{figures['toy_dropout']:.1g}; but if D learns, {figures['toy_D_learns']:.1g} without.\n"
        f"On digits, no two border pixels are opposites to D (lowest cosine {lowest(games, 'after'):.2f}, "
        f"before the training {lowest(games, 'before'):.2f})"
    )
    return figure


def draw_toy(axes: plt.Axes, run: dict[str, np.ndarray], name: str) -> None:
    """G's samples before the training and after it."""
    axes.scatter(*run["before"].T, s=3, color="lightgrey", linewidths=0, label="before")
    axes.scatter(*run["after"].T, s=5, color=FAKE, linewidths=0, label="after")
    axes.set(title=f"{name}\nstd($x_1 + x_2$) = {noise(run['after']):.2g}", aspect="equal")
    axes.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-3, 3), ylim=(-3, 3))
    axes.label_outer()


def draw_digits(above: plt.Axes, below: plt.Axes, games: dict[float, list[dict]], every: int) -> None:
    """Ink in G's borders over the training; how opposite the pairs of border pixels are, before the training and after it."""
    edges = np.linspace(-1, 1, 81)
    before = np.concatenate([run["before"] for runs in games.values() for run in runs])
    below.hist(before, edges, density=True, color="lightgrey", label="before")
    for (p, runs), colour in zip(games.items(), (FAKE, REAL), strict=True):
        ink, label = np.transpose([run["ink"] for run in runs]), f"dropout {p} of D's input" if p else "no dropout"
        above.semilogy(every * np.arange(1, len(ink) + 1), ink, color=colour)[0].set_label(label)
        after = np.concatenate([run["after"] for run in runs])
        below.hist(after, edges, density=True, histtype="step", color=colour, label=label)
    above.set(xlabel="iteration", ylabel="mean $x^2$", title="G's pixels that are 0 in all the data (each seed)")
    below.set(xlabel="cosine of two border pixels' weights in D's first layer; -1: $a (x_1 - x_2)$", ylabel="density")
    above.legend()
    below.legend()


if __name__ == "__main__":
    main()
