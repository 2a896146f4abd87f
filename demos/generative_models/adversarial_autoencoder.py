"""A discriminator of codes gives an autoencoder a prior: P turns noise into digits, and the reconstruction loses little.

Slide: "Adversarial autoencoder (AAE)" (IT3320E, lecture 10)

    Q and P descend |x - P(Q(x))|^2;  then D ascends log D(z) + log(1 - D(Q(x))),  and Q descends -log D(Q(x))

D compares codes with z, not images with images. Q learns to deceive D, so the codes get the distribution of z (Makhzani et
al. 2015). A plain autoencoder has the same networks and reconstruction steps, but its codes may be anywhere.

Both phases pull at Q. Adam divides by a gradient's size, so the ratio of Q's two rates is the ratio of these forces. Here the
rate of the reconstruction is the lower one. Q(x) is a draw from a normal distribution (the paper's second kind of encoder).

What to look for: how far is each number of the code, on unseen digits, from the prior N(0, 1)? (The Kolmogorov-Smirnov distance
is the largest difference of two distribution functions.) That says nothing about the numbers together. A new network,
trained to tell codes from z, does: it is right about half of the codes if both have one distribution. Does P turn draws from
the prior into digits? A simple remedy: z from the normal distribution with the plain codes' mean and covariance.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy.stats import kstest, norm

import minigan as mg
from demos.generative_models import autoencoders
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_kinds
from demos.kit.style import FAKE, REAL, slide
from demos.kit.training import train
from minigan import Tensor, data, losses, metrics, nn, optim
from minigan.backend import random_numbers
from minigan.games import AdversarialAutoencoder


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    code: int = 4
    width: int = 256  # of Q's and P's two hidden layers
    d_width: int = 128
    noise: float = 0.1  # standard deviation of Q(x)
    steps: int = 2000
    batch: int = 200
    lr: float = 2e-3  # Adam's in the reconstruction phase; all rates fall to 0
    calm: float = 0.2  # Q's rate in that phase, divided by P's
    d_lr: float = 8e-3
    q_lr: float = 6e-4  # of Q in the regularisation phase: lower than D's, so that D keeps up
    betas: tuple[float, float] = (0.5, 0.999)  # of D's and Q's Adam in the regularisation phase
    fresh_steps: int = 2500  # of the network that tells codes from z
    codes: int = 10_000  # unseen digits: all of MNIST's
    judged: int = 5000  # samples
    seeds: int = 3


QUICK = {"width": 64, "d_width": 32, "steps": 100, "fresh_steps": 50, "codes": 300, "judged": 300, "seeds": 1}
VERDICT = "Not reached at this size: noise becomes better digits, but a new network still tells the codes from noise too often."
TITLE = (
    "A new network tells {codes told from z|%} of codes from draws of the prior (plain: {codes told from z, plain|%}; guessing "
    "50 %), for {squared error over that of plain|.2f} times the squared error; Frechet distance of P's images of the prior: "
    "{Frechet distance, adversarial, z from the prior|.0f} (plain: {Frechet distance, plain, z from the prior|.0f}; plain, z "
    "drawn like the codes, by a normal distribution: {Frechet distance, plain, z like the codes|.0f})"
)
CODES = (
    "Codes of unseen digits: the adversarial ones, each number within {KS distance from the prior|<} of the prior (KS distance)"
)
FINDING = (
    "A new network that is trained to tell codes from noise is right about {codes told from z|%} of both (worst of 3 seeds; "
    "plain autoencoder {codes told from z, plain|%}, guessing 50 %). Digits drawn from noise have Frechet distance "
    "{Frechet distance, adversarial, z from the prior|.0f} (plain {Frechet distance, plain, z from the prior|.0f}, with noise "
    "fitted to its codes {Frechet distance, plain, z like the codes|.0f}; means); the reconstruction has "
    "{squared error over that of plain|.2f} times the squared error (worst seed)."
)

# Bounds: the codes' distance from the prior (the worst of 24 samples of 10,000 from N(0, 1) itself has 0.014); the share that a
# new network tells from z; the ratios of the error, and of the samples' distance from the data, to those of the plain one.
APART, TOLD, DEARER, NEARER = 0.04, 0.60, 1.15, 0.5
PRIOR, FITTED = ", z from the prior", ", z like the codes"
KINDS = {"plain": FAKE, "adversarial": REAL}  # colours in the picture
SHOWN, COLUMNS = 60, 10  # samples in the picture


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    """Each model with every seed."""
    x, y, (others, classes) = digits.load(claim.args, s.codes)
    judge = digits.judge_of(claim.args, x, y)
    runs = over_kinds(claim, learn, KINDS, s.seeds, x, others, judge, s, steps=s.seeds * len(KINDS) * (s.steps + s.fresh_steps))
    measure(claim, runs)
    claim.show(picture(runs), "adversarial_autoencoder", claim.words(TITLE))
    claim.show(picture_of_codes(runs, classes), "codes", claim.words(CODES))


class Draw(nn.Module):
    """Q(x) = N(mean, std^2): a draw from it, in eval mode as well."""

    def __init__(self, std: float):
        self.std = std

    def forward(self, mean: Tensor) -> Tensor:
        e = random_numbers.noise_generator(None, mean.data).standard_normal(mean.shape, dtype="float32")
        return mean + self.std * Tensor(e)


def players(s: Settings) -> tuple[nn.Sequential, nn.Sequential, nn.Sequential]:
    """Q, P, whose pixels are in [0, 1], and D, which judges codes."""
    w, v = s.width, s.d_width
    # Without batch norm, Q's steps against D would move all codes together, back and forth.
    Q = nn.Sequential(nn.Flatten(), *autoencoders.dense(784, w, w, s.code, norm=True), Draw(s.noise))
    P = nn.Sequential(*autoencoders.dense(s.code, w, w, 784, norm=True), nn.Sigmoid(), nn.Reshape(1, 28, 28))
    return Q, P, nn.Sequential(*autoencoders.dense(s.code, v, v, 1))


def learn(kind: str, seed: int, x: np.ndarray, others: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """Train one of the models on images x: its error and codes on unseen images, and how far its images of noise are from x."""
    mg.seed(seed)
    Q, P, D = players(s)
    if kind == "plain":  # the reconstruction phase alone
        autoencoders.train(lambda x: (losses.mse(P(Q(Tensor(x))), x),), [Q, P], [x], "plain", s.steps, s.batch, s.lr)
    else:
        train_adversarial(Q, P, D, x, s)
    Q, P = Q.eval(), P.eval()
    codes, seen = (autoencoders.encode(Q, images) for images in (others, x))
    z = data.noise(s.code)(s.judged)
    near = digits.features(judge, digits.some(x, s.judged))
    samples = {name: draw(P, noise) for name, noise in (("prior", z), ("fitted", like(seen, z)))}
    return {
        "error": float(np.square(draw(P, codes) - others, dtype=np.float64).mean()),
        "distances": distances(codes),
        "told": told_from_prior(seen, codes, players(s)[2], s),
        "frechet": {name: metrics.frechet_distance(digits.features(judge, a), near) for name, a in samples.items()},
        "codes": codes,
        "samples": samples["prior"][:SHOWN],
    }


def train_adversarial(Q: nn.Module, P: nn.Module, D: nn.Module, x: np.ndarray, s: Settings) -> None:
    """Both phases."""
    opt_G = optim.Adam([{"params": P.parameters()}, {"params": Q.parameters(), "lr": s.calm * s.lr}], s.lr)
    opt_D, opt_Q = (optim.Adam(player.parameters(), lr, s.betas) for player, lr in ((D, s.d_lr), (Q, s.q_lr)))
    game = AdversarialAutoencoder(P, D, data.noise(s.code), opt_G, opt_D, Q, opt_Q)
    train(game, data.batches(x, size=s.batch), s.steps, "adversarial")


def draw(P: nn.Module, codes: np.ndarray) -> np.ndarray:
    """P's images (n, 1, 28, 28) of the codes (n, d)."""
    return digits.in_parts(lambda z: digits.draw(P, z), codes)


def like(codes: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Draws z from N(0, I), turned into draws from the normal distribution with the mean and covariance of these codes."""
    return codes.mean(axis=0) + z @ np.linalg.cholesky(np.cov(codes, rowvar=False)).T.astype(z.dtype)


def distances(codes: np.ndarray) -> np.ndarray:
    """The Kolmogorov-Smirnov distance from N(0, 1) of each number of the codes (n, d)."""
    return np.array([kstest(column, "norm").statistic for column in codes.T.astype(np.float64)])


def told_from_prior(seen: np.ndarray, codes: np.ndarray, C: nn.Module, s: Settings) -> float:
    """Train C to tell the codes `seen` from draws of z: its share of right answers on other codes, and as many draws."""
    prior = data.noise(s.code)

    def objective(seen):
        return (losses.discriminator_loss(C(Tensor(prior(len(seen)))), C(Tensor(seen))),)

    autoencoders.train(objective, [C], [seen], "telling codes from z", s.fresh_steps, s.batch, s.lr, prior=prior)
    right = [autoencoders.encode(C, z) * sign > 0 for z, sign in ((prior(len(codes)), 1), (codes, -1))]
    return float(np.mean(right))


def measure(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """The codes compared with the prior; the error and the samples compared with the plain autoencoder's; the worst seed."""
    plain, ours = runs["plain"], runs["adversarial"]
    claim.at_most("KS distance from the prior", max(run["distances"].max() for run in ours), APART)
    claim.at_most("codes told from z", max(run["told"] for run in ours), TOLD)
    claim.note("codes told from z, plain", min(run["told"] for run in plain), "reported: best seed; by guessing, 0.5")
    claim.note("KS distance from the prior, plain", min(run["distances"].max() for run in plain), "reported: best seed")
    costs = [a["error"] / b["error"] for a, b in zip(ours, plain, strict=True)]
    claim.at_most("squared error over that of plain", max(costs), DEARER)
    for kind, side in runs.items():
        claim.note(f"squared error, {kind}", np.mean([run["error"] for run in side]), "reported: a pixel, mean over the seeds")
    ratios = [a["frechet"]["prior"] / b["frechet"]["prior"] for a, b in zip(ours, plain, strict=True)]
    claim.at_most("Frechet distance over that of plain", max(ratios), NEARER)
    for kind, side in runs.items():
        for name, noise in (("prior", PRIOR), ("fitted", FITTED)):
            distance = np.mean([run["frechet"][name] for run in side])
            claim.note(f"Frechet distance, {kind}{noise}", distance, "reported: mean over the seeds")


def picture(runs: dict[str, list[dict]]) -> Figure:
    """The distribution function of each number of the code, and the prior's; P's images of the prior (first seed)."""
    figure, places = slide(2, 2, width_ratios=(1, 1.3))
    for (left, right), kind in zip(places, KINDS, strict=True):
        codes, line = runs[kind][0]["codes"], np.linspace(-4, 4, 200)
        for column in codes.T:
            left.step(np.sort(column), (np.arange(len(column)) + 1) / len(column), color=KINDS[kind], linewidth=1)
        left.plot(line, norm.cdf(line), "--", color="black", label="$N(0, 1)$")
        left.set(xlim=(-6, 6), xlabel="a number of the code", ylabel="share below", title=f"{kind}: unseen digits")
        left.legend(loc="lower right")
        distance = np.mean([run["frechet"]["prior"] for run in runs[kind]])
        title = f"$P(z)$, $z$ from the prior: Frechet distance {distance:.0f}"
        autoencoders.show(right, runs[kind][0]["samples"], COLUMNS, title)
    return figure


def picture_of_codes(runs: dict[str, list[dict]], classes: np.ndarray) -> Figure:
    """The first two numbers of each code, by the digit's class (first seed); circles contain 39 and 86 % of the prior."""
    figure, places = slide(1, 2, height=6)
    for axes, kind in zip(places, KINDS, strict=True):
        axes.scatter(*runs[kind][0]["codes"].T[:2], c=classes, cmap="tab10", s=3, linewidths=0)
        for radius in (1, 2):
            axes.add_patch(Circle((0, 0), radius, fill=False, linestyle="--"))
        axes.set(xlim=(-6, 6), ylim=(-6, 6), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
        axes.set_title(f"{kind} (circles: 1 and 2 std of the prior)")
    return figure
