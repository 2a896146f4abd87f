"""A worker: one engine in a process of its own. It reads a task from each line, and answers.

`python -m demos.performance.engines NAME` starts it. The tasks and the answers:

    {"make": the fields of a Size, "seed": 0}    a new start           -> {}
    {"time": 0.3}                                for 0.3 seconds       -> {"ms": median of the calls, "calls": their number}
    {"losses": 3}                                of 3 iterations       -> {"losses": [[...], ...]}
    {"profile": 20}                              (minigan only)        -> {"table": text}
    {"memory": ..., "seed": 0}                   (minigan only)        -> {"peak": bytes, "activations": bytes}

Its first line is {"version": ..., "threads": ...} or {"missing": reason}. It ends with its input.
"""

import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from demos.performance.engines import PROCESSORS

WARM_UP = 3  # calls before the first measurement; fewer if they take LONG seconds
LONG = 0.1
LEAST = 3  # measured calls


def main() -> None:
    """Answer until there are no more tasks."""
    name = sys.argv[1]
    if hasattr(os, "sched_setaffinity"):  # before the import of NumPy and the engine, which count the processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    out, sys.stdout = sys.stdout, sys.stderr  # output of the engine or a profile is not an answer
    for answer in answers(name):
        print(json.dumps(answer), file=out, flush=True)


def answers(name: str) -> Iterator[dict[str, Any]]:
    """The answers, line by line."""
    try:
        engine = importlib.import_module(f"demos.performance.engines.{name}")
    except ImportError as error:
        yield {"missing": str(error)}
        return
    yield {"version": engine.VERSION, "threads": engine.THREADS}
    from demos.performance.engines.sizes import Size

    step = None
    for line in sys.stdin:
        task = json.loads(line)
        if "make" in task:
            step = engine.make(Size(**task["make"]), task["seed"])
            yield {}
        elif "time" in task:
            yield timed(step, task["time"])
        elif "losses" in task:
            yield {"losses": [[read() for read in step()] for _ in range(task["losses"])]}
        elif "profile" in task:
            yield {"table": engine.profile(step, task["profile"])}
        elif "memory" in task:
            from demos.performance.engines.memory import memory

            yield memory(Size(**task["memory"]), task["seed"])


def timed(step: Callable, seconds: float) -> dict[str, float]:
    """The median time of the iterations that fit into `seconds`.

    Each ends when its first loss has been read, as in a program that shows its progress. A GPU works asynchronously, but in
    order, so that it has done all its work by then.
    """

    def iteration():
        for read in step()[:1]:  # `matmul` has no losses
            read()

    enough = time.perf_counter() + LONG
    for _ in range(WARM_UP):
        iteration()
        if time.perf_counter() > enough:
            break
    times, end = [], time.perf_counter() + seconds
    while len(times) < LEAST or time.perf_counter() < end:
        began = time.perf_counter()
        iteration()
        times.append(time.perf_counter() - began)
    return {"ms": 1e3 * statistics.median(times), "calls": len(times)}


if __name__ == "__main__":
    main()
