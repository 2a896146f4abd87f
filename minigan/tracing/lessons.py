"""What a trace teaches: what was recorded and never visited, which gradients are None and why, where the first nan was made."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from minigan.tracing import histories
from minigan.tracing.rows import Backward, Cut, Forward, TensorEntry, Walk


class Lesson(NamedTuple):
    """A sentence, and the number of the row that it is about."""

    text: str
    row: int | None


def lessons(trace: Any) -> list[Lesson]:
    """The last lines of a trace: for each walk, what it did not reach, and why; the first nan; what is missing."""
    found = [lesson for walk in _rows(trace, Walk) for lesson in _of_walk(trace, walk)]
    found += _unused(trace)
    if not found and _rows(trace, Walk):
        left = [row for row in _rows(trace, Forward) if row.recorded and not row.visited]
        text = f"{_count(left)} recorded and never visited: no gradient was asked for there, or an error stopped the walk"
        found.append(Lesson(text, left[0].number) if left else Lesson("every op that was recorded has been visited", None))
    if nan := histories.first_nan(trace):
        found.append(Lesson(f"the first nan: {nan[0]}", nan[1]))
    if trace.left_out:
        found.append(Lesson(f"{trace.left_out:,} more things happened after the last row", None))
    return found


def why_none(trace: Any, entry: TensorEntry) -> str:
    """Why no gradient has arrived at a parameter in this trace; "" where one has."""
    if entry.kind != "parameter" or entry.gradients:
        return ""
    uses = [row for row in _rows(trace, Forward) if entry.number in row.inputs]
    if not uses:
        return "no op of this trace has used it"
    if frozen := _frozen(trace, uses[-1], entry.number):
        return f"it was frozen, {frozen}, when {uses[-1].op} used it at {uses[-1].place}"
    for cut in _cuts_after(trace, uses[-1], entry.number):
        return _sentence(trace, cut)
    if not (walks := _rows(trace, Walk)):
        return "there was no backward() in this trace"
    if cut := _last_freeze(trace, entry.number, walks[-1]):
        return f"it was frozen at {cut.place}, before the walk back"
    return "no walk has come here: it started from something that was not computed from this, or other gradients were asked for"


# --- of one walk --------------------------------------------------------------------------------------------------------


def _of_walk(trace: Any, walk: Walk) -> Iterator[Lesson]:
    """What the walk's output was computed from, and the walk did not reach."""
    start = f"backward from {trace.tensors[walk.output]} ({walk.place})"
    visited = {row.of for row in _rows(trace, Backward) if row.walk == walk.number}
    ops, cuts = _upstream(trace, walk.output)
    for cut in cuts:
        behind = [row for row in _behind(trace, cut) if row.recorded and row.number not in visited]
        if behind:
            yield Lesson(f"{start}: {_count(behind)} recorded and never visited: {_sentence(trace, cut)}", cut.number)
        elif cut.what == "no_grad":
            yield Lesson(f"{start}: nothing before it was recorded: {_sentence(trace, cut)}", cut.number)
    if walk.onto:
        names = [str(trace.tensors[n]) for n in walk.onto]
        others = f" and {len(names) - 1} more" if names[1:] else ""
        text = f"{start}: added to the .grad that {names[0]}{others} had already; zero_grad() forgets it"
        yield Lesson(text, walk.number)
    still = {n: row for row in ops if row.number in visited for n in row.inputs if _is_still(trace, n, row)}
    if still:
        frozen = [cut for row in still.values() for n in row.inputs if (cut := _last_freeze(trace, n, row))]
        when = f"frozen at {frozen[-1].place}" if frozen else "frozen before the trace"
        yield Lesson(
            f"{start}: it went through the ops of {_owners(trace, still)}, but {_parameters(still)} got no gradient: {when}",
            frozen[-1].number if frozen else None,
        )


def _upstream(trace: Any, output: int) -> tuple[list[Forward], list[Cut]]:
    """The ops and the cuts that a tensor was computed through, each once; behind a cut, nothing more."""
    ops, cuts, ahead, seen = [], [], [output], set()
    while ahead:
        number = ahead.pop()
        made_by = trace.tensors[number].made_by
        if number in seen or made_by is None:
            continue
        seen.add(number)
        row = trace.rows[made_by - 1]
        without = [cut for cut in _rows(trace, Cut) if cut.what == "no_grad" and number in cut.outputs]
        if isinstance(row, Cut) or without:
            cuts += [cut for cut in [row, *without] if isinstance(cut, Cut) and cut not in cuts]
        else:
            ops.append(row)
            ahead += row.inputs
    return ops, cuts


def _behind(trace: Any, cut: Cut) -> list[Forward]:
    """The ops that were computed before the cut."""
    found: dict[int, Forward] = {}
    for number in cut.inputs:
        found |= {row.number: row for row in _upstream(trace, number)[0]}
    return [found[number] for number in sorted(found)]


def _is_still(trace: Any, number: int, row: Forward) -> bool:
    """Whether this input of the row is a parameter that was frozen at that moment."""
    return trace.tensors[number].kind == "parameter" and bool(_frozen(trace, row, number))


def _last_freeze(trace: Any, number: int, row: Forward | Walk) -> Cut | None:
    """The last time before the row that this parameter was frozen or thawed, if it was frozen."""
    cuts = [cut for cut in _rows(trace, Cut) if cut.number < row.number and number in cut.inputs]
    cuts = [cut for cut in cuts if cut.what in ("frozen", "thawed")]
    return cuts[-1] if cuts and cuts[-1].what == "frozen" else None


def _frozen(trace: Any, row: Forward, number: int) -> str:
    """Where the parameter was frozen when the row used it; "" if it was not."""
    if cut := _last_freeze(trace, number, row):
        return f"at {cut.place}"
    cuts = [cut for cut in _rows(trace, Cut) if number in cut.inputs and cut.what in ("frozen", "thawed")]
    was_frozen = (cuts[0].what == "thawed" and cuts[0].number > row.number) if cuts else not trace.tensors[number].requires_grad
    return "before the trace" if was_frozen else ""


# --- the rest -----------------------------------------------------------------------------------------------------------


def _unused(trace: Any) -> Iterator[Lesson]:
    """Ops that no walk has visited, that no cut has cut off, and whose results no loss was made of: forgotten, perhaps."""
    behind = {row.number for cut in _rows(trace, Cut) for row in _behind(trace, cut)}
    before = {row.number for walk in _rows(trace, Walk) for row in _upstream(trace, walk.output)[0]}
    left = [r for r in _rows(trace, Forward) if r.recorded and not r.visited and r.number not in behind | before]
    if left and _rows(trace, Walk):
        yield Lesson(f"{_count(left)} recorded and led to no backward(), the first at {left[0].place}", left[0].number)
    elif left:
        yield Lesson(f"{_count(left)} recorded, and there was no backward()", left[0].number)


# --- words --------------------------------------------------------------------------------------------------------------


def _rows(trace: Any, kind: type) -> list[Any]:
    return [row for row in trace.rows if isinstance(row, kind)]


def _sentence(trace: Any, cut: Cut) -> str:
    """What the cut has done, and where."""
    if cut.what == "detach":
        return f"{trace.tensors[cut.outputs[0]]} was detached at {cut.place}"
    return f"computed under no_grad at {cut.place}"


def _count(rows: list[Forward]) -> str:
    """G's 3 ops were"""
    players = sorted({row.player for row in rows})
    whose = f"{players[0]}'s " if len(players) == 1 and players[0] else ""
    return f"{whose}{len(rows)} {'op was' if len(rows) == 1 else 'ops were'}"


def _owners(trace: Any, still: dict[int, Forward]) -> str:
    """The traced modules to which the frozen parameters belong."""
    return " and ".join(sorted({row.player or trace.tensors[n].name.partition(".")[0] for n, row in still.items()}))


def _parameters(still: dict[int, Forward]) -> str:
    return "its parameter" if len(still) == 1 else f"its {len(still)} parameters"


def _cuts_after(trace: Any, row: Forward, number: int) -> list[Cut]:
    """The cuts at which the row, or what was computed from its result, lost the tensor of this number."""
    cuts = [cut for cut in _rows(trace, Cut) if cut.outputs and (cut.number > row.number or row.output in cut.outputs)]
    return [cut for cut in cuts if number in cut.inputs or row in _behind(trace, cut)]
