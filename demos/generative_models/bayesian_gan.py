"""Many G, samples of a posterior, are together nearer to the data than one G. Their number helps, not the posterior.

Slide: "Bayesian GAN" (IT3320E, lecture 10, which cites Saatchi and Wilson 2017)

    p(theta_G | z, theta_D)    ~  prod D(G(z))                     N(theta_G; 0, I)       (equation 1)
    p(theta_D | z, x, theta_G) ~  prod D(x)  prod (1 - D(G(z)))    N(theta_D; 0, I)       (equation 2)
    v <- (1 - alpha) v + eta grad log p + N(0, 2 alpha eta),  theta <- theta + v          (SGHMC, algorithm 1)

Three kinds of games with the same networks and number of updates: one G with Adam; ten G with Adam against one D; ten G that
climb to the posteriors with Adam (the burn-in), and then move along chains of samples of them. The data are on ten planes in
100 dimensions, as in the paper's section 4.1 (with the constants of its code).

What to look for: the clouds in the plane of the data's first two principal components, and the Jensen-Shannon divergence
between data and samples there. Such short chains stay near their start, and N(0, I) is so wide that it has almost no effect.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.generative_models.sghmc import SGHMC
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.line import jensen_shannon
from demos.kit.loops import resumable
from demos.kit.style import FAKE, OTHERS, slide
from demos.kit.training import adams, descend, train
from minigan import Tensor, data, losses, nn, no_grad, optim
from minigan.data.priors import Noise
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed. These values were chosen on seeds 100 to 102.

    Chains from random weights (eta 5e-7, friction 0.1) missed the bound: most of their G collapsed to a point.
    """

    steps: int = 2000  # updates of every network
    generators: int = 10
    burn_in: float = 0.4  # share of a chain's steps that are Adam's, with learning rate lr; their samples are dropped
    eta: float = 1e-6  # SGHMC's learning rate
    friction: float = 0.9  # alpha
    kept: int = 40  # samples of each chain
    width: int = 128
    z: int = 10  # dimensions of the noise
    batch: int = 64
    lr: float = 1e-3  # Adam's; betas (0.5, 0.999); falls to 0, but not in the burn-in
    points: int = 10_000  # N, the number of data
    space: int = 100  # dimensions of the data
    planes: int = 10
    judged: int = 2000  # points for a divergence
    looks: int = 10  # number of such measurements during the training
    seeds: int = 5


QUICK = {"steps": 40, "generators": 2, "kept": 4, "width": 16, "points": 500, "judged": 200, "looks": 2, "seeds": 1}
VERDICT = "True, but what helps is the number of generators: ten that are trained without a posterior do as well."
TITLE = (
    "Jensen-Shannon divergence from the data (means of the seeds): one G with Adam {one G|.3f}; samples of a posterior over G "
    "{posterior|.3f}, one of them {one sample|.3f}; ten G with Adam {ten G|.3f}"
)
FINDING = f"{TITLE} (0: equal; 0.69: disjoint)."

ML, MANY, BAYES = "one G, Adam", "ten G, Adam", "posterior"
KINDS = {ML: (FAKE, "--"), MANY: (OTHERS[1], ":"), BAYES: (OTHERS[0], "-")}  # in the picture
PLACES = 50  # of the grid on which densities are compared, in each direction


class BayesianGAN:
    """Several G and one D: with Adam they climb to their posteriors; with SGHMC each is a chain of samples.

    The posteriors are products over all N data and N draws of z: a minibatch's mean counts N times (appendix A.1). The paper's
    algorithm 1 sums over the other players' samples inside the logarithm; of numbers of size exp(N), only the largest would
    count. Here, as in the authors' code for this experiment, D's log-likelihood is the mean over the generators. (That code
    also divides noise and prior by N, and passes both to Adam, which rescales them; here it does not.)
    """

    def __init__(self, Gs: list[nn.Module], D: nn.Module, prior: Noise, N: int, lr: float):
        self.Gs, self.D, self.prior, self.N = Gs, D, prior, N
        self.opt_G, self.opt_D = (optim.Adam(params, lr, (0.5, 0.999)) for params in self.parameters())

    def start_chains(self, eta: float, friction: float) -> None:
        """From here on, the parameters after each step are a sample; see `SGHMC`."""
        self.opt_G, self.opt_D = (SGHMC(params, eta, friction) for params in self.parameters())

    def parameters(self) -> tuple[list, list]:
        """Those of all G, and those of D."""
        return [p for G in self.Gs for p in G.parameters()], self.D.parameters()

    def step(self, batches: Iterator) -> None:
        """Algorithm 1 with M = 1: a step of every G, each with its own z, then of D, with fresh z. U = -log p."""
        x = Tensor(next(batches))
        U_G = mg.stack([self.N * losses.generator_loss(self.D(self.fakes(G, len(x)))) - log_prior(G) for G in self.Gs])
        descend(self.opt_G, mg.sum(U_G))

        fakes = mg.concatenate([self.fakes(G, len(x)).detach() for G in self.Gs])  # the mean over all G
        U_D = self.N * losses.discriminator_loss(self.D(x), self.D(fakes)) - log_prior(self.D)
        descend(self.opt_D, U_D)

    def fakes(self, G: nn.Module, m: int) -> Tensor:
        """m samples of one G, from fresh z."""
        return G(Tensor(self.prior(m)))

    def sample(self, n: int) -> np.ndarray:
        """n samples, the same number of each G as it is now."""
        with no_grad():
            return np.concatenate([self.fakes(G, n // len(self.Gs)).numpy() for G in self.Gs])

    def parts(self) -> dict:
        """All that a step changes; see `loops.resumable`."""
        networks = {f"G{i}": G for i, G in enumerate(self.Gs)} | {"D": self.D}
        return networks | {"opt_G": self.opt_G, "opt_D": self.opt_D, "prior": self.prior}


def log_prior(network: nn.Module) -> Tensor:
    """log N(theta; 0, I), up to a constant."""
    return -0.5 * mg.sum(mg.stack([mg.sum(mg.square(p)) for p in network.parameters()]))


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    runs = over_kinds(claim, play, KINDS, s.seeds, s, steps=s.seeds * len(KINDS) * s.steps)
    measure(claim, runs)
    claim.show(picture(runs), "bayesian_gan", claim.words(TITLE))


def toy(n: int, seed: int, s: Settings) -> np.ndarray:
    """n points in space, x = A (z + m), z ~ N(0, I) in the plane, with A and m for each plane; standardised.

    The seed determines A and m; each call draws new points.
    """
    nature, rng = np.random.default_rng(seed), mg.random_numbers.generator()
    m, A = 5 * nature.standard_normal((s.planes, 2)), 5 * nature.standard_normal((s.planes, s.space, 2))
    mean = np.einsum("cij,cj->ci", A, m)
    variance = np.square(A).sum(axis=2).mean(axis=0) + mean.var(axis=0)
    c = rng.integers(s.planes, size=n)
    x = np.einsum("nij,nj->ni", A[c], rng.standard_normal((n, 2)) + m[c])
    return ((x - mean.mean(axis=0)) / np.sqrt(variance)).astype(np.float32)


class Plane:
    """The plane of the points' first two principal components, and their density there, by Gaussian kernels."""

    def __init__(self, points: np.ndarray):
        self.mean = points.mean(axis=0)
        self.axes = np.linalg.svd(points - self.mean, full_matrices=False)[2][:2].T
        self.points = self.project(points)
        self.bandwidth = self.points.std(axis=0) * len(points) ** (-1 / 6)  # Scott's rule, in two dimensions
        low, size = self.points.min(axis=0), np.ptp(self.points, axis=0)
        self.lines = np.linspace(low - 0.3 * size, low + 1.3 * size, PLACES)  # of the grid

    def project(self, points: np.ndarray) -> np.ndarray:
        """(n, dimensions) -> (n, 2)"""
        return (points - self.mean) @ self.axes

    def density(self, points: np.ndarray) -> np.ndarray:
        """The density, on the grid, of points in the plane. Points outside count at its border."""
        inside = np.clip(points, self.lines[0], self.lines[-1])
        kernels = np.exp(-0.5 * np.square((self.lines[:, None] - inside) / self.bandwidth))  # (PLACES, n, 2)
        return kernels[..., 0] @ kernels[..., 1].T

    def divergence(self, samples: np.ndarray) -> float:
        """The Jensen-Shannon divergence between the points' and the samples' density, in nats."""
        densities = self.density(self.points), self.density(self.project(samples))
        return jensen_shannon(*(density / density.sum() for density in densities))


def play(kind: str, seed: int, s: Settings) -> dict:
    """Play one game: the divergences during the training, and samples in the plane at its end."""
    mg.seed(seed)
    x, plane = toy(s.points, seed, s), Plane(toy(s.judged, seed, s))
    run = {"data": plane.points, "two of the data": plane.divergence(toy(s.judged, seed, s))}
    batches, curve = data.batches(x, size=s.batch), []
    dense, every = partial(nn.Dense, weight_init=nn.init.he_normal), s.steps // s.looks
    Gs = [nn.Sequential(dense(s.z, s.width), nn.ReLU(), dense(s.width, s.space)) for _ in range(s.generators)]
    D, z = nn.Sequential(dense(s.space, s.width), nn.ReLU(), dense(s.width, 1)), data.noise(s.z)

    def look(samples):
        curve.append(plane.divergence(samples))

    if kind == ML:
        game = GAN(Gs[0], D, z, *adams(Gs[0], D, s.lr, s.lr))
        train(game, batches, s.steps, kind, every, lambda game: look(game.sample(s.judged)), curve=curve)
        samples = game.sample(s.judged)
    elif kind == MANY:
        game = BayesianGAN(Gs, D, z, s.points, s.lr)
        decay = optim.LinearDecay([game.opt_G, game.opt_D], s.steps)
        for t in resumable(range(1, s.steps + 1), kind, batches=batches, curve=curve, decay=decay, **game.parts()):
            game.step(batches)
            decay.step()
            if t % every == 0:
                look(game.sample(s.judged))
        samples = game.sample(s.judged)
    else:
        game = BayesianGAN(Gs, D, z, s.points, s.lr)
        samples = sample_posterior(game, batches, look, curve, s)
        now = game.sample(s.judged)
        run["last samples"] = plane.divergence(now)
        run["one sample"] = float(np.mean([plane.divergence(part) for part in np.split(now, s.generators)]))
    return run | {"curve": np.array(curve), "divergence": plane.divergence(samples), "samples": plane.project(samples)}


def sample_posterior(game: BayesianGAN, batches: Iterator, look: Callable, curve: list, s: Settings) -> np.ndarray:
    """Points from all samples that are kept of the chains, after a burn-in with Adam; look(points) every few steps."""
    first, every = int(s.burn_in * s.steps), s.steps // s.looks
    for t in resumable(range(1, first + 1), "burn-in", batches=batches, curve=curve, **game.parts()):
        game.step(batches)
        if t % every == 0:
            look(game.sample(s.judged))
    game.start_chains(s.eta, s.friction)
    gap, share, points = max(1, (s.steps - first) // s.kept), s.generators * max(1, s.judged // (s.kept * s.generators)), []
    for t in resumable(range(first + 1, s.steps + 1), BAYES, batches=batches, curve=curve, points=points, **game.parts()):
        game.step(batches)
        if (t - first) % gap == 0:
            points.append(game.sample(share))
        if t % every == 0:
            look(np.concatenate(points) if points else game.sample(s.judged))
    return np.concatenate(points)


def measure(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """Jensen-Shannon divergences: means over the seeds, and the posterior compared with one G and with ten."""
    one, ten, many = ([run["divergence"] for run in runs[kind]] for kind in KINDS)
    alone, together = ([run[name] for run in runs[BAYES]] for name in ("one sample", "last samples"))
    claim.note("one G", np.mean(one), "reported: Jensen-Shannon divergence from the data, nats")
    claim.note("ten G", np.mean(ten), "reported: of ten with Adam, and no chain")
    claim.note("posterior", np.mean(many), "reported: of the samples kept of all chains")
    claim.note("last samples", np.mean(together), "reported: of all chains' last samples, together")
    claim.note("one sample", np.mean(alone), "reported: of one chain's last sample")
    near = np.mean([run["two of the data"] for run in runs[ML]])
    claim.note("two of the data", near, "reported: as near as samples can come")
    each = max(1, claim.settings["judged"] // (claim.settings["kept"] * claim.settings["generators"]))
    samples = [run["samples"].reshape(-1, each, 2) for run in runs[BAYES]]
    points = np.mean([np.mean(np.ptp(points, axis=1).max(axis=1) < 1e-3 * points.std()) for points in samples])
    claim.note("samples that are a point", points, "reported: share of the G kept of all chains that draw but one point")
    claim.at_most("posterior / one G", np.mean(many) / np.mean(one), 0.5)
    claim.compare("posterior, not one G", compare(many, one, paired=True), {HELPS})
    claim.compare("posterior, not ten G", compare(many, ten, paired=True))


def picture(runs: dict[str, list[dict]]) -> plt.Figure:
    """The first seed's clouds in the plane; all seeds' divergences during the training."""
    figure, places = slide(2, 2)
    data_points = runs[ML][0]["data"]
    low, high = data_points.min(axis=0), data_points.max(axis=0)
    margin = 0.2 * (high - low)
    for axes, (kind, (colour, _)) in zip(places.flat, KINDS.items(), strict=False):
        axes.scatter(*data_points.T, s=4, color="silver", linewidths=0)
        axes.scatter(*runs[kind][0]["samples"].T, s=4, color=colour, linewidths=0)
        (left, bottom), (right, top) = low - margin, high + margin
        axes.set(title=f"{kind} (grey: data)", xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    axes = places[1, 1]
    for kind, (colour, line) in KINDS.items():
        for i, run in enumerate(runs[kind]):
            share = np.arange(1, len(run["curve"]) + 1) / len(run["curve"])
            axes.plot(share, run["curve"], line, color=colour, linewidth=1.5, label=kind if i == 0 else None)
    axes.set(xlabel="share of the updates", ylabel="nats", ylim=(0, 0.5), title="Jensen-Shannon divergence, all seeds")
    axes.legend()
    return figure
