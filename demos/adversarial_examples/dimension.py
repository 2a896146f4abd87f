"""Why small changes suffice: FGSM lowers a linear model's margin by epsilon |w|_1, a sum of n small changes.

Slide: "Why small changes?" (IT3320E, lecture 10)

    w.(x + eta) = w.x + w.eta,  eta = epsilon sign(w):   w.eta = epsilon |w|_1        (Goodfellow et al. 2015, section 3)

Random signs partly cancel, and change w.x by about epsilon |w|_2: FGSM changes it |w|_1 / |w|_2 times as much, at most sqrt(n)
times. Does the epsilon that turns half of the images (that changes the model's answer) fall like 1 / sqrt(n)? The models
separate 3s from 7s at 7 x 7, 14 x 14 and 28 x 28 pixels. Means are over the seeds.

What to look for: in signs.png, the change that turns digits is not like a digit. In dimension.png, which lines are parallel to
the dotted ones? Those of untrained networks are. Those of trained models are not: their distance |margin| / |w|_2 grows about
as fast as |w|_1 / |w|_2 (Tanay and Griffin 2016). But pooling removes details together with pixels, so this does not show that
the number does not matter. With the details fixed, Simon-Gabriel et al. (2019) find a weaker dependence after training.
"""

from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.adversarial_examples.comparing import draw_rows, in_grey, side_by_side
from demos.kit import classifiers, digits
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier, mistakes
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.runner.results import write_history
from demos.kit.style import MARKERS, OPINION, OTHERS, slide
from minigan import Tensor, losses, mean, nn, no_grad
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
    networks: int = 100  # untrained, for each side: a single one is far from the mean
    few: int = 200  # images for each untrained network
    epsilon: float = 0.25  # of the picture, and of the sum |w|_1: the published one
    exact: float = 1e-6  # a margin's loss equals epsilon |w|_1 within this, in float64; ...
    formula: float = 1e-3  # ... and the epsilon that turns half equals the formula's, within this share
    good: float = 5.0  # %: most error of each classifier
    steepest: float = -0.75  # 1 / sqrt(n): the exponent is nearer to -1/2 than to -1 (the paper's, for constant m), ...
    flattest: float = -0.25  # ... and than to 0 (no dependence)


QUICK = {"seeds": 1, "steps": 150, "networks": 3}

VERDICT = (
    "True, but only without training: with more pixels, a smaller step fools an untrained network; "
    "models trained on shrunken images do not show it."
)
LIKE = "goes like $n^{{{untrained: exponent of epsilon|z.2f}}}$ in untrained networks"
FINDING = (
    "At 28 x 28 pixels, FGSM changes a linear model's margin {linear: |w|_1 / |w|_2 at 28 x 28|.0f} times as much as random "
    f"signs do. The $\\epsilon$ that turns half of the images {LIKE}, but like "
    "$n^{{{linear: exponent of epsilon|z.2f}}}$ in linear models trained on pooled images."
)
IN_LINES = (
    f"The $\\epsilon$ that turns half of the images {LIKE};\nafter training like "
    "$n^{{{linear: exponent of epsilon|z.2f}}}$ (linear) and $n^{{{network: exponent of epsilon|z.2f}}}$ (network)"
)
IN_SIGNS = (
    "A step of EPSILON in each pixel takes EPSILON $|w|_1$ = {epsilon |w|_1 at EPSILON|.1f} off the margin;\n"
    "half of the images have less than {linear: median margin|.1f}"
)

PAIR = (3, 7)
CLASSES = (0, 1)  # the models' labels
TRAINED = {"linear": "logistic regression", "network": "ReLU network"}
MODELS = TRAINED | {"untrained": "ReLU network, untrained"}
RATIOS = {name: "|w|_1 / |w|_2" if name == "linear" else "|g|_1 / |g|_2" for name in MODELS}
SHOWN = 1  # image of each digit, in the picture
HALVINGS = 24  # of the interval from 0 to MOST, which contains the epsilon
MOST = 4.0


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, settings: Settings) -> None:
    """Train, look for the epsilon, draw."""
    x, y, (test_x, test_y) = digits.load(claim.args, 10_000)
    steps = len(settings.sides) * (len(TRAINED) * settings.steps + settings.networks)
    runs = over_seeds(claim, experiment, settings, *of_the_pair(x, y), *of_the_pair(test_x, test_y), steps=steps)
    measure(claim, runs, settings)
    claim.show(draw_lines(runs, settings), "dimension", claim.words(IN_LINES))
    model = linear(settings.sides[-1])
    model.model.load_state_dict(runs[0]["weights"])
    in_signs = claim.words(IN_SIGNS.replace("EPSILON", f"{settings.epsilon:g}"))
    claim.show(draw_signs(model, *of_the_pair(test_x, test_y), settings), "signs", in_signs)
    write_history(claim.args, runs[0]["history"])


def of_the_pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images of the two digits, and 0 for the first, 1 for the second."""
    return Classifier(nn.Sequential(), digits=PAIR).take(x, y)


def pooled(x: np.ndarray, side: int) -> np.ndarray:
    """(n, 1, 28, 28) -> (n, 1, side, side): means over squares."""
    k = x.shape[-1] // side
    return x.reshape(len(x), 1, side, k, side, k).mean(axis=(3, 5))


def linear(side: int) -> Classifier:
    """Logistic regression: one logit, w.x + b.

    w starts at 0: at pixels that are always black it does not change, and other values would count in |w|_1.
    """
    dense = nn.Dense(side * side, 1, weight_init=init.zeros)
    return Classifier(nn.Sequential(nn.Flatten(), dense, nn.Reshape()), losses.log_loss_with_logits, CLASSES)


def network(side: int, width: int) -> Classifier:
    """A hidden layer of ReLUs, and one logit."""
    layers = nn.Flatten(), nn.Dense(side * side, width), nn.ReLU(), nn.Dense(width, 1), nn.Reshape()
    return Classifier(nn.Sequential(*layers), losses.log_loss_with_logits, CLASSES)


def weights(classifier: Classifier) -> np.ndarray:
    """w of the linear model, in float64."""
    return classifier.model[1].weight.numpy()[:, 0].astype(np.float64)


def experiment(seed: int, s: Settings, x, y, test_x, test_y) -> dict:
    """Train a model of each kind on images of each size: errors, epsilons, and properties of w."""
    mg.seed(seed)
    run = {name: {"error": [], "epsilon": [], "spread": []} for name in MODELS}
    parts, histories, state = [], [], {}
    for side in s.sides:
        small, test = pooled(x, side), pooled(test_x, side)
        for name, model in (("linear", linear(side)), ("network", network(side, s.width))):
            histories.append(classifiers.train(model, small, y, f"{name} {side} x {side}", s.steps, s.batch, s.lr))
            run[name]["error"].append(mistakes(model, test, test_y)["error"])
            run[name]["epsilon"].append(turns_half(model, test))
            run[name]["spread"].append(spread(model, test))
            if name == "linear":
                state = model.model.state_dict()
                parts.append(of_the_linear(model, test, test_y, s.epsilon))
        for what, values in of_the_untrained(test[: s.few], side, s).items():
            run["untrained"][what].append(float(np.exp(np.log(values).mean())))
    return {"models": run, "parts": parts, "weights": state, "history": side_by_side(histories)}


def of_the_untrained(x: np.ndarray, side: int, s: Settings) -> dict[str, list[float]]:
    """The metrics of several networks at their initialisation."""
    found = {"epsilon": [], "spread": []}
    for _ in resumable(range(s.networks), f"untrained {side} x {side}", found=found):
        model = network(side, s.width)
        found["epsilon"].append(turns_half(model, x))
        found["spread"].append(spread(model, x))
    return found


def logits(classifier: Classifier, x: np.ndarray) -> np.ndarray:
    """The model's logit of each image."""
    with nn.eval_mode(classifier.model), no_grad():
        return classifiers.in_parts(lambda part: classifier.model(Tensor(part)).numpy(), x)


def less_margin(v: Tensor, y: np.ndarray) -> Tensor:
    """A loss with the log-loss's signs: -v for class 1, v for class 0.

    The log-loss's gradient is sigma(-|v|). Float32 rounds it to 0 if a model is very sure, and sign(0) does not attack.
    """
    return mean((1 - 2 * y.astype(np.float32)) * v)


def turns_half(classifier: Classifier, x: np.ndarray) -> float:
    """The epsilon of FGSM that turns half of the images: the model chooses the other class."""
    says = logits(classifier, x) > 0
    attacked = replace(classifier, loss=less_margin)
    low, high = 0.0, MOST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        turned = (logits(classifier, attacked.attacked(x, says, middle, clip=None)) > 0) != says
        low, high = (low, middle) if turned.mean() >= 0.5 else (middle, high)
    return high


def spread(classifier: Classifier, x: np.ndarray) -> float:
    """The median over the images of |g|_1 / |g|_2; g is the gradient of the logit by the image (w of a linear model)."""
    with nn.eval_mode(classifier.model):
        image = Tensor(x, requires_grad=True)
        (gradient,) = mg.grad(mg.sum(classifier.model(image)), image)
    g = np.abs(gradient.numpy().reshape(len(x), -1).astype(np.float64))
    return float(np.median(g.sum(axis=1) / np.sqrt((g**2).sum(axis=1))))


def of_the_linear(classifier: Classifier, x: np.ndarray, y: np.ndarray, epsilon: float) -> dict[str, float]:
    """The largest error of epsilon |w|_1 as the margins' loss under FGSM; the parts of |margin| / |w|_1."""
    w, x = weights(classifier), x.astype(np.float64)
    for p in classifier.model.parameters():
        p.data = p.data.astype("float64")
    before, after = ((2 * y - 1) * logits(classifier, z) for z in (x, classifier.attacked(x, y, epsilon, clip=None)))
    norm, margin = np.abs(w).sum(), np.sort(np.abs(before))[(len(before) - 1) // 2]  # half have at most this margin
    off = np.abs(before - after - epsilon * norm).max()
    return {"off": off, "margin": margin, "norm": norm, "distance": margin / np.sqrt((w**2).sum())}


def exponent(values, settings: Settings) -> float:
    """The slope of the line through log(value) over log(n)."""
    return float(np.polyfit(np.log(np.square(settings.sides)), np.log(values), 1)[0])


def measure(claim: Claim, runs: list[dict], settings: Settings) -> None:
    """Is the sum |w|_1? How do the epsilon and the ratio of norms change with the number of pixels?"""
    parts = {what: np.array([[row[what] for row in run["parts"]] for run in runs]) for what in runs[0]["parts"][0]}
    claim.at_most("margin lost - epsilon |w|_1, worst image", parts["off"].max(), settings.exact, quick=True)
    claim.note(f"epsilon |w|_1 at {settings.epsilon:g}", settings.epsilon * parts["norm"][0, -1])
    claim.note("linear: median margin", parts["margin"][0, -1])
    found = {name: {what: of_all(runs, name, what) for what in ("epsilon", "spread")} for name in MODELS}
    off = np.abs(found["linear"]["epsilon"] * parts["norm"] / parts["margin"] - 1).max()
    claim.at_most("linear: epsilon beside |margin| / |w|_1, worst share", off, settings.formula, quick=True)
    errors = np.array([of_all(runs, name, "error") for name in TRAINED])
    claim.at_most("errors, %, worst model", errors.max(), settings.good)
    steepest, flattest = settings.steepest, settings.flattest
    for name in MODELS:
        ratio = f"{name}: {RATIOS[name]}"
        for i, side in enumerate(settings.sides):
            claim.note(f"{name}: epsilon at {side} x {side}", found[name]["epsilon"][:, i].mean())
            claim.note(f"{ratio} at {side} x {side}", found[name]["spread"][:, i].mean())
        grows = [exponent(values, settings) for values in found[name]["spread"]]
        between_all(claim, f"{ratio}, exponent", grows, -flattest, -steepest)
        falls = [exponent(values, settings) for values in found[name]["epsilon"]]
        bounds = (steepest, flattest) if name == "untrained" else (flattest, -flattest)  # nearer to 0 than to -1/2, or 1/2
        between_all(claim, f"{name}: exponent of epsilon", falls, *bounds)
    distances = [exponent(values, settings) for values in parts["distance"]]
    claim.note("linear: exponent of |margin| / |w|_2", np.mean(distances), "reported: what makes up for it")


def of_all(runs: list[dict], name: str, what: str) -> np.ndarray:
    """A metric of a model: (seeds, sides)."""
    return np.array([run["models"][name][what] for run in runs])


def between_all(claim: Claim, name: str, values: list[float], low: float, high: float) -> None:
    """The mean over the seeds, and bounds for each seed."""
    claim.note(name, np.mean(values))
    claim.at_least(f"{name}, lowest", min(values), low)
    claim.at_most(f"{name}, highest", max(values), high)


def draw_lines(runs: list[dict], settings: Settings) -> plt.Figure:
    """Against n, on logarithmic scales: the epsilon that turns half of the images; FGSM's effect over random signs'."""
    figure, panels = slide(1, 2, height=5.6)
    n, looks = np.square(settings.sides), zip(MODELS.items(), OTHERS, MARKERS, ("-", "--", "-."), strict=False)
    for (name, label), colour, marker, style in looks:
        for axes, what in zip(panels, ("epsilon", "spread"), strict=True):
            lines = of_all(runs, name, what)
            axes.plot(n, lines.T, style, color=colour, alpha=0.3, linewidth=1)
            axes.plot(n, lines.mean(axis=0), style, color=colour, marker=marker, label=label)
    for axes, what, power in zip(panels, ("epsilon", "spread"), (-0.5, 0.5), strict=True):
        start = 0.8 * min(of_all(runs, name, what)[:, 0].mean() for name in MODELS)  # below the lines
        axes.plot(n, start * (n / n[0]) ** power, ":", color="black", label="$1 / \\sqrt{n}$ (left), $\\sqrt{n}$ (right)")
        axes.set(xscale="log", yscale="log", xlabel="$n$, pixels")
        axes.set_xticks(n, [f"{side} x {side}" for side in settings.sides])
        axes.minorticks_off()
    for axes, ticks in zip(panels, ((0.01, 0.02, 0.05, 0.1), (5, 10, 20)), strict=True):
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panels[0].set(title="$\\epsilon$ that turns half of the images", ylabel="$\\epsilon$")
    panels[1].set(title="FGSM does so many times what random signs do", ylabel="$|g|_1\\, /\\, |g|_2$  (linear: $g = w$)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_signs(model: Classifier, x: np.ndarray, y: np.ndarray, settings: Settings) -> plt.Figure:
    """The weights, their signs, and images of both digits before and after the step: up for 3s, down for 7s."""
    figure, (left, middle, right) = slide(1, 3, height=5.6, width_ratios=(3, 3, 3))
    w, e = weights(model).reshape(28, 28), settings.epsilon
    norm, reach = np.abs(w).sum(), np.abs(w).max()
    for axes, pixels, most in ((left, w, reach), (middle, np.sign(w), 1)):
        axes.imshow(pixels, cmap=OPINION, vmin=-most, vmax=most)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    left.set(title="weights $w$", xlabel=f"blue: for {PAIR[1]}; orange: for {PAIR[0]}\n$|w|_1$ = {norm:.1f}")
    middle.set(title="sign($w$)", xlabel=f"{e:g} of it in each pixel:\n$w \\cdot x$ changes by {e * norm:.1f}")
    some = np.concatenate([usual(model, x, y == label) for label in CLASSES])
    before, labels = x[some], y[some]
    after = model.attacked(before, labels, e, clip=None)
    rows = {}
    for name, images, grey in (("$x$", before, (0, 1)), (f"$x$ ± {e:g}\nsign($w$)", after, (-e, 1 + e))):
        v = logits(model, images)
        rows[name] = in_grey(images, *grey), [f"{PAIR[int(each > 0)]}: {each:+.1f}" for each in v], list((v > 0) == labels)
    draw_rows(right, rows)
    right.set_title("what the model says, and $w \\cdot x + b$")
    return figure


def usual(model: Classifier, x: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """The indices of those images in `mine` that have the middle logits."""
    places = np.flatnonzero(mine)[np.argsort(logits(model, x[mine]))]
    return places[(len(places) - SHOWN) // 2 :][:SHOWN]
