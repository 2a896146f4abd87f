"""A discriminator of codes gives an autoencoder a prior: what P makes of noise is a digit, and few details are lost for it.

Slide: "Adversarial autoencoder (AAE)" (IT3320E, lecture 10)

    Q and P descend |x - P(Q(x))|^2;  then D ascends log D(z) + log(1 - D(Q(x))),  and Q descends -log D(Q(x))

A plain autoencoder's codes lie where its training happened to put them, and what it makes of noise z is no digit. D compares
codes with z, not images with images; as Q learns to deceive it, the codes come to be distributed as z is (Makhzani et al. 2015).
What to look for: of each number of the code, how its distribution on unseen digits differs from the prior's, N(0, 1)
(Kolmogorov and Smirnov's distance: the largest difference of the two distribution functions); what P makes of draws of the
prior; and how much of the reconstruction that costs. Both models have the same networks, and as many steps of reconstruction.
There is a simple remedy, too: draw z from the normal distribution that has the plain codes' mean and covariance.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import kstest, norm

import minigan as mg
from demos.generative_models import autoencoders
from demos.kit import digits
from demos.kit.checkpoints import resumable
from demos.kit.claim import Claim
from demos.kit.jobs import each
from demos.kit.pictures import sheet
from demos.kit.run import start
from demos.kit.settings import settings_of
from demos.kit.style import FAKE, OTHERS, REAL, slide
from minigan import Tensor, data, losses, metrics, nn, optim
from minigan.games import AdversarialAutoencoder


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    code: int = 8
    width: int = 256  # of Q's and P's hidden layers
    width_D: int = 128
    steps: int = 4000
    batch: int = 100
    lr: float = 2e-3  # Adam's in the reconstruction phase, falling to 0, as all others
    lr_D: float = 1e-3
    lr_Q: float = 5e-4  # in the regularisation phase
    betas: tuple[float, float] = (0.5, 0.999)  # of the latter two
    codes: int = 2000  # of unseen digits, whose distribution is judged
    judged: int = 5000  # samples
    seeds: int = 3


QUICK = {"width": 64, "width_D": 32, "steps": 100, "codes": 300, "judged": 300, "seeds": 1}
FARTHEST, DEAREST, NEARER = 0.05, 1.15, 0.5  # the bounds: of the codes' distance; of the error, and the samples', over the plain's
KINDS = ("plain", "adversarial")
COLOURS = {"plain": FAKE, "adversarial": REAL}
SHOWN, COLUMNS = 60, 10  # samples in the picture


def main(argv: list[str] | None = None) -> None:
    """Each model with every seed."""
    args = start(digits.options(__doc__), argv, "adversarial_autoencoder", Settings())
    s = settings_of(args, replace(Settings(), **QUICK) if args.quick else Settings())
    claim = Claim(args, {"data": args.data, **asdict(s)})
    x, y, (others, classes) = digits.load(args)
    judge = digits.judge_of(args, x, y)
    tasks = {f"{kind}, seed {seed}": (kind, seed) for kind in KINDS for seed in range(args.seed, args.seed + s.seeds)}
    found = each(learn, tasks, x, others, judge, s, steps=len(tasks) * s.steps)
    runs = {"plain": found[: s.seeds], "adversarial": found[s.seeds :]}
    measure(claim, runs)
    claim.show(picture(runs, classes[: s.codes]), "adversarial_autoencoder", words(claim.metrics))
    claim.finish()


# --- the models ---------------------------------------------------------------------------------------------------------


def players(s: Settings) -> tuple[nn.Sequential, nn.Sequential, nn.Sequential]:
    """Q, P, whose pixels are in [0, 1], and D, which judges codes."""
    Q = autoencoders.dense_encoder(s.code, s.width)
    P = nn.Sequential(*autoencoders.dense_decoder(s.code, s.width), nn.Sigmoid())
    w = s.width_D
    D = nn.Sequential(nn.Dense(s.code, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2), nn.Dense(w, 1))
    return Q, P, D


def learn(kind: str, seed: int, x: np.ndarray, others: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """One of the models, of images x; what it makes of others, and of noise."""
    mg.seed(seed)
    Q, P, D = players(s)
    (train_plain if kind == "plain" else train_adversarial)(Q, P, D, x, s)
    return look(Q, P, x, others, judge, s)


def train_plain(Q: nn.Module, P: nn.Module, D: nn.Module, x: np.ndarray, s: Settings) -> None:
    """The reconstruction phase alone."""

    def objective(x):
        return (losses.mse(P(Q(Tensor(x))), x),)

    autoencoders.train(objective, [Q, P], [x], "plain", s.steps, s.batch, s.lr)


def train_adversarial(Q: nn.Module, P: nn.Module, D: nn.Module, x: np.ndarray, s: Settings) -> None:
    """Both phases."""
    game = AdversarialAutoencoder(
        P,
        D,
        prior=data.noise(s.code),
        opt_G=optim.Adam(Q.parameters() + P.parameters(), s.lr),
        opt_D=optim.Adam(D.parameters(), s.lr_D, s.betas),
        Q=Q,
        opt_Q=optim.Adam(Q.parameters(), s.lr_Q, s.betas),
    )
    batches, decay = data.batches(x, size=s.batch), optim.LinearDecay([game.opt_G, game.opt_D, game.opt_Q], s.steps)
    for _ in resumable(range(s.steps), "adversarial", game=game, batches=batches, decay=decay):
        game.step(batches)
        decay.step()


def look(Q: nn.Module, P: nn.Module, x: np.ndarray, others: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """The error and the codes on images not seen, and how far images made of noise are from the data."""
    codes, seen = autoencoders.encode(Q, others), autoencoders.encode(Q, x[: s.judged])
    z = data.noise(s.code)(s.judged)
    fitted = seen.mean(axis=0) + z @ np.linalg.cholesky(np.cov(seen, rowvar=False)).T.astype(np.float32)
    near = digits.features(judge, digits.some(x, s.judged))
    samples = {name: draw(P, noise) for name, noise in (("prior", z), ("fitted", fitted))}
    return {
        "error": float(np.square(draw(P, codes) - others, dtype=np.float64).mean()),
        "distances": distances(codes[: s.codes]),
        "distances, training": distances(seen[: s.codes]),
        "frechet": {name: metrics.frechet_distance(digits.features(judge, a), near) for name, a in samples.items()},
        "codes": codes[: s.codes],
        "samples": samples["prior"][:SHOWN],
    }


def draw(P: nn.Module, codes: np.ndarray) -> np.ndarray:
    """The images (n, 1, 28, 28) that P makes of the codes (n, d)."""
    return digits.in_parts(lambda z: digits.draw(P, z), codes)


def distances(codes: np.ndarray) -> np.ndarray:
    """Of each number of the codes (n, d), Kolmogorov and Smirnov's distance from N(0, 1)."""
    return np.array([kstest(column, "norm").statistic for column in codes.T.astype(np.float64)])


# --- the figures --------------------------------------------------------------------------------------------------------


def measure(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """The codes against the prior, the error and the samples against the plain autoencoder's; the worst seed."""
    plain, ours = runs["plain"], runs["adversarial"]
    claim.at_most("codes' distance from the prior", max(run["distances"].max() for run in ours), FARTHEST)
    claim.note("codes' distance, training images", max(run["distances, training"].max() for run in ours), "reported: worst seed")
    claim.note("codes' distance, plain", min(run["distances"].max() for run in plain), "reported: best seed")
    costs = [a["error"] / b["error"] for a, b in zip(ours, plain, strict=True)]
    claim.at_most("squared error, over the plain one's", max(costs), DEAREST)
    for kind, side in runs.items():
        claim.note(f"squared error, {kind}", np.mean([run["error"] for run in side]), "reported: a pixel, mean over the seeds")
    ratios = [a["frechet"]["prior"] / b["frechet"]["prior"] for a, b in zip(ours, plain, strict=True)]
    claim.at_most("Frechet distance, over the plain one's", max(ratios), NEARER)
    for kind, side in runs.items():
        for name, noise in (("prior", "the prior"), ("fitted", "the codes' normal distribution")):
            distance = np.mean([run["frechet"][name] for run in side])
            claim.note(f"Frechet distance, {kind}, z from {noise}", distance, "reported: mean over the seeds")


def found(m: dict[str, float]) -> str:
    """README's words."""
    return words(m)


def words(m: dict[str, float]) -> str:
    """What the discriminator brings, and what it costs."""
    return (
        f"{m}"
    )


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(runs: dict[str, list[dict]], classes: np.ndarray) -> Figure:
    """For each model: the distributions of the code's numbers, two of them against each other, and what P makes of noise."""
    figure, places = slide(2, 3, width_ratios=(1, 1, 1.6))
    return figure


if __name__ == "__main__":
    main()
