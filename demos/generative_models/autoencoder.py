"""One autoencoder cleans, completes and sharpens digits, with less than half the squared error of each obvious remedy.

Slide: "image denoising, inpainting, super-resolution, and neural network pretraining in cases where labeled data is expensive";
"Encoder: 4-layer conv Decoder: 4-layer upconv" (Security and Fairness of Deep Learning, CMU)

    z = Q(seen)      x_hat = sigma(P(z))      Q and P descend the log-loss of x_hat against x, not against what was seen

The encoder sees x itself or, after the obvious remedy, damaged images: x with Gaussian noise, x with a hole filled from the
mean image, x enlarged from 7 x 7 pixels by bilinear interpolation. Its z, 64 numbers, has little room for the damage.

What to look for: the error on unseen digits, with dense layers and with convolutions (28, 14, 7, 4, 2 pixels and back), next to
that of the obvious remedy and of the best linear map (for undamaged digits PCA, the best linear autoencoder). Half way between
the codes of two digits: is P's image nearer to a training image than the mean of the two digits is?
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.generative_models import autoencoders
from demos.generative_models.damage import TASKS, Damage
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_kinds
from demos.kit.pictures import labelled
from demos.kit.rounding import at_least
from demos.kit.style import MARKERS, OTHERS, slide
from minigan import Tensor, data, losses, metrics, nn
from minigan.backend import random_numbers


@dataclass
class Settings:
    code: int = 64
    width: int = 512  # of the dense networks' hidden layers
    channels: int = 8  # of the first convolution; doubled by each
    dense_steps: int = 3500
    dense_batch: int = 128
    dense_lr: float = 3e-3  # Adam's, falling to 0
    conv_steps: int = 3000
    conv_batch: int = 64
    conv_lr: float = 4e-3
    noise: float = 0.5  # standard deviation
    hole: int = 8  # pixels along its side
    mapped: int = 20_000  # images from which a linear map is learnt
    pairs: int = 300  # of digits, for the images half way between them
    seeds: int = 2
    factor: float = 2.0  # the obvious remedy's error is at least this multiple of the network's


QUICK = {"width": 256, "dense_steps": 250, "dense_batch": 64, "conv_steps": 300, "conv_batch": 32, "seeds": 1, "factor": 1.0}
QUICK |= {"mapped": 2000, "pairs": 100}
VERDICT = "True: one autoencoder cleans, completes and sharpens digits with less error than obvious remedies and linear maps."
RESTORED = "Autoencoders reconstruct, clean, complete and sharpen unseen digits: the squared error is at least"
HALF_WAY = (
    "From half way between digits to the nearest training image: {nearest training image, dense: half way between codes|.1f} "
    "via codes, {nearest training image, dense: between pixels|.1f} via pixels"
)
FINDING = (
    "Squared error on unseen digits, as a multiple of the dense network's (mean of 2 seeds): noisy image "
    "{denoising: error of the remedy ÷ denoising, dense: error|.1f}, mean image in the hole "
    "{inpainting: error of the remedy ÷ inpainting, dense: error|.1f}, bilinear interpolation from 7 x 7 pixels "
    "{super-resolution: error of the remedy ÷ super-resolution, dense: error|.1f}. The best "
    "linear map has a larger error on these, too."
)

NETWORKS = ("dense", "conv")
NAMES = {"dense": "dense layers", "conv": "convolutions"}
SHOWN = 8  # digits in the picture, to a row
ENDS = (1, 0, 3, 6)  # ways from a 1 to a 0, and from a 3 to a 6


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    x, _, (others, classes) = digits.load(claim.args)
    damage = Damage(x.mean(axis=0), s.noise, s.hole)
    test = {task: damage(task, others, np.random.default_rng(0)) for task in TASKS}
    ends = others[[np.flatnonzero(classes == c)[0] for c in ENDS]]
    steps = s.dense_steps + s.conv_steps
    runs = over_kinds(claim, trained_and_tested, NETWORKS, s.seeds, x, damage, test, others, ends, s, steps=s.seeds * steps)
    maps = {task: mapped(x[: s.mapped], damage, task, *test[task]) for task in TASKS[1:]}
    maps["reconstruction"] = autoencoders.pca(x, others, s.code)
    remedies = {task: seen for task, (seen, _) in test.items()} | {"reconstruction": damage.mean[None]}
    measure(claim, others, runs, remedies, maps, s)
    measure_middles(claim, runs)
    title = f"{RESTORED} {least(claim, 'remedy')} times less than the obvious remedy's"
    claim.show(picture(others, test, maps["reconstruction"], runs), "autoencoder", title)
    undone = f"Undoing damage, the best linear map has at least {least(claim, 'linear map')} times the networks' error"
    title = f"{undone}.\n{claim.words(HALF_WAY)}"
    claim.show(second_picture(claim.metrics, runs["dense"][0]["ways"]), "autoencoder_errors", title)


def trained_and_tested(
    name: str, seed: int, x: np.ndarray, damage: Damage, test: dict, others: np.ndarray, ends: np.ndarray, s: Settings
) -> dict:
    """One network's restorations of unseen digits, the images half way between two of them, and ways between the ends."""
    Q, P = train(name, x, damage, s, seed)
    ways = between(Q, P, ends[::2], ends[1::2])
    return {"restored": restorations(Q, P, test, others), "middles": middles(Q, P, others[: 2 * s.pairs], x), "ways": ways}


def train(name: str, x: np.ndarray, damage: Damage, s: Settings, seed: int) -> tuple[nn.Module, nn.Module]:
    """The encoder and the decoder."""
    mg.seed(seed)
    if name == "dense":
        Q, P = autoencoders.dense_encoder(s.code, s.width), autoencoders.dense_decoder(s.code, s.width)
    else:
        Q, P = autoencoders.conv_encoder(s.code, s.channels), autoencoders.conv_decoder(s.code, s.channels)
    rng = random_numbers.spawn()
    steps, batch, lr = (getattr(s, f"{name}_{setting}") for setting in ("steps", "batch", "lr"))

    def objective(x):
        return (losses.log_loss_with_logits(P(Q(Tensor(damage.mixed(x, rng)))), Tensor(x)),)

    autoencoders.train(objective, [Q, P], [x], f"{name}, seed {seed}", steps, batch, lr, rng=rng)
    return Q.eval(), P.eval()


def restore(Q: nn.Module, P: nn.Module, seen: np.ndarray, known: np.ndarray | bool) -> np.ndarray:
    """The autoencoder's output for the damaged images `seen`; known pixels stay."""
    return np.where(known, seen, autoencoders.pixels(P, autoencoders.encode(Q, seen)))


def restorations(Q: nn.Module, P: nn.Module, test: dict[str, tuple], x: np.ndarray) -> dict[str, dict]:
    """For each task, the error of the autoencoder's output, and its first images."""
    found = {task: restore(Q, P, *seen) for task, seen in test.items()}
    return {task: {"error": error(images, x), "images": images[:SHOWN]} for task, images in found.items()}


def mapped(x: np.ndarray, damage: Damage, task: str, seen: np.ndarray, known: np.ndarray | bool) -> np.ndarray:
    """The output of a linear map that is learnt from images x with the same damage; known pixels stay."""
    return np.where(known, seen, autoencoders.linear_map(damage(task, x, np.random.default_rng(1))[0], x, seen))


def between(Q: nn.Module, P: nn.Module, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(2, n, SHOWN, 1, 28, 28): images on the ways from a to b (n, 1, 28, 28), through the codes, and as a cross-fade."""
    codes = [data.lerp(*ends, SHOWN) for ends in zip(autoencoders.encode(Q, a), autoencoders.encode(Q, b), strict=True)]
    fades = [data.lerp(p.ravel(), q.ravel(), SHOWN).reshape(-1, 1, 28, 28) for p, q in zip(a, b, strict=True)]
    return np.stack([[autoencoders.pixels(P, z) for z in codes], fades])


def error(found: np.ndarray, x: np.ndarray) -> float:
    """The mean squared error, over images and pixels."""
    return float(np.square(found - x, dtype=np.float64).mean())


def middles(Q: nn.Module, P: nn.Module, images: np.ndarray, x: np.ndarray) -> dict[str, float]:
    """The distance to the nearest training image from half way between two unseen digits, and from a reconstruction."""
    a, b = np.split(images, 2)
    code = (autoencoders.encode(Q, a) + autoencoders.encode(Q, b)) / 2
    digit = autoencoders.pixels(P, autoencoders.encode(Q, a))  # as blurred as the images half way
    found = {"codes": autoencoders.pixels(P, code), "pixels": (a + b) / 2, "digit": digit}
    return {name: float(np.median(metrics.nearest_distances(images, x))) for name, images in found.items()}


def measure(claim: Claim, x: np.ndarray, runs: dict, remedies: dict, maps: dict[str, np.ndarray], s: Settings) -> None:
    """Each network's error compared with the obvious remedy's and the best linear map's, task by task."""
    for task in TASKS:
        without, linear = error(remedies[task], x), error(maps[task], x)
        claim.note(f"{task}: error of the remedy", without, "mean squared error on unseen digits")
        method = "least squares" if task in TASKS[1:] else "PCA"
        claim.note(f"{task}: error of the best linear map", linear, f"reported: {method}")
        for name in NETWORKS:
            errors = [run["restored"][task]["error"] for run in runs[name]]
            claim.note(f"{task}, {name}: error", np.mean(errors), "mean over the seeds")
            least, soon = without / max(errors), task != "super-resolution"
            claim.at_least(f"{task}, {name}: remedy's error over its own, worst seed", least, s.factor, quick=soon)
            if task in TASKS[1:]:  # PCA has no damage to undo
                claim.at_least(f"{task}, {name}: linear map's error over its own, worst seed", linear / max(errors), 1)


def measure_middles(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """The image half way between two codes is nearer to a training image than the mean of the two images."""
    for name in NETWORKS:
        found = {key: np.mean([run["middles"][key] for run in runs[name]]) for key in ("codes", "pixels", "digit")}
        worst = max(run["middles"]["codes"] / run["middles"]["pixels"] for run in runs[name])
        for key, where in (("codes", "half way between codes"), ("pixels", "between pixels"), ("digit", "a reconstruction")):
            claim.note(f"nearest training image, {name}: {where}", found[key], "reported: distance, mean over the seeds")
        claim.at_most(f"nearest training image, {name}: codes over pixels, worst seed", worst, 1)


def least(claim: Claim, other: str) -> str:
    """The other's error divided by the networks': the least of all tasks, networks and seeds, rounded down."""
    return at_least(min(value for name, value in claim.metrics.items() if f"{other}'s error over" in name))


def picture(x: np.ndarray, test: dict, linear: np.ndarray, runs: dict[str, list[dict]]) -> Figure:
    """For each task: digits, the networks' input, and their output."""
    figure, places = slide(2, 2)
    for axes, task in zip(places.flat, TASKS, strict=True):
        seen = ("PCA", linear) if task == "reconstruction" else ("seen", test[task][0])
        made = [(network, runs[network][0]["restored"][task]["images"]) for network in NETWORKS]
        draw_rows(axes, [("digit", x), seen, *made], task)
    return figure


def second_picture(m: dict[str, float], ways: np.ndarray) -> Figure:
    """All errors, on a logarithmic scale; ways from digit to digit, through their codes and through their pixels."""
    figure, (left, right) = slide(1, 2, height=6.0, width_ratios=(1, 1))
    kinds = {"obvious remedy": "{}: error of the remedy", "best linear map": "{}: error of the best linear map"}
    kinds |= {NAMES[name]: f"{{}}, {name}: error" for name in NETWORKS}
    colours = (OTHERS[3], OTHERS[2], OTHERS[0], OTHERS[1])
    for i, (label, key) in enumerate(kinds.items()):
        errors = [m[key.format(task)] for task in TASKS]
        left.plot(np.arange(4) + 0.12 * (i - 1.5), errors, MARKERS[i], color=colours[i], markersize=11, label=label)
    left.set(yscale="log", ylabel="mean squared error, unseen digits", xlabel="task", xlim=(-0.5, 3.5))
    left.set_xticks(range(4), ["recon-\nstruction", *TASKS[1:3], "super-\nresolution"])
    left.grid(axis="y", which="both", alpha=0.3)
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    rows = [(label, row) for pair in zip(*ways, strict=True) for label, row in zip(("codes", "pixels"), pair, strict=True)]
    draw_rows(right, rows, "on the line from digit to digit")
    return figure


def draw_rows(axes: plt.Axes, rows: list[tuple[str, np.ndarray]], title: str) -> None:
    """The first images of each kind, a row for each."""
    labelled(axes, np.concatenate([images[:SHOWN] for _, images in rows]), SHOWN, [label for label, _ in rows])
    axes.set_title(title)
