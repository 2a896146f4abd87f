"""A program's text: the user's line of an event, an op's formula, a derivative's source.

All of it comes from what Python keeps anyway: the stack of calls, docstrings, and the positions of a function's code.
"""

import ast
import contextlib
import inspect
import linecache
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from minigan import ops
from minigan.engine.modes import Derivative
from minigan.engine.shared_derivative import shared_function
from minigan.optim import Optimizer
from minigan.watching.trace.rows import SourceLine

_MINIGAN = Path(__file__).parents[2]
_ENGINE = _MINIGAN / "engine"
_ALGORITHMS = (_MINIGAN / "games", _MINIGAN / "attacks")  # they read like a user's program: rows are grouped by their lines
_SHARED = {_MINIGAN / "games" / "game.py", _MINIGAN / "games" / "figures.py", _MINIGAN / "attacks" / "gradient.py"}
_CONTEXTLIB = {contextlib.__file__, "<frozen contextlib>"}  # its calls are between a `with` and the engine


def calls(until: FrameType | None = None) -> list[FrameType]:
    """The calls around the caller's, the innermost first, up to the frame `until`.

    Not the caller's own: a list in one of its variables would be a cycle, which keeps a step's tensors until it is collected.
    """
    found: list[FrameType] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        found.append(frame)
        frame = None if frame is until else frame.f_back
    return found


def is_users(frame: FrameType) -> bool:
    """Whether this call is in the user's own code, or in an algorithm of minigan.games or minigan.attacks."""
    file = Path(frame.f_code.co_filename)
    if _MINIGAN in file.parents:
        return any(folder in file.parents for folder in _ALGORITHMS) and file not in _SHARED
    return frame.f_code.co_filename not in _CONTEXTLIB


def users_calls(frames: list[FrameType]) -> Iterator[FrameType]:
    """Those of the calls that are the user's. An op of the user's own (whatever calls `record`) counts as the engine's."""
    for inner, frame in zip([None, *frames], frames, strict=False):
        if is_users(frame) and not (inner is not None and _is_record(inner) and frame is not frames[-1]):
            yield frame


def _is_record(frame: FrameType) -> bool:
    place = frame.f_code.co_name, Path(frame.f_code.co_filename)
    return place in (("record", _ENGINE / "tensor.py"), ("record_shared", _ENGINE / "shared_derivative.py"))


def line_of(frame: FrameType) -> SourceLine:
    """The line at which this call is now."""
    return _source_line(frame.f_code.co_filename, frame.f_lineno)


def _source_line(file: str, line: int) -> SourceLine:
    """The file's path is from minigan's folder or the current one, or else its last part; "cell" in a notebook."""
    path = Path(file)
    folder = next((folder for folder in (_MINIGAN, Path.cwd()) if folder in path.parents), path.parent)
    shown = "cell" if re.search("ipykernel|<ipython", file) else path.relative_to(folder).as_posix()
    return SourceLine(shown, line, linecache.getline(file, line).strip())


# --- formulas -----------------------------------------------------------------------------------------------------------


def formula(frames: list[FrameType]) -> str:
    """The formula of the op that is being recorded: the first line of its docstring, or "".

    The op is the innermost public function of the file in which `record` is called: `conv2d`, not its helper `_conv`.
    """
    callers = frames[1 + max(i for i, frame in enumerate(frames[:10]) if _is_record(frame)) :]
    if not callers:
        return ""
    in_its_file = takewhile(lambda frame: frame.f_code.co_filename == callers[0].f_code.co_filename, callers)
    functions = [frame for frame in in_its_file if not frame.f_code.co_name.startswith("<")]
    public = [frame for frame in functions if not frame.f_code.co_name.startswith("_")]
    return _docstring((public[:1] or functions[-1:] or callers[:1])[0])


def _docstring(frame: FrameType) -> str:
    """The first line of the docstring of the function that is being called; "" where there is none."""
    name = frame.f_code.co_name
    scopes = [frame.f_globals, *([frame.f_back.f_locals] if frame.f_back else [])]
    for function in (scope.get(name) for scope in scopes):
        if getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None) is frame.f_code:
            return first_line(function)
    return ""


def first_line(thing: Any) -> str:
    """The first line of something's docstring, without the full stop."""
    return (inspect.getdoc(thing) or "").partition("\n")[0].rstrip(".")


def rule(optimizer: Any) -> tuple[str, str]:
    """An update rule's name, and its docstring's formula: "theta <- theta - lr g".

    Of several formulas: with weight decay the one that names it, without a state the one in g.
    """
    name = type(optimizer).__name__
    for kind in type(optimizer).__mro__:
        found = re.findall(r"theta <- [^,:;\n]*[^,:;.\s]", kind.__doc__ or "")
        if found:
            sign = "weight_decay" if "weight_decay" in optimizer.settings else None if optimizer.slots else "g"
            return name, next((formula for formula in found if sign in formula.split()[3:]), found[0])
    return name, f"{name}.update"


def change(frames: list[FrameType]) -> tuple[str, str]:
    """The rule that has changed a tensor in place, and its formula; or a function's name and its docstring's first line."""
    caller = frames[1 + next(i for i, frame in enumerate(frames) if frame.f_code.co_name == "changed_in_place")]
    name = caller.f_code.co_name
    if caller.f_code is Optimizer.step.__code__:
        return rule(caller.f_locals["self"])
    return ("data", "theta <- the array assigned to .data") if name == "_set_data" else (name, _docstring(caller))


# --- a derivative's source ----------------------------------------------------------------------------------------------


def source_of(derivative: Derivative) -> tuple[str, SourceLine, list[str]]:
    """A derivative's source text (a lambda's expression, or the expression that a function returns), its line, and its helpers.

    The helpers are the functions that it calls, with their docstrings: "_times_transposed: A B^T".
    """
    if shared := shared_function(derivative):
        return _source_of_shared(*shared)
    code = getattr(derivative, "__code__", None)
    if code is None:
        return getattr(derivative, "__name__", type(derivative).__name__), SourceLine("", 0), []
    text = _last_expression(code)
    return text, _source_line(code.co_filename, code.co_firstlineno), _helpers(derivative, (*code.co_freevars, *code.co_names))


def _source_of_shared(function: Callable[..., Any], i: int) -> tuple[str, SourceLine, list[str]]:
    """The same for a function that returns a tuple of gradients: the i-th expression of its first return."""
    try:
        lines, first = inspect.getsourcelines(function)
        text = textwrap.dedent("".join(lines))
        returned = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Return)]
        tuples = [value for value in returned if isinstance(value, ast.Tuple)]
        expression = min(tuples, key=lambda node: node.lineno).elts[i]
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):  # no source, or no `return a, b, ...` in it
        return getattr(function, "__name__", type(function).__name__), SourceLine("", 0), []
    names = [node.id for node in ast.walk(expression) if isinstance(node, ast.Name)]
    line = _source_line(function.__code__.co_filename, first + expression.lineno - 1)
    return ast.get_source_segment(text, expression) or function.__name__, line, _helpers(function, names)


def _last_expression(code: CodeType) -> str:
    """The text of the expression that the function returns; of the last one, if there are several."""
    places = [[n for n in place if n is not None] for place in code.co_positions()]
    known = [((line, left), (end, right)) for line, end, left, right in [place for place in places if len(place) == 4]]
    spans = [(at, to) for at, to in known if at != to]
    if code.co_name != "<lambda>":
        returns = [at for at, _ in spans if linecache.getline(code.co_filename, at[0]).strip().startswith("return ")]
        spans = [(at, to) for at, to in spans if returns and at[0] >= max(returns)[0]]
    if not spans:
        return code.co_name
    start, stop = min(at for at, _ in spans), max(to for _, to in spans)
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(start[0], stop[0] + 1)]  # positions count bytes
    lines[-1] = lines[-1][: stop[1]]
    lines[0] = lines[0][start[1] :]
    text = " ".join(line.decode().strip() for line in lines)
    return text.removeprefix("return ") or code.co_name


def _helpers(derivative: Any, names: Sequence[str]) -> list[str]:
    """The functions of these names in the derivative's closure and file, apart from ops, with their docstrings."""
    closure = dict(zip(derivative.__code__.co_freevars, map(_content, derivative.__closure__ or ()), strict=True))
    values = [(name, closure.get(name, None if name in ops.__all__ else derivative.__globals__.get(name))) for name in names]
    functions = [(name, f) for name, f in values if inspect.isfunction(f) and f.__module__ == derivative.__module__]
    called = [(name if name == f.__name__ else f"{name} = {f.__name__}", first_line(f)) for name, f in functions]
    return [f"{name}: {line}" for name, line in called if line]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet assigned
        return None
