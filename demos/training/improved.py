"""Five techniques for GANs that do not train: smoothed labels, features, minibatches, a price on change, a reference batch.

Slide: "Difficult to train Salimans2016" (IT3320E, lecture 10)

Of Salimans et al. 2016, "Improved techniques for training GANs", section 3:

    one-sided label smoothing    D's label of real samples is alpha: the best D becomes alpha p / (p + q)
    feature matching             G descends |E f(x) - E f(G(z))|^2, f a middle layer of D
    minibatch discrimination     D sees how near to each other the samples of a minibatch are
    historical averaging         each player pays |theta - (1/t) sum of theta[i]|^2 for leaving its past
    virtual batch norm           G normalises each sample by a fixed reference batch and itself

The first is a formula: D is trained on samples of two known densities on the line. With two-sided smoothing, (alpha p + beta q)
/ (p + q), D is beta where there are no data at all. The fourth was made for games in which gradient descent goes round and
round: the paper's is min over x, max over y of (f(x) - 1)(y - 1), f(x) = x below 0 and x^2 above. With batch norm, G(z) depends
on the other z of its minibatch. With virtual batch norm it does not: half of a minibatch stays, the other half is drawn anew,
and the distance that G(z) moves is measured.

What to look for: D's curves on D*; the spiral that ends at (1, 1); the effect of each technique on a ring of Gaussians, and of
batch norm for comparison.
"""

from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.comparing import compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.line import Mixture, network
from demos.kit.loops import resumable
from demos.kit.mixtures import RING, discriminator, generator
from demos.kit.rounding import at_most
from demos.kit.style import D_COLOUR, FAKE, OTHERS, REAL, slide
from demos.kit.training import adams, descend, train
from demos.training.techniques import History, ImprovedGAN, smoothed_loss
from demos.training.verdicts import LOOKS, by_verdict, verdict_on
from minigan import Tensor, backend, data, nn, no_grad, optim
from minigan.backend import random_numbers
from minigan.games import FeatureMatchingGAN
from minigan.games.game import Game


@dataclass
class Settings:
    line_steps: int = 3000  # of D on the line; its learning rate falls linearly to 0
    line_batch: int = 512
    line_lr: float = 3e-3
    line_width: int = 64
    line_seeds: int = 3
    alpha: float = 0.9  # the label of real samples
    beta: float = 0.1  # the label of fake ones, in two-sided smoothing
    toy_steps: int = 5000
    toy_lr: float = 0.01
    toy_weight: float = 0.3  # of the past
    steps: int = 1200  # on the ring; the learning rates fall linearly to 0
    seeds: int = 6
    width: int = 64  # of the two hidden layers of each network
    batch: int = 64
    lr: float = 1e-3  # Adam's, with betas (0.5, 0.999)
    weight: float = 0.01  # of the past, on the ring
    reference: int = 64  # samples of virtual batch norm's reference batch
    kernels: int = 4  # of minibatch discrimination, ...
    dims: int = 4  # ... and the numbers of each
    samples: int = 2500  # that are measured


QUICK = replace(Settings(), line_steps=300, line_batch=128, line_seeds=1, toy_steps=200, steps=40, seeds=1, width=32, batch=32)
VERDICT = "True, but not of all: on a ring of Gaussians four techniques help; historical averaging makes no clear difference."
FINDING = (
    "On the ring, minibatch discrimination raises the share within 3 std of a mode from {plain GAN: share, mean|%} to "
    "{minibatch discrimination: share, mean|%}, virtual batch norm to {virtual batch norm: share, mean|%}, batch norm to "
    "{batch norm: share, mean|%} (mean of 6 seeds). With historical averaging, the paper's toy game ends within "
    "{toy game, with its past: distance from (1, 1)|<} of its equilibrium, without it at least "
    "{toy game, without: distance from (1, 1)|>} away. The rest of a minibatch moves G(z) by up to "
    "{batch norm: G(z) is moved by its minibatch|<} with batch norm, by exactly "
    "{virtual batch norm: G(z) is moved by its minibatch|.0f} with virtual batch norm."
)

P, Q = Mixture((0.5, 0.5), (-2.0, 1.0), (0.5, 0.7)), Mixture((0.3, 0.7), (-1.0, 2.0), (0.6, 0.8))  # data, fake
X = np.linspace(-4.5, 5.5, 1001)
SIDES = {"one-sided": ("--", D_COLOUR), "two-sided": (":", OTHERS[1])}
PLAIN, NORM, VIRTUAL = "plain GAN", "batch norm", "virtual batch norm"
TECHNIQUES = ("label smoothing", "feature matching", "minibatch discrimination", "historical averaging", VIRTUAL)
FIGURES = {"modes": 8, "share": 0.989}  # the data's: modes with 1 % of the samples or more, share within 3 std of one


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    """D on the line, the toy game, and the ring."""
    curves = over_kinds(claim, smooth, SIDES, s.line_seeds, s, steps=len(SIDES) * s.line_seeds * s.line_steps)
    kinds = (PLAIN, *TECHNIQUES, NORM)
    runs = over_kinds(claim, play, kinds, s.seeds, s, steps=len(kinds) * s.seeds * s.steps)
    paths = {kind: toy(s, weight) for kind, weight in (("without", 0.0), ("with", s.toy_weight))}
    measure(claim, curves, paths, runs, s)
    claim.show(picture(claim.metrics, curves, paths, runs, s), "improved", title(claim.metrics))


# --- smoothed labels, on the line -----------------------------------------------------------------------------------------


def best(side: str, s: Settings) -> np.ndarray:
    """D* on X: (alpha p + beta q) / (p + q)."""
    p, q = P.density(X), Q.density(X)
    return (s.alpha * p + (s.beta if side == "two-sided" else 0.0) * q) / (p + q)


def smooth(side: str, seed: int, s: Settings) -> np.ndarray:
    """D on X, trained on samples of p and q with smoothed labels."""
    mg.seed(seed)
    beta = s.beta if side == "two-sided" else 0.0
    rng, D = random_numbers.generator(), network(s.line_width)
    opt = optim.Adam(D.parameters(), s.line_lr)
    decay = optim.LinearDecay(opt, s.line_steps)
    for _ in resumable(range(s.line_steps), "labels", D=D, opt=opt, decay=decay):
        x, fake = (Tensor(mixture.draw(s.line_batch, rng)) for mixture in (P, Q))
        loss = smoothed_loss(D(x), D(fake), s.alpha, beta)
        descend(opt, loss)
        decay.step()
    with no_grad():
        v = D(Tensor(X[:, None], dtype=np.float32)).numpy()[:, 0].astype(np.float64)
    return 1 / (1 + np.exp(-v))


# --- the past, in the paper's toy game ------------------------------------------------------------------------------------


def toy(s: Settings, weight: float) -> np.ndarray:
    """(steps + 1, 2): x descends (f(x) - 1)(y - 1) while y ascends it; both pay for leaving their past."""
    x, y = (Tensor(np.array(v), requires_grad=True) for v in (2.0, 0.0))
    descent, path = optim.SGD([x, y], s.toy_lr), [(2.0, 0.0)]
    past = History([x, y])
    for _ in range(s.toy_steps):
        f = mg.where(x.data < 0, x, x * x)
        v = (f - 1.0) * (y - 1.0)
        price = weight * past.price()
        (by_x,), (by_y,) = mg.grad(v + price, [x]), mg.grad(price - v, [y])
        past.add()
        x.grad, y.grad = by_x, by_y
        descent.step()
        path.append((x.item(), y.item()))
    return np.array(path)


# --- all of them, on the ring ---------------------------------------------------------------------------------------------


def make_game(kind: str, s: Settings) -> Game:
    """The GAN with at most one of the techniques."""
    w = s.width
    G = normed(kind, s) if kind in (NORM, VIRTUAL) else generator(w)
    if kind == "minibatch discrimination":
        hidden = nn.Dense(2, w), nn.LeakyReLU(0.2), nn.Dense(w, w), nn.LeakyReLU(0.2)
        D = nn.Sequential(*hidden, nn.MinibatchDiscrimination(w, s.kernels, s.dims), nn.Dense(w + s.kernels, 1))
    else:
        D = discriminator(w)
    players = G, D, data.noise(2), *adams(G, D, s.lr, s.lr)
    if kind == "feature matching":
        return FeatureMatchingGAN(*players, D[:-1])
    smoothing, averaging = kind == "label smoothing", kind == "historical averaging"
    return ImprovedGAN(*players, alpha=s.alpha if smoothing else 1.0, weight=s.weight if averaging else 0.0)


def normed(kind: str, s: Settings) -> nn.Module:
    """G with its two hidden layers normalised."""

    def norm() -> nn.Module:
        return nn.BatchNorm1d(s.width) if kind == NORM else nn.VirtualBatchNorm(s.width, s.reference)

    first, second, last = (layer for layer in generator(s.width) if isinstance(layer, nn.Dense))
    G = nn.Sequential(first, norm(), nn.ReLU(), second, norm(), nn.ReLU(), last)
    return G if kind == NORM else nn.WithReference(G, data.noise(2)(s.reference))


def play(kind: str, seed: int, s: Settings) -> dict[str, float]:
    """G at the end of a game: the number of modes with at least 1 % of the samples, and the share within 3 std of one.

    "moved": how far G(z) is moved by the rest of its minibatch, at most.
    """
    mg.seed(seed)
    game = make_game(kind, s)
    train(game, RING.batches(s.batch), s.steps, "game")
    found = RING.coverage(game.sample(s.samples))
    return {"modes": found["modes_1pct"], "share": found["high_quality"], "moved": moved(game, s.batch)}


@no_grad()
def moved(game: Game, batch: int) -> float:
    """The largest distance between G(z) in two minibatches of which the other half differs, in training mode."""
    z, others = (game.noise(batch).numpy() for _ in range(2))
    others[: batch // 2] = z[: batch // 2]
    points = [backend.to_numpy(game.G(Tensor(part)).data)[: batch // 2] for part in (z, others)]
    return float(np.linalg.norm(points[0] - points[1], axis=1).max())


# --- the metrics --------------------------------------------------------------------------------------------------------


def measure(claim: Claim, curves: dict, paths: dict, runs: dict, s: Settings) -> None:
    """D's error from D*, the toy game's distance from its equilibrium, the effect of each technique on the ring."""
    populated = P.density(X) + Q.density(X) > 0.05  # elsewhere, D has hardly any samples to learn from
    for side, of_side in curves.items():
        error = np.abs(np.array(of_side) - best(side, s))[:, populated].max()
        claim.at_most(f"{side}: |D - D*|, worst", error, 0.02)
    at_end = {kind: np.linalg.norm(path - 1, axis=1)[-len(path) // 10 :] for kind, path in paths.items()}
    claim.at_most("toy game, with its past: distance from (1, 1)", at_end["with"].max(), 0.1)
    claim.at_least("toy game, without: distance from (1, 1)", at_end["without"].min(), 0.1)
    for kind, of_kind in runs.items():
        for name, of_data in FIGURES.items():
            claim.note(f"{kind}: {name}, mean", np.mean([run[name] for run in of_kind]), f"reported: the data's {of_data}")
    move = {kind: max(run["moved"] for run in runs[kind]) for kind in runs}
    claim.at_most(f"{VIRTUAL}: G(z) is moved by its minibatch", move[VIRTUAL], 0)
    claim.at_least(f"{NORM}: G(z) is moved by its minibatch", move[NORM], RING.std / 10)
    for kind in (*TECHNIQUES, NORM):
        for name in FIGURES:
            with_it, without = ([run[name] for run in runs[which]] for which in (kind, PLAIN))
            claim.compare(f"{kind}: change of {name}", compare(with_it, without, better="higher"))


def title(m: dict[str, float]) -> str:
    """The picture's; for the ring, only the share."""
    error, near = max(m[f"{side}: |D - D*|, worst"] for side in SIDES), m["toy game, with its past: distance from (1, 1)"]
    formulas = f"$D$ is within {at_most(error)} of $D^*$, the toy game with its past ends within {at_most(near)} of (1, 1)"
    groups = by_verdict(m, "{}: change of share", TECHNIQUES, "higher")
    verdicts = "; ".join(f"{word}: {', '.join(kinds)}" for word, kinds in groups.items() if kinds)
    return f"{formulas}\nOn the ring (share within 3 std): {verdicts}"


def picture(m: dict[str, float], curves: dict, paths: dict, runs: dict, s: Settings) -> Figure:
    """D* and D; the toy game's path; the ring's metrics for every seed."""
    figure, places = slide(2, 2)
    smoothed, plane = places[0]
    smoothed.fill_between(X, P.density(X), color=REAL, alpha=0.3)
    smoothed.fill_between(X, Q.density(X), color=FAKE, alpha=0.3, hatch="//")
    for side, (style, colour) in SIDES.items():
        label = None if side == "two-sided" else "$D^*$, both"
        smoothed.plot(X, best(side, s), color="black", linewidth=5, alpha=0.2, label=label)
        for i, D in enumerate(curves[side]):
            smoothed.plot(X, D, style, color=colour, label=None if i else f"$D$, {side}")
    smoothed.set(xlabel="$x$", ylabel="$D(x)$, densities", ylim=(0, 1), title="$D$ with smoothed labels, each seed")
    smoothed.legend(loc="upper right")

    for (kind, path), colour in zip(paths.items(), (OTHERS[3], OTHERS[0]), strict=True):
        plane.plot(*path.T, color=colour, linewidth=1, label=f"{kind}\nhistorical averaging")
    plane.plot(1, 1, "*", color="black", markersize=16)
    plane.set(xlabel="$x$", ylabel="$y$", title="min over $x$, max over $y$ of $(f(x) - 1)(y - 1)$")
    plane.set_xlim(-0.3, 12)  # room for the legend to the right of the orbit
    plane.legend(loc="center right")

    for axes, name, label in zip(places[1], FIGURES, ("modes with 1 % or more", "share within 3 std"), strict=True):
        draw_ring(axes, m, runs, name)
        axes.set(xlabel=f"{label} (dotted: the data's)")
    places[1, 1].set_yticklabels([])
    handles = [Line2D([], [], color=colour, marker=marker, linewidth=3) for colour, marker in LOOKS.values()]
    figure.legend(handles, [f"{word} (bar: the mean)" for word in LOOKS], loc="outside lower center", ncols=len(LOOKS))
    return figure


def draw_ring(axes: plt.Axes, m: dict[str, float], runs: dict, name: str) -> None:
    """A point for each seed, a bar for the mean; the colour shows the verdict."""
    for i, (kind, of_kind) in enumerate(runs.items()):
        values = [run[name] for run in of_kind]
        colour, marker = (OTHERS[2], "o") if kind == PLAIN else LOOKS[verdict_on(m, f"{kind}: change of {name}", "higher")]
        axes.scatter(values, i + np.linspace(-0.2, 0.2, len(values)), color=colour, marker=marker, s=30)
        axes.plot([np.mean(values)] * 2, [i - 0.35, i + 0.35], color=colour, linewidth=3)
    axes.axvline(FIGURES[name], color=REAL, linestyle=":")
    axes.set_yticks(range(len(runs)), list(runs))
    axes.set_xlim(0, None)
    axes.invert_yaxis()
