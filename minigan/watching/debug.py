"""Debug mode: every tensor remembers the user's line that made it, and the first nan stops the program and is traced back."""

import linecache
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minigan.contexts import contextmanager
from minigan.engine import modes
from minigan.engine.errors import describe

_HERE = str(Path(__file__).parents[1])


@contextmanager
def debug() -> Iterator[None]:
    """`with debug():` looks at every op, forward and backward, in this thread; MINIGAN_DEBUG=1 does so from the start.

    An op whose output has a nan raises FloatingPointError. It says who is to blame: the op, with the line of the user's code
    that called it; or an infinity in its arguments, with the op and the line that made it; or an argument that had a nan when
    it came in, such as a minibatch. So does a derivative; any other error in the backward pass gets a note with the line.
    An infinity alone stops nothing: log(0) may well be -inf. Nor does a nan that an op leaves out (`where`, comparisons).
    """
    if is_on():
        yield
    else:
        with modes.watching(_Debugger()):
            yield


def is_on() -> bool:
    """Is this thread in debug mode?"""
    return any([isinstance(watcher, _Debugger) for watcher in modes.mode.watchers])


class Origin(NamedTuple):
    """Where a tensor comes from: the user's line and, if there is an infinity in it, the op and the line that made that."""

    line: str
    infinity: str | None = None


class _Debugger(modes.Watcher):
    """Looks for nans, and notes where in the user's code a tensor, and an infinity, was made."""

    needs_checks = True

    def made(self, y: Any, op: str, inputs: tuple) -> None:
        arguments = [(f"input {i} of {op}", x) for i, (x, _) in enumerate(inputs)]
        y._origin = _origin(op, users_line(), y, arguments)

    def derivative(self, call: Callable, g: Any, y: Any, x: Any) -> Any:
        """The derivative, with a note on every error that says where in the user's code y was made."""
        line = y._origin.line if y._origin else "a line outside of debug mode"
        try:
            g_x = call(g, y)
            if isinstance(g_x, type(y)):
                saved = [(f"input {i} of {y._op}", x) for i, (x, _, _) in enumerate(y._edges)]
                arguments = [(f"the gradient that arrived at {y._op}", g), *saved]
                origin = _origin(f"the derivative of {y._op}", line, g_x, arguments)
                made_here = g_x._order > max(g._order, y._order) or g_x._origin is None
                g_x._origin = origin if made_here else g_x._origin
            return g_x
        except Exception as error:
            error.add_note(f"in the backward pass through {y._op}, called at {line}")
            raise

    def updated(self, optimizer: Any) -> None:
        for i, p in enumerate(optimizer.params):
            if _holds(p, "isnan"):
                step = f"{type(optimizer).__name__}'s step, with lr {optimizer.lr:g}"
                raise FloatingPointError(f"{step}, left a nan in parameter {i}, {describe(p)}, at {users_line()}")


def users_line() -> str:
    """The innermost line of the call stack that is not minigan's own: 'file:line: code'."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"


def _origin(what: str, line: str, y: Any, arguments: Sequence[tuple[str, Any]]) -> Origin:
    """Where y, which `what` has made at this line, comes from. Raises FloatingPointError if there is a nan in it."""
    if y.dtype.kind != "f" or bool(y.xp.isfinite(y.data).all()):
        return Origin(line)
    if bool(y.xp.isnan(y.data).any()):
        raise FloatingPointError(_blame(what, line, arguments))
    infinite = [x for _, x in arguments if _holds(x, "isinf")]
    made_here = f"{what} made at {line}"
    return Origin(line, (infinite[0]._origin and infinite[0]._origin.infinity) if infinite else made_here)


def _blame(what: str, line: str, arguments: Sequence[tuple[str, Any]]) -> str:
    """The message about a nan: what was it in the arguments that it came from?"""
    for role, x in arguments:
        if _holds(x, "isnan"):
            return f"{role} has a nan already: {_before(x)}; {what} passes it on, at {line}"
    for role, x in arguments:
        if _holds(x, "isinf"):
            maker = x._origin and x._origin.infinity
            return f"{what} made a nan from an infinity, {role}, {f'which {maker}' if maker else _before(x)}; at {line}"
    shapes = ", ".join(str(x.shape) for _, x in arguments)
    return f"{what} made a nan from arguments without one (shapes {shapes}), at {line}"


def _before(x: Any) -> str:
    """Where a nan or an infinity comes from that was made before debug mode could see it."""
    if x._order:
        return f"{describe(x)} that {x._op or 'an op'} made outside of debug mode"
    return f"{describe(x)}, a parameter" if x.is_parameter else f"it came in with the data (or by .detach()), {describe(x)}"


def _holds(x: Any, test: str) -> bool:
    """Is there a nan ("isnan") or an infinity ("isinf") in the tensor?"""
    return x.dtype.kind == "f" and bool(getattr(x.xp, test)(x.data).any())


if os.environ.get("MINIGAN_DEBUG", "0") not in ("", "0"):
    modes.watch_from_the_start(_Debugger())
