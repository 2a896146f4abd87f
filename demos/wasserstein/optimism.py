"""Adam against optimistic Adam in a large game: a WGAN-GP that learns digits."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import compare
from demos.kit.loops import run_tasks
from demos.kit.style import MARKERS, OTHERS, slide
from demos.kit.training import train
from minigan import data, metrics, optim
from minigan.games import WGANGP


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed. The rates fall linearly to 0."""

    updates: int = 12_000  # of both networks together: the cost, which is the same for all runs
    tempi: tuple[int, ...] = (5,)  # critic steps to one of G
    seeds: int = 4
    z: int = 32
    width: int = 128  # of the two hidden layers of each network
    batch: int = 64
    betas: tuple[float, float] = (0.5, 0.9)  # as in the paper's experiment (Daskalakis et al. 2018)
    penalty: float = 10.0  # lambda
    # Adam's: the best of 3e-3, 1e-2, 3e-2 on another seed. Optimistic Adam's: the best of 1e-3, 3e-3, 1e-2, 3e-2. Its
    # step along 2 d_t - d_(t-1) has sqrt(5) times the noise of one along d_t, if the noises are independent.
    rates: tuple[float, float] = (1e-2, 3e-3)
    samples: int = 2000  # for the judge


QUICK = Settings(updates=60, seeds=2, width=32, samples=300)
WORST = 400.0  # the largest Frechet distance of a run that has learnt; noise, and G before it learns, have over 2,000
RULES = {"Adam": optim.Adam, "optimistic Adam": optim.OptimisticAdam}
EFFECT = (  # of optimism, with 5 critic steps to one of G
    "with 5 critic steps optimism {digits, 5:1: Frechet distance, optimistic less Adam|lower} (Frechet distance "
    "{digits, Adam, 5:1: Frechet distance, mean|.0f} by Adam, {digits, optimistic Adam, 5:1: Frechet distance, mean|.0f} by "
    "optimistic Adam)"
)


def iterations(s: Settings, tempo: int) -> int:
    """The number of iterations with `updates` updates."""
    return s.updates // (tempo + 1)


def play(rule: str, tempo: int, seed: int, x: np.ndarray, judge: metrics.Judge, s: Settings) -> dict[str, float]:
    """The Frechet distance, and the share of clear digits, of a generator's samples after a game on images in [0, 1]."""
    mg.seed(seed)
    G, critic = digits.dense_players(s.z, s.width)
    rate = s.rates[list(RULES).index(rule)]
    opt_G, opt_D = (RULES[rule](player.parameters(), rate, s.betas) for player in (G, critic))
    game = WGANGP(G, critic, data.noise(s.z), opt_G, opt_D, n_critic=tempo, penalty=s.penalty)
    train(game, data.batches(2 * x - 1, size=s.batch), iterations(s, tempo), "game")
    found = metrics.image_quality((game.sample(s.samples) + 1) / 2, judge, x)
    return {"frechet": found["frechet"], "confident": found["confident"]}


def experiment(claim: Claim, s: Settings) -> None:
    """Both rules at every tempo with every seed; the metrics and the picture."""
    x, y, _ = digits.load(claim.args)
    judge, first = digits.judge_of(claim.args, x, y), claim.args.seed
    kinds = {f"{rule}, {tempo}:1": (rule, tempo) for tempo in s.tempi for rule in RULES}
    tasks = {f"{name}, seed {seed}": (*kind, seed) for name, kind in kinds.items() for seed in range(first, first + s.seeds)}
    played = run_tasks(play, tasks, x, judge, s, steps=s.seeds * sum(iterations(s, tempo) for _, tempo in kinds.values()))
    runs = {name: played[i * s.seeds : (i + 1) * s.seeds] for i, name in enumerate(kinds)}
    report(claim, s, runs)
    effects = "; ".join(EFFECT.replace("5", f"{tempo}") for tempo in s.tempi)
    claim.show(draw(runs), "optimism", claim.words(f"A WGAN-GP on digits, {s.updates:,} updates: {effects}"))


def report(claim: Claim, s: Settings, runs: dict[str, list[dict]]) -> None:
    """The effect of optimism on the Frechet distance, with an interval over the seeds; whether G has learnt at all."""
    for tempo in s.tempi:
        adam, optimistic = ([run["frechet"] for run in runs[f"{rule}, {tempo}:1"]] for rule in RULES)
        for rule, distances in zip(RULES, (adam, optimistic), strict=True):
            claim.note(f"digits, {rule}, {tempo}:1: Frechet distance, mean", np.mean(distances))
        claim.compare(f"digits, {tempo}:1: Frechet distance, optimistic less Adam", compare(optimistic, adam))
    worst = max(run["frechet"] for seeds in runs.values() for run in seeds)
    claim.at_most("digits: Frechet distance, worst run", worst, WORST)


def draw(runs: dict[str, list[dict]]) -> plt.Figure:
    """Each run's Frechet distance, and the means."""
    figure, axes = slide(height=4.6)
    for i, (name, seeds) in enumerate(reversed(runs.items())):
        distances = [run["frechet"] for run in seeds]
        kind = list(RULES).index(name.split(",")[0])
        axes.plot(distances, [i] * len(distances), MARKERS[kind], color=OTHERS[kind], alpha=0.7, markersize=10)
        axes.plot([np.mean(distances)] * 2, [i - 0.3, i + 0.3], color="black")
    axes.set_yticks(range(len(runs)), [name.replace(", ", ",\n").replace(":1", " critic steps") for name in reversed(runs)])
    axes.set(xlabel="Frechet distance of G's digits to the data (lower is better); a mark a seed, a bar for the mean")
    axes.set_xlim(0, None)
    return figure
