"""A VAE's encoder and decoder descend one objective, which falls all the way; a GAN's G looks better while its loss rises.

Slide: "In other words, the encoder and decoder are working **cooperatively** to maximize the data log-likelihood."
(CS/DS 552, class 7)

    ELBO = -D_KL(Q(z | x) | P(z)) + E_Q log P(x | z)        Q(z | x) = N(mu(x), sigma(x)^2),  P(z) = N(0, I)
    D_KL = sum (mu^2 + sigma^2 - 1 - log sigma^2) / 2       z = mu + sigma epsilon,  epsilon ~ N(0, I)

Written so, z is random and still a function of the encoder's mu and sigma: the gradient passes (the reparametrisation). A grey
level counts as the probability of white, so no ELBO can exceed minus the grey levels' entropy. A GAN of dense layers learns the
same digits. What to look for: the curves are means over twentieths of the training; the VAE's goes down alone. G's goes up, but
the judge finds G's later samples nearer to the data. With 2 dimensions for z, all that P can draw fits on one sheet.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.generative_models import autoencoders
from demos.kit import digits
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.classifiers import in_parts
from demos.kit.pictures import FAKE, REAL
from demos.kit.run import start
from demos.kit.training import adams, train
from minigan import Tensor, data, losses, metrics, nn, no_grad
from minigan.games import GAN


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    z: int = 20  # dimensions of the VAE's code
    width: int = 400  # of its hidden layers
    steps: int = 3000
    batch: int = 128
    lr: float = 2e-3  # Adam's, falling to 0
    gan_steps: int = 2400
    gan_z: int = 64
    gan_width: int = 256
    gan_lr: float = 1e-3  # Adam's, betas (0.5, 0.999), falling to 0
    seeds: int = 3
    judged: int = 2000  # samples


QUICK = {"width": 64, "steps": 300, "gan_steps": 400, "gan_width": 128, "seeds": 1, "judged": 300}
MNIST_ELBO = -110.0  # nats an image: what the full run on MNIST has to reach
SHOWN = 64  # samples of each model in the picture
SIDE = 18  # of the grid of images in the latent plane

Distance = Callable[[np.ndarray], float]  # of samples from the data


class VAE(nn.Module):
    """The encoder Q, which says mu and log sigma^2 of z, and the decoder P, which says the pixels' logits."""

    def __init__(self, z: int, width: int):
        self.Q = autoencoders.dense_encoder(2 * z, width)
        self.P = autoencoders.dense_decoder(z, width)
        self.prior = data.noise(z)

    def forward(self, x: np.ndarray) -> tuple[Tensor, Tensor]:
        """The two terms of -ELBO, in nats an image: -log P(x | z) for one z from Q(z | x), and D_KL(Q(z | x) | P(z))."""
        mu, log_var = mg.split(self.Q(Tensor(x)), 2, axis=1)
        z = mu + mg.exp(0.5 * log_var) * Tensor(self.prior(len(x)))
        return autoencoders.PIXELS * losses.log_loss_with_logits(self.P(z), Tensor(x)), divergence(mu, log_var)


def divergence(mu: Tensor, log_var: Tensor) -> Tensor:
    """D_KL(N(mu, sigma^2) | N(0, I)), the mean over the batch: mu, log sigma^2 (n, d)."""
    return 0.5 * mg.mean(mg.sum(mu**2 + mg.exp(log_var) - 1.0 - log_var, axis=1))


def main(argv: list[str] | None = None) -> None:
    """A VAE and a GAN with every seed, and one VAE with a plane for a code."""
    args = start(digits.options(__doc__), argv, "vae")
    s = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(s)})
    x, y, (others, _) = digits.load(args, 10_000)
    judge = metrics.train_judge(x, y, steps=60) if args.quick else metrics.judge(x, y)
    seeds = range(args.seed, args.seed + s.seeds)

    def distance(images):
        return metrics.image_quality(images, judge, x[:10_000])["frechet"]

    vaes = [once(f"VAE, seed {seed}", train_vae, x, others, s.z, s, seed, distance) for seed in seeds]
    gans = [once(f"GAN, seed {seed}", train_gan, x, s, seed, distance) for seed in seeds]
    plane = once("plane", train_vae, x, others, 2, s, args.seed, distance)
    measure_elbo(claim, vaes, plane, x, others)
    measure_descent(claim, vaes, gans)
    measure_samples(claim, vaes, gans, distance(others[: s.judged]))
    claim.finish(picture(claim.metrics, vaes, gans, plane), "vae")


# --- the two models -----------------------------------------------------------------------------------------------------


def train_vae(x: np.ndarray, others: np.ndarray, z: int, s: Settings, seed: int, distance: Distance) -> dict:
    """-ELBO along the training; its two terms on images not seen; what the decoder makes of the prior, and of a plane."""
    mg.seed(seed)
    vae = VAE(z, s.width)
    name = f"VAE, {z} dimensions, seed {seed}"
    rows = autoencoders.train(vae, [vae], [x], name, s.steps, s.batch, s.lr, prior=vae.prior)
    samples = autoencoders.pixels(vae.P, vae.prior(s.judged))
    found = {"curve": rows.sum(axis=1), "terms": terms(vae, others), "frechet": distance(samples), "samples": samples[:SHOWN]}
    return found | ({"plane": autoencoders.pixels(vae.P, autoencoders.quantiles(SIDE))} if z == 2 else {})


def terms(vae: VAE, x: np.ndarray) -> np.ndarray:
    """The two terms of -ELBO on these images, in nats an image, with one draw of z for each."""
    with no_grad():
        parts = in_parts(lambda x: np.array([[len(x), *(term.item() for term in vae(x))]]), x)
    return np.average(parts[:, 1:], axis=0, weights=parts[:, 0])


def train_gan(x: np.ndarray, s: Settings, seed: int, distance: Distance) -> dict:
    """Both losses along the training; how far G's samples are from the data after a quarter of it and at the end; the last."""
    mg.seed(seed)
    G, D = digits.dense_players(s.gan_z, s.gan_width)
    game, quarters = GAN(G, D, data.noise(s.gan_z), *adams(G, D, s.gan_lr, s.gan_lr)), []

    def look(game):
        samples = (game.sample(s.judged) + 1) / 2
        quarters.append({"frechet": distance(samples), "samples": samples[:SHOWN]})

    batches = data.batches(2 * x - 1, size=s.batch)
    figures = train(game, batches, s.gan_steps, "GAN", s.gan_steps // 4, look, quarters=quarters)
    curves = {name: np.array([row[name] for row in figures]) for name in ("loss_D", "loss_G")}
    return curves | {"early": quarters[0]["frechet"], **quarters[-1]}


# --- the figures --------------------------------------------------------------------------------------------------------


def measure_elbo(claim: Claim, vaes: list[dict], plane: dict, x: np.ndarray, others: np.ndarray) -> None:
    """The ELBO of images not seen, between what takes no model and what none can exceed."""
    without = -cross_entropy(others, x.mean(axis=0))
    least = MNIST_ELBO if claim.args.data == "mnist" and not claim.args.quick else without
    elbo = min(-run["terms"].sum() for run in vaes)
    claim.note("elbo", elbo, f"at least {least:.4g} nats an image (worst seed)", elbo >= least)
    for name, term in zip(("minus_log_P", "D_KL"), np.mean([run["terms"] for run in vaes], axis=0), strict=True):
        claim.note(name, term, "nats an image, mean over the seeds")
    claim.note("elbo_of_a_plane", -plane["terms"].sum(), "z of 2 dimensions, one seed")
    claim.note("every_pixel_by_itself", without, "log-likelihood without any z")
    claim.note("grey_levels_minus_entropy", -cross_entropy(others, others), "no ELBO can be above")


def cross_entropy(x: np.ndarray, p: np.ndarray) -> float:
    """-log of the probability of images x, nats an image, where each pixel is white with probability p."""
    p = np.broadcast_to(p.clip(1e-6, 1 - 1e-6), x.shape)
    return autoencoders.PIXELS * losses.log_loss(p, x).item()


def measure_descent(claim: Claim, vaes: list[dict], gans: list[dict]) -> None:
    """How much of each curve's movement goes down."""
    one, other = min(downwards(run["curve"]) for run in vaes), max(downwards(run["loss_G"]) for run in gans)
    claim.note("downwards_vae", one, "at least 0.95 of the movement (worst seed)", one >= 0.95)
    claim.note("downwards_G", other, "at most 0.5 (worst seed)", other <= 0.5)
    claim.note("downwards_D", np.mean([downwards(run["loss_D"]) for run in gans]), "mean over the seeds")


def downwards(curve: np.ndarray) -> float:
    """Of the way that the curve goes up and down, the share that goes down: 1 for one that only falls."""
    change = np.diff(autoencoders.smooth(curve))
    return float(np.maximum(-change, 0).sum() / np.abs(change).sum())


def measure_samples(claim: Claim, vaes: list[dict], gans: list[dict], unseen: float) -> None:
    """Frechet distances of samples from the data, in the judge's features."""
    early, late = ([run[key] for run in gans] for key in ("early", "frechet"))
    better = max(b / a for a, b in zip(early, late, strict=True))
    claim.note("frechet_gan_after_a_quarter", np.mean(early), "mean over the seeds")
    claim.note("frechet_gan", np.mean(late))
    claim.note("frechet_gan_end_to_quarter", better, "below 1: G's samples get better (worst seed)", better < 1)
    claim.note("frechet_vae", np.mean([run["frechet"] for run in vaes]), "mean over the seeds")
    claim.note("frechet_unseen_images", unseen, "as near as samples can come")


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(found: dict[str, float], vaes: list[dict], gans: list[dict], plane: dict) -> plt.Figure:
    """Above, the VAE's curve and samples; below, the GAN's; on the right, the latent plane."""
    figure = plt.figure(figsize=(15.5, 7.6), layout="constrained")
    places = figure.add_gridspec(2, 3, width_ratios=(5, 4.4, 8))
    above, below = (figure.add_subplot(places[row, 0]) for row in range(2))
    autoencoders.draw_curves(above, vaes, {"curve": ("$-$ELBO", "tab:green")})
    autoencoders.draw_curves(below, gans, {"loss_D": ("D's loss", REAL), "loss_G": ("G's loss", FAKE)})
    above.set(ylabel="nats an image", title=f"the VAE's objective: {found['downwards_vae']:.1%} of its way is down")
    share_D, share_G = found["downwards_D"], found["downwards_G"]
    below.set(xlabel="share of the training", title=f"the GAN's losses: of D's {share_D:.0%}, of G's {share_G:.0%}")
    for row, (name, runs) in enumerate({"vae": vaes, "gan": gans}.items()):
        title = f"{name.upper()}'s samples, Fréchet distance {found[f'frechet_{name}']:.0f}"
        autoencoders.show(figure.add_subplot(places[row, 1]), runs[0]["samples"], 8, title)
    autoencoders.show(
        figure.add_subplot(places[:, 2]), plane["plane"], SIDE, "z in 2 dimensions: P on a grid of normal quantiles"
    )
    title = (
        f"The VAE's one objective falls, to an ELBO of {found['elbo']:.1f} nats on unseen digits; G's loss rises, though its"
    )
    early, late = found["frechet_gan_after_a_quarter"], found["frechet_gan"]
    figure.suptitle(f"{title} samples get better (Fréchet distance {early:.0f}, then {late:.0f})")
    return figure


if __name__ == "__main__":
    main()
