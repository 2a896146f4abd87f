"""Adversarial examples: a small step along the sign of the gradient makes a good classifier wrong, and sure of its errors.

Slide: "One way to systematically confuse a trained NN is to "adjust" an input x so as to *maximally change* the output y_hat."
(CS/DS 541, class 19)

    x' = x + epsilon sign(grad_x J(x, y))        the fast gradient sign method (Goodfellow, Shlens and Szegedy 2015)

The gradient is with respect to the image x, not to the weights. As in the paper, pixels may leave [0, 1]; the metrics with
"clipped" in their names, and samples.npz, are for images clipped to it. The published networks have maxout units.

What to look for: in fgsm.png you can read every x', but the network misreads it. The size of the change is not the reason:
after a change of the same size at random, the network still reads the image. In curves.png, linear classifiers fail as well:
many small weights add up to a large |w|_1. On the right, examples made against one model fool other models. Numbers are means
over the seeds, except where a worst case is named.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb

import minigan as mg
from demos.adversarial_examples.comparing import draw_rows, in_grey, random_signs, seen, side_by_side
from demos.kit import classifiers, digits
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.runner.results import write_history
from demos.kit.style import FAKE, MARKERS, OTHERS, REAL, slide
from minigan import losses, nn


@dataclass
class Settings:
    seeds: int = 3
    steps: int = 1500  # minibatches of each classifier's training; the learning rate falls linearly to 0 over them
    batch: int = 100
    lr: float = 3e-3  # Adam's
    width: int = 256  # of the ReLU network's two hidden layers
    epsilon: float = 0.25  # of the table and the pictures: the published one
    epsilons: tuple[float, ...] = (0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3)  # of the curves
    half_way: float = 0.05  # the epsilon to compare classifiers at: some, but not all images fool them
    test: int = 5000  # images that are attacked; their choice moves an error by less than a point
    some: int = 1000  # of them, for the curves
    fooled: float = 80.0  # %: least error of every classifier under FGSM
    chance: float = 0.25  # most error with random signs, as a share of that under FGSM
    sure: float = 75.0  # %: least confidence of networks in their errors
    good: float = 3.0  # %: most error of networks without an attack
    others: float = 50.0  # %: least error on adversarial examples made against another model


QUICK = {"seeds": 1, "steps": 150, "width": 64, "epsilons": (0.0, 0.05, 0.1, 0.25)}

VERDICT = "True: one small step along the gradient's signs makes linear and deep classifiers misread nearly every image."
FINDING = (
    "A step of 0.25 by FGSM (pixels from 0 to 1; the result may leave this range) raises a ReLU network's error rate from "
    "{network_error|.1f} % to {network_attacked|.1f} %, random signs to {network_random|.1f} %. If images are clipped to the "
    "range: {network_attacked_clipped|.1f} % and {network_random_clipped|.0f} %. Models misread at least "
    "{transfer_least, worst seed|>} % of another's examples (worst of 3 seeds)."
)
IN_IMAGES = (
    "The ReLU network misreads {network_error|.1f} % of the test images, {network_attacked|.1f} % after an FGSM step of "
    "EPSILON,\n{network_random|.1f} % after a step of that size with random signs"
)
IN_CURVES = (
    "At $\\epsilon$ = EPSILON, the networks misread {network_attacked|.1f} % and {convolutional_attacked|.1f} %;\n"
    "examples made against another model fool {transfer_least|>} to {transfer_most|<} %"
)

SHOWN = 6  # images in the picture
PUBLISHED = {  # Goodfellow et al. 2015, sections 4 and 5: per cent, at epsilon 0.25
    "logistic": {"error": 1.6, "attacked": 99.0},
    "softmax": {"attacked": 99.9, "confidence": 79.3},
    "network": {"attacked": 89.4, "confidence": 97.6},  # two layers of maxout units, with dropout
}
LABELS = {
    "logistic": "logistic regression, 3 or 7",
    "softmax": "softmax regression",
    "network": "ReLU network",
    "convolutional": "convolutional network",
}


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, settings: Settings) -> str:
    args = claim.args
    x, y, (test_x, test_y) = digits.load(args, settings.test)
    steps = len(LABELS) * (settings.steps + len(settings.epsilons))
    runs = over_seeds(claim, experiment, settings, x, y, test_x, test_y, steps=steps)
    measure(claim, runs, settings)
    model, e = classifiers.network(settings.width), f"{settings.epsilon:g}"
    model.model.load_state_dict(runs[0]["network"])
    images = draw_examples(model, test_x, test_y, settings.epsilon, np.random.default_rng(args.seed))
    claim.show(images, "fgsm", claim.words(IN_IMAGES.replace("EPSILON", e)))
    claim.show(draw_curves(runs, settings), "curves", claim.words(IN_CURVES.replace("EPSILON", e)))
    write_history(args, runs[0]["history"])
    x, y = test_x[: digits.SAMPLES], test_y[: digits.SAMPLES]
    np.savez_compressed(args.out / "samples.npz", samples=model.attacked(x, y, settings.epsilon), labels=y)
    return "samples.npz: adversarial images against the first seed's ReLU network; history.csv: the first seed's trainings"


def make_models(settings: Settings) -> dict[str, Classifier]:
    """The four classifiers, the simplest first."""
    return {
        "logistic": logistic_regression(),
        "softmax": Classifier(nn.Sequential(nn.Flatten(), nn.Dense(784, 10))),
        "network": classifiers.network(settings.width),
        "convolutional": convolutional(),
    }


def logistic_regression(digits: tuple[int, int] = (3, 7)) -> Classifier:
    """One digit against the other: a single logit w.x + b."""
    model = nn.Sequential(nn.Flatten(), nn.Dense(784, 1), nn.Reshape())
    return Classifier(model, losses.log_loss_with_logits, digits)


def convolutional() -> Classifier:
    """Two convolutions with stride 2, and two dense layers."""
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU(),  # 14 x 14
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),  # 7 x 7
        nn.Flatten(), nn.Dropout(0.5), nn.Dense(32 * 7 * 7, 64), nn.ReLU(), nn.Dense(64, 10),
    )  # fmt: skip
    return Classifier(model)


def experiment(seed: int, settings: Settings, x, y, test_x, test_y) -> dict:
    """Train the classifiers, attack each: their errors, the transfer table, the network's weights, the history."""
    mg.seed(seed)
    models, rng, s = make_models(settings), np.random.default_rng(seed), settings
    history = side_by_side([classifiers.train(model, x, y, name, s.steps, s.batch, s.lr) for name, model in models.items()])
    return {
        "errors": {name: attack(model, test_x, test_y, settings, rng, name) for name, model in models.items()},
        "transfer": transfer(models, test_x, test_y, settings.epsilon),
        "network": models["network"].model.state_dict(),
        "history": history,
    }


def attack(model: Classifier, x: np.ndarray, y: np.ndarray, settings: Settings, rng: np.random.Generator, name: str) -> dict:
    """Errors in per cent, without an attack, under FGSM, and with random signs; and at every epsilon, on some images."""
    x, y = model.take(x, y)
    epsilon, found = settings.epsilon, {"error": mistakes(model, x, y)["error"]}
    for suffix, clip in (("", None), ("_clipped", (0.0, 1.0))):
        fooled = mistakes(model, model.attacked(x, y, epsilon, clip=clip), y)
        found |= {f"attacked{suffix}": fooled["error"], f"confidence{suffix}": fooled["confidence"]}
        found[f"random{suffix}"] = mistakes(model, random_signs(x, epsilon, rng, clip), y)["error"]
    found |= {"curve": [], "curve_random": []}
    x, y = x[: settings.some], y[: settings.some]
    for i in resumable(range(len(settings.epsilons)), f"{name}, attacked", rng=rng, found=found):
        e = settings.epsilons[i]
        found["curve"].append(mistakes(model, model.attacked(x, y, e, clip=None), y)["error"])
        found["curve_random"].append(mistakes(model, random_signs(x, e, rng), y)["error"])
    return found


def transfer(models: dict[str, Classifier], x: np.ndarray, y: np.ndarray, epsilon: float) -> list[list[float]]:
    """[made against][tried on]: errors in per cent, between the classifiers of all ten digits."""
    models = [model for model in models.values() if len(model.digits) == 10]
    adversarial = [model.attacked(x, y, epsilon, clip=None) for model in models]
    return [[mistakes(model, images, y)["error"] for model in models] for images in adversarial]


def measure(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """The numbers with the published ones; bounds for FGSM, random signs, and examples made against other models."""
    for name in LABELS:
        errors = {what: np.array([run["errors"][name][what] for run in runs]) for what in runs[0]["errors"][name]}
        for what in ("error", "attacked", "confidence", "random", "attacked_clipped", "confidence_clipped", "random_clipped"):
            published = PUBLISHED.get(name, {}).get(what)
            claim.note(f"{name}_{what}", errors[what].mean(), f"published: {published}" if published else "")
        claim.metrics[f"{name}_curve"] = errors["curve"].mean(axis=0).tolist()
        claim.at_least(f"{name}_attacked, worst seed", errors["attacked"].min(), settings.fooled, quick=True)
        share = max(r / a if a else np.inf for r, a in zip(errors["random"], errors["attacked"], strict=True))
        claim.at_most(f"{name}_random / attacked, worst seed", share, settings.chance)
        if name in ("network", "convolutional"):
            claim.at_most(f"{name}_error, worst seed", errors["error"].max(), settings.good)
            claim.at_least(f"{name}_confidence, worst seed", errors["confidence"].min(), settings.sure)
    tables = np.array([run["transfer"] for run in runs])
    between = tables[:, ~np.eye(tables.shape[1], dtype=bool)]  # (seeds, pairs of different models)
    claim.note("transfer_least", between.mean(axis=0).min())
    claim.note("transfer_most", between.mean(axis=0).max())
    claim.at_least("transfer_least, worst seed", between.min(), settings.others)
    there = settings.epsilons.index(settings.half_way)
    half_way = {name: [run["errors"][name]["curve"][there] for run in runs] for name in LABELS}
    for better, worse, expected in (("network", "softmax", None), ("convolutional", "network", {HELPS})):
        difference = compare(half_way[better], half_way[worse], paired=True)
        claim.compare(f"{better} - {worse}, errors at {settings.half_way:g}", difference, expected)
    order = [run["errors"]["softmax"]["attacked"] - run["errors"]["network"]["attacked"] for run in runs]
    claim.at_least("softmax - network, attacked, worst seed", min(order), 0)  # the published order


def draw_examples(model: Classifier, x: np.ndarray, y: np.ndarray, epsilon: float, rng: np.random.Generator) -> plt.Figure:
    """x, + epsilon times the sign, = x'; and the control. The first test image of each of some classes."""
    some = [np.flatnonzero(y == c)[0] for c in np.unique(y)[-SHOWN:]]
    x, y = x[some], y[some]
    adversarial, control = model.attacked(x, y, epsilon, clip=None), random_signs(x, epsilon, rng)
    up = (adversarial > x)[:, 0, :, :, None]
    wide = -epsilon, 1 + epsilon
    figure, axes = slide()
    rows = {
        "image $x$": (in_grey(x), *seen(model.probabilities(x), y)),
        f"+ {epsilon:g} sign $\\nabla_x J$\n(blue: up,\norange: down)": (np.where(up, to_rgb(REAL), to_rgb(FAKE)), [], []),
        "$= x'$": (in_grey(adversarial, *wide), *seen(model.probabilities(adversarial), y)),
        f"$x$ ± {epsilon:g}\nby chance": (in_grey(control, *wide), *seen(model.probabilities(control), y)),
    }
    draw_rows(axes, rows)
    axes.set_title("under each image: the class that the network sees, and how sure it is")
    scale = ScalarMappable(Normalize(*wide), "gray")
    figure.colorbar(scale, ax=axes, label="pixels of the two lower rows (above: 0 to 1)", shrink=0.8)
    return figure


def draw_curves(runs: list[dict], settings: Settings) -> plt.Figure:
    """Errors against epsilon, means over the seeds; the transfer table."""
    figure, (left, right) = slide(1, 2, width_ratios=(3, 2), height=6.4)
    for name, colour, marker in zip(LABELS, OTHERS, MARKERS, strict=False):
        for curve, style in (("curve", "-"), ("curve_random", ":")):
            means = np.mean([run["errors"][name][curve] for run in runs], axis=0)
            label = LABELS[name] if style == "-" else None
            left.plot(settings.epsilons, means, style, marker=marker, color=colour, label=label)
    left.plot([], [], ":", color="black", label="dotted: random signs instead")
    left.set(xlabel="$\\epsilon$, largest change of a pixel", ylabel="errors, %", ylim=(-2, 102))
    figure.legend(loc="outside lower center", ncols=3)
    names, table = ["softmax", "network", "conv."], np.mean([run["transfer"] for run in runs], axis=0)
    colours = right.imshow(table, cmap="cividis", vmin=0, vmax=100)
    for (i, j), value in np.ndenumerate(table):
        right.text(j, i, f"{value:.1f}", ha="center", va="center", color="black" if value > 55 else "white")
    right.set_xticks(range(len(names)), names)
    right.set_yticks(range(len(names)), names, rotation=90, va="center")
    right.set(xlabel="tried on", ylabel="made against", title=f"errors at $\\epsilon$ = {settings.epsilon:g}, %")
    figure.colorbar(colours, ax=right, label="errors, %", shrink=0.7)
    return figure
