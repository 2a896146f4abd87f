"""Several cores at once: a loop over the images of a minibatch, or over a long vector, cut into one piece for each thread.

NumPy releases Python's global lock while it computes, so Python's threads do run in parallel. Matrix products can use all
cores by the threads of BLAS, but the operations between two products cannot. For convolutional networks it is faster to give
BLAS one thread and minigan several:

    OPENBLAS_NUM_THREADS=1 MINIGAN_THREADS=2 python train.py

Both at once would be slow: the threads of OpenBLAS keep their cores busy while they wait for the next product. So minigan has
one thread unless MINIGAN_THREADS is set. The last bits of a result may depend on the number of threads, as with BLAS.
"""

import contextvars
import functools
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
MOST = 1024


def _count() -> int:
    """The number of threads that MINIGAN_THREADS sets; 1 if it is unset or empty."""
    text = os.environ.get("MINIGAN_THREADS", "").strip() or "1"
    count = int(text) if text.isdecimal() and len(text) <= len(str(MOST)) else 0
    if not 1 <= count <= MOST:
        raise ValueError(f"MINIGAN_THREADS is {text[:40]!r}; expected a whole number from 1 to {MOST} (unset or empty: 1)")
    return count


COUNT = _count()
adding_gradients = threading.RLock()  # held by a thread while it adds to leaves' gradients: no addition is overwritten


def over(n: int, work: Callable[[int, int], T], least: int = 1) -> list[T]:
    """[work(start, stop), ...] for pieces of range(n): at most one piece a thread, and none shorter than `least`."""
    pieces = max(1, min(COUNT, n // least))
    if pieces == 1:
        return [work(0, n)]
    bounds = [n * i // pieces for i in range(pieces + 1)]
    mine, *others = itertools.pairwise(bounds)
    results = [_pool().submit(contextvars.copy_context().run, work, a, b) for a, b in others]  # with np.errstate's settings
    return [work(*mine), *[result.result() for result in results]]


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(COUNT - 1, thread_name_prefix="minigan")


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
    os.register_at_fork(  # a lock that another thread holds would stay locked in the child
        before=adding_gradients.acquire,
        after_in_parent=adding_gradients.release,
        after_in_child=adding_gradients.release,
    )
