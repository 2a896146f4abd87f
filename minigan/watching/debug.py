"""Debug mode: every tensor remembers the user's line that made it; the first nan stops the program, with its origin."""

import linecache
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minigan.contexts import contextmanager
from minigan.engine import modes
from minigan.engine.errors import describe

_HERE = str(Path(__file__).parents[1])


@contextmanager
def debug() -> Iterator[None]:
    """`with debug():` checks every op of this thread, forward and backward; MINIGAN_DEBUG=1 does so from the start.

    An op or a derivative whose output has a nan raises FloatingPointError. The message names the origin: the op, with the line
    of the user's code that called it; or an infinity in its arguments, with the op and the line that made it; or an argument
    that had a nan already, such as a minibatch. Any other error in the backward pass gets a note with the line.
    An infinity alone stops nothing: log(0) is -inf. Nor does a nan that an op leaves out (`where`, comparisons).
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
    """The user's line that made a tensor and, if it has an infinity, the op and the line that made that."""

    line: str
    infinity: str | None = None


class _Debugger(modes.Watcher):
    """Finds nans, and stores the user's line that made each tensor, and each infinity."""

    needs_checks = True

    def made(self, y: Any, op: str, inputs: tuple[Any, ...]) -> None:
        arguments = [(f"input {i} of {op}", x) for i, (x, _) in enumerate(inputs)]
        y._origin = _origin(op, users_line(), y, arguments)

    def derivative(self, call: modes.Derivative, g: Any, y: Any, x: Any) -> Any:
        """The derivative. Every error gets a note with the user's line that made y."""
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
                lr = optimizer.lr * (optimizer.ratios[i] if optimizer.ratios else 1.0)
                step = f"{type(optimizer).__name__}'s step, with lr {lr:g}"
                raise FloatingPointError(f"{step}, left a nan in parameter {i}, {describe(p)}, at {users_line()}")


def users_line() -> str:
    """The innermost line of the call stack that is not minigan's own: 'file:line: code'."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"


def _origin(what: str, line: str, y: Any, arguments: Sequence[tuple[str, Any]]) -> Origin:
    """The origin of y, which `what` has made at this line. Raises FloatingPointError if y has a nan."""
    if y.dtype.kind != "f" or bool(y.xp.isfinite(y.data).all()):
        return Origin(line)
    if bool(y.xp.isnan(y.data).any()):
        raise FloatingPointError(_message(what, line, arguments))
    infinite = [x for _, x in arguments if _holds(x, "isinf")]
    made_here = f"{what} made at {line}"
    return Origin(line, (infinite[0]._origin and infinite[0]._origin.infinity) if infinite else made_here)


def _message(what: str, line: str, arguments: Sequence[tuple[str, Any]]) -> str:
    """The message about a nan, with the argument that it came from."""
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
    """The origin of a nan or an infinity that was made outside of debug mode."""
    if x._order:
        return f"{describe(x)} that {x._op or 'an op'} made outside of debug mode"
    return f"{describe(x)}, a parameter" if x.is_parameter else f"it came in with the data (or by .detach()), {describe(x)}"


def _holds(x: Any, test: str) -> bool:
    """Is there a nan ("isnan") or an infinity ("isinf") in the tensor?"""
    return x.dtype.kind == "f" and bool(getattr(x.xp, test)(x.data).any())


if os.environ.get("MINIGAN_DEBUG", "0") not in ("", "0"):
    modes.watch_from_the_start(_Debugger())
