"""What a trace knows of one tensor: where it came from, what it flows into. Of its gradient, each walk knows: `lessons`.

Everything is a list of lines: a text, and the number of the row that it is about (None: about none).
"""

import math
from collections.abc import Iterable
from typing import Any

from minigan.watching.trace.rows import Backward, Cut, Forward, Row, TensorEntry, Update, Value, Walk

CHAIN = 24  # rows of a way back that are told one by one

Line = tuple[str, int | None]


def history(trace: Any, number: int) -> dict[str, list[Line]]:
    """All there is to say of a tensor, by heading; headings without a line are left out."""
    sections = {
        "Where it came from": came_from(trace, number),
        "What it flows into": flows_into(trace, number),
        "The way back through it": way_back(trace, number),
    }
    return {heading: lines for heading, lines in sections.items() if lines}


def came_from(trace: Any, number: int) -> list[Line]:
    """The rows that made the tensor, the last one first, and the leaves that they began with."""
    entry = trace.tensors[number]
    changes = [row for row in trace.rows if isinstance(row, Update) and row.parameter == number]
    if entry.made_by is None:
        return [(f"{_what(entry)}: no op of the trace made it", None), *_lines(trace, changes)]
    rows, leaves = _ancestry(trace, number)
    lines = _lines(trace, rows[:CHAIN])
    if len(rows) > CHAIN:
        lines.append((f"and {len(rows) - CHAIN} rows before them", None))
    return [*lines, (f"It all began with {_listed(str(trace.tensors[leaf]) for leaf in leaves)}", None)]


def flows_into(trace: Any, number: int) -> list[Line]:
    """The rows that use the tensor, and the outputs of walks that depend on it, also behind a cut."""
    uses = [row for row in trace.rows if isinstance(row, Forward) or (isinstance(row, Cut) and row.what == "detach")]
    lines = _lines(trace, [row for row in uses if number in row.inputs])
    reached = {number}
    for row in uses:
        if reached.intersection(row.inputs):
            reached.update([row.output] if isinstance(row, Forward) else row.outputs)
    walks = [row for row in trace.rows if isinstance(row, Walk) and row.output in reached and row.output != number]
    lines += [(f"and so reaches {trace.tensors[row.output]}, from which a walk back begins", row.number) for row in walks]
    return lines or [("nothing in this trace uses it", None)]


def way_back(trace: Any, number: int) -> list[Line]:
    """The derivatives of the op that made the tensor: what its gradient became on the way to its inputs."""
    made_by = trace.tensors[number].made_by
    return _lines(trace, [row for row in trace.rows if made_by and isinstance(row, Backward) and row.of == made_by])


# --- the first nan --------------------------------------------------------------------------------------------------------


def first_nan(trace: Any) -> Line | None:
    """The first row with a nan, and what made it; None if there is no nan."""
    for row in trace.rows:
        if text := _nan_of(trace, row):
            return text, row.number
    return None


def has_nan(trace: Any, row: Row) -> bool:
    """Whether a value that the row made has a nan."""
    return any(value.nans for _, value in _made(trace, row))


def _made(trace: Any, row: Row) -> list[tuple[str, Value]]:
    """What the row made."""
    if isinstance(row, Forward):
        return [(str(trace.tensors[row.output]), trace.tensors[row.output].value)]
    if isinstance(row, Backward):
        return [(f"the gradient of {trace.tensors[row.input]}", row.left)] if row.left else []  # an error stopped it
    return [(str(trace.tensors[row.parameter]), row.after)] if isinstance(row, Update) else []


def _taken(trace: Any, row: Row) -> list[tuple[str, Value, int | None]]:
    """What the row began with: names, values, and the tensors' numbers."""
    if isinstance(row, Update):
        return [(str(trace.tensors[row.parameter]), row.before, None)]
    if isinstance(row, Backward):
        op = trace.rows[row.of - 1] if row.of else None
        numbers = [*op.inputs, op.output] if op else [row.input]
        arrived = [("the gradient that arrived", row.arrived, None)]
    else:
        numbers, arrived = getattr(row, "inputs", []), []
    return arrived + [(str(trace.tensors[n]), value_at(trace, n, row.number), n) for n in numbers]


def _nan_of(trace: Any, row: Row) -> str:
    """Who is to blame for the nans of this row, before which there was none; "" if it has none."""
    taken, made = _taken(trace, row), _made(trace, row)
    for name, value, _ in taken:
        if value.nans:
            return f"{name} had {_count(value.nans, 'nan')} when it came in: no row made it. {_doer(row)} takes it in"
    for name, value in made:
        if value.nans:
            text = f"{_doer(row)} made {_count(value.nans, 'nan')} of {_count(math.prod(value.shape), 'number')} in {name}"
            infinite = [(other, number) for other, v, number in taken if v.infinities]
            return f"{text}, from {_infinity(trace, *infinite[0]) if infinite else 'inputs without one'}"
    return ""


def _infinity(trace: Any, name: str, number: int | None) -> str:
    """Where the infinity in this tensor, or gradient, comes from."""
    text = f"an infinity in {name}"
    if number is None:
        return text
    rows, leaves = _ancestry(trace, number)
    for leaf in leaves:
        if trace.tensors[leaf].value.infinities:
            return text if leaf == number else f"{text}, which came in with {trace.tensors[leaf]}"
    made = [row for row in rows if any(value.infinities for _, value in _made(trace, row))]
    return f"{text}, which row {made[-1].number} made: {summary(trace, made[-1])}" if made else text


def _doer(row: Row) -> str:
    if isinstance(row, Backward):
        return f"the derivative of {row.op}, {row.source}, {row.defined},"
    if isinstance(row, Update):
        return f"{row.rule}'s step, {row.place},"
    return f"{getattr(row, 'op', row.kind)}, {row.place},"


def value_at(trace: Any, number: int, row: int) -> Value:
    """The tensor's value when this row happened: a parameter's is what the last update before it left."""
    value = trace.tensors[number].value
    for change in trace.rows[: row - 1]:
        if isinstance(change, Update) and change.parameter == number:
            value = change.after
    return value


# --- words ----------------------------------------------------------------------------------------------------------------


def summary(trace: Any, row: Row) -> str:
    """The row in a line."""

    def named(numbers: Iterable[int]) -> str:
        return ", ".join(str(trace.tensors[n]) for n in numbers)

    if isinstance(row, Forward):
        return f"{trace.tensors[row.output]} = {row.op}({named(row.inputs)})"
    if isinstance(row, Walk):
        return f"walk back from {trace.tensors[row.output]}{', recorded' if row.recorded else ''}"
    if isinstance(row, Backward):
        return f"gradient of {trace.tensors[row.input]} by {row.op}: {row.source}"
    if isinstance(row, Update):
        return f"{row.rule} changes {trace.tensors[row.parameter]}"
    if isinstance(row, Cut) and row.outputs:
        return f"{row.what}: {named(row.inputs)} is cut off from {named(row.outputs)}"
    return f"{row.what}: {named(row.inputs)}" if isinstance(row, Cut) else row.kind


def _lines(trace: Any, rows: Iterable[Row]) -> list[Line]:
    return [(summary(trace, row), row.number) for row in rows]


def _ancestry(trace: Any, number: int) -> tuple[list[Row], list[int]]:
    """The rows that the tensor depends on, the last one first, and the tensors that no row made."""
    rows, leaves, ahead, seen = [], [], [number], {number}
    while ahead:
        made_by = trace.tensors[here := ahead.pop()].made_by
        if made_by is None:
            leaves.append(here)
            continue
        rows.append(row := trace.rows[made_by - 1])
        new = [n for n in dict.fromkeys(row.inputs) if n not in seen]
        seen.update(new)
        ahead += new
    return sorted(rows, key=lambda row: -row.number), sorted(leaves)


def _what(entry: TensorEntry) -> str:
    return "a parameter" if entry.kind == "parameter" else "a constant"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names) if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
