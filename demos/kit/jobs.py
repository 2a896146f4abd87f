"""Seeds and settings side by side: one process for each core, and the same bits as one after the other.

    runs = each(play, {f"seed {seed}": (seed,) for seed in range(8)}, settings, x, steps=8 * settings.steps)

calls play(seed, settings, x) for every seed. Each call has default generators of its own, and one thread, wherever it runs.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from typing import Any

import numpy as np
from tqdm import tqdm

from demos.kit import checkpoints
from demos.kit.checkpoints import Checkpoint
from demos.kit.progress import progress
from minigan import backend, memory, random_numbers, threads

PATIENCE = 0.2  # seconds between two looks at how far the others are


def cores() -> int:
    """How many processes can run side by side."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(function: Callable, tasks: Mapping[str, tuple], *shared: Any, steps: int) -> list[Any]:
    """[function(*task, *shared), ...], under one progress bar; a resumed run goes on with what is not finished.

    Args:
        function: of a module's top level. What it returns: as for `checkpoints.once`.
        tasks: a name for each call, and its arguments.
        shared: further arguments, the same for all: large arrays are sent to each process once.
        steps: how many iterations the calls' `resumable` loops have together.
    """
    run = checkpoints.current()
    with progress(total=steps, unit="it") as bar, checkpoints.sharing(bar):
        if run and min(run.jobs, len(tasks)) > 1:
            return _side_by_side(run, function, tasks, shared, bar)
        return [checkpoints.once(name, function, *task, *shared, bar=bar) for name, task in tasks.items()]


def _side_by_side(run: Checkpoint, function: Callable, tasks: Mapping[str, tuple], shared: tuple, bar: tqdm) -> list[Any]:
    """The same in several processes, each of which saves where its task stands in a checkpoint of its own."""
    names = {name: run.own_name(name) for name in tasks}
    generators = {name: random_numbers.spawn() for name in tasks}  # in order, also of those that are finished: as `once` does
    results = {name: run.recall(own, bar) for name, own in names.items() if own in run.found}
    left = [name for name in tasks if name not in results]
    if not left:
        return [results[name] for name in tasks]
    context = multiprocessing.get_context("spawn")  # the same on every system, and safe where threads are running
    moves = context.SimpleQueue()
    jobs = min(run.jobs, len(left))
    run.save(bar)  # so that there is something to resume, whatever comes: the tasks' own files are nothing without it
    pool = ProcessPoolExecutor(jobs, context, _begin, (backend.name(), backend.noise_name(), shared, moves))
    try:
        futures = {}
        with _ctrl_c_waits():
            for name in left:
                how = _how(run, name, names[name])
                futures[pool.submit(_work, how, generators[name], function, tasks[name])] = name, how["path"]
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, PATIENCE, FIRST_COMPLETED)
            while not moves.empty():
                bar.update(moves.get())
            for future in done:
                name, part = futures[future]
                results[name], moved = future.result()
                run.keep(names[name], results[name], moved, bar, part)
            if time.perf_counter() >= run.due:
                run.save(bar)
    except BrokenProcessPool:
        why = f"is there enough memory for {jobs}?) or could not begin (a program of your own: has it an if __name__ == "
        raise SystemExit(f'a process was killed ({why}"__main__"?); this goes on: {run.command}') from None
    finally:
        if len(results) < len(tasks):  # stopped, or one of them failed
            run.save(bar)
            for process in multiprocessing.active_children():
                process.terminate()  # it saves, and stops
        pool.shutdown(cancel_futures=True)
    return [results[name] for name in tasks]


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """A block in which processes are started: those of them that are still importing shall not hear Ctrl-C either."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with checkpoints.undisturbed():
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _how(run: Checkpoint, name: str, own: str) -> dict[str, Any]:
    """The checkpoint of a task, as another process makes it."""
    path = run.part(own)
    resume = run.resume.with_name(path.name) if run.resume else None
    settings = {**run.settings, "task": name}
    return {"path": path, "demo": run.demo, "command": run.command, "resume": resume, "settings": settings}


# --- in the other processes -----------------------------------------------------------------------------------------------

_shared: tuple = ()
_moves: Any = None
_stopped = False


def _begin(name: str, noise: str, shared: tuple, moves: Any) -> None:
    """A process begins. It ends when the one that started it does."""
    global _shared, _moves
    for ignored in ("SIGINT", "SIGHUP"):  # a terminal sends them to all; the first process passes on what they mean
        if hasattr(signal, ignored):
            signal.signal(getattr(signal, ignored), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()
    memory.keep()
    threads.COUNT = 1
    backend.use(name, noise=noise)
    _shared, _moves = shared, moves


def _stop(*_: Any) -> None:
    global _stopped
    _stopped = True


def _end_with(parent: Any) -> None:
    wait_for([parent])
    os._exit(1)


def _work(how: dict[str, Any], rng: np.random.Generator, function: Callable, task: tuple) -> tuple[Any, int]:
    """A task: its result, and how many iterations it had."""
    if _stopped:
        raise SystemExit
    resume = how["resume"] if how["resume"] and how["resume"].exists() else None
    run, bar = Checkpoint(how["path"], how["demo"], how["command"], resume), _Moves()
    run.start(signals=["SIGTERM"])
    try:
        run.begin(how["settings"])
        with checkpoints.sharing(bar), random_numbers.own_generators(rng):
            return checkpoints.copied(function(*task, *_shared)), bar.n
    except SystemExit:  # a signal, or a nan: this process takes no further task
        _stop()
        raise
    finally:
        bar.tell()
        run.release()


class _Moves:
    """The bar of a task: it tells the first process, now and then, how far it has moved."""

    def __init__(self):
        self.n, self.told, self.due = 0, 0, 0.0

    def update(self, n: int = 1) -> None:
        self.n += n
        if (now := time.monotonic()) >= self.due:
            self.due = now + PATIENCE
            self.tell()

    def tell(self) -> None:
        """Tell it."""
        if self.n > self.told:
            _moves.put(self.n - self.told)
            self.told = self.n

    def display(self, text: str = "") -> None:
        """It has no place of its own on the screen."""
