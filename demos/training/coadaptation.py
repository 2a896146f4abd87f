"""If D sees only a (x1 - x2), noise that cancels stays; dropout on D's input removes it; then a D that learns.

Slide: "In the latter case, D gives feedback to G that images are “ok” as long as the background noise “cancels” itself"; "we
can use dropout on the input layer x, so that each pathway must judge independently if the image is a fake." (CS/DS 552,
class 7)

At a digit's border, x1 = x2 = 0, and so the weaker a x1 - a x2 = 0 holds as well. A D of two pathways, relu(a (x1 - x2)) and
relu(a (x2 - x1)), knows only the weaker one. In the toy, G is linear and has two pixels, and this D does not learn: x1 + x2 has
no gradient and stays as noisy as it was. With dropout, a pathway often sees x1 or x2 alone.

Then digits, at fixed learning rates: without and with dropout on D's input (of ink: a dropped pixel is black, the slide's 0),
on the same seeds. Two numbers would reveal a co-adapted D: ink stays at G's border, and pairs of border pixels have opposite
weights into D's first layer (cosine -1). As a check, both are measured on a D into which such pathways are planted.
What to look for: does the D that learns freely come anywhere near the planted one?
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, compare
from demos.kit.experiment import demo
from demos.kit.loops import resumable, run_tasks
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.training import adam, adams, train
from minigan import Tensor, data, nn, optim
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    dropout: float = 0.2  # of D's input, in the games with dropout
    z: int = 64
    a: float = 2.0  # a pathway's weights of x1 and x2
    toy_seeds: int = 3
    toy_steps: int = 1500  # iterations; the learning rates fall linearly to 0
    toy_batch: int = 100
    toy_lr: float = 1e-2
    toy_lr_discriminator: float = 1e-3  # where D learns; else 0
    seeds: int = 10  # digits: pairs of games without and with dropout
    planted_seeds: int = 3  # the first of them, with a planted D
    steps: int = 1500  # iterations, at fixed learning rates
    lr: float = 1e-3  # of both
    r1: float = 1.0
    batch: int = 32
    width: int = 128  # of the two hidden layers of each network
    border: int = 66  # the most border pixels that are measured: all of MNIST's but one
    every: int = 25  # iterations between two measurements of the borders; the last quarter of them is averaged


QUICK = {"toy_seeds": 1, "toy_steps": 500, "seeds": 1, "planted_seeds": 1, "steps": 20, "every": 5, "width": 80}


OPPOSITE = -0.9  # a cosine from here to -1


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    """The toy with a D that does not learn, and with one that does; digits with a D that learns, and with a planted one."""
    args = claim.args
    x, _, _ = digits.load(args)
    toys = side_by_side(play_toy, "D learns", args.seed, {False: s.toy_seeds, True: s.toy_seeds}, s, steps=s.toy_steps)
    games = side_by_side(play_digits, "planted", args.seed, {False: s.seeds, True: s.planted_seeds}, s, x, steps=s.steps)
    measure_toys(claim, toys)
    measure_digits(claim, games)
    claim.show(picture_of_toys(toys), "toy", title_of_toys(claim.metrics))
    claim.show(picture_of_digits(games, s), "digits", title_of_digits(claim.metrics))


def side_by_side(play: Any, what: str, first: int, seeds: dict[bool, int], s: Settings, *shared: Any, steps: int) -> dict:
    """(kind, dropout) -> the runs of all seeds."""
    kinds = list(product(seeds, (0.0, s.dropout)))
    tasks = {
        f"{what}: {kind}, {p = }, {seed = }": (seed, kind, p) for kind, p in kinds for seed in range(first, first + seeds[kind])
    }
    runs = dict(zip(tasks.values(), run_tasks(play, tasks, s, *shared, steps=len(tasks) * steps), strict=True))
    return {(kind, p): [run for (_, *of), run in runs.items() if of == [kind, p]] for kind, p in kinds}


# --- the toy ------------------------------------------------------------------------------------------------------------


def pathways(a: float, dropout: float) -> nn.Sequential:
    """The slide's D: v = c - relu(a (x1 - x2)) - relu(a (x2 - x1)), behind dropout."""
    first = nn.Dense(2, 2, bias=False, weight_init=lambda *_: np.array([[a, -a], [-a, a]], np.float32))  # a column each
    return nn.Sequential(nn.Dropout(dropout), first, nn.ReLU(), nn.Dense(2, 1, weight_init=nn.init.normal(0.0, mean=-1.0)))


def play_toy(seed: int, learns: bool, dropout: float, s: Settings) -> dict[str, np.ndarray]:
    """A linear G of two pixels with noise of size 1 against this D; data: x1 = x2 = 0. G's samples before and after."""
    mg.seed(seed)
    G, D = nn.Dense(s.z, 2, bias=False, weight_init=nn.init.normal(s.z**-0.5)), pathways(s.a, dropout)
    game = GAN(G, D, data.noise(s.z), *adams(G, D, s.toy_lr, s.toy_lr_discriminator if learns else 0.0))
    z = data.noise(s.z)(2000)
    before = game.sample(2000, z=z)
    train(game, data.batches(np.zeros((1000, 2), np.float32), size=s.toy_batch), s.toy_steps, "toy")
    return {"before": before, "after": game.sample(2000, z=z)}


def noise(x: np.ndarray, sign: int = 1) -> float:
    """The standard deviation of x1 + x2; with sign -1, of x1 - x2."""
    return float((x[:, 0] + sign * x[:, 1]).std())


def measure_toys(claim: Claim, toys: dict) -> None:
    """The share of the noise that cancels, x1 + x2, which is left; the worst of the seeds."""
    left = {key: [noise(run["after"]) / noise(run["before"]) for run in runs] for key, runs in toys.items()}
    (still, still_dropout), (learns, learns_dropout) = (
        [runs for (kind, _), runs in left.items() if kind == learning] for learning in (False, True)
    )
    claim.at_least("toy", min(still), 0.9, quick=True)
    claim.at_most("toy_dropout", max(still_dropout), 0.05, quick=True)
    differences = (noise(run["after"], -1) / noise(run["before"], -1) for run in toys[False, 0.0])
    claim.at_most("toy_difference", max(differences), 0.05, quick=True)
    claim.note("toy_D_learns", max(learns), "reported: 1, if the noise outlived D's learning")
    claim.note("toy_D_learns_dropout", max(learns_dropout), "reported")


# --- digits -------------------------------------------------------------------------------------------------------------


class InkDropout(nn.Dropout):
    """Dropout for pixels from -1, black, to 1: on the scale of ink, from 0 to 1, so that a dropped pixel is black."""

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * super().forward((x + 1.0) / 2.0) - 1.0


class Planted(optim.Adam):
    """Adam for a D whose first layer W (784, width) always sees border pixels in pairs, through the toy's pathways.

    Each pair has two hidden units with weights a, -a and -a, a, which see nothing else. No other unit sees the border.
    """

    def __init__(self, D: nn.Module, W: Tensor, border: np.ndarray, a: float, lr: float):
        super().__init__(D.parameters(), lr, (0.5, 0.999))
        self.W, (first, second) = W, border.reshape(-1, 2).T
        one = np.arange(0, 2 * len(first), 2)  # of a pair's two units
        self.held, self.plant = np.zeros(W.shape, bool), np.zeros(W.shape, np.float32)
        self.held[border] = self.held[:, : 2 * len(first)] = True
        self.plant[first, one] = self.plant[second, one + 1] = a
        self.plant[second, one] = self.plant[first, one + 1] = -a
        self.hold()

    def step(self) -> None:
        super().step()
        self.hold()

    def hold(self) -> None:
        """Reset the planted weights."""
        self.W.data[self.held] = self.plant[self.held]


def play_digits(seed: int, planted: bool, dropout: float, s: Settings, x: np.ndarray) -> dict[str, np.ndarray]:
    """The dense players on digits: ink in G's borders over time, and cosines of the border pixels' weights into D."""
    mg.seed(seed)
    border = border_of(x, s.border)
    G, D = digits.dense_players(s.z, s.width)
    D, W, ink = nn.Sequential(InkDropout(dropout), *D), D[1].weight, []
    before = W.numpy()[border].copy()
    opt_D = Planted(D, W, border, s.a, s.lr) if planted else adam(D, s.lr)
    game = GAN(G, D, data.noise(s.z), adam(G, s.lr), opt_D, r1=s.r1)
    batches = data.batches(2 * x - 1, size=s.batch)
    for t in resumable(range(1, s.steps + 1), "digits", game=game, batches=batches, ink=ink):
        game.step(batches)
        if t % s.every == 0:
            ink.append(float(np.square((game.sample(500).reshape(500, -1)[:, border] + 1) / 2).mean()))
    after = W.numpy()[border]
    found = {"before": cosines(before), "after": cosines(after), "learnt": cosines(after - before)}
    return {"ink": np.array(ink), **found}


def border_of(x: np.ndarray, most: int) -> np.ndarray:
    """The indices of the first pixels that are black in all images: an even number of them, for pairs."""
    border = np.flatnonzero((x == 0).all(axis=0))
    return border[: min(len(border), most) // 2 * 2]


def cosines(W: np.ndarray) -> np.ndarray:
    """The cosine between every two rows of W (-1: opposite), in the order of np.triu_indices(len(W), 1)."""
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(W), 1)]


def measure_digits(claim: Claim, games: dict) -> None:
    """Ink in G's borders, and the most opposite pair in D's first layer: without and with dropout, learnt and planted."""
    (free, free_dropout), (planted, planted_dropout) = (
        [runs for (kind, _), runs in games.items() if kind == plant] for plant in (False, True)
    )
    sides = {"digits": free, "digits_dropout": free_dropout, "planted": planted, "planted_dropout": planted_dropout}
    for name, runs in sides.items():
        claim.note(f"{name}_ink", 10 ** np.mean(log_ink(runs)), "reported: at G's border, 0 in the data; geometric mean")
        claim.note(f"{name}_cosine", lowest(runs, "learnt").mean(), "reported: most opposite pair, of what D learnt; mean")
    claim.note("pairs", len(free), "reported: seeds")
    claim.note("least_cosine", lowest(free, "learnt").min(), "reported: -1, if a D without dropout had co-adapted anywhere")
    paired = zip(("log10_ink", "cosine"), (log_ink, lambda runs: lowest(runs, "learnt")), ("lower", "higher"), strict=True)
    for name, figure, better in paired:
        claim.compare(f"dropout_{name}", compare(figure(free_dropout), figure(free), better, paired=True))
    chance = compare(lowest(free, "after"), lowest(free, "before"), "higher", paired=True)
    claim.compare("training_cosine", chance)
    # Do the metrics reveal a co-adapted D, and that dropout ends co-adaptation?
    claim.at_most("planted_cosine_most", lowest(planted, "learnt").max(), OPPOSITE)
    same_seeds = free[: len(planted)]
    claim.compare("planting_log10_ink", compare(log_ink(planted), log_ink(same_seeds), paired=True), {HURTS})
    claim.compare("planted_dropout_log10_ink", compare(log_ink(planted_dropout), log_ink(planted), paired=True), {HELPS})


def log_ink(runs: list[dict[str, np.ndarray]]) -> np.ndarray:
    """log10 of the ink at the end of each run: a mean over the last quarter of the measurements."""
    return np.array([np.log10(run["ink"][-max(1, len(run["ink"]) // 4) :]).mean() for run in runs])


def lowest(runs: list[dict[str, np.ndarray]], key: str) -> np.ndarray:
    """The cosine of the most opposite pair in each run."""
    return np.array([run[key].min() for run in runs])


# --- in words -----------------------------------------------------------------------------------------------------------


def found(m: dict[str, float]) -> str:
    """For README."""
    return (
        f"a D that does not learn: {percent(m['toy'])} of the noise that cancels stays, "
        f"with input dropout {percent(m['toy_dropout'])}; "
        f"a D that learns, without dropout: {percent(m['toy_D_learns'])}. Digits, {m['pairs']:.0f} pairs of games: "
        f"{of_opposites(m)}; input dropout {on_ink(m)}. If opposites are planted into D, ink stays ({m['planted_ink']:.2g} "
        f"instead of {m['digits_ink']:.1g}; with dropout {m['planted_dropout_ink']:.1g})"
    )


def of_opposites(m: dict[str, float]) -> str:
    """Whether the D that learns has co-adapted."""
    some = "some" if m["least_cosine"] <= OPPOSITE else "no"
    cosines = f"lowest cosine {m['least_cosine']:.2f}; planted {m['planted_cosine']:.2f}"
    return f"{some} two border pixels become opposites to D ({cosines})"


def on_ink(m: dict[str, float]) -> str:
    """The effect of dropout where D learns: an interval without a verdict, as these few pairs cannot settle a small effect."""
    times, low, high = (10 ** m[f"dropout_log10_ink{end}"] for end in ("", " low", " high"))
    return f"multiplies the ink at G's border by {times:.2g} (95 %: {low:.2g} to {high:.2g})"


def title_of_toys(m: dict[str, float]) -> str:
    """The first picture's."""
    return (
        f"A D that stands still: {percent(m['toy'])} of the noise that cancels stays, "
        f"with input dropout {percent(m['toy_dropout'])};\n"
        f"a D that learns: {percent(m['toy_D_learns'])}, with dropout {percent(m['toy_D_learns_dropout'])}"
    )


def percent(share: float) -> str:
    """A share in per cent; a small one to one significant digit."""
    return f"{100 * share:.0f} %" if share > 0.1 else f"{100 * share:.1g} %"


def title_of_digits(m: dict[str, float]) -> str:
    """The second picture's."""
    return f"Digits, where D learns: {of_opposites(m)};\ninput dropout {on_ink(m)}"


# --- pictures -----------------------------------------------------------------------------------------------------------


def picture_of_toys(toys: dict) -> Figure:
    """G's samples of the first seed, four times."""
    figure, axes = slide(1, 4, height=6, sharex=True, sharey=True)
    for ax, ((learns, p), runs) in zip(axes, toys.items(), strict=True):
        draw_toy(ax, runs[0], f"D {'learns' if learns else 'stands still'},\n{f'dropout {p}' if p else 'no dropout'}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_toy(axes: Axes, run: dict[str, np.ndarray], name: str) -> None:
    """G's samples before the training and after it."""
    axes.plot(*run["before"].T, ".", color="lightgrey", markersize=4, label="G's samples before the training")
    axes.plot(0, 0, "+", color=REAL, markersize=24, label="the data")
    axes.plot(*run["after"].T, "o", color=FAKE, markersize=4, markeredgewidth=0, label="G's samples after it")
    axes.set(title=f"{name}:\nstd($x_1 + x_2$) = {noise(run['after']):.2g}", aspect="equal")
    axes.set(xlabel="border pixel $x_1$", ylabel="border pixel $x_2$", xlim=(-3, 3), ylim=(-3, 3))
    axes.label_outer()


def picture_of_digits(games: dict, s: Settings) -> Figure:
    """Ink in G's borders over the training; the most opposite pairs of border pixels. Each seed."""
    figure, (left, right) = slide(1, 2)
    names = []
    for place, ((planted, p), runs) in enumerate(games.items(), 1):
        look = {"color": OTHERS[1] if planted else OTHERS[2], "linestyle": "--" if p else "-"}
        ink = np.array([run["ink"] for run in runs])
        t = s.every * np.arange(1, ink.shape[1] + 1)
        names.append(f"{'planted D' if planted else 'D learns'}, {f'dropout {p}' if p else 'no dropout'}")
        left.semilogy(t, ink.T, linewidth=0.7, alpha=0.4, **look)
        left.semilogy(t, 10 ** np.log10(ink).mean(axis=0), linewidth=3, label=names[-1], **look)
        low = lowest(runs, "learnt")
        right.plot(low, [place] * len(low), "s" if p else "o", color=look["color"], markerfacecolor="none", markersize=9)
    before = lowest(games[False, 0.0], "before")
    right.plot(before, [0] * len(before), "|", color=OTHERS[3], markersize=14)
    right.set_yticks(range(5), ["chance, before\nthe training", *(name.replace(", ", ",\n") for name in names)])
    right.set(ylim=(4.5, -0.5), ylabel="D, and each of its seeds")
    right.set(xlim=(-1.05, 0), xlabel="lowest cosine of two border pixels' weights\nthat D learnt (-1: opposites)")
    left.set(xlabel="iteration", ylabel="mean squared ink at G's border (0 in the data)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


if __name__ == "__main__":
    main()
