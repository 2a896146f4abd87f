"""The engine in 80 lines has minigan's gradients, takes minigan's steps, and its GAN learns a Gaussian.

`demos/gradients/engine.py` is the first rung of a ladder. The next is `minigan/engine/tensor.py`: the same backward pass, but
fast, general and safe. Here both get the same networks, data and noise in float64. What to look for: do both compute the same
gradients, up to rounding, with detach and without? With detach, do G's parameters have no gradient in either (None, not zeros)?
A bias that is broadcast over the batch, and an intermediate that is used twice: do they get the sum of all gradients that
arrive? Do both GANs have the same parameters after 50 iterations of Algorithm 1 with SGD? How near are the samples of the 80
lines' GAN to the data's mean and standard deviation at the end?
"""

from dataclasses import dataclass
from itertools import count

import matplotlib.pyplot as plt
import numpy as np

from demos.gradients import engine
from demos.kit.claim import Claim
from demos.kit.experiment import demo, over_seeds
from demos.kit.rounding import at_most
from demos.kit.style import FAKE, MARKERS, OTHERS, REAL, slide
from minigan import Tensor, games, losses, mean, nn, optim, softplus, tanh

Arrays = list[np.ndarray | None]


@dataclass
class Settings:
    # of z, G's hidden layer, x, D's hidden layer:
    shapes: tuple[tuple[int, int, int, int], ...] = ((1, 8, 1, 32), (2, 5, 3, 16), (4, 1, 2, 7))
    batch: int = 20  # of the gradients that are compared
    iterations: int = 50  # of Algorithm 1 that are compared
    mean: float = 3.0  # of the data
    std: float = 2.0
    moments: tuple[int, ...] = (1, 100, 300, 3000)  # iterations whose samples are drawn; the training ends at the last
    samples: int = 20_000
    seeds: int = 3


LOSSES = ("D's loss", "D's loss, without detach", "G's loss")
ROUNDING = 1e-12  # how much two results may differ, relative to their largest number
VERDICT = "True: 80 lines compute minigan's gradients, up to rounding, and are enough for a GAN that learns a Gaussian."
FINDING = (
    "Gradients of D's loss: within {D's loss: difference of gradients|<1} of minigan's, relative to the largest number. The "
    "samples of the 80 lines' GAN end within {mean of G(z), worst off by|<} of the data's mean, {mean of the data}, and within "
    "{std of G(z), worst off by, per cent|<} % of its standard deviation (worst of 3 seeds)."
)
LEARNT = (
    "A GAN in 80 lines: at the end its samples have the mean {mean of G(z), first seed|.2f} and the standard deviation "
    "{std of G(z), first seed|.2f},\nthe data {mean of the data} and {std of the data}"
)


@demo(Settings(), {"seeds": 1})
def main(claim: Claim, settings: Settings) -> None:
    args = claim.args
    seeds = range(args.seed, args.seed + settings.seeds)
    pairs = compare_gradients(claim, seeds, settings)
    compare_iterations(claim, seeds, settings)
    trainings = over_seeds(claim, samples_over_training, settings, steps=0)
    measure_samples(claim, [samples[-1] for samples in trainings], settings)
    claim.show(draw_samples(trainings[0], settings), "ladder", claim.words(LEARNT))
    worst = at_most(max(claim.metrics[f"{name}: difference of gradients"] for name in pairs), 1)
    title = f"The gradients of the 80 lines are minigan's, to {worst} of the largest number"
    claim.show(draw_differences(pairs), "ladder_gradients", title)


def gradients_in_80_lines(loss: str, G: engine.Network, D: engine.Network, x: np.ndarray, z: np.ndarray) -> Arrays:
    """The gradients of G's parameters, then of D's."""
    parameters = G.parameters + D.parameters
    for p in parameters:
        p.grad = None
    x, z = engine.Tensor(x), engine.Tensor(z)
    fake = G(z).detach() if loss == "D's loss" else G(z)
    if loss == "G's loss":
        engine.log_loss(D(fake), label=1).backward()
    else:
        (engine.log_loss(D(x), label=1) + engine.log_loss(D(fake), label=0)).backward()
    return [p.grad for p in parameters]


def gradients_in_minigan(loss: str, G: nn.Module, D: nn.Module, x: np.ndarray, z: np.ndarray) -> Arrays:
    """The same, with minigan's layers and losses."""
    x, z = Tensor(x), Tensor(z)
    fake = G(z).detach() if loss == "D's loss" else G(z)
    if loss == "G's loss":
        losses.generator_loss(D(fake)).backward()
    else:
        losses.discriminator_loss(D(x), D(fake)).backward()
    return [p.grad if p.grad is None else p.grad.numpy() for p in G.parameters() + D.parameters()]


def twin(network: engine.Network) -> nn.Sequential:
    """minigan's network with the same parameters."""
    W, b, V, c = (p.data for p in network.parameters)
    first, last = nn.Dense(*W.shape), nn.Dense(*V.shape)
    first.weight.data, first.bias.data, last.weight.data, last.bias.data = W, b, V, c
    return nn.Sequential(first, nn.Tanh(), last)


def players(seed: int, shape: tuple[int, ...], batch: int) -> tuple[engine.Network, engine.Network, np.ndarray, np.ndarray]:
    """G, D, and a batch of x and of z."""
    rng = np.random.default_rng(seed)
    inputs, g_hidden, outputs, d_hidden = shape
    G, D = engine.Network(inputs, g_hidden, outputs, rng), engine.Network(outputs, d_hidden, 1, rng)
    return G, D, rng.standard_normal((batch, outputs)), rng.standard_normal((batch, inputs))


def gradients_of_sums(seed: int, batch: int) -> tuple[Arrays, Arrays]:
    """In both engines: the bias b is broadcast over the batch and used twice; h is used four times, through a."""
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) for shape in ((batch, 3), (3, 4), (4,))]

    x, W, b = leaves = [engine.Tensor(array) for array in arrays]
    h = engine.tanh(x @ W + b)
    a = h + h
    engine.log_loss(a + a + b, label=1).backward()
    in_80_lines = [leaf.grad for leaf in leaves]

    x, W, b = leaves = [Tensor(array, requires_grad=True) for array in arrays]
    h = tanh(x @ W + b)
    a = h + h
    mean(softplus(-(a + a + b))).backward()
    return in_80_lines, [leaf.grad.numpy() for leaf in leaves]


def after_iterations(seed: int, settings: Settings) -> tuple[Arrays, Arrays, Arrays]:
    """G's and D's parameters: before any iteration; after all of them in the 80 lines; after all of them in `games.GAN`."""
    rng = np.random.default_rng(seed)
    *_, (G, D) = engine.train(rng, settings.mean, settings.std, settings.iterations)
    in_80_lines = [p.data for p in G.parameters + D.parameters]

    rng = np.random.default_rng(seed)  # the same numbers again, in the order in which `engine.train` draws them
    G, D = twin(engine.Network(1, 8, 1, rng)), twin(engine.Network(1, 32, 1, rng))
    before = [p.numpy().copy() for p in G.parameters() + D.parameters()]
    opt_G, opt_D = optim.SGD(G.parameters(), lr=0.2), optim.SGD(D.parameters(), lr=0.2)
    gan = games.GAN(G, D, lambda m: rng.standard_normal((m, 1)), opt_G, opt_D)
    batches = (rng.normal(settings.mean, settings.std, (128, 1)) for _ in count())
    for lr in np.linspace(0.2, 0.0, settings.iterations):
        opt_G.lr = opt_D.lr = lr
        gan.step(batches)
    return before, in_80_lines, [p.numpy() for p in G.parameters() + D.parameters()]


def samples_over_training(seed: int, settings: Settings) -> list[np.ndarray]:
    """G(z) for the same z at some moments of the 80 lines' training."""
    z = engine.Tensor(np.random.default_rng([seed, 1]).standard_normal((settings.samples, 1)))
    training = engine.train(np.random.default_rng(seed), settings.mean, settings.std, settings.moments[-1])
    return [G(z).data[:, 0] for t, (G, _) in enumerate(training, start=1) if t in settings.moments]


def compare_gradients(claim: Claim, seeds: range, settings: Settings) -> dict[str, list[tuple[Arrays, Arrays]]]:
    """For each loss, the gradients in both engines for every seed and shape; report how they differ."""
    pairs: dict[str, list] = {name: [] for name in (*LOSSES, "broadcast bias, used again")}
    for seed in seeds:
        for shape in settings.shapes:
            G, D, x, z = players(seed, shape, settings.batch)
            for loss in LOSSES:
                mine = gradients_in_80_lines(loss, G, D, x, z)
                pairs[loss].append((mine, gradients_in_minigan(loss, twin(G), twin(D), x, z)))
        pairs["broadcast bias, used again"].append(gradients_of_sums(seed, settings.batch))
    for name, runs in pairs.items():
        claim.at_most(f"{name}: difference of gradients", max(difference(*run) for run in runs), ROUNDING, quick=True)
    for loss, absent in zip(LOSSES, (4, 0, 0), strict=True):
        for engine_name, i in (("80 lines", 0), ("minigan", 1)):
            counts = {sum(g is None for g in run[i]) for run in pairs[loss]}
            expected = "4, all of G's" if absent else "0"
            name = f"{loss}: parameters without gradient, {engine_name}"
            claim.note(name, max(counts), expected, counts == {absent}, quick=True)
    return pairs


def difference(a: Arrays, b: Arrays) -> float:
    """The largest difference, relative to the largest number; infinite if only one of the two has a gradient."""
    if [x is None for x in a] != [x is None for x in b]:
        return np.inf
    a, b = together(a), together(b)
    return float(np.abs(a - b).max() / np.abs(b).max())


def together(arrays: Arrays) -> np.ndarray:
    """All numbers in one vector."""
    return np.concatenate([a.ravel() for a in arrays if a is not None])


def compare_iterations(claim: Claim, seeds: range, settings: Settings) -> None:
    """How far the parameters have moved, and how much they differ: the worst of all seeds."""
    runs = [after_iterations(seed, settings) for seed in seeds]
    name = f"{settings.iterations} iterations"
    moved = min(difference(mine, before) for before, mine, _ in runs)
    claim.note("iterations", settings.iterations, "reported: of Algorithm 1, in both")
    claim.at_least(f"{name}: change of the parameters", moved, 0.1, quick=True)
    claim.at_most(f"{name}: difference of the parameters", max(difference(*run[1:]) for run in runs), ROUNDING, quick=True)


def measure_samples(claim: Claim, runs: list[np.ndarray], settings: Settings) -> None:
    """The samples' mean and standard deviation at the end, and the data's."""
    claim.note("mean of the data", settings.mean, "reported: as it was chosen")
    claim.note("std of the data", settings.std, "reported: as it was chosen")
    claim.note("mean of G(z), first seed", runs[0].mean(), "reported: the picture's")
    claim.note("std of G(z), first seed", runs[0].std(), "reported: the picture's")
    claim.at_most("mean of G(z), worst off by", max(abs(x.mean() - settings.mean) for x in runs), 0.1, quick=True)
    off = max(abs(x.std() / settings.std - 1) for x in runs)
    claim.at_most("std of G(z), worst off by, per cent", 100 * off, 10, quick=True)


def draw_samples(samples: list[np.ndarray], settings: Settings) -> plt.Figure:
    """The data's density and a histogram of G(z), moment by moment."""
    figure, panels = slide(2, -(-len(samples) // 2), sharex=True, sharey=True, squeeze=False)
    edges = np.linspace(settings.mean - 4 * settings.std, settings.mean + 4 * settings.std, 81)
    density = np.exp(-(((edges - settings.mean) / settings.std) ** 2) / 2) / (settings.std * np.sqrt(2 * np.pi))
    for axes, t, x in zip(panels.flat, settings.moments, samples, strict=False):
        heights = np.histogram(x, edges)[0] / (len(x) * np.diff(edges))
        axes.fill_between(edges, density, color=REAL, alpha=0.3, label="data $x$")
        axes.stairs(heights, edges, color=FAKE, linewidth=2, label="$G(z)$")
        axes.set(ylim=(0, 1.8 * density.max()), title=f"after {t:,} iteration{'s' * (t > 1)}", xlabel="$x$", ylabel="density")
        axes.label_outer()
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_differences(pairs: dict[str, list[tuple[Arrays, Arrays]]]) -> plt.Figure:
    """One mark for each number of a gradient; a difference of exactly 0 is drawn at the bottom."""
    figure, axes = slide()
    foot = 1e-19
    for (name, runs), colour, marker in zip(pairs.items(), OTHERS, MARKERS, strict=False):
        in_both = [[pair for pair in zip(*run, strict=True) if pair[0] is not None and pair[1] is not None] for run in runs]
        mine, theirs = ([together([pair[i] for pair in run]) for run in in_both] for i in (0, 1))
        largest = np.concatenate([np.full(b.size, np.abs(b).max()) for b in theirs])
        a, b = np.concatenate(mine) / largest, np.concatenate(theirs) / largest
        differences = np.maximum(np.abs(a - b), foot)
        axes.scatter(np.abs(b), differences, s=20, color=colour, marker=marker, alpha=0.6, linewidths=0, label=name)
    axes.axhline(ROUNDING, color="black", linestyle=":")
    axes.text(0.01, ROUNDING, "allowed", ha="left", va="bottom", transform=axes.get_yaxis_transform())
    axes.text(0.01, foot * 1.5, "not different at all", ha="left", va="bottom", transform=axes.get_yaxis_transform())
    axes.set(xscale="log", yscale="log", ylim=(foot / 3, 20 * ROUNDING), ylabel="difference of the two engines, same units")
    axes.set_xlabel("size of a number of a gradient, in units of the largest")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, markerscale=2)
    return figure
