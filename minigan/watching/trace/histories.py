"""The history of one tensor in a trace: how it was made, and where it is used. For its gradient see `lessons`.

Everything is a list of lines: a text, and the number of the row that it is about (or None).
"""

import math
from collections.abc import Iterable

from minigan.watching.trace.rows import Backward, BackwardPass, Cut, Forward, Row, Rows, Update, Value

CHAIN = 24  # rows of a tensor's ancestry that are listed one by one

Line = tuple[str, int | None]


def history(trace: Rows, number: int) -> dict[str, list[Line]]:
    """The lines about a tensor, by heading; headings without a line are left out."""
    sections = {
        "How it was made": made_from(trace, number),
        "Where it is used": used_by(trace, number),
        "The derivatives of its op": derivatives_of(trace, number),
    }
    return {heading: lines for heading, lines in sections.items() if lines}


def made_from(trace: Rows, number: int) -> list[Line]:
    """The rows that made the tensor, the last one first, and the leaves at their beginning."""
    entry = trace.tensors[number]
    changes = [row for row in trace.rows if isinstance(row, Update) and row.parameter == number]
    if entry.made_by is None:
        kind = "a parameter" if entry.kind == "parameter" else "a constant"
        return [(f"{kind}: no op of the trace made it", None), *_lines(trace, changes)]
    rows, leaves = _ancestry(trace, number)
    lines = _lines(trace, rows[:CHAIN])
    if len(rows) > CHAIN:
        lines.append((f"and {len(rows) - CHAIN} rows before them", None))
    names = [str(trace.tensors[leaf]) for leaf in leaves]
    return [*lines, (f"It all began with {' and '.join(filter(None, [', '.join(names[:-1]), *names[-1:]]))}", None)]


def used_by(trace: Rows, number: int) -> list[Line]:
    """The rows that use the tensor, and the backward passes whose outputs depend on it, also behind a cut."""
    uses = [row for row in trace.rows if isinstance(row, Forward) or (isinstance(row, Cut) and row.what == "detach")]
    lines = _lines(trace, [row for row in uses if number in row.inputs])
    reached = {number}
    for row in uses:
        if reached.intersection(row.inputs):
            reached.update([row.output] if isinstance(row, Forward) else row.outputs)
    passes = [row for row in trace.rows if isinstance(row, BackwardPass) and row.output in reached and row.output != number]
    lines += [(f"and so reaches {trace.tensors[row.output]}, where a backward pass begins", row.number) for row in passes]
    return lines or [("nothing in this trace uses it", None)]


def derivatives_of(trace: Rows, number: int) -> list[Line]:
    """The derivatives of the op that made the tensor: how its gradient was passed on to the op's inputs."""
    made_by = trace.tensors[number].made_by
    return _lines(trace, [row for row in trace.rows if made_by and isinstance(row, Backward) and row.of == made_by])


# --- the first nan --------------------------------------------------------------------------------------------------------


def first_nan(trace: Rows) -> Line | None:
    """The first row with a nan, with its origin; None if there is no nan."""
    for row in trace.rows:
        if text := _nan_of(trace, row):
            return text, row.number
    return None


def has_nan(trace: Rows, row: Row) -> bool:
    """Whether a value that the row made has a nan."""
    return any(value.nans for _, value in _made(trace, row))


def _made(trace: Rows, row: Row) -> list[tuple[str, Value]]:
    """The names and values of the row's results."""
    if isinstance(row, Forward):
        return [(str(trace.tensors[row.output]), trace.tensors[row.output].value)]
    if isinstance(row, Backward):
        return [(f"the gradient of {trace.tensors[row.input]}", row.left)] if row.left else []  # an error stopped it
    return [(str(trace.tensors[row.parameter]), row.after)] if isinstance(row, Update) else []


def _taken(trace: Rows, row: Row) -> list[tuple[str, Value, int | None]]:
    """The names, values and tensors' numbers of the row's inputs."""
    if isinstance(row, Update):
        return [(str(trace.tensors[row.parameter]), row.before, None)]
    if isinstance(row, Backward):
        op = trace.op_of(row)
        numbers = [*op.inputs, op.output] if op else [row.input]
        arrived: list[tuple[str, Value, int | None]] = [("the gradient that arrived", row.arrived, None)]
    else:
        numbers, arrived = getattr(row, "inputs", []), []
    return arrived + [(str(trace.tensors[n]), value_at(trace, n, row.number), n) for n in numbers]


def _nan_of(trace: Rows, row: Row) -> str:
    """The origin of the nans of this row, the first that has some; "" if it has none."""
    taken, made = _taken(trace, row), _made(trace, row)
    for name, value, _ in taken:
        if value.nans:
            return f"{name} had {_count(value.nans, 'nan')} already: no row made it. {_doer(row)} uses it"
    for name, value in made:
        if value.nans:
            text = f"{_doer(row)} made {_count(value.nans, 'nan')} of {_count(math.prod(value.shape), 'number')} in {name}"
            infinite = [(other, number) for other, v, number in taken if v.infinities]
            return f"{text}, from {_infinity(trace, *infinite[0]) if infinite else 'inputs without one'}"
    return ""


def _infinity(trace: Rows, name: str, number: int | None) -> str:
    """Where the infinity in this tensor, or gradient, comes from."""
    text = f"an infinity in {name}"
    if number is None:
        return text
    rows, leaves = _ancestry(trace, number)
    for leaf in leaves:
        if trace.tensors[leaf].value.infinities:
            return text if leaf == number else f"{text}, which came with {trace.tensors[leaf]}"
    made = [row for row in rows if any(value.infinities for _, value in _made(trace, row))]
    return f"{text}, which row {made[-1].number} made: {summary(trace, made[-1])}" if made else text


def _doer(row: Row) -> str:
    if isinstance(row, Backward):
        return f"the derivative of {row.op}, {row.source}, {row.defined},"
    if isinstance(row, Update):
        return f"{row.rule}'s step, {row.place},"
    return f"{getattr(row, 'op', row.kind)}, {row.place},"


def value_at(trace: Rows, number: int, row: int) -> Value:
    """The tensor's value when this row happened: a parameter's is that of the last update before it."""
    value = trace.tensors[number].value
    for change in trace.rows[: row - 1]:
        if isinstance(change, Update) and change.parameter == number:
            value = change.after
    return value


# --- words ----------------------------------------------------------------------------------------------------------------


def summary(trace: Rows, row: Row) -> str:
    """The row in a line."""

    def named(numbers: Iterable[int]) -> str:
        return ", ".join(str(trace.tensors[n]) for n in numbers)

    if isinstance(row, Forward):
        return f"{trace.tensors[row.output]} = {row.op}({named(row.inputs)})"
    if isinstance(row, BackwardPass):
        return f"backward pass from {trace.tensors[row.output]}{', recorded' if row.recorded else ''}"
    if isinstance(row, Backward):
        return f"gradient of {trace.tensors[row.input]} by {row.op}: {row.source}"
    if isinstance(row, Update):
        return f"{row.rule} changes {trace.tensors[row.parameter]}"
    if isinstance(row, Cut) and row.outputs:
        return f"{row.what}: {named(row.inputs)} is cut off from {named(row.outputs)}"
    return f"{row.what}: {named(row.inputs)}" if isinstance(row, Cut) else row.kind


def _lines(trace: Rows, rows: Iterable[Row]) -> list[Line]:
    return [(summary(trace, row), row.number) for row in rows]


def _ancestry(trace: Rows, number: int) -> tuple[list[Row], list[int]]:
    """The rows that the tensor depends on, the last one first, and the tensors that no row made."""
    rows: list[Row] = []
    leaves, ahead, seen = [], [number], {number}
    while ahead:
        row = trace.maker(here := ahead.pop())
        if row is None:
            leaves.append(here)
            continue
        rows.append(row)
        new = [n for n in dict.fromkeys(row.inputs) if n not in seen]
        seen.update(new)
        ahead += new
    return sorted(rows, key=lambda row: -row.number), sorted(leaves)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
