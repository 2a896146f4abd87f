"""Checkpoints: finished results and the state of the running loop, saved regularly, so that an interrupted run can continue.

A program has one run at a time, and `running` knows it. A run's checkpoint is opened, saved from time to time, and closed:

    running.catch_signals(checkpoint)    a signal, such as Ctrl-C, now saves and stops
    checkpoint.open(settings)            the loops begin, where the file has them
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

from demos.kit.runner import folders
from demos.kit.runner.codec import WRONG, copied, difference, one_line, read_checkpoint, write_checkpoint
from demos.kit.runner.loop import Loop

FIRST, EVERY = 10.0, 30.0  # seconds from the start to the first checkpoint, and from one to the next ...
SHARE = 0.01  # ... unless writing one took more than this share of them
PATIENCE = 1.0  # seconds between two Ctrl-C of which the second means: at once


class Checkpoint:
    """The checkpoint of a run, from `open` to `close`.

    Args:
        path: of the file to write.
        demo: its name.
        command: what the user types to go on.
        resume: the file to go on from; None: a fresh run.
        lock: what keeps other runs out of the folder, open; None: nothing does.
        jobs: how many processes the run may use; see `runner.jobs`.
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
        self.settings: dict[str, Any] | None = None  # until `open`
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
        self.superseded: list[Path] = []  # the checkpoints of tasks whose results the next one of the run has

    # --- open, save, close ----------------------------------------------------------------------------------------------

    def open(self, settings: Mapping[str, Any]) -> None:
        """Here the loops begin. A file that was made with other settings is refused."""
        self.settings = json.loads(json.dumps({"demo": self.demo, **settings}))
        if self.resume:
            self._read(self.resume)

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
            try:
                write_checkpoint(self.path, self.settings, entries)
                self.written, self.here, self.problem, self.last = True, True, "", self.place()
                while self.superseded:
                    self.superseded.pop().unlink(missing_ok=True)
            except (OSError, ValueError, TypeError) as error:  # the run goes on, and the next one may succeed
                self.problem = f"{self.path} could not be written: {one_line(error)}"
                tqdm.write(self.problem, file=sys.stderr)
            now = time.perf_counter()
            self.due = now + max(EVERY, (now - began) / SHARE)

    def close(self, finished: bool = True) -> None:
        """The run is over: its folder is free, and signals mean what they did before.

        finished: it came to its end, so what has not been written yet is. False: it was given up, and nothing is written.
        """
        if finished:
            self.save()
            if self.problem:
                print(f"there is no checkpoint of the end: {self.problem}", file=sys.stderr)
            self.forget_tasks()  # those that were finished without them
        running.release_signals(self)
        self._free_folder()

    def _free_folder(self) -> None:
        folders.close_folder(self.lock)
        self.lock = None

    # --- loops and results --------------------------------------------------------------------------------------------

    @contextmanager
    def playing(self, name: str, steps: int, parts: dict[str, Any]) -> Iterator[Loop]:
        """A block that plays a loop, from where the file has it. Unless it breaks off, the loop is finished at its end."""
        self._refuse_within_a_loop(name)
        with self.half_done():
            loop = Loop(self._numbered(name), steps, parts)
            if loop.name in self.found:
                with self._fitting():
                    loop.restore(self.found[loop.name])
                del self.found[loop.name]
            self.loop, self.seen = loop, time.perf_counter()
        try:
            yield loop
            self._finish_loop()
        finally:
            self.loop, self.busy = None, False  # also where the body broke off, by `break` or an error

    def after_iteration(self, bar: tqdm) -> None:
        """The loop has finished an iteration: is it time to save, or to stop?"""
        self.loop.t += 1
        self.written = self.busy = False
        before, self.seen = self.seen, time.perf_counter()
        if self.asked or self.seen + (self.seen - before) >= self.due:  # after another iteration it would be too late
            self._save_and_stop(bar)

    def _finish_loop(self) -> None:
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
            return self.take_result(name, bar)
        self.within = f"{name}/"
        result = copied(function(*args))  # as a resumed run would have it; what is kept, nobody else can change
        self.within = outer
        self.add_result(name, result, bar.n - start if bar is not None else 0, bar)
        return copied(result)

    def take_result(self, name: str, bar: tqdm | None) -> Any:
        """The result that the file has under this name; the bar moves as far as it did then."""
        with self.half_done(), self._fitting():
            result, moved = self.finished[name] = self.found.pop(name)
            if bar is not None:
                bar.update(moved)
        return copied(result)

    def add_result(self, name: str, result: Any, moved: int, bar: tqdm | None, part: Path | None = None) -> None:
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

    # --- where the run stands -----------------------------------------------------------------------------------------

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

    def signalled(self, number: int, frame: FrameType | None) -> None:
        """Stop where nothing is half done: here (the file is then written by this handler), or at the end of that.

        Ctrl-C a second later does not wait for it. Other signals while the run is stopping are the same wish again: a
        terminal that closes sends two.
        """
        now = time.monotonic()
        if self.stopped:
            if now > self.stopped + PATIENCE:  # whoever called the demo has gone on without it
                self.close(finished=False)
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
        running.checkpoint = None
        self._free_folder()
        raise SystemExit(message)

    def check_finite(self, figures: Mapping[str, float] = {}) -> None:
        """End the program with one line where these figures, or the numbers in the running loop, are nan or infinite."""
        found = [name for name, value in figures.items() if not math.isfinite(value)]
        if self.loop and (found or not figures):  # a nan in a network is in the figures, too, which costs less to see
            found += self.loop.not_finite()
        if found:
            self.close(finished=False)
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


class Running:
    """The run of this program that is under way: one at a time."""

    def __init__(self):
        self.checkpoint: Checkpoint | None = None  # the run's; None: no run is under way
        self.bar: tqdm | None = None  # the one that all loops move, where they share it
        self._last: Checkpoint | None = None  # that gets the signals: also a while after one has stopped it
        self._handlers: dict[int, Any] = {}  # what the signals meant before

    def catch_signals(self, checkpoint: Checkpoint, signals: Sequence[str] = ("SIGINT", "SIGTERM", "SIGHUP")) -> None:
        """This run begins: from now on, a signal saves and stops."""
        self.checkpoint = self._last = checkpoint
        for left_over in checkpoint.path.parent.glob(f"{checkpoint.path.name}.*.tmp"):  # by a run that was killed as it wrote
            left_over.unlink(missing_ok=True)
        if threading.current_thread() is threading.main_thread():
            for name in signals:
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):  # nohup
                    self._handlers[number] = signal.signal(number, checkpoint.signalled)

    def release_signals(self, checkpoint: Checkpoint) -> None:
        """This run is over, if it is the last one: signals mean what they did before."""
        if checkpoint is not self._last:
            return
        self.checkpoint = self._last = None
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def close(self) -> None:
        """A run that has not come to its end, or was stopped, is over."""
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
        """A block that a signal's exception would leave half done: the run stops after it."""
        return self.checkpoint.half_done() if self.checkpoint else nullcontext()


running = Running()
