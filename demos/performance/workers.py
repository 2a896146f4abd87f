"""Engines in processes of their own, and their times, taken in turn.

Two engines in one process would distort each other's times: the threads of a BLAS or of OpenMP keep a processor busy for a
while after their work is done. So each engine has a process, and all wait while one measures. Every switch is followed by a
pause and a few calls that do not count. Other programs change the ratio of two successive times less than the times: ratios
are computed round by round.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from demos.kit.runner import engine_process
from demos.performance.engines.sizes import Size

PAUSE = 0.2  # seconds before each turn
PATIENCE = 120.0  # seconds for an answer; an engine's first on a busy machine, the slowest, takes about ten


class WorkerError(RuntimeError):
    """The worker of `engine` has ended too early (its last output is in the message), or it does not answer."""

    def __init__(self, engine: str, what: str):
        super().__init__(f"the worker of {engine} {what}")
        self.engine = engine


class Worker:
    """An engine in a process of its own: `ask` it. `missing` is the reason why it is not available, or None.

    Args:
        engine: its name in `demos.performance.engines`.
        python: the interpreter, this one if None.
    """

    def __init__(self, engine: str, python: str | None = None):
        self.engine = engine
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open until `close`)
        self.process = subprocess.Popen(
            engine_process.command("demos.performance.engines", engine, python=python),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,  # so that `_kill` also reaches the worker's own processes
            env=engine_process.environment(MINIGAN_BACKEND="numpy", OPENBLAS_NUM_THREADS="2", MINIGAN_THREADS="2"),
        )
        try:
            hello = self._answer()
        except BaseException:
            self.close()
            raise
        self.missing: str | None = hello.get("missing")
        self.version, self.threads = hello.get("version"), hello.get("threads")

    def ask(self, **task: Any) -> dict[str, Any]:
        """The worker's answer to a task; see engines/__main__.py. Raises WorkerError if there is none."""
        with suppress(BrokenPipeError):  # it has ended: its last output is read below
            self.process.stdin.write(json.dumps(task) + "\n")
            self.process.stdin.flush()
        return self._answer()

    def make(self, size: Size, seed: int) -> None:
        """Build this size from scratch."""
        self.ask(make=asdict(size), seed=seed)

    def memory(self, size: Size, seed: int) -> dict[str, int]:
        """The bytes of an iteration of this size; see `demos.performance.engines.memory`. minigan's worker only."""
        return self.ask(memory=asdict(size), seed=seed)

    def _answer(self) -> dict[str, Any]:
        hung = threading.Event()
        alarm = threading.Timer(PATIENCE, lambda: (hung.set(), self._kill()))
        alarm.start()
        try:
            line = self.process.stdout.readline()
        finally:
            alarm.cancel()
        if hung.is_set():
            raise WorkerError(self.engine, f"has not answered within {PATIENCE:g} s")
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            words = "".join(self.errors.readlines()[-12:]).strip()
            raise WorkerError(self.engine, f"has ended with code {code}:\n{words}")
        return json.loads(line)

    def _kill(self) -> None:
        if hasattr(os, "killpg"):  # not on Windows
            with suppress(ProcessLookupError, PermissionError):  # it has ended (PermissionError: on macOS, not waited for)
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()

    def close(self) -> None:
        self._kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(BrokenPipeError):  # a task that was never read
                file.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception) -> None:
        self.close()


@contextmanager
def busy_program() -> Iterator[None]:
    """A program runs that keeps one core busy, of the same priority."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def compare(workers: Sequence[Worker], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """By engine, of workers that have made their size: the median `ms` of `rounds` turns, in alternating order; and minigan's
    time divided by the engine's, the median `ratio` of the rounds, `ratio_low` and `ratio_high`.

    One more round before these does not count. The first worker is minigan's.
    """
    ms: dict[str, list[float]] = {worker.engine: [] for worker in workers}
    for t in range(rounds + 1):
        for worker in workers[:: -1 if t % 2 else 1]:
            time.sleep(PAUSE)
            ms[worker.engine].append(worker.ask(time=seconds if t else 0.0)["ms"])
    own, found = ms[workers[0].engine][1:], {}
    for engine, times in ms.items():
        ratios = [mine / its for mine, its in zip(own, times[1:], strict=True)]
        found[engine] = {"ms": statistics.median(times[1:]), "ratio": statistics.median(ratios)}
        found[engine] |= {"ratio_low": min(ratios), "ratio_high": max(ratios)}
    return found
