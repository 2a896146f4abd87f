"""The game's own Jacobian: its eigenvalues predict how fast two players turn around each other, and whether they come to rest.

Slide: "Limit cycling behavior in training (W)GAN" (IT3320E, lecture 10)

    v(theta, w) = (-grad_theta loss_G, -grad_w loss_D)      J: its Jacobian, one row at a time, by second derivatives
    GD at once:  x <- x + eta v(x)                          its matrix at a solution: I + eta J, for x = (theta, w)

An eigenvalue r of the step's matrix turns by its angle in each step: 2 pi / angle steps are a turn. It multiplies the distance
from the solution by |r|: the game diverges if |r| > 1, and cycles on the circle |r| = 1. Steps in turn are the product of D's
matrix and G's. Momentum and OMD remember, so their matrices act on x and on this memory (Mescheder et al. 2017 and 2018,
Nagarajan and Kolter 2017, Balduzzi et al. 2018). Two GANs at a solution: the Dirac GAN, with its data at 0, its fakes at
theta and D(x) = sigma(w x); and two small networks, whose data another G drew. The players start close by, and play with
minigan's own steps and optimizers.

The matrix is about the neighbourhood of the solution. There, by GD at once, the Dirac GAN turns outwards; far away, D's sigmoid
saturates, and it turns inwards. In between is a limit cycle, as on the slide. Ten turns do not always show the end: with seed
4242, the two networks leave their solution by 3 % a turn (GD at once), and other directions, which shrink, hide it.

What to look for: are the played eigenvalues (dots) in the predicted ones (rings)? Which methods move them into the circle? Does
a lower rate? In training.png, two networks learn: how far to the left does R1 move the real part of J's fastest pair?
"""

from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtri

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.style import FAKE, MARKERS, OTHERS, REAL, WIDTH, slide
from demos.kit.training import train
from demos.wasserstein.dynamics import Rule, a_turn, deviation, field, flat, jacobian, put, remember, step_matrix, turning, walk
from minigan import Tensor, data, losses, nn, optim
from minigan.games import GAN


@dataclass
class Settings:
    step: float = 0.45  # eta times J's largest eigenvalue, of plain GD: it decides the rate; OMD needs less than 0.58
    lower: float = 0.1  # of that rate
    r1: float = 0.3
    momentum: float = 0.5
    start: float = 1e-5  # the distance from the solution, where three turns are measured
    far: float = 0.01  # another, in a random direction, where we see whether the game comes to rest ...
    turns: int = 10  # ... after this many turns
    cycle_from: tuple[float, ...] = (0.1, 2.0)  # distances from which the Dirac GAN comes to its limit cycle ...
    cycle_turns: int = 20  # ... in this many turns
    G_width: int = 8  # of the two networks' hidden layers
    D_width: int = 6
    steps: int = 2400  # of the training of two networks
    lr: float = 0.3
    moments: int = 30  # of the training, at which J is computed


QUICK = {"turns": 3, "cycle_turns": 3, "G_width": 2, "D_width": 2, "lower": 0.3, "steps": 20, "moments": 4}
VERDICT = (
    "True: the Jacobian predicts whether a game cycles, leaves the solution or comes to rest. R1 and OMD bring both games to "
    "rest; a lower rate does not help the Dirac GAN."
)
FINDING = (
    "Dirac GAN, near the solution: a turn takes {Dirac GAN, GD at once: steps of a turn|.0f} steps and multiplies the "
    "distance by {Dirac GAN, GD at once: factor of a turn|.2f} (GD at once), "
    "{Dirac GAN, GD in turn: factor of a turn|.2f} (in turn), "
    "{Dirac GAN, R1 in turn: factor of a turn|.2f} (R1), {Dirac GAN, OMD at once: factor of a turn|.2f} (OMD). Played factors "
    "of two networks are within {two networks: error of a turn's factor, worst method|<%} of the predicted ones."
)
TITLE = (
    "A step multiplies the distance by $r$: predicted (rings) and played (dots). Of 2 games, GD at once brings "
    "{games that GD at once brings to rest|.0f} to rest, at a tenth of its rate "
    "{games that GD at once, lower rate brings to rest|.0f}; GD in turn with R1 brings "
    "{games that R1 in turn brings to rest|.0f}"
)
TRAINING = (
    "While two networks learn, the fastest pair's real part is between {training, without R1: least real part of the fastest "
    "pair|.2f} and {training, without R1: largest real part of the fastest pair|.2f} without R1, between "
    "{training, with R1: least real part of the fastest pair|.2f} and "
    "{training, with R1: largest real part of the fastest pair|.2f} with it"
)


@dataclass(frozen=True)
class Method:
    """How the players step: by which rule, in turn or at once, at the game's rate or a lower one; and D's penalty and loss."""

    rule: str = "GD"
    in_turn: bool = True
    lower: bool = False
    r1: bool = False
    loss: losses.GameLoss = losses.log_loss_game


METHODS = {
    "GD at once": Method(in_turn=False),
    "GD at once, lower rate": Method(in_turn=False, lower=True),
    "GD in turn": Method(),
    "WGAN in turn": Method(loss=losses.wasserstein_game),
    "momentum in turn": Method("momentum"),
    "R1 in turn": Method(r1=True),
    "OMD at once": Method("OMD", in_turn=False),
    "OMD in turn": Method("OMD"),
}
GAMES = ("Dirac GAN", "two networks")
SLOWEST = 700  # steps of a turn: slower pairs count as not turning
NEAR = 0.1  # the largest error of a prediction


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    """Every game by every method; then the training."""
    seed = claim.args.seed
    tasks = {f"{game}, {how}": (game, how, seed) for game in GAMES for how in METHODS}
    found = iter(run_tasks(play, tasks, s, steps=0))
    runs = {game: {how: next(found) for how in METHODS} for game in GAMES}
    measure(claim, runs)
    cycles = [play(GAMES[0], "GD at once", seed, replace(s, far=far, turns=s.cycle_turns))["far"] for far in s.cycle_from]
    measure_cycles(claim, cycles)
    kinds = {"without R1": (0.0, seed), "with R1": (s.r1, seed)}
    trained = dict(zip(kinds, run_tasks(learn, kinds, s, steps=len(kinds) * s.steps), strict=True))
    measure_training(claim, trained)
    claim.show(picture(runs, cycles), "jacobian", claim.words(TITLE))
    claim.show(draw_training(trained, s), "training", claim.words(TRAINING))


# --- the games ----------------------------------------------------------------------------------------------------------


def players(game: str, seed: int, s: Settings) -> tuple[nn.Module, nn.Module, np.ndarray, np.ndarray]:
    """G and D at a solution, in float64: D is 0 everywhere, and G(z) = x, for z and x (n, 1)."""
    mg.seed(seed)
    z = ndtri((np.arange(64) + 0.5) / 64)[:, None]  # in the place of random noise: the quantiles of a normal distribution
    if game == "Dirac GAN":
        G, D, z = nn.Dense(1, 1, bias=False), nn.Sequential(nn.Dense(1, 1, bias=False)), np.ones((1, 1))
        G.weight.data = np.zeros((1, 1))
    else:
        G, D = (nn.Sequential(nn.Dense(1, width), nn.Tanh(), nn.Dense(width, 1)) for width in (s.G_width, s.D_width))
    for p in [*G.parameters(), *D.parameters()]:
        p.data = p.data.astype(np.float64)
    for p in D[-1].parameters():
        p.data = np.zeros_like(p.data)
    return G, D, z, G(Tensor(z)).numpy()


def rules(s: Settings) -> dict[str, Rule]:
    """The optimizers, and what they do."""
    return {
        "GD": Rule(optim.SGD),
        "momentum": Rule(lambda p, eta: optim.SGD(p, eta, s.momentum), b=s.momentum, c=s.momentum, d=1.0),
        "OMD": Rule(optim.OMD, a=2.0, b=-1.0, d=1.0),
    }


# --- prediction and play ------------------------------------------------------------------------------------------------


def play(name: str, how: str, seed: int, s: Settings) -> dict[str, Any]:
    """A game by one method: the predicted and the played r, and whether the game comes to rest."""
    method, rule = METHODS[how], rules(s)[METHODS[how].rule]
    G, D, z, x = players(name, seed, s)
    solution = flat([*G.parameters(), *D.parameters()])
    away = solution + 0.3 * np.random.default_rng(seed).standard_normal(len(solution))

    def game(at: np.ndarray, eta: float, method: Method = method) -> GAN:
        optimizers = (rule.make(player.parameters(), eta) for player in (G, D))  # without memories
        return put(GAN(G, D, lambda m: z, *optimizers, r1=s.r1 * method.r1, loss=method.loss), at)

    plain = np.linalg.eigvals(jacobian(game(solution, 1.0, Method()), x))
    eta = s.step / np.abs(plain).max() * (s.lower if method.lower else 1.0)
    J = jacobian(game(solution, eta), x)
    matrix = step_matrix(J, flat(G.parameters()).size, eta, rule, method.in_turn)
    values, vectors = np.linalg.eig(matrix)
    pairs = [i for i, r in enumerate(values) if r.imag > 0 and a_turn(r)[0] < SLOWEST]
    pair = max(pairs, key=lambda i: (abs(values[i]).round(9), values[i].imag))  # the one that is left in the end
    steps = int(a_turn(values[pair])[0])

    def played(direction: np.ndarray, distance: float, turns: int) -> np.ndarray:  # direction: of x and of the memory
        move, memory = np.split(distance * direction / np.linalg.norm(direction), 2)
        return walk(remember(game(solution + move, eta), memory), x, method.in_turn, turns * steps) - solution

    nothing = np.zeros(len(J))
    near = played(vectors[:, pair].real, s.start, 3)
    far = played(np.append(away - solution, nothing), s.far, s.turns)
    speeds = np.linalg.norm(np.diff(far, axis=0), axis=1).reshape(s.turns, steps)
    fastest = speeds.max(axis=1)[1:]  # of each turn but the first, in which other pairs die
    last = next((i for i, speed in enumerate(fastest) if speed > 10 * fastest[0]), len(fastest) - 1)  # later it is elsewhere
    linear = [np.linalg.matrix_power(matrix, t) @ np.append(far[0], nothing) for t in range(2 * steps + 1)]
    return {
        "r": np.array([values[pair], turning(near)]),  # predicted, played
        "factor": float((fastest[last] / fastest[0]) ** (1 / last)),
        "error": deviation(game(away, eta), x),  # where no term is 0
        "far": far[:, :2],  # all parameters of the Dirac GAN
        "linear": np.array(linear)[:, :2],
    }


def learn(r1: float, seed: int, s: Settings) -> np.ndarray:
    """Two networks learn the data of a third: at each moment the real part of J's pair that turns fastest, and |v|."""
    _, _, z, x = players(GAMES[-1], seed, s)
    G, D, *_ = players(GAMES[-1], seed + 1, s)
    game, seen = GAN(G, D, lambda m: z, *(optim.SGD(player.parameters(), s.lr) for player in (G, D)), r1=r1), []

    def look(game: GAN) -> None:
        pair = max(np.linalg.eigvals(jacobian(game, x)), key=np.imag)
        seen.append([pair.real, float(np.linalg.norm(field(game, x).numpy()))])

    batches = data.batches(x, size=len(x))  # all of x, in any order
    train(game, batches, s.steps, f"r1 = {r1:g}", s.steps // s.moments, look, falling=False, seen=seen)
    return np.array(seen)


# --- the report ---------------------------------------------------------------------------------------------------------


def verdict(factor: float) -> str:
    """By a turn's factor of the distance."""
    return "diverges" if factor > 1.01 else "converges" if factor < 0.99 else "cycles"


def measure(claim: Claim, runs: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Predicted and played turns, in every game and by every method."""
    error = max(run["error"] for plays in runs.values() for run in plays.values())
    claim.at_most("J: error beside central differences, worst", error, 1e-6, quick=True)
    for game, plays in runs.items():
        predicted, played = np.array([[a_turn(r) for r in run["r"]] for run in plays.values()]).swapaxes(0, 1)
        off = np.abs(played / predicted - 1).max(axis=0)
        claim.at_most(f"{game}: error of the period, worst method", off[0], NEAR, quick=True)
        claim.at_most(f"{game}: error of a turn's factor, worst method", off[1], NEAR, quick=True)
        right = [verdict(factor) == verdict(run["factor"]) for (_, factor), run in zip(predicted, plays.values(), strict=True)]
        claim.at_least(f"{game}: methods whose end is predicted", sum(right), len(plays))
        for how, (steps, factor), (period, change) in zip(plays, predicted, played, strict=True):
            claim.note(f"{game}, {how}: steps of a turn", period, f"predicted {steps:.1f}")
            claim.note(f"{game}, {how}: factor of a turn", change, f"predicted {factor:.3f}: {verdict(factor)}")
    for how in METHODS:
        games = sum(verdict(plays[how]["factor"]) == "converges" for plays in runs.values())
        claim.note(f"games that {how} brings to rest", games, f"reported: of {len(runs)}")


def measure_cycles(claim: Claim, paths: list[np.ndarray]) -> None:
    """Far from the solution, the Dirac GAN turns inwards. So there is a limit cycle, the same from inside and from outside."""
    radii = [float(np.linalg.norm(path[-len(path) // 4 :], axis=1).mean()) for path in paths]
    claim.note("Dirac GAN, GD at once: radius of the limit cycle", np.mean(radii), "reported: mean distance from the solution")
    off = abs(radii[1] / radii[0] - 1)
    claim.at_most("Dirac GAN, GD at once: radius from inside and from outside, difference", off, NEAR)


def measure_training(claim: Claim, trained: dict[str, np.ndarray]) -> None:
    """Reported: how far to the right the fastest pair comes while two networks learn."""
    for how, seen in trained.items():
        claim.note(f"training, {how}: largest real part of the fastest pair", seen[:, 0].max(), "reported")
        claim.note(f"training, {how}: least real part of the fastest pair", seen[:, 0].min(), "reported")
        claim.note(f"training, {how}: |v| at the end", seen[-1, 1], "reported")


COLOURS = {"diverges": FAKE, "cycles": OTHERS[2], "converges": OTHERS[0]}
PLACES = {3: (0, 17), 6: (-17, 0), 7: (0, 17), 8: (0, -17)}  # of numbers beside rings that are close to others
SHOWN = ("GD in turn", "R1 in turn", "OMD at once")  # of the Dirac GAN


def picture(runs: dict[str, dict[str, dict[str, Any]]], cycles: list[np.ndarray]) -> Figure:
    """The pair of each game by each method in the complex plane; below, the Dirac GAN: two turns, and its limit cycle."""
    figure = plt.figure(figsize=(WIDTH, 9.6), layout="constrained")
    places = figure.subplot_mosaic("AABB;CDEF", height_ratios=(3, 2))
    circle = np.exp(1j * np.linspace(0, 1, 100))
    for axes, (game, plays) in zip((places[i] for i in "AB"), runs.items(), strict=True):
        axes.plot(circle.real, circle.imag, color=OTHERS[3], linewidth=1.5)
        for i, run in enumerate(plays.values(), 1):
            predicted, played = ((r.real, r.imag) for r in run["r"])
            look = {"marker": "o", "color": COLOURS[verdict(run["factor"])]}
            axes.plot(*predicted, markersize=13, markerfacecolor="none", **look)
            axes.plot(*played, markersize=5, **look)
            axes.annotate(str(i), predicted, PLACES.get(i, (15, 4)), textcoords="offset points", ha="center", va="center")
        axes.set(title=game, xlabel="real part of $r$", xlim=(0.55, 1.1), ylim=(-0.03, 0.87))
    places["A"].set_ylabel("imaginary part of $r$")
    for axes, how in zip((places[i] for i in "DEF"), SHOWN, strict=True):
        run = runs[GAMES[0]][how]
        far, colour = run["far"][: len(run["linear"])], COLOURS[verdict(run["factor"])]
        axes.plot(*run["linear"].T, color=OTHERS[3], linewidth=1.5)
        axes.plot(*far.T, ".", color=colour)
        axes.set_title(f"{how}:\n{verdict(run['factor'])}")
    for path, colour in zip(cycles, (FAKE, REAL), strict=True):
        places["C"].plot(*path.T, ".-", color=colour, linewidth=1, markersize=5)
    places["C"].set_title("GD at once: limit cycle\nfrom inside and outside")
    for i in "CDEF":
        places[i].plot(0, 0, "*", color=OTHERS[4], markeredgecolor="black", markersize=16)
        places[i].set(xlabel="$\\theta$", xticks=[], yticks=[])
        places[i].set_aspect("equal", adjustable="datalim")
    places["C"].set_ylabel("$w$, Dirac GAN")
    marks = [plt.Line2D([], [], marker="o", linestyle="", color=colour, label=end) for end, colour in COLOURS.items()]
    numbers = [plt.Line2D([], [], linestyle="", label=f"{i} {how}") for i, how in enumerate(METHODS, 1)]
    figure.legend(handles=numbers, loc="outside lower center", ncols=4, handlelength=0, handletextpad=0)
    places["B"].legend(handles=marks, loc="upper right")
    return figure


def draw_training(trained: dict[str, np.ndarray], s: Settings) -> Figure:
    """The fastest pair of J while two networks learn, and how fast they move."""
    figure, places = slide(1, 2, height=5.6)
    step = s.steps // s.moments * np.arange(1, s.moments + 1)
    for (how, seen), colour, marker in zip(trained.items(), (FAKE, REAL), MARKERS, strict=False):
        for axes, values in zip(places, seen.T, strict=True):
            axes.plot(step, values, marker=marker, color=colour, label=how)
    places[0].axhline(0, color=OTHERS[3], linewidth=1.5)
    places[0].set(xlabel="iteration", title="real part of $J$'s pair that turns fastest")
    places[1].set(xlabel="iteration", title="speed, $|v|$", yscale="log")
    places[1].legend()
    return figure
