"""A Boltzmann machine learns by a difference of two free energies, if its own samples are detached.

Slide: "Other models": "Variational autoencoders", "Boltzmann machines" (Security and Fairness of Deep Learning, CMU)

    p(v) = e^-F(v) / Z,   F(v) = -v.b - sum of softplus(v W + c)     v: 784 pixels, 0 or 1; the hidden units are summed out
    loss = mean F(v) over data - mean F(v_k) over samples            v_k.detach(): k Gibbs steps v -> h -> v

As in D's step in a GAN, F falls at the data and rises at samples. But the samples are the model's own; there is no G. The
gradient of the loss is the textbooks' rule (v h^T of the samples minus v h^T of the data), without a derivation.

What to look for: chains that restart at the data in every step (CD-1) stay near it, and F is not learnt elsewhere. Where do
chains from noise end, after CD-1 and after training with persistent chains? If v_k are not drawn pixels, but their
probabilities p, detach changes the gradient. Without it the loss falls because the samples, not the model, move to high F.
How good are the reconstructions then?
"""

from copy import deepcopy
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.generative_models.boltzmann_machine import RBM, draw, from_noise
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_kinds
from demos.kit.loops import resumable
from demos.kit.pictures import labelled, sheet, strokes
from demos.kit.style import OTHERS, slide
from demos.kit.training import descend
from minigan import Tensor, data, metrics, no_grad, optim
from minigan.backend import random_numbers


@dataclass
class Settings:
    hidden: int = 128
    steps: int = 6000  # the learning rate falls linearly to 0
    mean_field_steps: int = 2000  # of the two machines that test detach
    batch: int = 100  # images; the number of chains is the same
    lr: float = 0.05  # of SGD
    gibbs: int = 1000  # steps of each chain from noise, after the training
    chains: int = 500  # from noise
    images: int = 2000  # held out, and the same number of training images
    judge_steps: int = 3000
    seeds: int = 3
    most_error: float = 0.5  # expected error of reconstructions, as a share of the mean image's
    least_classes: int = 8  # expected of the persistent chains' machine
    least_confident: float = 0.5
    least_common: float = 0.5  # expected share of CD-1's chains that end in the same digit


QUICK = {"hidden": 64, "steps": 600, "mean_field_steps": 300, "batch": 50, "gibbs": 200, "chains": 200, "images": 300}
QUICK |= {"judge_steps": 60, "seeds": 1, "most_error": 0.8}  # half-way
VERDICT = "True: a Boltzmann machine learns digits by a difference of free energies, if its samples pass on no gradient."
IN_ONE_DIGIT = (
    "with chains from the data (CD-1), at least {CD-1: share of the commonest digit, best seed|>%} end in the same digit"
)
ERRORS = (
    "Reconstructions of held-out images end with {detached p: error over the mean image's, worst seed|%} of the mean image's "
    "error where samples are detached probabilities, with {p without detach: error over the mean image's, best seed|%} without "
    "detach"
)
FINDING = (
    "After training with persistent chains, chains from noise reach {persistent chains: digits of 10, worst seed|.0f} of 10 "
    "digits; after CD-1, at least {CD-1: share of the commonest digit, best seed|>%} end in one digit (3 seeds). With "
    "probabilities as samples, the error is {detached p: error over the mean image's, worst seed|%} of the mean image's, "
    "without detach {p without detach: error over the mean image's, best seed|%}."
)

LONG = ("persistent", "from_data")  # the start of each chain of v_k: its last state, or the data (CD-1)
SHORT = ("detached", "attached")  # v_k are probabilities, with and without detach
NAMES = {"persistent": "persistent chains", "from_data": "CD-1", "detached": "detached p", "attached": "p without detach"}
LINES = {  # in the pictures: colour, style, label
    "persistent": (OTHERS[0], "-", "persistent chains"),
    "from_data": (OTHERS[1], "--", "chains from the data, CD-1"),
    "detached": (OTHERS[2], "-.", "probabilities, detached"),
    "attached": (OTHERS[3], ":", "probabilities, without detach"),
}
SHOWN = 10  # chains of each machine in the picture, and filters in a row
MOMENTS = 40  # of a training, at which it is measured


def contrastive_divergence(rbm: RBM, v: Tensor, samples: Tensor) -> Tensor:
    """mean F(data) - mean F(samples). If the samples are the model's, its gradient is that of -log p(v) of the data."""
    return mg.mean(rbm.free_energy(v)) - mg.mean(rbm.free_energy(samples))


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, settings: Settings) -> None:
    x, y, (others, _) = digits.load(claim.args)
    judge = (metrics.train_judge if claim.args.quick else metrics.judge)(x, y, steps=settings.judge_steps)
    x, others = x.reshape(-1, 784), others.reshape(-1, 784)[: settings.images]
    steps = len(LONG) * settings.steps + len(SHORT) * settings.mean_field_steps
    runs = over_kinds(claim, trained, LONG + SHORT, settings.seeds, x, others, judge, settings, steps=settings.seeds * steps)
    measure_gradients(claim, [run["gradients"] for run in runs["from_data"]])
    measure(claim, runs, float(np.square(others - x.mean(axis=0)).sum(axis=1).mean()), settings)
    claim.show(picture_of_samples(runs), "boltzmann", title(claim))
    claim.show(picture_of_training(runs, claim.metrics), "boltzmann_training", claim.words(ERRORS))


def trained(how: str, seed: int, x: np.ndarray, others: np.ndarray, judge: metrics.Judge, s: Settings) -> dict:
    """Train one machine: measurements on the way, filters, for LONG chains from noise, and for CD-1 the gradients."""
    rbm, rows = train(x, others, how, s, seed)
    found = {"rows": rows, "filters": rbm.W.numpy()[:, : 4 * SHOWN]}
    if how in LONG:
        chains = from_noise(rbm, s.chains, s.gibbs, np.random.default_rng(seed))
        found |= metrics.image_quality(chains[s.gibbs], judge, x.reshape(-1, 1, 28, 28))
        found["chains"] = {t: images[:SHOWN] for t, images in chains.items()}
    if how == "from_data":
        found["gradients"] = gradients(rbm, Tensor(x[: s.batch]), np.random.default_rng(seed))
    return found


def train(x: np.ndarray, others: np.ndarray, how: str, settings: Settings, seed: int) -> tuple[RBM, dict]:
    """A machine trained on images x (n, 784) with negative samples of the kind `how`; and measurements on the way."""
    mg.seed(seed)
    rng, rbm = random_numbers.spawn(), RBM(settings.hidden, x.mean(axis=0))
    batches, optimizer = data.batches(x, size=settings.batch), optim.SGD(rbm.parameters(), settings.lr)
    seen, unseen = (draw(Tensor(images[: settings.images]), rng) for images in (x, others))
    samples, rows = draw(Tensor(np.full((settings.batch, 784), 0.5, np.float32)), rng), []
    steps = settings.steps if how in LONG else settings.mean_field_steps
    decay = optim.LinearDecay(optimizer, steps)
    parts = {"rbm": rbm, "optimizer": optimizer, "decay": decay, "batches": batches, "samples": samples}
    for t in resumable(range(steps), "training", rng=rng, rows=rows, **parts):
        if t % (steps // MOMENTS) == 0:
            rows.append({"step": t, **look(rbm, seen, unseen, samples, others)})
        v = draw(Tensor(next(batches)), rng)  # a pixel's grey is its probability of being 1
        v_k = negative(rbm, v, samples, how, rng)
        loss = contrastive_divergence(rbm, v, v_k)
        descend(optimizer, loss)
        decay.step()
        samples.data = v_k.data
    rows.append({"step": steps, **look(rbm, seen, unseen, samples, others)})
    return rbm, {key: np.array([row[key] for row in rows]) for key in rows[0]}


def negative(rbm: RBM, v: Tensor, samples: Tensor, how: str, rng: np.random.Generator) -> Tensor:
    """The samples v_k, one Gibbs step after the last ones or after the data v; or the probabilities p(v_k | h) themselves."""
    if how in LONG:
        return rbm.gibbs(samples if how == "persistent" else v, rng).detach()
    p = rbm.visible(draw(rbm.hidden(v), rng))  # W and b are in p
    return p if how == "attached" else p.detach()


def look(rbm: RBM, seen: Tensor, unseen: Tensor, samples: Tensor, others: np.ndarray) -> dict[str, float]:
    """Mean free energies of drawn images and of samples; the squared error of held-out images' reconstructions."""
    with no_grad():
        F_seen, F_unseen, F_samples = (mg.mean(rbm.free_energy(v)).item() for v in (seen, unseen, samples))
        error = mg.sum(mg.square(rbm.visible(rbm.hidden(Tensor(others))) - others), axis=1).mean().item()
    return {"error": error, "gap": F_unseen - F_seen, "loss": F_seen - F_samples}


def gradient(rbm: RBM, v: Tensor, samples: Tensor) -> np.ndarray:
    """The loss's gradient with respect to W, b and c, by autodiff, as one vector."""
    return np.concatenate([g.numpy().ravel() for g in mg.grad(contrastive_divergence(rbm, v, samples), rbm.parameters())])


def textbook(rbm: RBM, v: Tensor, samples: Tensor) -> np.ndarray:
    """The same by the textbooks' rule: the means of v h^T, v and h over the samples, minus those over the data."""

    def phase(v):
        v, h = v.numpy(), rbm.hidden(v).numpy()
        return np.concatenate([(v.T @ h).ravel(), v.sum(axis=0), h.sum(axis=0)]) / len(v)

    return phase(samples) - phase(v)


def gradients(rbm: RBM, images: Tensor, rng: np.random.Generator) -> dict[str, float]:
    """In float64: autodiff compared with the textbook; detach compared with none, for drawn v_k and for probabilities."""
    rbm = deepcopy(rbm)
    for p in rbm.parameters():
        p.data = p.data.astype(np.float64)
    v = draw(images, rng).astype(np.float64)
    drawn, p = rbm.gibbs(v, rng), rbm.visible(draw(rbm.hidden(v), rng))
    expected, found = textbook(rbm, v, drawn), gradient(rbm, v, drawn.detach())
    a, b = gradient(rbm, v, p.detach()), gradient(rbm, v, p)
    return {
        "error": float(np.abs(found - expected).max() / np.abs(expected).max()),
        "differing": int(np.count_nonzero(found != gradient(rbm, v, drawn))),
        "cosine": float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)),
    }


def measure_gradients(claim: Claim, found: list[dict[str, float]]) -> None:
    """The gradients of the worst seed."""
    error, differing, cosine = (max(seed[key] for seed in found) for key in ("error", "differing", "cosine"))
    claim.at_most("gradient: distance from the textbook's", error, 1e-6, quick=True)
    claim.at_most("drawn pixels: numbers of it that change without detach", differing, 0, quick=True)
    claim.at_most("probabilities: its cosine, with detach and without", cosine, 0.9, quick=True)


def measure(claim: Claim, runs: dict[str, list[dict]], mean_image: float, s: Settings) -> None:
    """The machines' results, with detach and without: the worst seed."""
    claim.note("the mean image's error", mean_image, "reported: squared, of held-out images")
    for how in LONG + SHORT:
        error, loss, gap = ([run["rows"][key][-1] for run in runs[how]] for key in ("error", "loss", "gap"))
        if how == "attached":
            claim.at_least(f"{NAMES[how]}: error over the mean image's, best seed", min(error) / mean_image, 0.9, quick=True)
        else:
            worst = max(error) / mean_image
            claim.at_most(f"{NAMES[how]}: error over the mean image's, worst seed", worst, s.most_error, quick=True)
        claim.note(f"{NAMES[how]}: loss, lowest", min(loss), "reported: mean F(data) - mean F(v_k)")
        claim.note(f"{NAMES[how]}: |F(held-out) - F(training)|, largest", max(map(abs, gap)), "reported: of the means")
    persistent, from_data = (runs[how] for how in LONG)
    claim.at_least("persistent chains: digits of 10, worst seed", min(run["classes"] for run in persistent), s.least_classes)
    claim.at_least("persistent chains: sure share, worst seed", min(run["confident"] for run in persistent), s.least_confident)
    commonest = max(max(run["shares"]) for run in persistent)
    claim.note("persistent chains: share of the commonest digit, worst seed", commonest, "reported")
    commonest = min(max(run["shares"]) for run in from_data)
    claim.at_least("CD-1: share of the commonest digit, best seed", commonest, s.least_common)
    claim.note("CD-1: digits of 10, best seed", max(run["classes"] for run in from_data), "reported: of 1 % and more")
    sure = max(run["confident"] for run in from_data)
    claim.note("CD-1: sure share, best seed", sure, "reported: of a judge who sees digits")


def title(claim: Claim) -> str:
    """The ends of chains from noise."""
    reached = claim.metrics["persistent chains: digits of 10, worst seed"]
    found = "all 10 digits" if reached == 10 else f"at least {reached:.0f} of the 10 digits"
    return f"Trained with persistent chains, machines lead from noise to {found}; {claim.words(IN_ONE_DIGIT)}"


def picture_of_samples(runs: dict[str, list[dict]]) -> Figure:
    """Chains from noise, a row for each moment, and filters of hidden units: of two machines, with the first seed."""
    figure, places = slide(2, 2, height_ratios=(5, 4))
    for (upper, lower), how in zip(places.T, ("persistent", "from_data"), strict=True):
        chains = runs[how][0]["chains"]
        labelled(upper, np.concatenate([images[:SHOWN] for images in chains.values()]), SHOWN, [f"{t:,}" for t in chains])
        upper.set(title=f"trained with {LINES[how][2]}", ylabel="Gibbs steps")
        lower.imshow(sheet(strokes(runs[how][0]["filters"]), SHOWN), cmap="gray", vmin=0, vmax=1)
        lower.set(title="filters of 40 hidden units, columns of $W$ (grey: 0)", xticks=[], yticks=[])
    return figure


def picture_of_training(runs: dict[str, list[dict]], m: dict[str, float]) -> Figure:
    """The errors, the loss and the gap of the free energies during the training, a line for each seed."""
    figure, (errors, losses, gaps) = slide(1, 3, height=6.4)
    lines(errors, runs, "error", tuple(LINES))
    errors.axhline(m["the mean image's error"], color="black", linewidth=1, label="the mean image")
    errors.set(title="reconstructions", ylabel="squared error of a held-out image", ylim=(0, None))
    lines(losses, runs, "loss", tuple(LINES))
    losses.set(title="the loss", ylabel="mean $F$(data) - mean $F(v_k)$")
    losses.set_ylim(2 * min(run["rows"]["loss"][-1] for run in runs["attached"]), 0)  # from -1000, of noise, at the start
    lines(gaps, runs, "gap", ("persistent", "from_data"))
    gaps.axhline(0, color="black", linewidth=1)
    gaps.set(title="generalisation", ylabel="mean $F$(held-out) - mean $F$(training images)")
    figure.legend(*errors.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def lines(axes: plt.Axes, runs: dict[str, list[dict]], key: str, hows: tuple[str, ...]) -> None:
    """One metric during the training, a line for each seed."""
    for how in hows:
        colour, style, label = LINES[how]
        for i, run in enumerate(runs[how]):
            rows = run["rows"]
            axes.plot(rows["step"], rows[key], style, color=colour, linewidth=1.5, label=None if i else label)
    axes.set_xlabel("step")
