"""Calls in other processes: this machine's by default, MPI's, or those of any other `concurrent.futures` executor.

On eight ranks of MPI, of which the first is the demo, and seven play its games; and on any other executor, Dask's for example,
of processes that see the folder of the results:

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

PATIENCE = 0.2  # seconds between two looks at how far the others are

_executor: Executor | None = None


@contextmanager
def on(executor: Executor | None) -> Iterator[None]:
    """A block whose calls run on this executor, which stays open. Of processes: threads would share minigan's generators."""
    global _executor
    before, _executor = _executor, executor
    try:
        yield
    finally:
        _executor = before


def elsewhere() -> Executor | None:
    """The executor of `on`, or MPI's in the first rank under `python -m mpi4py.futures`; None: neither."""
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
    look: Callable[[], None] = lambda: None,
) -> Iterator[tuple[str, Any]]:
    """(name, function(*arguments)) of each call as it arrives. An error in a call is the program's.

    Args:
        calls: (function, *arguments), by names.
        notes: for each call a file, while it lasts, that says which process is at it; see `note`.
        jobs: how many processes of this machine, where there is no other executor.
        resume_command: the command that goes on with the run, for messages.
        look: called from time to time.

    Where a process dies, its call is named and repeated, once. Its pool ends with it: what the others were at begins again,
    too, or goes on from a checkpoint, as the function sees fit.
    """
    left, deaths = dict(calls), Counter()
    while left:
        _forget(notes)  # a program that was killed has left some
        other = elsewhere()
        pool = other or _processes(min(jobs, len(left)))
        family: dict[int, multiprocessing.Process] = {}
        futures: dict[Future, str] = {}
        try:
            with _ctrl_c_waits():
                futures |= {pool.submit(_noted, notes[name], *call): name for name, call in left.items()}
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, PATIENCE, FIRST_COMPLETED)
                family |= {process.pid: process for process in multiprocessing.active_children()}
                look()
                for future in sorted(done, key=lambda future: future.exception() is not None):  # first what has arrived
                    yield futures[future], future.result()
                    del left[futures[future]]
        except BrokenExecutor:
            victims = _killed(family, {name: found[0] for name in left if (found := read_note(notes[name]))})
            deaths.update(list(victims))
            if other or not victims or max(deaths.values()) > 1:
                raise SystemExit(f"{_why(victims)}; this goes on: {resume_command}") from None
            tqdm.write(f"{_why(victims)}; it is repeated", file=sys.stderr)
        finally:
            if other:
                for future in futures:
                    future.cancel()
            else:  # not cancelled: the pool, when it sees its processes end, could not set their errors
                for process in multiprocessing.active_children() if left else ():
                    process.terminate()  # it saves, and stops
                pool.shutdown()
            _forget(notes)


def note(file: Path, n: int = 0) -> None:
    """Note that this process is at the call of this file, and how far it has come."""
    with suppress(OSError):  # the folder may be gone, or full: the run will say so
        file.write_text(f"{os.getpid()} {n}", encoding="ascii")


def read_note(file: Path) -> tuple[int, int] | None:
    """The process's number, and how far it has come; None: it has not begun, or is just writing."""
    with suppress(OSError, ValueError):
        process, n = map(int, file.read_text(encoding="ascii").split())
        return process, n
    return None


def _noted(file: Path, function: Callable, *arguments: Any) -> Any:
    note(file)
    try:
        return function(*arguments)
    finally:  # not where the process dies
        file.unlink(missing_ok=True)


def _forget(notes: Mapping[str, Path]) -> None:
    for file in notes.values():
        file.unlink(missing_ok=True)


def _killed(family: Mapping[int, multiprocessing.Process], begun: Mapping[str, int]) -> dict[str, str]:
    """The calls whose processes have died, and how; where none of them has, of all that had begun: an idle one has."""
    until = time.monotonic() + 5
    while any(process.exitcode is None for process in family.values()) and time.monotonic() < until:
        time.sleep(0.02)  # some save first; and the pool looks, too: `join` returns where the other has the status
    how = {pid: f"exit status {process.exitcode}" for pid, process in family.items() if process.exitcode}
    by_itself = {pid: words for pid, words in how.items() if family[pid].exitcode != -signal.SIGTERM}  # which the pool sends
    found = {name: f"process {pid}, {how[pid]}" for name, pid in begun.items() if pid in (by_itself or how)}
    return found or {name: f"process {pid}" for name, pid in begun.items()}


def _why(victims: Mapping[str, str]) -> str:
    """What has happened, in words."""
    if victims:
        return "; ".join(f"{how}, was killed (is there enough memory?) as it was at {name}" for name, how in victims.items())
    return 'processes were killed, or could not begin (a program of your own: has it an if __name__ == "__main__"?)'


# --- this machine's processes ---------------------------------------------------------------------------------------------


def _processes(jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # the same on every system, and safe where threads are running
    return ProcessPoolExecutor(jobs, context, _begin)


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """A block in which processes are started: those of them that are still importing shall not hear Ctrl-C either."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with running.undisturbed():
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _begin() -> None:
    """A process begins. It ends when the one that started it does."""
    for ignored in ("SIGINT", "SIGHUP"):  # a terminal sends them to all; the first process passes on what they mean
        if hasattr(signal, ignored):
            signal.signal(getattr(signal, ignored), signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())  # of its own bars; tqdm's usual one is the system's, and left behind by who is killed
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()


def _end_with(parent: Any) -> None:
    wait_for([parent])
    os._exit(1)
