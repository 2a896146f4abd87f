"""If D sees only a (x1 - x2), noise that cancels stays; dropout on D's input removes it, and so does a D that learns.

Slide: "In the latter case, D gives feedback to G that images are “ok” as long as the background noise “cancels” itself"; "we
can use dropout on the input layer x, so that each pathway must judge independently if the image is a fake." (CS/DS 552,
class 7)

At a digit's border, x1 = x2 = 0, and so the weaker a x1 - a x2 = 0 holds as well. A D of two pathways, relu(a (x1 - x2)) and
relu(a (x2 - x1)), knows only the weaker one. In the toy, G is linear and has two pixels, and this D does not learn: x1 + x2 has
no gradient and stays as noisy as it was. With dropout, a pathway often sees x1 or x2 alone. Then digits, without and with
dropout on D's input. Two numbers would reveal a co-adapted D: ink stays at G's border, and pairs of border pixels have opposite
weights into D's first layer (cosine -1). As a check, both are measured on a D into which such pathways are planted.

What to look for: does the D that learns freely come anywhere near the planted one? It does not: the slide's effect was not
found on digits.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.training import adam, adams, train
from minigan import Tensor, data, nn, optim
from minigan.games import GAN


@dataclass
class Settings:
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
VERDICT = "Not here: noise that cancels stays only if D cannot learn; on digits, the effect was not found."
FINDING = (
    "With a D that does not learn, {toy|%} of the cancelling noise stays, with input dropout {toy_dropout|%2}; with one that "
    "learns, {toy_D_learns|%1} (worst of 3 seeds). On digits, dropout multiplies the ink at G's border by "
    "{digits_dropout_ink ÷ digits_ink|.2f} ({dropout_log10_ink|lower}): the slide's effect was not found there."
)
ON_TOYS = (
    "A D that stands still: {toy|%} of the noise that cancels stays, with input dropout {toy_dropout|%2};\n"
    "a D that learns: {toy_D_learns|%1}, with dropout {toy_D_learns_dropout|%2}"
)
ON_DIGITS = (
    "Digits, where D learns: no two border pixels become opposites to D (lowest cosine {least_cosine|.2f}; planted "
    "{planted_cosine|.2f});\ninput dropout multiplies the ink at G's border by {digits_dropout_ink ÷ digits_ink|.2g}"
)


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    """The toy with a D that does not learn, and with one that does; digits with a D that learns, and with a planted one."""
    x, _, _ = digits.load(claim.args)
    kinds = list(product((False, True), (0.0, s.dropout)))  # does the toy's D learn, or has the digits' D planted pathways?
    toys = over_kinds(claim, play_toy, kinds, s.toy_seeds, s, steps=len(kinds) * s.toy_seeds * s.toy_steps)
    seeds = {(planted, p): s.planted_seeds if planted else s.seeds for planted, p in kinds}
    games = over_kinds(claim, play_digits, seeds, seeds, s, x, steps=sum(seeds.values()) * s.steps)
    measure_toys(claim, toys)
    measure_digits(claim, games)
    claim.show(picture_of_toys(toys), "toy", claim.words(ON_TOYS))
    low, high = (10 ** claim.metrics[f"dropout_log10_ink {end}"] for end in ("low", "high"))
    claim.show(picture_of_digits(games, s), "digits", f"{claim.words(ON_DIGITS)} (95 %: {low:.2g} to {high:.2g})")


# --- the toy ------------------------------------------------------------------------------------------------------------


def pathways(a: float, dropout: float) -> nn.Sequential:
    """The slide's D: v = c - relu(a (x1 - x2)) - relu(a (x2 - x1)), behind dropout."""
    first = nn.Dense(2, 2, bias=False, weight_init=lambda *_: np.array([[a, -a], [-a, a]], np.float32))  # a column each
    return nn.Sequential(nn.Dropout(dropout), first, nn.ReLU(), nn.Dense(2, 1, weight_init=nn.init.normal(0.0, mean=-1.0)))


def play_toy(kind: tuple[bool, float], seed: int, s: Settings) -> dict[str, np.ndarray]:
    """A linear G of two pixels with noise of size 1 against this D; data: x1 = x2 = 0. G's samples before and after."""
    mg.seed(seed)
    learns, dropout = kind
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
    still, still_dropout, learns, learns_dropout = (
        [noise(run["after"]) / noise(run["before"]) for run in runs] for runs in toys.values()
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


def play_digits(kind: tuple[bool, float], seed: int, s: Settings, x: np.ndarray) -> dict[str, np.ndarray]:
    """The dense players on digits: ink in G's borders over time, and cosines of the border pixels' weights into D."""
    mg.seed(seed)
    planted, dropout = kind
    border = np.flatnonzero((x == 0).all(axis=0))  # the pixels that are black in all images: ...
    border = border[: min(len(border), s.border) // 2 * 2]  # ... the first ones, an even number of them, for pairs
    G, D = digits.dense_players(s.z, s.width)
    D, W, ink = nn.Sequential(InkDropout(dropout), *D), D[1].weight, []
    before = W.numpy()[border].copy()
    opt_D = Planted(D, W, border, s.a, s.lr) if planted else adam(D, s.lr)
    game = GAN(G, D, data.noise(s.z), adam(G, s.lr), opt_D, r1=s.r1)
    batches = data.batches(2 * x - 1, size=s.batch)

    def look(game: GAN) -> None:
        ink.append(float(np.square((game.sample(500).reshape(500, -1)[:, border] + 1) / 2).mean()))

    train(game, batches, s.steps, "digits", s.every, look, falling=False, ink=ink)
    after = W.numpy()[border]
    of_weights = {"before": before, "after": after, "learnt": after - before}
    return {"ink": np.array(ink)} | {name: cosines(weights) for name, weights in of_weights.items()}


def cosines(W: np.ndarray) -> np.ndarray:
    """The cosine between every two rows of W (-1: opposite), in the order of np.triu_indices(len(W), 1)."""
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(W), 1)]


def measure_digits(claim: Claim, games: dict) -> None:
    """Ink in G's borders, and the most opposite pair in D's first layer: without and with dropout, learnt and planted."""
    sides = dict(zip(("digits", "digits_dropout", "planted", "planted_dropout"), games.values(), strict=True))
    free, free_dropout, planted, planted_dropout = sides.values()
    for name, runs in sides.items():
        claim.note(f"{name}_ink", 10 ** np.mean(log_ink(runs)), "reported: at G's border, 0 in the data; geometric mean")
        claim.note(f"{name}_cosine", lowest(runs, "learnt").mean(), "reported: most opposite pair, of what D learnt; mean")
    claim.note("pairs", len(free), "reported: seeds")
    claim.note("least_cosine", lowest(free, "learnt").min(), "reported: -1, if a D without dropout had co-adapted anywhere")
    claim.compare("dropout_log10_ink", compare(log_ink(free_dropout), log_ink(free), paired=True))
    cosines = [lowest(runs, "learnt") for runs in (free_dropout, free)]
    claim.compare("dropout_cosine", compare(*cosines, "higher", paired=True))
    claim.compare("training_cosine", compare(lowest(free, "after"), lowest(free, "before"), "higher", paired=True))
    # Do the metrics reveal a co-adapted D, and that dropout ends co-adaptation?
    claim.at_most("planted_cosine_most", lowest(planted, "learnt").max(), -0.9)
    same_seeds = free[: len(planted)]
    claim.compare("planting_log10_ink", compare(log_ink(planted), log_ink(same_seeds), paired=True), {HURTS})
    claim.compare("planted_dropout_log10_ink", compare(log_ink(planted_dropout), log_ink(planted), paired=True), {HELPS})


def log_ink(runs: list[dict[str, np.ndarray]]) -> np.ndarray:
    """log10 of the ink at the end of each run: a mean over the last quarter of the measurements."""
    return np.array([np.log10(run["ink"][-max(1, len(run["ink"]) // 4) :]).mean() for run in runs])


def lowest(runs: list[dict[str, np.ndarray]], key: str) -> np.ndarray:
    """The cosine of the most opposite pair in each run."""
    return np.array([run[key].min() for run in runs])


def picture_of_toys(toys: dict) -> Figure:
    """G's samples of the first seed before the training and after it, four times."""
    figure, places = slide(1, 4, height=6, sharex=True, sharey=True)
    for axes, ((learns, p), runs) in zip(places, toys.items(), strict=True):
        before, after = runs[0]["before"], runs[0]["after"]
        axes.plot(*before.T, ".", color="lightgrey", markersize=4, label="G's samples before the training")
        axes.plot(0, 0, "+", color=REAL, markersize=24, label="the data")
        axes.plot(*after.T, "o", color=FAKE, markersize=4, markeredgewidth=0, label="G's samples after it")
        name = f"D {'learns' if learns else 'stands still'},\n{f'dropout {p}' if p else 'no dropout'}"
        axes.set(title=f"{name}:\nstd($x_1 + x_2$) = {noise(after):.2g}", aspect="equal")
        axes.set(xlabel="border pixel $x_1$", ylabel="border pixel $x_2$", xlim=(-3, 3), ylim=(-3, 3))
        axes.label_outer()
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


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
