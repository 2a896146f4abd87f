"""A VAE's encoder and decoder both lower one shared objective; a GAN's players raise each other's loss.

Slide: "In other words, the encoder and decoder are working **cooperatively** to maximize the data log-likelihood."
(CS/DS 552, class 7)

    ELBO = -D_KL(Q(z | x) | P(z)) + E_Q log P(x | z)        Q(z | x) = N(mu(x), sigma(x)^2),  P(z) = N(0, I)
    D_KL = sum (mu^2 + sigma^2 - 1 - log sigma^2) / 2       z = mu + sigma epsilon,  epsilon ~ N(0, I)

In this form, gradients pass through the random z to mu and sigma (the reparametrisation). A grey level is the probability of
white, so no ELBO can exceed minus the grey levels' entropy. A dense GAN learns the same digits in about the same time.

What to look for: which loss does each network's step lower, and which does it raise? (From time to time, both losses are
measured before and after each step.) The VAE's curve falls throughout; a GAN's two losses do not, although its samples get
nearer to the data. With 2 dimensions for z, all images that P can draw fit on one sheet.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.generative_models import autoencoders, step_effects
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.classifiers import in_parts
from demos.kit.experiment import demo
from demos.kit.loops import run_tasks
from demos.kit.pictures import sheet
from demos.kit.style import D_COLOUR, G_COLOUR, OTHERS, slide
from demos.kit.training import adams, train
from minigan import Tensor, data, losses, metrics, nn, no_grad, optim


@dataclass
class Settings:
    z: int = 20  # dimensions of the VAE's code
    width: int = 400  # of its hidden layers
    steps: int = 6000
    plane_steps: int = 1500  # of the VAE whose code is a plane
    batch: int = 128
    lr: float = 2e-3  # Adam's, falling to 0
    gan_steps: int = 5000  # take about the same time as the VAE's
    gan_z: int = 64  # from here on the demo gan's settings, except for the number of iterations
    gan_width: int = 256
    gan_batch: int = 100
    gan_lr: float = 1e-3  # Adam's, betas (0.5, 0.999), falling to 0
    r1: float = 1.0  # weight of the penalty on D's gradient at the data
    seeds: int = 2
    judged: int = 2000  # samples
    watched: int = 500  # images for the losses before and after a step


QUICK = {"width": 64, "steps": 200, "plane_steps": 100, "gan_steps": 200, "gan_width": 64, "seeds": 1, "judged": 300}
MNIST_ELBO = -110.0  # nats an image: the bound for the full run on MNIST
VERDICT = "True: encoder and decoder both lower one loss (minus the ELBO); a GAN's players raise each other's."
STEPS = (
    "Encoder and decoder both lower the VAE's objective; of what D's steps take off D's loss, G's put back at least "
    "{undone_of_D|>%}, and of what G's take off G's, D's at least {undone_of_G|>%}"
)
LEARNING = (
    "{downwards_vae|%1} of the movement of the VAE's objective is down, {downwards_D|%} of that of D's loss, {downwards_G|%} "
    "of G's; the GAN's samples come nearer (Frechet distance {frechet_gan_after_a_quarter|.0f} after a quarter, "
    "{frechet_gan|.0f} at the end)"
)
FINDING = (
    "Encoder and decoder both lower the VAE's loss. In the GAN, G's steps undo at least {undone_of_D|>%} of what D's steps "
    "gain (worst of 2 seeds). Frechet distance on MNIST: GAN {frechet_gan|.0f}, VAE {frechet_vae|.0f} (unseen real images: "
    "{frechet_unseen_images|.0f})."
)

SHOWN = 50  # samples of each model in the picture
COLUMNS = 10  # of its sheets
SIDE = 18  # of the grid of images in the latent plane


class VAE(nn.Module):
    """The encoder Q returns mu and log sigma^2 of z; the decoder P returns the pixels' logits."""

    def __init__(self, z: int, width: int):
        self.Q = autoencoders.dense_encoder(2 * z, width)
        self.P = autoencoders.dense_decoder(z, width)
        self.prior = data.noise(z)

    def forward(self, x: np.ndarray, epsilon: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
        """The two terms of -ELBO, in nats an image: -log P(x | z) for one z from Q(z | x), and D_KL(Q(z | x) | P(z))."""
        mu, log_var = mg.split(self.Q(Tensor(x)), 2, axis=1)
        epsilon = self.prior(len(x)) if epsilon is None else epsilon
        z = mu + mg.exp(0.5 * log_var) * Tensor(epsilon)
        return autoencoders.PIXELS * losses.log_loss_with_logits(self.P(z), Tensor(x)), divergence(mu, log_var)


def divergence(mu: Tensor, log_var: Tensor) -> Tensor:
    """D_KL(N(mu, sigma^2) | N(0, I)), the mean over the batch: mu, log sigma^2 (n, d)."""
    return 0.5 * mg.mean(mg.sum(mu**2 + mg.exp(log_var) - 1.0 - log_var, axis=1))


@demo(Settings(), QUICK, digits.options, record={"every": step_effects.EVERY})
def main(claim: Claim, s: Settings) -> None:
    """A VAE and a GAN with every seed, and one VAE whose code is a plane."""
    args = claim.args
    x, y, (others, _) = digits.load(args, 10_000)
    judge = digits.judge_of(args, x, y)
    models = {f"{kind}, seed {seed}": (kind, seed) for kind in ("GAN", "VAE") for seed in range(args.seed, args.seed + s.seeds)}
    steps = s.seeds * (s.gan_steps + s.steps) + s.plane_steps
    runs = run_tasks(learn, models | {"plane": ("plane", args.seed)}, x, others, judge, s, steps=steps)
    gans, vaes, plane = runs[: s.seeds], runs[s.seeds : -1], runs[-1]
    measure_elbo(claim, vaes, plane, x, others)
    measure_descent(claim, vaes, gans)
    measure_steps(claim, vaes, gans)
    measure_samples(claim, vaes, gans, frechet(others[: s.judged], judge, x))
    claim.show(picture_of_steps(vaes, gans), "steps", claim.words(STEPS))
    claim.show(picture_of_learning(vaes, gans), "vae", claim.words(LEARNING))
    elbos = f"ELBO {{elbo_of_a_plane|.0f}} nats; with {s.z} dimensions {{elbo|.0f}}"
    title = f"All that a VAE with 2 dimensions for z can draw: P on a grid of equally likely z ({elbos})"
    claim.show(picture_of_plane(plane), "plane", claim.words(title))


def learn(kind: str, seed: int, x: np.ndarray, others: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """Train one of the models on images x; its results on others."""
    mg.seed(seed)
    if kind == "GAN":
        return train_gan(x, others, judge, s)
    return train_vae(x, others, judge, s, *((2, s.plane_steps) if kind == "plane" else (s.z, s.steps)))


def train_vae(x: np.ndarray, others: np.ndarray, judge: metrics.Judge, s: Settings, z: int, steps: int) -> dict:
    """-ELBO during the training; its two terms on unseen images; the decoder's images of the prior (and of a grid)."""
    vae = VAE(z, s.width)
    game = step_effects.WatchedVAE(vae, *(optim.Adam(player.parameters(), s.lr) for player in (vae.P, vae.Q)))
    game.look_at(others[: s.watched])
    figures = train(game, data.batches(x, size=s.batch), steps, f"VAE, {z} dimensions")
    samples = autoencoders.pixels(vae.P, vae.prior(s.judged))
    run = {"curve": np.array([row["loss"] for row in figures]), "changes": step_effects.totals(figures)}
    run |= {"terms": terms(vae, others), "frechet": frechet(samples, judge, x), "samples": samples[:SHOWN]}
    return run | ({"plane": autoencoders.pixels(vae.P, autoencoders.quantiles(SIDE))} if z == 2 else {})


def terms(vae: VAE, x: np.ndarray) -> np.ndarray:
    """The two terms of -ELBO on these images, in nats an image, with one draw of z for each image."""
    with no_grad():
        parts = in_parts(lambda x: np.array([[len(x), *(term.item() for term in vae(x))]]), x)
    return np.average(parts[:, 1:], axis=0, weights=parts[:, 0])


def train_gan(x: np.ndarray, others: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """Both losses during the training; the Frechet distance after a quarter and at the end; the last samples."""
    G, D = digits.dense_players(s.gan_z, s.gan_width)
    game = step_effects.WatchedGAN(G, D, data.noise(s.gan_z), *adams(G, D, s.gan_lr, s.gan_lr), r1=s.r1)
    game.look_at(2 * others[: s.watched] - 1)
    quarters = []

    def look(game):
        samples = (game.sample(s.judged) + 1) / 2
        quarters.append({"frechet": frechet(samples, judge, x), "samples": samples[:SHOWN]})

    batches = data.batches(2 * x - 1, size=s.gan_batch)
    figures = train(game, batches, s.gan_steps, "GAN", s.gan_steps // 4, look, quarters=quarters)
    curves = {name: np.array([row[name] for row in figures]) for name in ("loss_D", "loss_G")}
    return curves | {"changes": step_effects.totals(figures), "early": quarters[0]["frechet"], **quarters[-1]}


def frechet(samples: np.ndarray, judge: metrics.Judge, x: np.ndarray) -> float:
    """The Frechet distance between samples and the same number of images of the data, in the judge's features."""
    return metrics.frechet_distance(*(digits.features(judge, images) for images in (samples, x[: len(samples)])))


def measure_elbo(claim: Claim, vaes: list[dict], plane: dict, x: np.ndarray, others: np.ndarray) -> None:
    """The ELBO of images not seen, between what takes no model and what none can exceed."""
    without = -cross_entropy(others, x.mean(axis=0))
    least = MNIST_ELBO if claim.args.data == "mnist" and not claim.args.quick else without
    claim.at_least("elbo", min(-run["terms"].sum() for run in vaes), least, quick=True)  # nats an image, worst seed
    for name, term in zip(("minus_log_P", "D_KL"), np.mean([run["terms"] for run in vaes], axis=0), strict=True):
        claim.note(name, term, "reported: nats an image, mean over the seeds")
    claim.note("elbo_of_a_plane", -plane["terms"].sum(), "reported: z of 2 dimensions, one seed")
    claim.note("every_pixel_by_itself", without, "reported: log-likelihood without any z")
    claim.note("grey_levels_minus_entropy", -cross_entropy(others, others), "reported: no ELBO can be above")


def cross_entropy(x: np.ndarray, p: np.ndarray) -> float:
    """-log of the probability of images x, nats an image, where each pixel is white with probability p."""
    p = np.broadcast_to(p.clip(1e-6, 1 - 1e-6), x.shape)
    return autoencoders.PIXELS * losses.log_loss(p, x).item()


def measure_descent(claim: Claim, vaes: list[dict], gans: list[dict]) -> None:
    """How much of each curve's movement goes down."""
    claim.at_least("downwards_vae", min(downwards(run["curve"]) for run in vaes), 0.95)  # worst seed
    shares = {name: [downwards(run[f"loss_{name}"]) for run in gans] for name in "DG"}
    claim.at_most("downwards_gan", max(shares["D"] + shares["G"]), 0.8)  # of D's loss, or of G's; worst seed
    for name, values in shares.items():
        claim.note(f"downwards_{name}", np.mean(values), "reported: mean over the seeds")


def downwards(curve: np.ndarray) -> float:
    """Of the way that the curve goes up and down, the share that goes down: 1 for one that only falls."""
    change = np.diff(autoencoders.smooth(curve))
    return float(np.maximum(-change, 0).sum() / np.abs(change).sum())


def measure_steps(claim: Claim, vaes: list[dict], gans: list[dict]) -> None:
    """What each network's steps do to the loss of the other."""
    for i, name in enumerate(("encoder", "decoder")):
        claim.at_most(f"objective_by_{name}", max(run["changes"][i, 0] for run in vaes), 0)  # worst seed
    for i, name in enumerate("DG"):
        own, by_other = (np.array([run["changes"][player, i] for run in gans]) for player in (i, 1 - i))
        claim.note(f"loss_{name}_by_{name}", own.mean(), f"reported: nats, what {name}'s steps change of its loss")
        claim.note(f"loss_{name}_by_{'GD'[i]}", by_other.mean(), f"reported: nats, what {'GD'[i]}'s steps change of it")
        # The share of its gain that the other undoes; worst seed.
        claim.at_least(f"undone_of_{name}", (by_other / -own).min() if (own < 0).all() else np.nan, 0.25)


def measure_samples(claim: Claim, vaes: list[dict], gans: list[dict], unseen: float) -> None:
    """Frechet distances of samples from the data, in the judge's features."""
    early, late = ([run[key] for run in gans] for key in ("early", "frechet"))
    claim.note("frechet_gan_after_a_quarter", np.mean(early), "reported: mean over the seeds")
    claim.note("frechet_gan", np.mean(late), "reported: mean over the seeds")
    claim.at_most("frechet_gan_end_to_quarter", max(np.divide(late, early)), 0.5)  # G's samples improve; worst seed
    claim.note("frechet_vae", np.mean([run["frechet"] for run in vaes]), "reported: mean over the seeds")
    claim.note("frechet_unseen_images", unseen, "reported: as near as samples can come")


def picture_of_learning(vaes: list[dict], gans: list[dict]) -> plt.Figure:
    """Above, the VAE's curve and samples; below, the GAN's."""
    figure, places = slide(2, 2, width_ratios=(4, 5))
    draw_curves(places[0, 0], vaes, {"curve": ("-ELBO", OTHERS[0], "-")})
    places[0, 0].set(ylabel="nats an image", title="the VAE's one objective")
    draw_curves(places[1, 0], gans, {"loss_D": ("D's loss", D_COLOUR, "-"), "loss_G": ("G's loss", G_COLOUR, "--")})
    places[1, 0].set(ylabel="nats", title="the GAN's two losses")
    for axes, (name, runs) in zip(places[:, 1], {"VAE": vaes, "GAN": gans}.items(), strict=True):
        title = f"the {name}'s samples: Frechet distance {np.mean([run['frechet'] for run in runs]):.0f}"
        autoencoders.show(axes, runs[0]["samples"], COLUMNS, title)
    return figure


def draw_curves(axes: plt.Axes, runs: list[dict], curves: dict[str, tuple[str, str, str]]) -> None:
    """The smoothed curves, a line for each seed."""
    share = (np.arange(autoencoders.PARTS) + 0.5) / autoencoders.PARTS
    for key, (label, colour, line) in curves.items():
        for i, run in enumerate(runs):
            smooth = autoencoders.smooth(run[key])
            axes.plot(share, smooth, color=colour, linestyle=line, label=None if i else label)
    axes.set_xlabel("share of the training (means over twentieths)")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def picture_of_steps(vaes: list[dict], gans: list[dict]) -> plt.Figure:
    """The change of each loss by each network's steps."""
    figure, (left, right) = slide(1, 2, width_ratios=(2, 3))
    bars(left, ["the VAE's\nobjective"], [run["changes"][:, :1] for run in vaes], ("the encoder's", "the decoder's"), OTHERS)
    bars(right, ["D's loss", "G's loss"], [run["changes"] for run in gans], ("D's", "G's"), (D_COLOUR, G_COLOUR))
    right.set_ylabel("nats")
    left.set_ylabel(f"change by 1 in {step_effects.EVERY} of the steps, on unseen digits, nats")
    return figure


def bars(axes: plt.Axes, names: list[str], changes: list[np.ndarray], labels: tuple[str, str], colours: tuple) -> None:
    """A bar for each network's steps, on each loss: the mean over the seeds, and a dot for each."""
    for i, (label, colour, hatch) in enumerate(zip(labels, colours[:2], ("", "//"), strict=True)):
        values = np.array([change[i] for change in changes])  # (seeds, losses)
        places = np.arange(len(names)) + 0.4 * (i - 0.5)
        axes.bar(places, values.mean(axis=0), 0.36, color=colour, hatch=hatch, edgecolor="white", label=f"{label} steps")
        axes.plot(np.tile(places, len(values)), values.ravel(), "o", color="black", markersize=5)
    axes.axhline(0, color="black", linewidth=1)
    axes.set_xticks(range(len(names)), names)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2)


def picture_of_plane(plane: dict) -> plt.Figure:
    """The decoder's images of a grid of z."""
    figure, axes = slide()
    axes.imshow(sheet(plane["plane"], SIDE), cmap="gray", vmin=0, vmax=1)
    size = SIDE * 30
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks([0, size / 2, size], ["$-\\infty$", "0", "$\\infty$"])
    axes.set(xlabel="$z_1$, normal quantiles", ylabel="$z_2$, normal quantiles")
    return figure
