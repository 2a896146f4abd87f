"""Where several ranks are worth it: the time of a GAN's step and of the all-reduce of its gradients, measured and modelled.

    OMP_NUM_THREADS=1 mpiexec -n 4 python -m demos ranks      1, 2 and 4 ranks on this machine; needs mpi4py
    python -m demos ranks                                     one rank, and the model

Ranks train one network with `optim.Averaged`: each computes its share of the gradients, and one all-reduce a step averages
them. Measured: an iteration (a step of D and one of G) of two GANs at several batch sizes, the all-reduce of their gradients,
and whole iterations with `Averaged`. With more ranks than cores, ranks share a core, and the times are mostly waiting.

The model: T(R) = t(batch of a rank) + 2 all-reduces (D's and G's gradients), each 2 (R - 1) / R bytes / bandwidth
+ 2 (R - 1) latency, a ring's. t is measured on one rank. The bandwidths and latencies are assumptions.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minigan as mg
from demos.kit.runner.options import Options, cores, path_option, seed_number
from demos.kit.runner.results import close_folder, default_folder, make_room, named
from demos.kit.style import FAKE, MARKERS, OTHERS, REAL, pale, save, slide, title
from minigan import data, games, nn, optim
from minigan.backend import memory

NETWORKS = {"1 Gbit/s": (1e9 / 8, 50e-6), "10 Gbit/s": (1e10 / 8, 20e-6), "100 Gbit/s": (1e11 / 8, 2e-6)}  # bytes/s, latency
FILES = ("table.md", "ranks.json", "ranks.png")
RANKS = (1, 2, 4, 8, 16, 32, 64)  # of the model
ENOUGH = 1.2  # a doubling of the ranks is worth it if it is at least this many times as fast
COLOURS = dict(zip(NETWORKS, (FAKE, OTHERS[0], REAL), strict=True))


class Model(NamedTuple):
    """Two networks, a sample's shape, and the batch: of all ranks (strong) or of each (weak). The noise has 100 dimensions."""

    G: Callable[[], nn.Module]
    D: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int


def models(quick: bool) -> dict[str, Model]:
    """A dense GAN, with many gradients for its arithmetic, and DCGAN, with few: it uses each weight at all positions."""
    width, channels = (64, 4) if quick else (1024, 64)
    return {
        f"MLP, width {width:,}": Model(
            G=lambda: nn.Sequential(nn.Dense(100, width), nn.ReLU(), nn.Dense(width, 784), nn.Tanh()),
            D=lambda: nn.Sequential(nn.Dense(784, width), nn.LeakyReLU(0.2), nn.Dense(width, 1)),
            shape=(784,),
            batch=128,
        ),
        f"DCGAN, {channels} channels": Model(
            G=lambda: games.dcgan_generator(100, channels),
            D=lambda: games.dcgan_discriminator(1, channels),
            shape=(1, 28, 28),
            batch=64,
        ),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure on all ranks; rank 0 prints, writes and draws."""
    about = "Measure where several ranks are worth it; start it with mpiexec."
    options = Options(prog="python -m demos ranks", description=about)
    options.add_argument(
        "--out", type=path_option, help="folder for the results (default: runs/ranks; quick: runs/quick/ranks)"
    )
    options.add_argument("--quick", action="store_true", help="small networks, in seconds")
    options.add_argument("--seed", type=seed_number, default=0, help="of all random numbers (default: 0)")
    args = options.parse_args(argv)
    args.out = args.out or default_folder(args.quick) / "ranks"
    memory.keep()
    mg.seed(args.seed)
    comm = world()
    first = comm is None or comm.rank == 0
    lock = options.locked(args.out) if first else None
    repeats = 3 if args.quick else 9
    measurements = {name: measured(model, comm, repeats) for name, model in models(args.quick).items()}
    if first:
        for each in measurements.values():
            each["model"] = modelled(each)
        write(args, measurements, comm.size if comm else 1)
    close_folder(lock)


def world() -> Any:
    """The ranks that mpiexec has started, or None without mpi4py."""
    try:
        from mpi4py import MPI
    except ImportError:
        return None
    return MPI.COMM_WORLD


# --- measuring ----------------------------------------------------------------------------------------------------------


def measured(model: Model, comm: Any, repeats: int) -> dict[str, Any]:
    """Median seconds: of an iteration, by batch size; of the all-reduces and of iterations, by number of ranks."""
    measurements: dict[str, Any] = {"batch": model.batch, "step": {}, "all_reduce": {}, "weak": {}, "strong": {}}
    game = made(model)
    measurements["bytes"] = {player: sum(4 * p.size for p in getattr(game, player).parameters()) for player in "DG"}
    if comm is None or comm.rank == 0:  # one rank, while the others sleep
        tasks = {m: partial(game.step, samples(model, m)) for m in [model.batch // ranks for ranks in RANKS]}
        measurements["step"] = interleaved(tasks, repeats)
    sleep_until_all_are_here(comm)
    for ranks in [r for r in RANKS if comm and r <= comm.size]:
        part = comm.Split(comm.rank < ranks, comm.rank)
        if comm.rank < ranks:
            for kind, times in on_ranks(model, part, measurements["bytes"], repeats).items():
                measurements[kind][ranks] = times
        sleep_until_all_are_here(comm)
        part.Free()
    return measurements


def on_ranks(model: Model, part: Any, sizes: dict[str, int], repeats: int) -> dict[str, float]:
    """Seconds of the two all-reduces, and of an iteration with a whole batch (weak) or a share of it (strong) on each rank."""
    buffers = [(np.ones(n // 4, np.float32), np.empty(n // 4, np.float32)) for n in sizes.values()]
    with data.shared_noise(part):
        game = made(model, lambda rule: optim.Averaged(rule, part, patience=300))
        tasks = {
            "all_reduce": lambda: [part.Allreduce(*pair) for pair in buffers],
            "weak": partial(game.step, samples(model, model.batch)),
            "strong": partial(game.step, samples(model, model.batch // part.size)),
        }
        return interleaved(tasks, repeats, part.Barrier)


def made(model: Model, wrap: Callable[[optim.Optimizer], optim.Optimizer] = lambda rule: rule) -> games.GAN:
    """The game, with Adam for both players."""
    G, D = model.G(), model.D()
    return games.GAN(G, D, data.noise(100), *(wrap(optim.Adam(p.parameters(), 2e-4, (0.5, 0.999))) for p in (G, D)))


def samples(model: Model, m: int) -> Iterator[np.ndarray]:
    """The same m samples again and again: the time of a step does not depend on their values."""
    return repeat(np.random.default_rng(0).uniform(-1, 1, (m, *model.shape)).astype(np.float32))


def interleaved(tasks: dict[Any, Callable], repeats: int, together: Callable = lambda: None) -> dict[Any, float]:
    """The median seconds of each task, taken in turn, so that other load affects all. The first round does not count."""
    times: dict[Any, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats + 1):
        for name, task in tasks.items():
            together()
            begin = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(row[1:]) for name, row in times.items()}


def sleep_until_all_are_here(comm: Any) -> None:
    """A barrier that sleeps while it waits."""
    request = comm.Ibarrier() if comm else None
    while request and not request.Test():
        time.sleep(0.01)


# --- the model ----------------------------------------------------------------------------------------------------------


def ring(sizes: dict[str, int], ranks: int, bandwidth: float, latency: float) -> float:
    """Seconds of all-reduces around a ring of ranks; `sizes`: the bytes of each."""
    return sum(2 * (ranks - 1) / ranks * n / bandwidth + 2 * (ranks - 1) * latency for n in sizes.values())


def modelled(measurements: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """network -> "weak", "strong": the speed-ups by RANKS."""
    steps, batch = measurements["step"], measurements["batch"]
    result = {}
    for name, network in NETWORKS.items():
        waits = {ranks: ring(measurements["bytes"], ranks, *network) for ranks in RANKS}
        weak = [ranks * steps[batch] / (steps[batch] + wait) for ranks, wait in waits.items()]
        strong = [steps[batch] / (steps[batch // ranks] + wait) for ranks, wait in waits.items()]
        result[name] = {"weak": weak, "strong": strong}
    return result


def last_that_pays(ups: Sequence[float]) -> int:
    """The number of ranks after which no doubling is `ENOUGH` times as fast; the largest of RANKS, if the last one is."""
    pay = [ranks for ranks, before, now in zip(RANKS[1:], ups, ups[1:], strict=False) if now >= ENOUGH * before]
    return max(pay, default=1)


# --- the table and the picture ------------------------------------------------------------------------------------------


def write(args: Any, measurements: dict[str, Any], size: int) -> None:
    """Write the FILES table.md, ranks.json and ranks.png, and print the table."""
    make_room(args.out, "ranks", args.quick, named(args.out, FILES))
    text = table(measurements, size)
    print(text)
    (args.out / "table.md").write_text(text + "\n", encoding="utf-8")
    content = {"seed": args.seed, "quick": args.quick, "ranks": size, "cores": cores(), "models": measurements}
    (args.out / "ranks.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    draw(measurements, args.out / "ranks.png")
    print(f"\nwritten: {args.out / 'table.md'}, ranks.json, ranks.png")


def table(measurements: dict[str, Any], size: int) -> str:
    """The measured times, and the numbers of ranks up to which the model predicts a gain."""
    few = "only one rank was measured: mpiexec -n 4 python -m demos ranks measures more"
    many = f"{size} ranks on {cores()} cores{': more than the cores, so they share cores and wait' * (size > cores())}"
    lines = [f"Measured on this machine, medians, one BLAS thread a rank if OMP_NUM_THREADS=1; {many if size > 1 else few}.\n"]
    lines += ["| networks | gradients of D, G | ranks | all-reduces | iteration, batch a rank | iteration, batch of all |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, each in measurements.items():
        sizes = ", ".join(f"{n / 1e6:.2f} MB" for n in each["bytes"].values())
        m, step = each["batch"], each["step"]
        for ranks in each["weak"] or [1]:
            if ranks in each["weak"]:
                times = [f"{1e3 * each[kind][ranks]:.2f} ms" for kind in ("all_reduce", "weak", "strong")]
            else:
                times = ["-", *[f"{1e3 * step[m]:.2f} ms"] * 2]
            lines.append(f"| {name} | {sizes} | {ranks} | {times[0]} | {m}: {times[1]} | {m}: {times[2]} |")
    lines += ["", "Model (all-reduce around a ring): the number of ranks after which a doubling gains less than 20 %:\n"]
    lines += [f"| networks | {' | '.join(f'{n}, {kind}' for n in NETWORKS for kind in ('batch a rank', 'batch of all'))} |"]
    lines += ["|---" * (1 + 2 * len(NETWORKS)) + "|"]
    for name, each in measurements.items():
        ups = [ups for network in each["model"].values() for ups in network.values()]
        ends = [(in_words(end := last_that_pays(u)), u[RANKS.index(end)]) for u in ups]
        lines.append(f"| {name} | {' | '.join(f'{words} ({up:.1f} times as fast)' for words, up in ends)} |")
    assumed = ", ".join(f"{1e6 * latency:g} us ({name})" for name, (_, latency) in NETWORKS.items())
    return "\n".join([*lines, "", f"Assumed latencies: {assumed}."])


def in_words(end: int) -> str:
    """A number of ranks; the largest of the model becomes "64 or more"."""
    return f"{end} or more" if end == RANKS[-1] else f"{end}"


def draw(measurements: dict[str, Any], path: Path) -> None:
    """Draw a row for each model: the speed-up by ranks, with a fixed batch a rank and with one for all ranks."""
    with pale():
        figure, places = slide(len(measurements), 2, sharex=True, squeeze=False)
        for row, (name, each) in zip(places, measurements.items(), strict=True):
            for axes, kind in zip(row, ("weak", "strong"), strict=True):
                panel(axes, each, kind)
                axes.set_title(f"{name}: {each['batch']} samples {'a rank' if kind == 'weak' else 'for all ranks'}")
        for axes in places[-1]:
            axes.set_xlabel("ranks")
        handles, labels = places[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        ends = [max(last_that_pays(network["strong"]) for network in each["model"].values()) for each in measurements.values()]
        few = " and ".join(map(in_words, ends))
        title(figure, f"With one batch for all, even the fastest network gains little beyond {few} ranks")
        save(figure, path, ["png"])


def panel(axes: Any, each: dict[str, Any], kind: str) -> None:
    """Draw the ideal, the networks of the model, and the times measured here."""
    axes.plot(RANKS, RANKS, color=OTHERS[3], linestyle=":", label="ideal")
    for marker, (name, ups) in zip(MARKERS, each["model"].items(), strict=False):
        axes.plot(RANKS, ups[kind], color=COLOURS[name], marker=marker, label=name)
    if here := each[kind]:
        ups = [(ranks if kind == "weak" else 1) * each["step"][each["batch"]] / seconds for ranks, seconds in here.items()]
        axes.plot(list(here), ups, "--", color=OTHERS[2], marker="X", label=f"measured here ({cores()} cores)")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(RANKS, [str(ranks) for ranks in RANKS])
    axes.set_yticks(RANKS[::2], [str(ranks) for ranks in RANKS[::2]])
    axes.set(ylim=(0.2, 80), ylabel="times as fast")
