"""Mutants: small mistakes planted in minigan/ and demos/kit, one at a time, to measure which of them the tests notice.

    python -m tests.mutants record                         # once: each test's lines and seconds, into .mutants/
    python -m tests.mutants run --count 600 --out new.jsonl
    python -m tests.mutants run --lines minigan/losses.py:40-60
    python -m tests.mutants derivatives                    # a derivative's mutants meet only its op's gradient checks
    python -m tests.mutants compare old.jsonl new.jsonl    # which mutants did only the old tests kill?

With `--tests TREE`, the tests of another checkout judge the mutants of this one's code.

A mutant is planted in a copy of the tree, and meets only the tests that executed its lines when they were recorded, the
quickest first. This process has imported NumPy, Hypothesis and pytest, but not minigan, and forks for each mutant: most take
two seconds. Survivors are gaps in the tests, or equivalent: `EQUIVALENT` in `helpers/mutations.py`, which plants them.
"""

import argparse
import bisect
import functools
import gc
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.mutations import ROOT, Mutant, drawn, mutants_of, of_derivatives

STORE = ROOT / ".mutants"
BROKEN = 70  # the status of a child that failed by itself
SLOW = 0.3  # seconds of a test that has to kill twice
NUMBERS = itertools.count(1)
CACHED = type(functools.cache(print))

# --- the tests that execute a line --------------------------------------------------------------------------------------


class Recorder:
    """A plugin of pytest: the lines that each test executes, and its seconds. A fixture of a module is recorded by itself."""

    def __init__(self, coverage: Any):
        self.coverage, self.tracer, self.running = coverage, sys.gettrace(), [""]
        self.tests: dict[str, tuple[float, list[str]]] = {}
        self.fixtures: dict[str, float] = {}
        self.failed: set[str] = set()

    @contextmanager
    def context(self, name: str) -> Iterator[None]:
        self.running.append(name)
        self.enter(name)
        try:
            yield
        finally:
            self.running.pop()
            self.enter(self.running[-1])

    def enter(self, name: str) -> None:
        if sys.gettrace() is not self.tracer:  # a test has used it
            sys.settrace(self.tracer)
        self.coverage.switch_context(name)
        os.environ["MUTANTS_CONTEXT"] = name

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        for module in [module for name, module in sys.modules.items() if name.startswith("minigan")]:
            for function in vars(module).values():  # a cached result would hide lines from this test
                if isinstance(function, CACHED) and function.__module__ == module.__name__:
                    function.cache_clear()
        start, before = time.perf_counter(), sum(self.fixtures.values())
        with self.context(item.nodeid):
            result = yield
        names = tuple(f"fixture {name} " for name in item.fixturenames)
        used = [f for f in self.fixtures if f.startswith(names) and item.nodeid.startswith(f.split(" ")[2])]
        seconds = time.perf_counter() - start - (sum(self.fixtures.values()) - before)
        self.tests[item.nodeid] = round(max(seconds, 0.0), 4), used
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef, request):
        if fixturedef.scope == "function":
            return (yield)
        name, start = f"fixture {fixturedef.argname} {fixturedef.baseid}", time.perf_counter()
        with self.context(name):
            result = yield
        self.fixtures[name] = self.fixtures.get(name, 0.0) + time.perf_counter() - start
        return result

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.add(report.nodeid)


def record(tests: Path) -> None:
    """Run the suite once, measured by coverage, in a copy of the tree."""
    import coverage

    store = store_of(tests)
    shutil.rmtree(store, ignore_errors=True)
    (store / "parts").mkdir(parents=True)
    with trees(tests, 1) as (tree,):
        config = store / "coveragerc"
        silent = "no-data-collected, module-not-measured, module-not-imported, trace-changed, no-sysmon, already-imported"
        config.write_text(
            f"[run]\nsource = {tree}/minigan, {tree}/demos\ndata_file = {store}/parts/data\nparallel = True\n"
            f"context = ${{MUTANTS_CONTEXT-}}\ndisable_warnings = {silent}\n"
        )

        def work() -> int:
            measured = coverage.Coverage(config_file=str(config))
            measured.start()
            os.environ["COVERAGE_PROCESS_START"] = str(config)  # coverage's .pth file starts it in subprocesses
            plugin = Recorder(measured)
            code = pytest.main(["--continue-on-collection-errors", *options_in(tree)], plugins=[plugin])
            measured.stop()
            measured.save()
            digests = {str(file.relative_to(tree)): digest(file) for file in tree.rglob("*.py")}
            found = {"root": str(tree), "tests": plugin.tests, "fixtures": plugin.fixtures, "failed": sorted(plugin.failed)}
            (store / "tests.json").write_text(json.dumps({**found, "digests": digests}))
            return code

        os.waitpid(in_child(tree, work, store / "log.txt"), 0)
        found = json.loads((store / "tests.json").read_text())
        parts = coverage.Coverage(data_file=str(store / "data"), config_file=False)
        parts.combine([str(store / "parts")])
        parts.save()
        again = Job(None, [found["failed"]])  # some tests fail only while they are traced
        if found["failed"]:
            judge([again], [tree], {}, 600.0)
        found["failed"] = sorted(again.failed)
        (store / "tests.json").write_text(json.dumps(found))
    print(f"{len(found['tests'])} tests in {store}, {len(found['failed'])} of them fail without a mutant: {found['failed']}")


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Record:
    """What `record` has found."""

    def __init__(self, tests: Path):
        import coverage

        store = store_of(tests)
        if not (store / "tests.json").exists():
            raise SystemExit(f"{store} is empty; first: python -m tests.mutants record --tests {tests}")
        found = json.loads((store / "tests.json").read_text())
        self.root, self.digests, fixtures = found["root"], found["digests"], found["fixtures"]
        self.seconds = {test: own + sum(fixtures[f] for f in used) for test, (own, used) in found["tests"].items()}
        for test in found["failed"]:
            self.seconds.pop(test, None)
        self.users = defaultdict[str, list[str]](list)
        for test, (_, used) in found["tests"].items():
            for fixture in used:
                self.users[fixture].append(test)
        self.data = coverage.CoverageData(str(store / "data"))
        self.data.read()
        self.contexts = functools.lru_cache(2)(lambda file: self.data.contexts_by_lineno(f"{self.root}/{file}"))

    def tests_of(self, mutant: Mutant) -> set[str]:
        """The tests that executed one of the mutant's lines, themselves or in a fixture; else the function's."""
        if digest(ROOT / mutant.file) != self.digests[mutant.file]:
            raise SystemExit(f"{mutant.file} has changed since its lines were recorded: python -m tests.mutants record")
        of_line = self.contexts(mutant.file)
        for lines in (mutant.lines, mutant.around):
            names = {name.strip("|") for line in lines for name in of_line.get(line, ())}
            if found := names.union(*(self.users.get(name, ()) for name in names)) & {*self.seconds}:
                return found
        return set()

    def in_order(self, tests: Iterable[str], file: str) -> list[str]:
        """Quick tests first, those of the file's mirror earlier, and further cases of the same test function later."""
        parts = Path(file.removeprefix("minigan/")).parts
        mirror, cases = "/".join(["tests", *parts[:-1], f"test_{parts[-1]}"]), Counter[str]()

        def cost(test: str) -> float:
            cases[test.partition("[")[0]] += 1
            return (self.seconds[test] + 0.01) * (0.1 if test.startswith(mirror) else 1.0) * cases[test.partition("[")[0]]

        return sorted(sorted(tests, key=lambda test: (self.seconds[test], test)), key=cost)

    def up_to(self, most: float, tests: list[str]) -> list[str]:
        """The first of these tests, at least one."""
        sums = list(itertools.accumulate(self.seconds[test] + 0.005 for test in tests))
        return tests[: max(1, bisect.bisect(sums, most))]


# --- a mutant and its tests, in a process ---------------------------------------------------------------------------------


def store_of(tests: Path) -> Path:
    return STORE / re.sub(r"\W+", "_", str(tests.resolve())).strip("_")


@contextmanager
def trees(tests: Path, count: int) -> Iterator[list[Path]]:
    """Copies of this checkout, with the tests of that one."""
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        made = [Path(folder).resolve() / str(i) for i in range(count)]
        for tree in made:
            for root, of_tests in ((ROOT, False), (tests, True)):
                listed = subprocess.check_output(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"], text=True)
                for name in listed.split("\0"):
                    if (root / name).is_file() and (name.startswith("tests/") or name == "pyproject.toml") == of_tests:
                        (tree / name).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy2(root / name, tree / name)
        yield made


def options_in(tree: Path) -> list[str]:
    return ["-p", "no:cacheprovider", "--hypothesis-seed=0", f"--basetemp={tree}-temp"]


def in_child(tree: Path, work: Callable[[], int], log: Path) -> int:
    """Fork a process that works in the tree and has imported nothing of this one. Returns its id."""
    main = sys.modules["__main__"]  # noqa: F841 (so that its names outlive its place there)
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    try:
        os.setsid()
        os.chdir(tree)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ |= {"PYTHONPATH": str(tree), "MPLBACKEND": "Agg"}
        sys.path[:] = [str(tree), *[path for path in sys.path if path and Path(path).resolve() != ROOT]]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "minigan", "demos")]:
            del sys.modules[name]
        sys.dont_write_bytecode = False
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.modules["__main__"], sys.argv = types.ModuleType("__main__"), ["pytest"]  # spawned processes would import it
        code = work()
    except BaseException:
        traceback.print_exc()
        code = BROKEN
    sys.stdout.flush()
    os._exit(code)


class Wave:
    """A plugin of pytest: these tests alone, in this order, written to a file as they start and fail. No failure is shrunk."""

    def __init__(self, tests: list[str], notes: Path):
        self.rank, self.notes = {test: i for i, test in enumerate(tests)}, notes.open("a", buffering=1)

    def pytest_sessionstart(self):
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate, Phase.target)
        settings.register_profile("mutants", settings.default, phases=phases, database=None)
        settings.load_profile("mutants")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = sorted((i for i in items if i.nodeid in self.rank), key=lambda item: self.rank[item.nodeid])

    def pytest_runtest_logstart(self, nodeid):
        self.notes.write(f"start  {nodeid}\n")

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.notes.write(f"failed {report.nodeid}\n")

    pytest_collectreport = pytest_runtest_logreport


@dataclass
class Job:
    """A mutant (None: the original, all of whose failures count) and its tests, in waves: most die in the first."""

    mutant: Mutant | None
    waves: list[list[str]]
    verdict: str = "survived"
    killer: str = ""
    failed: set[str] = field(default_factory=set)
    suspect: str = ""
    tried: int = 0
    seconds: float = 0.0

    def start(self, tree: Path) -> None:
        self.tree, self.began = tree, time.monotonic()
        if self.mutant:
            self.original = tree / self.mutant.file
            old = self.original.stat()
            self.back = self.original.read_bytes(), (old.st_atime, old.st_mtime)
            self.original.write_bytes(self.mutant.applied(self.back[0]))
            os.utime(self.original, (old.st_atime, old.st_mtime + 10 * next(NUMBERS)))  # or an older mutant's bytecode would do
        self.left = [wave for wave in self.waves if wave]
        self.next_wave()

    def next_wave(self) -> None:
        wave = self.wave = self.left.pop(0)
        self.notes = self.tree.with_name(f"{self.tree.name}-notes")
        self.notes.write_text("")
        files = dict.fromkeys(test.partition("::")[0] for test in wave)
        options = ["-W", "ignore:Module already imported", *["-x"] * bool(self.mutant)]

        def work() -> int:
            return pytest.main([*files, *options, *options_in(self.tree)], plugins=[Wave(wave, self.notes)])

        self.pid = in_child(self.tree, work, self.tree.with_name(f"{self.tree.name}-log"))
        self.last_notes, self.changed = "", time.monotonic()

    def goes_on(self, seconds: dict[str, float], patience: float) -> bool:
        """Look after the process. False: there is a verdict."""
        done, status = os.waitpid(self.pid, os.WNOHANG)
        notes = self.notes.read_text()
        if notes != self.last_notes:
            self.last_notes, self.changed = notes, time.monotonic()
        started, failed = ([x[7:] for x in notes.splitlines() if x.startswith(word)] for word in ("start  ", "failed "))
        now = started[-1] if started else "import"
        if not done:
            late = time.monotonic() - self.changed > patience + 10 * seconds.get(now, 10.0)  # no test: they are collected
            if not late and _memory(self.pid) < 6 << 30:
                return True
            failed.append(now)
        self.kill()
        self.tried += len(started)
        if done and not failed and os.waitstatus_to_exitcode(status) not in (0, 5):
            failed.append(now)
            if os.waitstatus_to_exitcode(status) == BROKEN or not self.mutant:
                raise SystemExit(self.tree.with_name(f"{self.tree.name}-log").read_text())
        self.failed |= {*failed}
        if failed and self.mutant and seconds.get(failed[0], 0.0) > SLOW and self.suspect != failed[0]:
            self.suspect = failed[0]  # browsers, processes and threads may fail by themselves: once more
            self.left = [wave for wave in ([failed[0]], self.wave[self.wave.index(failed[0]) + 1 :], *self.left) if wave]
            self.next_wave()
            return True
        if failed and self.mutant:
            self.verdict, self.killer = "killed" if done else "killed by a limit", failed[0]
        elif self.left:
            self.next_wave()
            return True
        self.end()
        return False

    def kill(self) -> None:
        """The process, if it still runs, and those that it has left."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def end(self) -> None:
        self.seconds += time.monotonic() - self.began
        if self.mutant:
            self.original.write_bytes(self.back[0])
            os.utime(self.original, self.back[1])


def _memory(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0


def judge(
    jobs: Sequence[Job],
    free: list[Path],
    seconds: dict[str, float],
    patience: float = 30.0,
    report: Callable[[Job], None] | None = None,
) -> None:
    """Run each job, one in each tree at a time."""
    import hypothesis  # noqa: F401 (these and pytest: what each child would import again)
    import matplotlib.pyplot  # noqa: F401
    import numpy  # noqa: F401
    import scipy.stats  # noqa: F401

    gc.freeze()  # or each child would copy it all to look at it
    waiting, running, free = list(jobs)[::-1], list[Job](), list(free)
    try:
        while waiting or running:
            while waiting and free:
                job = waiting.pop()
                if not any(job.waves):
                    job.verdict = "not covered"
                    continue
                job.start(free.pop())
                running.append(job)
            time.sleep(0.02)
            for job in [job for job in running if not job.goes_on(seconds, patience)]:
                running.remove(job)
                free.append(job.tree)
                if report:
                    report(job)
    finally:
        for job in running:
            job.kill()


# --- a campaign -----------------------------------------------------------------------------------------------------------


def campaign(tests_of: dict[Mutant, list[str]], record: Record, tests: Path, jobs: int, most: float) -> list[dict[str, Any]]:
    """Judge the mutants. A test that fails on the original too kills nothing: its mutants are judged again without it."""
    work = {}
    for mutant, found in tests_of.items():
        plan = record.up_to(most, found)
        work[mutant] = Job(mutant, [plan[:16], plan[16:200], plan[200:]])
    pending, checked, done = [job for job in work.values() if not job.mutant.why_equivalent], {"import", ""}, itertools.count(1)

    def report(job: Job) -> None:
        print(f"[{next(done)}/{len(work)}] {job.verdict} {job.seconds:.1f} s {job.mutant.name} {job.killer}", flush=True)

    with trees(tests, jobs) as copies:
        judge([Job(None, [plan[:1]]) for plan in [*filter(None, tests_of.values())][:1]], copies, record.seconds)  # it can run
        while pending:
            judge(pending, copies, record.seconds, report=report)
            new = sorted({job.killer for job in pending} - checked)
            checked |= {*new}
            checks = [Job(None, [new[i::jobs]]) for i in range(jobs) if new[i::jobs]]
            judge(checks, copies, record.seconds, 600.0)
            false = set[str]().union(*(job.failed for job in checks))
            print(f"{len(new)} tests have killed; {len(false)} of them fail without a mutant too: {sorted(false)}")
            for job in [job for job in pending if job.killer in false]:
                left = [[test for test in wave if test not in false] for wave in job.waves]
                work[job.mutant] = Job(job.mutant, left, seconds=job.seconds)
            pending = [work[job.mutant] for job in pending if job.killer in false]
    for mutant, job in work.items():
        if mutant.why_equivalent:
            job.verdict = f"equivalent: {mutant.why_equivalent}"
        elif job.verdict == "survived" and sum(map(len, job.waves)) < len(tests_of[mutant]):
            job.verdict = f"survived {job.tried} of {len(tests_of[mutant])} tests"
    return [job.mutant.row | {"verdict": job.verdict, "killer": job.killer, "seconds": job.seconds} for job in work.values()]


def table(rows: list[dict[str, Any]]) -> str:
    """By package: how many mutants, and what became of them."""
    columns = ["killed", "survived", "not covered", "equivalent"]
    lines = [["package", "mutants", *columns]]
    packages = sorted({row["package"] for row in rows})
    for name, of in [(name, [row for row in rows if row["package"] == name]) for name in packages] + [("all", rows)]:
        lines.append([name, str(len(of)), *[str(sum(row["verdict"].startswith(c) for row in of)) for c in columns]])
    return "\n".join("  ".join(cell.ljust(12) for cell in line).rstrip() for line in lines)


def compare(old: Path, new: Path) -> str:
    """The mutants that only the old tests killed, then those that only the new ones did."""
    found = []
    for file in (old, new):
        rows = map(json.loads, file.read_text().splitlines())
        found.append({(row["file"], row["line"], row["column"], row["kind"], row["after"]): row for row in rows})
    both = [key for key in found[0] if key in found[1]]
    lines = [f"{len(both)} mutants are in both files"]
    for name, rows, others in (("old", *found), ("new", *found[::-1])):
        killed, too = [{key for key in both if r[key]["verdict"].startswith("killed")} for r in (rows, others)]
        lines.append(f"{len(killed)} killed by the {name} tests, {len(killed - too)} by them alone:")
        lines += [f"  {shown(rows[key])}  ({rows[key]['killer']})" for key in both if key in killed - too]
    return "\n".join(lines)


def shown(row: dict[str, Any]) -> str:
    return f"{row['file']}:{row['line']} {row['kind']}\n    - {row['change'][0]}\n    + {row['change'][1]}"


def arguments_of(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.mutants", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    options = {name: commands.add_parser(name).add_argument for name in ("record", "run", "derivatives", "compare")}
    for name in ("record", "run", "derivatives"):
        options[name]("--tests", type=Path, default=ROOT, help="another checkout, for its tests")
    for name in ("run", "derivatives"):
        options[name]("--jobs", type=int, default=2, help="mutants at a time (2)")
        options[name]("--most", type=float, default=60.0, help="seconds of tests that a mutant has to survive (60)")
        options[name]("--out", type=Path, help="a JSON line for each mutant")
    options["run"]("--count", type=int, default=600, help="how many, over all packages (600)")
    options["run"]("--seed", type=int, default=0, help="which (0)")
    options["run"]("--package", nargs="*", default=(), help="only of these, such as ops, engine, kit")
    options["run"]("--lines", nargs="*", default=(), metavar="FILE:A-B", help="all mutants of these lines instead")
    rows = ["tests/contracts/test_gradients.py"]
    options["derivatives"]("--rows", nargs="*", default=rows, help="the files or folders of the gradient checks")
    options["compare"]("old", type=Path)
    options["compare"]("new", type=Path)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    args = arguments_of(words)
    if args.command == "compare":
        return print(compare(args.old, args.new))
    args.tests = args.tests.resolve()
    if args.command == "record":
        return record(args.tests)
    known = Record(args.tests)
    if args.command == "derivatives":
        rows = tuple(args.rows)
        tests_of = {m: {test for test in known.tests_of(m) if test.startswith(rows)} for m in of_derivatives()}
    else:
        chosen = drawn(args.seed, args.count, args.package)
        if args.lines:
            places = [(file, *map(int, lines.split("-"))) for file, _, lines in (place.partition(":") for place in args.lines)]
            chosen = [m for file, *lines in places for m in mutants_of(file) if lines[0] <= m.line <= lines[-1] and m.compiles]
        tests_of = {m: known.tests_of(m) for m in sorted(chosen, key=lambda m: (m.file, m.start, m.after))}
    in_order = {mutant: known.in_order(tests, mutant.file) for mutant, tests in tests_of.items()}
    rows = campaign(in_order, known, args.tests, args.jobs, args.most)
    if args.out:
        args.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in rows:
        if row["verdict"].startswith(("survived", "not covered")):
            print(f"{row['verdict']}: {shown(row)}")
    print(table(rows))


if __name__ == "__main__":
    main()
