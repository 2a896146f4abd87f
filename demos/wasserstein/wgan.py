"""The Wasserstein GAN: a critic instead of a discriminator, and a loss that measures G's distance from the data.

Slide: "Meaningful learning curves" (IT3320E, lecture 10)

    min over G, max over critics f with |f(a) - f(b)| <= K |a - b| of   E f(x) - E f(G(z))        (Arjovsky et al. 2017)

The inner maximum is K times the Wasserstein distance between the data and G's samples: the mean distance by which the points
of one must move to become the other. The critic's slope is bounded by clipping its weights after each step (--game wgan), or by
a penalty on the norm of its gradient (--game wgan-gp, Gulrajani et al. 2017). With clipping, the estimate's unit is arbitrary.

What to look for: in distance.png, once the critic has learnt (grey: a tenth of the training), does its estimate fall together
with the true distance? A GAN's losses do not. (The authors' critic has 100 steps, not 5, in the first 25 iterations.) How many
samples are near a mode, with clipped weights and with the penalty? Clipped critics learn simple functions. In over_time.png,
G's samples (black) climb the slope of the critic's values to where they are blue.
"""

from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from demos.kit import own_data, pictures, ring_and_grid
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import once
from demos.kit.rounding import percent
from demos.kit.run import Run
from demos.kit.runner.options import Options, parser
from demos.kit.style import D_COLOUR, FAKE, G_COLOUR, OTHERS, REAL, slide
from demos.kit.training import train
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
    "wgan-gp": Settings(steps=1_500, optimizer="adam", lr=2e-3, batch=128, penalty=0.1),
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
QUALITY = {"wgan": 0.15, "wgan-gp": 0.5}  # share of the samples within 3 std; before G learns, it is 0
NAMES = {"wgan": "WGAN", "wgan-gp": "WGAN-GP"}
OTHER = {"wgan": "wgan-gp", "wgan-gp": "wgan"}  # the game that bounds the critic in the other way

VERDICT = (
    "True: once the critic has learnt, its estimate falls together with the true distance; "
    "more of WGAN-GP's samples lie near a mode than of a WGAN's with clipped weights."
)
FINDING = (
    f"Estimate and exact distance have rank correlation {{{RANKS}|.2f}} after the first tenth, "
    f"{{rank correlation over all of the training|.2f}} over the training. The "
    "distance falls from {exact distance at first|.2f} at first to {exact distance at the end|.2f} (two samples of the data: "
    "{exact distance of two samples of the data|.2f}). In one run each, within 3 std of a mode are "
    "{share within 3 std|%} of the samples; with WGAN-GP, in fewer iterations, {WGAN-GP: share within 3 std|%}."
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
    options = parser(about, ["ring", "grid"], own="points")
    options.add_argument("--game", choices=list(SETTINGS), default="wgan", help="how the critic is bounded (default: wgan)")
    options.add_argument("--optimizer", choices=list(OPTIMIZERS), help="of both players (default: the game's)")
    return options


def chosen(args: Namespace) -> Settings:
    """The game's settings, with --optimizer and --quick."""
    settings = SETTINGS[args.game]
    if args.optimizer:
        settings = replace(settings, optimizer=args.optimizer, lr=RATES.get(args.optimizer, settings.lr))
    return quick(settings) if args.quick else settings


def quick(settings: Settings) -> Settings:
    """Those for --quick."""
    return replace(settings, steps=100, width=64, compared=200)


def of_other(args: Namespace) -> Settings:
    """The settings of the other game."""
    settings = SETTINGS[OTHER[args.game]]
    return quick(settings) if args.quick else settings


def everything(args: Namespace, settings: Settings) -> dict[str, Any]:
    """What the result depends on."""
    return {"data": args.data, "game": args.game, **asdict(settings), OTHER[args.game]: asdict(of_other(args))}


@demo(SETTINGS["wgan"], options=options, choose=chosen, record=everything)
def main(claim: Claim, settings: Settings) -> None:
    """A mixture of Gaussians in the plane, where the true distance can be computed."""
    own = own_data.given(claim.args)
    x, centres, std = (own_data.points(claim.args), None, None) if own else ring_and_grid.load(claim.args.data)
    game = make_game(settings, *players(settings))
    critic = game.D
    some, places = x[: settings.compared], pictures.lattice(x)
    z = data.noise(settings.z)(len(some))

    def snapshot():
        samples = game.sample(len(z), z=z)
        with no_grad():
            landscape = critic(Tensor(places)).numpy().reshape(60, 60)
            estimate = (critic(Tensor(some)).mean() - critic(Tensor(samples)).mean()).item()
        landscape = (landscape - landscape.min()) / (np.ptp(landscape) + 1e-12)  # heights from 0 to 1, for the picture
        distances = {"estimate": np.array(estimate), "exact": np.array(metrics.wasserstein1(some, samples))}
        return {"samples": samples, "D": landscape, **distances}

    run = Run(claim, game, data.batches(x, size=min(settings.batch, len(x))), x, snapshot)
    run.train()
    if own:
        samples = game.sample(10_000)
        apart = own_data.measure_points(claim, x, samples)
        run.write(samples=own_data.restored(claim.args, samples))
        draw_training(claim, run, x, apart, apart)
    else:
        report(claim, run, settings, x, centres, std)


def report(claim: Claim, run: Run, settings: Settings, x: np.ndarray, centres: np.ndarray, std: float) -> None:
    """The critic's estimate beside the exact distance; the samples beside those of the other game."""
    step, estimate, exact = (np.array([float(s[key]) for s in run.snapshots]) for key in ("step", "estimate", "exact"))
    n = settings.compared
    floor = float(np.mean([metrics.wasserstein1(x[:n], x[i * n : (i + 1) * n]) for i in range(1, 6)]))
    samples = run.game.sample(10_000)
    coverage, perfect = metrics.mode_coverage(samples, centres, std), metrics.mode_coverage(x[:10_000], centres, std)
    learnt = step > LEARNING * claim.settings["steps"]
    parts = learnt, step > 0
    agreement, over_all = (float(spearmanr(estimate[i], exact[i]).statistic) if i.sum() > 1 else None for i in parts)
    distance = {"rank_correlation": agreement, "last_exact": float(exact[-1]), "between_two_samples_of_the_data": floor}
    claim.metrics |= {"samples": coverage, "perfect_sampler": perfect, "distance": distance}
    claim.note("rank correlation over all of the training", np.nan if over_all is None else over_all, "reported")
    name, other = NAMES[claim.args.game], NAMES[OTHER[claim.args.game]]
    games = {name: samples, other: once(other, samples_of, of_other(claim.args), x)}
    within = {name: metrics.mode_coverage(of_game, centres, std)["high_quality"] for name, of_game in games.items()}
    measure(claim, float(exact[0]), distance, coverage, perfect, len(centres), within[other])
    run.write(samples=samples)
    reached, agrees = claim.words(REACHED), claim.words(AGREES)
    claim.show(draw_estimates(step, estimate, exact, learnt, x, games, within), "distance", agrees)
    draw_training(claim, run, x, reached, agrees)


def draw_training(claim: Claim, run: Run, x: np.ndarray, reached: str, agrees: str) -> None:
    """The samples and the critic's values over the training, and the curves."""
    claim.show(pictures.points_over_time(run.snapshots, x, "$f$, from its least (0) to its largest (1)"), "over_time", reached)
    pictures.points_animation(claim.args.out / "animation.gif", run.snapshots, x, "blue: f is high")
    claim.show(pictures.curves(run.history, PANELS), "curves", agrees)


def players(settings: Settings) -> tuple[nn.Module, nn.Module]:
    """G and the critic."""
    w = settings.width
    G = nn.Sequential(nn.Dense(settings.z, w), nn.ReLU(), nn.Dense(w, w), nn.ReLU(), nn.Dense(w, 2))
    critic = nn.Sequential(nn.Dense(2, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 1))
    G[-1].weight.data *= settings.spread
    return G, critic


def samples_of(settings: Settings, x: np.ndarray) -> np.ndarray:
    """10,000 samples at the end of a game."""
    game = make_game(settings, *players(settings))
    train(game, data.batches(x, size=settings.batch), settings.steps, "the other game")
    return game.sample(10_000)


def make_game(settings: Settings, G: nn.Module, critic: nn.Module) -> WGAN | WGANGP:
    """The game of these two players under the settings."""
    optimizer = OPTIMIZERS[settings.optimizer]
    opt_G, opt_critic = (optimizer(player.parameters(), settings.lr) for player in (G, critic))
    players = G, critic, data.noise(settings.z), opt_G, opt_critic
    if settings.clip:
        return WGAN(*players, n_critic=settings.n_critic, clip=settings.clip)
    return WGANGP(*players, n_critic=settings.n_critic, penalty=settings.penalty)


def measure(claim: Claim, at_first: float, distance: dict, reached: dict, perfect: dict, modes: int, other: float) -> None:
    """Is the curve meaningful, and does G find the data? Judged on the ring with the game's own optimizer."""
    usual = claim.args.data == "ring" and not claim.args.optimizer
    claim.note("exact distance at first", at_first, "reported")
    claim.note("exact distance at the end", distance["last_exact"], "reported")
    claim.note("exact distance of two samples of the data", distance["between_two_samples_of_the_data"], "reported")
    claim.note("modes", modes, "of the data")
    claim.note("modes with 1 % of the samples", reached["modes_1pct"], "reported: within 3 std")
    claim.note("share within 3 std, data", perfect["high_quality"], "reported: no sampler is better")
    game, second = claim.args.game, OTHER[claim.args.game]
    agreement = np.nan if distance["rank_correlation"] is None else distance["rank_correlation"]
    share = distance["last_exact"] / at_first
    for name, value, bound, limit in (
        (RANKS, agreement, claim.at_least, AGREEMENT),
        (EVENNESS, reached["kl"], claim.at_most, EVEN),
        ("share within 3 std", reached["high_quality"], claim.at_least, QUALITY[game]),
        (f"{NAMES[second]}: share within 3 std", other, claim.at_least, QUALITY[second]),
        ("exact distance at the end, of that at first", share, claim.at_most, 0.25),
    ):
        if usual:
            bound(name, value, limit)
        else:
            claim.note(name, value, "reported")


def draw_estimates(
    step: np.ndarray, estimate: np.ndarray, exact: np.ndarray, learnt: np.ndarray, x: np.ndarray, games: dict, within: dict
) -> plt.Figure:
    """The critic's estimate, and the exact distance, also at first; the samples of both games over the data."""
    figure, (said, true, *places) = slide(1, 4, height=4.8)
    said.plot(step[1:], estimate[1:].clip(0), "o-", color=D_COLOUR, markersize=3)  # negative: the critic has not learnt yet
    said.set(title="said: the estimate", xlabel="iteration", ylim=(0, None))
    true.plot(step, exact, "s-", color=OTHERS[2], markersize=3)
    true.set(title="true: the exact $W_1$", xlabel="iteration", ylim=(0, None))
    for axes in (said, true):
        axes.axvspan(0, step[learnt][0] if learnt.any() else step[-1], color="grey", alpha=0.2)
    reach = 1.3 * np.abs(x).max()
    for axes, (name, samples) in zip(places, games.items(), strict=True):
        axes.scatter(*samples[:2000].T, s=2, color=FAKE, linewidths=0)
        axes.scatter(*x[:2000].T, s=2, color=REAL, linewidths=0)
        axes.set(title=f"{name}: {percent(within[name])}\nwithin 3 std", aspect="equal", xticks=[], yticks=[])
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    return figure
