"""Mode collapse: while D lags behind G, G runs from one mode of the data to the next; a D that keeps up brings all of them.

Slide: "Mode collapse — G generates realistic data but only for a *subset* of the domain of $P_{\\text{data}}(\\mathbf{x})$"
(CS/DS 541, class 19)

D learns slowly here, at a third of G's rate. G's best answer to such a D is the one point that it likes best; D learns that
this point is fake, G moves on to another mode, and so on, round the ring. ("Realistic" is generous: on the way, most of the
samples lie on no mode.) Changes, one at a time, from the same setting: let D learn more (5 steps, the cure that is tried most;
or G's rate), let it see more (pairs of samples, PacGAN; the minibatch's standard deviation as one more feature, which gives a
single mode away), make it flat at the data (R1), or change the loss (WGAN-GP). What to look for: in the rows, over
time, G hops between the pale modes, or fills them all; in the bars, the modes with at least 1 % of the samples at the end, a
dot for each seed. Not everything that is said to help does: the standard deviation of D's last hidden layer often does not.
"""

from dataclasses import asdict, dataclass

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import minigan as mg
from demos.kit.checkpoints import once, resumable
from demos.kit.claim import Claim
from demos.kit.mixtures import GRID, RING, Mixture, discriminator, generator
from demos.kit.progress import progress
from demos.kit.run import common_options, start
from minigan import Tensor, data, nn, optim
from minigan.games import GAN, WGANGP
from minigan.games.game import Game


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 1200  # iterations
    grid_steps: int = 2000
    seeds: int = 5  # of the collapse and of the cure
    other_seeds: int = 3  # of the other changes
    width: int = 128  # of the two hidden layers of each network
    batch: int = 256
    lr: float = 1e-3
    lr_discriminator: float = 3e-4
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's
    moments: int = 6  # at which the samples are looked at


QUICK = Settings(steps=300, grid_steps=90, seeds=1, other_seeds=1, batch=128)
COLLAPSE, CURE = "nothing", "5 D steps"
CHANGES = {  # from the setting that collapses: one each
    COLLAPSE: {},
    CURE: {"k": 5},
    "D's rate as high as G's": {"lr_D": 1e-3},
    "pairs (PacGAN)": {"D": "pairs"},
    "minibatch std, D's input": {"D": "std first"},
    "minibatch std, D's last layer": {"D": "std last"},
    "R1 = 2": {"r1": 2.0},
    "WGAN-GP, 5 critic steps": {"penalty": 0.1},
}


class MinibatchStd(nn.Module):
    """A feature more, the same for all: the mean of the standard deviations over the minibatch (Karras et al. 2018)."""

    def forward(self, h: Tensor) -> Tensor:
        std = mg.sqrt(mg.var(h, axis=0) + 1e-8).mean()
        return mg.concatenate([h, mg.broadcast_to(std.reshape(1, 1), (len(h), 1))], axis=1)


class Pairs(nn.Module):
    """Two samples side by side as one input: D judges pairs (Lin et al. 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x) // 2, 2 * x.shape[1])


def make_discriminator(kind: str, w: int) -> nn.Sequential:
    """D, changed in one place."""
    if kind == "std first":
        return nn.Sequential(MinibatchStd(), discriminator(w, features=3))
    if kind == "std last":
        return nn.Sequential(*list(discriminator(w))[:-1], MinibatchStd(), nn.Dense(w + 1, 1))
    if kind == "pairs":
        return nn.Sequential(Pairs(), discriminator(w, features=4))
    return discriminator(w)


def make_game(settings: Settings, D: str = "", k: int = 1, lr_D: float = 0.0, r1: float = 0.0, penalty: float = 0.0) -> Game:
    """The game that collapses, or with one change."""
    G = generator(settings.width)  # first, so that the seed decides its weights, whatever D is
    D = make_discriminator(D, settings.width)
    opt_G = optim.Adam(G.parameters(), settings.lr, settings.betas)
    opt_D = optim.Adam(D.parameters(), lr_D or settings.lr_discriminator, settings.betas)
    players = G, D, data.noise(2), opt_G, opt_D
    return WGANGP(*players, penalty=penalty) if penalty else GAN(*players, k=k, r1=r1)


def train(settings: Settings, seed: int, change: str, mixture: Mixture, steps: int, bar: tqdm) -> list[np.ndarray]:
    """G's samples at evenly spaced moments; the last are those of the end."""
    mg.seed(seed)
    game, batches = make_game(settings, **CHANGES[change]), mixture.batches(settings.batch)
    moments = []
    bar.set_postfix_str(f"{change}, seed {seed}", refresh=False)
    for t in resumable(range(1, steps + 1), "game", bar, game=game, batches=batches, moments=moments):
        game.step(batches)
        if t % (steps // settings.moments) == 0:
            moments.append(game.sample(2500))
    return moments


def main(argv: list[str] | None = None) -> None:
    """Every change with its seeds; the collapse and the main cure on the grid as well."""
    args = start(common_options(__doc__), argv, "collapse")
    settings = QUICK if args.quick else Settings()
    claim = Claim(args, asdict(settings))
    seeds = {change: settings.seeds if change in (COLLAPSE, CURE) else settings.other_seeds for change in CHANGES}
    with progress(total=sum(seeds.values()) * settings.steps + 2 * settings.grid_steps, unit="it") as bar:

        def play(name, seed, change, *rest):
            return once(f"{name}, {change}, seed {seed}", train, settings, seed, change, *rest, bar, bar=bar)

        ring = {
            change: [play("ring", args.seed + i, change, RING, settings.steps) for i in range(n)] for change, n in seeds.items()
        }
        grid = {change: play("grid", args.seed, change, GRID, settings.grid_steps) for change in (COLLAPSE, CURE)}
    report(claim, ring, grid)
    claim.finish(draw(ring, grid), "collapse")


def modes(runs: list[list[np.ndarray]]) -> list[int]:
    """The modes with at least 1 % of the samples at the end, seed by seed."""
    return [RING.coverage(moments[-1])["modes_1pct"] for moments in runs]


def report(claim: Claim, ring: dict, grid: dict) -> None:
    """The collapse and its cure by the number of seeds; every change by its worst and its best seed."""
    collapsed, n = modes(ring[COLLAPSE]), len(ring[COLLAPSE])
    few, need = sum(m <= 3 for m in collapsed), max(1, n - 1)
    claim.note("collapse, seeds with at most 3 of 8 modes", few, f"at least {need} of {n}", few >= need)
    full = sum(m == 8 for m in modes(ring[CURE]))
    claim.note("cure, seeds with 8 of 8 modes", full, f"{n} of {n}", full == n)
    for change, runs in ring.items():
        found = [RING.coverage(moments[-1]) for moments in runs]
        claim.note(f"{change}: modes, worst seed", min(f["modes_1pct"] for f in found), f"8 if it helps; {len(runs)} seeds")
        claim.note(f"{change}: modes, best seed", max(f["modes_1pct"] for f in found))
        claim.note(f"{change}: high quality, mean", np.mean([f["high_quality"] for f in found]), "0.989 for the data itself")
        claim.note(f"{change}: KL, worst seed", max(f["kl"] for f in found), "0 is even, 2.08 one mode")
    for change, moments in grid.items():
        claim.note(f"grid, {change}: modes", GRID.coverage(moments[-1])["modes_1pct"], "of 25")


# --- the picture --------------------------------------------------------------------------------------------------------


def draw(ring: dict, grid: dict) -> plt.Figure:
    """Samples over time, with and without the cure, and the modes at the end for every change."""
    moments = len(ring[COLLAPSE][0])
    figure = plt.figure(figsize=(2.1 * moments + 6.5, 6.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(2.1 * moments + 2.1, 5.5))
    panels = left.subplots(2, moments + 1)
    for row, change in zip(panels, (COLLAPSE, CURE), strict=True):
        for i, samples in enumerate(ring[change][0]):
            RING.show(row[i], samples, f"{RING.coverage(samples)['modes_1pct']} of 8 modes")
        GRID.show(row[-1], grid[change][-1], f"{GRID.coverage(grid[change][-1])['modes_1pct']} of 25 modes")
        row[0].set_ylabel(f"change: {change}")
    left.suptitle("G's samples over time, the same seed (last: on a grid, at the end)")
    bars(right.subplots(), ring)
    n, collapsed, cured = len(ring[COLLAPSE]), span(modes(ring[COLLAPSE])), span(modes(ring[CURE]))
    seeds = "one seed" if n == 1 else f"{n} seeds"
    figure.suptitle(f"Mode collapse: {collapsed} of 8 modes at the end ({seeds}); with {CURE}, {cured} of 8", fontsize=14)
    return figure


def span(counts: list[int]) -> str:
    """3, or 3 to 5."""
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def bars(axes: plt.Axes, ring: dict) -> None:
    """The mean number of modes for every change, and a dot for each seed."""
    for i, runs in enumerate(ring.values()):
        axes.barh(i, np.mean(modes(runs)), color="tab:orange" if np.mean(modes(runs)) < 7 else "tab:blue", alpha=0.5)
        axes.scatter(modes(runs), i + np.linspace(-0.2, 0.2, len(runs)), s=14, color="black", zorder=2)
    axes.set_yticks(range(len(ring)), list(ring))
    axes.invert_yaxis()
    axes.set(xlabel="modes with at least 1 % of the samples", xlim=(-0.3, 8.3), title="one change at a time")


if __name__ == "__main__":
    main()
