"""Seeds and settings in parallel: one process for each core, or the processes of another executor (see `executors`).

Each task saves its result in its own checkpoint at once. Demos call `kit.loops.run_tasks`.
"""

import os
import pickle
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from demos.kit.runner import executors
from demos.kit.runner.checkpoint import Checkpoint, running
from minigan import backend
from minigan.backend import memory, random_numbers, threads

PATIENCE = 0.5  # seconds between two notes of a task's progress


def side_by_side(run: Checkpoint, function: Callable, tasks: Mapping[str, tuple], shared: tuple, bar: tqdm) -> list[Any]:
    """[function(*task, *shared), ...] in several processes; each saves the state of its task in its own checkpoint."""
    names = {name: run.own_name(name) for name in tasks}
    generators = {name: random_numbers.spawn() for name in tasks}  # in order, also for finished tasks, as in `once`
    results = {name: run.take_result(own, bar) for name, own in names.items() if own in run.restored}
    if len(results) == len(tasks):
        return [results[name] for name in tasks]
    notes = {name: run.part(own).with_suffix(".txt").resolve() for name, own in names.items() if name not in results}
    shown: Counter = Counter()  # by task, the iterations that the bar shows
    run.save(bar)  # the tasks' own checkpoints can only be resumed together with the run's

    def poll() -> None:
        for name, file in notes.items():
            if name not in results and (note := executors.read_note(file)):
                bar.update(note[1] - shown[name])
                shown[name] = note[1]
        if time.perf_counter() >= run.due:
            run.save(bar)

    try:
        with _parcel(run.path, shared) as parcel:
            calls = {
                name: (_work, _how(run, name, names[name]), generators[name], parcel, note, function, tasks[name])
                for name, note in notes.items()
            }
            with closing(executors.completed(calls, notes, run.jobs, run.command, poll)) as arriving:
                for name, (result, n) in arriving:
                    bar.update(n - shown[name])
                    results[name] = result
                    run.add_result(names[name], result, n, bar, run.part(names[name]))
    finally:
        if len(results) < len(tasks):  # stopped, or a task failed
            run.save(bar)
    return [results[name] for name in tasks]


@contextmanager
def _parcel(path: Path, content: Any) -> Iterator[Path]:
    """A file with the arguments that all tasks share. If it disappears, the run has ended and its tasks stop."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            pickle.dump(content, file, pickle.HIGHEST_PROTOCOL)
        yield Path(name).resolve()
    finally:
        Path(name).unlink(missing_ok=True)


def _how(run: Checkpoint, name: str, own: str) -> dict[str, Any]:
    """All that another process needs to set up a task's checkpoint and the backend."""
    path = run.part(own).resolve()
    resume = run.resume.resolve().with_name(path.name) if run.resume else None
    how = {"path": path, "demo": run.demo, "command": run.command, "resume": resume, "settings": {**run.settings, "task": name}}
    return {**how, "backend": (backend.name(), backend.noise_name()), "first": (socket.gethostname(), os.getpid())}


# --- in the other processes -----------------------------------------------------------------------------------------------

_unpacked: tuple[Path | None, tuple] = (None, ())  # the last opened parcel, and its content
_playing = threading.Lock()


def _work(how: dict[str, Any], rng: np.random.Generator, parcel: Path, note: Path, function: Callable, task: tuple) -> tuple:
    """Run a task under its own checkpoint; a process runs one at a time. Returns its result and its number of iterations."""
    global _unpacked
    if how["first"] == (socket.gethostname(), os.getpid()) or not _playing.acquire(blocking=False):
        raise TypeError("on: expected an executor of processes; threads would share minigan's generators")
    memory.keep()
    threads.COUNT = 1  # the processes use all cores
    bar = _TaskBar(note, parcel)
    resume = next((path for path in (how["path"], how["resume"]) if path and path.exists()), None)
    checkpoint = Checkpoint(how["path"], how["demo"], how["command"], resume)
    try:
        running.catch_signals(checkpoint, ["SIGTERM"])
        backend.use(how["backend"][0], noise=how["backend"][1])
        if _unpacked[0] != parcel:
            with open(parcel, "rb") as file:
                _unpacked = parcel, pickle.load(file)
        checkpoint.open(how["settings"])
        with executors.on(None), running.sharing(bar), random_numbers.own_generators(rng):
            result = checkpoint.once("result", function, (*task, *_unpacked[1]), bar)
        checkpoint.save()  # this result is safe even if the first process dies
        return result, bar.n
    finally:
        bar.tell()
        checkpoint.close(finished=False)
        _playing.release()
        if checkpoint.stopped and parcel.exists():  # by a signal to this process alone: end by that signal
            signal.raise_signal(signal.SIGTERM)


class _TaskBar:
    """The bar of a task: it regularly writes its progress to a file for the first process."""

    def __init__(self, note: Path, parcel: Path):
        self.note, self.parcel, self.n, self.due = note, parcel, 0, 0.0

    def update(self, n: int = 1) -> None:
        self.n += n
        if time.monotonic() >= self.due:
            self.tell()
            if not self.parcel.exists():
                running.checkpoint.signal_time = time.monotonic()  # stop as by a signal, after this iteration

    def tell(self) -> None:
        self.due = time.monotonic() + PATIENCE
        executors.write_note(self.note, self.n)

    def display(self, text: str = "") -> None:
        """Do nothing: it is not on the screen."""
