"""Several cores for large products and convolutions, with bits that depend on the shapes alone.

BLAS's own threads wait for each other. Next to one busy program a step takes up to five times as long with them, and in a
container with fewer cores than BLAS has threads, sixty times. So minigan gives BLAS one thread while it computes. It cuts large
products and convolutions into pieces, which its own threads take from a common list: a thread that is held up takes fewer.
The shapes decide the pieces, so the bits are the same on any number of cores, idle or busy.

`COUNT` is the number of threads: MINIGAN_THREADS, or the cores that this process may use. `WHY` is a sentence about it.
"""

import contextvars
import ctypes
import functools
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from minigan.backend.arrays import Array

P = TypeVar("P")
T = TypeVar("T")
MOST = 1024
SHARED = 1.2e7  # multiplications in a product for two threads: for fewer, to wake one costs more than it brings
PIECE = 2.5e7  # in a piece of a larger product: with 6e6, BLAS is 15 % slower
MOST_PIECES = 16  # of a product
SMALL = 1 << 18  # multiplications in a product for which OpenBLAS uses one thread by itself
SMALL_VECTOR = 1 << 13  # the same, if one side is a vector
CGROUP = Path("/sys/fs/cgroup")  # Linux: the files with a container's share of processor time
adding_gradients = threading.RLock()  # held by a thread while it adds to leaves' gradients: no addition is overwritten


def matmul(a: Array, b: Array) -> Any:
    """a @ b. Under NumPy, large matrices are multiplied in pieces of the longer side of the result."""
    (n, k), m = a.shape[-2:], b.shape[-1]
    if k == 1:
        return a * b  # a column times a row: `@` takes several times as long
    if m == 1 and 0 in b.strides:
        b = b.copy()  # the gradient of a mean, one number broadcast to a column: `@` takes up to thirty times as long
    size = n * k * m
    if not isinstance(a, np.ndarray) or size <= (SMALL if n > 1 and m > 1 else SMALL_VECTOR):
        return a @ b
    if size < SHARED or not a.ndim == b.ndim == 2:
        with one_blas_thread:
            return a @ b
    y: Array = np.empty((n, m), np.result_type(a, b))

    def multiply(piece: slice) -> None:
        if n >= m:
            np.matmul(a[piece], b, out=y[piece])
        else:
            np.matmul(a, b[:, piece], out=y[:, piece])

    over(pieces(max(n, m), min(max(2, int(size / PIECE)), MOST_PIECES)), multiply)
    return y


def pieces(n: int, count: int) -> list[slice]:
    """range(n) in `count` pieces of nearly equal length."""
    bounds = [n * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def over(tasks: Sequence[P], work: Callable[[P], T]) -> list[T]:
    """[work(task), ...]: the threads take the tasks from a common list. BLAS has one thread meanwhile."""
    with one_blas_thread:
        if COUNT == 1 or len(tasks) < 2:
            return [work(task) for task in tasks]
        left, finished, end = iter(enumerate(tasks)), itertools.count(1), threading.Lock()
        results: list[Any] = [None] * len(tasks)
        errors: list[BaseException] = []

        def take() -> None:
            for i, task in left:
                try:
                    results[i] = work(task)
                except BaseException as error:
                    errors.append(error)
                if next(finished) == len(tasks):
                    end.release()

        end.acquire()
        jobs = _helpers(COUNT - 1)
        for _ in range(min(COUNT, len(tasks)) - 1 - jobs.qsize()):  # a thread that has not woken yet will take any job
            jobs.put(functools.partial(contextvars.copy_context().run, take))  # with np.errstate's settings
        take()
        end.acquire()  # not for a thread that wakes too late: it finds no task
        if errors:
            raise errors[0]
        return results


@functools.cache
def _helpers(count: int) -> "SimpleQueue[Callable[[], None]]":
    """A queue from which as many threads take jobs."""
    jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run() -> None:
        while True:
            jobs.get()()

    for _ in range(count):
        threading.Thread(target=run, name="minigan", daemon=True).start()
    return jobs


class _OneThread:
    """`with one_blas_thread:` gives BLAS one thread, and after it as many as before, for a user's own products."""

    def __init__(self) -> None:
        self.get, self.set, self.blas = _blas()
        self.lock, self.inside, self.before = threading.Lock(), 0, 1

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.before = self.get()
                self.set(1)
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.set(self.before)


def _blas() -> tuple[Callable[[], int], Callable[[int], Any], str]:
    """The functions of NumPy's BLAS that return and set the number of its threads, and the name of the second."""
    files = [np._core._multiarray_umath.__file__, *Path(np.__file__).parents[1].glob("numpy.libs/*blas*")]  # type: ignore[attr-defined] # which links BLAS
    forms = ("scipy_openblas_%s_num_threads64_", "scipy_openblas_%s_num_threads", "openblas_%s_num_threads64_")
    names = [(form % "get", form % "set") for form in (*forms, "openblas_%s_num_threads")]
    for file in files:
        library = ctypes.PyDLL(str(file))
        for get, set in (*names, ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads")):
            if hasattr(library, get) and hasattr(library, set):
                return getattr(library, get), getattr(library, set), set
    return lambda: 1, lambda n: None, ""


one_blas_thread = _OneThread()


def _count() -> tuple[int, str]:
    """The number of threads, and where it is from."""
    if not one_blas_thread.blas:
        return 1, "1 thread: this NumPy's BLAS has no known function that sets the number of its threads"
    if text := os.environ.get("MINIGAN_THREADS", "").strip():
        count = int(text) if text.isdecimal() and len(text) <= len(str(MOST)) else 0
        if not 1 <= count <= MOST:
            raise ValueError(f"MINIGAN_THREADS is {text[:40]!r}; expected a whole number from 1 to {MOST} (unset: all cores)")
        return count, f"{count} thread{'s' * (count > 1)}, by MINIGAN_THREADS"
    count = min(_cores(), MOST)
    return count, f"{count} thread{'s' * (count > 1)}, one for each core that this process may use; BLAS has one meanwhile"


def _cores() -> int:
    """The cores that this process may use: by its affinity, and by the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for quota, period in (("cpu.max", ""), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):  # cgroups 2 and 1
        try:
            numbers = " ".join([(CGROUP / name).read_text(encoding="ascii") for name in (quota, period) if name]).split()
            cores = min(cores, max(1, int(numbers[0]) // int(numbers[1]))) if int(numbers[0]) > 0 else cores
        except (OSError, ValueError, IndexError):  # no such file, or "max"
            continue
    return cores


COUNT, WHY = _count()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # threads do not survive a fork
    for lock in (adding_gradients, one_blas_thread.lock):  # one that another thread holds would stay locked in the child
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
