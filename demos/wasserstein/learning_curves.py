"""A critic's loss falls with the distance that G still has to go, and it may run ahead of G; a discriminator may not.

Slide: "Meaningful learning curves" (IT3320E, lecture 10)

Above it, the slide has "Improved stability of learning". The critic's loss is minus E f(x) - E f(G(z)), an estimate of
W(P_r, P_g) that is as good as the critic. So the critic is trained ahead of G: 10 steps to one of G's, at a much higher rate.
Its curve then falls with the exact W1 of G's samples. The same networks at the same tempo as a GAN, without batch norm or
other tricks: D is soon sure of nearly every sample, G huddles in a few modes, and the curve says nothing of it.
What to look for: on the left, the curve beside the exact distance; in the middle, one against the other (a line that rises is
a meaningful curve); on the right, G's samples at the end. The lecture's WGAN clips weights: its curve has a unit of its own.
The WGAN-GP's is nearly the distance itself, but for a while it falls far below: there G was faster than the critic.
"""

from dataclasses import asdict, dataclass

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr
from tqdm import tqdm

import minigan as mg
from demos.kit.checkpoints import once, resumable
from demos.kit.claim import Claim
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.progress import progress
from demos.kit.run import common_options, start
from minigan import Tensor, data, metrics, no_grad, optim
from minigan.games import GAN, WGAN, WGANGP
from minigan.games.game import Game
from minigan.losses import critic_loss, discriminator_loss


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed. All rates fall linearly to 0."""

    steps: int = 1500  # iterations
    n_critic: int = 10  # steps of the critic, or of D, in each
    seeds: int = 3
    width: int = 64  # of the two hidden layers of each network
    batch: int = 256
    lr_critic: float = 3e-3
    lr_generator: float = 2e-4
    betas: tuple[float, float] = (0.0, 0.9)  # Adam's
    penalty: float = 10.0  # lambda
    clip: float = 0.1  # c
    moments: int = 40  # at which the losses and the distance are measured
    points: int = 500  # whose exact distance to as many samples it is
    agreement: float = 0.8  # the WGAN's rank correlation, at least


# A fifth of the iterations, so that the critic's first steps are a larger part of its curve.
QUICK = Settings(steps=300, seeds=1, lr_generator=4e-4, width=32, batch=128, moments=20, points=200, agreement=0.3)
GAMES = {"WGAN-GP": "tab:green", "WGAN, clipped": "tab:orange", "GAN": "tab:blue"}


def make_game(s: Settings, name: str) -> Game:
    """The same networks and rates for all; RMSProp where weights are clipped, as in the lecture's algorithm, else Adam."""
    G, D = generator(s.width), discriminator(s.width)
    optimizer = optim.RMSProp if "clipped" in name else (lambda params, lr: optim.Adam(params, lr, betas=s.betas))
    players = G, D, data.noise(2), optimizer(G.parameters(), s.lr_generator), optimizer(D.parameters(), s.lr_critic)
    if name == "GAN":
        return GAN(*players, k=s.n_critic)
    if name == "WGAN-GP":
        return WGANGP(*players, n_critic=s.n_critic, penalty=s.penalty)
    return WGAN(*players, n_critic=s.n_critic, clip=s.clip)


def train(s: Settings, bar: tqdm, seed: int, name: str) -> dict[str, np.ndarray]:
    """One training run: -loss_D and the exact distance at each moment, and G's samples at the end."""
    mg.seed(seed)
    game, batches = make_game(s, name), RING.batches(s.batch)
    x, z, decay = RING.sample(s.points), data.noise(2)(s.points), optim.LinearDecay([game.opt_G, game.opt_D], s.steps)
    estimates, distances = [], []
    changing = {"game": game, "batches": batches, "decay": decay, "estimates": estimates, "distances": distances}
    for t in resumable(range(1, s.steps + 1), "game", bar, **changing):
        game.step(batches)
        decay.step()
        if t % (s.steps // s.moments) == 0:
            samples = game.sample(s.points, z=z)
            estimates.append(-loss_of(game, x, samples))
            distances.append(metrics.wasserstein1(x, samples))
    return {"estimate": np.array(estimates), "exact": np.array(distances), "samples": game.sample(2500)}


def loss_of(game: Game, x: np.ndarray, samples: np.ndarray) -> float:
    """D's loss, or the critic's, on the very points whose distance is measured."""
    with no_grad():
        loss = discriminator_loss if isinstance(game, GAN) else critic_loss
        return loss(game.D(Tensor(x)), game.D(Tensor(samples))).item()


def main(argv: list[str] | None = None) -> None:
    """Three games, each with every seed."""
    args = start(common_options(__doc__), argv, "learning_curves")
    s = QUICK if args.quick else Settings()
    claim = Claim(args, asdict(s))
    seeds = range(args.seed, args.seed + s.seeds)
    with progress(total=len(GAMES) * s.seeds * s.steps, unit="it") as bar:
        runs = {name: [once(f"{name}, seed {seed}", train, s, bar, seed, name, bar=bar) for seed in seeds] for name in GAMES}
    report(claim, runs, s)
    claim.finish(draw(claim, runs), "learning_curves")


def report(claim: Claim, runs: dict, s: Settings) -> None:
    """How each curve agrees with the distance, and where each game ends; the worst seed."""
    for name, trainings in runs.items():
        agreement = min(spearmanr(run["estimate"], run["exact"]).statistic for run in trainings)
        of_the_lecture = name == "WGAN, clipped"
        expected = f"at least {s.agreement}" if of_the_lecture else "reported"
        holds = agreement >= s.agreement if of_the_lecture else None
        claim.note(f"{name}: rank correlation, worst seed", agreement, expected, holds)
        modes = min(RING.coverage(run["samples"])["modes_1pct"] for run in trainings)
        claim.note(f"{name}: modes of 8, worst seed", modes)
        claim.note(f"{name}: exact W1 at the end, worst seed", max(run["exact"][-1] for run in trainings))
    n = len(runs["GAN"][0]["samples"]) // 5
    parts = np.split(RING.sample(2 * n), 2)
    claim.note("two samples of the data: exact W1", metrics.wasserstein1(*parts), "as near as G could come")
    ratio = min(run["exact"][-1] for run in runs["GAN"]) / max(run["exact"][-1] for run in runs["WGAN-GP"])
    claim.note("W1 at the end, best GAN / worst WGAN-GP", ratio, "at least 1.5: the GAN fails", ratio >= 1.5)


def draw(claim: Claim, runs: dict) -> plt.Figure:
    """For each game: the loss and the distance over the training, one against the other, and the samples."""
    figure, rows = plt.subplots(len(GAMES), 3, figsize=(13, 3.6 * len(GAMES)), layout="constrained", width_ratios=(5, 4, 3.2))
    for (name, colour), (left, middle, right) in zip(GAMES.items(), rows, strict=True):
        first = runs[name][0]
        moments = np.arange(1, len(first["exact"]) + 1) / len(first["exact"])
        other = left.twinx()
        left.plot(moments, first["estimate"], color=colour)
        other.plot(moments, first["exact"], color="black", linestyle="--")
        left.set(xlabel="share of the training", title=f"{name}: its curve, and the distance (dashed)")
        left.set_ylabel("$-$loss of D", color=colour)
        other.set(ylabel="exact $W_1$", ylim=(0, None))
        for run in runs[name]:
            middle.plot(run["exact"], run["estimate"], ".-", linewidth=0.5)
        agreement = claim.metrics[f"{name}: rank correlation, worst seed"]
        title = f"rank correlation {agreement:.2f}" + (", or more" if len(runs[name]) > 1 else "")
        middle.set(xlabel="exact $W_1$", ylabel="$-$loss of D", title=title)
        RING.show(right, first["samples"], f"{RING.coverage(first['samples'])['modes_1pct']} of 8 modes")
    curve, gan = (claim.metrics[f"{name}: rank correlation, worst seed"] for name in ("WGAN, clipped", "GAN"))
    ratio = claim.metrics["W1 at the end, best GAN / worst WGAN-GP"]
    figure.suptitle(
        f"The WGAN's curve follows the distance (rank correlation {curve:.2f}; the GAN's {gan:.2f}); "
        f"the GAN ends {ratio:.1f} times as far away as the WGAN-GP"
    )
    return figure


if __name__ == "__main__":
    main()
