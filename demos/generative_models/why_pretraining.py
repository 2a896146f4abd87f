"""Why does unsupervised pretraining help? The spread of the errors over seeds, and the errors at equal training loss.

Slide: "Unsupervised pretraining reference: Erhan et al., Why Does Unsupervised Pre-training Help Deep Learning?, JMLR 11 (2010)
625-660" (Security and Fairness of Deep Learning, CMU)

Erhan et al. see two possible reasons. Optimization: pretrained weights are a better place to start from, and the training loss
gets smaller. Regularization: among weights with the same training loss, it leads to some that do better on unseen digits. Their
evidence for the second is: (a) with pretraining, the errors depend less on the random weights at the start; (b) they grow less
with the depth; (c) at equal training loss, they are smaller.

Here, the layers of sigmoids are denoising autoencoders first, one after the other, as in the demo `pretraining`; then all
layers learn from few labels. A network of depth d takes the first d of the four pretrained layers. Both starts share their
output weights, labels and minibatches: each seed gives a pair.

What to look for: on the left, how do the dots spread, and how do the lines rise? On the right, time goes from right to left, to
smaller training losses. Is one cloud of curves below the other at the same training loss?
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from demos.generative_models import autoencoders
from demos.generative_models.pretraining import STARTS, network, pretrain, wrong
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.comparing import CONFIDENCE, HELPS, compare
from demos.kit.experiment import demo, over_seeds
from demos.kit.loops import resumable
from demos.kit.style import slide
from demos.kit.training import descend
from minigan import Tensor, data, losses, optim
from minigan.backend import random_numbers


@dataclass
class Settings:
    unlabelled: int = 10_000  # images
    labels: int = 1000
    unseen: int = 2000  # images for the errors
    width: int = 200  # of each hidden layer
    depth: int = 4  # hidden layers, at most
    corruption: float = 0.25  # share of a layer's inputs that are set to 0
    pretraining_steps: int = 250  # for each layer
    steps: int = 350  # with labels
    batch: int = 100
    lr: float = 4e-3  # Adam's; falls to 0 while pretraining
    moments: int = 15  # of the training with labels, at which the networks are measured; most of them early
    seeds: int = 8


QUICK = {"unlabelled": 1000, "labels": 300, "unseen": 300, "width": 32, "pretraining_steps": 30, "steps": 30, "seeds": 2}
VERDICT = (
    "True, but not all of it: at equal training loss, deep pretrained networks err less; the spread over seeds is not clearly "
    "smaller."
)
FINDING = (
    "With {labels|,.0f} labels, {layers|.0f} layers err in {deepest, pretrained: errors (%)|.1f} % after pretraining, not in "
    "{deepest, random: errors (%)|.1f} %. From one layer to {layers|.0f}, the errors grow by "
    "{pretrained: growth with depth (points)|.1f} and {random: growth with depth (points)|.1f} points. At equal training loss, "
    "pretraining changes the errors of {layers|.0f} layers by {at equal training loss, depth 4|+.1f} points, those of one "
    "layer by {at equal training loss, depth 1|+.1f} ({at equal training loss, depth 1|lower}). The std over 8 seeds of the "
    "deepest, {deepest, pretrained: std (points)|.2f} and {deepest, random: std (points)|.2f} points, does not differ beyond "
    "chance (ratio {deepest, std: pretrained / random|.2f}, 95 % up to {deepest, std: pretrained / random, high|<2})."
)
TITLE = (
    "{layers|.0f} layers err in {deepest, pretrained: errors (%)|.1f} % after pretraining, in "
    "{deepest, random: errors (%)|.1f} % from random weights; at equal training loss, the difference is "
    "{at equal training loss, all depths|+.1f} points (all depths)"
)


@demo(Settings(), QUICK, digits.options)
def main(claim: Claim, s: Settings) -> None:
    x, y, unseen = digits.load(claim.args, s.unseen)
    steps = s.depth * (s.pretraining_steps + len(STARTS) * s.steps)
    runs = over_seeds(claim, from_both_starts, s, x, y, unseen, steps=steps)
    measure(claim, runs, s)
    claim.show(picture(runs, s), "why_pretraining", claim.words(TITLE))


def from_both_starts(seed: int, s: Settings, x: np.ndarray, y: np.ndarray, unseen: tuple) -> dict:
    """For each start and depth, (moments, 2): the loss on the labelled digits, and the errors on unseen ones in per cent."""
    mg.seed(seed)
    order = random_numbers.spawn().permutation(len(x))
    x, y = x[order], y[order]
    deepest = network("sigmoid", s)
    states = {"random": deepest.state_dict()}
    pretrain(deepest, x[: s.unlabelled], s, f"seed {seed}")
    states["pretrained"] = deepest.state_dict()
    found = {}
    for depth, start in product(range(1, s.depth + 1), STARTS):
        mg.seed(seed)  # the same weights of the output layer
        model = network("sigmoid", replace(s, depth=depth))
        below = {name: weights for name, weights in states[start].items() if int(name.split(".")[1]) < 1 + 2 * depth}
        model.load_state_dict(model.state_dict() | below)
        found[start, depth] = finetune(model, x[: s.labels], y[: s.labels], unseen, s, f"seed {seed}, {start}, depth {depth}")
    return found


def finetune(model, x: np.ndarray, y: np.ndarray, unseen: tuple, s: Settings, name: str) -> np.ndarray:
    """Train all layers with labels; loss and errors at the moments, from the first step to the last."""
    mg.seed(0)  # the same minibatches
    batches, optimizer = data.batches(x, y, size=min(s.batch, len(x))), optim.Adam(model.parameters(), s.lr)
    moments, rows = set(np.geomspace(1, s.steps, s.moments).astype(int)), []
    for t in resumable(range(1, s.steps + 1), name, model=model, batches=batches, optimizer=optimizer, rows=rows):
        images, labels = next(batches)
        descend(optimizer, losses.cross_entropy(model(Tensor(images)), labels))
        if t in moments:
            loss = losses.cross_entropy(Tensor(autoencoders.encode(model, x)), y).item()
            rows.append([loss, wrong(model, *unseen)])
    return np.array(rows)


def at_equal_loss(with_it: np.ndarray, without: np.ndarray, levels: int = 20) -> float:
    """The mean difference of two curves' errors, at levels of the training loss that both have reached, even on a log scale."""
    reached = [np.minimum.accumulate(curve[:, 0]) for curve in (with_it, without)]
    high, low = min(loss[0] for loss in reached), max(loss[-1] for loss in reached)
    at = np.log(np.geomspace(high, low, levels))
    of_both = [np.interp(-at, -np.log(loss), curve[:, 1]) for loss, curve in zip(reached, (with_it, without), strict=True)]
    return float((of_both[0] - of_both[1]).mean())


def measure(claim: Claim, runs: list[dict], s: Settings) -> None:
    """(a) the spread of the errors over the seeds, (b) their growth with the depth, (c) the errors at equal training loss."""
    from scipy.stats import f  # here, not above: see `compare`

    errors = {start: np.array([[run[start, d][-1, 1] for d in range(1, s.depth + 1)] for run in runs]) for start in STARTS}
    n = len(runs)
    margin = f.ppf((1 + CONFIDENCE) / 2, n - 1, n - 1) ** 0.5  # of a ratio of standard deviations, of normal errors
    claim.note("labels", s.labels)
    claim.note("layers", s.depth)
    for i, start in product(range(s.depth), STARTS):
        name = f"depth {i + 1}, {start}" if i + 1 < s.depth else f"deepest, {start}"
        claim.note(f"{name}: errors (%)", errors[start][:, i].mean(), "mean over the seeds")
        claim.note(f"{name}: std (points)", errors[start][:, i].std(ddof=1), "over the seeds")
        claim.note(f"{name}: training loss", np.mean([run[start, i + 1][-1, 0] for run in runs]), "at the end")
    stds = [claim.metrics[f"deepest, {start}: std (points)"] for start in ("pretrained", "random")]
    ratio = stds[0] / stds[1] if stds[1] else np.nan
    expected = f"below 1; 95 % from {ratio / margin:.2f} to {ratio * margin:.2f} (F test)"
    claim.note("deepest, std: pretrained / random", ratio, expected, ratio < 1)
    claim.note("deepest, std: pretrained / random, high", ratio * margin)
    growth = {start: errors[start][:, -1] - errors[start][:, 0] for start in STARTS}
    for start in STARTS:
        claim.note(f"{start}: growth with depth (points)", growth[start].mean(), "reported")
    grows = compare(growth["pretrained"], growth["random"], paired=True)
    claim.compare("growth with depth, pretrained less random", grows, {HELPS})
    pairs = [[(run["pretrained", d], run["random", d]) for d in range(1, s.depth + 1)] for run in runs]
    at_equal = np.array([[at_equal_loss(*pair) for pair in of_seed] for of_seed in pairs])  # (seeds, depths)
    for i, differences in enumerate(at_equal.T):
        claim.compare(f"at equal training loss, depth {i + 1}", compare(differences, [0.0] * n, paired=True))
    claim.compare("at equal training loss, all depths", compare(at_equal.mean(axis=1), [0.0] * n, paired=True), {HELPS})


def picture(runs: list[dict], s: Settings) -> Figure:
    """Errors against depth, a dot for each seed; errors against training loss, a curve for each seed, at the largest depth."""
    figure, (left, right) = slide(1, 2, height=6)
    depths = np.arange(1, s.depth + 1)
    for (start, (label, colour, style)), shift in zip(STARTS.items(), (0.08, -0.08), strict=True):
        errors = np.array([[run[start, d][-1, 1] for d in depths] for run in runs])
        left.plot(depths + shift, errors.T, style[0], color=colour, markersize=5, alpha=0.5)
        left.plot(depths + shift, errors.mean(axis=0), style, color=colour, label=label)
        for run in runs:
            loss, error = run[start, s.depth].T
            right.semilogx(loss, error, style[1:], color=colour, linewidth=1.5, alpha=0.7)
            right.semilogx(loss[-1], error[-1], style[0], color=colour)
    left.set(xlabel="hidden layers", xticks=depths, ylabel="errors on unseen digits, %", title="at the end of the training")
    right.set(xlabel="loss on the labelled digits", ylabel="errors on unseen digits, %", ylim=(0, 60))
    right.set_title(f"during the training, {s.depth} layers: from right to left")
    left.legend(loc="upper left")
    return figure
