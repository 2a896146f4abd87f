"""Runs that survive: what is finished, and where the loop that is running stands, saved from time to time and resumed.

A demo says which of its loops are long, and what changes in them:

    for t in resumable(range(steps), "seed 0", game=game, batches=batches, decay=decay):
        game.step(batches)
        decay.step()

and which of its parts are not to be repeated once they are finished:

    found = once("seed 0", experiment, settings, 0)

What is in neither is run again with --resume. A checkpoint holds what the loop changes, minigan's default
generators, and the results of `once`: the run goes on to the same end as without a break, bit for bit.
"""

import json
import math
import signal
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import numpy as np
from tqdm import tqdm

from demos.kit import folders
from demos.kit.progress import progress
from minigan import Tensor, backend, checks, random_numbers
from minigan.npz_files import DamagedFile, read_npz, write_npz

FIRST, EVERY = 10.0, 30.0  # seconds from the start to the first checkpoint, and from one to the next ...
SHARE = 0.01  # ... unless writing one took more than this share of them
PATIENCE = 1.0  # seconds between two Ctrl-C of which the second means: at once

_current: "Checkpoint | None" = None  # of the run that is under way
_bar: tqdm | None = None  # the one that all loops move, where they share it
_listening: "Checkpoint | None" = None  # of the run that catches the signals: until its end, or a while after it was stopped


def resumable(steps: range, name: str, bar: tqdm | None = None, **parts: Any) -> Iterator[int]:
    """`for t in resumable(range(n), name, ...)`: a loop under a progress bar that a resumed run goes on with.

    Args:
        steps: what t runs through.
        name: of the bar, and of the loop among the others.
        bar: one that several loops share, instead of a bar for this one (default: that of `sharing`, if there is one).
        parts: all that the loop's body changes: things with a `state_dict`, generators, tensors, lists and dicts. minigan's
            default generators are always among them.
    """
    run, bar = _current, _bar if bar is None else bar
    done = run.enter(name, len(steps), parts) if run else 0
    try:
        with nullcontext(bar) if bar is not None else progress(total=len(steps), desc=name) as shown:
            shown.update(done)
            for t in steps[done:]:
                if run:
                    run.busy = True
                yield t
                shown.update()
                if run:
                    run.after_iteration(shown)
        if run:
            run.leave()
    finally:
        if run:
            run.loop, run.busy = None, False  # also where the body broke off, by `break` or an error


def once(name: str, function: Callable, *args: Any, bar: tqdm | None = None) -> Any:
    """function(*args), or what it returned before the run was resumed: numbers, texts, arrays; lists, tuples, dicts of them.

    What it draws does not depend on what was drawn before it, nor does what comes after it on what it draws: it has default
    generators of its own. `bar`: one that it moves.
    """
    with random_numbers.own_generators():
        return _current.once(name, function, args, bar) if _current else function(*args)


@contextmanager
def sharing(bar: tqdm) -> Iterator[None]:
    """A block whose loops all move this bar."""
    global _bar
    before, _bar = _bar, bar
    try:
        yield
    finally:
        _bar = before


def undisturbed() -> AbstractContextManager:
    """A block that a signal's exception would leave half done: the run stops after it."""
    return _current.half_done() if _current else nullcontext()


def current() -> "Checkpoint | None":
    """The run that is under way."""
    return _current


def stopped() -> bool:
    """Whether a signal has stopped the last run of this program."""
    return bool(_listening and _listening.stopped)


def give_up() -> None:
    """A run of this program that has not come to its end, or was stopped, is over."""
    if _listening:
        _listening.release()


def check_finite(figures: Mapping[str, float]) -> None:
    """End the program with one line where one of these figures, or of the weights in the running loop, is no number."""
    if _current:
        _current.check_finite(figures)


class Checkpoint:
    """The checkpoint of a run, which is under way from `start` to `end`.

    Args:
        path: of the file to write.
        demo: its name.
        command: what the user types to go on.
        resume: the file to go on from; None: a fresh run.
        lock: what keeps other runs out of the folder, open; None: nothing does.
        jobs: how many processes the run may use; see `kit.jobs`.
        typed: the command as it was typed (default: `command`).
    """

    def __init__(
        self,
        path: Path,
        demo: str,
        command: str,
        resume: Path | None,
        lock: int | None = None,
        jobs: int = 1,
        typed: str = "",
    ):
        self.path, self.demo, self.command, self.typed = path, demo, command, typed or command
        self.resume, self.lock, self.jobs = resume, lock, jobs
        self.settings: dict[str, Any] | None = None  # until `begin`
        self.finished: dict[str, Any] = {}  # by name, of each loop the state at its end, of each `once` (result, bar's steps)
        self.found: dict[str, Any] = {}  # the same in the file that the run goes on from, as far as not yet asked for
        self.names: Counter = Counter()  # how often each name has been used
        self.within = ""  # the `once` that is running: how the names of its loops begin
        self.loop: Loop | None = None  # the one that is running
        self.busy = False  # something is half done: what a signal asks for has to wait
        self.asked = 0.0  # when a signal came, on time's monotonic clock
        self.stopped = 0.0  # and when the run stopped
        self.written = True  # nothing has changed since the last checkpoint
        self.last = ""  # where the run stood as the last checkpoint was written
        self.here = False  # that checkpoint is in `path`, not where the run was resumed from
        self.problem = ""  # why the last checkpoint could not be written
        self.began = self.seen = time.perf_counter()  # the run; seen: the end of the last iteration
        self.due = self.began + FIRST
        self._handlers: dict[int, Any] = {}
        self.superseded: list[Path] = []  # the checkpoints of tasks whose results the next one of the run has

    # --- from the beginning to the end -------------------------------------------------------------------------------

    def start(self, signals: Sequence[str] = ("SIGINT", "SIGTERM", "SIGHUP")) -> None:
        """From now on, a signal saves and stops."""
        global _current, _listening
        _current = _listening = self
        for left_over in self.path.parent.glob(f"{self.path.name}.*.tmp"):  # by a run that was killed as it wrote
            left_over.unlink(missing_ok=True)
        if threading.current_thread() is threading.main_thread():
            for name in signals:
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):  # nohup
                    self._handlers[number] = signal.signal(number, self._signalled)

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Here the loops begin. A file that was made with other settings is refused."""
        self.settings = json.loads(json.dumps({"demo": self.demo, **settings}))
        if self.resume:
            self._read(self.resume)

    def end(self) -> None:
        """The run is over: what has not been written yet is, and signals mean what they did before."""
        self.save()
        if self.problem:
            print(f"there is no checkpoint of the end: {self.problem}", file=sys.stderr)
        self.forget_tasks()  # those that were finished without them
        self.release()

    def release(self) -> None:
        """The folder is free, signals mean what they did before, and loops are no longer noted."""
        global _listening
        _listening = None
        self._let_go()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _let_go(self) -> None:
        global _current
        _current = None
        folders.close_folder(self.lock)
        self.lock = None

    # --- loops and results --------------------------------------------------------------------------------------------

    def enter(self, name: str, steps: int, parts: dict[str, Any]) -> int:
        """A loop begins: the number of iterations that it has played already, with all that it changes as they left it."""
        self._refuse_within_a_loop(name)
        with self.half_done():
            loop = Loop(self._numbered(name), steps, parts)
            if loop.name in self.found:
                with self._fitting():
                    loop.restore(self.found[loop.name])
                del self.found[loop.name]
            self.loop, self.seen = loop, time.perf_counter()
        return loop.t

    def after_iteration(self, bar: tqdm) -> None:
        """The loop has finished an iteration: is it time to save, or to stop?"""
        self.loop.t += 1
        self.written = self.busy = False
        before, self.seen = self.seen, time.perf_counter()
        if self.asked or self.seen + (self.seen - before) >= self.due:  # after another iteration it would be too late
            self._save_and_stop(bar)

    def leave(self) -> None:
        """The loop is at its end."""
        with self.half_done():
            self.check_finite()
            self.finished[self.loop.name] = copied(self.loop.state())
            self.loop = None
            with suppress(OSError):  # what is written to it will say what is wrong
                self.path.parent.mkdir(parents=True, exist_ok=True)  # it may have been deleted
        if time.perf_counter() >= self.due:
            self._save_and_stop()

    def once(self, name: str, function: Callable, args: tuple, bar: tqdm | None) -> Any:
        """What the function returns, or returned before."""
        name, outer, start = self.own_name(name), self.within, bar.n if bar is not None else 0
        if name in self.found:
            return self.recall(name, bar)
        self.within = f"{name}/"
        result = copied(function(*args))  # as a resumed run would have it; what is kept, nobody else can change
        self.within = outer
        self.keep(name, result, bar.n - start if bar is not None else 0, bar)
        return copied(result)

    def recall(self, name: str, bar: tqdm | None) -> Any:
        """The result that the file has under this name; the bar moves as far as it did then."""
        with self.half_done(), self._fitting():
            result, moved = self.finished[name] = self.found.pop(name)
            if bar is not None:
                bar.update(moved)
        return copied(result)

    def keep(self, name: str, result: Any, moved: int, bar: tqdm | None, part: Path | None = None) -> None:
        """A result that is not to be found again, and how far the bar moved; `part`: the task's own checkpoint."""
        with self.half_done():
            self.written = False
            self.finished = {other: state for other, state in self.finished.items() if not other.startswith(f"{name}/")}
            self.finished[name] = result, moved
            self.superseded += [part] if part else []
        if time.perf_counter() >= self.due:
            self._save_and_stop(bar)

    def part(self, task: str) -> Path:
        """The checkpoint of a task that runs in another process, by its own name; "*": a pattern for all of them."""
        number = task if task == "*" else f"{zlib.crc32(task.encode()):08x}"
        return self.path.with_name(f"{self.path.stem}.task-{number}.npz")

    def forget_tasks(self) -> None:
        """Remove the tasks' checkpoints, and what else lies beside them under their names."""
        for left_over in self.path.parent.glob(self.part("*").stem):
            left_over.unlink(missing_ok=True)

    def own_name(self, name: str) -> str:
        """The name within the `once` that is running, and with a number where it has been taken. Not within a loop."""
        self._refuse_within_a_loop(name)
        return self._numbered(name)

    def _numbered(self, name: str) -> str:
        name = self.within + name
        self.names[name] += 1
        return name if self.names[name] == 1 else f"{name} ({self.names[name]})"

    def _refuse_within_a_loop(self, name: str) -> None:
        if self.loop:
            raise RuntimeError(f"{name} begins within the loop {self.loop.name}, which could not be resumed there")

    # --- the file -----------------------------------------------------------------------------------------------------

    def save(self, bar: tqdm | None = None) -> None:
        """Write all that is finished, and where the running loop stands; not, if the file has all of it already."""
        if self.settings is None or (self.written and self.path.exists()):
            return
        with self.half_done():
            began = time.perf_counter()
            if bar is not None and sys.stderr.isatty():
                bar.display("saving ...")
            self.check_finite()
            entries = self.found | self.finished | ({self.loop.name: self.loop.state()} if self.loop else {})
            arrays: dict[str, np.ndarray] = {}
            try:
                outline = {"settings": self.settings, "entries": {n: encoded(entry, n, arrays) for n, entry in entries.items()}}
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_npz(self.path, {"outline": np.array(json.dumps(outline)), **arrays})
                self.written, self.here, self.problem, self.last = True, True, "", self.place()
                while self.superseded:
                    self.superseded.pop().unlink(missing_ok=True)
            except (OSError, ValueError, TypeError) as error:  # the run goes on, and the next one may succeed
                self.problem = f"{self.path} could not be written: {one_line(error)}"
                tqdm.write(self.problem, file=sys.stderr)
            now = time.perf_counter()
            self.due = now + max(EVERY, (now - began) / SHARE)

    def place(self) -> str:
        """Where the run stands, in words."""
        if self.loop:
            return f"{self.loop.t} of {self.loop.steps} iterations"
        n = len(self.finished)
        return f"{n} finished part{'' if n == 1 else 's'}"

    def _read(self, path: Path) -> None:
        """Take in a file, if its settings are the run's."""
        settings, self.found = read_checkpoint(path)
        if (other := settings.get("demo")) != self.demo:
            raise SystemExit(f"--resume: {path} comes from another demo: {other}")
        if settings != self.settings:
            raise SystemExit(f"--resume: {path} comes from a run with other settings: {difference(settings, self.settings)}")
        self.written = self.here = path == self.path
        self.last = "what it was resumed from"

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """What the file has must fit what the run has. As the checksum is right, only a file made by hand does not."""
        try:
            yield
        except WRONG as error:
            raise SystemExit(f"--resume: {self.resume} does not fit this run: {one_line(error)}") from None

    # --- stopping -----------------------------------------------------------------------------------------------------

    @contextmanager
    def half_done(self) -> Iterator[None]:
        """A block in which a signal is only noted; the run stops after it, unless it is within something half done itself."""
        busy, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = busy
        if self.asked and not self.busy:
            self._save_and_stop()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """Stop where nothing is half done: here (the file is then written by this handler), or at the end of that.

        Ctrl-C a second later does not wait for it. Other signals while the run is stopping are the same wish again: a
        terminal that closes sends two.
        """
        now = time.monotonic()
        if self.stopped:
            if now > self.stopped + PATIENCE:  # whoever called the demo has gone on without it
                self.release()
                signal.raise_signal(number)
        elif self.asked and number == signal.SIGINT and now > self.asked + PATIENCE:
            self._stop(f"stopped at once; {self.kept()}; {self.again()}")
        elif not self.asked:
            self.asked = now
            if not self.busy:
                self._save_and_stop()
            elif number == signal.SIGINT:
                tqdm.write("stopping as soon as this step is done; Ctrl-C again: at once", file=sys.stderr)

    def _save_and_stop(self, bar: tqdm | None = None) -> None:
        """Save, and stop if a signal has asked for it."""
        asked, self.asked = self.asked, 0.0  # `save` itself does not stop
        self.save(bar)
        self.asked = self.asked or asked
        if self.asked:
            lost = f"{self.problem}; {self.kept()}; " if self.problem else ""
            self._stop(f"stopped after {self.place()}; {lost}{self.again()}")

    def _stop(self, message: str) -> NoReturn:
        """End the program, if its caller lets it. Signals that come on the way out are ignored."""
        self.stopped = time.monotonic()
        self._let_go()
        raise SystemExit(message)

    def check_finite(self, figures: Mapping[str, float] = {}) -> None:
        """End the program with one line where these figures, or the numbers in the running loop, are nan or infinite."""
        found = [name for name, value in figures.items() if not math.isfinite(value)]
        if self.loop and (found or not figures):  # a nan in a network is in the figures, too, which costs less to see
            found += self.loop.not_finite()
        if found:
            self.release()
            where = f"{self.loop.name if self.loop else 'the run'}: after {self.place()}"
            raise SystemExit(
                f"{where}, there is a nan or an infinity in {', '.join(found)}; {self.kept()}; "
                f"with MINIGAN_DEBUG=1, it stops at the op that makes it; {self.again('MINIGAN_DEBUG=1 ')}"
            )

    def kept(self) -> str:
        """How much of the run is on the disk."""
        if not self.last:
            return "nothing was saved"
        return "nothing is lost" if self.written else f"saved: {self.last}, without what came later"

    def again(self, variables: str = "") -> str:
        """The command that continues the run, or starts it again."""
        command = self.command if self.here else self.typed
        return f"this {'goes on' if self.last or self.resume else 'starts anew'}: {variables}{command}"


@dataclass
class Loop:
    """A loop that is running: its name, its length, what it changes, and how many iterations it has played."""

    name: str
    steps: int
    parts: dict[str, Any]
    t: int = 0

    def state(self) -> dict[str, Any]:
        """All that it takes to go on."""
        parts = {name: state_of(part) for name, part in self.parts.items()}
        return {"t": self.t, "default generators": random_numbers.generators_state(), **parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises one of WRONG for a state that does not fit."""
        t = checks.whole("checkpoint", "t", state["t"], least=0)
        if t > self.steps:
            raise ValueError(f"{self.name} has played {t} iterations already, more than {self.steps}")
        if differing := set(self.state()) ^ set(state):
            raise ValueError(f"{self.name}: {', '.join(sorted(differing))} only in the file, or only in the run")
        for name, part in self.parts.items():
            set_state(part, state[name])
        random_numbers.set_generators_state(state["default generators"])
        self.t = t

    def not_finite(self) -> list[str]:
        """Which parts' numbers are not: of a game, which networks, or else optimizers. Lists and dicts may hold anything."""
        arrays: dict[str, np.ndarray] = {}
        for name, part in self.parts.items():
            if not isinstance(part, list | dict):
                encoded(state_of(part), name, arrays)
        found = [path for path, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
        names = {path.removeprefix("game/").split("/")[0] for path in found}
        return sorted({name for name in names if not name.startswith("opt")} or names)


# --- what changes, as numbers, texts and arrays -----------------------------------------------------------------------

PLAIN = (type(None), bool, int, float, str)  # what JSON gives back as it was
WRONG = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)  # what a state that does not fit raises


def state_of(part: Any) -> Any:
    """What is to be saved of a loop's part."""
    if hasattr(part, "state_dict"):
        return in_order(part.state_dict())
    if isinstance(part, Tensor):
        return part.data
    return part if isinstance(part, list | dict) else random_numbers.generator_state(part)


class Rows(list):
    """What is found along the way: dicts with a "step" and other numbers or arrays, under the same names in each."""

    def state_dict(self) -> list[dict[str, Any]]:
        """All rows."""
        return list(self)

    def load_state_dict(self, rows: list[dict[str, Any]]) -> None:
        """These rows instead. Raises ValueError where a file made by hand has others."""
        for row in rows:
            same = isinstance(row, dict) and "step" in row and row.keys() == rows[0].keys()
            if not same or any(np.shape(row[name]) != np.shape(rows[0][name]) for name in row):
                raise ValueError("its rows are not alike")
            if not all(np.isfinite(value).all() for value in row.values()):
                raise ValueError(f"a nan or an infinity in the row of step {row['step']}")
        self[:] = rows


def in_order(state: Any) -> Any:
    """A state dict by name: in which order it was filled may depend on whether it had been saved and loaded."""
    return {name: in_order(state[name]) for name in sorted(state)} if isinstance(state, dict) else state


def set_state(part: Any, state: Any) -> None:
    """Put a loop's part back to what `state_of` found."""
    if hasattr(part, "state_dict"):
        part.load_state_dict(state)
    elif isinstance(part, Tensor):
        part.data = state
    elif isinstance(part, list | dict):
        if type(state) is not type(part):
            raise ValueError(f"a {type(state).__name__} where a {type(part).__name__} belongs")
        part.clear()
        (part.extend if isinstance(part, list) else part.update)(state)
    else:
        random_numbers.set_generator_state(part, state)


def encoded(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value for JSON, with its arrays in `arrays` under names that begin with `path`. TypeError for what it cannot hold."""
    if type(value) in PLAIN:
        return value

    def inner(v: Any, name: Any) -> Any:
        return v if type(v) in PLAIN else encoded(v, f"{path}/{name}", arrays)

    if isinstance(value, Mapping):
        return ["dict", [[inner(key, "key"), inner(v, key)] for key, v in value.items()]]
    if isinstance(value, list | tuple):
        return ["list" if isinstance(value, list) else "tuple", [inner(v, i) for i, v in enumerate(value)]]
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return ["number", [value.dtype.str, value.item()]]
    if not backend.is_array(value) or isinstance(value, np.ma.MaskedArray) or value.dtype.kind not in "biufcU":
        raise TypeError(f"{path} is a {type(value).__name__}, which no checkpoint can hold")
    name = free_name(path, arrays)
    arrays[name] = backend.to_numpy(value)
    return ["array", name]


def free_name(path: str, arrays: Mapping[str, Any]) -> str:
    """A name for an array: its path, as far as files take it, and with a number where another has it."""
    path = "".join(c if c.isprintable() else "?" for c in path[:150])
    name, n = path, 1
    while name in arrays:
        n += 1
        name = f"{path} ({n})"
    return name


def decoded(outline: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The value that `encoded` was given. Raises one of WRONG for an outline that it cannot have made."""
    if not isinstance(outline, list):
        return outline
    kind, content = outline
    if kind == "array":
        return arrays[content]
    if kind == "number":
        return np.dtype(content[0]).type(content[1])
    if kind == "dict":
        return {decoded(key, arrays): decoded(value, arrays) for key, value in content}
    return {"list": list, "tuple": tuple}[kind](decoded(value, arrays) for value in content)


def copied(value: Any) -> Any:
    """The value as a resumed run would have it, in memory of its own."""
    arrays: dict[str, np.ndarray] = {}
    outline = encoded(value, "", arrays)
    return decoded(outline, {path: array.copy() for path, array in arrays.items()})


def read_checkpoint(path: Path, option: str = "--resume") -> tuple[dict, dict[str, Any]]:
    """A checkpoint's settings, and the states in it; else the program ends with one line: why the option's file is none."""
    try:
        arrays = read_npz(path)
        outline = json.loads(str(arrays["outline"]))
        entries = {str(name): decoded(entry, arrays) for name, entry in outline["entries"].items()}
        return dict(outline["settings"]), entries
    except DamagedFile as error:
        raise SystemExit(f"{option}: {one_line(error)}") from None
    except (OSError, RecursionError, *WRONG) as error:
        raise SystemExit(f"{option}: {path} is no checkpoint of a demo: {one_line(error)}") from None


def difference(there: dict, here: dict) -> str:
    """In which settings a checkpoint and a run differ, in words."""
    names = [name for name in there | here if there.get(name) != here.get(name)]
    return ", ".join(f"{name} {there.get(name, 'not set')} there, {here.get(name, 'not set')} here" for name in names)


def one_line(error: Exception) -> str:
    """What an error says, on one line; a KeyError says no more than the key."""
    return f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
