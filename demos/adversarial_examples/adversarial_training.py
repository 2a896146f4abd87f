"""Adversarial training: a network that learns from its own adversarial examples resists the attack that it was trained on.

Slide: "One simple technique that can help is to *train* explicitly on adversarial examples. This is easy, since we can create
adversarial examples at will, and can improve robustness to outliers at test time." (CS/DS 541, class 19)

    alpha J(x, y) + (1 - alpha) J(x + epsilon sign(grad_x J(x, y)), y)          (Goodfellow et al. 2015, section 6)

The same network is trained three times: as usual; on random signs of the same size, as the control; and on adversarial
examples, made anew for every minibatch against the current network. Numbers are means over the seeds.

What to look for: under FGSM (left) the third network errs much less than the others. But a step smaller than that of the
training fools it more often, and so do examples made against another network. It has learnt to recognise the attack: the signs
reveal the label for which they were made (label leaking: Kurakin et al. 2017). PGD (right), many small steps of the same total
length, fools it like the others; Madry et al. 2018 train on PGD's examples instead. In outliers.png, does it help with digits
unlike those of the training?
"""

from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples.comparing import draw_rows, in_grey, random_signs, side_by_side
from demos.adversarial_examples.outliers import in_outliers, measure_outliers, outliers, picture_outliers
from demos.kit import classifiers, digits
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.runner.results import write_history
from demos.kit.style import MARKERS, OTHERS, slide
from minigan import Tensor, attacks, losses, nn


@dataclass
class Settings:
    seeds: int = 3
    steps: int = 1500  # minibatches; the learning rate falls linearly to 0 over them
    batch: int = 100
    lr: float = 3e-3  # Adam's
    width: int = 256  # of the two hidden layers
    alpha: float = 0.5
    epsilon: float = 0.25
    epsilons: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)  # of the curves
    pgd_steps: int = 10
    test: int = 2000  # images that are attacked; their choice moves an error by about a point
    fooled: float = 85.0  # %: least error under FGSM of the network trained as usual
    robust: float = 20.0  # %: most error under FGSM of the adversarially trained network
    worse: float = 1.0  # points: most additional error of the latter on clean images
    pgd: float = 85.0  # %: least error of the latter under PGD
    control: float = 70.0  # %: least error under FGSM of the network trained on random signs


QUICK = {"seeds": 1, "steps": 250, "width": 64, "epsilons": (0.0, 0.1, 0.25), "pgd_steps": 5}

VERDICT = (
    "True, but the defence is narrow: it stops its own large step; ten small steps still fool the network, and digits with "
    "noise are misread more often than before."
)
FINDING = (
    "Under FGSM, the errors fall from {usual, FGSM|.1f} % to {adversarial, FGSM|.1f} %; under PGD (ten small steps), they stay "
    "at {adversarial, PGD|.0f} %. Outliers: on digits with noise, the errors rise by {outliers, noise|.0f} points; "
    "they change by {outliers, other fonts|.0f} on other fonts, by {outliers, a quarter covered|.0f} on covered digits."
)
IN_CURVES = (
    "Adversarial training {difference under FGSM|lower} against FGSM: errors {adversarial, FGSM|.1f} % instead of "
    "{usual, FGSM|.1f} %\n(trained on random signs: {random, FGSM|.1f} %); under PGD, still {adversarial, PGD|.0f} %"
)
IN_EXAMPLES = (
    "Without an attack, the adversarially trained network errs in {adversarial, clean|.1f} % instead of {usual, clean|.1f} %;\n"
    "the worst step size fools it in {adversarial, worst epsilon|.0f} %, examples made against the usual one in "
    "{adversarial, transfer|.0f} %"
)

COLOURS = dict(zip(("usual", "random", "adversarial"), OTHERS, strict=False))
LABELS = {"usual": "trained as usual", "random": "trained on random signs", "adversarial": "adversarially trained"}
FIGURES = ("clean", "random signs", "FGSM", "confidence", "worst epsilon", "PGD", "transfer")
PUBLISHED = {  # per cent, for maxout networks
    ("usual", "clean"): "0.94", ("usual", "FGSM"): "89.4", ("usual", "confidence"): "97.6", ("usual", "transfer"): "40.9",
    ("random", "FGSM"): "86.2", ("random", "confidence"): "97.3",
    ("adversarial", "clean"): "0.84", ("adversarial", "FGSM"): "17.9", ("adversarial", "confidence"): "81.4",
    ("adversarial", "transfer"): "19.6",
}  # fmt: skip
SHOWN = 6  # images in the picture


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, settings: Settings) -> None:
    x, y, (test_x, test_y) = digits.load(claim.args, settings.test)
    steps = len(LABELS) * (settings.steps + len(settings.epsilons))
    runs = over_seeds(claim, experiment, settings, x, y, test_x, test_y, steps=steps)
    write_history(claim.args, runs[0]["history"])
    measure(claim, runs, settings)
    claim.show(picture_curves(runs, settings), "adversarial_training", claim.words(IN_CURVES))
    claim.show(picture_examples(runs[0], test_x, test_y, settings), "examples", claim.words(IN_EXAMPLES))
    claim.show(picture_outliers(runs, test_x, test_y, LABELS, claim.metrics), "outliers", in_outliers(claim.metrics))


def experiment(seed: int, settings: Settings, x, y, test_x, test_y) -> dict:
    """Train the three networks: their metrics, histories and weights."""
    rng = np.random.default_rng(seed)
    models, histories = {}, []
    for name, objective in objectives(settings, rng).items():
        mg.seed(seed)  # the same initial weights, and the same minibatches
        models[name] = classifiers.network(settings.width)
        s = settings.steps, settings.batch, settings.lr
        histories.append(classifiers.train(models[name], x, y, name, *s, objective, rng=rng))
    figures = {name: attack(model, test_x, test_y, settings, seed, name) for name, model in models.items()}
    for made, tried in (("usual", "adversarial"), ("adversarial", "usual")):
        fooling = models[made].attacked(test_x, test_y, settings.epsilon, clip=None)
        figures[tried]["transfer"] = mistakes(models[tried], fooling, test_y)["error"]
    weights = {name: model.model.state_dict() for name, model in models.items()}
    return {"figures": figures, "history": side_by_side(histories), "weights": weights}


def objectives(settings: Settings, rng: np.random.Generator) -> dict[str, classifiers.Objective | None]:
    """The loss of each network; None: the usual one."""
    epsilon, alpha = settings.epsilon, settings.alpha

    def beside_random_signs(model: nn.Module, x: np.ndarray, y: np.ndarray) -> Tensor:
        noisy = random_signs(x, epsilon, rng)
        clean, control = (losses.cross_entropy(model(Tensor(inputs)), y) for inputs in (x, noisy))
        return alpha * clean + (1 - alpha) * control

    beside_adversarial = partial(attacks.adversarial_loss, epsilon=epsilon, alpha=alpha, clip=None)
    return {"usual": None, "random": beside_random_signs, "adversarial": beside_adversarial}


def attack(model: Classifier, x: np.ndarray, y: np.ndarray, settings: Settings, seed: int, name: str) -> dict:
    """The errors, in per cent: on clean images, with random signs, under FGSM, under PGD; the confidence; and the curves."""

    def under(attack, epsilon, **options):
        return mistakes(model, model.attacked(x, y, epsilon, attack, clip=None, **options), y)

    noisy = random_signs(x, settings.epsilon, np.random.default_rng(seed))
    fooled = [under(attacks.fgsm, epsilon) for epsilon in settings.epsilons]
    curves = {"FGSM": [found["error"] for found in fooled], "PGD": []}
    for i in resumable(range(len(settings.epsilons)), f"{name}, attacked by PGD", errors=curves["PGD"]):
        curves["PGD"].append(under(attacks.pgd, settings.epsilons[i], steps=settings.pgd_steps)["error"])
    there = settings.epsilons.index(settings.epsilon)
    return {
        "clean": mistakes(model, x, y)["error"],
        "random signs": mistakes(model, noisy, y)["error"],
        "FGSM": curves["FGSM"][there],
        "confidence": fooled[there]["confidence"],
        "worst epsilon": max(curves["FGSM"]),
        "PGD": curves["PGD"][there],
        "outliers": {kind: mistakes(model, *images)["error"] for kind, images in outliers(x, y).items()},
        "curves": curves,
    }


def measure(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """The errors with the published ones, and the bounds for the worst seed."""
    found = {
        (name, what): np.array([run["figures"][name][what] for run in runs])
        for name in LABELS
        for what in FIGURES
        if what in runs[0]["figures"][name]
    }
    for (name, what), errors in found.items():
        published = PUBLISHED.get((name, what))
        claim.note(f"{name}, {what}", errors.mean(), f"published: {published}" if published else "")
    usual, random, adversarial = (found[name, "FGSM"] for name in LABELS)
    claim.at_least("usual, FGSM, worst seed", usual.min(), settings.fooled, quick=True)
    claim.at_most("adversarial, FGSM, worst seed", adversarial.max(), settings.robust)
    claim.compare("difference under FGSM", compare(adversarial, usual, paired=True), {HELPS})
    claim.at_least("random, FGSM, worst seed", random.min(), settings.control)
    cost = found["adversarial", "clean"] - found["usual", "clean"]
    claim.at_most("cost on clean images, worst seed", cost.max(), settings.worse)
    claim.at_least("adversarial, PGD, worst seed", found["adversarial", "PGD"].min(), settings.pgd)
    for what in ("worst epsilon", "transfer"):  # they fool more often than the attack of the training
        claim.at_least(f"adversarial, {what} / FGSM, worst seed", (found["adversarial", what] / adversarial).min(), 1.5)
    measure_outliers(claim, runs)


def picture_curves(runs: list[dict], settings: Settings) -> plt.Figure:
    """Errors against epsilon, means over the seeds: under FGSM, and under PGD."""
    figure, places = slide(1, 2, height=6.2, sharey=True)
    for axes, name in zip(places, ("FGSM", "PGD"), strict=True):
        for (network, colour), marker, size in zip(COLOURS.items(), MARKERS, (14, 8, 8), strict=False):
            means = np.mean([run["figures"][network]["curves"][name] for run in runs], axis=0)
            axes.plot(settings.epsilons, means, marker=marker, markersize=size, color=colour, label=LABELS[network])
        axes.axvline(settings.epsilon, color="black", linewidth=1, linestyle=":")
        axes.set(xlabel="$\\epsilon$, largest change of a pixel", ylim=(-2, 102))
    places[0].set(ylabel="errors, %", title="under FGSM: one step (dotted: that of the training)")
    places[1].set_title(f"under PGD: {settings.pgd_steps} smaller steps, together as long")
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def picture_examples(run: dict, x: np.ndarray, y: np.ndarray, settings: Settings) -> plt.Figure:
    """Adversarial examples against each network of the first seed, a row for each; under each image the class seen."""
    some = [np.flatnonzero(y == c)[0] for c in np.unique(y)[-SHOWN:]]
    rows = {}
    for name, weights in run["weights"].items():
        network = classifiers.network(settings.width)
        network.model.load_state_dict(weights)
        images = network.attacked(x[some], y[some], settings.epsilon, clip=None)
        says, grey = network.probabilities(images).argmax(axis=1), in_grey(images, -settings.epsilon, 1 + settings.epsilon)
        rows[LABELS[name].replace(" ", "\n", 1)] = grey, [str(c) for c in says], list(says == y[some])
    figure, axes = slide(height=6.4)
    draw_rows(axes, rows)
    grey = f"black: {-settings.epsilon:g}, white: {1 + settings.epsilon:g}"
    axes.set_title(f"FGSM against each network, and the class that it sees there ({grey})")
    return figure
