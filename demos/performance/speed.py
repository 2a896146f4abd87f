"""Where minigan's time goes in one GAN iteration, and how much other engines need for it.

    D steps on real and detached fake samples, then G with D frozen; Adam for both. The same numbers in every engine.

Six sizes: `tiny` (a toy, where every op's overhead counts), `mlp256`, `mlp1024` (dense networks, where the matrix products
count), `dcgan`; one critic step of `wgan-gp` (second derivatives); the images' gradient that `fgsm` needs. Engines: `matmul`,
only the matrix products of the size, the least that any engine on this BLAS needs; PyTorch, JAX (compiled), MyGrad and
Autograd, if they are installed, here or under another interpreter (--python torch=PATH). Each runs in its own process, in turn.

What to look for: in speed.png, how close to `matmul` minigan comes as the sizes grow; in the tables, which ops take the rest.
In growth.png and memory.png, the slopes at the right end are the powers of the growth; memory follows the activations. Every
engine has two threads; minigan's are BLAS's for dense networks, and its own for convolutions (see minigan/backend/threads.py).

With --backend cupy, only times, for three sizes, on the processor and on a GPU (minigan on CuPy, and PyTorch). An engine's
iteration ends when one of its losses has been read, so that a GPU has done its work.
"""

import argparse
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.kit.loops import once
from demos.kit.runner.options import Options, common_options
from demos.performance import growth, speed_pictures
from demos.performance.engines import NAMES, ON_GPU, plays
from demos.performance.engines.sizes import SIZES
from demos.performance.workers import PAUSE, Worker, WorkerError, compare

Name = Literal["tiny", "mlp256", "mlp1024", "dcgan", "fgsm", "wgan-gp"]  # of a size


@dataclass
class Settings:
    """The sizes, and how long to measure."""

    sizes: tuple[Name, ...]
    memory: tuple[Name, ...]  # the sizes whose memory is compared with their activations
    rounds: int  # turns of each engine
    seconds: float  # of each turn
    profile: float = 0.5  # seconds under the profiler; 0: without it
    pause: float = PAUSE


FULL = Settings(tuple(SIZES), ("mlp256", "mlp1024", "dcgan"), rounds=9, seconds=0.3)
QUICK = Settings(("tiny",), ("tiny",), rounds=2, seconds=0.02, profile=0.02)
GPU = ("mlp256", "mlp1024", "dcgan")  # the sizes that are compared there
DENSE = ("tiny", "mlp256", "mlp1024")  # from the smallest matrices to the largest
ROWS = 8  # of a profile
BUSY = 1.0  # load: other programs that are running


def options(about: str) -> Options:
    """The common ones, --rounds and --python."""
    options = common_options(about)
    options.add_argument("--rounds", type=_positive, help="turns of every engine (default: see the settings)")
    options.add_argument(
        "--python", type=_interpreter, action="append", default=[], metavar="NAME=PATH", help="an engine's own interpreter"
    )
    return options


def chosen(args: argparse.Namespace) -> Settings:
    """The settings with --quick and --rounds; on a GPU, the sizes that are compared there."""
    settings = QUICK if args.quick else FULL
    settings = replace(settings, rounds=args.rounds or settings.rounds)
    if args.backend != "numpy":
        settings = replace(settings, sizes=settings.sizes if args.quick else GPU, memory=(), profile=0.0)
    return settings


def everything(args: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """What the result depends on."""
    return {**asdict(settings), "python": dict(args.python)}


@demo(FULL, QUICK, options, chosen, everything)
def main(claim: Claim, settings: Settings) -> None:
    """Measure, print, draw."""
    args = claim.args
    warn_if_busy()
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
        print_memory(memory)
        grown = growth.measure(worker, seed, seconds, claim.args.quick)
    print_growth(grown)
    claim.metrics |= {"memory": memory, "growth": grown}
    judge(claim, times, grown)
    claim.show(speed_pictures.ratios(times), "speed", "One iteration: " + against_products(claim.metrics))
    meanings = {name: axis.meaning for name, axis in growth.AXES.items()}
    powers = ", ".join(f"{row['slope']['ms']:.1f} ({name})" for name, row in grown.items())
    claim.show(speed_pictures.times(grown, meanings), "growth", f"At its right end, time grows with the power {powers}")
    powers = ", ".join(f"{row['slope']['peak']:.1f} ({name})" for name, row in grown.items())
    claim.show(speed_pictures.memory(grown, meanings), "memory", f"At its right end, memory grows with the power {powers}")


def measure_gpu(claim: Claim, settings: Settings, pythons: dict[str, str]) -> None:
    """Only the times, of the engines on a GPU and on the processor."""
    times = all_times(claim, ON_GPU, settings, pythons)
    if not claim.metrics["engines"].keys() & {"cupy", "torch_gpu"}:
        raise SystemExit("no engine is left that computes on a GPU: there is nothing to compare")
    claim.show(speed_pictures.ratios(times), "speed", "One iteration on a GPU beside the processor")


# --- the metrics --------------------------------------------------------------------------------------------------------


def judge(claim: Claim, times: dict[str, dict[str, dict[str, float]]], grown: dict[str, dict[str, Any]]) -> None:
    """The larger the matrices, the less the rest counts; memory grows as in a backward pass that visits each op once."""
    ratios = [times[name]["matmul"]["ratio"] for name in DENSE if "matmul" in times.get(name, {})]
    if len(ratios) == len(DENSE):
        falls = all(small > large for small, large in pairwise(ratios))
        claim.note("to_matmul_tiny", ratios[0], "reported: minigan's time over that of its matrix products alone")
        claim.note("to_matmul_mlp1024", ratios[-1], "at most 2, less than at each smaller size", falls and ratios[-1] <= 2)
    for name in sorted(grown.keys() & {"batch", "depth"}):  # of width and side, it depends on which of two terms is larger
        claim.between(f"memory_with_{name}", grown[name]["slope"]["peak"], 0.6, 1.2)
        claim.note(f"time_with_{name}", grown[name]["slope"]["ms"], "reported: a time depends on what else is running")


def against_products(m: dict[str, Any]) -> str:
    """minigan's time over that of its matrix products, at a small and at a large size."""
    if "to_matmul_tiny" not in m:
        return "minigan's time over other engines'"
    small, large = m["to_matmul_tiny"], m["to_matmul_mlp1024"]
    return f"minigan takes {small:.0f} times as long as its matrix products alone at toy size, {large:.1f} times at width 1,024"


def found(m: dict[str, Any]) -> str:
    """For README."""
    grows = [
        f"with the {by} to the power {m[f'memory_with_{by}']:.2f}" for by in ("batch", "depth") if f"memory_with_{by}" in m
    ]
    return f"{against_products(m)}{'; at large sizes, its memory grows ' if grows else ''}{', '.join(grows)}"


# --- times --------------------------------------------------------------------------------------------------------------


def all_times(
    claim: Claim, names: Sequence[str], settings: Settings, pythons: dict[str, str]
) -> dict[str, dict[str, dict[str, float]]]:
    """The times of each size by engine, which are added to the claim's metrics with the engines' versions and threads."""
    times, learnt = {}, ({}, {})
    for name in settings.sizes:
        times[name], *learnt = once(
            f"times of {name}", times_and_engines, name, names, claim.args.seed, settings, pythons, *learnt
        )
    claim.metrics |= {"times": times, "engines": learnt[0], "absent": learnt[1]}
    return times


def times_and_engines(
    name: str, names: Sequence[str], seed: int, settings: Settings, pythons: dict[str, str], engines: dict, absent: dict
) -> tuple[dict[str, dict[str, float]], dict, dict]:
    """`times_of`, with `engines` and `absent` as they are then."""
    return times_of(name, names, seed, settings, pythons, engines, absent), engines, absent


def times_of(
    name: str, names: Sequence[str], seed: int, settings: Settings, pythons: dict[str, str], engines: dict, absent: dict
) -> dict[str, dict[str, float]]:
    """The times of one size by engine. Adds to `engines` and `absent` the engines that are found or missing.

    An engine whose worker ends or hangs is left out from then on, and the size is measured again. Raises WorkerError if it is
    minigan's.
    """
    while True:
        try:
            return _times_of(name, names, seed, settings, pythons, engines, absent)
        except WorkerError as error:
            if error.engine == "minigan":
                raise
            leave_out(error.engine, str(error), absent)


def _times_of(
    name: str, names: Sequence[str], seed: int, settings: Settings, pythons: dict[str, str], engines: dict, absent: dict
) -> dict[str, dict[str, float]]:
    with ExitStack() as stack:
        wanted = [engine for engine in names if plays(engine, name) and engine not in absent]
        images = any(layer[0] == "conv" for layer in SIZES[name].D)
        workers = [stack.enter_context(Worker(engine, pythons.get(engine), images)) for engine in wanted]
        for worker in workers:
            note(worker, engines, absent)
        present = [worker for worker in workers if worker.missing is None]
        for worker in present:
            worker.make(SIZES[name], seed)
        times = {engine: found.summary() for engine, found in compare(present, settings.rounds, settings.seconds).items()}
        print_times(name, times, engines)
        if settings.profile:
            print_profile(present[0], max(3, round(1e3 * settings.profile / times["minigan"]["ms"])))
    return times


def note(worker: Worker, engines: dict, absent: dict) -> None:
    """Add the worker's engine to `engines` or to `absent`."""
    if worker.missing is None:
        engines[worker.engine] = {"version": worker.version, "threads": worker.threads}
    elif worker.engine == "minigan":
        raise SystemExit(f"--python: minigan cannot be imported there: {worker.missing}")
    else:
        leave_out(worker.engine, worker.missing, absent)


def leave_out(engine: str, reason: str, absent: dict) -> None:
    """Go on without this engine, and print why."""
    absent[engine] = reason
    print(f"{engine} is left out: {reason}")


def print_times(name: str, times: dict[str, dict[str, float]], engines: dict[str, dict[str, Any]]) -> None:
    """One size's rows of the table."""
    print(f"\n{name:<10}{'engine':<12}{'threads':>8}{'ms':>10}{'minigan / engine':>20}   lowest - highest round")
    for engine, row in times.items():
        line = f"{'':<10}{engine:<12}{engines[engine]['threads']:>8}{row['ms']:>10.3f}"
        if engine != "minigan":
            line += f"{row['ratio']:>20.2f}   {row['ratio_low']:.2f} - {row['ratio_high']:.2f}"
        print(line)


def print_profile(worker: Worker, calls: int) -> None:
    """The most expensive ops on the processor. (On a GPU, an op's time would only be that of launching it.)"""
    profile = worker.ask(profile=calls)["table"].splitlines()
    print(f"\n  minigan's ops over {calls} iterations:\n")
    print("\n".join(f"    {line}" for line in profile[: ROWS + 1]))


# --- memory and growth --------------------------------------------------------------------------------------------------


def print_memory(memory: dict[str, dict[str, int]]) -> None:
    """The peak of an iteration, and the memory that its graphs keep."""
    print(f"\n{'memory':<10}{'peak, MB':>12}{'activations, MB':>18}{'peak / activations':>21}")
    for name, row in memory.items():
        ratio = row["peak"] / row["activations"]
        print(f"{name:<10}{row['peak'] / 1e6:>12.2f}{row['activations'] / 1e6:>18.2f}{ratio:>21.2f}")


def print_growth(found: dict[str, dict[str, Any]]) -> None:
    """The powers of the growth."""
    print(f"\n{'growth with':<12}{'of time':>10}{'of memory':>12}{'of activations':>17}   (powers, at the right end)")
    for name, figures in found.items():
        powers = figures["slope"]
        print(f"{name:<12}{powers['ms']:>10.2f}{powers['peak']:>12.2f}{powers['activations']:>17.2f}")


def warn_if_busy() -> None:
    """Warn if other programs use the processors: they distort the times."""
    if hasattr(os, "getloadavg") and (load := os.getloadavg()[0]) > BUSY:
        print(f"The machine is busy (load {load:.1f}): the times below are too long, those of several threads most of all.\n")


# --- options ------------------------------------------------------------------------------------------------------------


def _interpreter(text: str) -> tuple[str, str]:
    engine, _, path = text.partition("=")
    names = dict.fromkeys((*NAMES, *ON_GPU))
    if engine not in names:
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=PATH, NAME one of {', '.join(names)}")
    if shutil.which(path) is None:
        raise argparse.ArgumentTypeError(f"{text}: there is no interpreter {path!r}")
    return engine, path


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of rounds")
    return int(text)


if __name__ == "__main__":
    main()
