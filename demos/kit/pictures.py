"""The pictures of games. Each function returns one figure, to which the demo adds a title; animations write a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure

from demos.kit import style
from demos.kit.runner.checkpoint import running
from demos.kit.style import D_COLOUR, FAKE, G_COLOUR, HEIGHT, OPINION, OTHERS, REAL, SERIES, WIDTH, slide

FRAMES_PER_SECOND = 8
MOVING = "\nanimation.gif: the samples during the training; history.csv: the curves; samples.npz: the samples at the end"


@dataclass
class Panel:
    """One panel of `curves`: by key in the history, (label, colour, value at equilibrium or None)."""

    ylabel: str
    curves: dict[str, tuple[str, str, float | None]]
    ylim: tuple[float, float] | None = None


DISCRIMINATOR_PANELS = (
    Panel(
        "loss, nats\n(dotted: $D = 1/2$)",
        {"loss_D": ("D's loss", D_COLOUR, 2 * np.log(2)), "loss_G": ("G's loss, $-\\log D(G(z))$", G_COLOUR, np.log(2))},
    ),
    Panel(
        "probability, share",
        {
            "D_real": ("$D(x)$, mean over real", REAL, None),
            "D_fake": ("$D(G(z))$, mean over fake", FAKE, None),
            "D_accuracy": ("D's accuracy", OTHERS[0], 0.5),
        },
        ylim=(0, 1),
    ),
)


def curves(history: list[dict[str, float]], panels: Sequence[Panel] = DISCRIMINATOR_PANELS) -> Figure:
    """The metrics during the training; a dotted line is a curve's value at equilibrium. If one is missing: all `numbers`."""
    if any(key not in history[0] for panel in panels for key in panel.curves):  # of another loss than the log-loss
        return numbers([history])
    step = [row["step"] for row in history]
    figure, places = slide(len(panels), 1, sharex=True)
    for axes, panel in zip(places, panels, strict=True):
        for key, (label, colour, rest) in panel.curves.items():
            _smooth(axes, step, [row[key] for row in history], label, colour)
            if rest is not None:
                axes.axhline(rest, color=colour, linestyle=":", linewidth=1.5)
        axes.set(ylabel=panel.ylabel, ylim=panel.ylim)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    places[-1].set_xlabel("iteration")
    return figure


def _smooth(axes: plt.Axes, step: Sequence[int], values: Sequence[float], label: str, colour: str) -> None:
    """A curve: single minibatches pale, their running mean in full colour."""
    width = max(1, len(values) // 25)
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    axes.plot(step, values, color=colour, alpha=0.25, linewidth=0.8)
    axes.plot(step, np.convolve(padded, np.ones(width) / width, mode="valid"), color=colour, label=label)


def numbers(histories: Sequence[list[dict[str, float]]]) -> Figure:
    """Every number of a game against the iteration, "step": a panel for each, with a line for each history (of a seed)."""
    names = [name for name in histories[0][0] if name != "step"]
    figure, places = slide(len(names), 1, height=min(HEIGHT, 1.6 * len(names) + 1), squeeze=False, sharex=True)
    for axes, name in zip(places[:, 0], names, strict=True):
        for i, history in enumerate(histories):
            colour = SERIES[i % len(SERIES)]
            axes.plot([row["step"] for row in history], [row[name] for row in history], color=colour, linewidth=1.5)
        axes.set_ylabel(name, rotation=0, ha="right")
    places[-1, 0].set_xlabel("iteration")
    return figure


# --- points in the plane ------------------------------------------------------------------------------------------------


def points(real: np.ndarray, fake: np.ndarray) -> Figure:
    """Data and samples side by side, on the same axes."""
    figure, panels = slide(1, 2, sharex=True, sharey=True)
    for axes, xy, name, colour in zip(panels, (real, fake), ("data $x$", "samples $G(z)$"), (REAL, FAKE), strict=True):
        axes.scatter(*xy.T, s=4, color=colour, alpha=0.4, linewidths=0)
        axes.set(title=name, aspect="equal", xlim=_limits(real), ylim=_limits(real), xlabel="$x_1$", ylabel="$x_2$")
        axes.label_outer()
    return figure


def points_over_time(snapshots: list[dict[str, np.ndarray]], real: np.ndarray, opinion: str = "$D(x)$") -> Figure:
    """Samples over D's output (0: fake, 1: real) at four iterations. `opinion`: the label of the output."""
    chosen = _chosen(snapshots, 4)
    figure, panels = slide(1, len(chosen), height=4.3, squeeze=False, sharex=True, sharey=True)
    for axes, snapshot in zip(panels[0], chosen, strict=True):
        field, _ = _field_and_points(axes, snapshot, real)
        axes.set(title=f"iteration {int(snapshot['step']):,}", xlabel="$x_1$", ylabel="$x_2$")
        axes.label_outer()
    figure.colorbar(field, ax=panels, label=opinion, shrink=0.6)
    return figure


def points_animation(path: Path, snapshots: list[dict[str, np.ndarray]], real: np.ndarray, meaning: str) -> None:
    """The samples and D's output during the whole training, as a GIF."""
    figure, axes = plt.subplots(figsize=(6.4, 6.4))
    figure.subplots_adjust(0.03, 0.03, 0.97, 0.92)  # a layout engine would run for every frame
    field, dots = _field_and_points(axes, snapshots[0], real)
    axes.set(xticks=[], yticks=[])
    title = axes.set_title("")

    def draw(snapshot):
        field.set_data(snapshot["D"])
        dots.set_offsets(snapshot["samples"])
        title.set_text(f"iteration {int(snapshot['step']):,};  {meaning}")

    animate(figure, draw, snapshots, path)


def _field_and_points(axes: plt.Axes, snapshot: dict[str, np.ndarray], real: np.ndarray):
    low, high = _limits(real)
    field = axes.imshow(snapshot["D"], extent=(low, high, low, high), origin="lower", cmap=OPINION, vmin=0, vmax=1, alpha=0.8)
    dots = axes.scatter(*snapshot["samples"].T, s=3, color="black", linewidths=0)
    axes.set(aspect="equal", xlim=(low, high), ylim=(low, high))
    return field, dots


def _chosen(snapshots: list[dict[str, np.ndarray]], n: int) -> list[dict[str, np.ndarray]]:
    """At most n of the snapshots, most of them early ones."""
    return [snapshots[int(i)] for i in np.unique(np.geomspace(1, len(snapshots), n).round() - 1)]


def _limits(real: np.ndarray) -> tuple[float, float]:
    """The same range for both axes, somewhat wider than the data."""
    reach = 1.25 * float(np.abs(real).max())
    return -reach, reach


def lattice(real: np.ndarray, side: int = 60) -> np.ndarray:
    """(side * side, 2) points that cover the picture, row by row from the bottom, at which D is evaluated."""
    line = np.linspace(*_limits(real), side, dtype=np.float32)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


# --- images -------------------------------------------------------------------------------------------------------------


def sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """(n, C, H, W) images in [0, 1] side by side, `columns` to a row, with a line between: one (H', W') or (H', W', 3)."""
    n, channels, height, width = images.shape
    rows = n // columns
    tiles = np.pad(images[: rows * columns], ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.25)
    tiles = tiles.reshape(rows, columns, channels, height + 2, width + 2).transpose(0, 3, 1, 4, 2)
    return tiles.reshape(rows * (height + 2), columns * (width + 2), channels).squeeze(axis=2 if channels == 1 else ())


def labelled(axes: plt.Axes, images: np.ndarray, columns: int, labels: list[str], rows_each: int = 1) -> None:
    """A sheet of images, with a label for every `rows_each` rows."""
    axes.imshow(sheet(images, columns), cmap="gray", vmin=0, vmax=1)
    pitch = rows_each * (images.shape[2] + 2)
    axes.set_yticks([pitch * (i + 0.5) for i in range(len(labels))], labels)
    axes.set(xticks=[])


def strokes(weights: np.ndarray) -> np.ndarray:
    """The weights (784, n) of n units as images (n, 1, 28, 28) in [0, 1], each with its own scale; 0.5 is a weight of 0."""
    scale = 2 * np.abs(weights).max(axis=0)
    return (0.5 + weights / scale).T.reshape(-1, 1, 28, 28)


def images(real: np.ndarray, fake: np.ndarray, columns: int = 12, labels: Sequence[str] = ()) -> Figure:
    """Two sheets side by side: data and samples. `labels`: of the rows, if each row has one class."""
    figure, panels = slide(1, 2, height=min(HEIGHT, WIDTH / 2 * len(real) / columns**2 + 0.9))
    for axes, batch, name in zip(panels, (real, fake), ("data $x$", "samples $G(z)$"), strict=True):
        labelled(axes, batch, columns, list(labels))
        axes.set(title=name, ylabel="class" if labels else "")
    return figure


def interpolations(straight: np.ndarray, spherical: np.ndarray, labels: Sequence[str] = ()) -> Figure:
    """Interpolations between two z, (rows, columns, 1, H, W) each: on straight lines, and on great circles."""
    rows, columns = straight.shape[:2]
    figure, panels = slide(1, 2, height=min(HEIGHT, WIDTH / 2 * rows / columns + 1.4))
    for axes, ways, name in zip(panels, (straight, spherical), ("on a straight line", "on a great circle"), strict=True):
        labelled(axes, ways.reshape(-1, *ways.shape[2:]), columns, list(labels or [f"way {i + 1}" for i in range(rows)]))
        pitch = ways.shape[-1] + 2
        axes.set_xticks([0.5 * pitch, (columns - 0.5) * pitch], ["from $z$", "to $z'$"])
        axes.set_title(name)
        axes.label_outer()
    return figure


def images_over_time(snapshots: list[dict[str, np.ndarray]], columns: int = 16) -> Figure:
    """One row of images for each of several iterations, with the same noise z."""
    chosen = _chosen(snapshots, 8)
    rows = np.concatenate([snapshot["samples"][:columns] for snapshot in chosen])
    figure, axes = slide(height=min(HEIGHT, WIDTH * len(chosen) / columns + 1))
    labelled(axes, rows, columns, [f"{int(s['step']):,}" for s in chosen])
    axes.set(ylabel="iteration", xlabel="the same noise $z$ in each column")
    return figure


def images_animation(path: Path, snapshots: list[dict[str, np.ndarray]], columns: int = 8) -> None:
    """The samples of fixed noise z during the whole training, as a GIF."""
    figure, axes = plt.subplots(figsize=(6.4, 6.8))
    figure.subplots_adjust(0.02, 0.02, 0.98, 0.93)
    picture = axes.imshow(sheet(snapshots[-1]["samples"], columns), cmap="gray", vmin=0, vmax=1)
    axes.axis("off")
    title = axes.set_title("")

    def draw(snapshot):
        picture.set_data(sheet(snapshot["samples"], columns))
        title.set_text(f"iteration {int(snapshot['step']):,}")

    animate(figure, draw, snapshots, path)


# --- files --------------------------------------------------------------------------------------------------------------


def animate(figure: plt.Figure, draw: Callable, snapshots: list[dict], path: Path) -> None:
    """Write a GIF of the snapshots; the last one stays for a second."""
    frames = snapshots + [snapshots[-1]] * FRAMES_PER_SECOND
    if style.drawing:
        animation = FuncAnimation(figure, draw, frames=frames, cache_frame_data=False)
        with running.undisturbed():  # matplotlib fails if it is stopped before the first frame
            animation.save(path, writer=PillowWriter(fps=FRAMES_PER_SECOND), dpi=80)
    plt.close(figure)
