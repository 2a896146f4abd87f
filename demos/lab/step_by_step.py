"""One iteration, sub-step by sub-step. The game's own `step` runs on a thread that waits after each sub-step."""

import threading
from typing import Any

import minigan as mg
from minigan.engine.modes import Watcher, watching
from minigan.watching.trace.histories import summary
from minigan.watching.trace.rows import Backward, BackwardPass, Cut, Forward, Row, Update, Value


class Aborted(BaseException):
    """Ends an iteration before its end."""


class StepByStep(Watcher):
    """Watches a step under a trace, and stops it where the trace's next row belongs to another sub-step."""

    def __init__(self, objects: dict[str, Any]):
        self.objects = objects
        self.turn, self.waits = threading.Semaphore(0), threading.Semaphore(0)
        self.how = "substep"  # or "finish": without a stop; or "abort"
        self.figures: Any = None  # of the step, after its end
        self.error: Exception | None = None
        self.substep: dict[str, Any] = {}  # the last one that has ended, for the page
        self.start, self.subject, self.used = 0, None, set()  # of the present sub-step: first row, subject, parameters used
        self.going = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def go(self, how: str = "substep") -> bool:
        """Play to the end of the next sub-step, or of the iteration. Returns whether the iteration has ended."""
        self.how = how
        self.turn.release()
        self.waits.acquire()
        return not self.going

    # --- on the thread -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        self.turn.acquire()
        game, batches = self.objects["game"], self.objects["batches"]
        try:
            with mg.trace(G=game.G, D=game.D) as self.trace, watching(self):
                figures = game.step(batches)
            self.close(len(self.trace.rows))
            self.figures = figures
        except Aborted:
            pass
        except Exception as error:
            self.error = error
        self.going = False
        self.waits.release()

    def close(self, end: int) -> None:
        """End the sub-step before row `end`. Rows that are all cuts belong to the next sub-step."""
        rows = self.trace.rows[self.start : end]
        if any(not isinstance(row, Cut) for row in rows):
            self.start, self.subject = end, None
            place = next(row for row in rows if not isinstance(row, Cut)).place
            shown = [self.described(row) for row in rows]
            self.stop({"name": self.name(rows), "rows": shown, "line": f"{place}  {place.code}"})

    def stop(self, substep: dict[str, Any]) -> None:
        """Show the sub-step, and wait for `go`."""
        self.substep = substep
        if self.how == "substep":
            self.waits.release()
            self.turn.acquire()
        if self.how == "abort":
            raise Aborted

    # --- called by the engine ------------------------------------------------------------------------------------------

    def row_added(self, *_: Any) -> None:
        """The trace has a new row: end the present sub-step if the row belongs to the next one."""
        row = self.trace.rows[-1] if len(self.trace.rows) > self.start else None
        if row is None or isinstance(row, Cut):
            return
        phase, player = "backward" if isinstance(row, BackwardPass | Backward) else row.kind, getattr(row, "player", "")
        subject = (row.place, phase, player)
        parameters = {n for n in getattr(row, "inputs", ()) if self.trace.tensors[n].kind == "parameter"}
        other = subject != self.subject or parameters & self.used  # such as D(x), then D(G(z)) on the same line
        if other and getattr(row, "within", None) is None:  # else it is an op of a derivative that is recorded
            self.close(len(self.trace.rows) - 1)
            if phase == "forward" and player == "G":
                self.stop({"name": "x and z", "rows": [], "line": "a minibatch of the data, and fresh noise"})
            self.subject, self.used = subject, set()
        self.used |= parameters

    made = changed = backward_begins = row_added

    def derivative(self, call: Any, g: Any, y: Any, x: Any) -> Any:
        self.row_added()
        return call(g, y)

    def updating(self, *_: Any) -> None:
        self.close(len(self.trace.rows))

    updated = updating

    # --- for the page ------------------------------------------------------------------------------------------------------

    def name(self, rows: list[Row]) -> str:
        """The name of the sub-step: G(z), D(x), D(G(z)), a loss, backward, an update."""
        row = next(row for row in rows if not isinstance(row, Cut))
        if isinstance(row, Update):
            player = str(self.trace.tensors[row.parameter]).partition(".")[0]
            return f"clip {player}" if row.rule == "clip_weights" else f"update {player}: {row.rule}"
        if not isinstance(row, Forward):
            return "backward"
        if not row.player:
            outputs = [str(self.trace.tensors[r.output]).partition("#")[0] for r in rows if isinstance(r, Forward)]
            return "figures" if row.place.code.startswith("return") else outputs[-1] or "loss"
        inputs = [self.trace.tensors[n] for n in row.inputs if self.trace.tensors[n].kind != "parameter"]
        given = str(inputs[0]).partition("#")[0] if inputs else ""
        if "penalty" in row.place.code and given != "x":
            given = "between x and G(z)"
        return f"{row.player}({given if given.startswith(('x', 'z', 'between')) else 'G(z)'})"

    def described(self, row: Row) -> dict[str, Any]:
        """A row for the page: what it does, its formula and where the formula is defined, and the resulting numbers."""
        shown = {"number": row.number, "kind": row.kind, "text": summary(self.trace, row), "formula": "", "at": str(row.place)}
        if isinstance(row, Forward):
            return shown | {"formula": row.formula, "value": numbers(self.trace.tensors[row.output].value)}
        if isinstance(row, Backward):
            return shown | {"formula": row.source, "at": str(row.defined), "value": numbers(row.left)}
        if isinstance(row, Update):
            return shown | {"formula": row.formula, "value": numbers(row.moved)}
        return shown


def numbers(value: Value | None) -> str:
    if value is None:
        return ""
    shape = "x".join(map(str, value.shape)) or "a number"
    first = ", ".join(f"{v:.3g}" for v in value.first[:3])
    return f"{shape}: {first}{', ...' if len(value.first) > 3 else ''}; norm {value.norm:.3g}"
