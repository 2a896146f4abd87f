"""A trace as one page for a browser: `Trace.html(path)`. The page works without a network; `page.html` is its template.

All the page's text and numbers are made here; the template's script shows them, row by row. A page has limits, ROWS, SIZE and
rows.MAP: beyond them acts that repeat are left out and heat maps shrink, and the page mentions it.
"""

import base64
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from minigan.watching.trace import histories
from minigan.watching.trace.graph import LIMIT, Act, act_of, split
from minigan.watching.trace.histories import Line
from minigan.watching.trace.lessons import Reading
from minigan.watching.trace.rows import MAP, Backward, BackwardPass, Cut, Forward, Row, Rows, Update, Value

ROWS = 500  # on a page
SIZE = 1_000_000  # bytes of a page
EXACT = 32  # numbers of a heat map that are written out; larger maps have 8 bits a number
LEVELS = 252  # of those 8 bits; the codes above:
MINUS_INFINITY, INFINITY, NAN = 253, 254, 255

Json = dict[str, Any]


def write(trace: Rows, path: str | Path) -> Path:
    """Write the page of a trace to this path; returns the path."""
    path = Path(path)
    path.write_text(text(trace), encoding="utf-8")
    return path


def frame(trace: Rows) -> str:
    """The page in a frame, for a notebook. The page has no access to the notebook."""
    inside = text(trace).replace("&", "&amp;").replace("'", "&#39;")
    return f"<iframe sandbox='allow-scripts' style='width: 100%; height: 680px; border: 0' srcdoc='{inside}'></iframe>"


def text(trace: Rows) -> str:
    """The page, with maps as large as SIZE allows, and then as many rows as it allows."""
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    reading = Reading(trace)
    known: dict[int, dict[str, list[Line]]] = {}  # the tensors' histories
    for most in (ROWS, ROWS // 2, ROWS // 4):
        acts, omissions = shown(trace, most)
        for side in (MAP, MAP // 2, MAP // 4, MAP // 8, 0):
            smaller = [f"The page would be too large: its maps show at most {side} x {side} numbers."] if side < MAP else []
            contents = Contents(reading, acts, side, known).all(omissions + smaller)
            data = json.dumps(contents, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            for letter in "<\u2028\u2029":  # nothing in the data can end the script
                data = data.replace(letter, f"\\u{ord(letter):04x}")
            page = template.replace("@DATA@", data)
            if len(page.encode()) <= SIZE:
                return page
    return page


# --- the contents --------------------------------------------------------------------------------------------------------


def shown(trace: Rows, most: int) -> tuple[list[Act], list[str]]:
    """The acts of the page, and sentences about the acts and rows that it omits."""
    parts, omissions = split(trace.rows), list[str]()
    if len(trace.rows) > most:
        parts, omissions = _without_repetitions(trace, parts)
    left, kept = most, list[list[Row]]()
    for rows in parts:
        kept.append(rows[:left])
        left -= len(kept[-1])
    missing = sum(map(len, parts)) - most
    if missing > 0:
        omissions.append(f"This page shows {most} rows: the last {missing} of this trace are not here.")
    acts = [act_of(trace, rows, LIMIT) for rows in kept if rows]
    folds = [node for act in acts for node in act.nodes.values() if node.kind == "fold"]
    if folds:
        omissions.append("Layers that repeat are one box of the graph, with a double edge: click it for its rows.")
    return acts, omissions


def _without_repetitions(trace: Rows, parts: list[list[Row]]) -> tuple[list[list[Row]], list[str]]:
    """Of acts in succession that do the same, the first, the last, and any with the first nan."""
    nan = histories.first_nan(trace)
    kept, omissions, number = list[list[Row]](), list[str](), 1
    for _, same in groupby(parts, key=_pattern):
        run = list(same)
        inner = [rows for rows in run[1:-1] if not (nan and rows[0].number <= (nan[1] or 0) <= rows[-1].number)]
        kept += [rows for rows in run if not any(rows is other for other in inner)]
        if inner:
            first, last = inner[0][0].number, inner[-1][-1].number
            omissions.append(
                f"The trace has {len(trace.rows)} rows. Acts {number} to {number + len(run) - 1} do the same: "
                f"of rows {first} to {last}, {len(inner)} acts are left out."
            )
        number += len(run)
    return kept, omissions


def _pattern(rows: list[Row]) -> list[tuple[str, ...]]:
    """An act's operations and lines, without the numbers."""
    return [(row.kind, str(row.place), getattr(row, "op", ""), getattr(row, "rule", "")) for row in rows]


class Contents:
    """The data of the template's script, as JSON. Values, maps and lines are written once, and referred to by index."""

    def __init__(self, reading: Reading, acts: list[Act], side: int, known: dict[int, dict[str, list[Line]]]):
        self.reading, self.trace, self.acts, self.side, self.known = reading, reading.trace, acts, side, known
        self.values: dict[str, int] = {}
        self.maps: dict[str, int] = {}
        self.places: dict[tuple[str, str], int] = {}
        self.position = {row.number: i for i, row in enumerate(row for act in acts for row in act.rows)}

    def all(self, omissions: list[str]) -> Json:
        """Everything."""
        rows = [self.row(row, i) for i, act in enumerate(self.acts) for row in act.rows]
        met = [{n for n in (*act.nodes, *act.inside) if n > 0} for act in self.acts]
        for row in rows:
            met[row["a"]] |= {*row["t"]}
        nan = histories.first_nan(self.trace)
        return {
            "rows": rows,
            "acts": [self.act(act) | self.gradients(act, sorted(numbers)) for act, numbers in zip(self.acts, met, strict=True)],
            "tensors": {n: self.tensor(n) for n in sorted(set().union(*met))},
            "lessons": [self.line(line) for line in self.trace.lessons],
            "nan": self.line(nan) if nan else None,
            "omissions": omissions,
            "players": list(self.trace.players),
            "total": len(self.trace.rows),
            "values": [json.loads(value) for value in self.values],
            "maps": [json.loads(found) for found in self.maps],
            "places": list(self.places),
        }

    def act(self, act: Act) -> Json:
        """An act's graph, with positions in units of a node."""
        found = act.layout()
        nodes = []
        for node in act.nodes.values():
            x, y = found.positions[node.number]
            fields: Json = {"n": node.number, "k": node.kind, "l": node.label, "b": node.below, "p": node.player}
            fields |= {"x": x, "y": y, "t": node.number if node.again is None else node.again}
            if node.members:
                made = [self.trace.tensors[n].made_by for n in node.members]
                fields["m"] = node.members
                fields["r"] = [self.position[row] for row in made if row in self.position]
            nodes.append(fields)
        edges = []
        for edge in act.edges:
            fields = {"a": edge.source, "b": edge.target, "t": act.nodes[edge.source].again or edge.source}
            fields["w"] = found.routes[edge.source, edge.target]
            if edge.cut:
                fields |= {"c": self.position[edge.cut], "at": str(self.trace.rows[edge.cut - 1].place)}
            edges.append(fields)
        inside = {str(n): fold for n, fold in act.inside.items()}
        return {"title": act.title, "w": found.columns, "h": found.height, "nodes": nodes, "edges": edges, "in": inside}

    def gradients(self, act: Act, tensors: list[int]) -> Json:
        """The gradients of the act's tensors: the derivatives of the act's own backward passes, and the parameters' .grad."""
        passes = [row for row in act.rows if isinstance(row, BackwardPass)]
        lines = {n: self.reading.gradients(n, passes) or [("None: this act has no backward pass", None)] for n in tensors}
        grads = {n: value for backward_pass in passes for n, value in backward_pass.grads.items()}
        return {
            "g": {n: [self.line(line) for line in found] for n, found in lines.items()},
            "v": {n: self.value(value) for n, value in grads.items()},
        }

    def row(self, row: Row, act: int) -> Json:
        """A row: its text, its values, and the tensors and the edge of the graph that it is about."""
        place = self.places.setdefault((str(row.place), row.place.code), len(self.places))
        fields: Json = {"n": row.number, "a": act, "k": row.kind, "p": place, "s": histories.summary(self.trace, row)}
        fields |= {"remarks": []} | ({"nan": 1} if histories.has_nan(self.trace, row) else {})
        match row:
            case Forward():
                return fields | self.forward(row)
            case Cut():
                values = [self.named_value(n, row.number) for n in (*row.inputs[:1], *row.outputs[:1])]
                return fields | {"f": _CUTS[row.what], "o": row.what, "t": [*row.inputs, *row.outputs], "v": values}
            case BackwardPass():
                return fields | self.backward_pass(row)
            case Backward():
                return fields | self.backward(row)
            case Update():
                return fields | self.update(row)
        raise TypeError(f"page: {type(row).__name__} is not a kind of row")

    def forward(self, row: Forward) -> Json:
        """The fields of a Forward alone."""
        remarks = [] if row.recorded else ["Not recorded: no backward pass can go through it."]
        if row.within:
            remarks.append(f"Called by the derivative of row {row.within}, which is recorded: it can be differentiated again.")
        tensors = [*dict.fromkeys(row.inputs), row.output]
        values = [self.named_value(n, row.number) for n in tensors]
        links = [self.line(line) for line in histories.derivatives_of(self.trace, row.output)]
        return {"f": row.formula, "o": row.op, "t": tensors, "remarks": remarks, "v": values, "links": links}

    def backward_pass(self, row: BackwardPass) -> Json:
        """The fields of a BackwardPass alone."""
        output = self.trace.tensors[row.output]
        remarks = ["It is recorded itself (create_graph): its gradients can be differentiated again."] if row.recorded else []
        formula = f"The gradient of {output} is 1, or the one passed to it; from here each op passes it on to its inputs."
        values = [self.named_value(row.output, row.number)]
        return {"f": formula, "o": "backward pass", "t": [row.output], "remarks": remarks, "v": values}

    def backward(self, row: Backward) -> Json:
        """The fields of a Backward alone."""
        x, remarks = self.trace.tensors[row.input], list(row.helpers)
        if row.summed:
            axes = ", ".join(map(str, row.summed))
            remarks.append(f"Summed over axis {axes}: the op had broadcast {x} there.")
        if row.added_to:
            remarks.append(f"Added to the gradient that had arrived at {x} in row {row.added_to}.")
        values: list[list[Any]] = [["g, which arrived", self.value(row.arrived), None]]
        if row.left:  # no error has stopped it
            values.append([f"gradient of {x}", self.value(row.left), row.input])
        fields = {"f": row.source, "o": row.op, "d": str(row.defined), "remarks": remarks, "v": values}
        if op := self.trace.op_of(row):
            links = [self.line((f"the op: {self.summary_of(row.of)}", row.of))]
            return fields | {"t": [row.input, op.output], "links": links, "e": [row.input, op.output]}
        return fields | {"t": [row.input], "links": []}

    def update(self, row: Update) -> Json:
        """The fields of an Update alone."""
        values: list[list[Any]] = [["before", self.value(row.before), row.parameter], ["moved by", self.value(row.moved), None]]
        values.append(["after", self.value(row.after), row.parameter])
        earlier = [other for other in self.trace.rows[: row.number - 1] if isinstance(other, Update)]
        last = max((other.number for other in earlier if other.parameter == row.parameter), default=0)
        passes = [backward_pass for backward_pass in self.reading.passes if last < backward_pass.number < row.number]
        lines = [self.line(line) for line in self.reading.gradients(row.parameter, passes)]
        return {"f": row.formula, "o": row.rule, "t": [row.parameter], "v": values, "links": lines}

    def tensor(self, number: int) -> Json:
        """A tensor: its value and its history."""
        entry = self.trace.tensors[number]
        fields = {"l": str(entry), "k": entry.kind, "v": self.value(entry.value)}
        if number not in self.known:
            self.known[number] = histories.history(self.trace, number)
        sections = self.known[number].items()
        return fields | {"h": [[heading, [self.line(line) for line in lines]] for heading, lines in sections]}

    # --- values and lines ---------------------------------------------------------------------------------------------

    def line(self, line: Line) -> list[str | int | None] | int:
        """A line: the index of its row on the page, if it has the row's text; else its own text, and the index or None."""
        text, number = line
        at = None if number is None else self.position.get(number)
        return at if number is not None and at is not None and text == self.summary_of(number) else [text, at]

    def summary_of(self, number: int) -> str:
        """A row in a line."""
        return histories.summary(self.trace, self.trace.rows[number - 1])

    def named_value(self, number: int, row: int) -> list[Any]:
        """A tensor's name, the index of its value when this row happened, and its number."""
        return [str(self.trace.tensors[number]), self.value(histories.value_at(self.trace, number, row)), number]

    def value(self, value: Value) -> int:
        """The index of a value."""
        fields: Json = {
            "s": list(value.shape),
            "d": value.dtype,
            "q": [_number(q) for q in (value.mean, value.norm, value.low, value.high)],
            "f": [_number(q) for q in value.first],
        }
        if value.map is not None and self.side:
            fields["m"] = _index(self.maps, encoded(smaller(value.map, value.shape, self.side), value.shape))
        if value.nans or value.infinities:
            fields["x"] = [value.nans, value.infinities]
        return _index(self.values, fields)


_CUTS = {
    "detach": "The same numbers, without their history: no gradient passes here.",
    "no_grad": "Under no_grad the op has recorded nothing: no gradient passes here.",
    "frozen": "requires_grad is False from here on: no gradients are computed for these parameters.",
    "thawed": "requires_grad is True again.",
}


def _index(pool: dict[str, int], contents: Any) -> int:
    return pool.setdefault(json.dumps(contents), len(pool))


def _number(x: float) -> float | str:
    """Four digits are enough for a reader; JSON has no nan."""
    return float(f"{x:.4g}") if np.isfinite(x) else str(float(x))


def smaller(numbers: np.ndarray, shape: tuple[int, ...], side: int) -> np.ndarray:
    """The map of a value of this shape, cut to side x side; of images, as many whole ones as fit."""
    rows, columns = side, side
    if len(shape) == 4 and shape[2] <= side and shape[3] <= side:
        rows, columns = side // shape[2] * shape[2], side // shape[3] * shape[3]
    return numbers[:rows, :columns]


def encoded(numbers: np.ndarray, shape: tuple[int, ...]) -> Json:
    """A heat map as JSON: its shape, its range, and its numbers, written out or as 8 bits each."""
    rows, columns = numbers.shape
    fields: Json = {"r": rows, "c": columns}
    if len(shape) == 4 and rows >= shape[2] and columns >= shape[3]:
        fields["i"] = [shape[2], shape[3]]
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    fields["q"] = [_number(low), _number(high)]
    if numbers.size <= EXACT:
        return fields | {"v": [_number(x) for x in numbers.reshape(-1)]}
    steps = np.round((np.where(np.isfinite(numbers), numbers, low) - low) / (high - low or 1.0) * LEVELS)
    steps[np.isnan(numbers)], steps[numbers == np.inf], steps[numbers == -np.inf] = NAN, INFINITY, MINUS_INFINITY
    return fields | {"z": base64.b64encode(steps.astype(np.uint8).tobytes()).decode()}
