"""Loops, results and tasks that survive an interruption: with --resume, a run goes on to the same end, bit for bit.

A demo says which of its loops are long, and what changes in them:

    for t in resumable(range(steps), "seed 0", game=game, batches=batches, decay=decay):
        game.step(batches)
        decay.step()

which of its parts are not to be repeated once they are finished:

    found = once("seed 0", experiment, settings, 0)

and which calls can be made side by side, by default one for each core:

    runs = run_tasks(play, {f"seed {seed}": (seed,) for seed in range(8)}, settings, x, steps=8 * settings.steps)

What is in none of these is run again with --resume. A checkpoint holds what the loop changes, minigan's default generators,
and the results. How it is written: see `runner.checkpoint`; how tasks run in other processes: `runner.jobs`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from tqdm import tqdm

from demos.kit.runner import executors, jobs
from demos.kit.runner.checkpoint import running
from demos.kit.runner.progress import progress
from minigan.backend import random_numbers


def resumable(steps: range, name: str, bar: tqdm | None = None, **parts: Any) -> Iterator[int]:
    """`for t in resumable(range(n), name, ...)`: a loop under a progress bar that a resumed run goes on with.

    Args:
        steps: what t runs through.
        name: of the bar, and of the loop among the others.
        bar: one that several loops share, instead of a bar for this one (default: that of `run_tasks`, if there is one).
        parts: all that the loop's body changes: things with a `state_dict`, generators, tensors, lists and dicts. minigan's
            default generators are always among them.
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
    """function(*args), or what it returned before the run was resumed: numbers, texts, arrays; lists, tuples, dicts of them.

    What it draws does not depend on what was drawn before it, nor does what comes after it on what it draws: it has default
    generators of its own. `bar`: one that it moves.
    """
    with random_numbers.own_generators():
        return running.checkpoint.once(name, function, args, bar) if running.checkpoint else function(*args)


def run_tasks(function: Callable, tasks: Mapping[str, tuple], *shared: Any, steps: int) -> list[Any]:
    """[function(*task, *shared), ...], under one progress bar; a resumed run goes on with what is not finished.

    The bits are the same side by side and one after the other: each call has default generators of its own, and one thread,
    wherever it runs.

    Args:
        function: of a module's top level. What it returns: as for `once`.
        tasks: a name for each call, and its arguments.
        shared: further arguments, the same for all: large arrays are sent to each process once.
        steps: how many iterations the calls' `resumable` loops have together.
    """
    run = running.checkpoint
    with progress(total=steps, unit="it") as bar, running.sharing(bar):
        if run and (executors.elsewhere() or min(run.jobs, len(tasks)) > 1):
            return jobs.side_by_side(run, function, tasks, shared, bar)
        return [once(name, function, *task, *shared, bar=bar) for name, task in tasks.items()]


def check_finite(figures: Mapping[str, float]) -> None:
    """End the program with one line where one of these figures, or of the weights in the running loop, is no number."""
    if running.checkpoint:
        running.checkpoint.check_finite(figures)
