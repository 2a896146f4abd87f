"""Helpers of the demos of attacks: random signs as the control, histories side by side, rows of images."""

import matplotlib.pyplot as plt
import numpy as np

from demos.kit.style import RIGHT, WRONG

BELOW = 9  # pixels for the words under an image


def random_signs(
    x: np.ndarray, epsilon: float, rng: np.random.Generator, clip: tuple[float, float] | None = None
) -> np.ndarray:
    """The control: every pixel moves by epsilon, up or down at random.

    If pixels are clipped to [0, 1], black ones can only rise: the background becomes brighter by epsilon / 2 on average, so
    the step has a direction.
    """
    x = x + x.dtype.type(epsilon) * (2 * rng.integers(2, size=x.shape).astype(x.dtype) - 1)
    return x if clip is None else x.clip(*clip)


def side_by_side(histories: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    """Histories of the same steps, merged into one with all columns."""
    return [{key: value for row in rows for key, value in row.items()} for rows in zip(*histories, strict=True)]


def draw_rows(axes: plt.Axes, rows: dict[str, np.ndarray], seen: dict[str, list[str]], right: dict[str, list[bool]]) -> None:
    """A row of images (n, 28, 28), or (n, 28, 28, 3), in [0, 1] for each name; under each image the words in `seen`."""
    cells = [np.pad(_coloured(images), ((0, 0), (1, BELOW), (1, 1), (0, 0)), constant_values=1) for images in rows.values()]
    axes.imshow(np.concatenate([np.concatenate(row, axis=1) for row in cells]))
    height, width = cells[0].shape[1:3]
    for i, name in enumerate(rows):
        for j, words in enumerate(seen.get(name, [])):
            mark, colour = ("✓", RIGHT) if right[name][j] else ("✗", WRONG)
            place = width * (j + 0.5), height * (i + 1) - BELOW / 2 - 1
            axes.text(*place, f"{mark} {words}", color=colour, ha="center", va="center")
    axes.set_yticks([height * i + (height - BELOW) / 2 for i in range(len(rows))], list(rows))
    axes.tick_params(length=0)
    axes.set(xticks=[])
    axes.spines[:].set_visible(False)


def _coloured(images: np.ndarray) -> np.ndarray:
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)


def in_grey(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Images (n, 1, 28, 28) with pixels from low to high -> (n, 28, 28) with pixels from 0, black, to 1, white."""
    return ((x[:, 0] - low) / (high - low)).clip(0, 1)
