"""A function of a uniform variable can have any distribution, and a GAN's generator learns such a function.

Slide: "Luckily, we can represent our complex random variable by a function applied to a uniform random variable." (IT3320E,
lecture 10)

    x = T(u), u uniform on (0, 1):  T = F^-1, the inverse of the distribution function, gives x the distribution function F

First T = F^-1 itself, for an exponential and a Gaussian; then a GAN, whose generator sees only u and learns about x only from
D. What to look for: the Wasserstein distance from T's samples to the target's, compared with the distance between two samples
of the target. It is taken for G's last parameters and for their average over the second half of the training: G circles around
the solution, and optimistic Adam, an R1 penalty and falling learning rates only slow it down. T need not be F^-1: it may fall,
or fold; a narrow G sometimes stays in a wrong fold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ndtri

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import resumable, run_cases
from demos.kit.style import FAKE, REAL, slide
from minigan import data, games, metrics, nn, optim

FACE = (218, 178, 3)  # the lecture's pictures of faces: height, width, colours


@dataclass
class Target:
    """A distribution: `draw` returns n samples; the inverse of its distribution function; its density."""

    draw: Callable[[np.random.Generator, int], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]
    density: Callable[[np.ndarray], np.ndarray]


TARGETS = {
    "exponential": Target(lambda rng, n: rng.exponential(size=n), lambda u: -np.log1p(-u), lambda x: np.exp(-x) * (x >= 0)),
    "Gaussian": Target(lambda rng, n: rng.standard_normal(n), ndtri, lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)),
}


@dataclass
class Settings:
    steps: int = 10_000  # the learning rates fall linearly to 0 over them
    batch: int = 256
    g_width: int = 128  # of G's two hidden layers,
    d_width: int = 64  # and of D's
    lr: float = 2e-3
    betas: tuple[float, float] = (0.0, 0.99)  # no momentum: it delays the players' answers to each other
    r1: float = 5.0
    n: int = 10_000  # samples for a distance,
    pairs: int = 20  # which is a mean over these pairs of samples
    seeds: int = 3


QUICK = {"steps": 600, "pairs": 5, "seeds": 1}
VERDICT = "True: the inverse distribution function does it exactly; a GAN whose G is averaged over time learns such a function."
FINDING = (
    "G's samples are at most {exponential: T(u), times that, worst|<} times (exponential) and {Gaussian: T(u), times that, "
    "worst|<} times (Gaussian) as far from the target's as two samples of the target from each other (Wasserstein distance, "
    "average of G's parameters, worst of 3 seeds)."
)
TITLE = (
    "Samples of the learnt T(u) lie up to {exponential: T(u), times that, worst|<} (exponential) and {Gaussian: T(u), times "
    "that, worst|<} times (Gaussian)\nas far from the target's as two samples of the target from each other"
)
NEAR = 2.0  # the largest distance of a learnt T, in units of the distance of two samples of the target


@demo(Settings(), QUICK)
def main(claim: Claim, settings: Settings) -> None:
    args = claim.args
    claim.note("numbers in a face", np.prod(FACE), "218 * 178 * 3 = 116412", np.prod(FACE) == 116412, quick=True)
    own = {name: exact(claim, name, settings) for name in TARGETS}
    seeds = range(args.seed, args.seed + settings.seeds)
    trained = run_cases(train, {name: (name,) for name in TARGETS}, seeds, settings, steps=settings.steps)
    learnt: dict[str, games.GAN] = {}
    for name, states in trained.items():
        for seed, pair in zip(seeds, states, strict=True):
            T, last = (restored(state, settings) for state in pair)
            ratio = distance(TARGETS[name], T.sample, settings) / own[name]
            claim.note(f"{name}, seed {seed}: T(u), times that", ratio, "reported: of the average of G's parameters")
            ratio = distance(TARGETS[name], last.sample, settings) / own[name]
            claim.note(f"{name}, seed {seed}: last T(u), times that", ratio, "reported: of the last ones")
            learnt.setdefault(name, T)
    for name in TARGETS:
        worst = max(claim.metrics[f"{name}, seed {seed}: T(u), times that"] for seed in seeds)
        claim.at_most(f"{name}: T(u), times that, worst", worst, NEAR)
    claim.show(picture(learnt), "transform", claim.words(TITLE))


def exact(claim: Claim, name: str, settings: Settings) -> float:
    """Report T = F^-1; return the distance between two samples of the target."""
    target, rng = TARGETS[name], mg.random_numbers.spawn()
    own = distance(target, lambda n: target.draw(rng, n), settings)
    claim.note(f"{name}: distance of two samples", own)
    ratio = distance(target, lambda n: target.inverse(rng.random(n)), settings) / own
    claim.at_most(f"{name}: F^-1(u), times that", ratio, 1.5, quick=True)  # 1, but for chance
    return own


def distance(target: Target, sample: Callable[[int], np.ndarray], settings: Settings) -> float:
    """Wasserstein-1 between n fresh samples and n of the target, the mean over several pairs."""
    rng, n = mg.random_numbers.spawn(), settings.n
    return float(np.mean([metrics.wasserstein1(target.draw(rng, n), sample(n).ravel()) for _ in range(settings.pairs)]))


def train(seed: int, name: str, settings: Settings) -> tuple[dict, dict]:
    """G's parameters: averaged over the second half of the game, and the last ones."""
    mg.seed(seed)
    game, rng = make_game(settings), mg.random_numbers.spawn()
    batches = (TARGETS[name].draw(rng, settings.batch)[:, None] for _ in count())
    decay = optim.LinearDecay([game.opt_G, game.opt_D], settings.steps)
    means = [np.zeros(p.shape) for p in game.G.parameters()]
    for t in resumable(range(settings.steps), "game", game=game, rng=rng, decay=decay, means=means):
        game.step(batches)
        decay.step()
        n = t + 1 - settings.steps // 2  # how many iterations are averaged by now
        for mean, p in zip(means, game.G.parameters(), strict=True):
            mean += (p.numpy() - mean) / n if n >= 1 else 0.0
    last = game.G.state_dict()
    for mean, p in zip(means, game.G.parameters(), strict=True):
        p.data = mean.astype(np.float32)
    return game.G.state_dict(), last


def restored(state: dict, settings: Settings) -> games.GAN:
    """A game whose G has these parameters."""
    game = make_game(settings)
    game.G.load_state_dict(state)
    return game


def make_game(settings: Settings) -> games.GAN:
    """G: u -> x and D: x -> logit, dense networks, and u uniform on (-1, 1)."""
    w, v = settings.g_width, settings.d_width
    G = nn.Sequential(nn.Dense(1, w), nn.ReLU(), nn.Dense(w, w), nn.ReLU(), nn.Dense(w, 1))
    D = nn.Sequential(nn.Dense(1, v), nn.LeakyReLU(0.2), nn.Dense(v, v), nn.LeakyReLU(0.2), nn.Dense(v, 1))
    opt_G, opt_D = (optim.OptimisticAdam(player.parameters(), settings.lr, settings.betas) for player in (G, D))
    return games.GAN(G, D, data.noise(1, "uniform"), opt_G, opt_D, r1=settings.r1)


def picture(learnt: dict[str, games.GAN]) -> plt.Figure:
    """For each target: T and F^-1; the densities of T's samples and of the target."""
    figure, rows = slide(len(learnt), 2)
    u = np.linspace(0, 1, 1001)[1:-1]
    for (left, right), (name, game) in zip(rows, learnt.items(), strict=True):
        exact = TARGETS[name].inverse(u)
        T = game.sample(len(u), z=2 * u[:, None] - 1)[:, 0]
        left.plot(u, exact, color=REAL, linestyle="--", label="exact: $F^{-1}(u)$, density of the target")
        left.plot(u, T, color=FAKE, label="learnt: $T(u)$, density of its samples")
        left.set(xlabel="$u$", ylabel="$x$", title=f"{name}: the functions")
        low, high = exact[0], exact[-1]
        right.hist(game.sample(50_000)[:, 0], bins=100, range=(low, high), density=True, color=FAKE, alpha=0.6)
        right.plot(exact, TARGETS[name].density(exact), color=REAL, linestyle="--")
        right.set(xlabel="$x$", ylabel="density", title=f"{name}: the densities")
    figure.legend(*rows[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
