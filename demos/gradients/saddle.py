"""The loss of the linear autoencoder x_hat = w2 w1 x is zero where w1 w2 = 1, and has a saddle at (0, 0).

Slide: "Does the loss have a saddle point? Where?" (CS/DS 541, class 19)

    L(w1, w2) = mean (x - w2 w1 x)^2 = m (1 - w1 w2)^2,  m = mean x^2

By hand: at (0, 0) the gradient is 0. The second derivatives are 0 on the diagonal and -2 m off it, so the loss falls along
(1, 1) and rises along (1, -1). minigan computes them by differentiating its own gradients. What to look for: does a descent
that starts exactly at the saddle stay there? Does one that starts 0.001 away reach w1 w2 = 1? How near does one from (e, -e)
come to the saddle? It would also stay there, but rounding errors grow and drive it out again.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.style import MARKERS, OTHERS, REAL, slide
from minigan import Tensor, optim


@dataclass
class Settings:
    n: int = 100  # data points x, standard normal
    lr: float = 0.05
    steps: int = 1000
    beside: float = 1e-3  # how far from the saddle, along the w1 axis, the second descent starts
    opposite: float = 1.5  # e, of the start at (e, -e)
    seeds: int = 3


VERDICT = "True: the loss has a saddle, at (0, 0); a descent that starts exactly there never leaves."
FINDING = (
    "At (0, 0) the second derivatives have the eigenvalues {data 0: eigenvalue - at (0, 0)|.2f} and "
    "{data 0: eigenvalue + at (0, 0)|+.2f} (first of 3 data sets). A descent from there moves by "
    "{from (0, 0): distance moved|.0f}; one from 0.001 away ends with $w_1 w_2$ within "
    "{beside: |w1 w2 - 1| at the end|<1} of 1."
)
IS_A_SADDLE = (
    "At (0, 0) the loss has a saddle: eigenvalues {data 0: eigenvalue - at (0, 0)|.4f} and "
    "{data 0: eigenvalue + at (0, 0)|+.4f}"
)
ENDS = (
    "A descent from there moves by {from (0, 0): distance moved}; one from beside it ends "
    "{beside: |w1 w2 - 1| at the end|.0e} from $w_1 w_2 = 1$"
)


@demo(Settings(), {"seeds": 1})
def main(claim: Claim, settings: Settings) -> None:
    data = [np.random.default_rng(claim.args.seed + i).standard_normal(settings.n) for i in range(settings.seeds)]
    w1 = np.linspace(0.2, 5.0, 50)
    curve = [np.array([w, 1 / w]) for w in np.concatenate([-w1, w1])]  # w1 w2 = 1 has two branches
    claim.at_most(
        "largest loss where w1 w2 = 1", max(loss(Tensor(w), x).item() for w in curve for x in data), 1e-20, quick=True
    )
    for i, x in enumerate(data):
        second_derivatives(claim, x, f"data {i}: ")
    paths = [descents(x, settings) for x in data]
    where_descents_go(claim, paths, data)
    two_m = f"$2m$ = {2 * claim.metrics['data 0: m']:.4f}"
    claim.show(picture(data[0], paths[0]), "saddle", f"{claim.words(IS_A_SADDLE)} ({two_m}).\n{claim.words(ENDS)}")


def loss(w: Tensor, x: np.ndarray) -> Tensor:
    """The squared error of the reconstruction x_hat = w2 z of x from z = w1 x."""
    z = w[0] * x
    x_hat = w[1] * z
    return mg.mean(mg.square(x - x_hat))


def gradient_and_hessian(w: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient at w, and the gradients of its components, row by row."""
    w = Tensor(w, requires_grad=True)
    (gradient,) = mg.grad(loss(w, x), w, create_graph=True)
    rows = [mg.grad(component, w)[0].numpy() for component in gradient]
    return gradient.numpy(), np.stack(rows)


def descents(x: np.ndarray, settings: Settings) -> dict[str, np.ndarray]:
    """The paths from the saddle, from next to it, and from (e, -e)."""
    starts = {"saddle": (0.0, 0.0), "beside": (settings.beside, 0.0), "opposite": (settings.opposite, -settings.opposite)}
    return {name: descend(w, x, settings) for name, w in starts.items()}


def descend(w: tuple[float, float], x: np.ndarray, settings: Settings) -> np.ndarray:
    """The path of gradient descent from w, (steps + 1, 2)."""
    w = Tensor(np.array(w, dtype=np.float64), requires_grad=True)
    optimizer = optim.SGD([w], settings.lr)
    path = [w.numpy().copy()]
    for _ in range(settings.steps):
        optimizer.zero_grad()
        loss(w, x).backward()
        optimizer.step()
        path.append(w.numpy().copy())
    return np.array(path)


def second_derivatives(claim: Claim, x: np.ndarray, which: str) -> None:
    """The derivatives at (0, 0), compared with the formula."""
    gradient, hessian = gradient_and_hessian(np.zeros(2), x)
    m = np.mean(x**2)
    claim.note(f"{which}m", m, "reported: the mean of x^2")
    claim.note(f"{which}gradient at (0, 0)", np.abs(gradient).max(), "exactly 0", not gradient.any(), quick=True)
    for value, sign in zip(np.linalg.eigvalsh(hessian), ("-", "+"), strict=True):
        formula = float(f"{sign}2") * m
        expected = f"{sign}2 m = {formula:.5g}, within 1e-6"
        claim.note(f"{which}eigenvalue {sign} at (0, 0)", value, expected, abs(value - formula) < 1e-6, quick=True)


def where_descents_go(claim: Claim, paths: list[dict[str, np.ndarray]], data: list[np.ndarray]) -> None:
    """The largest distance moved from the saddle; the largest distance from the solution at the end."""
    moved = max(np.abs(p["saddle"]).max() for p in paths)
    claim.note("from (0, 0): distance moved", moved, "exactly 0", moved == 0, quick=True)
    ends = [p["beside"][-1] for p in paths]
    largest = max(loss(Tensor(end), x).item() for end, x in zip(ends, data, strict=True))
    claim.at_most("beside: loss at the end", largest, 1e-12, quick=True)
    off = max(abs(w1 * w2 - 1) for w1, w2 in ends)
    claim.at_most("beside: |w1 w2 - 1| at the end", off, 1e-6, quick=True)
    nearest = max(np.linalg.norm(p["opposite"], axis=1).min() for p in paths)
    claim.at_most("from (e, -e): nearest to (0, 0)", nearest, 1e-6, quick=True)
    angle = max(np.abs(p["opposite"][:50].sum(axis=1)).max() for p in paths)  # w1 + w2 = 0 on the way, but for rounding
    claim.at_most("from (e, -e): |w1 + w2| in the first 50 steps", angle, 1e-9, quick=True)


def picture(x: np.ndarray, paths: dict[str, np.ndarray]) -> plt.Figure:
    """The paths over the loss; and how far from the saddle they are, step by step."""
    figure, (left, right) = slide(1, 2, height=6.6)
    draw_loss(figure, left, np.mean(x**2))
    looks = (("opposite", "from (e, -e)", 4, "-"), ("beside", "from near (0, 0)", 2, "--"))
    for (name, label, width, line), colour, marker in zip(looks, OTHERS[:2], MARKERS, strict=False):
        left.plot(*paths[name].T, marker=marker, color=colour, linewidth=width, linestyle=line, label=label)
        right.plot(np.linalg.norm(paths[name], axis=1), color=colour, linewidth=width, linestyle=line, label=label)
    left.plot(*paths["saddle"].T, marker="*", markersize=18, color="black", linestyle="", label="from (0, 0)")
    left.set(xlabel="$w_1$", ylabel="$w_2$", title="three descents")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    right.set(yscale="log", xlabel="step", ylabel="distance from (0, 0)", title="how far from (0, 0) they are")
    return figure


def draw_loss(figure: plt.Figure, axes: plt.Axes, m: float) -> None:
    """L in shades of grey, and the curve where it is 0."""
    line = np.linspace(-2.0, 2.0, 201)
    w1, w2 = np.meshgrid(line, line)
    shades = axes.contourf(w1, w2, np.log10(m * (1 - w1 * w2) ** 2 + 1e-3), levels=24, cmap="Greys", alpha=0.4)
    figure.colorbar(shades, ax=axes, label="$\\log_{10} (L + 0.001)$", ticks=range(-3, 2), shrink=0.8)
    for branch in (line[line < -0.5], line[line > 0.5]):
        axes.plot(branch, 1 / branch, color=REAL, linewidth=3, linestyle=":", label="$L = 0$" if branch[0] > 0 else None)
    axes.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
