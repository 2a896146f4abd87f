"""What a trace teaches: what was recorded and never visited, which gradients are None and why, where the first nan was made."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from minigan.watching.trace import histories
from minigan.watching.trace.histories import Line
from minigan.watching.trace.rows import Backward, Cut, Forward, TensorEntry, Walk


class Lesson(NamedTuple):
    """A sentence, and the number of the row that it is about."""

    text: str
    row: int | None


class Reading:
    """A trace whose block has ended, read once: its rows by kind, and what lies behind each cut."""

    def __init__(self, trace: Any):
        self.trace, self.tensors = trace, trace.tensors
        self.ops = [row for row in trace.rows if isinstance(row, Forward)]
        self.walks = [row for row in trace.rows if isinstance(row, Walk)]
        self.cuts = [row for row in trace.rows if isinstance(row, Cut)]
        self.uses, self.freezes = defaultdict(list), defaultdict(list)  # by a tensor's number: ops; cuts, frozen or thawed
        for op in self.ops:
            for number in op.inputs:
                self.uses[number].append(op)
        for cut in self.cuts:
            for number in cut.inputs if cut.what in ("frozen", "thawed") else ():
                self.freezes[number].append(cut)
        self.without_grad = {number: cut for cut in self.cuts if cut.what == "no_grad" for number in cut.outputs}
        self.behind = {cut.number: self.ops_behind(cut) for cut in self.cuts if cut.outputs}
        self.ways = {walk.number: self.ways_to(walk.output) for walk in self.walks}

    def lessons(self) -> list[Lesson]:
        """The last lines of a trace: for each walk, what it did not reach, and why; the first nan; what is missing."""
        found = [lesson for walk in self.walks for lesson in self.of_walk(walk)]
        if not self.trace.left_out:  # or what is missing may be in what was left out
            found += self.unused()
        if not found and self.walks:
            left = [row for row in self.ops if row.recorded and not row.visited]
            text = f"{_count(left)} recorded and never visited: no gradient was asked for there, or an error stopped the walk"
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
            return "no walk has come here before the last row that was kept"
        if not self.walks:
            return "there was no backward() in this trace"
        near = [walk for walk in self.walks if entry.number in self.ways[walk.number]]
        if not near:
            return "no walk has come here: no walk's output was computed from it"
        return self.why_not(entry.number, near[-1])

    # --- of one walk -------------------------------------------------------------------------------------------------

    def gradients(self, number: int, walks: list[Walk]) -> list[Line]:
        """The derivatives by which these walks have made the tensor's gradient; or why the last of them has made none."""
        lines = []
        for walk in walks:
            rows = [row for n in self.tensors[number].gradients if (row := self.trace.rows[n - 1]).walk == walk.number]
            if (rows or walk.output == number) and len(walks) > 1:
                lines.append((histories.summary(self.trace, walk), walk.number))
            if walk.output == number:
                lines.append(("The walk begins here, with the gradient 1 (or with what was handed over)", walk.number))
            if any(row.added_to for row in rows):
                lines.append(("Gradients that arrive at one tensor in one walk are added", None))
            lines += [(histories.summary(self.trace, row), row.number) for row in rows]
        if walks and not lines:
            lines.append((f"None in this walk: {self.why_not(number, walks[-1])}", None))
        return lines

    def why_not(self, number: int, walk: Walk) -> str:
        """Why this walk has brought no gradient to a tensor."""
        entry, way = self.tensors[number], self.ways[walk.number]
        if entry.kind == "constant" and not entry.requires_grad:
            return "a constant, which requires none"
        if number not in way:
            return f"{self.tensors[walk.output]} was not computed from it"
        if cut := way[number]:
            return self.sentence(cut)
        maker = self.trace.rows[entry.made_by - 1] if entry.made_by else None
        if isinstance(maker, Cut):
            return f"{maker.place} made it by {maker.what}, and no gradient passes there"
        if isinstance(maker, Forward) and not maker.recorded:
            return f"none of the inputs of {maker.op}, which made it, requires a gradient"
        for op in reversed(self.uses[number]):
            if way.get(op.output, walk) is None and (frozen := self.frozen(number, op)):
                return f"it was frozen, {frozen}, when {op.op} used it at {op.place}"
        if cut := self.last_freeze(number, walk):
            return f"it was frozen at {cut.place}, before the walk back"
        return "the walk did not come here: other gradients were asked for, or it was cut short"

    def ways_to(self, output: int) -> dict[int, Cut | None]:
        """All tensors that this one was computed from, each with the cut on the way to it; None where one way is open."""
        found: dict[int, Cut | None] = {}
        ahead, behind_cuts = [(output, None)], []
        while ahead or behind_cuts:
            number, cut = (ahead or behind_cuts).pop()  # the open ways first
            made_by = self.tensors[number].made_by
            if number in found:
                continue
            found[number] = cut
            if made_by is not None:
                row = self.trace.rows[made_by - 1]
                cut = cut or self.without_grad.get(number) or (row if isinstance(row, Cut) else None)
                (behind_cuts if cut else ahead).extend((n, cut) for n in row.inputs)
        return found

    def of_walk(self, walk: Walk) -> Iterator[Lesson]:
        """What the walk's output was computed from, and the walk did not reach."""
        start = f"backward from {self.tensors[walk.output]} ({walk.place})"
        derivatives = [row for row in self.trace.rows if isinstance(row, Backward) and row.walk == walk.number]
        visited, reached = {row.of for row in derivatives}, {row.input for row in derivatives}
        ops, cuts = self.upstream(walk.output)
        for cut in cuts:
            behind = [row for row in self.behind[cut.number] if row.recorded and row.number not in visited]
            if behind:
                yield Lesson(f"{start}: {_count(behind)} recorded and never visited: {self.sentence(cut)}", cut.number)
            elif cut.what == "no_grad":
                yield Lesson(f"{start}: nothing before it was recorded: {self.sentence(cut)}", cut.number)
        if walk.onto:
            text = f"{start}: added to the .grad that {self.listed(walk.onto)} had already; zero_grad() forgets it"
            yield Lesson(text, walk.number)
        went_through = [row for row in ops if row.number in visited]
        still = {n: row for row in went_through for n in row.inputs if n not in reached and self.is_still(n, row)}
        if still:
            frozen = [cut for n, row in still.items() if (cut := self.last_freeze(n, row))]
            when = f"frozen at {frozen[-1].place}" if frozen else "frozen before the trace"
            whose = f"went through the ops of {self.owners(still)}, but {_parameters(still)} got no gradient"
            yield Lesson(f"{start}: it {whose}: {when}", frozen[-1].number if frozen else None)

    def upstream(self, output: int) -> tuple[list[Forward], list[Cut]]:
        """The ops and the cuts that a tensor was computed through, each once; behind a cut, nothing more."""
        ops, cuts, ahead, seen = [], {}, [output], set()
        while ahead:
            number = ahead.pop()
            made_by = self.tensors[number].made_by
            if number in seen or made_by is None:
                continue
            seen.add(number)
            row = self.without_grad.get(number) or self.trace.rows[made_by - 1]
            if isinstance(row, Cut):
                cuts[row.number] = row
            else:
                ops.append(row)
                ahead += row.inputs
        return ops, list(cuts.values())

    def ops_behind(self, cut: Cut) -> list[Forward]:
        """The ops that were computed before the cut."""
        found = {row.number: row for number in cut.inputs for row in self.upstream(number)[0]}
        return [found[number] for number in sorted(found)]

    # --- frozen parameters -------------------------------------------------------------------------------------------

    def is_still(self, number: int, row: Forward) -> bool:
        """Whether this input of the row is a parameter that was frozen at that moment."""
        return self.tensors[number].kind == "parameter" and bool(self.frozen(number, row))

    def last_freeze(self, number: int, row: Forward | Walk) -> Cut | None:
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
        """Ops that no walk has visited, that no cut has cut off, and whose results no loss was made of: forgotten, perhaps."""
        known = {row.number for rows in self.behind.values() for row in rows}
        known |= {row.number for walk in self.walks for row in self.upstream(walk.output)[0]}
        left = [row for row in self.ops if row.recorded and not row.visited and row.number not in known]
        if left and self.walks:
            yield Lesson(f"{_count(left)} recorded and led to no backward(), the first at {left[0].place}", left[0].number)
        elif left:
            yield Lesson(f"{_count(left)} recorded, and there was no backward()", left[0].number)

    def sentence(self, cut: Cut) -> str:
        """What the cut has done, and where."""
        if cut.what == "detach":
            return f"{self.tensors[cut.outputs[0]]} was detached at {cut.place}"
        return f"computed under no_grad at {cut.place}"

    def owners(self, still: dict[int, Forward]) -> str:
        """The traced modules to which the frozen parameters belong."""
        return " and ".join(sorted({row.player or self.tensors[n].name.partition(".")[0] for n, row in still.items()}))

    def listed(self, numbers: list[int]) -> str:
        """D.0.weight and 3 more"""
        others = f" and {len(numbers) - 1} more" if numbers[1:] else ""
        return f"{self.tensors[numbers[0]]}{others}"


def _count(rows: list[Forward]) -> str:
    """G's 3 ops were"""
    players = sorted({row.player for row in rows})
    whose = f"{players[0]}'s " if len(players) == 1 and players[0] else ""
    return f"{whose}{len(rows)} {'op was' if len(rows) == 1 else 'ops were'}"


def _parameters(still: dict[int, Forward]) -> str:
    return "its parameter" if len(still) == 1 else f"its {len(still)} parameters"
