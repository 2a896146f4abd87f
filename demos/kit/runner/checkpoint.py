"""Checkpoints: finished results and the state of the running loop, saved regularly, so that an interrupted run can continue.

A program has one run at a time, and `running` knows it. A run's checkpoint is opened, saved from time to time, and closed:

    running.catch_signals(checkpoint)    a signal, such as Ctrl-C, now saves and stops
    checkpoint.open(settings)            loops can start, from the state in the file
    checkpoint.save()
    checkpoint.close()
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
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tqdm import tqdm

from demos.kit.runner import results
from demos.kit.runner.codec import WRONG, Loop, copied, one_line, read_checkpoint, write_checkpoint

FIRST, EVERY = 10.0, 30.0  # seconds from the start to the first checkpoint, and from one to the next ...
SHARE = 0.01  # ... unless writing takes more than this share of the time
PATIENCE = 1.0  # a second Ctrl-C after these seconds stops at once


class Checkpoint:
    """The checkpoint of a run, from `open` to `close`."""

    def __init__(
        self,
        path: Path,  # of the file to write
        demo: str,  # its name
        command: str,  # resumes the run
        resume: Path | None,  # the file to resume from; None: a new run
        lock: int | None = None,  # keeps other runs out of the folder, if there is one
        jobs: int = 1,  # processes that the run may use; see `runner.jobs`
        typed: str = "",  # the command as it was typed (default: `command`)
    ):
        self.path, self.demo, self.command, self.typed = path, demo, command, typed or command
        self.resume, self.lock, self.jobs = resume, lock, jobs
        self.settings: dict[str, Any] | None = None  # until `open`
        self.finished: dict[str, Any] = {}  # by name: of a loop its final state, of a `once` (result, steps of the bar)
        self.restored: dict[str, Any] = {}  # the same from the resumed file, without those already used
        self.names: Counter = Counter()  # the number of uses of each name
        self.within = ""  # the running `once`: the prefix of its loops' names
        self.loop: Loop | None = None  # the running one
        self.busy = False  # the state is inconsistent: a signal has to wait
        self.signal_time = 0.0  # when a signal arrived, on time's monotonic clock
        self.stopped = 0.0  # when the run stopped
        self.written = True  # nothing has changed since the last checkpoint
        self.last = ""  # the progress at the last checkpoint, in words
        self.here = False  # the last checkpoint is in `path`, not in `resume`
        self.problem = ""  # why the last checkpoint could not be written
        self.began = self.iteration_end = time.perf_counter()  # of the run; of the last iteration
        self.due = self.began + FIRST
        self.superseded: list[Path] = []  # tasks' checkpoints that the run's next checkpoint replaces

    # --- open, save, close ----------------------------------------------------------------------------------------------

    def open(self, settings: Mapping[str, Any]) -> None:
        """Read the file to resume from, if there is one. Ends the program if its settings differ from these."""
        self.settings = json.loads(json.dumps({"demo": self.demo, **settings}))
        if not self.resume:
            return
        there, self.restored = read_checkpoint(self.resume)
        if (other := there.get("demo")) != self.demo:
            raise SystemExit(f"--resume: {self.resume} comes from another demo: {other}")
        names = [name for name in there | self.settings if there.get(name) != self.settings.get(name)]
        if names:
            values = [(name, *(s.get(name, "not set") for s in (there, self.settings))) for name in names]
            differing = ", ".join(f"{name} {its} there, {mine} here" for name, its, mine in values)
            raise SystemExit(f"--resume: {self.resume} comes from a run with other settings: {differing}")
        self.written = self.here = self.resume == self.path
        self.last = "the checkpoint it was resumed from"

    def save(self, bar: tqdm | None = None) -> None:
        """Write the finished results and the state of the running loop, unless the file is up to date."""
        if self.settings is None or (self.written and self.path.exists()):
            return
        with self.half_done():
            began = time.perf_counter()
            if bar is not None and sys.stderr.isatty():
                bar.display("saving ...")
            self.check_finite()
            entries = self.restored | self.finished | ({self.loop.name: self.loop.state()} if self.loop else {})
            try:
                write_checkpoint(self.path, self.settings, entries)
                self.written, self.here, self.problem, self.last = True, True, "", self.place()
                while self.superseded:
                    self.superseded.pop().unlink(missing_ok=True)
            except (OSError, ValueError, TypeError) as error:  # the run continues, and the next attempt may succeed
                self.problem = f"{self.path} could not be written: {one_line(error)}"
                tqdm.write(self.problem, file=sys.stderr)
            now = time.perf_counter()
            self.due = now + max(EVERY, (now - began) / SHARE)

    def close(self, finished: bool = True) -> None:
        """End the run: free its folder, and restore the signal handlers.

        finished: whether the run reached its end; then unsaved results are written. False: nothing is written.
        """
        if finished:
            self.save()
            if self.problem:
                print(f"no final checkpoint: {self.problem}", file=sys.stderr)
            self.forget_tasks()  # any that are left
        running.release_signals(self)
        self._free_folder()

    def _free_folder(self) -> None:
        results.close_folder(self.lock)
        self.lock = None

    # --- loops and results --------------------------------------------------------------------------------------------

    @contextmanager
    def playing(self, name: str, steps: int, parts: dict[str, Any]) -> Iterator[Loop]:
        """A block that runs a loop, from its state in the file. At the end of the block, the loop is finished."""
        name = self.own_name(name)
        with self.half_done():
            loop = Loop(name, steps, parts)
            if loop.name in self.restored:
                with self._fitting():
                    loop.restore(self.restored[loop.name])
                del self.restored[loop.name]
            self.loop, self.iteration_end = loop, time.perf_counter()
        try:
            yield loop
            with self.half_done():
                self.check_finite()
                self.finished[loop.name] = copied(loop.state())
                self.loop = None
                with suppress(OSError):  # writing the file will report the error
                    self.path.parent.mkdir(parents=True, exist_ok=True)  # the folder may have been deleted
            if time.perf_counter() >= self.due:
                self._save_and_stop()
        finally:
            self.loop, self.busy = None, False  # also if the body ended by `break` or an error

    def after_iteration(self, bar: tqdm) -> None:
        """Count an iteration of the loop. Save if a checkpoint is due; stop if a signal has arrived."""
        self.loop.t += 1
        self.written = self.busy = False
        before, self.iteration_end = self.iteration_end, time.perf_counter()
        next_end = self.iteration_end + (self.iteration_end - before)
        if self.signal_time or next_end >= self.due:  # the next iteration would end too late
            self._save_and_stop(bar)

    def once(self, name: str, function: Callable, args: tuple, bar: tqdm | None) -> Any:
        """The function's result, or its saved result."""
        name, outer, start = self.own_name(name), self.within, bar.n if bar is not None else 0
        if name in self.restored:
            return self.take_result(name, bar)
        self.within = f"{name}/"
        result = copied(function(*args))  # as a resumed run would read it; a copy, which the caller cannot change
        self.within = outer
        self.add_result(name, result, bar.n - start if bar is not None else 0, bar)
        return copied(result)

    def take_result(self, name: str, bar: tqdm | None) -> Any:
        """The saved result of this name. Moves the bar as far as the first time."""
        with self.half_done(), self._fitting():
            result, moved = self.finished[name] = self.restored.pop(name)
            if bar is not None:
                bar.update(moved)
        return copied(result)

    def add_result(self, name: str, result: Any, moved: int, bar: tqdm | None, part: Path | None = None) -> None:
        """Keep a new result, and how far the bar moved for it; `part`: the task's own checkpoint."""
        with self.half_done():
            self.written = False
            self.finished = {other: state for other, state in self.finished.items() if not other.startswith(f"{name}/")}
            self.finished[name] = result, moved
            self.superseded += [part] if part else []
        if time.perf_counter() >= self.due:
            self._save_and_stop(bar)

    def part(self, task: str) -> Path:
        """The path of the checkpoint of a task in another process; "*": a pattern for those of all tasks."""
        number = task if task == "*" else f"{zlib.crc32(task.encode()):08x}"
        return self.path.with_name(f"{self.path.stem}.task-{number}.npz")

    def forget_tasks(self) -> None:
        """Remove the tasks' checkpoints and all files that start with the same names."""
        for left_over in self.path.parent.glob(self.part("*").stem):
            left_over.unlink(missing_ok=True)

    def own_name(self, name: str) -> str:
        """The name with the prefix of the running `once`, and a number if it is taken. Fails within a loop."""
        if self.loop:
            raise RuntimeError(f"{name} starts within the loop {self.loop.name}: no loop can be resumed within an iteration")
        name = self.within + name
        self.names[name] += 1
        return name if self.names[name] == 1 else f"{name} ({self.names[name]})"

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """A block in which the file's state must fit the run. Only a file made by hand does not: the checksum is right."""
        try:
            yield
        except WRONG as error:
            raise SystemExit(f"--resume: {self.resume} does not fit this run: {one_line(error)}") from None

    # --- stopping -----------------------------------------------------------------------------------------------------

    @contextmanager
    def half_done(self) -> Iterator[None]:
        """A block that a signal does not interrupt: the run stops after the outermost such block."""
        busy, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = busy
        if self.signal_time and not self.busy:
            self._save_and_stop()

    def signalled(self, number: int, frame: FrameType | None) -> None:
        """The signal handler: save and stop now, or, if the state is inconsistent, as soon as it is consistent.

        Another Ctrl-C, a second later, stops at once. Other signals during the stop are ignored: a closing terminal sends
        two.
        """
        now = time.monotonic()
        if self.stopped:
            if now > self.stopped + PATIENCE:  # the caller of the demo continued after the stop
                self.close(finished=False)
                signal.raise_signal(number)
        elif self.signal_time and number == signal.SIGINT and now > self.signal_time + PATIENCE:
            self._stop(f"stopped at once; {self.saved()}; {self.advice()}")
        elif not self.signal_time:
            self.signal_time = now
            if not self.busy:
                self._save_and_stop()
            elif number == signal.SIGINT:
                tqdm.write("stopping after this step; press Ctrl-C again to stop at once", file=sys.stderr)

    def _save_and_stop(self, bar: tqdm | None = None) -> None:
        """Save, then stop if a signal has arrived."""
        asked, self.signal_time = self.signal_time, 0.0  # `save` itself does not stop
        self.save(bar)
        self.signal_time = self.signal_time or asked
        if self.signal_time:
            lost = f"{self.problem}; {self.saved()}; " if self.problem else ""
            self._stop(f"stopped after {self.place()}; {lost}{self.advice()}")

    def _stop(self, message: str) -> NoReturn:
        """Raise SystemExit with this message. Later signals are ignored."""
        self.stopped = time.monotonic()
        running.checkpoint = None
        self._free_folder()
        raise SystemExit(message)

    def check_finite(self, figures: Mapping[str, float] = {}) -> None:
        """End the program with one line if these metrics, or numbers in the running loop, are nan or infinite."""
        names = [name for name, value in figures.items() if not math.isfinite(value)]
        if self.loop and (names or not figures):  # a nan in a network reaches the metrics, which are faster to check
            names += self.loop.not_finite()
        if names:
            self.close(finished=False)
            where = f"{self.loop.name if self.loop else 'the run'}: after {self.place()}"
            raise SystemExit(
                f"{where}, there is a nan or an infinity in {', '.join(names)}; {self.saved()}; "
                f"with MINIGAN_DEBUG=1, it stops at the op that makes it; {self.advice('MINIGAN_DEBUG=1 ')}"
            )

    # --- in words --------------------------------------------------------------------------------------------------------

    def place(self) -> str:
        """The progress of the run in words."""
        if self.loop:
            return f"{self.loop.t} of {self.loop.steps} iterations"
        n = len(self.finished)
        return f"{n} finished part{'' if n == 1 else 's'}"

    def saved(self) -> str:
        """In words, how much of the run is saved."""
        if not self.last:
            return "nothing was saved"
        return "nothing is lost" if self.written else f"saved: {self.last}; later progress is lost"

    def advice(self, variables: str = "") -> str:
        """The command that continues the run, or starts it again."""
        command = self.command if self.here else self.typed
        return f"to {'continue' if self.last or self.resume else 'start again'}: {variables}{command}"


class Running:
    """The current run of this program: one at a time."""

    def __init__(self):
        self.checkpoint: Checkpoint | None = None  # of the current run; None: there is none
        self.bar: tqdm | None = None  # the bar that all loops share, if they do
        self._last: Checkpoint | None = None  # it gets the signals, also after one has stopped it
        self._handlers: dict[int, Any] = {}  # the previous signal handlers

    def catch_signals(self, checkpoint: Checkpoint, signals: Sequence[str] = ("SIGINT", "SIGTERM", "SIGHUP")) -> None:
        """Start this run: from now on, a signal saves and stops."""
        self.checkpoint = self._last = checkpoint
        for left_over in checkpoint.path.parent.glob(f"{checkpoint.path.name}.*.tmp"):  # of a run that was killed
            left_over.unlink(missing_ok=True)
        if threading.current_thread() is threading.main_thread():
            for name in signals:
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):  # nohup
                    self._handlers[number] = signal.signal(number, checkpoint.signalled)

    def release_signals(self, checkpoint: Checkpoint) -> None:
        """Restore the signal handlers, if this is the last run."""
        if checkpoint is not self._last:
            return
        self.checkpoint = self._last = None
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def close(self) -> None:
        """End a run that did not finish, or was stopped."""
        if self._last:
            self._last.close(finished=False)

    @property
    def stopped(self) -> bool:
        """Whether a signal has stopped the last run."""
        return bool(self._last and self._last.stopped)

    @contextmanager
    def sharing(self, bar: tqdm) -> Iterator[None]:
        """A block whose loops all move this bar."""
        before, self.bar = self.bar, bar
        try:
            yield
        finally:
            self.bar = before

    def undisturbed(self) -> AbstractContextManager:
        """A block that a signal does not interrupt: the run stops after it."""
        return self.checkpoint.half_done() if self.checkpoint else nullcontext()


running = Running()
