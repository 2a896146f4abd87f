"""`with mg.profile():` prints, for every op and update rule, how often it ran and how long it took."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from minigan.contexts import contextmanager
from minigan.engine.modes import Derivative, Watcher, watching


@dataclass
class Cost:
    """The cost of one op in one direction."""

    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0  # of the arrays that it made


class Profile(Watcher):
    """A table of `Cost`s by (op, "forward" | "backward" | "update"); as a string, the most expensive first.

    The clock is read when an op ends, and the time since the last reading is the op's: a forward op's time includes the
    program's own lines before it. The ops in a derivative count as the backward pass of the op that the derivative belongs to.
    A GPU works asynchronously: there the times are those of the launches.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Cost] = defaultdict(Cost)
        self._in_derivative = False
        self._last = time.perf_counter()

    def made(self, y: Any, op: str, inputs: tuple[Any, ...]) -> None:
        """An op has computed its result."""
        if not self._in_derivative:
            self.lap(op, "forward", y.data.nbytes)

    def derivative(self, call: Derivative, g: Any, y: Any, x: Any) -> Any:
        """call(g, y), measured."""
        before, self._in_derivative = self._in_derivative, True
        try:
            result = call(g, y)
        finally:
            self._in_derivative = before
        if not before:
            self.lap(y._op, "backward", result.data.nbytes)
        return result

    def updated(self, optimizer: Any) -> None:
        """An optimizer has taken a step."""
        self.lap(type(optimizer).__name__, "update")

    def lap(self, op: str, direction: str, nbytes: int = 0) -> None:
        """Charge the time since the last reading of the clock to this op."""
        now = time.perf_counter()
        row = self.rows[op, direction]
        row.calls, row.seconds, row.bytes = row.calls + 1, row.seconds + now - self._last, row.bytes + nbytes
        self._last = now

    def __str__(self) -> str:
        total = sum(row.seconds for row in self.rows.values())
        lines = [f"{'op':<26}{'':<10}{'calls':>8}{'seconds':>10}{'share':>8}{'MB':>10}"]
        for (op, direction), row in sorted(self.rows.items(), key=lambda item: -item[1].seconds):
            numbers = f"{row.calls:>8}{row.seconds:>10.4f}{row.seconds / total:>8.1%}{row.bytes / 1e6:>10.1f}"
            lines.append(f"{op:<26}{direction:<10}{numbers}")
        return "\n".join(lines)


@contextmanager
def profile() -> Iterator[Profile]:
    """`with profile() as p:` measures this thread's ops, derivatives and update rules, and prints the table at its end.

    Columns: op, direction, calls, seconds, share of all seconds, and MB of the arrays made; `p.rows` has the numbers. See
    `Profile` for what the times include.
    """
    measured = Profile()
    with watching(measured):
        yield measured
    print(measured)
