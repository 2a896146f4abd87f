"""The contents of a trace: tensors, and rows, one for each thing that happened. Numbers and text, not the step's arrays.

Tensors are referred to by their number, `tensors[number]`; rows by theirs, `rows[number - 1]`: see `Rows`, the last class.
"""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

FIRST = 6  # values that are kept of an array
MAP = 64  # rows and columns that are kept of an array, for a heat map


@dataclass(frozen=True)
class SourceLine:
    """A line of a program: its file (relative to the current folder or to minigan's, if it is in one of them), and its text."""

    file: str
    line: int
    code: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else ""


@dataclass(frozen=True)
class Value:
    """A summary of an array, as it was at that moment."""

    shape: tuple[int, ...]
    dtype: str
    mean: float
    norm: float
    low: float
    high: float
    first: tuple[float, ...]  # at most FIRST values, in C order
    map: np.ndarray | None  # a part of it as (rows, columns), at most MAP of each: the last axis across, the others down
    nans: int = 0
    infinities: int = 0

    @classmethod
    def of(cls, array: np.ndarray) -> "Value":
        """The summary of this NumPy array. mean, norm, low and high are those of the finite numbers; nan if there are none."""
        flat = np.asarray(array, dtype=float).reshape(-1)
        finite = flat[np.isfinite(flat)]
        some = finite.size > 0
        largest = np.abs(finite).max(initial=0.0) or 1.0  # whose square may be too large for a float, or too small
        with np.errstate(all="ignore"):
            mean, norm = finite.sum() / max(finite.size, 1), largest * np.sqrt(((finite / largest) ** 2).sum())
        return cls(
            shape=array.shape,
            dtype=str(array.dtype),
            mean=float(mean) if some else np.nan,
            norm=float(norm) if some else np.nan,
            low=float(finite.min()) if some else np.nan,
            high=float(finite.max()) if some else np.nan,
            first=tuple(flat[:FIRST].tolist()),
            map=_corner(array),
            nans=int(np.isnan(flat).sum()),
            infinities=int(np.isinf(flat).sum()),
        )


def _corner(array: np.ndarray) -> np.ndarray | None:
    """At most MAP x MAP of the array's numbers; images (N, C, H, W) are side by side: N across, C down."""
    if not array.size:
        return None
    if array.ndim == 4:
        h, w = array.shape[2:]
        array = array[: max(1, MAP // w), : max(1, MAP // h)].transpose(1, 2, 0, 3)
        array = array.reshape(array.shape[0] * h, -1)
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    return rows[:MAP, :MAP].astype(float)


@dataclass
class TensorEntry:
    """A tensor that the trace has seen."""

    number: int
    name: str  # a parameter's dotted path ("D.0.weight"), the user's variable ("fake"), or "" if it has no name
    kind: str  # "parameter" (a leaf that requires a gradient, or did), "constant" (no op of the trace made it) or "result"
    value: Value  # when the trace first saw it; a parameter's updates are rows of their own
    requires_grad: bool
    made_by: int | None = None  # the row of the op, or of the cut, that made it
    gradients: list[int] = field(default_factory=list)  # the Backward rows whose gradients arrived here
    why_none: str = ""  # a parameter's: why no gradient has arrived, with the responsible line

    def __str__(self) -> str:
        return self.name or f"#{self.number}"


@dataclass
class Row:
    """One thing that happened. `place` is the user's line, or the game's: the table groups rows by it."""

    number: int
    place: SourceLine

    kind: ClassVar[str]


@dataclass
class Forward(Row):
    """An op has computed `output` from `inputs`."""

    op: str
    formula: str  # the first line of the op's docstring
    inputs: list[int]  # tensors' numbers
    output: int
    player: str  # the traced module in whose `forward` it happened, such as "G"; or ""
    recorded: bool  # whether a backward pass could go through it
    within: int | None = None  # the Backward row whose derivative has called it, while that was recorded (create_graph)
    visited: bool = False  # a backward pass has reached it

    kind = "forward"


@dataclass
class Cut(Row):
    """Where gradients stop: `what` is "detach", "no_grad", "frozen" or "thawed" (frozen no more).

    detach: inputs = [the detached tensor], outputs = [the constant]. no_grad: the inputs and outputs of the op that recorded
    nothing, though an input requires a gradient. frozen, thawed: inputs = the parameters, outputs = [].
    """

    what: str
    inputs: list[int]
    outputs: list[int]

    kind = "cut"


@dataclass
class BackwardPass(Row):
    """A backward pass begins, from `output`: `backward()` or `grad()`."""

    output: int
    recorded: bool  # create_graph: the backward pass itself can be differentiated
    onto: list[int] = field(default_factory=list)  # parameters that had a .grad already, to which it has added
    grads: dict[int, Value] = field(default_factory=dict)  # each .grad after it, by the parameter's number

    kind = "backward pass"


@dataclass
class Backward(Row):
    """One derivative: the gradient that arrived at the output of the row `of`, and the one that left for its input."""

    backward_pass: int  # the BackwardPass's row
    of: int  # the Forward's row; 0 for an op that ran before the trace
    op: str
    input: int  # the input's number
    source: str  # the derivative's source text, "g * b"
    defined: SourceLine  # the source text's line
    helpers: list[str]  # the functions that it calls, with their docstrings: "plain: sum g"
    arrived: Value
    left: Value | None  # in the input's shape: after the sum over broadcast axes; None if the derivative has failed
    summed: tuple[int, ...] = ()  # the axes of the derivative's result that were summed, since the op had broadcast them
    added_to: int | None = None  # the Backward row whose gradient had arrived at the same input before; they were added

    kind = "backward"


@dataclass
class Update(Row):
    """A parameter was changed in place."""

    rule: str  # "Adam", "clip_weights", "data"
    formula: str  # "theta <- theta - lr g"
    parameter: int
    before: Value
    after: Value
    moved: Value  # after - before

    kind = "update"


# --- a whole trace --------------------------------------------------------------------------------------------------------


class Lesson(NamedTuple):
    """A sentence, and the number of the row that it is about."""

    text: str
    row: int | None


class Rows:
    """A trace's rows, in the order in which things happened, its tensors by number, and its lessons."""

    def __init__(self, players: list[str]):
        self.players = players  # the names of the modules that `trace` was given
        self.rows: list[Row] = []
        self.tensors: dict[int, TensorEntry] = {}
        self.lessons: list[Lesson] = []  # what was recorded and never visited, frozen, or nan: known when the block ends
        self.left_out = 0  # things that happened after the last row that is kept

    def maker(self, number: int) -> Forward | Cut | None:
        """The row that made this tensor; None if no row did."""
        made_by = self.tensors[number].made_by
        row = self.rows[made_by - 1] if made_by else None
        return row if isinstance(row, Forward | Cut) else None

    def op_of(self, derivative: Backward) -> Forward | None:
        """The row of the op whose derivative this is; None if it ran before the trace."""
        row = self.rows[derivative.of - 1] if derivative.of else None
        return row if isinstance(row, Forward) else None

    def gradients_of(self, number: int, backward_pass: BackwardPass) -> list[Backward]:
        """The derivatives that this backward pass has called for this tensor."""
        rows = [self.rows[n - 1] for n in self.tensors[number].gradients]
        return [row for row in rows if isinstance(row, Backward) and row.backward_pass == backward_pass.number]
