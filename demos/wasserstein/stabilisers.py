"""Four ways out of a game's circles: look ahead (OMD, extragradient), go part of the way back (Lookahead), or average.

Slide: "Limit cycling behavior in training (W)GAN" (IT3320E, lecture 10)

    gradient descent     x <- x - eta y,  y <- y + eta x        min over x, max over y of x y; z = x + i y turns by 1 + i eta
    OMD                  along twice the gradient, less the last one                       r^2 - (1 + 2 i eta) r + i eta = 0
    extragradient        along the gradient from where gradient descent leads (Korpelevich 1976)        sqrt(1 - eta^2 + eta^4)
    Lookahead            k steps, then back by 1 - alpha (Chavdarova et al. 2021)             |1 - alpha + alpha (1 + i eta)^k|

On the right is the factor by which a step of both players at once multiplies the distance from the solution. In turn,
extragradient has sqrt(1 - eta^2), and Lookahead has e^(i phi) in place of 1 + i eta, where eta = 2 sin(phi / 2). A step of
extragradient needs two gradients. So all factors are those of a call of the players' `step`, with one gradient.

What to look for: does each way have the predicted factor? The nearer k steps of Lookahead are to half a turn, the nearer the
middle of the chord is to the solution. Then a GAN learns a ring of Gaussians by gradient descent with a constant rate: its
samples come and go. Which of the four helps there too?
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.style import FAKE, OTHERS, REAL, slide
from demos.kit.training import train
from minigan import Tensor, data, nn, optim
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    eta: float = 0.2  # of the game x y
    calls: int = 2000  # of each player's step
    k: int = 5  # steps of Lookahead between two slow ones
    alpha: float = 0.5
    steps: int = 1500  # on the ring
    seeds: int = 5
    ring_k: int = 20
    decay: float = 0.995  # of the running average
    width: int = 32
    batch: int = 64
    moments: int = 40  # at which G is measured on the ring; the last quarter counts


QUICK = {"steps": 80, "seeds": 2, "width": 8, "calls": 1000}
KS = (2, 5, 10, 15, 20, 25, 30, 40)
VERDICT = (
    "True: gradient descent circles. OMD, extragradient and Lookahead reach the solution of $x y$ at the predicted rates; on a "
    "ring of Gaussians, in 1,500 iterations, only the running average of G helps."
)
FINDING = (
    "A step (one gradient of both players) multiplies the distance by {extragradient at once: factor|.4f} with "
    "extragradient (predicted {extragradient at once: predicted|.4f}), by {Lookahead at once: factor|.4f} with Lookahead "
    "({Lookahead at once: predicted|.4f}), where gradient descent has {gradient descent at once: factor|.4f}. On the ring, "
    "{gradient descent: share|%} of G's samples are within 3 std of a mode, {running average: share|%} of the averaged G's; "
    "with Lookahead {Lookahead: share|%}, with OMD {OMD: share|%}, with extragradient {extragradient: share|%} "
    "(last quarter of the training, 5 seeds)."
)
TITLE = (
    "On $x y$, gradient descent stays away; the others arrive. On the ring, {gradient descent: share|%} of G's samples are "
    "within 3 std of a mode, {running average: share|%} of the averaged G's"
)


@dataclass
class Way:
    """How the players of x y step: by rule([parameter], eta), both at once or in turn; `back`: whether Lookahead follows."""

    rule: Callable
    in_turn: bool
    back: bool
    colour: str


WAYS = {
    "gradient descent at once": Way(optim.SGD, False, False, OTHERS[3]),
    "gradient descent in turn": Way(optim.SGD, True, False, OTHERS[2]),
    "OMD at once": Way(optim.OMD, False, False, OTHERS[0]),
    "extragradient at once": Way(optim.Extragradient, False, False, FAKE),
    "extragradient in turn": Way(optim.Extragradient, True, False, FAKE),
    "Lookahead at once": Way(optim.SGD, False, True, REAL),
    "Lookahead in turn": Way(optim.SGD, True, True, REAL),
}
RULES = {  # on the ring: the rule and its rate, chosen on other seeds; at larger rates, OMD and extragradient find fewer modes
    "gradient descent": (optim.SGD, 0.1),
    "Lookahead": (optim.SGD, 0.1),
    "OMD": (optim.OMD, 0.05),
    "extragradient": (optim.Extragradient, 0.03),
}


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    """The game x y; then the ring."""
    distances = {name: bilinear(way, s, s.k) for name, way in WAYS.items()}
    by_k = {(turn, k): bilinear(WAYS[f"Lookahead {turn}"], s, k) for turn in ("at once", "in turn") for k in KS}
    measure_bilinear(claim, s, distances, by_k)
    runs = over_kinds(claim, play, RULES, s.seeds, s, steps=len(RULES) * s.seeds * s.steps)
    measure_ring(claim, runs)
    claim.show(picture(s, distances, by_k, runs), "stabilisers", claim.words(TITLE))


def bilinear(way: Way, s: Settings, k: int) -> np.ndarray:
    """(calls + 1,): the distance from (0, 0) after each call of both players' step, from (1, 1) on."""
    x, y = (Tensor(np.array(1.0), requires_grad=True) for _ in "xy")
    opt_x, opt_y = way.rule([x], s.eta), way.rule([y], s.eta)
    lookahead, path = optim.Lookahead([opt_x, opt_y], k, s.alpha), [np.sqrt(2)]
    for _ in range(s.calls):
        x.grad, ascent = mg.grad(x * y, (x, y))
        opt_x.step()
        y.grad = -(mg.grad(x * y, y)[0] if way.in_turn else ascent)
        opt_y.step()
        if way.back:
            lookahead.step()
        path.append(np.hypot(x.item(), y.item()))
    return np.array(path)


def predicted(name: str, s: Settings, k: int) -> float:
    """The factor of a call: the largest |eigenvalue| of a step, to the power of 1 / calls."""
    turn = 1 + 1j * s.eta if WAYS[name].in_turn is False else np.exp(2j * np.arcsin(s.eta / 2))
    if WAYS[name].back:
        return abs(1 - s.alpha + s.alpha * turn**k) ** (1 / k)
    if name.startswith("extragradient"):
        return (1 - s.eta**2 + (0 if WAYS[name].in_turn else s.eta**4)) ** (1 / 4)
    return np.abs(np.roots([1, -(1 + 2j * s.eta), 1j * s.eta])).max() if name.startswith("OMD") else abs(turn)


def factor(distances: np.ndarray, k: int) -> float:
    """The mean factor of a call in about the second half of the calls: a whole number of steps."""
    last = (len(distances) - 1) // (2 * k) * 2 * k
    first = last // (4 * k) * 2 * k
    return float((distances[last] / distances[first]) ** (1 / (last - first)))


def measure_bilinear(claim: Claim, s: Settings, distances: dict, by_k: dict) -> None:
    """Is each factor's logarithm within 1 % of the prediction's? (Then so is the factor.) In turn, gradient descent has 1."""
    for name, path in distances.items():
        found, expected = factor(path, s.k), predicted(name, s, s.k)
        claim.note(f"{name}: predicted", expected)
        if name == "gradient descent in turn":
            claim.note(f"{name}: factor", found, "reported: 1, but for the ellipse")
            claim.between(f"{name}: distance, last half", path[len(path) // 2 :].mean(), 1, 2, quick=True)
        else:
            holds = abs(np.log(found) / np.log(expected) - 1) <= 0.01
            claim.note(f"{name}: factor", found, f"{expected:.5f}, its logarithm within 1 %", holds, quick=True)
    errors = [abs(factor(path, k) / predicted(f"Lookahead {turn}", s, k) - 1) for (turn, k), path in by_k.items()]
    claim.at_most(f"Lookahead, k from {KS[0]} to {KS[-1]}: largest relative error of the factor", max(errors), 1e-3, quick=True)


def play(kind: str, seed: int, s: Settings) -> np.ndarray:
    """(moments, 4): the share of G's samples within 3 std of a mode and the modes found, of G and of its running average."""
    mg.seed(seed)
    rule, rate = RULES[kind]
    G, D = generator(s.width), discriminator(s.width)
    game, found = GAN(G, D, data.noise(2), rule(G.parameters(), rate), rule(D.parameters(), rate)), []
    game.average = nn.MovingAverage(G, s.decay)
    game.lookahead = optim.Lookahead([game.opt_G, game.opt_D], s.ring_k, s.alpha if kind == "Lookahead" else 1.0)

    def after(game: GAN) -> None:
        game.lookahead.step()  # with alpha = 1, the slow weights are the players'
        if game.lookahead.t % (s.steps // s.moments) == 0:
            both = [RING.coverage(game.sample(2000, G=network)) for network in (G, game.average.module)]
            found.append([of[name] for of in both for name in ("high_quality", "modes_1pct")])

    train(game, RING.batches(s.batch), s.steps, kind, 1, after, falling=False, found=found)
    return np.array(found)


def measure_ring(claim: Claim, runs: dict[str, list[np.ndarray]]) -> None:
    """The last quarter: each way against gradient descent. Pairs share a seed."""
    late = {kind: np.array(found)[:, -(len(found[0]) // 4) :] for kind, found in runs.items()}  # seeds, moments, 4
    columns = {kind: of[..., :2] for kind, of in late.items()} | {"running average": late["gradient descent"][..., 2:]}
    for kind, of in columns.items():
        claim.note(f"{kind}: share", of[..., 0].mean(), "reported: within 3 std of a mode, mean of seeds and moments")
        claim.note(f"{kind}: share at the worst moment", of[..., 0].min(axis=1).mean(), "reported: mean of the seeds")
        claim.note(f"{kind}: modes", of[..., 1].mean(), "reported: with at least 1 % of the samples")
        if kind != "gradient descent":
            difference = compare(*(columns[each][..., 0].mean(axis=1) for each in (kind, "gradient descent")), "higher", True)
            claim.compare(f"{kind}: share, gain", difference, {HELPS} if kind == "running average" else None)


def picture(s: Settings, distances: dict, by_k: dict, runs: dict[str, list[np.ndarray]]) -> Figure:
    """The distance call by call; Lookahead's factor for each k; the shares on the ring, means of the seeds."""
    figure, (left, middle, right) = slide(1, 3, height=6.2)
    for name, path in distances.items():
        left.semilogy(path[:401], "--" if WAYS[name].in_turn else "-", color=WAYS[name].colour, label=name)
    left.set(ylim=(1e-6, 1e4), xlabel="calls of step", ylabel="distance from the solution", title=f"$x y$, $\\eta$ = {s.eta:g}")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1, fontsize=9)
    ks = np.arange(1, max(KS) + 1)
    for turn, line in (("at once", "-"), ("in turn", "--")):
        middle.plot(ks, [predicted(f"Lookahead {turn}", s, k) for k in ks], line, color=REAL, label=f"predicted, {turn}")
        measured = [factor(by_k[turn, k], k) for k in KS]
        middle.plot(KS, measured, "o", color=FAKE, label="measured" if turn == "at once" else None)
    middle.axhline(1, color="black", linewidth=0.8)
    middle.set(xlabel="$k$ of Lookahead", ylabel="factor of a call", title="half a turn is best")
    middle.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=9)
    t = np.arange(1, len(runs["OMD"][0]) + 1) * (s.steps // s.moments)
    lines = {kind: np.array(found)[..., 0] for kind, found in runs.items()}
    lines["running average"] = np.array(runs["gradient descent"])[..., 2]
    for (name, shares), colour in zip(lines.items(), (OTHERS[2], REAL, OTHERS[0], FAKE, OTHERS[1]), strict=True):
        right.plot(t, shares.mean(axis=0), color=colour, linewidth=3 if name == "running average" else 1.5, label=name)
    right.set(xlabel="iteration", ylabel="share within 3 std of a mode", title="ring of Gaussians", ylim=(0, 0.6))
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=9)
    return figure
