"""The Wasserstein GAN: a critic instead of a discriminator, and a loss that measures how far G still has to go.

Slide: "Meaningful learning curves" (IT3320E, lecture 10)

    min over G, max over critics f with |f(a) - f(b)| <= K |a - b| of   E f(x) - E f(G(z))        (Arjovsky et al. 2017)

The inner maximum is K times the Wasserstein distance between the data and G's samples: how far, on average, one would have
to move the points of one to make it the other. Two ways to keep the critic's slope bounded: clipping its weights after each
step (--game wgan), or a penalty on the norm of its gradient (--game wgan-gp, Gulrajani et al. 2017).

What to look for: in distance.png the critic's estimate falls together with the true distance, which the losses of a GAN do
not. With clipping the estimate's unit is arbitrary; with the penalty, the best critic's estimate of a distance W is
W (1 + W / (2 lambda)), with our small lambda far more than W. In over_time.png the critic's landscape is a slope that
G's samples, black, climb. Try --optimizer: sgd, omd, adam, optimistic-adam.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from demos.kit import pictures, ring_and_grid
from demos.kit.claim import Claim
from demos.kit.run import Run, parser, start
from demos.kit.style import slide
from minigan import Tensor, data, metrics, nn, no_grad, optim
from minigan.games import WGAN, WGANGP


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int  # iterations; the learning rates fall linearly to 0 over them
    optimizer: str
    lr: float
    clip: float | None = None  # bound of the critic's weights (wgan)
    penalty: float | None = None  # weight of the gradient penalty (wgan-gp)
    n_critic: int = 5  # critic steps an iteration
    z: int = 2  # dimensions of the noise, standard normal
    width: int = 128  # of the two hidden layers of each network
    batch: int = 256
    compared: int = 1000  # points whose exact distance to as many samples is computed


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


def main(argv: list[str] | None = None) -> None:
    """Train, measure, draw."""
    options = parser(__doc__, data=["ring", "grid"])
    options.add_argument("--game", choices=list(SETTINGS), default="wgan", help="how the critic is bounded (default: wgan)")
    options.add_argument("--optimizer", choices=list(OPTIMIZERS), help="of both players (default: the game's)")
    args = start(options, argv, "wgan")
    settings = SETTINGS[args.game]
    if args.optimizer:
        settings = replace(settings, optimizer=args.optimizer, lr=RATES.get(args.optimizer, settings.lr))
    if args.quick:
        settings = replace(settings, steps=100, width=64, compared=200)
    claim = Claim(args, {"data": args.data, "game": args.game, **asdict(settings)})
    play(claim, settings)
    claim.finish()


def play(claim: Claim, settings: Settings) -> None:
    """A mixture of Gaussians in the plane, where the true distance can be computed."""
    args = claim.args
    x, centres, std = ring_and_grid.load(args.data)

    w = settings.width
    G = nn.Sequential(nn.Dense(settings.z, w), nn.ReLU(), nn.Dense(w, w), nn.ReLU(), nn.Dense(w, 2))
    critic = nn.Sequential(nn.Dense(2, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 1))
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
    conclude(claim, run, game, x, centres, std)


def make_game(settings: Settings, G: nn.Module, critic: nn.Module) -> WGAN | WGANGP:
    """The game of these two players under the settings."""
    optimizer = OPTIMIZERS[settings.optimizer]
    opt_G, opt_critic = (optimizer(player.parameters(), settings.lr) for player in (G, critic))
    players = G, critic, data.noise(settings.z), opt_G, opt_critic
    if settings.clip:
        return WGAN(*players, n_critic=settings.n_critic, clip=settings.clip)
    return WGANGP(*players, n_critic=settings.n_critic, penalty=settings.penalty)


def conclude(claim: Claim, run: Run, game: WGAN | WGANGP, x: np.ndarray, centres: np.ndarray, std: float) -> None:
    """The figures, the pictures, and what there is to look at."""
    args = claim.args
    at_first = float(run.snapshots[0]["exact"])
    later = run.snapshots[1:]  # at the start the critic has learnt nothing yet
    step, estimate, exact = ([float(s[key]) for s in later] for key in ("step", "estimate", "exact"))
    agreement = float(spearmanr(estimate, exact).statistic) if len(later) > 1 else None  # of one moment there is none
    n = claim.settings["compared"]
    floor = np.mean([metrics.wasserstein1(x[:n], x[i * n : (i + 1) * n]) for i in range(1, 6)])
    samples = game.sample(10_000)
    found, perfect = metrics.mode_coverage(samples, centres, std), metrics.mode_coverage(x[:10_000], centres, std)
    distance = {"rank_correlation": agreement, "last_exact": exact[-1], "between_two_samples_of_the_data": float(floor)}

    title = f"{found['modes_1pct']} of {len(centres)} modes, {found['high_quality']:.1%} of the samples within 3 std"
    claim.show(pictures.points(x[:10_000], samples), "samples", f"{title} (of the data: {perfect['high_quality']:.1%})")
    claim.show(
        pictures.points_over_time(run.snapshots, x, "the critic's $f$, from its least to its largest"), "over_time", title
    )
    pictures.points_animation(args.out / "animation.gif", run.snapshots, x, "blue: f is high")
    agrees = "" if agreement is None else f": rank correlation {agreement:.2f}"
    claim.show(draw_estimates(step, estimate, exact), "distance", f"the critic's estimate and the true distance{agrees}")
    claim.show(pictures.curves(run.history, PANELS), "curves", "the two players over the training")
    claim.metrics |= {"samples": found, "perfect_sampler": perfect, "distance": distance}
    run.write(samples=samples)
    print(f"""
Results are in {args.out}/
  distance.png   the critic's estimate beside the exact distance{agrees}
  samples.png    the data and G's samples side by side
  over_time.png  how the samples came to be; animation.gif, the same, moving
  curves.png     the losses: minus loss_D is the estimate on the minibatches
  history.csv, summary.json, samples.npz, checkpoint.npz   the figures behind them

exact distance of {n:,} samples to {n:,} points of the data: {at_first:.3f} at first, {exact[-1]:.3f} at the end
(two sets of {n:,} points of the data are {floor:.3f} apart, on average: a perfect generator would be as near)
modes with at least 1 % of the samples: {found["modes_1pct"]} of {len(centres)}; within 3 std: {found["high_quality"]:.1%}""")


PANELS = (
    pictures.Panel("critic's estimate $E f(x) - E f(G(z))$", {"w_estimate": ("w_estimate = -loss_D", pictures.REAL, 0.0)}),
    pictures.Panel("G's loss", {"loss_G": ("loss_G = $-E f(G(z))$", pictures.FAKE, None)}),
)


def draw_estimates(step: Sequence[int], estimate: Sequence[float], exact: Sequence[float]) -> plt.Figure:
    """What the critic says of the distance to the data, beside the distance, over the training and against each other."""
    figure, (left, right) = slide(1, 2, width_ratios=(3, 2))
    other = left.twinx()  # the critic's unit is its own
    left.plot(step, estimate, color=pictures.FAKE, marker="o", markersize=3)
    other.plot(step, exact, color=pictures.REAL, marker="o", markersize=3)
    left.set(xlabel="iteration", ylim=(min(0.0, *estimate), None))
    left.set_ylabel("the critic's estimate", color=pictures.FAKE)
    other.set_ylabel("exact Wasserstein distance, in data units", color=pictures.REAL)
    other.set_ylim(0, None)
    dots = right.scatter(exact, estimate, c=step, s=18, cmap="viridis")
    right.set(xlabel="exact Wasserstein distance", ylabel="the critic's estimate")
    figure.colorbar(dots, label="iteration")
    return figure


if __name__ == "__main__":
    main()
