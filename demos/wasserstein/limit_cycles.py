"""Gradient descent circles around a game's solution, or away from it; optimistic mirror descent (OMD) arrives.

Slide: "OMD dynamics converge in terms of the last iterate." (IT3320E, lecture 10)

    GD:   w <- w + eta g_w                      theta <- theta - eta g_theta
    OMD:  w <- w + eta (2 g_w,t - g_w,t-1)      theta <- theta - eta (2 g_theta,t - g_theta,t-1)

Three games, min over theta, max over w: theta w; a GAN with its data at 0, its fakes at theta and D(x) = sigma(w x); and a
linear WGAN that learns a Gaussian's mean v. What to look for: GD spirals out by sqrt(1 + eta^2) a step where both players step
at once, and goes round on an ellipse where they step in turn; clipping w, as WGAN does, makes a limit cycle of the spiral. OMD
arrives, for every eta below 1 / sqrt(3). Optimistic Adam arrives only with care: momentum beta_1 = 1/2 delays the gradient by
one step, as much as optimism looks ahead; and the smaller the gradients, the larger Adam's rate. Without momentum, and with
epsilon = 2 eta, which keeps that rate below OMD's limit, it does.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.run import common_options, start
from minigan import Tensor, optim

STEPS = 2000


@dataclass
class Game:
    """min over theta, max over w of value(theta, w), from these starts and with this rate."""

    value: Callable[[Tensor, Tensor], Tensor]
    theta: tuple[float, ...]
    w: tuple[float, ...]
    solution: tuple[float, ...]  # where theta should arrive; w should at 0
    eta: float


V = (3.0, 4.0)  # the mean to be learnt
GAMES = {
    "theta w": Game(lambda theta, w: mg.sum(theta * w), (1.0,), (1.0,), (0.0,), eta=0.1),
    # log D(0) + log(1 - D(theta)). Around 0 it is -theta w / 2 and a constant: twice the rate makes it as fast.
    "Dirac GAN": Game(lambda theta, w: -mg.sum(mg.softplus(w * theta)) - np.log(2), (1.0,), (-1.0,), (0.0,), eta=0.2),
    # E w.x - E w.(z + theta) for x ~ N(V, I), z ~ N(0, I): the example that the OMD paper's authors published
    "Gaussian's mean": Game(lambda theta, w: mg.sum(w * (np.array(V) - theta)), (1.7, 1.7), (1.4, 1.4), V, eta=0.1),
}


@dataclass
class Play:
    """How the players step: by rule(parameters, eta), w first or both at once; and the bound of w's elements, as in a WGAN."""

    rule: Callable
    colour: str
    in_turn: bool = False
    clip: float | None = None
    arrives: bool = False


PLAYS = {
    "GD at once": Play(optim.SGD, "tab:red"),
    "GD in turn": Play(optim.SGD, "tab:orange", in_turn=True),
    "GD, w clipped": Play(optim.SGD, "tab:purple", clip=1.0),
    "OMD": Play(optim.OMD, "tab:blue", arrives=True),
    "optimistic Adam, momentum": Play(lambda p, eta: optim.OptimisticAdam(p, eta, betas=(0.5, 0.999)), "tab:gray"),
    "optimistic Adam": Play(lambda p, eta: optim.OptimisticAdam(p, eta, (0.0, 0.999), 2 * eta), "tab:green", arrives=True),
}


def main(argv: list[str] | None = None) -> None:
    """Play the games, measure, draw. Nothing is random, and it takes seconds: --quick changes nothing."""
    args = start(common_options(__doc__), argv, "limit_cycles")
    settings = {name: {"eta": game.eta, "theta": game.theta, "w": game.w} for name, game in GAMES.items()}
    claim = Claim(args, {**settings, "steps": STEPS})
    paths = {name: {how: run(game, play) for how, play in PLAYS.items()} for name, game in GAMES.items()}
    distances = {name: {how: distance(path, GAMES[name]) for how, path in plays.items()} for name, plays in paths.items()}
    spiral_and_ellipse(claim, paths["theta w"], distances["theta w"])
    for name, plays in distances.items():
        arrivals(claim, name, plays)
    stability(claim)
    published(claim, paths["Gaussian's mean"])
    claim.finish(picture(paths, distances["theta w"]), "limit_cycles")


def run(game: Game, play: Play, plain: bool = False) -> np.ndarray:
    """(STEPS + 1, 2, d): theta and w over the game, in float64. plain: OMD's first step is one of GD, as if g_0 = g_1."""
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
    """How far (theta, w) is from (solution, 0), step by step."""
    return np.linalg.norm(path - np.array([game.solution, np.zeros(len(game.solution))]), axis=(1, 2))


# --- the figures --------------------------------------------------------------------------------------------------------


def spiral_and_ellipse(claim: Claim, paths: dict[str, np.ndarray], distances: dict[str, np.ndarray]) -> None:
    """GD on theta w: a step multiplies the distance by sqrt(1 + eta^2); in turn, it keeps theta^2 + w^2 + eta theta w."""
    eta = GAMES["theta w"].eta
    norm, formula = distances["GD at once"][1000], np.sqrt(2) * (1 + eta**2) ** 500
    claim.note("theta w, GD at once: |(theta, w)| after 1,000", norm, f"sqrt(2) (1 + eta^2)^500 = {formula:.5g}")
    error = abs(norm / formula - 1)
    claim.note("theta w, GD at once: relative error of the formula", error, "at most 1e-9", error <= 1e-9)
    theta, w = paths["GD in turn"][:, :, 0].T
    kept = theta**2 + w**2 + eta * theta * w
    change = np.abs(kept / kept[0] - 1).max()
    claim.note("theta w, GD in turn: change of the ellipse", change, "0, but for rounding", change < 1e-9)


def arrivals(claim: Claim, name: str, distances: dict[str, np.ndarray]) -> None:
    """Who is at the solution after all steps? (The mean starts farther away.)"""
    bound = 1e-3 if name == "Gaussian's mean" else 1e-4
    for how, d in distances.items():
        expected = f"at most {bound:g}" if PLAYS[how].arrives else "does not arrive: more than 0.5"
        holds = d[-1] <= bound if PLAYS[how].arrives else d[-500:].min() > 0.5
        claim.note(f"{name}, {how}: distance", d[-1], expected, holds)


def stability(claim: Claim) -> None:
    """A step of OMD on theta w multiplies the distance by a factor: the largest root of r^2 - (1 - 2 i eta) r - i eta."""
    for eta in (0.57, 1 / np.sqrt(3), 0.60):
        d = distance(run(replace(GAMES["theta w"], eta=eta), PLAYS["OMD"]), GAMES["theta w"])
        factor = (d[-1] / d[STEPS // 2]) ** (2 / STEPS)
        root = np.abs(np.roots([1, -(1 - 2j * eta), -1j * eta])).max()
        claim.note(f"theta w, OMD, eta {eta:.4f}: factor", factor, f"{root:.5f}, within 1e-3", abs(factor - root) < 1e-3)


def published(claim: Claim, paths: dict[str, np.ndarray]) -> None:
    """The last theta that the OMD paper's authors published for learning the mean, after 999 and 998 steps."""
    clipped, omd = paths["GD, w clipped"][999, 0], run(GAMES["Gaussian's mean"], PLAYS["OMD"], plain=True)[998, 0]
    known = {"GD, w clipped": (clipped, (3.48000545, 5.07760794)), "OMD, plain start": (omd, (2.99125639, 3.98489638))}
    for how, (theta, values) in known.items():
        for i, value in enumerate(values):
            expected = f"{value}, as published, within 1e-6"
            claim.note(f"Gaussian's mean, {how}: theta_{i + 1}", theta[i], expected, abs(theta[i] - value) < 1e-6)


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(paths: dict[str, dict[str, np.ndarray]], distances: dict[str, np.ndarray]) -> plt.Figure:
    """The games of one dimension by theta and w, the third by theta's two; and the distances on theta w."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 10), layout="constrained")
    for place, (name, plays) in zip(axes.flat[:3], paths.items(), strict=True):
        draw_paths(place, name, plays)
    for how, d in distances.items():
        axes[1, 1].plot(d, color=PLAYS[how].colour, label=how)
    axes[1, 1].set(yscale="log", ylim=(1e-6, 1e5), xlabel="step", title=r"$\theta w$: distance from the solution")
    handles, labels = axes[1, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    start, last = distances["OMD"][0], {how: d[-1] for how, d in distances.items()}
    figure.suptitle(
        rf"From a distance of {start:.1f} on $\theta w$, after {STEPS:,} steps: GD at once {last['GD at once']:,.0f}, "
        f"in turn {last['GD in turn']:.2f}, clipped {last['GD, w clipped']:.2f}, OMD {last['OMD']:.0e}"
    )
    return figure


def draw_paths(axes: plt.Axes, name: str, plays: dict[str, np.ndarray]) -> None:
    """The players' paths, and a star for the solution."""
    plane = len(GAMES[name].theta) == 2  # then w, of two dimensions as well, is left out
    x, y = GAMES[name].solution if plane else (0.0, 0.0)
    for how in [how for how in plays if how != "optimistic Adam, momentum"]:  # whose path would cover the others
        path = plays[how]
        axes.plot(*(path[:, 0].T if plane else path[:, :, 0].T), color=PLAYS[how].colour, linewidth=1)
    axes.plot(x, y, "k*", markersize=12)
    names = (r"$\theta_1$", r"$\theta_2$") if plane else (r"$\theta$", "$w$")
    axes.set(title=name, xlim=(x - 4, x + 4), ylim=(y - 4, y + 4), aspect="equal", xlabel=names[0], ylabel=names[1])


if __name__ == "__main__":
    main()
