"""Calls in other processes: of this machine by default, of MPI, or of any other `concurrent.futures` executor.

On eight ranks of MPI: the first runs the demo, and seven play its games. On another executor, for example Dask's, whose
processes can use the folder of the results:

    mpiexec -n 8 python -m mpi4py.futures -m demos hacks

    with on(executor):
        hacks.main(["--out", "/shared/hacks"])
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from tqdm import tqdm

from demos.kit.runner.checkpoint import running

PATIENCE = 0.2  # seconds between two checks of the other processes' progress

_executor: Executor | None = None


@contextmanager
def on(executor: Executor | None) -> Iterator[None]:
    """A block whose calls run on this executor, which stays open. It must use processes: threads share minigan's generators."""
    global _executor
    before, _executor = _executor, executor
    try:
        yield
    finally:
        _executor = before


def elsewhere() -> Executor | None:
    """The executor of `on`, or MPI's in the first rank under `python -m mpi4py.futures`; None: there is neither."""
    return _executor or ("mpi4py.futures" in sys.modules and _of_mpi()) or None


@cache
def _of_mpi() -> Executor | None:
    from mpi4py import MPI, futures

    return futures.MPIPoolExecutor() if MPI.COMM_WORLD.size > 1 and MPI.COMM_WORLD.rank == 0 else None


def completed(
    calls: Mapping[str, tuple],
    notes: Mapping[str, Path],
    jobs: int,
    resume_command: str,
    poll: Callable[[], None] = lambda: None,
) -> Iterator[tuple[str, Any]]:
    """(name, function(*arguments)) of each call as it arrives. An error in a call is raised here.

    Args:
        calls: by name, (function, *arguments).
        notes: by name, the file with the call's process and progress, while it runs; see `write_note`.
        jobs: the number of processes of this machine, if there is no other executor.
        resume_command: the command that resumes the run, for messages.
        poll: called regularly.

    If a process dies, its call is reported and repeated, once. Its pool ends with it, so the other running calls are repeated
    too; they may resume from a checkpoint.
    """
    left, deaths = dict(calls), Counter()
    while left:
        _remove(notes)  # left by a program that was killed
        other = elsewhere()
        spawn = multiprocessing.get_context("spawn")  # the same on every system, and safe with threads
        pool = other or ProcessPoolExecutor(min(jobs, len(left)), spawn, _prepare)
        family: dict[int, multiprocessing.Process] = {}
        futures: dict[Future, str] = {}
        try:
            with _ctrl_c_waits():
                futures |= {pool.submit(_call_with_note, notes[name], *call): name for name, call in left.items()}
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, PATIENCE, FIRST_COMPLETED)
                family |= {process.pid: process for process in multiprocessing.active_children()}
                poll()
                for future in sorted(done, key=lambda future: future.exception() is not None):  # results before errors
                    yield futures[future], future.result()
                    del left[futures[future]]
        except BrokenExecutor:
            victims = _killed(family, {name: note[0] for name in left if (note := read_note(notes[name]))})
            deaths.update(list(victims))
            if other or not victims or max(deaths.values()) > 1:
                raise SystemExit(f"{_why(victims)}; to continue: {resume_command}") from None
            tqdm.write(f"{_why(victims)}; its call is repeated", file=sys.stderr)
        finally:
            if other:
                for future in futures:
                    future.cancel()
            else:  # not cancelled: the pool could not set their errors when its processes end
                for process in multiprocessing.active_children() if left else ():
                    process.terminate()  # it saves, and stops
                pool.shutdown()
            _remove(notes)


def write_note(file: Path, n: int = 0) -> None:
    """Write this process's id, and the iterations of its call so far."""
    with suppress(OSError):  # the folder may be missing or full: the run will report it
        file.write_text(f"{os.getpid()} {n}", encoding="ascii")


def read_note(file: Path) -> tuple[int, int] | None:
    """(process id, iterations so far); None: the call has not started, or the note is being written."""
    with suppress(OSError, ValueError):
        process, n = map(int, file.read_text(encoding="ascii").split())
        return process, n
    return None


def _call_with_note(file: Path, function: Callable, *arguments: Any) -> Any:
    write_note(file)
    try:
        return function(*arguments)
    finally:  # the note stays if the process dies
        file.unlink(missing_ok=True)


def _remove(notes: Mapping[str, Path]) -> None:
    for file in notes.values():
        file.unlink(missing_ok=True)


def _killed(family: Mapping[int, multiprocessing.Process], begun: Mapping[str, int]) -> dict[str, str]:
    """The calls whose processes have died, with the exit status. If only an idle process died: all running calls."""
    until = time.monotonic() + 5
    while any(process.exitcode is None for process in family.values()) and time.monotonic() < until:
        time.sleep(0.02)  # some save first; not `join`: the pool may have collected the status already
    how = {pid: f"exit status {process.exitcode}" for pid, process in family.items() if process.exitcode}
    by_itself = {pid: words for pid, words in how.items() if family[pid].exitcode != -signal.SIGTERM}  # the pool sends SIGTERM
    victims = {name: f"process {pid}, {how[pid]}" for name, pid in begun.items() if pid in (by_itself or how)}
    return victims or {name: f"process {pid}" for name, pid in begun.items()}


def _why(victims: Mapping[str, str]) -> str:
    """The reason in words."""
    if victims:
        return "; ".join(f"{how}, was killed during {name} (is there enough memory?)" for name, how in victims.items())
    return 'processes were killed or could not start (does your own program have if __name__ == "__main__"?)'


# --- this machine's processes ---------------------------------------------------------------------------------------------


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """A block that starts processes: they ignore Ctrl-C even while they import modules."""
    with running.undisturbed():
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
        try:
            yield
        finally:
            if in_main_thread:
                signal.signal(signal.SIGINT, before)


def _prepare() -> None:
    """Prepare a new process. It ends together with its parent."""
    for ignored in ("SIGINT", "SIGHUP"):  # a terminal sends them to all processes; the parent handles them
        if hasattr(signal, ignored):
            signal.signal(getattr(signal, ignored), signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())  # tqdm's default lock belongs to the system, and stays after a killed process
    parent = multiprocessing.parent_process().sentinel
    threading.Thread(target=lambda: wait_for([parent]) and os._exit(1), daemon=True).start()
