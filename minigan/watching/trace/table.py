"""A trace as a table for the terminal: rows grouped by the user's lines, columns for each kind, the lessons last."""

import math
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from minigan.watching.trace.rows import Backward, BackwardPass, Cut, Forward, Row, Rows, TensorEntry, Update, Value

NARROW, WIDE = 80, 140  # columns: a narrower terminal wraps, a wider one stays half empty
LEAST = 16  # columns for an op and its names: with a shape of very many axes, the line is too long
ROOMY = 100  # columns from which on two of a tensor's values are shown, not one
ONE_LINE = 120  # columns from which on a derivative's formula fits next to its numbers


def table(trace: Rows, width: int | None = None) -> str:
    """The table's text. width: columns, by default the terminal's, but at least 80 and at most 140."""
    width = min(max(width or shutil.get_terminal_size((100, 24)).columns, NARROW), WIDE)
    lessons = [textwrap.fill(lesson.text, width, initial_indent="* ", subsequent_indent="  ") for lesson in trace.lessons]
    return "\n".join([*_groups(_Columns(trace, width)), "", *lessons])


def _groups(columns: "_Columns") -> Iterator[str]:
    for place, rows in groupby(columns.trace.rows, key=lambda row: row.place):
        yield ""
        yield _cut_off(f"{place}   {place.code}", columns.width)
        for header, members in groupby(rows, key=columns.header):
            yield from [header] if header else []
            for row in members:
                yield from columns.lines(row)


class _Columns:
    """The lines of each kind of row. A formula is printed once, under its first row."""

    def __init__(self, trace: Rows, width: int):
        self.trace, self.width = trace, width
        self.shape_width = max([len(str(entry.value.shape)) for entry in trace.tensors.values()], default=0)
        self.shown = 1 if width < ROOMY else 2  # of a tensor's first values
        self.explained: set[str] = set()

    def header(self, row: Row) -> str:
        if isinstance(row, Forward):
            return self._forward("      forward", "shape", "dtype", "mean", "norm", "first")
        if isinstance(row, Backward):
            return self._backward("      backward: derivative for", "formula", "defined at", "|arrived|", "|left|")
        if isinstance(row, Update):
            return self._update("      update", "by", "|before|", "|after|", "|moved|")
        return ""

    def lines(self, row: Row) -> Iterator[str]:
        """The row's own line, and the explanations under it."""
        number = f"{row.number:>5} "
        if isinstance(row, Forward):
            y = self.trace.tensors[row.output]
            what = f"{number}{y} = {row.op}({self._names(row.inputs)})"
            numbers = _number(y.value.mean), _number(y.value.norm), self._numbers(y.value)
            yield self._forward(what, str(y.value.shape), y.value.dtype, *numbers)
            yield from self._once(f"{row.op}: {row.formula}" if row.formula else "")
        elif isinstance(row, Cut):
            yield from self._wrapped(f"{number}-- {self._cut(row)}")
        elif isinstance(row, BackwardPass):
            how = ", recorded, so that it can be differentiated" if row.recorded else ""
            yield from self._wrapped(f"{number}<- the backward pass begins at {self.trace.tensors[row.output]}{how}")
        elif isinstance(row, Backward):
            left = _number(row.left.norm) if row.left else "failed"
            op = f"row {row.of}, {row.op}" if row.of else f"{row.op}, before the trace"
            what = f"{number}{self.trace.tensors[row.input]}, by {op}"
            yield self._backward(what, row.source, str(row.defined), _number(row.arrived.norm), left)
            yield from self._wrapped(f"        {_remark(row)}")
            for helper in row.helpers:
                yield from self._once(helper)
        elif isinstance(row, Update):
            norms = [_number(value.norm) for value in (row.before, row.after, row.moved)]
            yield self._update(f"{number}{self.trace.tensors[row.parameter]}", row.rule, *norms)
            yield from self._once(f"{row.rule}: {row.formula}" if row.formula else "")

    # --- columns -----------------------------------------------------------------------------------------------------

    def _forward(self, what: str, shape: str, dtype: str, mean: str, norm: str, first: str) -> str:
        left = max(self.width - self.shape_width - 37 - 10 * self.shown, LEAST)
        return f"{_cut_off(what, left):<{left}} {shape:<{self.shape_width}} {dtype:<8}{mean:>10}{norm:>9}  {first}".rstrip()

    def _backward(self, what: str, formula: str, where: str, arrived: str, left: str) -> str:
        norms = f"{arrived:>9} {left:>9}"
        if self.width < ONE_LINE:
            return f"{_cut_off(what, 54):<54}{norms}\n{_cut_off(f'        {formula}   {where}', self.width)}"
        free = self.width - 80
        return f"{_cut_off(what, 36):<36} {_cut_off(formula, free):<{free}} {where:<23}{norms}"

    def _update(self, what: str, rule: str, before: str, after: str, moved: str) -> str:
        return f"{_cut_off(what, 36):<36} {_cut_off(rule, 14):<14}{before:>9}{after:>9}{moved:>9}"

    def _once(self, text: str) -> Iterator[str]:
        if text and text not in self.explained:
            self.explained.add(text)
            yield _cut_off(f"        {text}", self.width)

    def _wrapped(self, text: str) -> list[str]:
        return textwrap.wrap(text, self.width, subsequent_indent=" " * 9)

    # --- words -------------------------------------------------------------------------------------------------------

    def _names(self, numbers: Iterable[int]) -> str:
        return ", ".join(_named(self.trace.tensors[number]) for number in numbers)

    def _numbers(self, value: Value) -> str:
        """The first values, as many as fit; a warning instead, if there are nans."""
        if value.nans:
            return f"{value.nans} nan!"
        more = " ..." if math.prod(value.shape) > self.shown else ""
        return " ".join(_number(v) for v in value.first[: self.shown]) + more

    def _cut(self, row: Cut) -> str:
        """The cut's effect on which tensors."""
        names = self._names(row.inputs)
        if row.what == "detach":
            return f"cut: {self.trace.tensors[row.outputs[0]]} = {names}.detach(): no gradient passes here"
        if row.what == "no_grad":
            return f"cut: under no_grad, nothing is recorded, though gradients could flow to {names}"
        if row.what == "frozen":
            return f"cut: {names} frozen: gradients pass through the ops, and none is stored here"
        return f"{names} thawed"


def _named(entry: TensorEntry) -> str:
    """A tensor's name; the number itself, for a constant of one element without a name."""
    if not entry.name and entry.kind == "constant" and not entry.value.shape:
        return _number(entry.value.first[0])
    return str(entry)


def _remark(row: Backward) -> str:
    """The sums of the backward pass: over broadcast axes, and with the gradients that had arrived before."""
    axes = ", ".join(map(str, row.summed))
    parts = [f"summed over {'axis' if len(row.summed) == 1 else 'axes'} {axes}, which the op had broadcast"] if axes else []
    parts += [f"added to the gradient from row {row.added_to}"] if row.added_to else []
    return "; ".join(parts)


def _number(x: float) -> str:
    return f"{x:.3g}"


def _cut_off(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
