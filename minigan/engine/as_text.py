"""A Tensor as text: what `repr` shows, in 6 lines at most, whatever the size."""

import math
from typing import Any

import numpy as np

from minigan import backend

ROWS = 4  # lines of values, "..." included
EDGE = 3  # numbers at either end of a row of more than twice as many
WIDTH = 100  # of a text that stays in one line
INPUTS = 4  # of an op that has many


def text(t: Any) -> str:
    """The class, the values (of many, the first and the last), shape, dtype, name, and the op with its inputs."""
    parts = [_values(t.data), _facts(t), *([_op(t)] if t.op else [])]
    start = f"{type(t).__name__}("
    in_one_line = start + ", ".join(parts) + ")"
    if len(in_one_line) <= WIDTH and "\n" not in in_one_line:
        return in_one_line
    return (start + ",\n".join(parts) + ")").replace("\n", "\n" + " " * len(start))


def _values(array: backend.Array) -> str:
    """The values as NumPy shows them, a line for each row of the last axis. Only these rows are copied from a GPU."""
    if not array.ndim or not array.size:
        return np.array2string(backend.to_numpy(array))
    axes = array.shape[:-1]
    count = math.prod(axes)
    chosen = list(range(count)) if count <= ROWS else [0, 1, count - 1]
    places = [tuple(map(int, np.unravel_index(i, axes))) for i in chosen]
    rows = _rows([backend.to_numpy(array[place]) for place in places])
    lines = [_in_brackets(row, i, axes) for row, i in zip(rows, chosen, strict=True)]
    if count > ROWS:
        lines.insert(2, " " * len(axes) + "...")
    return ",\n".join(lines)


def _rows(rows: list[np.ndarray]) -> list[str]:
    """The numbers of each row, aligned in columns."""
    text = np.array2string(np.stack(rows), separator=", ", threshold=0, edgeitems=EDGE, max_line_width=1_000_000)
    return [line[2:].rstrip("],") for line in text.splitlines()]  # without the [[ or the space and the [ in front


def _in_brackets(row: str, i: int, axes: tuple[int, ...]) -> str:
    """The i-th row with the brackets of all the axes that begin or end with it."""
    blocks = [math.prod(axes[k:]) for k in range(len(axes))]  # how many rows belong to one entry of the axis before
    opening = "[" * (1 + sum(i % block == 0 for block in blocks))
    closing = "]" * (1 + sum((i + 1) % block == 0 for block in blocks))
    return opening.rjust(len(axes) + 1) + row + closing


def _facts(t: Any) -> str:
    name = f", name={t.name!r}" if t.name else ""
    flag = f", requires_grad={t.requires_grad}" if t.is_parameter else ""
    return f"shape={t.shape}, dtype={t.dtype}{name}{flag}"


def _op(t: Any) -> str:
    """The op and its inputs: op=affine of x (4, 2), layers.0.weight (2, 8), layers.0.bias (8,)."""
    shown = [_input(x) for x in t.inputs[:INPUTS]]
    more = len(t.inputs) - len(shown)
    return f"op={t.op} of {', '.join(shown)}" + (f" and {more} more" if more else "")


def _input(x: Any) -> str:
    """An input by its name or, without one, as the result of its op; a nameless number by its value, other leaves by shape."""
    if not (x.name or x.op or x.ndim):
        return f"{x.item():.3g}"
    who = " ".join(str(x.name).split()) if x.name else f"{x.op}(...)" if x.op else ""
    return f"{who} {x.shape}".lstrip()
