"""Adversarial examples: a step in the direction that hurts most makes a good classifier wrong, and sure of it.

    x' = x + epsilon sign(grad_x J(x, y))        the fast gradient sign method (Goodfellow, Shlens and Szegedy 2015)

Slide: "One way to systematically confuse a trained NN is to "adjust" an input x so as to *maximally change* the output y_hat."
(CS/DS 541, class 19)

Four classifiers: logistic regression on 3 against 7, softmax regression, a ReLU network, and a convolutional one. The gradient
is with respect to the image x, not to the weights, and no pixel changes by more than epsilon. As in the paper, pixels may leave
[0, 1]; the table's last columns are for images clipped to it, and so is samples.npz.

What to look for: in fgsm.png you still read every x', and the network misreads it. The size of the change is not the reason:
where every pixel moves as far, but up or down by chance (the last column), the network misreads few. In curves.png linear
classifiers fall, too: many small weights add up to a large |w|_1. And (right) the adversarial examples of one model fool others
that it never met. Clipped, random signs do more harm: black pixels can only rise, which brightens the background. The published
networks have maxout units.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from demos.adversarial_examples.comparing import random_signs, side_by_side
from demos.kit import classifiers, digits, pictures
from demos.kit.checkpoints import resumable
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.run import begin, positive_number, start, write_history, write_summary
from minigan import losses, nn


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 3000  # minibatches of each classifier's training; the learning rate falls linearly to 0 over them
    batch: int = 100
    lr: float = 3e-3  # Adam's
    width: int = 256  # of the ReLU network's two hidden layers
    epsilon: float = 0.25  # of the table and the pictures: the published one
    epsilons: tuple[float, ...] = (0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3)  # of the curves
    test: int = 10_000  # images that are attacked


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


def main(argv: list[str] | None = None) -> None:
    """Train, attack, compare, draw."""
    options = digits.options(__doc__)
    options.add_argument("--steps", type=positive_number, help="minibatches of each training (default: see the settings)")
    args = start(options, argv, "fgsm")
    settings = replace(Settings(), steps=150, width=64) if args.quick else Settings()
    settings = replace(settings, steps=args.steps or settings.steps)
    rng = np.random.default_rng(args.seed)
    begin(args, {"data": args.data, **asdict(settings)})
    x, y, (test_x, test_y) = digits.load(args, settings.test)
    models = make_models(settings)
    how = settings.steps, settings.batch, settings.lr
    history = side_by_side([classifiers.train(model, x, y, name, *how) for name, model in models.items()])
    found = {name: attack(model, test_x, test_y, settings, rng, f"attacks, {name}") for name, model in models.items()}
    found["transfer"] = transfer(models, test_x, test_y, settings.epsilon)
    draw_examples(args.out / "fgsm.png", models["network"], test_x, test_y, settings.epsilon, found["network"], rng)
    draw_curves(args.out / "curves.png", settings, found)
    x, y = test_x[: digits.SAMPLES], test_y[: digits.SAMPLES]
    samples = models["network"].attacked(x, y, settings.epsilon)
    args.checkpoint.end()
    write_history(args, history)
    np.savez_compressed(args.out / "samples.npz", samples=samples, labels=y)
    metrics = {**found, "published": PUBLISHED, "last_step": history[-1]}
    write_summary(args, {"data": args.data, **asdict(settings)}, metrics)
    report(args, settings.epsilon, found)


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
    """One digit against another: a single logit w.x + b."""
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


# --- the figures --------------------------------------------------------------------------------------------------------


def attack(model: Classifier, x: np.ndarray, y: np.ndarray, settings: Settings, rng: np.random.Generator, name: str) -> dict:
    """Errors, in per cent, without an attack, under FGSM, and with random signs; and the accuracy at every epsilon."""
    x, y = model.take(x, y)
    epsilon, found = settings.epsilon, {"error": mistakes(model, x, y)["error"]}
    for suffix, clip in (("", None), ("_clipped", (0.0, 1.0))):
        fooled = mistakes(model, model.attacked(x, y, epsilon, clip=clip), y)
        found |= {f"attacked{suffix}": fooled["error"], f"confidence{suffix}": fooled["confidence"]}
        found[f"random{suffix}"] = mistakes(model, random_signs(x, epsilon, rng, clip), y)["error"]
    found |= {"accuracy": [], "accuracy_random": []}
    for i in resumable(range(len(settings.epsilons)), name, rng=rng, found=found):
        e = settings.epsilons[i]
        found["accuracy"].append(100 - mistakes(model, model.attacked(x, y, e, clip=None), y)["error"])
        found["accuracy_random"].append(100 - mistakes(model, random_signs(x, e, rng), y)["error"])
    return found


def transfer(models: dict[str, Classifier], x: np.ndarray, y: np.ndarray, epsilon: float) -> dict[str, dict[str, float]]:
    """made against -> tried on -> errors, in per cent; between those that tell all digits apart."""
    models = {name: model for name, model in models.items() if len(model.digits) == 10}
    adversarial = {name: model.attacked(x, y, epsilon, clip=None) for name, model in models.items()}
    return {
        made: {tried: mistakes(model, images, y)["error"] for tried, model in models.items()}
        for made, images in adversarial.items()
    }


# --- the pictures -------------------------------------------------------------------------------------------------------


def draw_examples(path: Path, model: Classifier, x, y, epsilon: float, found: dict, rng, rows: int = 3) -> None:
    """x, + epsilon times the sign, = x'; and the control. The first test image of each of some classes."""
    some = [np.flatnonzero(y == c)[0] for c in np.unique(y)[-rows:]]
    x, y = x[some], y[some]
    adversarial, control = model.attacked(x, y, epsilon, clip=None), random_signs(x, epsilon, rng)
    signs = np.sign(adversarial - x)
    figure, places = plt.subplots(len(some), 4, figsize=(9.6, 2.45 * len(some) + 1), layout="constrained")
    for images, column in ((x, 0), (signs, 1), (adversarial, 2), (control, 3)):
        p = model.probabilities(images)
        for axes, image, says, label in zip(places[:, column], images, p, y, strict=True):
            scale = {"cmap": "RdBu_r"} if column == 1 else {"cmap": "gray", "vmin": -epsilon, "vmax": 1 + epsilon}
            axes.imshow(image[0], **scale)
            axes.set(xticks=[], yticks=[])
            if column != 1:
                colour = "tab:green" if says.argmax() == label else "tab:red"
                axes.set_xlabel(f'"{says.argmax()}", {says.max():.1%} sure', color=colour, fontsize=12)
    formulas = ("$x$", f"+ {epsilon:g} sign $\\nabla_x J$ (red +, blue -)", "$= x'$", f"$x$ ± {epsilon:g} by chance")
    for axes, formula in zip(places[0], formulas, strict=True):
        axes.set_title(formula, fontsize=13)
    figure.suptitle(
        f"The ReLU network misreads {found['error']:.1f} % of the test images, {found['attacked']:.1f} % after an\n"
        f"FGSM step of {epsilon:g}, {found['random']:.1f} % after a step of that size with random signs"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_curves(path: Path, settings: Settings, found: dict) -> None:
    """The accuracy against epsilon; and who is fooled by whose adversarial examples."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), width_ratios=(3, 2), layout="constrained")
    for name, colour in zip(LABELS, ("tab:green", pictures.REAL, pictures.FAKE, "tab:purple"), strict=True):
        left.plot(settings.epsilons, found[name]["accuracy"], marker="o", color=colour, label=LABELS[name])
        left.plot(settings.epsilons, found[name]["accuracy_random"], linestyle="--", color=colour)
    left.plot([], [], color="black", linestyle="--", label="random signs instead")
    left.set(xlabel="$\\epsilon$, largest change of a pixel", ylabel="accuracy, %", ylim=(-2, 102))
    left.legend()
    names, table = list(found["transfer"]), np.array([list(row.values()) for row in found["transfer"].values()])
    right.imshow(table, cmap="Reds", vmin=0, vmax=100)
    for (i, j), value in np.ndenumerate(table):
        right.text(j, i, f"{value:.1f} %", ha="center", va="center", color="white" if value > 60 else "black", fontsize=13)
    right.set_xticks(range(len(names)), names)
    right.set_yticks(range(len(names)), names, rotation=90, va="center")
    others = table[~np.eye(len(names), dtype=bool)]
    right.set(xlabel="tried on", ylabel="made against", title=f"errors at $\\epsilon$ = {settings.epsilon:g}")
    figure.suptitle(
        f"At $\\epsilon$ = {settings.epsilon:g} FGSM leaves the networks {100 - found['network']['attacked']:.1f} % and "
        f"{100 - found['convolutional']['attacked']:.1f} % accuracy; "
        f"examples made against another model fool {others.min():.0f} to {others.max():.0f} %"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


# --- in words -----------------------------------------------------------------------------------------------------------


def report(args, epsilon: float, found: dict) -> None:
    """What there is to look at, and the table beside the published one."""
    print(f"""
Results are in {args.out}/
  fgsm.png    images before and after: which of them can you not read?
  curves.png  the accuracy against epsilon, and the adversarial examples of one model tried on another
  history.csv, summary.json, samples.npz, checkpoint.npz   the figures behind them
""")
    columns = {"error": "error", "attacked": "FGSM", "confidence": "sure of errors", "random": "random signs"}
    columns |= {"attacked_clipped": "FGSM, clipped", "random_clipped": "random, clipped"}
    print(f"{f'% at epsilon {epsilon:g} (published)':<30}{''.join(f'{head:>16}' for head in columns.values())}")
    for name, label in LABELS.items():
        print(f"{label:<30}" + "".join(f"{found[name][key]:.1f}{published(name, key)}".rjust(16) for key in columns))


def published(name: str, key: str) -> str:
    """The figure in brackets, if there is one."""
    value = PUBLISHED.get(name, {}).get(key)
    return "" if value is None else f" ({value})"


if __name__ == "__main__":
    main()
