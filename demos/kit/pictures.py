"""The demos' pictures. Every function writes one file; a title says what was found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files, no windows

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from demos.kit.checkpoints import undisturbed

REAL, FAKE = "tab:blue", "tab:orange"
FRAMES_PER_SECOND = 8


@dataclass
class Panel:
    """One panel of `curves`: curves by their key in the history: (label, colour, where it would come to rest, or None)."""

    ylabel: str
    curves: dict[str, tuple[str, str, float | None]]
    ylim: tuple[float, float] | None = None


DISCRIMINATOR_PANELS = (
    Panel(
        "loss  (dotted: at $D = 1/2$)",
        {
            "loss_D": ("D's loss", REAL, 2 * np.log(2)),
            "loss_G": ("G's loss, $-\\log D(G(z))$", FAKE, np.log(2)),
        },
    ),
    Panel(
        "probability, share",
        {
            "D_real": ("$D(x)$, mean over real", REAL, None),
            "D_fake": ("$D(G(z))$, mean over fake", FAKE, None),
            "D_accuracy": ("D's accuracy", "tab:green", 0.5),
        },
        ylim=(0, 1),
    ),
)


def curves(path: Path, history: list[dict[str, float]], title: str, panels: Sequence[Panel] = DISCRIMINATOR_PANELS) -> None:
    """The figures over the training; a dotted line is where a curve would come to rest."""
    step = [row["step"] for row in history]
    figure, places = plt.subplots(len(panels), 1, figsize=(9, 3 * len(panels)), sharex=True, layout="constrained")
    for axes, panel in zip(places, panels, strict=True):
        for key, (label, colour, rest) in panel.curves.items():
            _smooth(axes, step, [row[key] for row in history], label, colour)
            if rest is not None:
                axes.axhline(rest, color=colour, linestyle=":", linewidth=1)
        axes.set(ylabel=panel.ylabel, ylim=panel.ylim)
        axes.legend(loc="best", ncols=len(panel.curves))
    places[-1].set_xlabel("iteration")
    figure.suptitle(title)
    _save(figure, path)


def _smooth(axes: plt.Axes, step: Sequence[int], values: Sequence[float], label: str, colour: str) -> None:
    """A curve: the single minibatches pale, their running mean strong."""
    width = max(1, len(values) // 25)
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    axes.plot(step, values, color=colour, alpha=0.25, linewidth=0.8)
    axes.plot(step, np.convolve(padded, np.ones(width) / width, mode="valid"), color=colour, label=label)


# --- points in the plane ------------------------------------------------------------------------------------------------


def points(path: Path, real: np.ndarray, fake: np.ndarray, title: str) -> None:
    """Data and samples side by side, on the same axes."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 5.4), sharex=True, sharey=True, layout="constrained")
    for axes, xy, name, colour in zip(panels, (real, fake), ("data $x$", "samples $G(z)$"), (REAL, FAKE), strict=True):
        axes.scatter(*xy.T, s=2, color=colour, alpha=0.3, linewidths=0)
        axes.set(title=name, aspect="equal", xlim=_limits(real), ylim=_limits(real))
    figure.suptitle(title)
    _save(figure, path)


def points_over_time(path: Path, snapshots: list[dict[str, np.ndarray]], real: np.ndarray, title: str) -> None:
    """Six moments of the training: the samples over what D believes, and the data last."""
    chosen = [snapshots[int(i)] for i in np.unique(np.geomspace(1, len(snapshots), 5).round() - 1)]
    figure, panels = plt.subplots(1, len(chosen) + 1, figsize=(3 * len(chosen) + 3, 3.5), layout="constrained")
    for axes, snapshot in zip(panels, chosen, strict=False):
        _field_and_points(axes, snapshot, real)
        axes.set_title(f"iteration {int(snapshot['step']):,}")
    panels[-1].scatter(*real[:2000].T, s=2, color=REAL, linewidths=0)
    panels[-1].set(title="data", aspect="equal", xlim=_limits(real), ylim=_limits(real), xticks=[], yticks=[])
    figure.suptitle(title)
    _save(figure, path)


def points_animation(path: Path, snapshots: list[dict[str, np.ndarray]], real: np.ndarray, meaning: str) -> None:
    """The samples and D's opinion over the whole training, as a GIF."""
    figure, axes = plt.subplots(figsize=(4.6, 4.6))
    figure.subplots_adjust(0.03, 0.03, 0.97, 0.92)  # a layout engine would lay out every frame anew
    field, dots = _field_and_points(axes, snapshots[0], real)
    title = axes.set_title("")

    def draw(snapshot):
        field.set_data(snapshot["D"])
        dots.set_offsets(snapshot["samples"])
        title.set_text(f"iteration {int(snapshot['step']):,};  {meaning}")

    animate(figure, draw, snapshots, path)


def _field_and_points(axes: plt.Axes, snapshot: dict[str, np.ndarray], real: np.ndarray):
    low, high = _limits(real)
    field = axes.imshow(snapshot["D"], extent=(low, high, low, high), origin="lower", cmap="RdBu_r", vmin=0, vmax=1, alpha=0.6)
    dots = axes.scatter(*snapshot["samples"].T, s=3, color="black", linewidths=0)
    axes.set(aspect="equal", xlim=(low, high), ylim=(low, high), xticks=[], yticks=[])
    return field, dots


def _limits(real: np.ndarray) -> tuple[float, float]:
    """The same range for both axes, somewhat wider than the data."""
    reach = 1.25 * float(np.abs(real).max())
    return -reach, reach


def lattice(real: np.ndarray, side: int = 60) -> np.ndarray:
    """(side * side, 2) points that cover the picture, row by row from below: where D is asked for its opinion."""
    line = np.linspace(*_limits(real), side, dtype=np.float32)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


# --- images -------------------------------------------------------------------------------------------------------------


def sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """(n, 1, H, W) images in [0, 1] side by side, `columns` to a row, with a line between: one (H', W') image."""
    n, _, height, width = images.shape
    rows = n // columns
    tiles = np.pad(images[: rows * columns, 0], ((0, 0), (1, 1), (1, 1)), constant_values=0.25)
    tiles = tiles.reshape(rows, columns, height + 2, width + 2)
    return tiles.swapaxes(1, 2).reshape(rows * (height + 2), columns * (width + 2))


def labelled(axes: plt.Axes, images: np.ndarray, columns: int, labels: list[str], rows_each: int = 1) -> None:
    """A sheet of images, with a label for every `rows_each` rows."""
    axes.imshow(sheet(images, columns), cmap="gray", vmin=0, vmax=1)
    pitch = rows_each * (images.shape[2] + 2)
    axes.set_yticks([pitch * (i + 0.5) for i in range(len(labels))], labels)
    axes.set(xticks=[])


def strokes(weights: np.ndarray) -> np.ndarray:
    """The weights (784, n) of n units as images (n, 1, 28, 28) in [0, 1], each on a scale of its own: 0.5 is 0."""
    scale = 2 * np.abs(weights).max(axis=0)
    return (0.5 + weights / scale).T.reshape(-1, 1, 28, 28)


def images(path: Path, real: np.ndarray, fake: np.ndarray, title: str, columns: int = 12) -> None:
    """Two sheets side by side: data and samples. Where both come class by class, a row each."""
    figure, panels = plt.subplots(1, 2, figsize=(13, 6.4 * len(real) / columns**2 + 0.7), layout="constrained")
    for axes, batch, name in zip(panels, (real, fake), ("data $x$", "samples $G(z)$"), strict=True):
        axes.imshow(sheet(batch, columns), cmap="gray", vmin=0, vmax=1)
        axes.set_title(name)
        axes.axis("off")
    figure.suptitle(title)
    _save(figure, path)


def interpolations(path: Path, straight: np.ndarray, spherical: np.ndarray, title: str) -> None:
    """Rows of images (rows, columns, 1, H, W) on the ways from one z to another: along the line, and along the great circle."""
    figure, panels = plt.subplots(1, 2, figsize=(13, 6.4 * len(straight) / straight.shape[1] + 0.7), layout="constrained")
    for axes, rows, name in zip(panels, (straight, spherical), ("on a straight line", "on a great circle"), strict=True):
        axes.imshow(sheet(rows.reshape(-1, *rows.shape[2:]), rows.shape[1]), cmap="gray", vmin=0, vmax=1)
        axes.set_title(name)
        axes.axis("off")
    figure.suptitle(title)
    _save(figure, path)


def images_over_time(path: Path, snapshots: list[dict[str, np.ndarray]], title: str, columns: int = 16) -> None:
    """One row of images for each of several moments: the same noise z all along."""
    chosen = [snapshots[int(i)] for i in np.unique(np.geomspace(1, len(snapshots), 8).round() - 1)]
    rows = np.concatenate([snapshot["samples"][:columns] for snapshot in chosen])
    figure, axes = plt.subplots(figsize=(columns * 0.62 + 1, len(chosen) * 0.62 + 0.6), layout="constrained")
    axes.imshow(sheet(rows, columns), cmap="gray", vmin=0, vmax=1)
    height = sheet(rows, columns).shape[0] / len(chosen)
    axes.set_yticks([(i + 0.5) * height for i in range(len(chosen))], [f"{int(s['step']):,}" for s in chosen])
    axes.set(xticks=[], ylabel="iteration", title=title)
    _save(figure, path)


def images_animation(path: Path, snapshots: list[dict[str, np.ndarray]], columns: int = 8) -> None:
    """The same noise z through the whole training, as a GIF."""
    figure, axes = plt.subplots(figsize=(4.6, 4.9))
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
    """Write a GIF of the snapshots; it rests on the last one before it starts again."""
    frames = snapshots + [snapshots[-1]] * FRAMES_PER_SECOND
    animation = FuncAnimation(figure, draw, frames=frames, cache_frame_data=False)
    with undisturbed():  # matplotlib fails where it is stopped before the first frame
        animation.save(path, writer=PillowWriter(fps=FRAMES_PER_SECOND), dpi=80)
    plt.close(figure)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)
