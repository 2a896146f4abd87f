"""Debug mode: every tensor remembers the user's line that made it, and the first nan stops the program there."""

import linecache
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minigan import modes
from minigan.backend import Array

_HERE = str(Path(__file__).parent)


@contextmanager
def debug() -> Iterator[None]:
    """`with debug():` looks at every op, forward and backward, in this thread; MINIGAN_DEBUG=1 does so from the start.

    An op whose output has a nan though its inputs have none raises FloatingPointError, with the op and the line of the user's
    code that called it. So does a derivative; and any other error in the backward pass gets a note with the same line.
    """
    if is_on():
        yield
    else:
        with modes.watching(_Debugger()):
            yield


def is_on() -> bool:
    """Is this thread in debug mode?"""
    return any([isinstance(watcher, _Debugger) for watcher in modes.mode.watchers])


class _Debugger(modes.Watcher):
    """Looks for nans, and notes where in the user's code a tensor was made."""

    def made(self, y: Any, op: str, inputs: tuple) -> None:
        y._origin = users_line()
        refuse_new_nan(op, y._origin, y.data, [x.data for x, _ in inputs])

    def derivative(self, call: Callable, g: Any, y: Any) -> Any:
        """The derivative, with a note on every error that says where in the user's code y was made."""
        try:
            g_x = call(g, y)
            refuse_new_nan(f"the derivative of {y._op}", y._origin, g_x.data, [g.data])
            return g_x
        except Exception as error:
            error.add_note(f"in the backward pass through {y._op}, called at {y._origin}")
            raise


def users_line() -> str:
    """The innermost line of the call stack that is not minigan's own: 'file:line: code'."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"


def refuse_new_nan(what: str, origin: str, output: Array, inputs: Sequence[Array]) -> None:
    """Raise FloatingPointError if the output has a nan and no input has."""
    if _has_nan(output) and not any(_has_nan(array) for array in inputs):
        shapes = ", ".join(str(array.shape) for array in inputs)
        raise FloatingPointError(f"{what} made a nan from arguments without one (shapes {shapes}), at {origin}")


def _has_nan(array: Array) -> bool:
    return array.dtype.kind == "f" and bool((array != array).any())


if os.environ.get("MINIGAN_DEBUG", "0") not in ("", "0"):
    modes.watch_from_the_start(_Debugger())
