"""The Wasserstein distance says how far apart two distributions are where Jensen-Shannon's only says that they are apart.

Slide: "Earth-Mover (EM) distance or Wasserstein-1" (IT3320E, lecture 10)

W(P_r, P_g) = inf over plans gamma of E |x - y|, and by Kantorovich-Rubinstein duality the sup over ||f||_L <= 1 of
E f(x) - E f(G(z)). For two parallel lines, theta apart, W = |theta|, but JSD = log 2 for every theta except 0: no slope for G
to descend. A critic with weights clipped to [-c, c] finds W times a constant that nobody knows. One with the gradient
penalty finds W (1 + W / (2 lambda)), by a slope K = 1 + W / (2 lambda): estimate / slope is W, in the data's unit.
What to look for: JSD's plateau beside the V of W; the penalised critics' dots on their curves; and what clipping does
besides: weights pile up at -c and c, and on the ring the critic is too simple to rise at every mode.
"""

from dataclasses import asdict, dataclass
from itertools import count

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr
from tqdm import tqdm

import minigan as mg
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.mixtures import discriminator
from demos.kit.progress import progress
from demos.kit.run import common_options, start
from demos.wasserstein import critics
from minigan import data, optim
from minigan.games import GAN, WGAN, WGANGP
from minigan.games.game import Game


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    thetas: tuple[float, ...] = (-1.0, -0.5, -0.2, 0.0, 0.1, 0.3, 0.7)  # between the lines; no two as far apart
    distances: tuple[float, ...] = (0.5, 1.0, 2.0)  # between the lines, for the penalised critic
    penalties: tuple[float, ...] = (1.0, 10.0)  # lambda
    seeds: int = 3  # the figures are those of the worst
    steps: int = 600  # of D, or the critic; the learning rate falls linearly to 0 over them
    lr: float = 3e-3
    clip: float = 0.1  # c
    ring_penalty: float = 0.1
    width: int = 64  # of the two hidden layers
    batch: int = 256


QUICK = Settings(thetas=(-0.5, 0.0, 0.1, 1.0), distances=(1.0,), seeds=1, steps=300, width=32)


def make_game(s: Settings, kind: str, prior, theta: float, penalty: float) -> Game:
    """A GAN's discriminator, or a critic that is clipped or penalised, against fakes that stay what they are."""
    G, D = critics.Shift(theta), discriminator(s.width)
    optimizer = optim.RMSProp(D.parameters(), s.lr) if kind == "clip" else optim.Adam(D.parameters(), s.lr, (0.5, 0.9))
    players = G, D, prior, optim.SGD(G.parameters(), lr=0.0), optimizer
    if kind == "clip":
        return WGAN(*players, n_critic=1, clip=s.clip)
    return WGANGP(*players, n_critic=1, penalty=penalty) if kind == "penalty" else GAN(*players)


def train(s: Settings, bar: tqdm, seed: int, kind: str, theta: float = 0.0, penalty: float = 0.0, ring: bool = False) -> Game:
    """The game after D has learnt to tell a line from one that lies theta to its right (or the ring from the blurred ring)."""
    mg.seed(seed)
    real, prior = (data.ring, critics.blurred_ring) if ring else (critics.line, critics.line)
    game = make_game(s, kind, prior, theta, penalty)
    decay, batches = optim.LinearDecay([game.opt_D], s.steps), (real(s.batch) for _ in count())
    for _ in range(s.steps):
        game.step(batches)
        decay.step()
    bar.update()
    return game


def main(argv: list[str] | None = None) -> None:
    """Distances between lines, exact and as networks see them; the penalty's law; and two critics on the ring."""
    args = start(common_options(__doc__), argv, "earth_mover")
    s = QUICK if args.quick else Settings()
    claim, seeds = Claim(args, asdict(s)), range(args.seed, args.seed + s.seeds)
    laws = [(W, penalty) for W in s.distances for penalty in s.penalties]
    with progress(total=s.seeds * (2 * len(s.thetas) + len(laws) + 2), unit="network") as bar:

        def play(function, *setting):
            return once(f"{function.__name__} {setting}", function, s, bar, *setting, bar=bar)

        D = np.array([[play(jsd_by_d, i, theta) for theta in s.thetas] for i in seeds])
        clipped = np.array([[play(clipped_gap, i, theta) for theta in s.thetas] for i in seeds])
        penalised = {law: [play(penalised_critic, i, *law) for i in seeds] for law in laws}
        on_ring = {kind: [play(critic_on_ring, i, kind) for i in seeds] for kind in ("clip", "penalty")}
    jsd, W = np.array([critics.exact_distances(theta) for theta in s.thetas]).T
    report_lines(claim, np.array(s.thetas), jsd, W, D, clipped)
    report_critics(claim, penalised, on_ring)
    claim.finish(draw(s, claim, jsd, W, D, clipped, penalised, on_ring), "earth_mover")


def jsd_by_d(s: Settings, bar: tqdm, seed: int, theta: float) -> float:
    """The JSD of two lines by a trained D."""
    return critics.jsd_by_discriminator(train(s, bar, seed, "gan", theta), critics.line)


def clipped_gap(s: Settings, bar: tqdm, seed: int, theta: float) -> float:
    """E f(x) - E f(G(z)) of a clipped critic."""
    return critics.gap(train(s, bar, seed, "clip", theta), critics.line)


def penalised_critic(s: Settings, bar: tqdm, seed: int, theta: float, penalty: float) -> tuple[float, float]:
    """(E f(x) - E f(G(z)), E |grad f|) of a penalised critic."""
    game = train(s, bar, seed, "penalty", theta, penalty)
    return critics.gap(game, critics.line), critics.slope(game, critics.line)


def critic_on_ring(s: Settings, bar: tqdm, seed: int, kind: str) -> dict:
    """A critic's shape: its weights, the share of them at the bounds, the modes at a peak, and its values on a square."""
    game = train(s, bar, seed, kind, penalty=s.ring_penalty, ring=True)
    return {
        "weights": np.concatenate([p.numpy().ravel() for p in game.D.parameters()]),
        "at_the_bounds": critics.share_at_the_bounds(game),
        "peaks": critics.peaks(game),
        "surface": critics.surface(game, 3.0),
    }


def report_lines(claim: Claim, theta, jsd, W, D, clipped) -> None:
    """JSD, W1 and what D and the clipped critic make of them."""
    apart = theta != 0
    off = np.abs(jsd[apart] - np.log(2)).max()
    claim.note("JSD - log 2, by definition, worst theta", off, "at most 1e-9", off <= 1e-9)
    off = np.abs(D[:, apart] - np.log(2)).max()
    claim.note("JSD - log 2, by a trained D, worst", off, "at most 0.02", off <= 0.02)
    claim.note("JSD at theta = 0, by a trained D, worst", np.abs(D[:, ~apart]).max(), "0")
    off = np.abs(W - np.abs(theta)).max()
    claim.note("W1 - |theta|, exact, worst theta", off, "at most 1e-9", off <= 1e-9)
    agreement = min(spearmanr(row, W).statistic for row in clipped)
    claim.note("clipped critic and W1, rank correlation", agreement, "at least 0.95", agreement >= 0.95)
    factors = clipped[:, apart] / W[apart]
    spread = (factors.max(axis=1) / factors.min(axis=1)).max()
    claim.note("clipped critic / W1, largest / smallest", spread, "at most 2: about a constant", 0 < spread <= 2)
    claim.note("clipped critic / W1, mean", factors.mean(), "any constant")


def report_critics(claim: Claim, penalised: dict, on_ring: dict) -> None:
    """The penalty's law, and what clipping does besides."""
    for (W, penalty), found in penalised.items():
        K = 1 + W / (2 * penalty)
        for name, values, law in (("gap", [g for g, _ in found], W * K), ("slope", [k for _, k in found], K)):
            worst = max(values, key=lambda v: abs(v - law))
            expected, holds = f"{law:.4g} within 5 %", abs(worst - law) <= 0.05 * law
            claim.note(f"W = {W}, lambda = {penalty:g}: {name}", worst, expected, holds)
        claim.note(f"W = {W}, lambda = {penalty:g}: gap / slope", np.mean([g / k for g, k in found]), f"{W}")
    bounds = {kind: [run["at_the_bounds"] for run in runs] for kind, runs in on_ring.items()}
    rises = {kind: [run["peaks"] for run in runs] for kind, runs in on_ring.items()}
    claim.note("clipped: share of weights at -c, c", min(bounds["clip"]), "at least 0.5", min(bounds["clip"]) >= 0.5)
    claim.note("penalised: share at its largest", max(bounds["penalty"]), "at most 0.05", max(bounds["penalty"]) <= 0.05)
    claim.note("clipped: modes of the ring at a peak", max(rises["clip"]), "fewer than 8", max(rises["clip"]) < 8)
    claim.note("penalised: modes of the ring at a peak", min(rises["penalty"]), "8 of 8", min(rises["penalty"]) == 8)


# --- the picture --------------------------------------------------------------------------------------------------------


def draw(s: Settings, claim: Claim, jsd, W, D, clipped, penalised: dict, on_ring: dict) -> plt.Figure:
    """Distances, the clipped critic, the law; the weights and the landscapes of two critics."""
    figure, ((distances, factor, law), (weights, clip, penalty)) = plt.subplots(2, 3, figsize=(14, 8.4), layout="constrained")
    distances.plot(s.thetas, W, "o-", label="exact $W_1$")
    distances.plot(s.thetas, jsd, "s", label="JSD by its definition")
    distances.plot(s.thetas, D.mean(axis=0), "x", color="black", label="JSD by a trained D")
    distances.axhline(np.log(2), color="tab:orange", linestyle=":")
    distances.set(title="two parallel lines: $W_1 = |\\theta|$, JSD is $\\log 2$ or 0", xlabel="$\\theta$", ylim=(-0.05, 1.4))
    distances.legend(loc="upper center")
    for row in clipped:
        factor.scatter(W, row, color="tab:orange")
    factor.axline((0, 0), slope=claim.metrics["clipped critic / W1, mean"], color="grey", linestyle=":")
    title = f"clipped: {claim.metrics['clipped critic / W1, mean']:.2g} times the distance"
    factor.set(title=title, xlabel="exact $W_1$", ylabel="$E f(x) - E f(G(z))$")
    draw_law(law, s, penalised)
    draw_weights(weights, s, on_ring)
    for axes, kind, name in ((clip, "clip", "clipped"), (penalty, "penalty", "penalised")):
        axes.contourf(*[np.linspace(-3, 3, 80)] * 2, on_ring[kind][0]["surface"], levels=20, cmap="RdBu_r")
        axes.scatter(*data.ring_centres().T, s=20, color="black")
        axes.set(title=f"{name}: a peak at {on_ring[kind][0]['peaks']} of the ring's 8 modes", aspect="equal")
    agreement = claim.metrics["clipped critic and W1, rank correlation"]
    figure.suptitle(
        f"The clipped critic ranks distances (rank correlation {agreement:.2f}), "
        f"the penalised one measures them: gap / slope is off by at most {worst_ratio(penalised):.1%}"
    )
    return figure


def worst_ratio(penalised: dict) -> float:
    """How far gap / slope is from W, at worst, as a share of W."""
    return max(abs(g / k - W) / W for (W, _), found in penalised.items() for g, k in found)


def draw_law(axes: plt.Axes, s: Settings, penalised: dict) -> None:
    """The penalised critics' estimates on the curves W (1 + W / (2 lambda))."""
    W = np.linspace(0, 1.1 * max(s.distances))
    for penalty, colour in zip(s.penalties, ("tab:purple", "tab:green"), strict=True):
        axes.plot(W, W * (1 + W / (2 * penalty)), color=colour, label=f"$W (1 + W / 2 \\lambda)$, $\\lambda$ = {penalty:g}")
        for (at, of), found in penalised.items():
            if of == penalty:
                axes.scatter([at] * len(found), [g for g, _ in found], color=colour)
    axes.plot(W, W, color="grey", linestyle=":", label="$W$")
    axes.set(title="penalised: more than the distance, by a law", xlabel="exact $W_1$", ylabel="$E f(x) - E f(G(z))$")
    axes.legend()


def draw_weights(axes: plt.Axes, s: Settings, on_ring: dict) -> None:
    """Where the weights lie."""
    for kind, colour, name in (("clip", "tab:orange", "clipped"), ("penalty", "tab:green", "penalised")):
        bins = np.linspace(-4 * s.clip, 4 * s.clip, 81)
        axes.hist(on_ring[kind][0]["weights"], bins, color=colour, alpha=0.6, label=name, density=True)
    share = on_ring["clip"][0]["at_the_bounds"]
    axes.set(title=f"clipped: {share:.0%} of the weights at $\\pm c$", xlabel="weight", yscale="log", ylabel="density")
    axes.legend()


if __name__ == "__main__":
    main()
