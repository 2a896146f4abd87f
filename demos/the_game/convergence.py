"""If D reaches its optimum before each improvement of p_g, then p_g converges to p_data.

Slide: "Proposition 2. If G and D have enough capacity, and at each step of Algorithm 1, the discriminator is allowed to reach
its optimum given G, and p_g is updated so as to improve the criterion" E log D*(x) + E log(1 - D*(G(z))) "then p_g converges
to p_{data}" (Security and Fairness of Deep Learning, CMU).

The proof moves p_g itself. So does the first half: p_g is a table of 50 probabilities, which descends the criterion by D*. The
second half trains networks: D only approaches its optimum, by k = 5 steps for each step of G. What to look for, most of all in
animation.gif: lines lead from z to x = G(z). G moves them to where D (dashed) is high, and D falls there. In the end D is 1/2
wherever there are data, but not between the two humps: a continuous G cannot jump from one to the other. D near 1/2 and V near
-log 4 prove little alone: both hold before the training, too. Hence 2 JSD, the amount by which the best D's V exceeds -log 4;
it is computed from p_g's histogram. All numbers are those of the worst seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import pictures
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_seeds
from demos.kit.line import Mixture, jensen_shannon, network
from demos.kit.loops import resumable
from demos.kit.style import D_COLOUR, FAKE, G_COLOUR, OTHERS, REAL, slide
from demos.kit.training import descend
from minigan import Tensor, data, losses, metrics, no_grad, optim, sigmoid
from minigan.backend import random_numbers
from minigan.games import GAN


@dataclass
class Settings:
    steps: int = 2000  # iterations of the game; the learning rates fall linearly to 0 over them
    k: int = 5  # D steps for each of G: D stays near its optimum, as the proposition asks
    batch: int = 128
    lr: tuple[float, float] = (1e-3, 3e-3)  # Adam's, for G and for D
    betas: tuple[float, float] = (0.0, 0.99)  # without momentum the two do not overshoot each other
    width: int = 64
    seeds: int = 3
    snapshots: int = 48
    table_steps: int = 2000
    table_lr: float = 20.0  # the curvature at the solution is p / 2, below 1/20
    value: float = 0.05  # what the distances of V from -log 4, ...
    w1: float = 0.1  # ... of G's samples from the data, in standard deviations of the data, ...
    half: float = 0.15  # ... and of D from 1/2 must stay below


QUICK = {"steps": 200, "seeds": 1, "snapshots": 8}  # enough for the table, not for the networks
VERDICT = "True: against the best D, G's distribution reaches the data's; two networks come close with five D steps per G step."
FINDING = (
    "Against the best D, a table of probabilities ends within {table_TV|<} of the data (total variation). Two networks: the "
    "samples end at most {W1_in_std|<} standard deviations from the data (Wasserstein distance), and $V$ within "
    "{value_from_-log4|<} of $-\\log 4$ (worst of 3 seeds)."
)
NEAR = (
    "Two networks: the Wasserstein distance of $p_g$ from $p_{{data}}$ ends at {W1_in_std|.2f} standard deviations of the data"
)
VALUES = (
    "With the best D each time, $V$ falls at every step, and $p_g$ as a table ends within {table_TV|<} of $p_{{data}}$ (total "
    "variation). Networks: $V$ ends within {value_from_-log4|<} of $-\\log 4$"
)

DATA = Mixture((0.5, 0.5), (-1.5, 1.5), (0.5, 0.5))
STD = np.sqrt(0.5**2 + 1.5**2)
EDGES = np.linspace(-4.0, 4.0, 101)
X = (EDGES[1:] + EDGES[:-1]) / 2  # the middles of the histogram's bins
Z = np.array([[NormalDist().inv_cdf((i + 0.5) / 20_000)] for i in range(20_000)], np.float32)  # N(0, 1), without noise
LINES = slice(250, None, 500)  # the z whose lines are drawn


@demo(Settings(), QUICK)
def main(claim: Claim, settings: Settings) -> str:
    args = claim.args
    tables = [descend_table(settings, seed) for seed in range(args.seed, args.seed + settings.seeds)]
    measure_tables(claim, tables)
    runs = over_seeds(claim, play, settings, steps=settings.steps)
    measure_runs(claim, runs, settings)
    animate(args.out / "animation.gif", runs[0])
    claim.show(picture(runs), "convergence", claim.words(NEAR))
    claim.show(picture_values(tables, runs), "values", claim.words(VALUES))
    return "animation.gif: G's lines from z to x, and D's output, over the training"


def descend_table(settings: Settings, seed: int, bins: int = 50) -> dict[str, np.ndarray]:
    """Gradient descent on p_g = softmax(theta) against D* = p / (p + p_g): the value, and TV(p_g, p), at every step."""
    x = np.linspace(-4.0, 4.0, bins)
    p = Tensor(DATA.density(x) / DATA.density(x).sum())
    theta = Tensor(np.random.default_rng(seed).standard_normal(bins), requires_grad=True)
    opt = optim.SGD([theta], settings.table_lr)
    values, distances = [], []
    for _ in range(settings.table_steps):
        p_g = mg.softmax(theta)
        best = p / (p + p_g.detach())  # at D's optimum, the gradient through D would be 0 anyway
        criterion = mg.sum(p * mg.log(best)) + mg.sum(p_g * mg.log(1.0 - best))
        values.append(criterion.item())
        distances.append(mg.sum(mg.abs(p_g.detach() - p)).item() / 2)
        descend(opt, criterion)
    return {"value": np.array(values), "TV": np.array(distances)}


def measure_tables(claim: Claim, tables: list[dict]) -> None:
    """Does p_g reach p_data? Does the value fall at every step, to -log 4?"""
    gap = max(table["value"][-1] for table in tables) + np.log(4)
    rise = max(np.diff(table["value"]).max() for table in tables)
    claim.at_most("table_TV", max(table["TV"][-1] for table in tables), 1e-3, quick=True)
    claim.between("table_value_above_-log4", gap, 0, 1e-3, quick=True)
    claim.note("table_largest_rise", rise, "at most 0: V falls at every step", rise <= 0, quick=True)


def play(seed: int, settings: Settings) -> list[dict]:
    """Algorithm 1 on samples of DATA: snapshots of G and D along the way and at the end."""
    mg.seed(seed)
    G, D = players = network(settings.width), network(settings.width)
    rules = (optim.Adam(player.parameters(), lr, settings.betas) for player, lr in zip(players, settings.lr, strict=True))
    game, rng = GAN(G, D, data.noise(1), *rules, k=settings.k), random_numbers.spawn()
    batches = data.batches(DATA.draw(100_000, rng), size=settings.batch)
    decay = optim.LinearDecay([game.opt_G, game.opt_D], settings.steps)
    snapshots = []
    changing = {"game": game, "batches": batches, "decay": decay, "rng": rng, "snapshots": snapshots}
    for t in resumable(range(settings.steps), "training", **changing):
        if t % max(1, settings.steps // settings.snapshots) == 0:
            snapshots.append(snapshot(game, t, DATA.draw(10_000, rng)))
        game.step(batches)
        decay.step()
    return [*snapshots, snapshot(game, settings.steps, DATA.draw(10_000, rng))]


def snapshot(game: GAN, step: int, real: np.ndarray) -> dict:
    """D's curve, p_g, the ends of some lines z -> x, V, and p_g's distance from the data."""
    fake = game.sample(len(Z), z=Z)
    p_g = np.histogram(fake[:, 0], EDGES)[0] / (len(Z) * (EDGES[1] - EDGES[0]))
    fresh = game.sample(len(real))
    with no_grad():
        curve = sigmoid(game.D(Tensor(X[:, None], dtype=np.float32))).numpy()[:, 0]
        value = -losses.discriminator_loss(game.D(Tensor(real)), game.D(Tensor(fresh))).item()
    w1 = metrics.wasserstein1(real[:, 0], fresh[:, 0]) / STD
    jsd = jensen_shannon(DATA.density(X), p_g, EDGES[1] - EDGES[0])
    return {"step": step, "D": curve, "p_g": p_g, "lines": fake[LINES, 0], "value": value, "W1": w1, "JSD": jsd}


def measure_runs(claim: Claim, runs: list[list[dict]], settings: Settings) -> None:
    """Where V, the samples and D end: the worst of the seeds."""
    last, populated = [run[-1] for run in runs], DATA.density(X) > 0.05
    claim.at_most("value_from_-log4", max(abs(s["value"] + np.log(4)) for s in last), settings.value)
    claim.at_most("best_D_value_above_-log4", max(2 * s["JSD"] for s in last), settings.value)
    claim.at_most("W1_in_std", max(s["W1"] for s in last), settings.w1)
    claim.at_most("D_from_half", max(np.abs(s["D"] - 0.5)[populated].max() for s in last), settings.half)


def board(axes: plt.Axes, snapshot: dict) -> None:
    """The usual picture on the board: both densities, D, and below them the lines from z to x."""
    axes.fill_between(X, DATA.density(X), color=REAL, alpha=0.3, label="$p_{data}$")
    axes.step(X, snapshot["p_g"], where="mid", color=FAKE, linewidth=1.5, label="$p_g$")
    axes.plot(X, snapshot["D"], color=D_COLOUR, linestyle="--", label="$D(x)$")
    z = Z[LINES, 0]
    axes.plot([snapshot["lines"], z], [np.full(len(z), -0.06), np.full(len(z), -0.4)], color=G_COLOUR, linewidth=0.7)
    axes.set(xlim=(-4, 4), ylim=(-0.42, 1.05), yticks=[-0.4, -0.06, 0.5, 1], title=f"iteration {snapshot['step']:,}")
    axes.set_yticklabels(["z", "x", "½", "1"])
    axes.set(xlabel="$x$; below, lines from $z$ to $G(z)$", ylabel="density, $D(x)$")


def animate(path: Path, snapshots: list[dict]) -> None:
    """The board over the whole training, as a GIF."""
    figure, axes = plt.subplots(figsize=(6.4, 5))
    figure.subplots_adjust(0.14, 0.14, 0.97, 0.92)  # a layout engine would lay out every frame anew

    def draw(snapshot: dict) -> None:
        axes.clear()
        board(axes, snapshot)
        axes.set_ylim(-0.42, 1.35)
        axes.legend(loc="upper center", ncols=3)

    pictures.animate(figure, draw, snapshots, path)


def picture(runs: list[list[dict]]) -> plt.Figure:
    """The board at three moments of the first game, and how far the samples are from the data in all."""
    figure, places = slide(2, 2)
    for axes, i in zip(places.flat, (0, len(runs[0]) // 4, -1), strict=False):
        board(axes, runs[0][i])
    draw_over_time(places[1, 1], runs, lambda s: s["W1"], OTHERS[0], "-")
    places[1, 1].set(ylabel="$W_1(p_{data}, p_g)$, std", title="each seed", ylim=(0, None))
    figure.legend(*places[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def picture_values(tables: list[dict], runs: list[list[dict]]) -> plt.Figure:
    """V as it approaches -log 4: p_g as a table against the best D, and the two networks."""
    figure, (left, right) = slide(1, 2, height=5.6)
    for table in tables:
        left.semilogy(table["value"] + np.log(4), color=OTHERS[1])
    left.set(title="$p_g$ as a table, $D = D^*$, each seed", xlabel="step", ylabel="$V + \\log 4$, nats")
    draw_over_time(right, runs, lambda s: s["value"] + np.log(4), D_COLOUR, "--", "$V + \\log 4$ of the trained D")
    draw_over_time(right, runs, lambda s: 2 * s["JSD"], OTHERS[1], "-", "of the best D: $2\\,JSD$")
    right.set(title="two networks, each seed", ylabel="nats")
    right.legend()
    return figure


def draw_over_time(axes: plt.Axes, runs: list[list[dict]], figure: Callable, colour: str, style: str, label: str = "") -> None:
    """For each run, a curve of one number of its snapshots."""
    for i, run in enumerate(runs):
        step, values = [s["step"] for s in run], [figure(s) for s in run]
        axes.plot(step, values, color=colour, linestyle=style, label=label if i == 0 and label else None)
    axes.set_xlabel("iteration")
