"""b.detach() leaves the forward pass as it is, and lets no gradient through to f.

Slide: "Hence, any parameters in f (or earlier in the graph) will not get updated in SGD." (CS/DS 552, class 7)

    b = f(a)                    dc/da = dc/db db/da
    c = g(b.detach())           the backward pass from c ends at b, as if b were a constant

Two networks in a row, with and without detach; then D's step in a GAN, where f is G and g is D. What to look for: do c and g's
gradients agree to the last bit? Are f's gradients absent (None) rather than zeros, so that SGD leaves f alone? If D's gradients
are also right without detach, then detach only saves time: the backward pass through G, and gradients in G that the next G step
would have to throw away.
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
    a: int = 3  # dimensions of a (z, in the GAN),
    b: int = 4  # of b (x and G(z)),
    hidden: int = 32  # and of each network's hidden layer
    batch: int = 64
    lr: float = 0.1
    seeds: int = 3


VERDICT = "True: no gradient passes a detach, so SGD leaves the network before it alone; all other gradients stay the same."
FINDING = (
    "In D's step of a GAN, detach changes {GAN: numbers in D's gradients that differ|.0f} numbers in D's gradients. "
    "Without it, "
    "{GAN: gradients in G without|.0f} gradients reach G and z; with it, {GAN: gradients in G with detach|.0f}, and "
    "{GAN: derivatives called for G's sake without|.0f} derivatives are not called."
)
TITLE = (
    "With detach and without, c and g's gradients are the same to the last bit;\n"
    "with it, {chain: gradients in f with detach|.0f} gradients in f and a instead of {chain: gradients in f without|.0f}, and "
    "{chain: derivatives called for f's sake with detach|.0f} derivatives called for their sake instead of "
    "{chain: derivatives called for f's sake without|.0f}"
)
Gradients = list[np.ndarray | None]  # None: no gradient has arrived


@dataclass
class Outcome:
    """The state after a forward pass, a backward pass and a step of SGD."""

    c: np.ndarray
    gradients: dict[str, Gradients]  # of "a", and of the parameters of "f" and "g"
    changed_f: int  # numbers in f's parameters that the step has changed
    visits: int  # derivatives that the backward pass has called

    def arrived(self) -> int:
        """How many of a and f's parameters have a gradient."""
        return sum(gradient is not None for gradient in self.gradients["a"] + self.gradients["f"])


# How b is passed on to g. The constant is for comparison: its graph has nothing of f.
LINKS = {"without": lambda b: b, "detach": Tensor.detach, "constant": lambda b: Tensor(b.numpy())}
Outcomes = dict[str, Outcome]


@demo(Settings(), {"seeds": 1})
def main(claim: Claim, settings: Settings) -> None:
    args = claim.args
    seeds = range(args.seed, args.seed + settings.seeds)
    chains = [two_networks(settings, seed) for seed in seeds]
    measure(claim, "chain", "f", "g", chains)
    measure(claim, "GAN", "G", "D", [discriminator_step(settings, seed) for seed in seeds])
    claim.show(picture(chains[0]), "detach", claim.words(TITLE))


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
    parts = {"a": [a], "f": f.parameters(), "g": g.parameters()}
    return Outcome(
        c=c.numpy(),
        gradients={name: [p.grad if p.grad is None else p.grad.numpy() for p in part] for name, part in parts.items()},
        changed_f=differing(before, [p.numpy() for p in f.parameters()]),
        visits=sum(row.calls for (_, direction), row in profile.rows.items() if direction == "backward"),
    )


def differing(a: list[np.ndarray], b: list[np.ndarray]) -> int:
    """How many of the float32 numbers differ in any bit."""
    return sum(int((x.view(np.int32) != y.view(np.int32)).sum()) for x, y in zip(a, b, strict=True))


def measure(claim: Claim, which: str, f: str, g: str, runs: list[Outcomes]) -> None:
    """The numbers that must be 0 with detach and above 0 without it: the worst of all runs."""

    def check(name: str, values: list[int], none: bool) -> None:
        worst = max(values) if none else min(values)
        claim.note(f"{which}: {name}", worst, "exactly 0" if none else "above 0", (worst == 0) == none, quick=True)

    pairs = [(run["detach"], run["without"]) for run in runs]
    check("numbers in c that differ", [differing([a.c], [b.c]) for a, b in pairs], none=True)
    differ = [differing(a.gradients["g"], b.gradients["g"]) for a, b in pairs]
    check(f"numbers in {g}'s gradients that differ", differ, none=True)
    for link, words, none in (("detach", "with detach", True), ("without", "without", False)):
        check(f"gradients in {f} {words}", [run[link].arrived() for run in runs], none)
        check(f"numbers in {f} that SGD changed {words}", [run[link].changed_f for run in runs], none)
        called = [run[link].visits - run["constant"].visits for run in runs]
        check(f"derivatives called for {f}'s sake {words}", called, none)


def picture(run: Outcomes) -> plt.Figure:
    """The graph twice: values forward, norms of gradients back."""
    figure, rows = slide(2, 1)
    draw_graph(rows[0], run["without"], "c = g(b)")
    draw_graph(rows[1], run["detach"], "c = g(b.detach())")
    return figure


def draw_graph(axes: plt.Axes, outcome: Outcome, formula: str) -> None:
    """a - f - b - g - c: above each link an arrow forward; below it an arrow back, where a gradient arrives."""
    forward, back = OTHERS[:2]
    for x, name in enumerate("afbgc"):
        box = "square" if name in "fg" else "circle"
        axes.text(x, 0, f"${name}$", ha="center", va="center", fontsize=20, bbox={"boxstyle": box, "fc": "white"})
        if name in outcome.gradients:
            gradients = outcome.gradients[name]
            none = any(g is None for g in gradients)
            norm = "no gradient (None)" if none else f"|gradient| = {np.sqrt(sum((g**2).sum() for g in gradients)):.4f}"
            axes.text(x, -0.6, norm, ha="center", va="top")
    first = 0 if outcome.arrived() else 2  # where the backward pass ends
    arrow = {"arrowstyle": "->", "lw": 2.5}
    for x in range(4):
        axes.annotate("", (x + 0.8, 0.12), (x + 0.2, 0.12), arrowprops=arrow | {"color": forward})
        if x >= first:
            axes.annotate("", (x + 0.2, -0.12), (x + 0.8, -0.12), arrowprops=arrow | {"color": back, "linestyle": "--"})
    axes.text(0.5, 0.2, "forward", ha="center", va="bottom", color=forward)
    axes.text(3.5, -0.2, "back", ha="center", va="top", color=back)
    axes.text(first, -0.3, "the pass ends", ha="center", va="top", color=back)
    axes.text(4, 0.3, f"{outcome.c:.6f}", ha="center")
    axes.set(xlim=(-0.5, 4.5), ylim=(-0.85, 0.55), title=f"{formula}: values go forward, gradients back")
    axes.axis("off")
