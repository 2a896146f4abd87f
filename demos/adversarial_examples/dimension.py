"""Why small changes suffice: FGSM lowers a linear model's margin by epsilon |w|_1, a sum of n small changes.

Slide: "Why small changes?" (IT3320E, lecture 10)

    w.(x + eta) = w.x + w.eta,  eta = epsilon sign(w):   w.eta = epsilon |w|_1        (Goodfellow et al. 2015, section 3)

Random signs partly cancel, and change w.x by about epsilon |w|_2: FGSM changes it |w|_1 / |w|_2 times as much, at most sqrt(n)
times. Does the epsilon that turns half of the images (that changes the model's answer) fall like 1 / sqrt(n)? The models
separate 3s from 7s at 7 x 7, 14 x 14 and 28 x 28 pixels. Pooling removes details together with pixels. So there are two
controls: pooled images, and images whose details are those of 7 x 7, each pixel repeated. Means are over the seeds.

What to look for: in signs.png, the change that turns digits is not like a digit. In dimension.png, which lines fall like the
dotted one? Those of untrained networks do. After training, the dependence is weaker where pixels are repeated, and weaker still
with weight decay (as Simon-Gabriel et al. 2019 find). Does a convolutional network keep more of it than a dense one? Where more
pixels show more details, it nearly vanishes: the distance |margin| / |w|_2 grows about as fast as |w|_1 / |w|_2 (Tanay and
Griffin 2016). Copies of a pixel have equal gradients, so training keeps the differences of their first weights. The logit of no
digit depends on them, but FGSM uses them. Weight decay removes them.
"""

from dataclasses import dataclass, replace
from itertools import product

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
from demos.kit.style import MARKERS, OPINION, SERIES, slide
from minigan import Tensor, losses, nn, no_grad
from minigan.nn import init


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    seeds: int = 3
    steps: int = 1000  # minibatches of each classifier's training; the learning rate falls linearly to 0 over them
    batch: int = 100
    lr: float = 3e-3  # Adam's
    decay: float = 1e-3  # weight of |w|^2 in the loss, where there is weight decay
    width: int = 64  # of the dense network's hidden layer
    channels: int = 8  # of the convolutional network's first layer
    sides: tuple[int, ...] = (7, 14, 28)  # of the images: n is their square
    networks: int = 60  # untrained, for each side: a single one is far from the mean
    few: int = 50  # images for each untrained network
    epsilon: float = 0.25  # of the picture, and of the sum |w|_1: the published one
    exact: float = 1e-6  # a margin's loss equals epsilon |w|_1 within this, in float64; ...
    formula: float = 1e-3  # ... and the epsilon that turns half equals the formula's, within this share
    good: float = 5.0  # %: most error of each classifier
    steepest: float = -0.75  # 1 / sqrt(n): the exponent is nearer to -1/2 than to -1 (the paper's, for constant m), ...
    flattest: float = -0.25  # ... and than to 0 (no dependence)
    persists: float = -0.05  # after training, pixels repeated: a tenth of 1 / sqrt(n)'s exponent is left, ...
    weaker: float = 0.6  # ... and with weight decay at most this share of what was left


QUICK = {"seeds": 1, "steps": 150, "networks": 3}

VERDICT = (
    "True, but training weakens it: where more pixels show the same details, a smaller step fools a network, "
    "less so after training, and least with weight decay."
)
FINDING = (
    "At 28 x 28 pixels, FGSM changes a linear model's margin {pooled, linear: |w|_1 / |w|_2 at 28 x 28|.0f} times as much as "
    "random signs do. The $\\epsilon$ that changes the class of half of the images goes like "
    "$n^{{{repeated, untrained: exponent of epsilon|z.2f}}}$ in untrained networks on repeated pixels; after training like "
    "$n^{{{repeated, network: exponent of epsilon|z.2f}}}$ if pixels are repeated (with weight decay "
    "$n^{{{repeated, decayed: exponent of epsilon|z.2f}}}$, with convolutions "
    "$n^{{{repeated, conv: exponent of epsilon|z.2f}}}$), like $n^{{{pooled, network: exponent of epsilon|z.2f}}}$ "
    "(convolutions: $n^{{{pooled, conv: exponent of epsilon|z.2f}}}$) if they add details."
)
IN_LINES = (
    "The $\\epsilon$ that turns half of the images, by a network: like $n^{{{repeated, untrained: exponent of epsilon|z.2f}}}$ "
    "untrained;\ntrained, like $n^{{{pooled, network: exponent of epsilon|z.2f}}}$ if pixels add details, "
    "$n^{{{repeated, network: exponent of epsilon|z.2f}}}$ if not, $n^{{{repeated, decayed: exponent of epsilon|z.2f}}}$ with "
    "weight decay"
)
IN_SIGNS = (
    "A step of EPSILON in each pixel takes EPSILON $|w|_1$ = {epsilon |w|_1 at EPSILON|.1f} off the margin;\n"
    "half of the images have less than {pooled, linear: median margin|.1f}"
)

PAIR = (3, 7)
COARSE = 7  # pixels a side of the repeated images' details
CLASSES = (0, 1)  # the models' labels
TRAINED = {
    "linear": "logistic regression",
    "network": "dense network",
    "decayed": "dense, weight decay",
    "conv": "convolutional",
}
MODELS = TRAINED | {"untrained": "dense, untrained"}
RATIOS = {name: "|w|_1 / |w|_2" if name == "linear" else "|g|_1 / |g|_2" for name in MODELS}
SHOWN = 1  # image of each digit, in the picture
HALVINGS = 24  # of the interval from 0 to MOST, which contains the epsilon
MOST = 4.0


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, settings: Settings) -> None:
    """Train, look for the epsilon, draw."""
    x, y, (test_x, test_y) = digits.load(claim.args, 10_000)
    different = len(IMAGES) * len(settings.sides) - 1  # kinds and sizes: at the first, there is nothing to repeat
    steps = different * (len(TRAINED) * settings.steps + settings.networks)
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


def repeated(x: np.ndarray, side: int) -> np.ndarray:
    """(n, 1, 28, 28) -> (n, 1, side, side): the means over squares at 7 x 7, each repeated."""
    small = pooled(x, COARSE)
    return small.repeat(side // COARSE, axis=2).repeat(side // COARSE, axis=3)


IMAGES = {"pooled": pooled, "repeated": repeated}


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


def convolutional(side: int, channels: int) -> Classifier:
    """Two convolutions, each with stride 2 and ReLUs, and one logit."""
    first, second = nn.Conv2d(1, channels, 4, stride=2, padding=1), nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
    places = ((side // 2 + 1) // 2) ** 2  # after both
    layers = first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Dense(2 * channels * places, 1), nn.Reshape()
    return Classifier(nn.Sequential(*layers), losses.log_loss_with_logits, CLASSES)


def make_model(name: str, side: int, s: Settings) -> Classifier:
    """The model of this name, before its training."""
    if name == "linear":
        return linear(side)
    return convolutional(side, s.channels) if name == "conv" else network(side, s.width)


def weights(classifier: Classifier) -> np.ndarray:
    """w of the linear model, in float64."""
    return classifier.model[1].weight.numpy()[:, 0].astype(np.float64)


def decaying(classifier: Classifier, decay: float) -> classifiers.Objective:
    """The loss with weight decay: plus decay |w|^2, w all weights without the biases."""

    def objective(model, x, y):
        weights = [layer.weight for layer in model if isinstance(layer, nn.Dense)]
        return classifier.loss(model(Tensor(x)), y) + decay * sum(mg.sum(w**2) for w in weights)

    return objective


def experiment(seed: int, s: Settings, x, y, test_x, test_y) -> dict:
    """Train a model of each kind on images of each kind and size: errors, epsilons, and properties of w."""
    mg.seed(seed)
    found = {kind: {name: {"error": [], "epsilon": [], "spread": []} for name in MODELS} for kind in IMAGES}
    parts, histories, state = [], [], {}
    for (kind, make), side in product(IMAGES.items(), s.sides):
        if kind == "repeated" and side == COARSE:  # the same images: the same models
            for name, of_model in found[kind].items():
                for what, values in of_model.items():
                    values += found["pooled"][name][what][:1]
            continue
        small, test = make(x, side), make(test_x, side)
        for name in TRAINED:
            model = make_model(name, side, s)
            objective = decaying(model, s.decay) if name == "decayed" else None
            where = f"{kind}, {name} {side} x {side}"
            histories.append(classifiers.train(model, small, y, where, s.steps, s.batch, s.lr, objective))
            row = found[kind][name]
            row["error"].append(mistakes(model, test, test_y)["error"])
            row["epsilon"].append(turns_half(model, test))
            row["spread"].append(spread(model, test))
            if (kind, name) == ("pooled", "linear"):
                state = model.model.state_dict()
                parts.append(of_the_linear(model, test, test_y, s.epsilon))
        for what, values in of_the_untrained(test[: s.few], f"{kind}, {side} x {side}", side, s).items():
            found[kind]["untrained"][what].append(float(np.exp(np.log(values).mean())))
    return {"models": found, "parts": parts, "weights": state, "history": side_by_side(histories)}


def of_the_untrained(x: np.ndarray, where: str, side: int, s: Settings) -> dict[str, list[float]]:
    """The metrics of several networks at their initialisation."""
    found = {"epsilon": [], "spread": []}
    for _ in resumable(range(s.networks), f"untrained, {where}", found=found):
        model = network(side, s.width)
        found["epsilon"].append(turns_half(model, x))
        found["spread"].append(spread(model, x))
    return found


def logits(classifier: Classifier, x: np.ndarray) -> np.ndarray:
    """The model's logit of each image."""
    with nn.eval_mode(classifier.model), no_grad():
        return classifiers.in_parts(lambda part: classifier.model(Tensor(part)).numpy(), x)


def turns_half(classifier: Classifier, x: np.ndarray) -> float:
    """The epsilon of FGSM that turns half of the images: the model chooses the other class."""
    says = logits(classifier, x) > 0
    attacked = replace(classifier, loss=classifiers.wrongness).attacked(x, says, MOST, clip=None)
    step = np.sign(attacked - x)  # the same for each epsilon
    low, high = 0.0, MOST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        turned = (logits(classifier, x + np.float32(middle) * step) > 0) != says
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
    claim.note("pooled, linear: median margin", parts["margin"][0, -1])
    found = {what: {row: of_all(runs, *row, what) for row in product(IMAGES, MODELS)} for what in ("epsilon", "spread")}
    off = np.abs(found["epsilon"]["pooled", "linear"] * parts["norm"] / parts["margin"] - 1).max()
    claim.at_most("linear: epsilon beside |margin| / |w|_1, worst share", off, settings.formula, quick=True)
    errors = np.array([of_all(runs, *row, "error") for row in product(IMAGES, TRAINED)])
    claim.at_most("errors, %, worst model", errors.max(), settings.good)
    low, high = settings.steepest, settings.flattest
    bounds = dict.fromkeys(product(IMAGES, MODELS), (high, -high))  # nearer to 0 than to -1/2, or 1/2
    bounds |= dict.fromkeys(product(IMAGES, ["untrained"]), (low, high))
    bounds |= dict.fromkeys(product(["repeated"], ["linear", "network"]), (high, settings.persists))
    bounds["repeated", "conv"] = (low, settings.persists)  # as the paper says: it persists, and is not steeper than untrained
    falls = {row: [exponent(values, settings) for values in of_row] for row, of_row in found["epsilon"].items()}
    grows = {row: [exponent(values, settings) for values in of_row] for row, of_row in found["spread"].items()}
    for kind, name in product(IMAGES, MODELS):
        ratio = f"{kind}, {name}: {RATIOS[name]}"
        for i, side in enumerate(settings.sides):
            claim.note(f"{kind}, {name}: epsilon at {side} x {side}", found["epsilon"][kind, name][:, i].mean())
            claim.note(f"{ratio} at {side} x {side}", found["spread"][kind, name][:, i].mean())
        claim.note(f"{ratio}, exponent", np.mean(grows[kind, name]))
        between_all(claim, f"{kind}, {name}: exponent of epsilon", falls[kind, name], *bounds[kind, name])
    between_all(claim, "ratios of the norms: exponent", np.concatenate([*grows.values()]), -high, -low)
    shares = np.divide(falls["repeated", "decayed"], falls["repeated", "network"])
    claim.at_most("repeated: exponent of epsilon with weight decay / without, worst", shares.max(), settings.weaker)
    distances = [exponent(values, settings) for values in parts["distance"]]
    claim.note("pooled, linear: exponent of |margin| / |w|_2", np.mean(distances), "reported: what makes up for it")


def of_all(runs: list[dict], kind: str, name: str, what: str) -> np.ndarray:
    """A metric of a model on images of this kind: (seeds, sides)."""
    return np.array([run["models"][kind][name][what] for run in runs])


def between_all(claim: Claim, name: str, values: list[float], low: float, high: float) -> None:
    """The mean over the seeds, and bounds for each seed."""
    claim.note(name, np.mean(values))
    claim.at_least(f"{name}, lowest", min(values), low)
    claim.at_most(f"{name}, highest", max(values), high)


def draw_lines(runs: list[dict], settings: Settings) -> plt.Figure:
    """The epsilon that turns half of the images against n, on logarithmic scales, for both kinds of images."""
    figure, panels = slide(1, 2, height=5.6, sharey=True)
    n, titles = np.square(settings.sides), ("pooled: more pixels show more details", "repeated: more pixels, no new details")
    for axes, kind, title in zip(panels, IMAGES, titles, strict=True):
        looks = zip(MODELS.items(), SERIES, MARKERS, ("-", "--", "-.", "-", (0, (3, 1, 1, 1, 1, 1))), strict=False)
        for (name, label), colour, marker, style in looks:
            lines = of_all(runs, kind, name, "epsilon")
            axes.plot(n, lines.T, linestyle=style, color=colour, alpha=0.3, linewidth=1)
            axes.plot(n, lines.mean(axis=0), linestyle=style, color=colour, marker=marker, label=label)
        start = 0.8 * min(of_all(runs, kind, name, "epsilon")[:, 0].mean() for name in MODELS)  # below the lines
        axes.plot(n, start * (n / n[0]) ** -0.5, ":", color="black", label="$1 / \\sqrt{n}$")
        axes.set(xscale="log", yscale="log", xlabel="$n$, pixels", title=title)
        axes.set_xticks(n, [f"{side} x {side}" for side in settings.sides])
        axes.set_yticks((0.01, 0.02, 0.05, 0.1), ("0.01", "0.02", "0.05", "0.1"))
        axes.minorticks_off()
    panels[0].set_ylabel("$\\epsilon$ that turns half of the images")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize="small")
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
