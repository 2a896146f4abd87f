"""b.detach() leaves the forward pass as it is, and lets no gradient through to f.

Slide: "Hence, any parameters in f (or earlier in the graph) will not get updated in SGD." (CS/DS 552, class 7)

    b = f(a)                    dc/da = dc/db db/da
    c = g(b.detach())           the backward pass from c ends at b, as if b were a constant

Two networks in a row, with and without detach; then D's step in a GAN, where f is G and g is D. What to look for: do c and g's
gradients agree to the last bit? Are f's gradients absent (None) rather than zeros, so that SGD leaves f alone? How many of f's
operations does the backward pass visit? If D's gradients are also right without detach, then detach only saves time: the
backward pass through G, and gradients in G that the next G step would have to throw away.
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.style import OTHERS, slide
from minigan import Tensor, losses, nn, optim


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    a: int = 3  # dimensions of a (z, in the GAN),
    b: int = 4  # of b (x and G(z)),
    hidden: int = 32  # and of each network's hidden layer
    batch: int = 64
    lr: float = 0.1
    seeds: int = 3


@dataclass
class Outcome:
    """The state after a forward pass, a backward pass and a step of SGD. A gradient is None where none has arrived."""

    c: np.ndarray
    gradient_a: np.ndarray | None
    gradients_f: list[np.ndarray | None]
    gradients_g: list[np.ndarray | None]
    changed_f: int  # numbers in f's parameters that the step has changed
    visits: int  # derivatives that the backward pass has called


# How b is passed on to g. The constant is for comparison: its graph has nothing of f.
LINKS = {"without": lambda b: b, "detach": Tensor.detach, "constant": lambda b: Tensor(b.numpy())}
Outcomes = dict[str, Outcome]


@demo(Settings(), {"seeds": 1})
def main(claim: Claim, settings: Settings) -> None:
    """Both experiments for every seed, the metrics, the picture."""
    args = claim.args
    seeds = range(args.seed, args.seed + settings.seeds)
    chains = [two_networks(settings, seed) for seed in seeds]
    games = [discriminator_step(settings, seed) for seed in seeds]
    report(claim, "chain", "f", "g", chains)
    report(claim, "GAN", "G", "D", games)
    claim.show(picture(chains[0]), "detach", title(claim.metrics))


def found(m: dict[str, float]) -> str:
    """The finding in words, for README."""
    count, called = "chain: gradients in f {}", "GAN: derivatives called for G's sake {}"
    return (
        f"c and g's gradients {agreement(m)} with detach and without; f and its input a get "
        f"{m[count.format('with detach')]:.0f} gradients with it, {m[count.format('without')]:.0f} without. In D's step of a "
        f"GAN, the backward pass calls {m[called.format('with detach')]:.0f} derivatives for G's sake with it, "
        f"{m[called.format('without')]:.0f} without"
    )


def title(m: dict[str, float]) -> str:
    """The picture's title."""
    count, called = "chain: gradients in f {}", "chain: derivatives called for f's sake {}"
    return (
        f"With detach and without, c and g's gradients {agreement(m)};\nwith it, {m[count.format('with detach')]:.0f} "
        f"gradients in f and a instead of {m[count.format('without')]:.0f}, and {m[called.format('with detach')]:.0f} "
        f"derivatives called for their sake instead of {m[called.format('without')]:.0f}"
    )


def agreement(m: dict[str, float]) -> str:
    """Whether the values and gradients after b are the same with detach and without."""
    differing = m["chain: numbers in c that differ"] + m["chain: numbers in g's gradients that differ"]
    differing += m["GAN: numbers in c that differ"] + m["GAN: numbers in D's gradients that differ"]
    return "are the same to the last bit" if differing == 0 else f"differ in {differing:.0f} numbers"


def two_networks(settings: Settings, seed: int) -> Outcomes:
    """c = g(b), a mean over the batch, where b = f(a)."""
    mg.seed(seed)
    a = mg.random_numbers.generator().standard_normal((settings.batch, settings.a), dtype=np.float32)
    f = nn.Sequential(nn.Dense(settings.a, settings.hidden), nn.Tanh(), nn.Dense(settings.hidden, settings.b))
    g = nn.Sequential(nn.Dense(settings.b, settings.hidden), nn.Tanh(), nn.Dense(settings.hidden, 1))
    return outcomes(f, g, a, lambda g, b: g(b).mean(), settings.lr)


def discriminator_step(settings: Settings, seed: int) -> Outcomes:
    """D's step of Algorithm 1: a is the noise z, f is G, g is D, and c is D's loss."""
    mg.seed(seed)
    rng = mg.random_numbers.generator()
    z, x = (rng.standard_normal((settings.batch, n), dtype=np.float32) for n in (settings.a, settings.b))
    G = nn.Sequential(nn.Dense(settings.a, settings.hidden), nn.ReLU(), nn.Dense(settings.hidden, settings.b))
    D = nn.Sequential(nn.Dense(settings.b, settings.hidden), nn.LeakyReLU(0.2), nn.Dense(settings.hidden, 1))
    return outcomes(G, D, z, lambda D, fake: losses.discriminator_loss(D(Tensor(x)), D(fake)), settings.lr)


def outcomes(f: nn.Module, g: nn.Module, a: np.ndarray, c_of: Callable, lr: float) -> Outcomes:
    """The same pass for each link, on copies of the networks, so that all begin alike."""
    return {name: outcome(deepcopy(f), deepcopy(g), a, c_of, lr, link) for name, link in LINKS.items()}


def outcome(f: nn.Module, g: nn.Module, a: np.ndarray, c_of: Callable, lr: float, link: Callable) -> Outcome:
    """Forward, backward, and a step of SGD on the parameters of both networks."""
    a = Tensor(a, requires_grad=True)
    c = c_of(g, link(f(a)))
    with redirect_stdout(io.StringIO()), mg.profile() as profile:  # the profile prints a table
        c.backward()
    before = [p.numpy().copy() for p in f.parameters()]
    optim.SGD(f.parameters() + g.parameters(), lr).step()
    return Outcome(
        c=c.numpy(),
        gradient_a=gradient(a),
        gradients_f=[gradient(p) for p in f.parameters()],
        gradients_g=[gradient(p) for p in g.parameters()],
        changed_f=differing(before, [p.numpy() for p in f.parameters()]),
        visits=sum(row.calls for (_, direction), row in profile.rows.items() if direction == "backward"),
    )


def gradient(t: Tensor) -> np.ndarray | None:
    """The gradient's values, or None."""
    return None if t.grad is None else t.grad.numpy()


def report(claim: Claim, which: str, f: str, g: str, runs: list[Outcomes]) -> None:
    """The numbers that must be 0 with detach and above 0 without it: the worst of all runs."""

    def figure(name, measure, zero):
        values = [measure(run) for run in runs]
        value = max(values) if zero else min(values)
        holds = value == 0 if zero else value > 0
        claim.note(f"{which}: {name}", value, "exactly 0" if zero else "above 0", holds, quick=True)

    figure("numbers in c that differ", lambda r: differing([r["detach"].c], [r["without"].c]), zero=True)
    figure(f"numbers in {g}'s gradients that differ", gradients_that_differ, zero=True)
    for link, words in (("detach", "with detach"), ("without", "without")):
        zero = link == "detach"
        figure(f"gradients in {f} {words}", lambda r, link=link: arrived(r[link]), zero)
        figure(f"numbers in {f} that SGD changed {words}", lambda r, link=link: r[link].changed_f, zero)
        figure(f"derivatives called for {f}'s sake {words}", lambda r, link=link: visits(r, link), zero)


def gradients_that_differ(run: Outcomes) -> int:
    """How many numbers in g's gradients differ between detach and none."""
    return differing(run["detach"].gradients_g, run["without"].gradients_g)


def visits(run: Outcomes, link: str) -> int:
    """The derivatives that the backward pass calls beyond those that g's own gradients need."""
    return run[link].visits - run["constant"].visits


def differing(a: list[np.ndarray], b: list[np.ndarray]) -> int:
    """How many of the float32 numbers differ in any bit."""
    return sum(int((x.view(np.int32) != y.view(np.int32)).sum()) for x, y in zip(a, b, strict=True))


def arrived(outcome: Outcome) -> int:
    """How many of a and f's parameters have a gradient."""
    return sum(g is not None for g in [outcome.gradient_a, *outcome.gradients_f])


FORWARD, BACK = OTHERS[0], OTHERS[1]


def picture(run: Outcomes) -> plt.Figure:
    """The graph twice: values forward, norms of gradients back."""
    figure, rows = slide(2, 1)
    for axes, link, formula in zip(rows, ("without", "detach"), ("c = g(b)", "c = g(b.detach())"), strict=True):
        draw_graph(axes, run[link], formula)
    return figure


def draw_graph(axes: plt.Axes, outcome: Outcome, formula: str) -> None:
    """a - f - b - g - c: above each link an arrow forward; below it an arrow back, where a gradient arrives."""
    for x, name in enumerate("afbgc"):
        box = "square" if name in "fg" else "circle"
        axes.text(x, 0, f"${name}$", ha="center", va="center", fontsize=20, bbox={"boxstyle": box, "fc": "white"})
    first = 0 if arrived(outcome) else 2  # where the backward pass ends
    for x in range(4):
        forward, back = {"arrowstyle": "->", "lw": 2.5, "color": FORWARD}, {"arrowstyle": "->", "lw": 2.5, "color": BACK}
        axes.annotate("", (x + 0.8, 0.12), (x + 0.2, 0.12), arrowprops=forward)
        if x >= first:
            axes.annotate("", (x + 0.2, -0.12), (x + 0.8, -0.12), arrowprops=back | {"linestyle": "--"})
    axes.text(0.5, 0.2, "forward", ha="center", va="bottom", color=FORWARD)
    axes.text(3.5, -0.2, "back", ha="center", va="top", color=BACK)
    axes.text(first, -0.3, "the pass ends", ha="center", va="top", color=BACK)
    for x, gradients in ((0, [outcome.gradient_a]), (1, outcome.gradients_f), (3, outcome.gradients_g)):
        axes.text(x, -0.6, norm_in_words(gradients), ha="center", va="top")
    axes.text(4, 0.3, f"{outcome.c:.6f}", ha="center")
    axes.set(xlim=(-0.5, 4.5), ylim=(-0.85, 0.55), title=f"{formula}: values go forward, gradients back")
    axes.axis("off")


def norm_in_words(gradients: list[np.ndarray | None]) -> str:
    """The length of the gradient of all these parameters together."""
    if any(g is None for g in gradients):
        return "no gradient (None)"
    return f"|gradient| = {np.sqrt(sum((g**2).sum() for g in gradients)):.4f}"


if __name__ == "__main__":
    main()
