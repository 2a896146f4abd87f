"""Adversarial examples: a small step along the sign of the gradient makes a good classifier wrong, and sure of its errors.

    x' = x + epsilon sign(grad_x J(x, y))        the fast gradient sign method (Goodfellow, Shlens and Szegedy 2015)

Slide: "One way to systematically confuse a trained NN is to "adjust" an input x so as to *maximally change* the output y_hat."
(CS/DS 541, class 19)

Four classifiers: logistic regression on 3 against 7, softmax regression, a ReLU network, and a convolutional one. The gradient
is with respect to the image x, not to the weights; no pixel changes by more than epsilon. As in the paper, pixels may leave
[0, 1]; the metrics with "clipped" in their names, and samples.npz, are for images clipped to it.

What to look for: in fgsm.png you can read every x', but the network misreads it. The size of the change is not the reason: if
every pixel moves as far at random, up or down, the network still reads the image. In curves.png linear classifiers fail as
well: many small weights add up to a large |w|_1. On the right, adversarial examples made against one model fool other models.
Clipped random signs do more harm: black pixels can only rise, so the background becomes brighter. The published networks have
maxout units. Numbers are means over the seeds, except where a worst case is named.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb

import minigan as mg
from demos.adversarial_examples import beginning
from demos.adversarial_examples.comparing import draw_rows, in_grey, random_signs, side_by_side
from demos.kit import classifiers, digits
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.rounding import at_least, at_most, percent
from demos.kit.runner.summary import write_history
from demos.kit.style import FAKE, MARKERS, OTHERS, REAL, slide
from minigan import losses, nn


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

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


@demo(Settings(), QUICK, beginning.options, record=beginning.everything)
def main(claim: Claim, settings: Settings) -> str:
    """Train, attack, compare, draw."""
    args, settings = claim.args, beginning.shortened(claim, settings)
    x, y, (test_x, test_y) = digits.load(args, settings.test)
    steps = len(LABELS) * (settings.steps + len(settings.epsilons))
    runs = over_seeds(claim, experiment, settings, x, y, test_x, test_y, steps=steps)
    measure(claim, runs, settings)
    model = classifiers.network(settings.width)
    model.model.load_state_dict(runs[0]["network"])
    show(claim, model, runs, test_x, test_y, settings)
    write_history(args, runs[0]["history"])
    x, y = test_x[: digits.SAMPLES], test_y[: digits.SAMPLES]
    np.savez_compressed(args.out / "samples.npz", samples=model.attacked(x, y, settings.epsilon), labels=y)
    return "samples.npz: adversarial images against the first seed's ReLU network; history.csv: the first seed's trainings"


def found(m: dict[str, float]) -> str:
    """The result, for README."""
    return (
        f"FGSM raises the error rate of a ReLU network from {m['network_error']:.1f} % to {m['network_attacked']:.1f} %, with "
        f"{m['network_confidence']:.0f} % mean confidence in its errors; random signs of the same size raise it to "
        f"{m['network_random']:.1f} %. A classifier misreads at least {at_least(m['transfer_least, worst seed'])} % of the "
        f"examples made against another"
    )


# --- the classifiers and their training ----------------------------------------------------------------------------------


def make_models(settings: Settings) -> dict[str, Classifier]:
    """The four classifiers, the simplest first."""
    return {
        "logistic": logistic_regression(),
        "softmax": softmax_regression(),
        "network": classifiers.network(settings.width),
        "convolutional": convolutional(),
    }


def logistic_regression(digits: tuple[int, int] = (3, 7)) -> Classifier:
    """One digit against the other: a single logit w.x + b."""
    model = nn.Sequential(nn.Flatten(), nn.Dense(784, 1), nn.Reshape())
    return Classifier(model, losses.log_loss_with_logits, digits)


def softmax_regression() -> Classifier:
    """The linear classifier of ten digits."""
    return Classifier(nn.Sequential(nn.Flatten(), nn.Dense(784, 10)))


def convolutional() -> Classifier:
    """Two convolutions with stride 2, and two dense layers."""
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU(),  # 14 x 14
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),  # 7 x 7
        nn.Flatten(), nn.Dropout(0.5), nn.Dense(32 * 7 * 7, 64), nn.ReLU(), nn.Dense(64, 10),
    )  # fmt: skip
    return Classifier(model)


# --- the metrics --------------------------------------------------------------------------------------------------------


def experiment(seed: int, settings: Settings, x, y, test_x, test_y) -> dict:
    """Train the classifiers, attack each: their errors, the transfer table, the network's weights, the history."""
    mg.seed(seed)
    models, rng = make_models(settings), np.random.default_rng(seed)
    how = settings.steps, settings.batch, settings.lr
    history = side_by_side([classifiers.train(model, x, y, name, *how) for name, model in models.items()])
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
    others = tables.mean(axis=0)[~np.eye(tables.shape[1], dtype=bool)]
    claim.note("transfer_least", others.min())
    claim.note("transfer_most", others.max())
    least = tables[:, ~np.eye(tables.shape[1], dtype=bool)].min()
    claim.at_least("transfer_least, worst seed", least, settings.others)
    there = settings.epsilons.index(settings.half_way)
    half_way = {name: [run["errors"][name]["curve"][there] for run in runs] for name in LABELS}
    for better, worse, expected in (("network", "softmax", None), ("convolutional", "network", {HELPS})):
        difference = compare(half_way[better], half_way[worse], paired=True)
        claim.compare(f"{better} - {worse}, errors at {settings.half_way:g}", difference, expected)
    order = [run["errors"]["softmax"]["attacked"] - run["errors"]["network"]["attacked"] for run in runs]
    claim.at_least("softmax - network, attacked, worst seed", min(order), 0)  # the published order


# --- the pictures -------------------------------------------------------------------------------------------------------


def show(claim: Claim, model: Classifier, runs: list[dict], x: np.ndarray, y: np.ndarray, settings: Settings) -> None:
    """Images before and after; and the curves."""
    m, e = claim.metrics, f"{settings.epsilon:g}"
    claim.show(
        draw_examples(model, x, y, settings.epsilon, np.random.default_rng(claim.args.seed)),
        "fgsm",
        f"The ReLU network misreads {m['network_error']:.1f} % of the test images, {m['network_attacked']:.1f} % after an "
        f"FGSM step of {e},\n{m['network_random']:.1f} % after a step of that size with random signs",
    )
    claim.show(
        draw_curves(runs, settings),
        "curves",
        f"At $\\epsilon$ = {e}, the networks misread {m['network_attacked']:.1f} % and {m['convolutional_attacked']:.1f} %;\n"
        f"examples made against another model fool {at_least(m['transfer_least'])} to {at_most(m['transfer_most'])} %",
    )


def draw_examples(model: Classifier, x: np.ndarray, y: np.ndarray, epsilon: float, rng: np.random.Generator) -> plt.Figure:
    """x, + epsilon times the sign, = x'; and the control. The first test image of each of some classes."""
    some = [np.flatnonzero(y == c)[0] for c in np.unique(y)[-SHOWN:]]
    x, y = x[some], y[some]
    adversarial, control = model.attacked(x, y, epsilon, clip=None), random_signs(x, epsilon, rng)
    up = (adversarial > x)[:, 0, :, :, None]
    images = {
        "image $x$": x,
        f"+ {epsilon:g} sign $\\nabla_x J$\n(blue: up,\norange: down)": None,
        "$= x'$": adversarial,
        f"$x$ ± {epsilon:g}\nby chance": control,
    }
    rows, seen, right = {}, {}, {}
    for name, row in images.items():
        if row is None:
            rows[name] = np.where(up, to_rgb(REAL), to_rgb(FAKE))
            continue
        p = model.probabilities(row)
        rows[name] = in_grey(row, 0, 1) if name == "image $x$" else in_grey(row, -epsilon, 1 + epsilon)
        seen[name] = [f"{says.argmax()}, {percent(says.max())}" for says in p]
        right[name] = list(p.argmax(axis=1) == y)
    figure, axes = slide()
    draw_rows(axes, rows, seen, right)
    axes.set_title("under each image: the class that the network sees, and how sure it is")
    scale = ScalarMappable(Normalize(-epsilon, 1 + epsilon), "gray")
    figure.colorbar(scale, ax=axes, label="pixels of the two lower rows (above: 0 to 1)", shrink=0.8)
    return figure


def draw_curves(runs: list[dict], settings: Settings) -> plt.Figure:
    """Errors against epsilon, means over the seeds; the transfer table."""
    figure, (left, right) = slide(1, 2, width_ratios=(3, 2), height=6.4)
    for name, colour, marker in zip(LABELS, (OTHERS[0], OTHERS[1], OTHERS[2], OTHERS[3]), MARKERS, strict=False):
        for curve, style in (("curve", "-"), ("curve_random", ":")):
            means = np.mean([run["errors"][name][curve] for run in runs], axis=0)
            label = LABELS[name] if style == "-" else None
            left.plot(settings.epsilons, means, style, marker=marker, color=colour, label=label)
    left.plot([], [], ":", color="black", label="dotted: random signs instead")
    left.set(xlabel="$\\epsilon$, largest change of a pixel", ylabel="errors, %", ylim=(-2, 102))
    figure.legend(loc="outside lower center", ncols=3)
    draw_table(figure, right, np.mean([run["transfer"] for run in runs], axis=0))
    right.set_title(f"errors at $\\epsilon$ = {settings.epsilon:g}, %")
    return figure


def draw_table(figure: plt.Figure, axes: plt.Axes, table: np.ndarray) -> None:
    """Errors of each model on adversarial examples made against each."""
    names = ["softmax", "network", "conv."]
    colours = axes.imshow(table, cmap="cividis", vmin=0, vmax=100)
    for (i, j), value in np.ndenumerate(table):
        axes.text(j, i, f"{value:.1f}", ha="center", va="center", color="black" if value > 55 else "white")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names, rotation=90, va="center")
    axes.set(xlabel="tried on", ylabel="made against")
    figure.colorbar(colours, ax=axes, label="errors, %", shrink=0.7)


if __name__ == "__main__":
    main()
