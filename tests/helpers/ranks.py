"""What the tests with several ranks share: communicators without MPI, and programs under mpiexec."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.programs import ROOT


class Comm:
    """As far as minigan needs it, an mpi4py communicator between threads of this process; `threads` makes them."""

    def __init__(self, rank=0, size=1, meeting=None):
        self.rank, self.size = rank, size
        self.meeting = meeting or SimpleNamespace(barrier=threading.Barrier(size, timeout=60), sent=[None] * size)
        self.calls, self.aborted, self.kinds = [], [], "mpi,system"

    def _exchanged(self, name, buffer):
        self.calls.append((name, buffer))
        self.meeting.sent[self.rank] = buffer.copy()
        self.meeting.barrier.wait()
        sent = list(self.meeting.sent)
        self.meeting.barrier.wait()
        return sent

    def Iallreduce(self, own, found):  # noqa: N802
        found[...] = sum(self._exchanged("Iallreduce", own))
        return DONE

    def Iallgather(self, own, found):  # noqa: N802
        found[...] = np.stack(self._exchanged("Iallgather", own)).reshape(found.shape)
        return DONE

    def Ibcast(self, buffer):  # noqa: N802
        buffer[...] = self._exchanged("Ibcast", buffer)[0]
        return DONE

    def Abort(self, code):  # noqa: N802
        self.aborted.append(code)

    def Get_info(self):  # noqa: N802
        return SimpleNamespace(Get={"mpi_memory_alloc_kinds": self.kinds}.get)


DONE = SimpleNamespace(Test=lambda: True)


def on_ranks(size, work):
    """[work(comm) of each rank], on as many threads; an exception in the place of its result."""
    meeting = Comm(size=size).meeting
    with ThreadPoolExecutor(size) as pool:
        ranks = [pool.submit(work, Comm(rank, size, meeting)) for rank in range(size)]
    return [rank.exception() or rank.result() for rank in ranks]


@pytest.fixture
def mpiexec(tmp_path):
    """mpiexec(n, "program", *arguments, options=[]) runs a program of this many ranks in a new folder, `mpiexec.folder`."""
    found = shutil.which("mpiexec")
    if not found or not importlib.util.find_spec("mpi4py"):
        pytest.skip("no mpi4py" if found else "no mpiexec")
    said = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    usual = ["--oversubscribe", "--allow-run-as-root"] if "Open MPI" in said or "OpenRTE" in said else []
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"}

    def run(n, program, *arguments, options=(), timeout=120):
        with tempfile.NamedTemporaryFile("r") as words:  # mpiexec may end before it has passed on what a rank has written
            rank = ["sh", "-c", 'exec "$@" 2>>"$0"', words.name, sys.executable, *program, *map(str, arguments)]
            command = [found, *usual, *options, "-n", str(n), *rank]
            done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=timeout)
            done.stderr += words.read()
        return done

    run.folder = tmp_path
    return run
