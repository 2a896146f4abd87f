"""Where minigan's time goes in one GAN iteration, and how much other engines need for it.

    D steps on real and detached fake samples, then G with D frozen; Adam for both. The same numbers in every engine.

Engines: `matmul`, only the matrix products of the size, the least that any engine on this BLAS needs; PyTorch, JAX (compiled),
MyGrad and Autograd, if they are installed, here or under another interpreter (--python torch=PATH). Each has two threads, in a
process of its own. minigan and PyTorch are measured twice: alone, and next to a program that keeps one core busy. With
--backend cupy: only times, for three sizes, on the processor and on a GPU.

What to look for: in speed.png, how close to `matmul` minigan comes as the sizes grow, from `tiny`, where every op's overhead
counts, to `mlp1024`, where the matrix products count; in the tables, which ops take the rest. In growth.png and memory.png, the
slopes at the right end are the powers of the growth; memory follows the activations.
"""

import argparse
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import once
from demos.kit.runner.options import Options, common_options
from demos.kit.words import names_in
from demos.performance import growth, speed_pictures
from demos.performance.engines import NAMES, ON_GPU, plays
from demos.performance.engines.sizes import SIZES
from demos.performance.workers import PAUSE, Worker, WorkerError, busy_program, compare

Name = Literal["tiny", "mlp256", "mlp1024", "dcgan", "dcgan2", "fgsm", "wgan-gp", "wgan-gp2", "ring"]  # of a size
Times = dict[str, dict[str, float]]  # of a size, by engine: see `workers.compare`


@dataclass
class Settings:
    """The sizes, and how long to measure."""

    sizes: tuple[Name, ...]
    memory: tuple[Name, ...]  # the sizes whose memory is compared with their activations
    rounds: int  # turns of each engine
    seconds: float  # of each turn
    profile: float = 0.5  # seconds under the profiler; 0: without it
    busy: bool = True  # whether to measure next to a busy program too
    pause: float = PAUSE


FULL = Settings(tuple(SIZES), ("mlp256", "mlp1024", "dcgan"), rounds=9, seconds=0.3)
QUICK = Settings(("tiny",), ("tiny",), rounds=2, seconds=0.02, profile=0.02)
BUSY = ("minigan", "torch")  # the engines that are measured next to a busy program
GPU = ("mlp256", "mlp1024", "dcgan")  # the sizes that are compared there
DENSE = ("tiny", "mlp256", "mlp1024")  # from the smallest matrices to the largest
ROWS = 8  # of a profile

VERDICT = "True: the larger the matrices, the less minigan adds to its matrix products: at width 1,024, half as much again."
RATIOS = (
    "minigan takes {to_matmul_tiny|.0f} times as long as its matrix products alone at toy size, {to_matmul_mlp1024|.1f} times "
    "at width 1,024"
)
FINDING = f"{RATIOS}. At large batches, its memory grows with the batch to the power {{memory_with_batch|.2f}}."


def options(about: str) -> Options:
    options = common_options(about)
    options.add_argument(
        "--python", type=_interpreter, action="append", default=[], metavar="NAME=PATH", help="an engine's own interpreter"
    )
    return options


def chosen(args: argparse.Namespace) -> Settings:
    """The settings; on a GPU, the sizes that are compared there."""
    settings = QUICK if args.quick else FULL
    if args.backend == "numpy":
        return settings
    return replace(settings, sizes=settings.sizes if args.quick else GPU, memory=(), profile=0.0, busy=False)


@demo(FULL, QUICK, options, chosen, lambda args, settings: {**asdict(settings), "python": dict(args.python)})
def main(claim: Claim, settings: Settings) -> None:
    args = claim.args
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > 1:  # other programs are running
        print(f"The machine is busy (load {load:.1f}): the times below are too long, those of several threads most of all.\n")
    try:
        (measure if args.backend == "numpy" else measure_gpu)(claim, settings, dict(args.python))
    except WorkerError as error:
        raise SystemExit(str(error)) from None


def measure(claim: Claim, settings: Settings, pythons: dict[str, str]) -> None:
    """Times, memory and growth; the bounds; the pictures."""
    times = all_times(claim, NAMES, settings, pythons)
    seed, seconds = claim.args.seed, settings.seconds
    with Worker("minigan", pythons.get("minigan")) as worker:
        memory = {name: once(f"memory of {name}", worker.memory, SIZES[name], seed) for name in settings.memory}
        grown = growth.measure(worker, seed, seconds, claim.args.quick)
    pairs = {name: (row["peak"], row["activations"]) for name, row in memory.items()}
    ratios = {name: (peak / 1e6, activations / 1e6, peak / activations) for name, (peak, activations) in pairs.items()}
    print_table("memory", ("peak, MB", "activations, MB", "peak / activations"), ratios)
    powers = {name: row["slope"].values() for name, row in grown.items()}
    print_table("growth with", ("power of time", "of memory", "of activations"), powers)
    claim.metrics |= {"memory": memory, "growth": grown}
    judge(claim, times, grown)
    if not claim.metrics.keys() >= set(names_in(FINDING)):
        claim.finding = ""  # not all sizes are measured, as with --quick
    title = claim.words(RATIOS) if claim.finding else "minigan's time over other engines'"
    claim.show(speed_pictures.ratios(times), "speed", f"One iteration: {title}")
    meanings = {name: axis.meaning for name, axis in growth.AXES.items()}
    for name, what, key in (("growth", "time", "ms"), ("memory", "memory", "peak")):
        powers = ", ".join(f"{row['slope'][key]:.1f} ({axis})" for axis, row in grown.items())
        picture = speed_pictures.growth(grown, meanings, what)
        claim.show(picture, name, f"At its right end, {what} grows with the power {powers}")


def measure_gpu(claim: Claim, settings: Settings, pythons: dict[str, str]) -> None:
    """Only the times, of the engines on a GPU and on the processor."""
    times = all_times(claim, ON_GPU, settings, pythons)
    if not claim.metrics["engines"].keys() & {"cupy", "torch_gpu"}:
        raise SystemExit("no engine is left that computes on a GPU: there is nothing to compare")
    claim.show(speed_pictures.ratios(times), "speed", "One iteration on a GPU beside the processor")


def judge(claim: Claim, times: dict[str, Times], grown: dict[str, dict[str, Any]]) -> None:
    """The larger the matrices, the less the rest counts; memory grows as in a backward pass that visits each op once."""
    ratios = [times[name]["matmul"]["ratio"] for name in DENSE if "matmul" in times.get(name, {})]
    if len(ratios) == len(DENSE):
        falls = all(small > large for small, large in pairwise(ratios))
        claim.note("to_matmul_tiny", ratios[0], "reported: minigan's time over that of its matrix products alone")
        claim.note("to_matmul_mlp1024", ratios[-1], "at most 2, less than at each smaller size", falls and ratios[-1] <= 2)
    for name, row in times.items():
        if "slower_when_busy" in row["minigan"]:
            slower = row["minigan"]["slower_when_busy"]
            claim.note(
                f"busy_{name}", slower, "at most 2: minigan's time next to a busy program over its time alone", slower <= 2
            )
    for name in sorted(grown.keys() & {"batch", "depth"}):  # of width and side, it depends on which of two terms is larger
        claim.between(f"memory_with_{name}", grown[name]["slope"]["peak"], 0.6, 1.2)
        claim.note(f"time_with_{name}", grown[name]["slope"]["ms"], "reported: a time depends on what else is running")


def all_times(claim: Claim, names: Sequence[str], settings: Settings, pythons: dict[str, str]) -> dict[str, Times]:
    """The times of each size by engine, which are added to the claim's metrics with the engines' versions and threads."""
    times, learnt = {}, ({}, {})
    for name in settings.sizes:
        times[name], *learnt = once(f"times of {name}", times_of, name, names, claim.args.seed, settings, pythons, *learnt)
    claim.metrics |= {"times": times, "engines": learnt[0], "absent": learnt[1]}
    return times


def times_of(
    name: str, names: Sequence[str], seed: int, settings: Settings, pythons: dict[str, str], engines: dict, absent: dict
) -> tuple[Times, dict, dict]:
    """The times of one size by engine; `engines` and `absent`, with the engines that are found or missing.

    An engine whose worker ends or hangs is left out from then on, and the size is measured again. Raises WorkerError if it is
    minigan's.
    """
    while True:
        wanted = [engine for engine in names if plays(engine, name) and engine not in absent]
        try:
            with ExitStack() as stack:
                workers = [stack.enter_context(Worker(engine, pythons.get(engine))) for engine in wanted]
                present = [worker for worker in workers if is_there(worker, engines, absent)]
                for worker in present:
                    worker.make(SIZES[name], seed)
                times = compare(present, settings.rounds, settings.seconds)
                if settings.busy:
                    add_busy(times, [worker for worker in present if worker.engine in BUSY], settings)
                print_times(name, times, engines)
                if settings.profile:  # not on a GPU: an op's time would only be that of launching it
                    print_profile(present[0], max(3, round(1e3 * settings.profile / times["minigan"]["ms"])))
            return times, engines, absent
        except WorkerError as error:
            if error.engine == "minigan":
                raise
            leave_out(error.engine, str(error), absent)


def add_busy(times: Times, workers: Sequence[Worker], settings: Settings) -> None:
    """Add the times next to a busy program: `busy_ms`, minigan's over the engine's, and the engine's over its own when idle."""
    with busy_program():  # fewer rounds: a factor of two shows in three
        busy = compare(workers, max(1, settings.rounds // 3), settings.seconds)
    for engine, row in busy.items():
        slower = row["ms"] / times[engine]["ms"]
        times[engine] |= {"busy_ms": row["ms"], "busy_ratio": row["ratio"], "slower_when_busy": slower}


def is_there(worker: Worker, engines: dict, absent: dict) -> bool:
    """Whether the worker has found its engine, which is added to `engines` or to `absent`."""
    if worker.missing is None:
        engines[worker.engine] = {"version": worker.version, "threads": worker.threads}
    elif worker.engine == "minigan":
        raise SystemExit(f"--python: minigan cannot be imported there: {worker.missing}")
    else:
        leave_out(worker.engine, worker.missing, absent)
    return worker.missing is None


def leave_out(engine: str, reason: str, absent: dict) -> None:
    absent[engine] = reason
    print(f"{engine} is left out: {reason}")


def print_times(name: str, times: Times, engines: dict[str, dict[str, Any]]) -> None:
    print(f"\n{name:<10}{'engine':<12}{'threads':>8}{'ms':>10}{'minigan / engine':>20}   lowest - highest round")
    for engine, row in times.items():
        line = f"{'':<10}{engine:<12}{engines[engine]['threads']:>8}{row['ms']:>10.3f}"
        if engine != "minigan":
            line += f"{row['ratio']:>20.2f}   {row['ratio_low']:.2f} - {row['ratio_high']:.2f}"
        print(line)
    for engine, row in times.items():
        if "busy_ms" in row:
            line = f"{'':<10}{engine:<12}{'busy':>8}{row['busy_ms']:>10.3f}{row['busy_ratio']:>20.2f}"
            print(f"{line}   {row['slower_when_busy']:.2f} times its time alone")


def print_profile(worker: Worker, calls: int) -> None:
    print(f"\n  minigan's ops over {calls} iterations:\n")
    print("\n".join(f"    {line}" for line in worker.ask(profile=calls)["table"].splitlines()[: ROWS + 1]))


def print_table(title: str, columns: Sequence[str], rows: Mapping[str, Iterable[float]]) -> None:
    print(f"\n{title:<12}" + "".join(f"{column:>20}" for column in columns))
    for name, values in rows.items():
        print(f"{name:<12}" + "".join(f"{value:>20.2f}" for value in values))


def _interpreter(text: str) -> tuple[str, str]:
    engine, _, path = text.partition("=")
    names = dict.fromkeys((*NAMES, *ON_GPU))
    if engine not in names:
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=PATH, NAME one of {', '.join(names)}")
    if shutil.which(path) is None:
        raise argparse.ArgumentTypeError(f"{text}: there is no interpreter {path!r}")
    return engine, path
