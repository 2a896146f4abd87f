"""The Wasserstein GAN: a critic instead of a discriminator, and a loss that measures G's distance from the data.

Slide: "Meaningful learning curves" (IT3320E, lecture 10)

    min over G, max over critics f with |f(a) - f(b)| <= K |a - b| of   E f(x) - E f(G(z))        (Arjovsky et al. 2017)

The inner maximum is K times the Wasserstein distance between the data and G's samples: the mean distance by which the points
of one must move to become the other. The critic's slope is bounded by clipping its weights after each step (--game wgan), or by
a penalty on the norm of its gradient (--game wgan-gp, Gulrajani et al. 2017). With clipping, the estimate's unit is arbitrary.

What to look for: in distance.png, once the critic has learnt (a tenth of the training), does its estimate fall together with
the true distance? A GAN's losses do not. In over_time.png G's samples (black) climb the slope of the critic's values to where
they are blue.
"""

from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from demos.kit import pictures, ring_and_grid
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.run import Run
from demos.kit.runner.options import Options, parser
from demos.kit.style import D_COLOUR, G_COLOUR, OTHERS, slide
from minigan import Tensor, data, metrics, nn, no_grad, optim
from minigan.games import WGAN, WGANGP


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int  # iterations; the learning rates fall linearly to 0 over them
    optimizer: Literal["rmsprop", "adam", "optimistic-adam", "sgd", "omd"]
    lr: float
    clip: float | None = None  # bound of the critic's weights (wgan)
    penalty: float | None = None  # weight of the gradient penalty (wgan-gp)
    n_critic: int = 5  # critic steps an iteration
    z: int = 2  # dimensions of the noise, standard normal
    width: int = 128  # of the two hidden layers of each network
    batch: int = 256
    spread: float = 4.0  # how much wider than usual G's first samples lie: wide enough to start near every mode
    compared: int = 1000  # points of the data, and as many samples, for the exact distance


SETTINGS = {
    "wgan": Settings(steps=4_000, optimizer="rmsprop", lr=3e-4, clip=0.1),
    "wgan-gp": Settings(steps=3_000, optimizer="adam", lr=1e-3, penalty=0.1),
}
OPTIMIZERS = {
    "rmsprop": optim.RMSProp,
    "adam": lambda params, lr: optim.Adam(params, lr, betas=(0.5, 0.9)),
    "optimistic-adam": lambda params, lr: optim.OptimisticAdam(params, lr, betas=(0.5, 0.9)),
    "sgd": optim.SGD,
    "omd": optim.OMD,
}
RATES = {"sgd": 0.02, "omd": 0.02}  # their steps are as long as the gradient; those of the others do not depend on its scale

RANKS = "rank correlation of the estimate with the exact distance, after a tenth of the training"
AGREEMENT = 0.8  # the least rank correlation of a meaningful curve
LEARNING = 0.1  # share of the training that the critic is given to learn, before its estimate is judged
EVENNESS = "KL of the samples' nearest modes from even shares"
EVEN = 0.05  # as when the shares differ by a third: none is left out
QUALITY = 0.15  # share of the samples within 3 std; before G learns, it is 0

VERDICT = "True: once the critic has learnt, its estimate falls together with the true distance of samples and data."
FINDING = (
    f"Estimate and exact distance have rank correlation {{{RANKS}|.2f}} after the first tenth, "
    f"{{rank correlation over all of the training|.2f}} over the training. The "
    "distance falls from {exact distance at first|.2f} at first to {exact distance at the end|.2f} (two samples of the data: "
    "{exact distance of two samples of the data|.2f}). Only {share within 3 std|%} of the samples are near a mode."
)
AGREES = (
    f"the critic's estimate beside the exact Wasserstein distance (rank correlation {{{RANKS}|.2f}} after a tenth of the "
    "training, {rank correlation over all of the training|.2f} over all of it), which goes from {exact distance at first|.2f} "
    "to {exact distance at the end|.2f}; two samples of the data: {exact distance of two samples of the data|.2f}"
)
REACHED = (
    "{share within 3 std|%} of the samples lie within 3 std of a mode (of the data, {share within 3 std, data|%}), 1 % or more "
    f"at {{modes with 1 % of the samples|.0f}} of {{modes|.0f}} modes; KL of the nearest modes' shares from even ones "
    f"{{{EVENNESS}|.3f}}"
)
PANELS = (
    pictures.Panel("estimate", {"w_estimate": ("$E f(x) - E f(G(z))$", D_COLOUR, 0.0)}),
    pictures.Panel("G's loss", {"loss_G": ("$-E f(G(z))$", G_COLOUR, None)}),
)


def options(about: str) -> Options:
    """Those of the games in the plane, --game and --optimizer."""
    options = parser(about, data=["ring", "grid"])
    options.add_argument("--game", choices=list(SETTINGS), default="wgan", help="how the critic is bounded (default: wgan)")
    options.add_argument("--optimizer", choices=list(OPTIMIZERS), help="of both players (default: the game's)")
    return options


def chosen(args: Namespace) -> Settings:
    """The game's settings, with --optimizer and --quick."""
    settings = SETTINGS[args.game]
    if args.optimizer:
        settings = replace(settings, optimizer=args.optimizer, lr=RATES.get(args.optimizer, settings.lr))
    return replace(settings, steps=100, width=64, compared=200) if args.quick else settings


def everything(args: Namespace, settings: Settings) -> dict[str, Any]:
    """What the result depends on."""
    return {"data": args.data, "game": args.game, **asdict(settings)}


@demo(SETTINGS["wgan"], options=options, choose=chosen, record=everything)
def main(claim: Claim, settings: Settings) -> None:
    """A mixture of Gaussians in the plane, where the true distance can be computed."""
    x, centres, std = ring_and_grid.load(claim.args.data)
    w = settings.width
    G = nn.Sequential(nn.Dense(settings.z, w), nn.ReLU(), nn.Dense(w, w), nn.ReLU(), nn.Dense(w, 2))
    critic = nn.Sequential(nn.Dense(2, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 1))
    G[-1].weight.data *= settings.spread
    game = make_game(settings, G, critic)
    z, places = data.noise(settings.z)(settings.compared), pictures.lattice(x)
    some = x[: settings.compared]

    def snapshot():
        samples = game.sample(len(z), z=z)
        with no_grad():
            landscape = critic(Tensor(places)).numpy().reshape(60, 60)
            estimate = (critic(Tensor(some)).mean() - critic(Tensor(samples)).mean()).item()
        landscape = (landscape - landscape.min()) / (np.ptp(landscape) + 1e-12)  # heights from 0 to 1, for the picture
        distances = {"estimate": np.array(estimate), "exact": np.array(metrics.wasserstein1(some, samples))}
        return {"samples": samples, "D": landscape, **distances}

    run = Run(claim, game, data.batches(x, size=settings.batch), x, snapshot)
    run.train()
    later = run.snapshots[1:]  # at the start the critic has learnt nothing yet
    step, estimate, exact = (np.array([float(s[key]) for s in later]) for key in ("step", "estimate", "exact"))
    n = settings.compared
    floor = float(np.mean([metrics.wasserstein1(x[:n], x[i * n : (i + 1) * n]) for i in range(1, 6)]))
    samples = game.sample(10_000)
    coverage, perfect = metrics.mode_coverage(samples, centres, std), metrics.mode_coverage(x[:10_000], centres, std)
    learnt = step > LEARNING * claim.settings["steps"]
    parts = learnt, step > 0
    agreement, over_all = (float(spearmanr(estimate[i], exact[i]).statistic) if i.sum() > 1 else None for i in parts)
    distance = {"rank_correlation": agreement, "last_exact": float(exact[-1]), "between_two_samples_of_the_data": floor}
    claim.metrics |= {"samples": coverage, "perfect_sampler": perfect, "distance": distance}
    claim.note("rank correlation over all of the training", np.nan if over_all is None else over_all, "reported")
    measure(claim, float(run.snapshots[0]["exact"]), distance, coverage, perfect, len(centres))
    run.write(samples=samples)
    reached, agrees = claim.words(REACHED), claim.words(AGREES)
    claim.show(draw_estimates(step, estimate, exact, learnt), "distance", agrees)
    claim.show(pictures.points(x[:10_000], samples), "samples", reached)
    claim.show(pictures.points_over_time(run.snapshots, x, "$f$, from its least (0) to its largest (1)"), "over_time", reached)
    pictures.points_animation(claim.args.out / "animation.gif", run.snapshots, x, "blue: f is high")
    claim.show(pictures.curves(run.history, PANELS), "curves", agrees)


def make_game(settings: Settings, G: nn.Module, critic: nn.Module) -> WGAN | WGANGP:
    """The game of these two players under the settings."""
    optimizer = OPTIMIZERS[settings.optimizer]
    opt_G, opt_critic = (optimizer(player.parameters(), settings.lr) for player in (G, critic))
    players = G, critic, data.noise(settings.z), opt_G, opt_critic
    if settings.clip:
        return WGAN(*players, n_critic=settings.n_critic, clip=settings.clip)
    return WGANGP(*players, n_critic=settings.n_critic, penalty=settings.penalty)


def measure(claim: Claim, at_first: float, distance: dict, reached: dict, perfect: dict, modes: int) -> None:
    """Is the curve meaningful, and does G find the data? Judged on the ring with the game's own optimizer."""
    usual = claim.args.data == "ring" and not claim.args.optimizer
    claim.note("exact distance at first", at_first, "reported")
    claim.note("exact distance at the end", distance["last_exact"], "reported")
    claim.note("exact distance of two samples of the data", distance["between_two_samples_of_the_data"], "reported")
    claim.note("modes", modes, "of the data")
    claim.note("modes with 1 % of the samples", reached["modes_1pct"], "reported: within 3 std")
    claim.note("share within 3 std, data", perfect["high_quality"], "reported: no sampler is better")
    agreement = np.nan if distance["rank_correlation"] is None else distance["rank_correlation"]
    share = distance["last_exact"] / at_first
    for name, value, bound, limit in (
        (RANKS, agreement, claim.at_least, AGREEMENT),
        (EVENNESS, reached["kl"], claim.at_most, EVEN),
        ("share within 3 std", reached["high_quality"], claim.at_least, QUALITY),
        ("exact distance at the end, of that at first", share, claim.at_most, 0.25),
    ):
        if usual:
            bound(name, value, limit)
        else:
            claim.note(name, value, "reported")


def draw_estimates(step: np.ndarray, estimate: np.ndarray, exact: np.ndarray, learnt: np.ndarray) -> plt.Figure:
    """The critic's estimate and the exact distance to the data, over the training and against each other."""
    figure, (said, true, both) = slide(1, 3, height=5.4)
    said.plot(step, estimate, "o-", color=D_COLOUR, markersize=4)
    said.set(title="said: the estimate", xlabel="iteration", ylabel="$E f(x) - E f(G(z))$", ylim=(min(0.0, *estimate), None))
    true.plot(step, exact, "s-", color=OTHERS[2], markersize=4)
    true.set(title="true: the exact distance", xlabel="iteration", ylabel="exact $W_1$, in data units", ylim=(0, None))
    both.plot(exact[~learnt], estimate[~learnt], "x", color=OTHERS[3], label="the first tenth")
    dots = both.scatter(exact[learnt], estimate[learnt], c=step[learnt], s=40)
    both.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
    both.set(title="one against the other", xlabel="exact $W_1$", ylabel="the critic's estimate")
    figure.colorbar(dots, ax=both, label="iteration")
    return figure
