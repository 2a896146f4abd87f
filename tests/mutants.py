"""Mutants: small mistakes planted in minigan/ and demos/kit, one at a time, to measure which of them the tests notice.

    python -m tests.mutants record [tests/ops ...]         # once: each test's lines and seconds, into .mutants/
    python -m tests.mutants run --count 600 --out rows.jsonl
    python -m tests.mutants run --lines minigan/losses.py:40-60

A mutant is planted in a copy of the tree, and meets only the tests that executed its lines when they were recorded, the
quickest first. Survivors are gaps in the tests, or do what the original does. `helpers/mutations.py` plants them.
"""

import argparse
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.mutations import ROOT, Mutant, drawn, mutants_of

STORE = ROOT / ".mutants"
NUMBERS = itertools.count(1)
OPTIONS = ["-p", "no:cacheprovider", "--hypothesis-seed=0"]

# --- the tests that execute a line --------------------------------------------------------------------------------------


class Recorder:
    """A plugin of pytest: the lines that each test executes, its seconds, and whether it fails without a mutant."""

    def __init__(self, coverage: Any):
        self.coverage, self.tracer = coverage, sys.gettrace()
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        if sys.gettrace() is not self.tracer:  # a test has used it
            sys.settrace(self.tracer)
        os.environ["MUTANTS_CONTEXT"] = item.nodeid  # in subprocesses
        self.coverage.switch_context(item.nodeid)
        start = time.perf_counter()
        result = yield
        self.seconds[item.nodeid] = round(time.perf_counter() - start, 4)
        return result

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.add(report.nodeid)


def record(tests: Sequence[str]) -> None:
    """Run these tests once, all by default, measured by coverage."""
    import coverage

    shutil.rmtree(STORE, ignore_errors=True)
    (STORE / "parts").mkdir(parents=True)
    config = STORE / "coveragerc"
    silent = "no-data-collected, module-not-measured, module-not-imported, trace-changed, no-sysmon, already-imported"
    config.write_text(
        f"[run]\nsource = {ROOT}/minigan, {ROOT}/demos\ndata_file = {STORE}/parts/data\nparallel = True\n"
        f"context = ${{MUTANTS_CONTEXT-}}\ndisable_warnings = {silent}\n"
    )
    os.environ["COVERAGE_PROCESS_START"] = str(config)  # coverage's .pth file starts it in subprocesses
    measured = coverage.Coverage(config_file=str(config))
    measured.start()
    plugin = Recorder(measured)
    pytest.main(["--continue-on-collection-errors", *OPTIONS, *tests], plugins=[plugin])
    measured.stop()
    measured.save()
    parts = coverage.Coverage(data_file=str(STORE / "data"), config_file=False)
    parts.combine([str(STORE / "parts")])
    parts.save()
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in parts.get_data().measured_files()}
    seconds = {test: seconds for test, seconds in plugin.seconds.items() if test not in plugin.failed}
    (STORE / "tests.json").write_text(json.dumps({"seconds": seconds, "sources": sources}))
    print(f"{len(seconds)} tests in {STORE}; without these, which fail without a mutant: {sorted(plugin.failed)}")


class Record:
    """What `record` has found."""

    def __init__(self):
        import coverage

        if not (STORE / "tests.json").exists():
            raise SystemExit(f"{STORE} is empty; first: python -m tests.mutants record")
        found = json.loads((STORE / "tests.json").read_text())
        self.seconds, self.sources = found["seconds"], found["sources"]
        self.data = coverage.CoverageData(str(STORE / "data"))
        self.data.read()

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that executed one of the mutant's lines, else the function's; the quickest first, of the mirror sooner."""
        file = str(ROOT / mutant.file)
        if (ROOT / mutant.file).read_text(encoding="utf-8") != self.sources.get(file):
            raise SystemExit(f"{mutant.file} has changed, or no test ran it: python -m tests.mutants record")
        of_line = self.data.contexts_by_lineno(file)
        folder, _, name = mutant.file.removeprefix("minigan/").rpartition("/")
        mirror = os.path.join("tests", folder, f"test_{name}")
        for lines in (mutant.lines, mutant.around):
            contexts = {name.strip("|") for line in lines for name in of_line.get(line, ())}
            if tests := contexts & self.seconds.keys():
                return sorted(tests, key=lambda test: (self.seconds[test] + 0.01) * (0.1 if test.startswith(mirror) else 1.0))
        return []

    def up_to(self, most: float, tests: Iterable[str]) -> list[str]:
        """The first of these tests, at least one, that take no longer together."""
        tests, sums = list(tests), itertools.accumulate(self.seconds[test] for test in tests)
        return [test for test, total in zip(tests, sums, strict=True) if total <= most] or tests[:1]


# --- a mutant and its tests -----------------------------------------------------------------------------------------------


@contextmanager
def trees(count: int) -> Iterator[queue.SimpleQueue]:
    """Copies of this checkout: free ones wait in the queue."""
    free: queue.SimpleQueue = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        for i in range(count):
            tree = Path(folder).resolve() / str(i)
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".[!c]*", "runs", "__pycache__"))  # with a dot: .ci alone
            free.put(tree)
        yield free


def judged(mutant: Mutant, tests: Sequence[str], seconds: float, free: queue.SimpleQueue) -> dict[str, Any]:
    """The mutant's row, with the verdict of these tests, which take so many seconds without it."""
    if not tests:
        return mutant.row | {"verdict": "not covered", "killer": ""}
    tree = free.get()
    file = tree / mutant.file
    source, before = file.read_bytes(), file.stat().st_mtime
    try:
        file.write_bytes(mutant.applied(source))
        os.utime(file, (before, before + 10 * next(NUMBERS)))  # or an older mutant's bytecode would do
        verdict, killer = outcome(tree, tests, 60 + 10 * seconds)
        return mutant.row | {"verdict": verdict, "killer": killer}
    finally:
        file.write_bytes(source)
        free.put(tree)


def outcome(tree: Path, tests: Sequence[str], limit: float) -> tuple[str, str]:
    """The verdict of these tests, and the first of them that fails."""
    words = tree.with_name(f"{tree.name}-words")
    words.write_text("\n".join([*OPTIONS, "-x", "-q", "-rfE", f"--basetemp={tree}-temp", *tests]))
    command, environment = [sys.executable, "-m", "pytest", f"@{words}"], {**os.environ, "PYTHONPATH": str(tree)}
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=tree, env=environment, start_new_session=True, **outputs)
    try:
        said, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        return "killed by a limit", ""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and what it has started
    killers = [line.split(" - ")[0] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return ("killed", killers[0] if killers else said[-300:]) if process.returncode else ("survived", "")


def run(args: argparse.Namespace) -> None:
    """Judge the mutants, and print the survivors and the verdicts by package."""
    known = Record()
    chosen = drawn(args.seed, args.count, args.package)
    if args.lines:
        places = [(file, *map(int, lines.split("-"))) for file, _, lines in (place.partition(":") for place in args.lines)]
        chosen = [m for file, *lines in places for m in mutants_of(file) if lines[0] <= m.line <= lines[-1]]
    plans = {mutant: known.up_to(args.most, known.tests_of(mutant)) for mutant in chosen}
    rows = []
    with trees(args.jobs) as free, ThreadPoolExecutor(args.jobs) as pool:
        calls = [pool.submit(judged, m, tests, sum(map(known.seconds.get, tests)), free) for m, tests in plans.items()]
        for n, call in enumerate(calls, 1):
            rows.append(call.result())
            row = rows[-1]
            print(f"[{n}/{len(plans)}] {row['verdict']}: {row['file']}:{row['line']} {row['kind']} {row['killer']}", flush=True)
    if args.out:
        args.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in [row for row in rows if row["verdict"] in ("survived", "not covered")]:
        print(f"{row['verdict']}: {row['file']}:{row['line']} {row['kind']}", *row["change"], sep="\n    ")
    for package in sorted({row["package"] for row in rows}):
        print(f"{package:12} {dict(Counter(row['verdict'] for row in rows if row['package'] == package))}")


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m tests.mutants", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record").add_argument("tests", nargs="*", help="files or folders (all tests)")
    option = commands.add_parser("run").add_argument
    option("--count", type=int, default=600, help="how many, over all packages (600)")
    option("--seed", type=int, default=0, help="which (0)")
    option("--package", nargs="*", default=(), help="only of these, such as ops, engine, kit")
    option("--lines", nargs="*", default=(), metavar="FILE:A-B", help="all mutants of these lines instead")
    option("--jobs", type=int, default=2, help="mutants at a time (2)")
    option("--most", type=float, default=60.0, help="seconds of tests that a mutant has to survive (60)")
    option("--out", type=Path, help="a JSON line for each mutant")
    args = parser.parse_args()
    record(args.tests) if args.command == "record" else run(args)


if __name__ == "__main__":
    main()
