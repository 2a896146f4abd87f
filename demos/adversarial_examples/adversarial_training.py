"""Adversarial training: a network that learns from its own adversarial examples is harder to fool, by the attack it has met.

Slide: "One simple technique that can help is to *train* explicitly on adversarial examples. This is easy, since we can create
adversarial examples at will, and can improve robustness to outliers at test time." (CS/DS 541, class 19)

    alpha J(x, y) + (1 - alpha) J(x + epsilon sign(grad_x J(x, y)), y)          (Goodfellow et al. 2015, section 6)

The same network is trained three times: as usual; on random signs of the same size, as the control; and on adversarial
examples, made anew for every minibatch against the network as it is. Each is attacked white box: by its own gradient,
and as in the paper without clipping to [0, 1].

What to look for: under FGSM (left) the third errs much less than the others, and random signs are hardly any help. But its
curve falls again: a smaller step fools it more often than the one it was trained on, and so do examples made against another
network. It has learnt to recognise the attack rather than to withstand it: the signs betray the label by which they were made
(label leaking: Kurakin et al. 2017). PGD, many small steps that are together as long, fools it like the others (dashed). "Can
help", the slide says; Madry et al. 2018 train on PGD's examples instead.
"""

from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples.comparing import random_signs, side_by_side
from demos.kit import classifiers, digits, pictures
from demos.kit.checkpoints import once, resumable
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.run import positive_number, start, write_history
from minigan import Tensor, attacks, losses, nn


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    steps: int = 3000  # minibatches; the learning rate falls linearly to 0 over them
    batch: int = 100
    lr: float = 3e-3  # Adam's
    width: int = 256  # of the two hidden layers
    alpha: float = 0.5
    epsilon: float = 0.25
    epsilons: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)  # of the curves
    pgd_steps: int = 10
    test: int = 10_000  # images that are attacked
    fooled: float = 85.0  # the network trained as usual must err in at least so many per cent, ...
    robust: float = 20.0  # ... the one trained on adversarial examples in at most so many, ...
    worse: float = 0.3  # ... and on clean images by no more per cent than the other


QUICK = {"steps": 300, "width": 64, "epsilons": (0.0, 0.1, 0.25), "pgd_steps": 5, "robust": 80.0, "worse": 30.0}

COLOURS = {"usual": pictures.REAL, "random": "tab:green", "adversarial": pictures.FAKE}
LABELS = {"usual": "trained as usual", "random": "trained on random signs", "adversarial": "adversarially trained"}
PUBLISHED = {  # per cent, for maxout networks
    ("usual", "clean"): "0.94", ("usual", "FGSM"): "89.4", ("usual", "confidence"): "97.6",
    ("random", "FGSM"): "86.2", ("random", "confidence"): "97.3",
    ("adversarial", "clean"): "0.84", ("adversarial", "FGSM"): "17.9", ("adversarial", "confidence"): "81.4",
}  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Train three networks, attack each, compare."""
    options = digits.options(__doc__)
    options.add_argument("--steps", type=positive_number, help="minibatches of each training (default: see the settings)")
    args = start(options, argv, "adversarial_training")
    settings = replace(Settings(), **QUICK) if args.quick else Settings()
    settings = replace(settings, steps=args.steps or settings.steps)
    claim = Claim(args, {"data": args.data, **asdict(settings)})
    x, y, (test_x, test_y) = digits.load(args, settings.test)
    models, histories, rng = {}, [], np.random.default_rng(args.seed)
    for name, objective in objectives(settings, rng).items():
        mg.seed(args.seed)  # the same initial weights, and the same minibatches
        models[name] = classifiers.network(settings.width)
        how = settings.steps, settings.batch, settings.lr, objective
        histories.append(classifiers.train(models[name], x, y, name, *how, rng=rng))
    write_history(args, side_by_side(histories))
    test = test_x, test_y, settings, args.seed
    found = {name: once(f"{name}: figures", measure, model, *test) for name, model in models.items()}
    note(claim, found, settings)
    note_transfer(claim, models, test_x, test_y, settings)
    claim.finish(picture(models, found, test_x, test_y, settings), "adversarial_training")


def objectives(settings: Settings, rng: np.random.Generator) -> dict[str, classifiers.Objective | None]:
    """What each network descends."""
    epsilon, alpha = settings.epsilon, settings.alpha

    def beside_random_signs(model: nn.Module, x: np.ndarray, y: np.ndarray) -> Tensor:
        noisy = random_signs(x, epsilon, rng)
        clean, control = (losses.cross_entropy(model(Tensor(inputs)), y) for inputs in (x, noisy))
        return alpha * clean + (1 - alpha) * control

    def beside_adversarial(model: nn.Module, x: np.ndarray, y: np.ndarray) -> Tensor:
        return attacks.adversarial_loss(model, x, y, epsilon, alpha, clip=None)

    return {"usual": None, "random": beside_random_signs, "adversarial": beside_adversarial}


# --- the figures --------------------------------------------------------------------------------------------------------


def measure(model: Classifier, x: np.ndarray, y: np.ndarray, settings: Settings, seed: int) -> dict:
    """The errors, in per cent: on clean images, with random signs, under FGSM, under PGD; the confidence; and the curves."""

    def under(attack, epsilon, **options):
        return mistakes(model, model.attacked(x, y, epsilon, attack, clip=None, **options), y)

    noisy = random_signs(x, settings.epsilon, np.random.default_rng(seed))
    steps = {"steps": settings.pgd_steps}
    fooled = [under(attacks.fgsm, epsilon) for epsilon in settings.epsilons]
    curves = {"FGSM": [found["error"] for found in fooled], "PGD": []}
    for i in resumable(range(len(settings.epsilons)), "PGD", errors=curves["PGD"]):
        curves["PGD"].append(under(attacks.pgd, settings.epsilons[i], **steps)["error"])
    there = settings.epsilons.index(settings.epsilon)
    return {
        "clean": mistakes(model, x, y)["error"],
        "random signs": mistakes(model, noisy, y)["error"],
        "FGSM": curves["FGSM"][there],
        "confidence": fooled[there]["confidence"],
        "FGSM, worst epsilon": max(curves["FGSM"]),
        "PGD": curves["PGD"][there],
        "curves": curves,
    }


def note(claim: Claim, found: dict[str, dict], settings: Settings) -> None:
    """The errors beside the published ones, and whether the claim holds."""
    clean = found["usual"]["clean"]
    bounds = {
        ("usual", "FGSM"): (settings.fooled, np.inf, f"at least {settings.fooled:g}"),
        ("adversarial", "FGSM"): (0, settings.robust, f"at most {settings.robust:g}"),
        ("adversarial", "clean"): (0, clean + settings.worse, f"at most {clean + settings.worse:.2f}"),
    }
    for name, figures in found.items():
        for what in ("clean", "random signs", "FGSM", "confidence", "FGSM, worst epsilon", "PGD"):
            low, high, words = bounds.get((name, what), (None, None, ""))
            published = f"published: {PUBLISHED[name, what]}" if (name, what) in PUBLISHED else ""
            holds = None if low is None else low <= figures[what] <= high
            label = "confidence in errors under FGSM" if what == "confidence" else f"errors, {what}"
            claim.note(f"{LABELS[name]}: {label} (%)", figures[what], "; ".join(filter(None, (words, published))), holds)


def note_transfer(claim: Claim, models: dict[str, Classifier], x: np.ndarray, y: np.ndarray, settings: Settings) -> None:
    """The examples made against one network, tried on the other."""
    for made, tried, published in (("usual", "adversarial", 19.6), ("adversarial", "usual", 40.9)):
        found = mistakes(models[tried], models[made].attacked(x, y, settings.epsilon, clip=None), y)
        label = f"{LABELS[tried]}: errors, FGSM against the one {LABELS[made]} (%)"
        claim.note(label, found["error"], f"published: {published}")


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(models: dict[str, Classifier], found: dict[str, dict], x, y, settings: Settings) -> plt.Figure:
    """Errors against epsilon; and the adversarial examples that each network made of the same images."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.4), layout="constrained")
    for name, colour in COLOURS.items():
        left.plot(settings.epsilons, found[name]["curves"]["FGSM"], marker="o", color=colour, label=LABELS[name])
        left.plot(settings.epsilons, found[name]["curves"]["PGD"], marker=".", linestyle="--", color=colour)
    left.plot([], [], color="black", linestyle="--", label=f"under PGD, {settings.pgd_steps} steps")
    left.set(xlabel="$\\epsilon$, largest change of a pixel", ylabel="errors under FGSM, %", ylim=(-2, 102))
    left.axvline(settings.epsilon, color="black", linewidth=0.7, linestyle=":")
    left.legend()
    draw_examples(right, models, x, y, settings.epsilon)
    usual, hardened = found["usual"], found["adversarial"]
    worst = int(np.argmax(hardened["curves"]["FGSM"]))
    figure.suptitle(
        f"FGSM, $\\epsilon$ = {settings.epsilon:g}: {usual['FGSM']:.1f} % errors, after adversarial training "
        f"{hardened['FGSM']:.1f} % (on clean images {usual['clean']:.2f} % and {hardened['clean']:.2f} %);\n"
        f"trained on random signs {found['random']['FGSM']:.1f} %. The adversarially trained errs most at $\\epsilon$ = "
        f"{settings.epsilons[worst]:g}, in {hardened['curves']['FGSM'][worst]:.1f} %; under PGD in {hardened['PGD']:.1f} %"
    )
    return figure


def draw_examples(axes: plt.Axes, models: dict[str, Classifier], x: np.ndarray, y: np.ndarray, epsilon: float) -> None:
    """A row of adversarial examples for each network, under each the class that it sees there."""
    some = [np.flatnonzero(y == c)[0] for c in np.unique(y)[-6:]]
    rows = np.stack([model.attacked(x[some], y[some], epsilon, clip=None)[:, 0] for model in models.values()])
    tiles = np.pad(rows, ((0, 0), (0, 0), (1, 7), (1, 1)), constant_values=1 + epsilon)
    axes.imshow(np.concatenate([np.concatenate(row, axis=1) for row in tiles]), cmap="gray", vmin=-epsilon, vmax=1 + epsilon)
    height, width = tiles.shape[2:]
    for i, model in enumerate(models.values()):
        for j, says in enumerate(model.probabilities(rows[i][:, None]).argmax(axis=1)):
            colour = "tab:green" if says == y[some[j]] else "tab:red"
            place = (width * (j + 0.5), height * (i + 1) - 3)
            axes.text(*place, f'"{says}"', color=colour, ha="center", va="center", fontsize=12)
    names = [LABELS[name].replace("trained ", "trained\n", 1).replace("adversarially ", "adversarially\n") for name in models]
    axes.set_yticks([height * (i + 0.5) - 3 for i in range(len(models))], names)
    axes.tick_params(length=0)
    axes.set(xticks=[], title="FGSM against each network, and what it sees there")
    axes.spines[:].set_visible(False)


if __name__ == "__main__":
    main()
