"""The loss of the linear autoencoder x_hat = w2 w1 x is zero where w1 w2 = 1, and has a saddle at (0, 0).

Slide: "Does the loss have a saddle point? Where?" (CS/DS 541, class 19)

    L(w1, w2) = mean (x - w2 w1 x)^2 = m (1 - w1 w2)^2,  m = mean x^2

At (0, 0) the gradient is 0, and the second derivatives, which minigan finds by differentiating its own gradients, are 0 on the
diagonal and -2 m beside it: along (1, 1) the loss falls, along (1, -1) it rises. What to look for: a descent that starts
exactly at the saddle stays there for ever, one that starts a thousandth beside it arrives at w1 w2 = 1, and one from (e, -e)
walks straight into the saddle. It would stay there, too; only rounding errors, which grow, lead it out again in the end.
"""

from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.pictures import FAKE, REAL
from demos.kit.run import common_options, start
from minigan import Tensor, optim


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    n: int = 100  # data points x, standard normal
    lr: float = 0.05
    steps: int = 1000
    beside: float = 1e-3  # how far from the saddle, along the w1 axis, the second descent starts
    opposite: float = 1.5  # e, of the start at (e, -e)
    seeds: int = 3


def main(argv: list[str] | None = None) -> None:
    """The figures for every seed, and the picture of the first."""
    args = start(common_options(__doc__), argv, "saddle")
    settings = replace(Settings(), seeds=1) if args.quick else Settings()
    claim = Claim(args, asdict(settings))
    data = [np.random.default_rng(args.seed + i).standard_normal(settings.n) for i in range(settings.seeds)]
    where_it_is_zero(claim, data)
    eigenvalues = [second_derivatives(claim, x, f"data {i}: ") for i, x in enumerate(data)]
    paths = [descents(x, settings) for x in data]
    where_descents_go(claim, paths, data, settings)
    claim.finish(picture(data[0], paths[0], eigenvalues[0]), "saddle")


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
    """The paths from the saddle, from beside it, and from (e, -e)."""
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


# --- the figures --------------------------------------------------------------------------------------------------------


def where_it_is_zero(claim: Claim, data: list[np.ndarray]) -> None:
    """The loss at points of the curve w1 w2 = 1, on both its branches."""
    w1 = np.linspace(0.2, 5.0, 50)
    points = [np.array([w, 1 / w]) for w in np.concatenate([-w1, w1])]
    largest = max(loss(Tensor(w), x).item() for w in points for x in data)
    claim.note("largest loss where w1 w2 = 1", largest, "0, but for rounding", largest < 1e-20)


def second_derivatives(claim: Claim, x: np.ndarray, which: str) -> np.ndarray:
    """The derivatives at (0, 0): the Hessian's eigenvalues, beside the formula's."""
    gradient, hessian = gradient_and_hessian(np.zeros(2), x)
    claim.note(f"{which}gradient at (0, 0)", np.abs(gradient).max(), "exactly 0", not gradient.any())
    eigenvalues = np.linalg.eigvalsh(hessian)
    for value, sign in zip(eigenvalues, ("-", "+"), strict=True):
        formula = float(f"{sign}2") * np.mean(x**2)
        expected = f"{sign}2 m = {formula:.5g}, within 1e-6"
        claim.note(f"{which}eigenvalue {sign} at (0, 0)", value, expected, abs(value - formula) < 1e-6)
    return eigenvalues


def where_descents_go(claim: Claim, paths: list[dict[str, np.ndarray]], data: list[np.ndarray], settings: Settings) -> None:
    """The farthest that any came from the saddle, the farthest that any ended from its aim."""
    moved = max(np.abs(p["saddle"]).max() for p in paths)
    claim.note("from (0, 0): distance moved", moved, "exactly 0", moved == 0)
    ends = [p["beside"][-1] for p in paths]
    largest = max(loss(Tensor(end), x).item() for end, x in zip(ends, data, strict=True))
    claim.note(f"from {settings.beside:g} beside: loss at the end", largest, "at most 1e-12", largest <= 1e-12)
    off = max(abs(w1 * w2 - 1) for w1, w2 in ends)
    claim.note(f"from {settings.beside:g} beside: |w1 w2 - 1| at the end", off, "at most 1e-6", off <= 1e-6)
    nearest = max(np.linalg.norm(p["opposite"], axis=1).min() for p in paths)
    claim.note("from (e, -e): nearest to (0, 0)", nearest, "at most 1e-6", nearest <= 1e-6)
    angle = max(np.abs(p["opposite"][:50].sum(axis=1)).max() for p in paths)  # w1 + w2 = 0 on the way
    claim.note("from (e, -e): |w1 + w2| in the first 50 steps", angle, "0, but for rounding", angle < 1e-9)


# --- the picture --------------------------------------------------------------------------------------------------------


def picture(x: np.ndarray, paths: dict[str, np.ndarray], eigenvalues: np.ndarray) -> plt.Figure:
    """The paths over the loss; and how far from the saddle they are, step by step."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 5.2), layout="constrained")
    draw_loss(left, np.mean(x**2))
    for name, label, colour, width in (("opposite", "from (e, -e)", REAL, 5), ("beside", "from beside the saddle", FAKE, 2)):
        left.plot(*paths[name].T, marker=".", color=colour, linewidth=width, label=label)
        right.plot(np.linalg.norm(paths[name], axis=1), color=colour, label=label)
    moved = np.abs(paths["saddle"]).max()
    left.plot(
        *paths["saddle"].T, marker="*", markersize=14, color="black", linestyle="", label=f"from (0, 0): moves by {moved:g}"
    )
    left.legend(loc="upper left")
    right.set(yscale="log", xlabel="step", ylabel="distance from (0, 0)", title="how far from the saddle")
    right.legend()
    w1, w2 = paths["beside"][-1]
    figure.suptitle(
        f"Saddle at (0, 0): eigenvalues {eigenvalues[0]:.4f} and {eigenvalues[1]:+.4f}, where $2m$ = {2 * np.mean(x**2):.4f}; "
        f"a descent from beside it ends at $w_1 w_2$ = {w1 * w2:.6f}"
    )
    return figure


def draw_loss(axes: plt.Axes, m: float) -> None:
    """Contours of L, and the curve where it is 0."""
    line = np.linspace(-2.0, 2.0, 201)
    w1, w2 = np.meshgrid(line, line)
    axes.contourf(w1, w2, np.log10(m * (1 - w1 * w2) ** 2 + 1e-3), levels=24, cmap="Greys", alpha=0.4)
    for branch in (line[line < -0.5], line[line > 0.5]):
        axes.plot(branch, 1 / branch, color="tab:green", linewidth=3, label="$L = 0$" if branch[0] > 0 else None)
    axes.set(xlabel="$w_1$", ylabel="$w_2$", xlim=(-2, 2), ylim=(-2, 2), aspect="equal", title="loss: grey high, white low")


if __name__ == "__main__":
    main()
