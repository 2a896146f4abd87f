"""Does D's loss show how far G is from the data, and is the WGAN more stable? A GAN, a clipped WGAN and WGAN-GPs compared.

Slide: "Meaningful learning curves" (IT3320E, lecture 10)

The slide also claims "Improved stability of learning". The critic's loss is minus (E f(x) - E f(G(z))), an estimate of
W(P_r, P_g) that is as good as the critic. So the critic is trained ahead of G: 10 steps to one of G's, at a much higher rate.
A GAN's D is trained in the same way. Its loss and the exact W1 of G's samples are measured at moments in geometric progression:
about half of them are in the first tenth of the iterations, while G learns the data's rough shape. The lecture's WGAN clips
weights: its curve has an arbitrary unit. The WGAN-GP has lambda = 10, as in its paper, and 1, a softer bound.
What to look for: a curve is meaningful if the marks rise from left to right. Do they also after the first tenth? A second
experiment is about stability: three games under 24 settings (rates, tempi, depths, with and without batch normalisation), on
the ring and on small digits. A game ends well if its distance from the data is at most twice that of two samples of the data.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from scipy.stats import spearmanr

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import resumable, run_tasks
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.style import D_COLOUR, MARKERS, OTHERS, slide
from demos.wasserstein import stability
from minigan import Tensor, data, metrics, no_grad, optim
from minigan.games import GAN, WGAN, WGANGP
from minigan.games.game import Game
from minigan.losses import critic_loss, discriminator_loss


@dataclass
class Curves:
    """Everything that the curves depend on, besides the seed. The learning rates fall linearly to 0."""

    steps: int = 400  # iterations
    n_critic: int = 10  # steps of the critic, or of D, in each
    seeds: int = 3
    width: int = 64  # of the two hidden layers of each network
    batch: int = 128
    lr_critic: float = 3e-3
    lr_generator: float = 2e-4
    betas: tuple[float, float] = (0.0, 0.9)  # Adam's
    clip: float = 0.1  # c
    first: int = 5  # the iteration of the first of the moments ...
    moments: int = 40  # ... at which the losses and the distance are measured
    points: int = 500  # of the data, and as many samples, for the exact distance


@dataclass
class Settings:
    """The settings of the curves, and those of the games under many settings."""

    curves: Curves
    stability: stability.Settings


QUICK = Curves(steps=60, seeds=1, lr_generator=1e-3, width=32, moments=15, points=200)
PENALTIES = {"WGAN-GP, lambda 1": 1.0, "WGAN-GP, lambda 10": 10.0}
GAMES = ("WGAN, clipped", *PENALTIES, "GAN")


def make_game(s: Curves, name: str) -> Game:
    """The same networks and rates for all; RMSProp where weights are clipped, as in the lecture's algorithm, else Adam."""
    G, D = generator(s.width), discriminator(s.width)
    optimizer = optim.RMSProp if "clipped" in name else (lambda params, lr: optim.Adam(params, lr, betas=s.betas))
    players = G, D, data.noise(2), optimizer(G.parameters(), s.lr_generator), optimizer(D.parameters(), s.lr_critic)
    if name == "GAN":
        return GAN(*players, k=s.n_critic)
    if name in PENALTIES:
        return WGANGP(*players, n_critic=s.n_critic, penalty=PENALTIES[name])
    return WGAN(*players, n_critic=s.n_critic, clip=s.clip)


def moments(s: Curves) -> np.ndarray:
    """The iterations of the measurements, in geometric progression."""
    return np.unique(np.geomspace(s.first, s.steps, s.moments).round().astype(int))


def train(name: str, seed: int, s: Curves) -> dict[str, np.ndarray]:
    """One training run: -loss_D and the exact distance at each moment, and G's samples at the end."""
    mg.seed(seed)
    game, batches = make_game(s, name), RING.batches(s.batch)
    x, z, decay = RING.sample(s.points), data.noise(2)(s.points), optim.LinearDecay([game.opt_G, game.opt_D], s.steps)
    estimates, distances, looks = [], [], set(moments(s).tolist())
    changing = {"game": game, "batches": batches, "decay": decay, "estimates": estimates, "distances": distances}
    for t in resumable(range(1, s.steps + 1), "game", **changing):
        game.step(batches)
        decay.step()
        if t in looks:
            samples = game.sample(s.points, z=z)
            estimates.append(-loss_of(game, x, samples))
            distances.append(metrics.wasserstein1(x, samples))
    return {"estimate": np.array(estimates), "exact": np.array(distances), "samples": game.sample(2500)}


def loss_of(game: Game, x: np.ndarray, samples: np.ndarray) -> float:
    """D's or the critic's loss, on the same points whose distance is measured."""
    with no_grad():
        loss = discriminator_loss if isinstance(game, GAN) else critic_loss
        return loss(game.D(Tensor(x)), game.D(Tensor(samples))).item()


@demo(Settings(Curves(), stability.Settings()), Settings(QUICK, stability.QUICK), digits.options)
def main(claim: Claim, both: Settings) -> None:
    """The curves of four games, each with every seed; then three games under many settings."""
    args, s = claim.args, both.curves
    seeds = range(args.seed, args.seed + s.seeds)
    tasks = {f"{name}, seed {seed}": (name, seed) for name in GAMES for seed in seeds}
    played = run_tasks(train, tasks, s, steps=len(tasks) * s.steps)
    runs = {name: played[i * s.seeds : (i + 1) * s.seeds] for i, name in enumerate(GAMES)}
    report(claim, runs, s)
    claim.show(draw_agreement(runs, s), "learning_curves", agreement(claim.metrics))
    claim.show(draw_curves(runs, s), "curves", agreement(claim.metrics))
    claim.show(draw_samples(runs), "samples", after(claim.metrics))
    stability.experiment(claim, both.stability)


# --- the metrics --------------------------------------------------------------------------------------------------------


def report(claim: Claim, runs: dict, s: Curves) -> None:
    """How each curve agrees with the distance, over the whole training and after its first tenth; where each game ends."""
    late = moments(s) > s.steps / 10
    for name, trainings in runs.items():
        whole, first, rest = (
            min(spearmanr(run["estimate"][part], run["exact"][part]).statistic for run in trainings)
            for part in (late | ~late, ~late, late)
        )
        if name == "WGAN, clipped":  # so simple a critic sees only the rough shape: judge its curve while G learns that
            claim.note(f"{name}: rank correlation, worst seed", whole, "reported")
            claim.at_least(f"{name}: rank correlation in the first tenth, worst seed", first, 0.8)
        else:
            if name == "WGAN-GP, lambda 1":
                claim.at_least(f"{name}: rank correlation, worst seed", whole, 0.8)
            else:
                claim.note(f"{name}: rank correlation, worst seed", whole, "reported")
            claim.note(f"{name}: rank correlation in the first tenth, worst seed", first, "reported")
        claim.note(f"{name}: rank correlation after a tenth, worst seed", rest, "reported")
        modes = min(RING.coverage(run["samples"])["modes_1pct"] for run in trainings)
        claim.note(f"{name}: modes of 8, worst seed", modes, "reported")
        claim.note(f"{name}: exact W1 at the end, worst seed", max(run["exact"][-1] for run in trainings), "reported")
    parts = np.split(RING.sample(2 * s.points), 2)
    claim.note("two samples of the data: exact W1", metrics.wasserstein1(*parts), "as near as G could come")


def found(m: dict[str, float]) -> str:
    """README's cell."""
    return f"{agreement(m)}; {stability.words(m)}"


def agreement(m: dict[str, float]) -> str:
    """The curves' rank correlations."""
    parts = ("in the first tenth", "after a tenth")
    pairs = {name: [m[f"{name}: rank correlation {part}, worst seed"] for part in parts] for name in GAMES}
    each_one = ", ".join(f"{name} {words(first)} / {words(rest)}" for name, (first, rest) in pairs.items())
    return f"rank correlation of curve and exact distance, in the first tenth / later: {each_one}"


def words(rho: float | None) -> str:
    """A rank correlation as text; "none" for nan, which is None in a file."""
    return "none" if rho is None or np.isnan(rho) else f"{rho:.2f}"


def after(m: dict[str, float]) -> str:
    """The number of modes at the end."""
    each_one = ", ".join(f"{name} {m[f'{name}: modes of 8, worst seed']:.0f}" for name in GAMES)
    return f"In this one setting, modes of 8 at the end, worst seed: {each_one}"


# --- the pictures -------------------------------------------------------------------------------------------------------


def ticks(s: Curves) -> list[int]:
    """Round iterations of a logarithmic axis."""
    return [t for t in (5, 10, 20, 50, 100, 200, 400) if s.first <= t <= s.steps]


def draw_agreement(runs: dict, s: Curves) -> plt.Figure:
    """For each game, D's loss against the distance, moment by moment."""
    figure, panels = slide(2, 2)
    for axes, name in zip(panels.flat, GAMES, strict=True):
        for i, run in enumerate(runs[name]):
            marks = axes.scatter(
                run["exact"],
                run["estimate"],
                c=moments(s),
                marker=MARKERS[i % len(MARKERS)],
                s=40,
                norm=LogNorm(s.first, s.steps),
            )
        axes.set(title=name, xlabel="exact $W_1$", ylabel="minus D's loss")
    bar = figure.colorbar(marks, ax=panels, label="iteration")
    bar.set_ticks(ticks(s), labels=[str(t) for t in ticks(s)])
    bar.minorticks_off()
    return figure


def draw_curves(runs: dict, s: Curves) -> plt.Figure:
    """For each game, the loss and the distance over the training of the first seed, both scaled to [0, 1]."""
    figure, panels = slide(2, 2, sharex=True, sharey=True)
    for axes, name in zip(panels.flat, GAMES, strict=True):
        run = runs[name][0]
        for key, colour, style, label in (
            ("estimate", D_COLOUR, "-", "minus D's loss"),
            ("exact", OTHERS[2], "--", "exact $W_1$"),
        ):
            values = run[key]
            axes.plot(moments(s), (values - values.min()) / (np.ptp(values) + 1e-12), style, color=colour, label=label)
        axes.set(title=name, xscale="log", xlabel="iteration", ylabel="from least to largest")
        axes.set_xticks(ticks(s), [str(t) for t in ticks(s)])
        axes.minorticks_off()
        axes.label_outer()
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_samples(runs: dict) -> plt.Figure:
    """G's samples at the end, of the first seed."""
    figure, panels = slide(1, 4, height=4.6)
    for axes, name in zip(panels, GAMES, strict=True):
        samples = runs[name][0]["samples"]
        RING.show(axes, samples, f"{name}\n{RING.coverage(samples)['modes_1pct']} of 8 modes")
    return figure


if __name__ == "__main__":
    main()
