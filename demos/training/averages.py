"""Players circle their solution, and the average of a circle's points is its centre: an average of G's weights uses this.

    x <- x - eta y,  then  y <- y + eta x        min over x, max over y of x y, with the solution (0, 0)

Steps in turn move the point on an ellipse, each by an angle phi: eta = 2 sin(phi / 2). With phi = 2 pi / N, the point is back
after N steps, and the mean of the N points is exactly 0. If both players step at once, the point leaves on a spiral, and its
average with it. Polyak and Juditsky 1992 average the points of gradient descent, Yazici et al. 2019 the weights of a GAN.

What to look for, on a ring of Gaussians: at a constant rate, G's samples get better and worse from moment to moment. Are the
averaged G's samples steadier? If the rate falls to 0, G comes to rest. Is the averaged G then still better?
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.style import FAKE, OTHERS, slide
from demos.kit.training import adams, train
from minigan import Tensor, data, nn, optim
from minigan.games import GAN


@dataclass
class Settings:
    steps: int = 2000  # on the ring
    seeds: int = 8
    lr: float = 0.01  # Adam's, of both players
    decay: float = 0.995  # of the averages
    width: int = 64
    batch: int = 64
    moments: int = 40  # at which both G are measured; the last quarter counts
    period: int = 40  # N, the steps in a turn of the bilinear game
    turns: int = 20


QUICK = {"steps": 80, "seeds": 1, "width": 16}
VERDICT = "True, but only at a constant rate: the averaged G's samples are better and steadier; a falling rate does the same."
FINDING = (
    "At a constant rate, {constant: share, last|%} of G's samples are within 3 std of a mode, {constant: share, averaged|%} "
    "of the averaged G's; at the worst of 10 moments, {constant: worst share, last|%} and {constant: worst share, averaged|%}. "
    "At the end of a falling rate: {falling: share, last|%} and {falling: share, averaged|%} (means of 8 seeds)."
)
TITLE = (
    "The mean of a turn is the centre. At a constant rate, at the worst moment of the last quarter, "
    "{constant: worst share, averaged|%} of the averaged G's samples are within 3 std of a mode, and "
    "{constant: worst share, last|%} of G's"
)
RATES = ("constant", "falling")


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    in_turn, at_once = bilinear(s, True), bilinear(s, False)
    measure_turns(claim, s, in_turn, at_once)
    runs = over_kinds(claim, play, RATES, s.seeds, s, steps=len(RATES) * s.seeds * s.steps)
    measure(claim, runs)
    claim.show(picture(s, in_turn, runs), "averages", claim.words(TITLE))


def bilinear(s: Settings, in_turn: bool) -> np.ndarray:
    """(steps, 4): x and y after each step, from (1, 1), and their running averages."""
    point, eta, path = nn.Module(), 2 * np.sin(np.pi / s.period), []
    x, y = point.players = [Tensor(np.array(1.0), requires_grad=True) for _ in "xy"]
    opt_x, opt_y, average = optim.SGD([x], eta), optim.SGD([y], eta), nn.MovingAverage(point, s.decay)
    for _ in range(s.turns * s.period):
        x.grad, ascent = mg.grad(x * y, (x, y))
        opt_x.step()
        y.grad = -(mg.grad(x * y, y)[0] if in_turn else ascent)
        opt_y.step()
        average.update()
        path.append([p.item() for p in (x, y, *average.module.parameters())])
    return np.array(path)


def measure_turns(claim: Claim, s: Settings, in_turn: np.ndarray, at_once: np.ndarray) -> None:
    """In turn: back, and 0. At once: a step multiplies x + i y by r = 1 + i eta, so that the mean is a geometric sum."""
    means, ends = in_turn[:, :2].reshape(s.turns, s.period, 2).mean(axis=1), in_turn[s.period - 1 :: s.period, :2]
    claim.at_most("x y in turn: from the start, after whole turns", np.abs(ends - 1).max(), 1e-9, quick=True)
    claim.at_most("x y in turn: mean of a turn, largest", np.abs(means).max(), 1e-9, quick=True)
    claim.at_most("x y in turn: running average at the end", np.linalg.norm(in_turn[-1, 2:]), 0.1, quick=True)
    r, found = 1 + 2j * np.sin(np.pi / s.period), np.linalg.norm(at_once[: s.period, :2].mean(axis=0))
    formula = np.sqrt(2) * abs(r * (r**s.period - 1) / (r - 1)) / s.period
    claim.at_most("x y at once: mean of the first turn, error of the formula", abs(found / formula - 1), 1e-9, quick=True)
    claim.at_least("x y at once: running average at the end", np.linalg.norm(at_once[-1, 2:]), 10, quick=True)


def play(rate: str, seed: int, s: Settings) -> np.ndarray:
    """(moments, 2): the share of samples within 3 std of a mode, of G and of its running average."""
    mg.seed(seed)
    G, D = generator(s.width), discriminator(s.width)
    game, shares = GAN(G, D, data.noise(2), *adams(G, D, s.lr, s.lr)), []
    game.average = nn.MovingAverage(G, s.decay)

    def look(game: GAN) -> None:
        both = [RING.coverage(game.sample(2500, G=network)) for network in (game.G, game.average.module)]
        shares.append([found["high_quality"] for found in both])

    train(game, RING.batches(s.batch), s.steps, rate, s.steps // s.moments, look, rate == "falling", shares=shares)
    return np.array(shares)


def measure(claim: Claim, runs: dict[str, list[np.ndarray]]) -> None:
    """The averaged G against the last: in the last quarter, and at the end of a falling rate. Pairs share a seed."""
    constant, falling = (np.array(runs[rate]) for rate in RATES)  # seeds, moments, (last, averaged)
    late = constant[:, -(constant.shape[1] // 4) :]
    of = {"constant: share": late.mean(1), "constant: worst share": late.min(1), "falling: share": falling[:, -1]}
    for name, shares in of.items():
        for kind, values in zip(("last", "averaged"), shares.T, strict=True):
            claim.note(f"{name}, {kind}", values.mean())
        expected = {HELPS} if name.startswith("constant") else None
        claim.compare(f"{name}, averaged less last", compare(*shares.T[::-1], "higher", paired=True), expected)
    averaged, last = claim.metrics["constant: share, averaged"], claim.metrics["falling: share, last"]
    claim.at_least("constant: share, averaged", averaged, 0.85)
    claim.at_least("share, constant and averaged less falling and last", averaged - last, -0.05)
    claim.between("falling: gain of the average", claim.metrics["falling: share, averaged less last"], -0.03, 0.03)


def picture(s: Settings, path: np.ndarray, runs: dict[str, list[np.ndarray]]) -> Figure:
    """The bilinear game in turn; the shares on the ring at both rates: a thin line for a seed, a thick one for the mean."""
    figure, (plane, *panels) = slide(1, 3, height=5.6)
    plane.plot(*path[: s.period, :2].T, "o", color=FAKE, label="the points")
    plane.plot(*path[:, 2:].T, "-", color=OTHERS[0], label="their running average")
    plane.plot(0, 0, "*", color=OTHERS[4], markeredgecolor="black", markersize=18, label="solution, mean of a turn")
    plane.set(aspect="equal", xlabel="$x$", ylabel="$y$", title="min over $x$, max over $y$ of $x y$")
    t = np.arange(1, s.moments + 1) * (s.steps // s.moments)
    for axes, rate in zip(panels, RATES, strict=True):
        for shares, kind, colour in zip(np.array(runs[rate]).T, ("G", "averaged G"), (FAKE, OTHERS[0]), strict=True):
            axes.plot(t, shares, color=colour, linewidth=0.8, alpha=0.5)
            axes.plot(t, shares.mean(axis=1), "-" if kind == "averaged G" else "--", color=colour, linewidth=3, label=kind)
        axes.set(title=f"ring, {rate} rate", xlabel="iteration", xlim=(s.steps / 2, s.steps), ylim=(0.5, 1))
    panels[0].set_ylabel("share within 3 std of a mode")
    for axes in (plane, panels[0]):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))
    return figure
