"""One autoencoder cleans, completes and sharpens digits, with less than half the squared error of each obvious remedy.

Slide: "image denoising, inpainting, super-resolution, and neural network pretraining in cases where labeled data is expensive";
"Encoder: 4-layer conv Decoder: 4-layer upconv" (Security and Fairness of Deep Learning, CMU)

    z = Q(seen)      x_hat = sigma(P(z))      Q and P descend the log-loss of x_hat against x, not against what was seen

The encoder sees x itself, x with Gaussian noise, x with a hole that is filled from the mean image, or x from 7 x 7 pixels by
bilinear interpolation: an eighth, a quarter, three eighths and a quarter of each minibatch. So it sees what the obvious remedy
makes of the damage; and z, 64 numbers, has little room for the damage. What to look for: the error on unseen digits, with dense
layers and with convolutions (28, 14, 7, 4, 2 pixels and back), against the remedy's: the mean image, the noisy image as it is,
the mean image in the hole, the interpolation. Found: an eighth of the error where noise is removed, a third where pixels are
coarse, 0.43 of it where they are missing: what is in a hole is often anyone's guess. The best linear map, a remedy that is
less obvious, has 1.4 to 1.9 times the networks' error. Of the bare reconstruction, a tenth; but PCA, all that a linear
autoencoder can be, is as good as the convolutions here, and the dense layers have 0.7 of its error. Half way between the codes
of two digits, P draws an image that is nearer to a training image than a cross-fade is, but not as near as a restored digit.
"""

from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.generative_models import autoencoders
from demos.generative_models.damage import TASKS, Damage
from demos.kit import digits
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.pictures import labelled
from demos.kit.run import start
from minigan import Tensor, backend, data, losses, metrics, nn


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

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
    mapped: int = 20_000  # images that a linear map is learnt from
    seeds: int = 3
    factor: float = 2.0  # by which the error is to be below the obvious remedy's


QUICK = {"width": 256, "dense_steps": 300, "dense_batch": 64, "conv_steps": 400, "conv_batch": 32, "seeds": 1, "factor": 1.0}
QUICK |= {"mapped": 2000}
NETWORKS = ("dense", "conv")
SHOWN = 8  # digits in the picture, to a row
ENDS = (1, 0, 3, 6)  # ways from a 1 to a 0, and from a 3 to a 6


def main(argv: list[str] | None = None) -> None:
    """Each network with every seed, on all tasks."""
    args = start(digits.options(__doc__), argv, "autoencoder")
    s = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(s)})
    x, _, (others, classes) = digits.load(args)
    damage = Damage(x.mean(axis=0), s.noise, s.hole)
    test = {task: damage(task, others, np.random.default_rng(0)) for task in TASKS}
    pairs = {name: [train(name, x, damage, s, args.seed + i) for i in range(s.seeds)] for name in NETWORKS}
    restored = {n: [once(f"restored, {n}", restorations, *pair, test, others) for pair in pairs[n]] for n in NETWORKS}
    linear = autoencoders.pca(x, others, s.code)
    maps = {task: mapped(x[: s.mapped], damage, task, *test[task]) for task in TASKS if task != "reconstruction"}
    measure(claim, others, restored, remedies(test, damage.mean), linear, s)
    measure_maps(claim, others, maps)
    measure_middles(claim, *pairs["dense"][0], others[:1000], x)
    ends = others[[np.flatnonzero(classes == c)[0] for c in ENDS]]
    ways = between(*pairs["dense"][0], ends[::2], ends[1::2])
    claim.finish(picture(claim.metrics, others, test, restored, linear, ways), "autoencoder")


# --- the networks -------------------------------------------------------------------------------------------------------


def train(name: str, x: np.ndarray, damage: Damage, s: Settings, seed: int) -> tuple[nn.Module, nn.Module]:
    """The encoder and the decoder."""
    mg.seed(seed)
    if name == "dense":
        Q, P = autoencoders.dense_encoder(s.code, s.width), autoencoders.dense_decoder(s.code, s.width)
    else:
        Q, P = autoencoders.conv_encoder(s.code, s.channels), autoencoders.conv_decoder(s.code, s.channels)
    rng = backend.spawn()
    steps, batch, lr = (getattr(s, f"{name}_{setting}") for setting in ("steps", "batch", "lr"))

    def objective(x):
        return (losses.log_loss_with_logits(P(Q(Tensor(damage.mixed(x, rng)))), Tensor(x)),)

    autoencoders.train(objective, [Q, P], [x], f"{name}, seed {seed}", steps, batch, lr, rng=rng)
    return Q.eval(), P.eval()


def restore(Q: nn.Module, P: nn.Module, seen: np.ndarray, known: np.ndarray | bool) -> np.ndarray:
    """What the autoencoder makes of the images; their known pixels stay."""
    return np.where(known, seen, autoencoders.pixels(P, autoencoders.encode(Q, seen)))


def restorations(Q: nn.Module, P: nn.Module, test: dict[str, tuple], x: np.ndarray) -> dict[str, dict]:
    """For each task, the error of what the autoencoder makes of the images, and the first of them."""
    found = {task: restore(Q, P, *seen) for task, seen in test.items()}
    return {task: {"error": error(images, x), "images": images[:SHOWN]} for task, images in found.items()}


def mapped(x: np.ndarray, damage: Damage, task: str, seen: np.ndarray, known: np.ndarray | bool) -> np.ndarray:
    """What a linear map, learnt from such damage of other images, makes of them; their known pixels stay."""
    return np.where(known, seen, autoencoders.linear_map(damage(task, x, np.random.default_rng(1))[0], x, seen))


def between(Q: nn.Module, P: nn.Module, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(2, n, SHOWN, 1, 28, 28): images on the ways from a to b (n, 1, 28, 28), through the codes, and as a cross-fade."""
    codes = [data.lerp(*ends, SHOWN) for ends in zip(autoencoders.encode(Q, a), autoencoders.encode(Q, b), strict=True)]
    fades = [data.lerp(p.ravel(), q.ravel(), SHOWN).reshape(-1, 1, 28, 28) for p, q in zip(a, b, strict=True)]
    return np.stack([[autoencoders.pixels(P, z) for z in codes], fades])


# --- the figures --------------------------------------------------------------------------------------------------------


def remedies(test: dict[str, tuple], mean: np.ndarray) -> dict[str, np.ndarray]:
    """What there is without any network: the images seen, or, to be told without seeing, the mean image."""
    return {task: seen for task, (seen, _) in test.items()} | {"reconstruction": mean[None]}


def error(found: np.ndarray, x: np.ndarray) -> float:
    """The mean squared error, over images and pixels."""
    return float(np.square(found - x, dtype=np.float64).mean())


def measure(claim: Claim, x: np.ndarray, restored: dict, remedies: dict, linear: np.ndarray, s: Settings) -> None:
    """Each network's error beside the obvious remedy's, task by task."""
    for task in TASKS:
        without = error(remedies[task], x)
        claim.note(f"{task}: error of the remedy", without, "mean squared error on unseen digits")
        for name in NETWORKS:
            errors = [run[task]["error"] for run in restored[name]]
            least = without / max(errors)
            claim.note(f"{task}, {name}: error", np.mean(errors), "mean over the seeds")
            claim.note(f"{task}, {name}: times less", least, f"at least {s.factor:g} (worst seed)", least >= s.factor)
    claim.note("reconstruction, PCA: error", error(linear, x), f"a linear code of {s.code} numbers")


def measure_maps(claim: Claim, x: np.ndarray, maps: dict[str, np.ndarray]) -> None:
    """The error of a remedy that is less obvious: the best linear map."""
    for task, found in maps.items():
        claim.note(f"{task}: error of the best linear map", error(found, x), "reported: least squares")


def measure_middles(claim: Claim, Q: nn.Module, P: nn.Module, images: np.ndarray, x: np.ndarray) -> None:
    """Half way between two unseen digits: how far is the nearest training image?"""
    a, b = np.split(images, 2)
    middles = (autoencoders.encode(Q, a) + autoencoders.encode(Q, b)) / 2
    digit = autoencoders.pixels(P, autoencoders.encode(Q, a))  # as blurred as what is half way
    for name, found in (("code", autoencoders.pixels(P, middles)), ("fade", (a + b) / 2), ("digit", digit)):
        distance = np.median(metrics.nearest_distances(found, x))
        claim.note(f"nearest training image, {name}", distance, "reported: from half way; from a digit's reconstruction")


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(found: dict, x: np.ndarray, test: dict, restored: dict, linear: np.ndarray, ways: np.ndarray) -> plt.Figure:
    """For each task, digits, what was seen of them, and what the networks made of it; all errors; two kinds of ways."""
    figure, places = plt.subplots(2, 3, figsize=(15, 6), layout="constrained")
    for axes, task in zip(places[:, :2].flat, TASKS, strict=True):
        seen = ("PCA", linear) if task == "reconstruction" else ("seen", test[task][0])
        dense, conv = (found[f"{task}, {network}: times less"] for network in NETWORKS)
        rows = [("x", x), seen, *((network, restored[network][0][task]["images"]) for network in NETWORKS)]
        draw_rows(axes, rows, f"{task}: error ÷ {dense:.1f} (dense), ÷ {conv:.1f} (conv)")
    draw_errors(places[0, 2], found)
    rows = [(label, row) for pair in zip(*ways, strict=True) for label, row in zip(("codes", "pixels"), pair, strict=True)]
    draw_rows(places[1, 2], rows, "from digit to digit on straight lines")
    least = min(value for name, value in found.items() if name.endswith("times less"))
    title = "An autoencoder reconstructs, cleans, completes and sharpens digits: its squared error is"
    figure.suptitle(f"{title} at least {least:.1f} times less than the obvious remedy's")
    return figure


def draw_rows(axes: plt.Axes, rows: list[tuple[str, np.ndarray]], title: str) -> None:
    """The first images of each kind, a row for each."""
    labelled(axes, np.concatenate([images[:SHOWN] for _, images in rows]), SHOWN, [label for label, _ in rows])
    axes.set_title(title)


def draw_errors(axes: plt.Axes, found: dict[str, float]) -> None:
    """Bars of the errors, on a logarithmic scale."""
    kinds = {"the obvious remedy": "{}: error of the remedy", **{name: f"{{}}, {name}: error" for name in NETWORKS}}
    for i, (label, key) in enumerate(kinds.items()):
        axes.bar(np.arange(4) + 0.27 * (i - 1), [found[key.format(task)] for task in TASKS], 0.25, label=label)
    axes.axhline(found["reconstruction, PCA: error"], xmax=0.25, color="black", linestyle=":", label="PCA")
    axes.set(yscale="log", ylim=(1e-3, 1), title="mean squared error, unseen digits")
    axes.set_xticks(range(4), TASKS, fontsize=8)
    axes.legend(ncols=2)


if __name__ == "__main__":
    main()
