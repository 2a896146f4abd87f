"""Loops, results and tasks that can be resumed: with --resume, an interrupted run has the same results, bit for bit.

A demo marks its long loops, and names the state that they change:

    for t in resumable(range(steps), "seed 0", game=game, batches=batches, decay=decay):
        game.step(batches)
        decay.step()

It marks parts that are not repeated after they have finished:

    result = once("seed 0", experiment, settings, 0)

It marks calls that can run in parallel, by default one for each core:

    runs = run_tasks(play, {f"seed {seed}": (seed,) for seed in range(8)}, settings, x, steps=8 * settings.steps)

All other code runs again with --resume. A checkpoint holds the state that the loop changes, minigan's default generators,
and the results. `runner.checkpoint` writes it; `runner.jobs` runs tasks in other processes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from tqdm import tqdm

from demos.kit.runner.checkpoint import running
from demos.kit.runner.progress import progress
from minigan.backend import random_numbers


def resumable(steps: range, name: str, bar: tqdm | None = None, **parts: Any) -> Iterator[int]:
    """`for t in resumable(range(n), name, ...)`: a loop under a progress bar, which --resume continues.

    Args:
        steps: the values of t.
        name: of the bar and of the loop in the checkpoint.
        bar: a bar that several loops share (default: that of `run_tasks`, or a new one for this loop).
        parts: all state that the loop's body changes: objects with a `state_dict`, generators, tensors, lists and dicts.
            minigan's default generators are always saved.
    """
    run, bar = running.checkpoint, running.bar if bar is None else bar
    with (
        run.playing(name, len(steps), parts) if run else nullcontext() as loop,
        nullcontext(bar) if bar is not None else progress(total=len(steps), desc=name) as shown,
    ):
        done = loop.t if loop else 0
        shown.update(done)
        for t in steps[done:]:
            if run:
                run.busy = True
            yield t
            shown.update()
            if run:
                run.after_iteration(shown)


def once(name: str, function: Callable, *args: Any, bar: tqdm | None = None) -> Any:
    """function(*args), or its saved result if the run was resumed: numbers, texts, arrays; lists, tuples, dicts of them.

    The function has its own default generators, so random numbers inside and outside it are independent of each other.
    `bar`: the bar that it moves.
    """
    with random_numbers.own_generators():
        return running.checkpoint.once(name, function, args, bar) if running.checkpoint else function(*args)


def run_tasks(function: Callable, tasks: Mapping[str, tuple], *shared: Any, steps: int) -> list[Any]:
    """[function(*task, *shared), ...], under one progress bar; a resumed run repeats no finished task.

    The results are the same, bit for bit, in parallel and in sequence: each call has its own default generators and one thread.

    Args:
        function: from a module's top level. Its results: as for `once`.
        tasks: a name for each call, and its arguments.
        shared: further arguments of all calls; each process gets them once.
        steps: the iterations of all the calls' `resumable` loops together.
    """
    run = running.checkpoint
    with progress(total=steps, unit="it") as bar, running.sharing(bar):
        if run and len(tasks) > 1:
            from demos.kit.runner import executors, jobs  # here: a single task needs no other process

            if run.jobs > 1 or executors.elsewhere():
                return jobs.side_by_side(run, function, tasks, shared, bar)
        return [once(name, function, *task, *shared, bar=bar) for name, task in tasks.items()]


def run_cases(
    function: Callable, cases: Mapping[str, tuple], seeds: range, *shared: Any, steps: int, what: str = ""
) -> dict[str, list[Any]]:
    """For each case, [function(seed, *case, *shared), ...]: `run_tasks` with all cases and seeds.

    `steps`: the iterations of one call. `what` begins the tasks' names, which differ from those of other tasks of the run.
    """
    tasks = {f"{what}{name}, seed {seed}": (seed, *case) for name, case in cases.items() for seed in seeds}
    results = run_tasks(function, tasks, *shared, steps=steps * len(tasks))
    return {name: results[i * len(seeds) : (i + 1) * len(seeds)] for i, name in enumerate(cases)}


def check_finite(figures: Mapping[str, float]) -> None:
    """End the program with one line if one of these metrics, or a weight in the running loop, is nan or infinite."""
    if running.checkpoint:
        running.checkpoint.check_finite(figures)
