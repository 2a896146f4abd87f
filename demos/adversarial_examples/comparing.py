"""Helpers of the demos of attacks: random signs as the control, histories side by side, rows of images."""

import matplotlib.pyplot as plt
import numpy as np

from demos.kit.rounding import percent
from demos.kit.style import RIGHT, WRONG
from minigan import nn, no_grad

BELOW = 9  # pixels for the words under an image
Row = tuple[
    np.ndarray, list[str], list[bool]
]  # images (n, 28, 28), or (n, 28, 28, 3), in [0, 1]; words; whether they are right


def random_signs(
    x: np.ndarray, epsilon: float, rng: np.random.Generator, clip: tuple[float, float] | None = None
) -> np.ndarray:
    """The control: every pixel moves by epsilon, up or down at random. If clipped to [0, 1], black ones can only rise."""
    x = x + x.dtype.type(epsilon) * (2 * rng.integers(2, size=x.shape).astype(x.dtype) - 1)
    return x if clip is None else x.clip(*clip)


def says(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """The model's class of each image."""
    with no_grad():
        return model(x).numpy().argmax(axis=1)


def side_by_side(histories: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    """Histories of the same steps, merged into one with all columns."""
    return [{key: value for row in rows for key, value in row.items()} for rows in zip(*histories, strict=True)]


def seen(p: np.ndarray, truth: np.ndarray) -> tuple[list[str], list[bool]]:
    """By probabilities (n, classes): the class that the network sees in each image and how sure it is; whether it is right."""
    return [f"{each.argmax()}, {percent(each.max())}" for each in p], list(p.argmax(axis=1) == truth)


def draw_rows(axes: plt.Axes, rows: dict[str, Row]) -> None:
    """A row of images for each name; under each image its words, if the row has any."""
    coloured = [x if x.ndim == 4 else np.repeat(x[..., None], 3, axis=-1) for x, _, _ in rows.values()]
    cells = [np.pad(x, ((0, 0), (1, BELOW), (1, 1), (0, 0)), constant_values=1) for x in coloured]
    axes.imshow(np.concatenate([np.concatenate(row, axis=1) for row in cells]))
    height, width = cells[0].shape[1:3]
    for i, (_, words, right) in enumerate(rows.values()):
        for j, text in enumerate(words):
            mark, colour = ("✓", RIGHT) if right[j] else ("✗", WRONG)
            place = width * (j + 0.5), height * (i + 1) - BELOW / 2 - 1
            axes.text(*place, f"{mark} {text}", color=colour, ha="center", va="center")
    axes.set_yticks([height * i + (height - BELOW) / 2 for i in range(len(rows))], list(rows))
    axes.tick_params(length=0)
    axes.set(xticks=[])
    axes.spines[:].set_visible(False)


def in_grey(x: np.ndarray, low: float = 0, high: float = 1) -> np.ndarray:
    """Images (n, 1, 28, 28) with pixels from low to high -> (n, 28, 28) with pixels from 0, black, to 1, white."""
    return ((x[:, 0] - low) / (high - low)).clip(0, 1)
