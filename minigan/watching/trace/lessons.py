"""The lessons of a trace: ops that were never visited, why a gradient is None, and where the first nan was made."""

from collections import defaultdict
from collections.abc import Iterator

from minigan.watching.trace import histories
from minigan.watching.trace.histories import Line
from minigan.watching.trace.rows import Backward, BackwardPass, Cut, Forward, Lesson, Rows, TensorEntry


class Reading:
    """A trace whose block has ended, read once: its rows by kind, and the ops behind each cut."""

    def __init__(self, trace: Rows):
        self.trace, self.tensors = trace, trace.tensors
        self.ops = [row for row in trace.rows if isinstance(row, Forward)]
        self.passes = [row for row in trace.rows if isinstance(row, BackwardPass)]
        self.cuts = [row for row in trace.rows if isinstance(row, Cut)]
        self.uses: dict[int, list[Forward]] = defaultdict(list)  # by a tensor's number
        self.freezes: dict[int, list[Cut]] = defaultdict(list)  # frozen or thawed, by a tensor's number
        for op in self.ops:
            for number in op.inputs:
                self.uses[number].append(op)
        for cut in self.cuts:
            for number in cut.inputs if cut.what in ("frozen", "thawed") else ():
                self.freezes[number].append(cut)
        self.without_grad = {number: cut for cut in self.cuts if cut.what == "no_grad" for number in cut.outputs}
        self.behind = {cut.number: [op for n in cut.inputs for op in self.upstream(n)[0]] for cut in self.cuts if cut.outputs}
        self.sources = {backward_pass.number: self.sources_of(backward_pass.output) for backward_pass in self.passes}

    def lessons(self) -> list[Lesson]:
        """The last lines of a trace: for each backward pass, what it did not reach, and why; the first nan; what is missing."""
        found = [lesson for backward_pass in self.passes for lesson in self.of_pass(backward_pass)]
        if not self.trace.left_out:  # or they may be used in the rows left out
            found += self.unused()
        if not found and self.passes:
            left = [row for row in self.ops if row.recorded and not row.visited]
            why = "no gradient was asked for there, or an error stopped the backward pass"
            text = f"{_count(left)} recorded and never visited: {why}"
            found.append(Lesson(text, left[0].number) if left else Lesson("every op that was recorded has been visited", None))
        if nan := histories.first_nan(self.trace):
            found.append(Lesson(f"the first nan: {nan[0]}", nan[1]))
        if self.trace.left_out:
            found.append(Lesson(f"{self.trace.left_out:,} more things happened after the last row", None))
        return found

    def why_none(self, entry: TensorEntry) -> str:
        """Why no gradient has arrived at a parameter in this trace; "" where one has."""
        if entry.kind != "parameter" or entry.gradients:
            return ""
        if not self.uses[entry.number]:
            return "no op of this trace has used it"
        if self.trace.left_out:
            return "no backward pass has reached it before the last row that was kept"
        if not self.passes:
            return "there was no backward() in this trace"
        near = [backward_pass for backward_pass in self.passes if entry.number in self.sources[backward_pass.number]]
        if not near:
            return "no backward pass has reached it: none began at an output that was computed from it"
        return self.why_not(entry.number, near[-1])

    # --- of one backward pass ----------------------------------------------------------------------------------------

    def gradients(self, number: int, passes: list[BackwardPass]) -> list[Line]:
        """The derivatives by which these passes have made the tensor's gradient; or why the last of them has made none."""
        lines: list[Line] = []
        for backward_pass in passes:
            rows = self.trace.gradients_of(number, backward_pass)
            if (rows or backward_pass.output == number) and len(passes) > 1:
                lines.append((histories.summary(self.trace, backward_pass), backward_pass.number))
            if backward_pass.output == number:
                text = "The backward pass begins here, with the gradient 1 (or the one passed to it)"
                lines.append((text, backward_pass.number))
            if any(row.added_to for row in rows):
                lines.append(("Gradients that arrive at one tensor in one backward pass are added", None))
            lines += [(histories.summary(self.trace, row), row.number) for row in rows]
        if passes and not lines:
            lines.append((f"None in this backward pass: {self.why_not(number, passes[-1])}", None))
        return lines

    def why_not(self, number: int, backward_pass: BackwardPass) -> str:
        """Why this backward pass has brought no gradient to a tensor."""
        entry, sources = self.tensors[number], self.sources[backward_pass.number]
        if entry.kind == "constant" and not entry.requires_grad:
            return "a constant, which requires none"
        if number not in sources:
            return f"{self.tensors[backward_pass.output]} was not computed from it"
        if cut := sources[number]:
            return self.sentence(cut)
        maker = self.trace.maker(number)
        if isinstance(maker, Cut):
            return f"{maker.place} made it by {maker.what}, and no gradient passes there"
        if isinstance(maker, Forward) and not maker.recorded:
            return f"none of the inputs of {maker.op}, which made it, requires a gradient"
        for op in reversed(self.uses[number]):
            if op.output in sources and sources[op.output] is None and (frozen := self.frozen(number, op)):
                return f"it was frozen, {frozen}, when {op.op} used it at {op.place}"
        if freeze := self.last_freeze(number, backward_pass):
            return f"it was frozen at {freeze.place}, before the backward pass"
        return "the backward pass did not reach it: other gradients were asked for, or an error stopped it"

    def sources_of(self, output: int) -> dict[int, Cut | None]:
        """All tensors that this one was computed from, each with the cut on the path to it; None if one path has no cut."""
        found: dict[int, Cut | None] = {}
        ahead: list[tuple[int, Cut | None]] = [(output, None)]
        behind_cuts: list[tuple[int, Cut | None]] = []
        while ahead or behind_cuts:
            number, cut = (ahead or behind_cuts).pop()  # paths without a cut first
            if number in found:
                continue
            found[number] = cut
            if maker := self.trace.maker(number):
                cut = cut or self.without_grad.get(number) or (maker if isinstance(maker, Cut) else None)
                (behind_cuts if cut else ahead).extend((n, cut) for n in maker.inputs)
        return found

    def of_pass(self, backward_pass: BackwardPass) -> Iterator[Lesson]:
        """The ops and parameters before the output that the backward pass did not reach."""
        start = f"backward from {self.tensors[backward_pass.output]} ({backward_pass.place})"
        number = backward_pass.number
        derivatives = [row for row in self.trace.rows if isinstance(row, Backward) and row.backward_pass == number]
        visited, reached = {row.of for row in derivatives}, {row.input for row in derivatives}
        ops, cuts = self.upstream(backward_pass.output)
        for cut in cuts:
            behind = {row.number: row for row in self.behind[cut.number] if row.recorded and row.number not in visited}
            if behind:
                text = f"{start}: {_count([*behind.values()])} recorded and never visited: {self.sentence(cut)}"
                yield Lesson(text, cut.number)
            elif cut.what == "no_grad":
                yield Lesson(f"{start}: nothing before it was recorded: {self.sentence(cut)}", cut.number)
        if backward_pass.onto:
            first, *others = backward_pass.onto
            names = f"{self.tensors[first]}{f' and {len(others)} more' if others else ''}"
            text = f"{start}: added to the .grad that {names} had already; zero_grad() clears it"
            yield Lesson(text, number)
        went_through = [row for row in ops if row.number in visited]
        inputs = {
            n: row for row in went_through for n in row.inputs if self.tensors[n].kind == "parameter" and n not in reached
        }
        still = {n: row for n, row in inputs.items() if self.frozen(n, row)}
        if still:
            frozen = [freeze for n, row in still.items() if (freeze := self.last_freeze(n, row))]
            when = f"frozen at {frozen[-1].place}" if frozen else "frozen before the trace"
            owners = " and ".join(sorted({row.player or self.tensors[n].name.partition(".")[0] for n, row in still.items()}))
            count = "its parameter" if len(still) == 1 else f"its {len(still)} parameters"
            text = f"{start}: it went through the ops of {owners}, but {count} got no gradient: {when}"
            yield Lesson(text, frozen[-1].number if frozen else None)

    def upstream(self, output: int) -> tuple[list[Forward], list[Cut]]:
        """The ops and the cuts that a tensor was computed through, each once; behind a cut, nothing more."""
        ops: list[Forward] = []
        cuts: dict[int, Cut] = {}
        ahead, seen = [output], set()
        while ahead:
            number = ahead.pop()
            row = self.without_grad.get(number) or self.trace.maker(number)
            if number in seen or row is None:
                continue
            seen.add(number)
            if isinstance(row, Cut):
                cuts[row.number] = row
            else:
                ops.append(row)
                ahead += row.inputs
        return ops, list(cuts.values())

    # --- frozen parameters -------------------------------------------------------------------------------------------

    def last_freeze(self, number: int, row: Forward | BackwardPass) -> Cut | None:
        """The last time before the row that this parameter was frozen or thawed, if it was frozen."""
        before = [cut for cut in self.freezes[number] if cut.number < row.number]
        return before[-1] if before and before[-1].what == "frozen" else None

    def frozen(self, number: int, row: Forward) -> str:
        """Where the parameter was frozen when the row used it; "" if it was not."""
        if cut := self.last_freeze(number, row):
            return f"at {cut.place}"
        first = next(iter(self.freezes[number]), None)
        was_frozen = (first.what == "thawed" and first.number > row.number) if first else not self.tensors[number].requires_grad
        return "before the trace" if was_frozen else ""

    # --- the rest ----------------------------------------------------------------------------------------------------

    def unused(self) -> Iterator[Lesson]:
        """Ops that no backward pass visited, that no cut hides, and whose results are in no loss: perhaps forgotten."""
        known = {row.number for rows in self.behind.values() for row in rows}
        known |= {row.number for backward_pass in self.passes for row in self.upstream(backward_pass.output)[0]}
        left = [row for row in self.ops if row.recorded and not row.visited and row.number not in known]
        if left and self.passes:
            yield Lesson(f"{_count(left)} recorded and led to no backward(), the first at {left[0].place}", left[0].number)
        elif left:
            yield Lesson(f"{_count(left)} recorded, and there was no backward()", left[0].number)

    def sentence(self, cut: Cut) -> str:
        """The cut's effect, and its line."""
        if cut.what == "detach":
            return f"{self.tensors[cut.outputs[0]]} was detached at {cut.place}"
        return f"computed under no_grad at {cut.place}"


def _count(rows: list[Forward]) -> str:
    """G's 3 ops were"""
    players = sorted({row.player for row in rows})
    whose = f"{players[0]}'s " if len(players) == 1 and players[0] else ""
    return f"{whose}{len(rows)} {'op was' if len(rows) == 1 else 'ops were'}"
