"""Why small changes suffice: a step of epsilon in each of n pixels changes a linear model by epsilon |w|_1, a sum of n parts.

Slide: "Why small changes?" (IT3320E, lecture 10)

    w.(x + eta) = w.x + w.eta,  eta = epsilon sign(w):   w.eta = epsilon |w|_1        (Goodfellow et al. 2015, section 3)

The n changes are small, and all of them help. The paper counts epsilon m n, where m is the mean of |w_i|; but m does not stay
the same when n grows. If the length |w|_2 does, |w|_1 grows like sqrt(n): so does the gradient's 1-norm of a network as it is
initialised (Simon-Gabriel et al. 2019, who find it after training, too). Then the epsilon that turns half of the images,
the median of |margin| / |w|_1, falls like 1 / sqrt(n). Here 3s are told from 7s, in the same images pooled to 7 x 7, 14 x 14,
and as they are. The control: 7 x 7 pixels enlarged again are more numbers and no more details.

What to look for: in signs.png (the paper's figure 2), what is taken off the margin, which is the sign of w and no digit; in
dimension.png the slope beside 1 / sqrt(n), and beside the control's. A model may be wrong: what is turned is what it says.
Figures are means over the seeds.
"""

from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples.comparing import side_by_side
from demos.kit import classifiers, digits
from demos.kit.checkpoints import resumable
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.jobs import each
from demos.kit.rounding import at_most
from demos.kit.run import positive_number, start, write_history
from demos.kit.settings import settings_of
from demos.kit.style import FAKE, MARKERS, OPINION, OTHERS, RIGHT, WRONG, slide
from minigan import Tensor, backend, losses, mean, nn, no_grad
from minigan.nn import init


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    seeds: int = 3
    steps: int = 1500  # minibatches of each classifier's training; the learning rate falls linearly to 0 over them
    batch: int = 100
    lr: float = 3e-3  # Adam's
    width: int = 64  # of the network's hidden layer
    sides: tuple[int, ...] = (7, 14, 28)  # of the images: n is their square
    epsilon: float = 0.25  # of the picture, and of the sum |w|_1: the published one
    exact: float = 1e-6  # what the margin loses is epsilon |w|_1 within so much, in float64, for each image; ...
    formula: float = 1e-3  # ... and the epsilon that turns half is that of the formula, within this share;
    good: float = 5.0  # each classifier errs in at most so many per cent;
    steepest: float = -0.75  # the exponent of n is nearer to -1/2 than to -1, the paper's for an m that stays the same, ...
    flattest: float = -0.25  # ... and nearer than to 0, where the number of pixels is no reason


QUICK = {"seeds": 1, "steps": 150}
PAIR = (3, 7)
MODELS = {"linear": "logistic regression", "network": "ReLU network"}
IMAGES = {"pooled": "pooled", "enlarged": "7 x 7, enlarged"}
HALVINGS = 24  # of the interval from 0 to MOST in which the epsilon lies
MOST = 4.0


def main(argv: list[str] | None = None) -> None:
    """Train, look for the epsilon, draw."""
    options = digits.options(__doc__)
    options.add_argument("--steps", type=positive_number, help="minibatches of each training (default: see the settings)")
    args = start(options, argv, "dimension", Settings())
    settings = settings_of(args, replace(Settings(), **QUICK) if args.quick else Settings())
    whole, settings = settings.steps, replace(settings, steps=args.steps or settings.steps)
    claim = Claim(args, {"data": args.data, **asdict(settings)})
    claim.short = claim.short or ("SHORT RUN" if settings.steps < whole else "")  # a training of its own, to its own end
    x, y, (test_x, test_y) = digits.load(args, 10_000)
    tasks = {f"seed {seed}": (seed,) for seed in range(args.seed, args.seed + settings.seeds)}
    steps = len(tasks) * len(IMAGES) * len(MODELS) * len(settings.sides) * settings.steps
    runs = each(experiment, tasks, settings, *of_the_pair(x, y), *of_the_pair(test_x, test_y), steps=steps)
    measure(claim, runs, settings)
    claim.show(draw_exponents(runs, settings), "dimension", said(claim.metrics, settings))
    model = linear(settings.sides[-1])
    model.model.load_state_dict(runs[0]["weights"])
    claim.show(draw_signs(model, *of_the_pair(test_x, test_y), settings), "signs", in_the_signs(claim.metrics, settings))
    write_history(args, runs[0]["history"])
    claim.finish()


def found(m: dict[str, float]) -> str:
    """What the figures come to, for README."""
    powers = ", ".join(f"{label} {m[f'{name}: exponent of n']:.2f}" for name, label in MODELS.items())
    control = ", ".join(f"{m[f'{name}: exponent of n, enlarged']:+.2f}" for name in MODELS)
    return (
        f"FGSM takes $\\epsilon \\Vert w \\Vert_1$ off a linear model's margin, within "
        f"{at_most(m['margin lost - epsilon |w|_1, worst image'])}; the $\\epsilon$ that turns half of the images falls from "
        f"{m['linear: epsilon at 7 x 7']:.3f} at 7 x 7 pixels to {m['linear: epsilon at 28 x 28']:.3f} at 28 x 28: "
        f"exponents of n: {powers} (1 / sqrt(n): -0.5); of enlarged images: {control}"
    )


def said(m: dict[str, float], settings: Settings) -> str:
    """What the lines show."""
    powers = " and ".join(f"{m[f'{name}: exponent of n']:.2f} ({label})" for name, label in MODELS.items())
    control = " and ".join(f"{m[f'{name}: exponent of n, enlarged']:+.2f}" for name in MODELS)
    return f"The $\\epsilon$ that turns half of the images goes like n to the power {powers};\nenlarged images: {control}"


def in_the_signs(m: dict[str, float], settings: Settings) -> str:
    """What the digits show."""
    gone = m[f"epsilon |w|_1 at {settings.epsilon:g}"]
    return (
        f"A step of {settings.epsilon:g} in each pixel takes {settings.epsilon:g} $|w|_1$ = {gone:.1f} off the margin;\n"
        f"half of the images have less than {m['linear: median margin']:.1f}"
    )


# --- the images and the models ------------------------------------------------------------------------------------------


def of_the_pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images of the two digits, and 0 for the first, 1 for the second."""
    return linear(28).take(x, y)


def pooled(x: np.ndarray, side: int) -> np.ndarray:
    """(n, 1, 28, 28) images in squares' means: (n, 1, side, side)."""
    k = x.shape[-1] // side
    return x.reshape(len(x), 1, side, k, side, k).mean(axis=(3, 5))


def enlarged(x: np.ndarray, side: int) -> np.ndarray:
    """The images pooled to 7 x 7, each of whose pixels is repeated in a square: no more details, but side^2 pixels."""
    return pooled(x, 7).repeat(side // 7, axis=2).repeat(side // 7, axis=3)


def linear(side: int) -> Classifier:
    """Logistic regression: one logit, w.x + b.

    w begins at 0: at a pixel that is always black it stays what it was, and would count in |w|_1.
    """
    dense = nn.Dense(side * side, 1, weight_init=init.zeros)
    return Classifier(nn.Sequential(nn.Flatten(), dense, nn.Reshape()), losses.log_loss_with_logits, PAIR)


def network(side: int, width: int) -> Classifier:
    """A hidden layer of ReLUs, and one logit."""
    layers = nn.Flatten(), nn.Dense(side * side, width), nn.ReLU(), nn.Dense(width, 1), nn.Reshape()
    return Classifier(nn.Sequential(*layers), losses.log_loss_with_logits, PAIR)


def weights(classifier: Classifier) -> np.ndarray:
    """w of the linear model, in float64."""
    return classifier.model[1].weight.numpy()[:, 0].astype(np.float64)


def in_float64(classifier: Classifier) -> Classifier:
    """The same model with float64 parameters."""
    for p in classifier.model.parameters():
        p.data = p.data.astype("float64")
    return classifier


# --- the figures --------------------------------------------------------------------------------------------------------


def experiment(seed: int, s: Settings, x, y, test_x, test_y) -> dict:
    """Train a model of each kind on images of each size, pooled and enlarged: errors, epsilons, and what else is said of w."""
    run, histories = {}, []
    for images, resize in (("pooled", pooled), ("enlarged", enlarged)):
        for name in MODELS:
            run[images, name] = {"error": [], "epsilon": []}
            for side in s.sides:
                mg.seed(seed)
                model = linear(side) if name == "linear" else network(side, s.width)
                how = f"{name} of {images} {side} x {side}", s.steps, s.batch, s.lr
                histories.append(classifiers.train(model, resize(x, side), y, *how))
                mine, found = resize(test_x, side), run[images, name]
                found["error"].append(mistakes(model, mine, test_y)["error"])
                found["epsilon"].append(turns_half(model, mine))
                if name == "linear" and images == "pooled":
                    run.setdefault("linear", []).append(of_the_linear(model, mine, test_y, s.epsilon))
                    state = model.model.state_dict()
    return {"models": [[run[i, n] for n in MODELS] for i in IMAGES], "linear": run["linear"], "weights": state} | {
        "history": side_by_side(histories)
    }


def logits(classifier: Classifier, x: np.ndarray) -> np.ndarray:
    """The model's logit of each image."""
    with nn.eval_mode(classifier.model), no_grad():
        return classifiers.in_parts(lambda part: classifier.model(Tensor(part)).numpy(), x)


def less_margin(v: Tensor, y: np.ndarray) -> Tensor:
    """A loss with the log-loss's signs: -v for class 1, v for class 0.

    The log-loss's gradient is sigma(-|v|), which float32 rounds to 0 where a model is too sure; sign(0) is no attack.
    """
    return mean((1 - 2 * y.astype(np.float32)) * v)


def turns_half(classifier: Classifier, x: np.ndarray) -> float:
    """The epsilon of FGSM that turns half of the images: the model says the other class of the two."""
    says = logits(classifier, x) > 0
    attacked = Classifier(classifier.model, less_margin, classifier.digits)
    low, high = 0.0, MOST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        turned = (logits(classifier, attacked.attacked(x, says, middle, clip=None)) > 0) != says
        low, high = (low, middle) if turned.mean() >= 0.5 else (middle, high)
    return high


def of_the_linear(classifier: Classifier, x: np.ndarray, y: np.ndarray, epsilon: float) -> dict[str, float]:
    """How far what FGSM takes off the margins is from epsilon |w|_1; and the parts of |margin| / |w|_1."""
    classifier, w, x = in_float64(classifier), weights(classifier), x.astype(np.float64)
    sign = 2 * y - 1
    before, after = (sign * logits(classifier, images) for images in (x, classifier.attacked(x, y, epsilon, clip=None)))
    one, two, margin = np.abs(w).sum(), np.sqrt((w**2).sum()), np.median(np.abs(before))
    return {
        "off": float(np.abs(before - after - epsilon * one).max()),
        "margin": float(margin),
        "norm": float(one),
        "formula": float(margin / one),
        "distance": float(margin / two),
        "spread": float(one / two),
    }


def exponent(values, settings: Settings) -> float:
    """The slope of the line through log(value) over log(n)."""
    return float(np.polyfit(np.log(np.square(settings.sides)), np.log(values), 1)[0])


def measure(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """Is the sum |w|_1? Does the epsilon fall like 1 / sqrt(n)?"""
    lines = {what: np.array([[row[what] for row in run["linear"]] for run in runs]) for what in runs[0]["linear"][0]}
    claim.at_most("margin lost - epsilon |w|_1, worst image", lines["off"].max(), settings.exact, quick=True)
    claim.note(f"epsilon |w|_1 at {settings.epsilon:g}", settings.epsilon * lines["norm"][0, -1])
    claim.note("linear: median margin", lines["margin"][0, -1])
    epsilons = np.array([[[m["epsilon"] for m in models] for models in run["models"]] for run in runs])
    errors = np.array([[[m["error"] for m in models] for models in run["models"]] for run in runs])
    off = np.abs(epsilons[:, 0, 0] / lines["formula"] - 1).max()
    claim.at_most("linear: epsilon beside |margin| / |w|_1, worst share", off, settings.formula, quick=True)
    claim.at_most("errors, %, worst seed and size", errors.max(), settings.good)
    for j, name in enumerate(MODELS):
        for i, side in enumerate(settings.sides):
            claim.note(f"{name}: error at {side} x {side}, %", errors[:, 0, j, i].mean())
            claim.note(f"{name}: epsilon at {side} x {side}", epsilons[:, 0, j, i].mean())
        slopes, control = ([exponent(e, settings) for e in epsilons[:, i, j]] for i in range(2))
        claim.note(f"{name}: exponent of n", np.mean(slopes), "1 / sqrt(n): -0.5")
        claim.at_least(f"{name}: exponent of n, steepest seed", min(slopes), settings.steepest)
        claim.at_most(f"{name}: exponent of n, flattest seed", max(slopes), settings.flattest)
        claim.note(f"{name}: exponent of n, enlarged", np.mean(control), "reported: the control")
    for what, words in (("distance", "|margin| / |w|_2"), ("spread", "|w|_1 / |w|_2")):
        slopes = [exponent(values, settings) for values in lines[what]]
        claim.note(f"linear: exponent of {words}", np.mean(slopes), "reported: epsilon is the first by the second")


# --- the pictures -------------------------------------------------------------------------------------------------------


def draw_exponents(runs: list[dict], settings: Settings) -> plt.Figure:
    """The epsilon that turns half of the images, over n, in logarithms; and 1 / sqrt(n) from the first point on."""
    figure, panels = slide(1, 2, height=5.8, sharex=True, sharey=True)
    n = np.square(settings.sides)
    for j, (axes, label) in enumerate(zip(panels, MODELS.values(), strict=True)):
        for i, (images, style) in enumerate(zip(IMAGES.values(), ("-", ":"), strict=True)):
            lines = np.array([run["models"][i][j]["epsilon"] for run in runs])
            for line in lines:
                axes.plot(n, line, style, color=OTHERS[i], alpha=0.3, linewidth=1)
            axes.plot(n, lines.mean(axis=0), style, color=OTHERS[i], marker=MARKERS[i], label=images)
            if i == 0:
                axes.plot(n, lines.mean(axis=0)[0] * (n[0] / n) ** 0.5, "--", color="black", label="$1 / \\sqrt{n}$")
        axes.set(xscale="log", yscale="log", xlabel="$n$, pixels", title=label)
        axes.set_xticks(n, [f"{side}²\n= {side * side}" for side in settings.sides])
        axes.minorticks_off()
    ticks = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    panels[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panels[0].set_ylabel("$\\epsilon$ that turns half of the images")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_signs(model: Classifier, x: np.ndarray, y: np.ndarray, settings: Settings) -> plt.Figure:
    """For an image of each digit: the image, the weights, their sign, and the image after the step; what the model says."""
    figure, panels = slide(2, 4)
    w, e = weights(model).reshape(28, 28), settings.epsilon
    names = ["image $x$", "weights $w$", "sign($w$)", f"$x$ ± {e:g} sign($w$)"]
    for row, label in zip(panels, (0, 1), strict=True):
        image = x[y == label][:1]
        after = model.attacked(image, y[y == label][:1], e, clip=None)
        reach = np.abs(w).max()
        pictures = [(image[0, 0], "gray", (0, 1)), (w, OPINION, (-reach, reach)), (np.sign(w), OPINION, (-1, 1))]
        pictures.append((after[0, 0], "gray", (-e, 1 + e)))
        for axes, name, (pixels, colours, (low, high)) in zip(row, names, pictures, strict=True):
            axes.imshow(pixels, cmap=colours, vmin=low, vmax=high)
            axes.set(xticks=[], yticks=[])
            axes.set_title(name if label == 0 else "")
        for axes, images in ((row[0], image), (row[3], after)):
            v = float(logits(model, images)[0])
            right = (v > 0) == (label == 1)
            mark, colour = ("✓", RIGHT) if right else ("✗", WRONG)
            axes.set_xlabel(f"{mark} {PAIR[int(v > 0)]}:  $w \\cdot x + b$ = {v:+.1f}", color=colour)
        row[1].set_xlabel(f"$|w|_1$ = {np.abs(w).sum():.0f}" if label == 0 else "blue: for 7, orange: for 3")
        row[2].set_xlabel(f"${'+-'[label]}$ {e:g} of it: {'+-'[label]}{e * np.abs(w).sum():.1f}")
    return figure


if __name__ == "__main__":
    main()
