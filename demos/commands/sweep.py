"""Seeds x settings: run a demo many times, and plot one of its metrics against each setting, with intervals over the seeds.

    python -m demos sweep gan --set lr=1e-4,3e-4,1e-3 --set k=1,2,5 --seeds 8
    python -m demos sweep gan --set betas=0,0.9 --set betas=0.5,0.9     values that contain commas: one --set for each
    mpiexec -n 8 python -m mpi4py.futures -m demos sweep gan ...        on eight ranks; seven of them play

Each run is a run of the demo without pictures, in its own folder in --out (default: runs/sweep_NAME; of quick runs:
runs/quick/sweep_NAME). All options that are not listed below go to the demo: --quick, --steps 500, --data grid. --resume skips
finished runs: use it after a break, and to add values or seeds, or to change --figure.
"""

import argparse
import csv
import importlib
import itertools
import json
import re
import shlex
import signal
import sys
import textwrap
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from demos.catalogue import module_of
from demos.commands.own_file import module_of_file
from demos.kit import settings, style
from demos.kit.comparing import HURTS, NOTHING, compare, interval
from demos.kit.runner import executors
from demos.kit.runner import options as cli
from demos.kit.runner.checkpoint import running
from demos.kit.runner.codec import one_line
from demos.kit.runner.options import Options
from demos.kit.runner.progress import progress
from demos.kit.runner.results import NOT_JUDGED, close_folder, default_folder, make_room, named, summary_of

BETTER = {"at least": "higher", "at most": "lower"}  # start of a metric's expectation -> which values are better
LETTERS = 100  # that fit in one line below the panels
FILES = ("sweep.json", "sweep.csv", "sweep.png", "table.txt", "*_seed=*")  # of a sweep; the folder may have others
Point = tuple[str, ...]  # a value for each setting, as --set takes it


@cli.ends_as_ctrl_c()
def main(argv: Sequence[str]) -> None:
    """Play all runs that are not finished; write the table and the picture."""
    options = Options(prog="python -m demos sweep", description=__doc__, allow_abbrev=False)
    options.add_argument("demo", help="name of the demo, or an experiment's file")
    values = {"type": cli.assignment, "metavar": "NAME=VALUES", "help": "a setting and its values"}
    options.add_argument("--set", action="append", required=True, **values)
    options.add_argument("--seeds", type=cli.positive_number, default=4, help="number of seeds for each setting (default: 4)")
    options.add_argument("--seed", type=cli.seed_number, default=0, help="the first seed (default: 0)")
    options.add_argument("--figure", help="the metric to compare (default: the demo's first one with a bound)")
    options.add_argument("--out", type=cli.path_option, help="folder for the results (default: runs/sweep_NAME)")
    jobs = {"type": cli.positive_number, "default": cli.cores()}
    options.add_argument("--jobs", **jobs, help="runs at a time (default: the number of cores)")
    options.add_argument("--resume", action="store_true", help="skip finished runs")
    args, rest = options.parse_known_args(argv)
    module = module_of_file(args.demo) if args.demo.endswith(".py") else module_of(args.demo)
    main = getattr(module, "main", None)
    kind = type(main.settings) if hasattr(main, "settings") else getattr(module, "Settings", None)
    if not is_dataclass(kind):
        options.error(f"{module.__file__} has no dataclass Settings, which --set needs")
    grid = grid_of(options, kind, args.set)
    args.out = args.out or default_folder("--quick" in rest) / f"sweep_{Path(args.demo).stem}"
    lock = folder_of(options, args, rest)
    seeds = range(args.seed, args.seed + args.seeds)
    points = list(itertools.product(*grid.values()))
    runs = {name_of(grid, point, seed): (point, seed) for point in points for seed in seeds}
    command = cli.resume_command(options.prog, argv)
    try:
        play_all(runs, module.__name__, grid, rest, args, command)
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; to continue: {command}") from None
    except RefusedError as error:
        raise cli.ended(f"{error}", 2) from None
    finally:
        close_folder(lock)
    summaries = {run: summary_of(args.out / name) for name, run in runs.items()}
    show(args, grid, points, summaries)
    if failed := [name for name, run in runs.items() if not summaries[run]]:
        where = f"see {args.out}/NAME/output.txt of {', '.join(failed)}"
        raise SystemExit(f"{len(failed)} of {len(runs)} runs failed: {where}")


# --- the grid ------------------------------------------------------------------------------------------------------------


def grid_of(options: Options, kind: type, assignments: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The values of each setting, as --set takes them."""
    kinds, grid = settings.kinds(kind), {}
    for name, text in assignments:
        if name not in kinds:
            options.error(f"--set {name}={text}: there is no such setting; the settings are {', '.join(kinds)}")
        for part in [text] if settings.has_commas(kinds[name]) else text.split(","):
            try:
                value = settings.written(settings.checked(part, name, kinds[name]))
            except ValueError:
                options.error(f"--set {name}={text}: {part!r}: expected {settings.described(kinds[name], name)}")
            if value in grid.setdefault(name, []):
                options.error(f"--set {name}={text}: {value} is given twice")
            grid[name].append(value)
    return grid


def folder_of(options: Options, args: argparse.Namespace, rest: list[str]) -> int | None:
    """Lock the folder for this sweep. All its runs are of one demo with the same other options."""
    description, file = {"demo": args.demo, "options": rest}, args.out / "sweep.json"
    try:
        before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    except (OSError, ValueError) as error:
        options.error(f"--out {args.out}: {getattr(error, 'strerror', None) or error}")
    if args.resume and before not in (None, description):
        there = shlex.join([before["demo"], *before["options"]])
        options.error(f"--resume: the runs in {args.out} are of {there}, not of {shlex.join([args.demo, *rest])}")
    lock = options.locked(args.out)
    if not args.resume and before is not None:
        there = make_room(args.out, f"sweep_{Path(args.demo).stem}", "--quick" in rest, named(args.out, FILES))
        if there:
            print(f"the results of an earlier sweep in {args.out} are now in {there}", file=sys.stderr)
    file.write_text(json.dumps(description) + "\n", encoding="utf-8")
    return lock


def values_at(grid: Mapping[str, Any], point: Point) -> list[str]:
    return [f"{name}={value}" for name, value in zip(grid, point, strict=True)]


def name_of(grid: Mapping[str, Any], point: Point, seed: int) -> str:
    parts = sorted(values_at(grid, point))  # the order in the command does not matter
    return "_".join([*parts, f"seed={seed}"]).replace("/", "-")


# --- the runs -------------------------------------------------------------------------------------------------------------


class RefusedError(Exception):
    """The demo refuses the options of a run. The sweep ends with the demo's error line."""


def play_all(
    runs: Mapping[str, tuple[Point, int]], demo: str, grid: Mapping[str, Any], rest: list[str], args: Any, command: str
) -> None:
    """Play the unfinished runs in parallel, under a bar that estimates the time left."""
    missing = [name for name in runs if not summary_of(args.out / name)]
    calls, notes = {}, {}
    for name in sorted(missing, key=lambda name: runs[name][1]):  # by seeds, so that each setting starts early
        point, seed = runs[name]
        values = [f"--set={value}" for value in values_at(grid, point)]
        out = args.out.resolve() / name
        out.mkdir(parents=True, exist_ok=True)
        calls[name] = play, demo, [*rest, *values, f"--seed={seed}", f"--out={out}", "--jobs=1", "--resume"], out
        notes[name] = out / "process.txt"
    with (
        progress(total=len(runs), initial=len(runs) - len(missing), unit="run") as bar,
        closing(executors.completed(calls, notes, args.jobs, command)) as arriving,
    ):
        for name, problem in arriving:
            bar.update()
            if problem:
                bar.write(f"{name}: {problem}", file=sys.stderr)


def play(demo: str, argv: list[str], out: Path) -> str:
    """Play a run in this process; its output goes to a file. Returns the reason if it did not finish, else ""."""
    style.drawing = False
    status: Any = None
    with open(out / "output.txt", "w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        try:
            with cli.errors_in_one_line(argv):
                importlib.import_module(demo).main(argv)
        except SystemExit as end:  # also if a bound does not hold
            status = end.code
        except Exception as error:  # these settings fail; others may not
            traceback.print_exc()
            status = f"{type(error).__name__}: {one_line(error)}"
        stopped = running.stopped
        running.close()
    if stopped:
        signal.raise_signal(signal.SIGTERM)  # the signal that stopped it
    if status == 2:
        raise RefusedError((out / "output.txt").read_text(encoding="utf-8").splitlines()[-1])
    return "" if summary_of(out) else str(status)


# --- the table and the picture --------------------------------------------------------------------------------------------


@dataclass
class Cell:
    """One point of the grid: the metric of each seed, its mean with the interval, and the verdict."""

    by_seed: list[float | None]  # None: the run did not finish, or has a nan
    mean: float = float("nan")
    low: float = float("-inf")
    high: float = float("inf")
    verdict: str = ""

    def __post_init__(self):
        self.values = [value for value in self.by_seed if value is not None]
        self.failed = len(self.by_seed) - len(self.values)
        if self.values:
            self.mean, self.low, self.high = interval(self.values)


def show(args: argparse.Namespace, grid: Mapping[str, list[str]], points: Sequence[Point], summaries: Mapping) -> None:
    """Write sweep.csv with all metrics of all runs, table.txt and sweep.png with one metric. Print the table."""
    finished = {run: summary for run, summary in summaries.items() if summary}
    figures, expected = figures_of(finished.values())
    if not figures:
        raise SystemExit(f"no run finished with metrics: see output.txt in the folders in {args.out}")
    figure = args.figure or next((n for n in figures if better_of(expected.get(n, ""))), figures[0])
    if figure not in figures:
        raise SystemExit(f"--figure {figure}: there is no such metric; the metrics are: {'; '.join(figures)}")
    better = better_of(expected.get(figure, ""))
    write_csv(args.out / "sweep.csv", grid, finished, figures)

    by_point: dict[Point, list] = {point: [] for point in points}
    for point, seed in summaries:
        by_point[point].append(finished.get((point, seed), {}).get("metrics", {}).get(figure))
    cells = {point: Cell(values) for point, values in by_point.items()}
    best = set_verdicts(cells, better)
    words, _, short = expected.get(figure, "").partition(NOT_JUDGED)
    text = table(grid, cells, figure, words)
    (args.out / "table.txt").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    drawn = picture(grid, cells, figure, words)
    seeds = f"{args.seeds} seed{'s' * (args.seeds > 1)} a setting"
    style.title(drawn, f"{args.demo}, {seeds}: {figure}{in_words(grid, cells, best)}")
    if short:
        style.stamp(drawn, f"{short.upper()}S")
    style.save(drawn, args.out / "sweep.png", ["png"])
    print(f"Results are in {args.out}/: sweep.png, sweep.csv, table.txt, and a folder for each run")
    if others := [n for n in figures if n != figure and better_of(expected.get(n, ""))]:
        print(f"Other metrics with a bound, for --resume --figure NAME: {'; '.join(others)}")


def figures_of(summaries: Iterable[Mapping[str, Any]]) -> tuple[list[str], dict[str, str]]:
    """The names of all metrics that are a number in at least one run, and their expectations."""
    metrics: dict[str, Any] = {}
    expected: dict[str, str] = {}
    for summary in summaries:
        metrics = summary["metrics"] | {name: value for name, value in metrics.items() if value is not None}
        expected = summary["expected"] | expected
    return [name for name, value in metrics.items() if isinstance(value, float)], expected


def bound_of(expected: str) -> tuple[str, float] | None:
    """("lower" or "higher", the bound) of an expectation; None if it has no bound."""
    match = re.match(r"(at least|at most) ([-+.\de]+)(?=$|[:,])", expected)
    return (BETTER[match[1]], float(match[2])) if match else None


def better_of(expected: str) -> str | None:
    """Which values are better, "lower" or "higher"; None if there is no bound."""
    return (bound_of(expected) or [None])[0]


def set_verdicts(cells: Mapping[Point, Cell], better: str | None) -> Point | None:
    """Set the verdict of each point: whether it is worse than the best one beyond chance. Returns the best point."""
    ended = [point for point, cell in cells.items() if cell.values]
    if not better:
        return None
    best = (min if better == "lower" else max)(ended, key=lambda point: cells[point].mean)
    for point in ended:
        against_best = compare(cells[point].values, cells[best].values, better).verdict
        cells[point].verdict = "best" if point == best else {HURTS: "worse", NOTHING: NOTHING}.get(against_best, "")
    return best


def in_words(grid: Mapping[str, Any], cells: Mapping[Point, Cell], best: Point | None) -> str:
    """The end of the title: the best point, if any is worse."""
    if best is None or len(cells) == 1:
        return ""
    at = ", ".join(values_at(grid, best))
    worse = any(cell.verdict == "worse" for cell in cells.values())
    return f" is best at {at}" if worse else f": {NOTHING} from the best mean, at {at}"


def table(grid: Mapping[str, list[str]], cells: Mapping[Point, Cell], figure: str, expected: str) -> str:
    head = [*grid, "runs", "mean", "95 % interval", "against the best"]
    rows = []
    for point, cell in cells.items():
        runs = f"{len(cell.values)}" + f" ({cell.failed} failed)" * bool(cell.failed)
        between = f"{cell.low:.4g} to {cell.high:.4g}" if np.isfinite(cell.low) else "-"
        rows.append([*point, runs, f"{cell.mean:.4g}", between, cell.verdict])
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["  ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]]
    return "\n".join([f"{figure} ({expected})" if expected else figure, *lines]) + "\n"


def write_csv(path: Path, grid: Mapping[str, Any], finished: Mapping[tuple[Point, int], dict], names: list[str]) -> None:
    """Write a line for each run: its settings, seed, seconds and metrics."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*grid, "seed", "seconds", *names])
        for (point, seed), summary in finished.items():
            writer.writerow([*point, seed, summary["seconds"], *(summary["metrics"].get(name) for name in names)])


def picture(grid: Mapping[str, list[str]], cells: Mapping[Point, Cell], figure: str, expected: str) -> Figure:
    """Draw a panel for each setting: the metric against its values. With two settings, a line for each value of the other.

    With more than two settings, a panel has one line: each seed's mean over all its runs with that value.
    """
    bound, (drawn, panels) = bound_of(expected), style.slide(1, len(grid), squeeze=False, sharey=True)
    for i, (axes, (name, values)) in enumerate(zip(panels[0], grid.items(), strict=True)):
        lines = lines_of(grid, cells, i)
        for j, (label, line) in enumerate(lines):
            at = np.arange(len(values)) + 0.06 * (j - (len(lines) - 1) / 2)
            colour, marker = style.SERIES[j % len(style.SERIES)], style.MARKERS[j % len(style.MARKERS)]
            axes.plot(at, [cell.mean for cell in line], color=colour, marker=marker, label=label)
            for x, cell in zip(at, line, strict=True):
                if np.isfinite(cell.low):
                    axes.plot([x, x], [cell.low, cell.high], color=colour, linewidth=1.5)
                axes.plot([x] * len(cell.values), cell.values, ".", color=colour, alpha=0.5, markersize=11)
        axes.set(xticks=range(len(values)), xticklabels=values, xlabel=name, xlim=(-0.5, len(values) - 0.5))
        if len(grid) * sum(len(value) + 2 for value in values) > LETTERS:
            axes.tick_params(axis="x", labelrotation=90)
        if bound:
            axes.axhline(bound[1], color="black", linestyle=":", linewidth=1)
        if len(grid) == 2:
            columns = max(1, LETTERS // 2 // (max(len(label) for label, _ in lines) + 8))
            axes.legend(title=list(grid)[1 - i], loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns)
    bars = f"bars: 95 % intervals; dots: seeds{', means' * (len(grid) > 2)}{'; dotted: ' + expected if bound else ''}"
    panels[0, 0].set_ylabel("\n".join(line for text in (figure, f"({bars})") for line in textwrap.wrap(text, LETTERS * 2 // 3)))
    return drawn


def lines_of(grid: Mapping[str, list[str]], cells: Mapping[Point, Cell], i: int) -> list[tuple[str, list[Cell]]]:
    """The lines of the panel of setting i, each with its label and a cell for each value."""
    values = list(grid.values())
    if len(grid) == 1:
        return [("", list(cells.values()))]
    if len(grid) == 2:
        return [(v, [cells[(v, w) if i else (w, v)] for w in values[i]]) for v in values[1 - i]]
    pooled = [[cell.by_seed for point, cell in cells.items() if point[i] == value] for value in values[i]]
    return [("", [Cell([mean_of(runs) for runs in zip(*some, strict=True)]) for some in pooled])]


def mean_of(values: Iterable[float | None]) -> float | None:
    finished = [value for value in values if value is not None]
    return float(np.mean(finished)) if finished else None
