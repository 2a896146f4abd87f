"""A trace as one page for a browser: `Trace.html(path)`. The page asks nothing of a network; `page.html` is its template.

All that the page says is worked out here, as text and numbers; the template's script shows it, row by row. A page has its
limits, ROWS, SIZE and rows.MAP: beyond them acts that repeat are left out and heat maps shrink, and the page says so.
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
from minigan.watching.trace.rows import MAP, Backward, Cut, Forward, Row, Update, Value, Walk

ROWS = 500  # on a page
SIZE = 1_000_000  # bytes of a page
EXACT = 32  # numbers of a heat map that are written out; larger maps have 8 bits a number
LEVELS = 252  # of those 8 bits; above them stand:
MINUS_INFINITY, INFINITY, NAN = 253, 254, 255


def write(trace: Any, path: str | Path) -> Path:
    """Write the page of a trace to this path; returns the path."""
    path = Path(path)
    path.write_text(text(trace), encoding="utf-8")
    return path


def frame(trace: Any) -> str:
    """The page in a frame, for a notebook. The frame's page can reach nothing of the notebook's."""
    inside = text(trace).replace("&", "&amp;").replace("'", "&#39;")
    return f"<iframe sandbox='allow-scripts' style='width: 100%; height: 680px; border: 0' srcdoc='{inside}'></iframe>"


def text(trace: Any) -> str:
    """The page: as large maps as SIZE allows, and then as many rows."""
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    reading = Reading(trace)
    told: dict[int, dict] = {}  # the tensors' histories
    for most in (ROWS, ROWS // 2, ROWS // 4):
        acts, notes = shown(trace, most)
        for side in (MAP, MAP // 2, MAP // 4, MAP // 8, 0):
            smaller = [f"The page would be too large: its maps show at most {side} x {side} numbers."] if side < MAP else []
            page = template.replace("@DATA@", _script(Contents(reading, acts, side, told).all(notes + smaller)))
            if len(page.encode()) <= SIZE:
                return page
    return page


def _script(contents: dict) -> str:
    """JSON that may stand in a <script>: nothing in it can end that."""
    text = json.dumps(contents, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# --- what is on the page --------------------------------------------------------------------------------------------------


def shown(trace: Any, most: int) -> tuple[list[Act], list[str]]:
    """The acts of the page, and what it has to say about those, and the rows, that are not on it."""
    parts, notes = split(trace.rows), []
    if len(trace.rows) > most:
        parts, notes = _without_repetitions(trace, parts)
    left, kept = most, []
    for rows in parts:
        kept.append(rows[:left])
        left -= len(kept[-1])
    missing = sum(map(len, parts)) - most
    if missing > 0:
        notes.append(f"This page shows {most} rows: the last {missing} of this trace are not here.")
    acts = [act_of(trace, rows, LIMIT) for rows in kept if rows]
    folds = [node for act in acts for node in act.nodes.values() if node.kind == "fold"]
    if folds:
        notes.append("Layers that repeat are one box of the graph, with a double edge: click it for its rows.")
    return acts, notes


def _without_repetitions(trace: Any, parts: list[list[Row]]) -> tuple[list[list[Row]], list[str]]:
    """Of acts in succession that do the same, the first, the last, and any with the first nan."""
    nan = histories.first_nan(trace)
    kept, notes, number = [], [], 1
    for _, same in groupby(parts, key=_pattern):
        run = list(same)
        inner = [rows for rows in run[1:-1] if not (nan and rows[0].number <= (nan[1] or 0) <= rows[-1].number)]
        kept += [rows for rows in run if not any(rows is other for other in inner)]
        if inner:
            first, last = inner[0][0].number, inner[-1][-1].number
            notes.append(
                f"The trace has {len(trace.rows)} rows. Acts {number} to {number + len(run) - 1} do the same: "
                f"of rows {first} to {last}, {len(inner)} acts are left out."
            )
        number += len(run)
    return kept, notes


def _pattern(rows: list[Row]) -> list[tuple]:
    """What an act does, whatever the numbers are."""
    return [(row.kind, str(row.place), getattr(row, "op", ""), getattr(row, "rule", "")) for row in rows]


class Contents:
    """What the template's script is given, as JSON. Values, maps and places are written once, and referred to by index."""

    def __init__(self, reading: Reading, acts: list[Act], side: int, told: dict[int, dict]):
        self.reading, self.trace, self.acts, self.side, self.told = reading, reading.trace, acts, side, told
        self.values: dict[str, int] = {}
        self.maps: dict[str, int] = {}
        self.places: dict[tuple[str, str], int] = {}
        self.position = {row.number: i for i, row in enumerate(row for act in acts for row in act.rows)}

    def all(self, notes: list[str]) -> dict:
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
            "notes": notes,
            "players": list(self.trace.players),
            "total": len(self.trace.rows),
            "values": [json.loads(value) for value in self.values],
            "maps": [json.loads(found) for found in self.maps],
            "places": list(self.places),
        }

    def act(self, act: Act) -> dict:
        """An act's graph, with places in units of a node."""
        found = act.layout()
        nodes = []
        for node in act.nodes.values():
            x, y = found.positions[node.number]
            told = {"n": node.number, "k": node.kind, "l": node.label, "b": node.below, "p": node.player, "x": x, "y": y}
            told["t"] = node.number if node.again is None else node.again
            if node.members:
                made = [self.trace.tensors[n].made_by for n in node.members]
                told["m"] = node.members
                told["r"] = [self.position[row] for row in made if row in self.position]
            nodes.append(told)
        edges = []
        for edge in act.edges:
            told = {"a": edge.source, "b": edge.target, "t": act.nodes[edge.source].again or edge.source}
            told["w"] = found.routes[edge.source, edge.target]
            if edge.cut:
                told |= {"c": self.position[edge.cut], "at": str(self.trace.rows[edge.cut - 1].place)}
            edges.append(told)
        inside = {str(n): fold for n, fold in act.inside.items()}
        return {"title": act.title, "w": found.columns, "h": found.height, "nodes": nodes, "edges": edges, "in": inside}

    def gradients(self, act: Act, tensors: list[int]) -> dict:
        """What the act's own walks have brought to its tensors: the derivatives, and the parameters' .grad."""
        walks = [row for row in act.rows if isinstance(row, Walk)]
        lines = {n: self.reading.gradients(n, walks) or [("None: this act has no walk back", None)] for n in tensors}
        grads = {n: value for walk in walks for n, value in walk.grads.items()}
        return {
            "g": {n: [self.line(line) for line in found] for n, found in lines.items()},
            "v": {n: self.value(value) for n, value in grads.items()},
        }

    def row(self, row: Row, act: int) -> dict:
        """A row: what it says, its values, and the tensors and the edge of the graph that it is about."""
        told = {
            "n": row.number,
            "a": act,
            "k": row.kind,
            "p": self.places.setdefault((str(row.place), row.place.code), len(self.places)),
            "s": histories.summary(self.trace, row),
            "t": [],
            "said": [],
            "v": [],
        }
        if histories.has_nan(self.trace, row):
            told["nan"] = 1
        return told | _TOLD[type(row)](self, row)

    def forward(self, row: Forward) -> dict:
        """What is special about a Forward."""
        said = [] if row.recorded else ["Not recorded: no walk can go back through it."]
        if row.within:
            said.append(f"Called by the derivative of row {row.within}, which is recorded: it can be differentiated again.")
        inputs = list(dict.fromkeys(row.inputs))
        values = [self.named_value(n, row.number) for n in (*inputs, row.output)]
        back = histories.way_back(self.trace, row.output)
        return {
            "f": row.formula,
            "o": row.op,
            "t": [*inputs, row.output],
            "said": said,
            "v": values,
            "links": [self.line(line) for line in back],
        }

    def cut(self, row: Cut) -> dict:
        """What is special about a Cut."""
        values = [self.named_value(n, row.number) for n in (*row.inputs[:1], *row.outputs[:1])]
        return {"f": _CUTS[row.what], "o": row.what, "t": [*row.inputs, *row.outputs], "v": values}

    def walk(self, row: Walk) -> dict:
        """What is special about a Walk."""
        output = self.trace.tensors[row.output]
        said = ["It is recorded itself (create_graph): its gradients can be differentiated again."] if row.recorded else []
        formula = f"The gradient of {output} is 1, or what was given; from here each op hands it on to its inputs."
        values = [self.named_value(row.output, row.number)]
        return {"f": formula, "o": "walk", "t": [row.output], "said": said, "v": values}

    def backward(self, row: Backward) -> dict:
        """What is special about a Backward."""
        x, said = self.trace.tensors[row.input], list(row.notes)
        if row.summed:
            axes = ", ".join(map(str, row.summed))
            said.append(f"Summed over axis {axes}: the op had broadcast {x} there.")
        if row.added_to:
            said.append(f"Added to the gradient that had arrived at {x} in row {row.added_to}.")
        values = [["g, which arrived", self.value(row.arrived), None]]
        if row.left:  # no error has stopped it
            values.append([f"gradient of {x}", self.value(row.left), row.input])
        links = [self.line((f"the way forward: {self.summary_of(row.of)}", row.of))] if row.of else []
        output = [self.trace.rows[row.of - 1].output] if row.of else []
        told = {"f": row.source, "o": row.op, "d": str(row.defined), "t": [row.input, *output], "said": said, "v": values}
        return told | {"links": links} | ({"e": [row.input, *output]} if output else {})

    def update(self, row: Update) -> dict:
        """What is special about an Update."""
        values = [["before", self.value(row.before), row.parameter], ["moved by", self.value(row.moved), None]]
        values.append(["after", self.value(row.after), row.parameter])
        earlier = [other for other in self.trace.rows[: row.number - 1] if isinstance(other, Update)]
        last = max((other.number for other in earlier if other.parameter == row.parameter), default=0)
        walks = [walk for walk in self.reading.walks if last < walk.number < row.number]
        lines = [self.line(line) for line in self.reading.gradients(row.parameter, walks)]
        return {"f": row.formula, "o": row.rule, "t": [row.parameter], "v": values, "links": lines}

    def tensor(self, number: int) -> dict:
        """A tensor: its value and its history."""
        entry = self.trace.tensors[number]
        told = {"l": str(entry), "k": entry.kind, "v": self.value(entry.value)}
        if number not in self.told:
            self.told[number] = histories.history(self.trace, number)
        sections = self.told[number].items()
        return told | {"h": [[heading, [self.line(line) for line in lines]] for heading, lines in sections]}

    # --- what is written once -----------------------------------------------------------------------------------------

    def line(self, line: Line) -> list | int:
        """A line: the index of its row on the page, if it says what the row says; else its text, and the index or None."""
        said, number = line
        at = self.position.get(number)
        return at if at is not None and said == self.summary_of(number) else [said, at]

    def summary_of(self, number: int) -> str:
        """A row in a line."""
        return histories.summary(self.trace, self.trace.rows[number - 1])

    def named_value(self, number: int, row: int) -> list:
        """A tensor's name, the index of its value when this row happened, and its number."""
        return [str(self.trace.tensors[number]), self.value(histories.value_at(self.trace, number, row)), number]

    def value(self, value: Value) -> int:
        """The index of a value."""
        told = {
            "s": list(value.shape),
            "d": value.dtype,
            "q": [_number(q) for q in (value.mean, value.norm, value.low, value.high)],
            "f": [_number(q) for q in value.first],
        }
        if value.map is not None and self.side:
            told["m"] = _index(self.maps, encoded(smaller(value, self.side), value.shape))
        if value.nans or value.infinities:
            told["x"] = [value.nans, value.infinities]
        return _index(self.values, told)


_TOLD = {
    Forward: Contents.forward,
    Cut: Contents.cut,
    Walk: Contents.walk,
    Backward: Contents.backward,
    Update: Contents.update,
}
_CUTS = {
    "detach": "The same numbers, without their history: no gradient passes here.",
    "no_grad": "Under no_grad the op has recorded nothing: no gradient passes here.",
    "frozen": "requires_grad is False from here on: no gradients are computed for these parameters.",
    "thawed": "requires_grad is True again.",
}


def _index(pool: dict[str, int], told: Any) -> int:
    return pool.setdefault(json.dumps(told), len(pool))


def _number(x: float) -> float | str:
    """Four digits are enough for a reader; JSON has no nan."""
    return float(f"{x:.4g}") if np.isfinite(x) else str(float(x))


def smaller(value: Value, side: int) -> np.ndarray:
    """The value's map, cut to side x side; of images, whole ones as long as they fit."""
    rows, columns = side, side
    if len(value.shape) == 4 and value.shape[2] <= side and value.shape[3] <= side:
        rows, columns = side // value.shape[2] * value.shape[2], side // value.shape[3] * value.shape[3]
    return value.map[:rows, :columns]


def encoded(numbers: np.ndarray, shape: tuple[int, ...]) -> dict:
    """A heat map as JSON: its shape, its range, and its numbers, written out or as 8 bits each."""
    rows, columns = numbers.shape
    told: dict[str, Any] = {"r": rows, "c": columns}
    if len(shape) == 4 and rows >= shape[2] and columns >= shape[3]:
        told["i"] = [shape[2], shape[3]]
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    told["q"] = [_number(low), _number(high)]
    if numbers.size <= EXACT:
        return told | {"v": [_number(x) for x in numbers.reshape(-1)]}
    return told | {"z": base64.b64encode(quantised(numbers, low, high).tobytes()).decode()}


def quantised(numbers: np.ndarray, low: float, high: float) -> np.ndarray:
    """Each number as one of LEVELS + 1 steps from low to high, as uint8; what is not finite has codes of its own."""
    span = high - low or 1.0
    steps = np.clip(np.round((np.where(np.isfinite(numbers), numbers, low) - low) / span * LEVELS), 0, LEVELS)
    steps[np.isnan(numbers)], steps[numbers == np.inf], steps[numbers == -np.inf] = NAN, INFINITY, MINUS_INFINITY
    return steps.astype(np.uint8)
