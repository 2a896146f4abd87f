"""With few labels, deep sigmoid networks make fewer errors if each layer first learns, alone, to reconstruct unlabelled digits.

Slide: "Unsupervised approach for learning a lower-dimensional feature representation from unlabeled training data"; "Stacked
auto-encoders: Bengio et al., Greedy Layer-Wise Training of Deep Networks, NIPS 2006" (Security and Fairness of Deep Learning,
CMU)

    h_0 = x,  h_l = s(W_l h_(l-1) + b_l)        layer l alone: V_l s(W_l h~ + b_l) + c_l reconstructs h_(l-1), without labels

h~ is h_(l-1) with a quarter of its entries set to 0 (a denoising autoencoder). The training with labels starts from the learnt
W_l, b_l, or from random weights, with the same labels, minibatches, learning rate and number of steps: each seed gives a pair.

What to look for: the errors on unseen digits against the number of labels, with sigmoids and with ReLUs; and the weights of the
first layer's units, which become strokes. Random weights learn, too: they make no error on the labelled digits.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.generative_models import autoencoders
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.pictures import sheet, strokes
from demos.kit.style import OTHERS, slide
from minigan import Tensor, losses, nn
from minigan.backend import random_numbers


@dataclass
class Settings:
    unlabelled: int = 10_000  # images
    width: int = 256  # of each hidden layer
    depth: int = 3  # hidden layers
    corruption: float = 0.25  # share of a layer's inputs that are set to 0
    pretraining_steps: int = 600  # for each layer
    steps: int = 500  # with labels
    batch: int = 100
    lr: float = 4e-3  # Adam's, without and with labels; falls to 0
    labels: tuple[int, ...] = (100, 600, 3000)
    seeds: int = 6


QUICK = {"unlabelled": 2000, "width": 128, "depth": 5, "pretraining_steps": 200, "steps": 100, "labels": (100, 300), "seeds": 1}
VERDICT = "True, but pretraining gains much only where labels are few, and less with ReLUs than with sigmoids."
ERRORS = (  # with n labels
    "{n:,} labels: sigmoids {{sigmoid, {n} labels, pretrained: errors (%)|.1f}}, not "
    "{{sigmoid, {n} labels, random: errors (%)|.1f}} % ({{sigmoid, {n} labels: change of errors (points)|lower}}); ReLUs "
    "{{ReLU, {n} labels, pretrained: errors (%)|.1f}}, not {{ReLU, {n} labels, random: errors (%)|.1f}} % "
    "({{ReLU, {n} labels: change of errors (points)|lower}})"
)
FINDING = (
    f"Errors on unseen digits after pretraining (means of 6 seeds), {ERRORS.format(n=100)}. "
    "With {most labels|,.0f} labels, at most half of the gain is left."
)

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "ReLU": nn.ReLU}
STARTS = {"random": ("random weights", OTHERS[3], "s--"), "pretrained": ("pretrained", OTHERS[0], "o-")}
SHOWN = 64  # units of the first layer, in the picture


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    x, y, unseen = digits.load(claim.args)
    steps = len(ACTIVATIONS) * (s.depth * s.pretraining_steps + len(STARTS) * len(s.labels) * s.steps)
    runs = over_kinds(claim, from_both_starts, ACTIVATIONS, s.seeds, x, y, unseen, s, steps=s.seeds * steps)
    measure(claim, runs, s)
    few, many = (claim.words(ERRORS.format(n=n)) for n in (s.labels[0], s.labels[-1]))
    claim.show(picture(runs, s), "pretraining", f"Errors, pretrained, {few}\n{many}")


def network(units: str, s: Settings) -> nn.Sequential:
    """Hidden layers of these units, and ten logits."""
    sizes = [autoencoders.PIXELS, *[s.width] * s.depth, 10]
    return nn.Sequential(nn.Flatten(), *autoencoders.dense(*sizes, activation=ACTIVATIONS[units]))


def pretrain(model: nn.Sequential, x: np.ndarray, s: Settings, name: str) -> None:
    """One hidden layer after the other learns to encode the output of the layers below it."""
    h, rng = x.reshape(len(x), -1), random_numbers.spawn()
    for l in range(s.depth):
        layer, activation = model[1 + 2 * l], model[2 + 2 * l]
        encoder, decoder = nn.Sequential(layer, activation), nn.Dense(*layer.weight.shape[::-1])
        in_01 = l == 0 or isinstance(activation, nn.Sigmoid)  # pixels are in [0, 1] as well
        loss = losses.log_loss_with_logits if in_01 else losses.mse

        def objective(h, encoder=encoder, decoder=decoder, loss=loss):
            seen = h * (rng.random(h.shape) >= s.corruption).astype(h.dtype)
            return (loss(decoder(encoder(Tensor(seen))), Tensor(h)),)

        label = f"{name}, layer {l + 1}"
        autoencoders.train(objective, [layer, decoder], [h], label, s.pretraining_steps, s.batch, s.lr, rng=rng)
        h = autoencoders.encode(encoder, h)


def finetune(model: nn.Sequential, x: np.ndarray, y: np.ndarray, s: Settings, name: str) -> None:
    """Train all layers with labels."""
    mg.seed(0)  # the same minibatches from either start
    autoencoders.train(
        lambda x, y: (losses.cross_entropy(model(Tensor(x)), y),), [model], [x, y], name, s.steps, min(s.batch, len(x)), s.lr
    )


def wrong(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Errors, in per cent."""
    return 100 * float((autoencoders.encode(model, x).argmax(axis=1) != y).mean())


def from_both_starts(units: str, seed: int, x: np.ndarray, y: np.ndarray, unseen: tuple, s: Settings) -> dict:
    """Errors on unseen and on labelled digits, by start and number of labels; the first layer's weights at each start."""
    mg.seed(seed)
    order = random_numbers.spawn().permutation(len(x))
    x, y = x[order], y[order]
    model = network(units, s)
    states = {"random": model.state_dict()}
    pretrain(model, x[: s.unlabelled], s, f"{units}, seed {seed}")
    states["pretrained"] = model.state_dict()
    found = {"weights": {name: state["layers.1.weight"][:, :SHOWN] for name, state in states.items()}}
    for name, n in product(STARTS, s.labels):
        model.load_state_dict(states[name])
        finetune(model, x[:n], y[:n], s, f"{units}, seed {seed}, {name}, {n} labels")
        found[name, n] = wrong(model, *unseen), wrong(model, x[:n], y[:n])
    return found


def measure(claim: Claim, runs: dict[str, list[dict]], s: Settings) -> None:
    """The errors and their change by pretraining, seed by seed: large with the fewest labels, small with the most."""
    few, many = s.labels[0], s.labels[-1]
    claim.note("layers", s.depth)
    claim.note("fewest labels", few)
    claim.note("most labels", many)
    for (units, trainings), n in product(runs.items(), s.labels):
        errors = {name: [run[name, n][0] for run in trainings] for name in STARTS}
        for name in STARTS:
            claim.note(f"{units}, {n} labels, {name}: errors (%)", np.mean(errors[name]), "mean over the seeds")
        helped = compare(errors["pretrained"], errors["random"], paired=True)
        claim.compare(change(units, n), helped, {HELPS} if n == few else None)
    for units, trainings in runs.items():
        most, least = (abs(claim.metrics[change(units, n)]) for n in (few, many))
        claim.note(f"{units}: change with {many} labels", least, f"at most half of that with {few}", least <= most / 2)
        known = max(run[name, few][1] for run in trainings for name in STARTS)
        claim.at_most(f"{units}, {few} labels: errors on these (%), worst seed", known, 1)
    better = sum(run["pretrained", few][0] < run["random", few][0] for run in runs["sigmoid"])
    claim.at_least(f"sigmoid, {few} labels: seeds that gain, of {s.seeds}", better, max(1, s.seeds - 1), quick=True)
    ends = [abs(claim.metrics[f"{change('ReLU', many)} {end}"]) for end in ("low", "high")]
    claim.at_most(f"ReLU, {many} labels: farther end of the interval", max(ends), 1)


def change(units: str, n: float) -> str:
    """The name of the metric for the change by pretraining."""
    return f"{units}, {n:.0f} labels: change of errors (points)"


def picture(runs: dict[str, list[dict]], s: Settings) -> Figure:
    """Errors against the number of labels, a point for each seed; below, the first layer's weights at both starts."""
    figure, places = slide(2, 2, height_ratios=(5, 3))
    top = 1.1 * max(run[key][0] for trainings in runs.values() for run in trainings for key in product(STARTS, s.labels))
    for axes, (units, trainings) in zip(places[0], runs.items(), strict=True):
        for name, (label, colour, style) in STARTS.items():
            errors = np.array([[run[name, n][0] for n in s.labels] for run in trainings])  # (seeds, numbers of labels)
            axes.semilogx(s.labels, errors.mean(axis=0), style, color=colour, label=label)
            axes.semilogx(s.labels, errors.T, style[0], color=colour, markersize=4, alpha=0.6)
        axes.set(title=f"{s.depth} layers of {units}s", xlabel="labels", ylabel="errors, unseen digits (%)", ylim=(0, top))
        axes.set_xticks(s.labels, [f"{n:,}" for n in s.labels])
        axes.minorticks_off()
        axes.legend(loc="upper right")
    for axes, (name, weights) in zip(places[1], runs["sigmoid"][0]["weights"].items(), strict=True):
        axes.imshow(sheet(strokes(weights), SHOWN // 4), cmap="gray", vmin=0, vmax=1)
        axes.set(title=f"{SHOWN} units of the first layer, sigmoids: {STARTS[name][0]}", xticks=[], yticks=[])
    return figure
