"""One iteration, sub-step by sub-step: the game's own `step`, on a thread that waits wherever one of its sub-steps ends."""

import threading
from typing import Any

import minigan as mg
from minigan.engine.modes import Watcher, watching
from minigan.watching.trace.histories import summary
from minigan.watching.trace.rows import Backward, BackwardPass, Cut, Forward, Row, Update, Value


class GivenUp(BaseException):
    """Ends an iteration in its midst."""


class Walker(Watcher):
    """Watches a step under a trace, and stops it where the trace's rows begin to be about something else."""

    def __init__(self, things: dict[str, Any]):
        self.things = things
        self.turn, self.waits = threading.Semaphore(0), threading.Semaphore(0)
        self.how = "substep"  # or "finish", without a stop, or "give up"
        self.figures: Any = None  # the step's, when it has ended
        self.error: Exception | None = None
        self.substep: dict[str, Any] = {}  # the last that has ended, for the page
        self.start, self.about, self.used = 0, None, set()  # of the present sub-step: first row, subject, parameters met
        self.going = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def go(self, how: str = "substep") -> bool:
        """Go on to the end of the next sub-step, or of the iteration: whether it is now at its end."""
        self.how = how
        self.turn.release()
        self.waits.acquire()
        return not self.going

    # --- on the thread -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The step."""
        self.turn.acquire()
        game, batches = self.things["game"], self.things["batches"]
        try:
            with mg.trace(G=game.G, D=game.D) as self.trace, watching(self):
                figures = game.step(batches)
            self.close(len(self.trace.rows))
            self.figures = figures
        except GivenUp:
            pass
        except Exception as error:
            self.error = error
        self.going = False
        self.waits.release()

    def close(self, end: int) -> None:
        """The rows up to this one are a sub-step. Cuts alone are none: they belong to what follows."""
        rows = self.trace.rows[self.start : end]
        if any(not isinstance(row, Cut) for row in rows):
            self.start, self.about = end, None
            self.stop({"name": self.name(rows), "rows": [self.told(row) for row in rows], "line": line(rows)})

    def stop(self, substep: dict[str, Any]) -> None:
        """Wait until somebody asks for more."""
        self.substep = substep
        if self.how == "substep":
            self.waits.release()
            self.turn.acquire()
        if self.how == "give up":
            raise GivenUp

    # --- what the engine does ------------------------------------------------------------------------------------------

    def look(self) -> None:
        """The trace has another row: does it go on with the sub-step, or begin another one?"""
        row = self.trace.rows[-1] if len(self.trace.rows) > self.start else None
        if row is None or isinstance(row, Cut):
            return
        phase, player = "backward" if isinstance(row, BackwardPass | Backward) else row.kind, getattr(row, "player", "")
        about = (row.place, phase, player)
        parameters = {n for n in getattr(row, "inputs", ()) if self.trace.tensors[n].kind == "parameter"}
        within = getattr(row, "within", None)  # an op of a derivative that is recorded
        if within is None and (about != self.about or parameters & self.used):  # D(x), and on the same line D(G(z))
            self.close(len(self.trace.rows) - 1)
            if phase == "forward" and player == "G":
                self.stop({"name": "x and z", "rows": [], "line": "a minibatch of the data, and fresh noise"})
            self.about, self.used = about, set()
        self.used |= parameters

    def made(self, *_: Any) -> None:
        self.look()

    def changed(self, *_: Any) -> None:
        self.look()

    def backward_begins(self, *_: Any) -> None:
        self.look()

    def derivative(self, call: Any, g: Any, y: Any, x: Any) -> Any:
        self.look()
        return call(g, y)

    def updating(self, *_: Any) -> None:
        self.close(len(self.trace.rows))

    def updated(self, *_: Any) -> None:
        self.close(len(self.trace.rows))

    # --- in words ------------------------------------------------------------------------------------------------------

    def name(self, rows: list[Row]) -> str:
        """What the rows compute: G(z), D(x), D(G(z)), a loss, its gradients, an update."""
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

    def told(self, row: Row) -> dict[str, Any]:
        """A row for the page: what it does, by what formula, that stands where, and the numbers that it has made."""
        found = {"number": row.number, "kind": row.kind, "text": summary(self.trace, row), "formula": "", "at": str(row.place)}
        if isinstance(row, Forward):
            return found | {"formula": row.formula, "value": numbers(self.trace.tensors[row.output].value)}
        if isinstance(row, Backward):
            return found | {"formula": row.source, "at": str(row.defined), "value": numbers(row.left)}
        if isinstance(row, Update):
            return found | {"formula": row.formula, "value": numbers(row.moved)}
        return found


def line(rows: list[Row]) -> str:
    """The line of the game's step to which the rows belong."""
    place = next(row for row in rows if not isinstance(row, Cut)).place
    return f"{place}  {place.code}"


def numbers(value: Value | None) -> str:
    """A tensor in a few words."""
    if value is None:
        return ""
    shape = "x".join(map(str, value.shape)) or "a number"
    first = ", ".join(f"{v:.3g}" for v in value.first[:3])
    return f"{shape}: {first}{', ...' if len(value.first) > 3 else ''}; norm {value.norm:.3g}"
