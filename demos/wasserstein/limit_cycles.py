"""Gradient descent circles around a game's solution, or away from it; optimistic mirror descent (OMD) looks one step ahead.

Slide: "OMD dynamics converge in terms of the last iterate." (IT3320E, lecture 10)

    GD:   w <- w + eta g_w                      theta <- theta - eta g_theta
    OMD:  w <- w + eta (2 g_w,t - g_w,t-1)      theta <- theta - eta (2 g_theta,t - g_theta,t-1)

Three games, min over theta, max over w: theta w, which is bilinear; a GAN with its data at 0, its fakes at theta and
D(x) = sigma(w x); a linear WGAN that learns a Gaussian's mean v. On the slide, OMD predicts the next gradient by M_t+1: by the
last one, as above, by an average of the last n, or by a decayed average (Rakhlin and Sridharan 2013; Syrgkanis et al. 2015).

What to look for: how far from the solution does GD end, with both players at once, in turn, or with w clipped as in a WGAN? And
OMD, for rates below and above 1 / sqrt(3)? The last pictures have the predictors, and Adam against optimistic Adam (Daskalakis
et al. 2018) on digits, at equal cost, each at its best rate.
"""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.style import OTHERS, slide
from demos.wasserstein import optimism, predictors
from demos.wasserstein.optimism import Settings
from minigan import Tensor, optim

STEPS = 2000


@dataclass
class Game:
    """min over theta, max over w of value(theta, w), from these starts and with this rate."""

    value: Callable[[Tensor, Tensor], Tensor]
    theta: tuple[float, ...]
    w: tuple[float, ...]
    solution: tuple[float, ...]  # of theta; w's is 0
    eta: float


V = (3.0, 4.0)  # the mean to be learnt
GAMES = {
    "bilinear game": Game(lambda theta, w: mg.sum(theta * w), (1.0,), (1.0,), (0.0,), eta=0.1),
    # log D(0) + log(1 - D(theta)). Around 0 it is -theta w / 2 plus a constant: twice the rate makes it as fast.
    "Dirac GAN": Game(lambda theta, w: -mg.sum(mg.softplus(w * theta)) - np.log(2), (1.0,), (-1.0,), (0.0,), eta=0.2),
    # E w.x - E w.(z + theta) for x ~ N(V, I), z ~ N(0, I): the example that the OMD paper's authors published
    "Gaussian's mean": Game(lambda theta, w: mg.sum(w * (np.array(V) - theta)), (1.7, 1.7), (1.4, 1.4), V, eta=0.1),
}


@dataclass
class Play:
    """How the players step: by rule(parameters, eta), w first or both at once; `clip` bounds w's elements, as in a WGAN."""

    rule: Callable
    colour: str
    style: str
    in_turn: bool = False
    clip: float | None = None
    arrives: bool = False


# Optimistic Adam needs care. Momentum of 1/2 delays the gradient by one step, as much as optimism looks ahead. And the smaller
# the gradients, the larger Adam's rate, unless epsilon = 2 eta keeps it below OMD's limit.
PLAYS = {
    "GD at once": Play(optim.SGD, OTHERS[2], "-"),
    "GD in turn": Play(optim.SGD, OTHERS[3], "--", in_turn=True),
    "GD, w clipped": Play(optim.SGD, OTHERS[1], "-.", clip=1.0),
    "OMD": Play(optim.OMD, OTHERS[0], "-", arrives=True),
    "optimistic Adam, momentum": Play(lambda p, eta: optim.OptimisticAdam(p, eta, (0.5, 0.999)), OTHERS[1], ":"),
    "optimistic Adam": Play(lambda p, eta: optim.OptimisticAdam(p, eta, (0.0, 0.999), 2 * eta), OTHERS[2], "--", arrives=True),
}
PANELS = (("GD at once",), ("GD in turn",), ("GD, w clipped",), ("OMD", "optimistic Adam"))
VERDICT = (
    "True, but only in small games and without momentum: OMD's last iterate converges, gradient descent's does not; on digits, "
    "optimistic Adam's images are worse than Adam's."
)
FINDING = (
    "After 2,000 steps of the bilinear game, OMD is {bilinear game, OMD: at the end|.5f} from the solution, gradient descent "
    "{bilinear game, GD at once: at the end|,.0f} at once, {bilinear game, GD in turn: at the end|.1f} in turn "
    "(start: 1.41). On MNIST, a WGAN-GP's Frechet distance is {digits, Adam, 5:1: Frechet distance, mean|.0f} with Adam, "
    "{digits, optimistic Adam, 5:1: Frechet distance, mean|.0f} with optimistic Adam (each at its best rate, 4 seeds)."
)
FILES = {"bilinear game": "limit_cycles", "Dirac GAN": "dirac_gan", "Gaussian's mean": "gaussian_mean"}


def everything(args: Namespace, s: Settings) -> dict[str, Any]:
    """What the result depends on."""
    settings = {name: {"eta": game.eta, "theta": game.theta, "w": game.w} for name, game in GAMES.items()}
    return {**settings, "game_steps": STEPS, "etas": predictors.ETAS, "data": args.data, "optimism": asdict(s)}


@demo(Settings(), optimism.QUICK, digits.options, record=everything)
def main(claim: Claim, s: Settings) -> None:
    """Play the games, measure, draw; then train on digits. The games are not random and take seconds."""
    paths = {name: {how: run(game, play) for how, play in PLAYS.items()} for name, game in GAMES.items()}
    distances = {name: {how: distance(path, GAMES[name]) for how, path in plays.items()} for name, plays in paths.items()}
    spiral_and_ellipse(claim, paths["bilinear game"], distances["bilinear game"])
    for name, plays in distances.items():
        arrivals(claim, name, plays)
    stability(claim)
    published(claim, paths["Gaussian's mean"])
    for name, plays in paths.items():
        claim.show(draw_paths(name, plays), FILES[name], ends(claim.metrics, name))
    claim.show(draw_distances(distances), "distances", arrived(claim.metrics))
    predictors.experiment(claim)
    optimism.experiment(claim, s)


def run(game: Game, play: Play, plain: bool = False) -> np.ndarray:
    """(STEPS + 1, 2, d): theta and w over the game, in float64. plain: OMD's first step is GD's, as if g_0 = g_1."""
    theta, w = (Tensor(np.array(values), requires_grad=True) for values in (game.theta, game.w))
    opt_theta, opt_w = play.rule([theta], game.eta), play.rule([w], game.eta)
    path = [(theta.numpy().copy(), w.numpy().copy())]
    for t in range(STEPS):
        g_theta, g_w = mg.grad(game.value(theta, w), (theta, w))
        if plain and t == 0:
            opt_theta.state[0]["g"], opt_w.state[0]["g"] = g_theta.numpy().copy(), -g_w.numpy()
        w.grad = -g_w  # w ascends
        opt_w.step()
        if play.clip:
            optim.clip_weights([w], play.clip)
        theta.grad = mg.grad(game.value(theta, w), theta)[0] if play.in_turn else g_theta
        opt_theta.step()
        path.append((theta.numpy().copy(), w.numpy().copy()))
    return np.array(path)


def distance(path: np.ndarray, game: Game) -> np.ndarray:
    """The distance of (theta, w) from (solution, 0), step by step."""
    return np.linalg.norm(path - np.array([game.solution, np.zeros(len(game.solution))]), axis=(1, 2))


def spiral_and_ellipse(claim: Claim, paths: dict[str, np.ndarray], distances: dict[str, np.ndarray]) -> None:
    """GD on theta w: a step multiplies the distance by sqrt(1 + eta^2); in turn, it keeps theta^2 + w^2 + eta theta w."""
    eta = GAMES["bilinear game"].eta
    norm, formula = distances["GD at once"][1000], np.sqrt(2) * (1 + eta**2) ** 500
    claim.note("bilinear game, GD at once: |(theta, w)| after 1,000", norm, f"sqrt(2) (1 + eta^2)^500 = {formula:.5g}")
    error = abs(norm / formula - 1)
    claim.at_most("bilinear game, GD at once: relative error of the formula", error, 1e-9, quick=True)
    theta, w = paths["GD in turn"][:, :, 0].T
    kept = theta**2 + w**2 + eta * theta * w
    change = np.abs(kept / kept[0] - 1).max()
    claim.at_most("bilinear game, GD in turn: change of the ellipse", change, 1e-9, quick=True)


def arrivals(claim: Claim, name: str, distances: dict[str, np.ndarray]) -> None:
    """Which players have reached the solution after all steps? (The mean starts farther away.)"""
    bound = 1e-3 if name == "Gaussian's mean" else 1e-4
    for how, d in distances.items():
        if PLAYS[how].arrives:
            claim.at_most(f"{name}, {how}: distance", d[-1], bound, quick=True)
        else:
            claim.at_least(f"{name}, {how}: distance, least of the last 500 steps", d[-500:].min(), 0.5, quick=True)
        claim.note(f"{name}, {how}: at the end", d[-1])


def stability(claim: Claim) -> None:
    """A step of OMD on theta w multiplies the distance by a factor: the largest root of r^2 - (1 - 2 i eta) r - i eta."""
    for eta in (0.57, 1 / np.sqrt(3), 0.60):
        d = distance(run(replace(GAMES["bilinear game"], eta=eta), PLAYS["OMD"]), GAMES["bilinear game"])
        factor = (d[-1] / d[STEPS // 2]) ** (2 / STEPS)
        root = np.abs(np.roots([1, -(1 - 2j * eta), -1j * eta])).max()
        holds = abs(factor - root) < 1e-3
        claim.note(f"bilinear game, OMD, eta {eta:.4f}: factor", factor, f"{root:.5f}, within 1e-3", holds, quick=True)


def published(claim: Claim, paths: dict[str, np.ndarray]) -> None:
    """The last theta that the OMD paper's authors published for learning the mean, after 999 and 998 steps."""
    clipped, omd = paths["GD, w clipped"][999, 0], run(GAMES["Gaussian's mean"], PLAYS["OMD"], plain=True)[998, 0]
    known = {"GD, w clipped": (clipped, (3.48000545, 5.07760794)), "OMD, plain start": (omd, (2.99125639, 3.98489638))}
    for how, (theta, values) in known.items():
        for i, value in enumerate(values):
            expected = f"{value}, as published, within 1e-6"
            claim.note(f"Gaussian's mean, {how}: theta_{i + 1}", theta[i], expected, abs(theta[i] - value) < 1e-6, True)


def ends(m: dict[str, float], name: str) -> str:
    """How far from the solution a game ends, for each way to play it."""
    start = np.linalg.norm([np.subtract(GAMES[name].theta, GAMES[name].solution), GAMES[name].w])
    far = {how: m[f"{name}, {how}: at the end"] for ways in PANELS for how in ways}
    shown = ", ".join(f"{how} {d:,.0f}" if d >= 100 else f"{how} {d:.2g}" for how, d in far.items())
    return f"{name}, from a distance of {start:.1f}, after {STEPS:,} steps: {shown}"


def arrived(m: dict[str, float]) -> str:
    """Which ways to play reach the solution of all games, and which of none."""
    times = {how: sum(m[f"{name}, {how}: at the end"] <= 1e-3 for name in GAMES) for how in PLAYS}
    there, nowhere = ([how for how in PLAYS if times[how] == n] for n in (len(GAMES), 0))
    return f"{' and '.join(there) or 'nobody'} arrived in all {len(GAMES)} games; in none: {', '.join(nowhere) or 'nobody'}"


def draw_paths(name: str, plays: dict[str, np.ndarray]) -> plt.Figure:
    """The players' paths for each way to play, with their start and the solution."""
    figure, panels = slide(1, 4, height=5.2, sharex=True, sharey=True)
    plane = len(GAMES[name].theta) == 2  # then w also has two dimensions, and is left out
    x, y = GAMES[name].solution if plane else (0.0, 0.0)
    names = (r"$\theta_1$", r"$\theta_2$") if plane else (r"$\theta$", "$w$")
    for axes, ways in zip(panels, PANELS, strict=True):
        for how in ways:
            path = plays[how][:, 0] if plane else plays[how][:, :, 0]
            axes.plot(*path.T, PLAYS[how].style, color=PLAYS[how].colour, linewidth=1.5, label=how)
        axes.plot(*path[0], "ks", markersize=9, label="start")
        axes.plot(x, y, "*", color=OTHERS[4], markeredgecolor="black", markersize=18, label="solution")
        axes.set(xlim=(x - 4, x + 4), ylim=(y - 4, y + 4), aspect="equal", xlabel=names[0], ylabel=names[1])
        axes.set(xticks=(x - 3, x, x + 3), yticks=(y - 3, y, y + 3), title=ways[0] if len(ways) == 1 else "optimistic")
        axes.label_outer()
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_distances(distances: dict[str, dict[str, np.ndarray]]) -> plt.Figure:
    """The distance from the solution, step by step, in the three games."""
    figure, panels = slide(1, 3, sharex=True, sharey=True)
    for axes, (name, plays) in zip(panels, distances.items(), strict=True):
        for how, d in plays.items():
            axes.plot(d, PLAYS[how].style, color=PLAYS[how].colour, label=how)
        axes.set(yscale="log", ylim=(1e-6, 1e5), xlabel="step", ylabel="distance from the solution", title=name)
        axes.set_xticks(np.linspace(0, STEPS, 3))
        axes.label_outer()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
