"""Debug mode: every tensor remembers the user's line that made it, and the first nan stops the program there."""

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minigan import backend
from minigan.grad_mode import mode

_HERE = str(Path(__file__).parent)


@contextmanager
def debug() -> Iterator[None]:
    """`with debug():` looks at every op, forward and backward, in this thread; MINIGAN_DEBUG=1 does so from the start.

    An op whose output has a nan though its inputs have none raises FloatingPointError, with the op and the line of the user's
    code that called it. So does a derivative; and any other error in the backward pass gets a note with the same line.
    """
    before, mode.debugging = mode.debugging, True
    try:
        yield
    finally:
        mode.debugging = before


def users_line() -> str:
    """The innermost line of the call stack that is not minigan's own: 'file:line: code'."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"


def watched(derivative: Callable, g: Any, y: Any) -> Any:
    """derivative(g, y), with a note on every error that says where in the user's code y was made."""
    try:
        g_x = derivative(g, y)
        refuse_new_nan(f"the derivative of {y._op}", y._origin, g_x.data, [g.data])
        return g_x
    except Exception as error:
        error.add_note(f"in the backward pass through {y._op}, called at {y._origin}")
        raise


def refuse_new_nan(what: str, origin: str, output: backend.Array, inputs: Sequence[backend.Array]) -> None:
    """Raise FloatingPointError if the output has a nan and no input has."""
    if _has_nan(output) and not any(_has_nan(array) for array in inputs):
        shapes = ", ".join(str(array.shape) for array in inputs)
        raise FloatingPointError(f"{what} made a nan from arguments without one (shapes {shapes}), at {origin}")


def _has_nan(array: backend.Array) -> bool:
    return array.dtype.kind == "f" and bool((array != array).any())
