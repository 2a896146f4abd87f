"""What the demos of attacks compare with: random signs, as the control; and other networks, trained alike."""

import numpy as np


def random_signs(
    x: np.ndarray, epsilon: float, rng: np.random.Generator, clip: tuple[float, float] | None = None
) -> np.ndarray:
    """The control: every pixel moves by epsilon, up or down as a coin says.

    Where pixels are clipped to [0, 1], black ones can only rise: the background becomes brighter by epsilon / 2 on average,
    and the step has a direction after all.
    """
    x = x + x.dtype.type(epsilon) * (2 * rng.integers(2, size=x.shape).astype(x.dtype) - 1)
    return x if clip is None else x.clip(*clip)


def side_by_side(histories: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    """Histories of the same steps as one, with the columns of all."""
    return [{key: value for row in rows for key, value in row.items()} for rows in zip(*histories, strict=True)]
