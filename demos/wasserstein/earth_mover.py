"""The Wasserstein distance measures how far apart two distributions are; the Jensen-Shannon divergence only that they differ.

Slide: "Earth-Mover (EM) distance or Wasserstein-1" (IT3320E, lecture 10)

    W(P_r, P_g) = inf over plans gamma of E |x - y| = sup over ||f||_L <= 1 of E f(x) - E f(G(z))      (Kantorovich-Rubinstein)

For two parallel lines, theta apart, W = |theta|, but JSD = log 2 for every theta except 0: no slope for G to descend. A critic
with clipped weights finds W times an unknown constant. One with the gradient penalty should find W (1 + W / (2 lambda)), with
the slope K = 1 + W / (2 lambda): estimate / slope is W, in the data's unit.

What to look for: JSD's plateau next to the V of W; the penalised critics' marks on their curves. Then critics learn to tell a
ring of eight modes from the same ring blurred. How many weights does clipping drive to -c and c? At how many of the modes does
each critic have a summit, higher than all around it?
"""

from dataclasses import dataclass
from itertools import count, product

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_kinds
from demos.kit.loops import resumable, run_tasks
from demos.kit.mixtures import discriminator
from demos.kit.style import D_COLOUR, MARKERS, OTHERS, REAL, slide
from demos.wasserstein import critics
from minigan import data, optim
from minigan.games import GAN, WGAN, WGANGP
from minigan.games.game import Game

MODES, REACH = 8, 3.0  # of the ring; of the map around it
CLIPPED, PENALISED = OTHERS[1], OTHERS[0]


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    thetas: tuple[float, ...] = (-1.0, -0.5, -0.2, 0.0, 0.1, 0.3, 0.7)  # between the lines; no two as far apart
    distances: tuple[float, ...] = (0.5, 1.0, 2.0)  # between the lines, for the penalised critic
    penalties: tuple[float, ...] = (1.0, 10.0)  # lambda
    seeds: int = 3  # the metrics are those of the worst
    steps: int = 600  # of D, or the critic; the learning rate falls linearly to 0 over them
    lr: float = 3e-3
    clip: float = 0.1  # c
    ring_penalty: float = 0.1
    width: int = 64  # of the two hidden layers
    batch: int = 256


QUICK = Settings(thetas=(-0.5, 0.0, 1.0), distances=(1.0,), seeds=1, steps=250, width=32)
VERDICT = "True: between two lines, the Wasserstein distance grows with the gap; the Jensen-Shannon divergence does not."
ON_LINES = (
    "The clipped critic ranks distances (rank correlation {clipped critic and W1, rank correlation|.2f}), the penalised one "
    "measures them: estimate / slope is off by {penalised: gap / slope beside W1, worst share off|<%} at most"
)
ON_RING = (
    "Ring against blurred ring: the penalised critic has a summit at {penalised: modes at a summit, fewest|.0f} of 8 modes, "
    "the clipped one at {clipped: modes at a summit, most|.0f}; at least {clipped: share of weights at -c, c|>%} of its "
    "weights are at the bounds"
)
FINDING = (
    f"{ON_LINES}. Penalised critics have a maximum at {{penalised: modes at a summit, fewest|.0f}} of a ring's 8 modes, "
    "clipped ones at {clipped: modes at a summit, most|.0f} (worst of 3 seeds)."
)


def make_game(s: Settings, kind: str, prior, theta: float, penalty: float) -> Game:
    """A GAN's discriminator, or a clipped or penalised critic, against fakes that do not learn."""
    G, D = critics.Shift(theta), discriminator(s.width)
    optimizer = optim.RMSProp(D.parameters(), s.lr) if kind == "clip" else optim.Adam(D.parameters(), s.lr, (0.5, 0.9))
    players = G, D, prior, optim.SGD(G.parameters(), lr=0.0), optimizer
    if kind == "clip":
        return WGAN(*players, n_critic=1, clip=s.clip)
    return WGANGP(*players, n_critic=1, penalty=penalty) if kind == "penalty" else GAN(*players)


def train(s: Settings, seed: int, kind: str, theta: float = 0.0, penalty: float = 0.0, ring: bool = False) -> Game:
    """The game after D has learnt to tell a line from one theta to its right (or the ring from the blurred ring)."""
    mg.seed(seed)
    real, prior = (data.ring, critics.blurred_ring) if ring else (critics.line, critics.line)
    game = make_game(s, kind, prior, theta, penalty)
    decay, batches = optim.LinearDecay([game.opt_D], s.steps), (real(s.batch) for _ in count())
    for _ in resumable(range(s.steps), "game", game=game, decay=decay):
        game.step(batches)
        decay.step()
    return game


def on_lines(kind: str, theta: float, penalty: float, seed: int, s: Settings) -> dict[str, float]:
    """A network's measure of two lines: a discriminator's JSD, or a critic's E f(x) - E f(G(z)) and E |grad f|."""
    game = train(s, seed, kind, theta, penalty)
    if kind == "gan":
        return {"jsd": critics.jsd_by_discriminator(game, critics.line)}
    return {"gap": critics.gap(game, critics.line), "slope": critics.slope(game, critics.line)}


def on_ring(kind: str, seed: int, s: Settings) -> dict:
    """A critic's weights, their share at the bounds, and the critic's values on a square."""
    game = train(s, seed, kind, penalty=s.ring_penalty, ring=True)
    return {
        "weights": np.concatenate([p.numpy().ravel() for p in game.D.parameters()]),
        "at the bounds": critics.share_at_the_bounds(game),
        "surface": critics.surface(game, REACH),
    }


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    """Distances between lines, exact and by networks; the penalty's law; two critics on the ring."""
    seeds = range(claim.args.seed, claim.args.seed + s.seeds)
    laws = [(W, penalty) for W in s.distances for penalty in s.penalties]
    kinds = [*product(("gan", "clip"), s.thetas, (0.0,)), *(("penalty", *law) for law in laws)]
    tasks = {f"{kind}, seed {seed}": (*kind, seed) for kind in kinds for seed in seeds}
    found = dict(zip(tasks.values(), run_tasks(on_lines, tasks, s, steps=len(tasks) * s.steps), strict=True))
    D = np.array([[found["gan", theta, 0.0, i]["jsd"] for theta in s.thetas] for i in seeds])
    clipped = np.array([[found["clip", theta, 0.0, i]["gap"] for theta in s.thetas] for i in seeds])
    penalised = {law: [found["penalty", *law, i] for i in seeds] for law in laws}
    rings = over_kinds(claim, on_ring, ("clip", "penalty"), s.seeds, s, steps=2 * s.seeds * s.steps)
    jsd, W = np.array([critics.exact_distances(theta) for theta in s.thetas]).T
    report_lines(claim, np.array(s.thetas), jsd, W, D, clipped)
    report_critics(claim, penalised)
    report_rings(claim, rings)
    claim.show(draw_distances(s, claim.metrics, jsd, W, D, clipped, penalised), "earth_mover", claim.words(ON_LINES))
    claim.show(draw_critics(s, rings), "critics", claim.words(ON_RING))


def report_lines(claim: Claim, theta, jsd, W, D, clipped) -> None:
    """JSD, W1, and the estimates by D and by the clipped critic."""
    apart = theta != 0
    off = np.abs(jsd[apart] - np.log(2)).max()
    claim.at_most("JSD - log 2, by definition, worst theta", off, 1e-9, quick=True)
    claim.at_most("JSD - log 2, by a trained D, worst", np.abs(D[:, apart] - np.log(2)).max(), 0.02, quick=True)
    claim.note("JSD at theta = 0, by a trained D, worst", np.abs(D[:, ~apart]).max(), "0")
    claim.at_most("W1 - |theta|, exact, worst theta", np.abs(W - np.abs(theta)).max(), 1e-9, quick=True)
    agreement = min(spearmanr(row, W).statistic for row in clipped)
    claim.at_least("clipped critic and W1, rank correlation", agreement, 0.95, quick=True)
    factors = clipped[:, apart] / W[apart]
    spread = (factors.max(axis=1) / factors.min(axis=1)).max()
    claim.between("clipped critic / W1, largest / smallest", spread, 1, 2, quick=True)
    claim.note("clipped critic / W1, mean", factors.mean(), "any constant")


def report_critics(claim: Claim, penalised: dict) -> None:
    """The penalty's law."""
    for (W, penalty), runs in penalised.items():
        K = 1 + W / (2 * penalty)
        for name, law in (("gap", W * K), ("slope", K)):
            worst = max((run[name] for run in runs), key=lambda v: abs(v - law))
            claim.between(f"W = {W}, lambda = {penalty:g}: {name}", worst, 0.95 * law, 1.05 * law, quick=True)
    off = max(abs(run["gap"] / run["slope"] - W) / W for (W, _), runs in penalised.items() for run in runs)
    claim.at_most("penalised: gap / slope beside W1, worst share off", off, 0.05, quick=True)


def report_rings(claim: Claim, rings: dict) -> None:
    """The effect of clipping on the weights and on the critic's shape."""
    share = {kind: [run["at the bounds"] for run in runs] for kind, runs in rings.items()}
    at_modes = {kind: [critics.modes_at(critics.summits(run["surface"], REACH)) for run in rings[kind]] for kind in rings}
    claim.at_least("clipped: share of weights at -c, c", min(share["clip"]), 0.5, quick=True)
    claim.at_most("penalised: share of weights at the largest", max(share["penalty"]), 0.05, quick=True)
    claim.at_most("clipped: modes at a summit, most", max(at_modes["clip"]), MODES / 2, quick=True)
    claim.at_least("penalised: modes at a summit, fewest", min(at_modes["penalty"]), MODES)
    for kind, name in (("clip", "clipped"), ("penalty", "penalised")):
        highest = [critics.highest(run["surface"], REACH) for run in rings[kind]]
        away = max(np.linalg.norm(data.ring_centres(MODES) - place, axis=1).min() for place in highest)
        claim.note(f"{name}: highest point to the nearest mode, farthest", away, "reported")


def draw_distances(s: Settings, m: dict[str, float], jsd, W, D, clipped, penalised: dict) -> plt.Figure:
    """The two distances, the clipped critic, and the penalised critics' law."""
    figure, (distances, factor, law) = slide(1, 3)
    distances.plot(s.thetas, W, "o-", color=REAL, label="exact $W_1$")
    distances.plot(s.thetas, jsd, "s", color=OTHERS[3], markersize=11, label="JSD, by its definition")
    distances.plot(s.thetas, D.mean(axis=0), "x", color=OTHERS[2], markeredgewidth=2, label="JSD, by a trained D")
    distances.axhline(np.log(2), color=OTHERS[3], linestyle=":")
    distances.set(title="two parallel lines", xlabel="$\\theta$, from one to the other", ylabel="distance", ylim=(-0.05, 1.1))
    for i, row in enumerate(clipped):
        factor.plot(W, row, MARKERS[i % len(MARKERS)], color=CLIPPED, label=f"seed {i + 1} of {len(clipped)}")
    mean = m["clipped critic / W1, mean"]
    factor.axline((0, 0), slope=mean, color="grey", linestyle=":", label=f"{mean:.2g} $W_1$")
    factor.set(title="clipped critics", xlabel="exact $W_1$", ylabel="estimate $E f(x) - E f(G(z))$")
    line = np.linspace(0, 1.1 * max(s.distances))
    for penalty, colour, marker, style in zip(s.penalties, (PENALISED, D_COLOUR), "o^", ("-", "--"), strict=True):
        law.plot(line, line * (1 + line / (2 * penalty)), style, color=colour)
        at, gaps = zip(*[(d, run["gap"]) for (d, of), runs in penalised.items() if of == penalty for run in runs], strict=True)
        law.plot(at, gaps, marker, color=colour, markersize=9, label=f"$\\lambda$ = {penalty:g}")
    law.plot([], [], "-", color="grey", label="$W_1 (1 + W_1 / 2 \\lambda)$")
    law.plot(line, line, ":", color="grey", label="$W_1$")
    law.set(title="penalised critics", xlabel="exact $W_1$", ylabel="estimate $E f(x) - E f(G(z))$")
    for axes in (distances, factor, law):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure


def draw_critics(s: Settings, rings: dict) -> plt.Figure:
    """The critics' weights, and the two critics' maps with their summits."""
    figure, (weights, clip, penalty) = slide(1, 3, height=6.0, width_ratios=(1, 1.25, 1.25))
    bins = np.linspace(-4 * s.clip, 4 * s.clip, 41)
    for kind, colour, name, style in (("clip", CLIPPED, "clipped", "-"), ("penalty", PENALISED, "penalised", "--")):
        look = {"histtype": "step", "linewidth": 3, "linestyle": style, "color": colour, "label": name}
        weights.hist(rings[kind][0]["weights"], bins, density=True, **look)
    weights.set(title="the critics' weights", xlabel="weight", yscale="log", ylabel="density")
    weights.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    for axes, kind, name in ((clip, "clip", "clipped"), (penalty, "penalty", "penalised")):
        draw_map(figure, axes, rings[kind][0]["surface"], name)
    figure.legend(*penalty.get_legend_handles_labels(), loc="outside lower right", ncols=3)
    return figure


def draw_map(figure: plt.Figure, axes: plt.Axes, surface: np.ndarray, name: str) -> None:
    """A critic's values on the square around the ring, the ring's modes and the map's summits."""
    line = np.linspace(-REACH, REACH, len(surface))
    field = axes.contourf(line, line, surface, levels=15, cmap="cividis")
    figure.colorbar(field, ax=axes, label="$f$", shrink=0.6)
    places = data.ring_centres(MODES), critics.summits(surface, REACH), critics.highest(surface, REACH)[None]
    names = "mode of the ring", "summit of $f$", "highest of all"
    looks = ("o", 20, "none", "black"), ("^", 12, OTHERS[4], "black"), ("*", 6, "black", "black")
    for at, label, (marker, size, colour, edge) in zip(places, names, looks, strict=True):
        axes.plot(*at.T, marker, color=colour, markeredgecolor=edge, markeredgewidth=2, markersize=size, label=label)
    axes.set(title=f"{name}: the critic's values $f$", aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
