"""Seeds and settings side by side: one process for each core, or as many as there are elsewhere (see `executors`).

A task's result is in a checkpoint of its own as soon as there is one. `kit.loops.run_tasks` is what demos call.
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

PATIENCE = 0.5  # seconds between two notes of how far a task is


def cores() -> int:
    """How many processes can run side by side."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(run: Checkpoint, function: Callable, tasks: Mapping[str, tuple], shared: tuple, bar: tqdm) -> list[Any]:
    """[function(*task, *shared), ...] in several processes; each saves where its task stands in a checkpoint of its own."""
    names = {name: run.own_name(name) for name in tasks}
    generators = {name: random_numbers.spawn() for name in tasks}  # in order, also of those that are finished: as `once` does
    results = {name: run.take_result(own, bar) for name, own in names.items() if own in run.found}
    if len(results) == len(tasks):
        return [results[name] for name in tasks]
    notes = {name: run.part(own).with_suffix(".txt").resolve() for name, own in names.items() if name not in results}
    seen: Counter = Counter()  # of each task, the iterations that the bar has been told of
    run.save(bar)  # so that there is something to resume, whatever comes: the tasks' own files are nothing without it

    def look() -> None:
        for name, file in notes.items():
            if name not in results and (found := executors.read_note(file)):
                bar.update(found[1] - seen[name])
                seen[name] = found[1]
        if time.perf_counter() >= run.due:
            run.save(bar)

    try:
        with _parcel(run.path, shared) as parcel:
            calls = {
                name: (_work, _how(run, name, names[name]), generators[name], parcel, note, function, tasks[name])
                for name, note in notes.items()
            }
            with closing(executors.completed(calls, notes, run.jobs, run.command, look)) as arriving:
                for name, (result, n) in arriving:
                    bar.update(n - seen[name])
                    results[name] = result
                    run.add_result(names[name], result, n, bar, run.part(names[name]))
    finally:
        if len(results) < len(tasks):  # stopped, or one of them failed
            run.save(bar)
    return [results[name] for name in tasks]


@contextmanager
def _parcel(path: Path, content: Any) -> Iterator[Path]:
    """A file with the arguments that are the same for all tasks. When it is gone, the run is, and so should its tasks be."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            pickle.dump(content, file, pickle.HIGHEST_PROTOCOL)
        yield Path(name).resolve()
    finally:
        Path(name).unlink(missing_ok=True)


def _how(run: Checkpoint, name: str, own: str) -> dict[str, Any]:
    """The checkpoint of a task, and the backend, as another process makes them."""
    path = run.part(own).resolve()
    resume = run.resume.resolve().with_name(path.name) if run.resume else None
    how = {"path": path, "demo": run.demo, "command": run.command, "resume": resume, "settings": {**run.settings, "task": name}}
    return {**how, "backend": (backend.name(), backend.noise_name()), "first": (socket.gethostname(), os.getpid())}


# --- in the other processes -----------------------------------------------------------------------------------------------

_unpacked: tuple[Path | None, tuple] = (None, ())  # the parcel that was opened last, and what was in it
_playing = threading.Lock()


def _work(how: dict[str, Any], rng: np.random.Generator, parcel: Path, note: Path, function: Callable, task: tuple) -> tuple:
    """A task: its result, and how many iterations it had. A process plays one at a time."""
    if how["first"] == (socket.gethostname(), os.getpid()) or not _playing.acquire(blocking=False):
        raise TypeError("on: an executor of threads, which would share minigan's generators; expected one of processes")
    try:
        return _played(how, rng, parcel, _Moves(note, parcel), function, task)
    finally:
        _playing.release()


def _played(
    how: dict[str, Any], rng: np.random.Generator, parcel: Path, bar: "_Moves", function: Callable, task: tuple
) -> tuple[Any, int]:
    """The same, under a checkpoint of its own."""
    global _unpacked
    memory.keep()
    threads.COUNT = 1
    backend.use(how["backend"][0], noise=how["backend"][1])
    resume = next((path for path in (how["path"], how["resume"]) if path and path.exists()), None)
    checkpoint = Checkpoint(how["path"], how["demo"], how["command"], resume)
    running.catch_signals(checkpoint, ["SIGTERM"])
    try:
        if _unpacked[0] != parcel:
            with open(parcel, "rb") as file:
                _unpacked = parcel, pickle.load(file)
        checkpoint.open(how["settings"])
        with executors.on(None), running.sharing(bar), random_numbers.own_generators(rng):
            result = checkpoint.once("result", function, (*task, *_unpacked[1]), bar)
        checkpoint.save()  # whatever becomes of the first process, nobody has to find this again
        return result, bar.n
    finally:
        bar.tell()
        checkpoint.close(finished=False)
        if checkpoint.stopped and parcel.exists():  # by a signal to this process alone: it ends, as others do by it
            signal.raise_signal(signal.SIGTERM)


class _Moves:
    """The bar of a task: it notes for the first process, now and then, how far it has moved."""

    def __init__(self, note: Path, parcel: Path):
        self.note, self.parcel, self.n, self.due = note, parcel, 0, 0.0

    def update(self, n: int = 1) -> None:
        self.n += n
        if time.monotonic() >= self.due:
            self.tell()
            if not self.parcel.exists():
                running.checkpoint.asked = time.monotonic()  # as a signal would: after this iteration

    def tell(self) -> None:
        """Note it."""
        self.due = time.monotonic() + PATIENCE
        executors.note(self.note, self.n)

    def display(self, text: str = "") -> None:
        """It has no place of its own on the screen."""
