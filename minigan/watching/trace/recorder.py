"""`mg.trace`: a watcher that records a step, row by row, as it happens."""

import weakref
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from minigan import backend
from minigan.contexts import contextmanager
from minigan.engine.modes import Derivative, Watcher, mode, unwatched, watching
from minigan.engine.tensor import Tensor
from minigan.nn import Module
from minigan.watching.trace import page, source_text
from minigan.watching.trace.lessons import Reading
from minigan.watching.trace.rows import Backward, BackwardPass, Cut, Forward, Row, Rows, SourceLine, TensorEntry, Update, Value
from minigan.watching.trace.table import table

MOST_ROWS = 2000  # each keeps up to two heat maps of 16 kB
AnyRow = TypeVar("AnyRow", bound=Row)


class Trace(Rows):
    """A recorded step: `rows` in the order in which things happened, `tensors` by number, and `lessons`.

    `print(t)` is a table; `t.html(path)` writes a page that plays it step by step, which a notebook shows by itself.
    """

    def html(self, path: str | Path) -> Path:
        """Write the page: one file, for any browser, without a network; arrow keys play the step. Returns the path.

        At most 500 rows and 1 MB: repeated rows fold, heat maps shrink, and the page mentions it.
        """
        return page.write(self, path)

    def __str__(self) -> str:
        return table(self)

    def _repr_html_(self) -> str:
        return page.frame(self)

    def __repr__(self) -> str:
        return f"Trace({len(self.rows)} rows, {len(self.tensors)} tensors): print it, or write a page with .html(path)"


@contextmanager
def trace(**named: Module | Tensor) -> Iterator[Trace]:
    """`with trace(G=game.G, D=game.D) as t: game.step(batches)` records all that the engine does in the block.

    Forward ops with their formulas, cuts (`detach`, `no_grad`, frozen parameters), the backward pass derivative by derivative,
    and the updates; each under the user's line, or the game's. The step's results are the same to the last bit, with the trace
    or without. Per thread; at most 2,000 rows (`t.left_out` counts the rest).

    Args:
        named: modules, whose parameters are then called "D.0.weight" (a Sequential's "layers." is left out), or tensors.

    Raises TypeError for anything else.
    """
    for name, thing in named.items():
        if not isinstance(thing, Module | Tensor):
            raise TypeError(f"trace: {name} is a {type(thing).__name__}; expected a Module or a Tensor, as in trace(G=game.G)")
    found = Trace([name for name, thing in named.items() if isinstance(thing, Module)])
    user = next(frame for frame in source_text.calls() if source_text.is_users(frame))
    recorder = _Recorder(found, named, user)
    try:
        with watching(recorder):
            yield found
    finally:
        recorder.finish()


class _Recorder(Watcher):
    """Writes a trace. `user` is the call that contains the block: calls outside of it are ignored."""

    def __init__(self, trace: Trace, named: dict[str, Module | Tensor], user: FrameType):
        self.trace, self.user = trace, user
        self.known: dict[int, tuple[weakref.ref[Tensor], TensorEntry]] = {}  # by id, which a new tensor may have again
        self.holders: dict[int, tuple[weakref.ref[Tensor], TensorEntry]] = {}  # the constants, by their array's id
        self.arrays: dict[int, np.ndarray] = {}  # copies of the parameters' values, by number, as of their last change
        self.passes: list[BackwardPass] = []  # those that have begun and not ended
        self.derivative_row: Backward | None = None  # the derivative that is running, or was the last to run
        self.taken: set[str] = set()  # the names that tensors have
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}  # the derivatives' inputs, and their .grad from before
        modules = [(name, module) for name, module in named.items() if isinstance(module, Module)]
        self.players = {id(part): name for name, module in modules for part in module.modules()}
        self.players |= {id(module): name for name, module in modules}
        self.whole = {id(module) for _, module in modules}
        tensors = [(name, thing) for name, thing in named.items() if isinstance(thing, Tensor)]
        tensors += [(_short(f"{name}.{path}"), p) for name, module in modules for path, p in module.named_parameters()]
        for t, name in {id(t): (t, name) for name, t in tensors}.values():  # of a tensor with several names, the last one
            self.entry(t, name=name)

    # --- the engine's events -----------------------------------------------------------------------------------------

    def made(self, y: Tensor, op: str, inputs: tuple[Any, ...]) -> None:
        if self.looks_away():
            return
        calls, xs = source_text.calls(self.user), [x for x, _ in inputs]
        entries = [self.entry(x) for x in xs]
        output = self.entry(y, "result")
        row = Forward(
            *self.where(calls),
            op=op,
            formula=source_text.formula(calls),
            inputs=[entry.number for entry in entries],
            output=output.number,
            player=self.player(calls),
            recorded=y._op is not None,
            within=self.derivative_row.number if self.passes and self.derivative_row else None,
        )
        output.made_by = self.add(row).number
        if not mode.recording and y.dtype.kind == "f" and any(x.requires_grad for x in xs):
            self.cut("no_grad", calls, [entry for x, entry in zip(xs, entries, strict=True) if x.requires_grad], [output])

    def detached(self, y: Tensor, x: Tensor) -> None:
        if not self.looks_away():
            output = self.entry(y, "result")
            output.made_by = self.cut("detach", source_text.calls(self.user), [self.entry(x)], [output]).number

    def froze(self, x: Tensor) -> None:
        was_met = self.found(x) is not None
        entry = self.entry(x)
        is_new = x.requires_grad and (not was_met or entry.kind == "constant")  # a parameter from now on: not thawed
        entry.requires_grad = x.requires_grad
        if is_new and entry.kind == "constant":
            entry.kind, self.arrays[entry.number] = "parameter", backend.copy_to_numpy(x.data)
        if entry.kind == "parameter" and not is_new and not self.looks_away():
            self.cut("thawed" if x.requires_grad else "frozen", source_text.calls(self.user), [entry], [])

    def backward_begins(self, output: Tensor) -> None:
        where = self.where(source_text.calls(self.user))
        self.passes.append(BackwardPass(*where, output=self.entry(output).number, recorded=mode.recording))
        if not self.looks_away(in_backward_passes=False):
            self.add(self.passes[-1])

    def derivative(self, call: Derivative, g: Tensor, y: Tensor, x: Tensor) -> Any:
        if self.looks_away(in_backward_passes=False):
            return call(g, y)
        row = self.derivative_row = self.add(self.backward_row(call, g, y, x))
        self.grads.setdefault(row.input, (x, x.grad))
        g_x = call(g, y)
        if isinstance(g_x, Tensor):
            row.summed, array = _summed_axes(g_x.shape, x.shape), backend.to_numpy(g_x.data)
            array = array.sum(row.summed, keepdims=True) if row.summed else array
            row.left = Value.of((array.reshape(x.shape) if array.size == x.size else array).astype(x.dtype, copy=False))
        return g_x

    def backward_ends(self) -> None:
        backward_pass = self.passes.pop()
        changed = {n: (x.grad, before) for n, (x, before) in self.grads.items() if x.grad is not before}
        backward_pass.grads = {n: Value.of(backend.to_numpy(grad.data)) for n, (grad, _) in changed.items() if grad is not None}
        backward_pass.onto = [n for n, (_, before) in changed.items() if before is not None]
        self.derivative_row, self.grads = None, {}

    def changed(self, x: Tensor) -> None:
        is_new = self.found(x) is None  # its value before is unknown
        entry = self.entry(x)
        before = None if is_new else self.arrays.get(entry.number)
        if before is None or before.shape != x.shape or self.looks_away(in_backward_passes=False):
            return
        calls, after = source_text.calls(self.user), backend.copy_to_numpy(x.data)
        rule, formula = source_text.change(calls)
        with np.errstate(all="ignore"):  # inf - inf
            values = Value.of(before), Value.of(after), Value.of(after - before)
        self.add(Update(*self.where(calls), rule, formula, entry.number, *values))
        self.arrays[entry.number] = after

    def updating(self, optimizer: Any) -> None:
        for p in optimizer.params:
            self.entry(p)

    def finish(self) -> None:
        """The block has ended: name the last variables, and find the lessons."""
        self.name_variables(source_text.calls(self.user))
        reading = Reading(self.trace)
        for entry in self.trace.tensors.values():
            entry.why_none = reading.why_none(entry)
        self.trace.lessons = reading.lessons()

    # --- the rows ----------------------------------------------------------------------------------------------------

    def looks_away(self, in_backward_passes: bool = True) -> bool:
        """Whether this gets no row: an op of an unrecorded derivative (its source text is shown), or beyond MOST_ROWS."""
        if in_backward_passes and self.passes and not mode.recording:
            return True
        too_much = len(self.trace.rows) >= MOST_ROWS
        self.trace.left_out += too_much
        return too_much

    def where(self, calls: list[FrameType]) -> tuple[int, SourceLine]:
        """A new row's number, and the user's line. Tensors get the names of the user's variables that hold them."""
        self.name_variables(calls)
        return len(self.trace.rows) + 1, source_text.line_of(next(source_text.users_calls(calls)))

    def add(self, row: AnyRow) -> AnyRow:
        self.trace.rows.append(row)
        return row

    def cut(self, what: str, calls: list[FrameType], inputs: list[TensorEntry], outputs: list[TensorEntry]) -> Cut:
        """A new row; parameters that are frozen, or used under no_grad, at one line share one."""
        row = Cut(*self.where(calls), what, [x.number for x in inputs], [y.number for y in outputs])
        at_this_line = takewhile(lambda earlier: earlier.place == row.place, reversed(self.trace.rows))
        last = next((earlier for earlier in at_this_line if isinstance(earlier, Cut)), None)
        if what != "detach" and last and last.what == what:
            last.inputs += [n for n in row.inputs if n not in last.inputs]
            last.outputs += row.outputs
            return last
        return self.add(row)

    def backward_row(self, call: Derivative, g: Tensor, y: Tensor, x: Tensor) -> Backward:
        """The row of the derivative of y's op for its input x; `left` is not known yet."""
        derivative = unwatched(call)
        output, target = self.entry(y), self.entry(x)
        made_by = self.trace.maker(output.number)
        earlier = self.trace.gradients_of(target.number, self.passes[-1])
        source, defined, helpers = source_text.source_of(derivative)
        row = Backward(
            *self.where(source_text.calls(self.user)),
            backward_pass=self.passes[-1].number,
            of=made_by.number if isinstance(made_by, Forward) else 0,
            op=y._op or "",
            input=target.number,
            source=source,
            defined=defined,
            helpers=helpers,
            arrived=Value.of(backend.to_numpy(g.data)),
            left=None,
            added_to=earlier[-1].number if earlier else None,
        )
        target.gradients.append(row.number)
        if isinstance(made_by, Forward):
            made_by.visited = True
        return row

    # --- tensors -----------------------------------------------------------------------------------------------------

    def found(self, t: Tensor) -> TensorEntry | None:
        ref, entry = self.known.get(id(t), (None, None))
        return entry if ref and ref() is t else None

    def holder(self, array: Any) -> TensorEntry | None:
        """The entry of the constant that an op has made of the user's array."""
        ref, entry = self.holders.get(id(array), (None, None))
        t = ref() if ref else None
        return entry if t is not None and t._data is array else None

    def entry(self, t: Tensor, kind: str = "", name: str = "") -> TensorEntry:
        """The tensor's entry, a new one if the trace has not seen it. An entry does not keep the tensor alive."""
        if entry := self.found(t):
            return entry
        number = len(self.trace.tensors) + 1
        name = self.unique(name or _short(t.name or ""), number)
        kind = kind or ("parameter" if t.is_parameter else "constant")
        entry = TensorEntry(number, name, kind, Value.of(backend.to_numpy(t.data)), t.requires_grad)
        self.trace.tensors[number] = entry
        self.known[id(t)] = weakref.ref(t), entry
        if kind == "constant":
            self.holders[id(t._data)] = self.known[id(t)]
        if kind == "parameter":
            self.arrays[number] = backend.copy_to_numpy(t.data)
        return entry

    def name_variables(self, calls: list[FrameType]) -> None:
        """Name tensors without a name by the user's variables, those of the outermost call first."""
        for frame in reversed([frame for frame in calls if source_text.is_users(frame)]):
            for name, value in frame.f_locals.copy().items():  # as they are now: other threads may add globals
                entry = self.found(value) if isinstance(value, Tensor) else self.holder(value)
                if entry and not entry.name:
                    entry.name = self.unique(name, entry.number)

    def unique(self, name: str, number: int) -> str:
        """The name; of a variable that has held another tensor before, with the tensor's number: z, and z#29."""
        known = name in self.taken
        self.taken.add(name)
        return f"{name}#{number}" if known and name else name

    def player(self, calls: list[FrameType]) -> str:
        """The traced module in whose `forward` this happens, or ""."""
        owners = [id(frame.f_locals.get("self")) for frame in calls if frame.f_code.co_name == "forward"]
        whole = [owner for owner in owners if owner in self.whole]  # a part may be in two modules
        return next((self.players[owner] for owner in (*whole, *owners) if owner in self.players), "")


def _short(path: str) -> str:
    """D.layers.0.weight -> D.0.weight"""
    return path.replace(".layers.", ".")


def _summed_axes(shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a gradient of this shape that are summed to get the wanted one: those of broadcasting."""
    extra = len(shape) - len(wanted)
    ones = [extra + i for i, n in enumerate(wanted) if n == 1 and extra >= 0 and shape[extra + i] != 1]
    return (*range(extra), *ones)
