"""Mutants: small mistakes planted in minigan/ and demos/kit, one at a time, to measure which of them the tests notice.

    python -m tests.mutants record                         # once: each test's lines and seconds, into .mutants/
    python -m tests.mutants run --count 600 --out new.jsonl
    python -m tests.mutants run --lines minigan/losses.py:40-60
    python -m tests.mutants derivatives                    # every mutant of a derivative meets only its op's gradient checks
    python -m tests.mutants compare old.jsonl new.jsonl    # which mutants did only the old tests kill?

`record` and `run` take `--tests TREE`, another checkout, whose tests then judge the mutants of this one's code.

A mutant is a piece of text in one file, replaced without moving a line, in a copy of the tree. It meets only the tests that
executed its lines when they were recorded, the quickest first. This process has imported NumPy, Hypothesis and pytest but not
minigan, and forks for each mutant, so most take two seconds. Survivors are gaps in the tests, or equivalent: EQUIVALENT.
"""

import argparse
import ast
import bisect
import functools
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
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
STORE = ROOT / ".mutants"
BROKEN = 70  # the status of a child that failed by itself
CODE = ("minigan", "demos/kit")
OWN = ("tests", "minigan", "demos")

# file, the original's text, the mutant's, and why no test can tell them apart
EQUIVALENT: list[tuple[str, str, str, str]] = []

# --- the mutants --------------------------------------------------------------------------------------------------------

ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.MatMult: ("@", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "&"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}
NOT_COMMUTATIVE = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
SYMMETRIC = {"max", "min", "maximum", "minimum", "add", "multiply", "logaddexp", "gcd", "shares_memory"}  # in their arguments
UNLIKE = (ast.Starred, ast.Lambda, ast.Tuple, ast.List, ast.Dict)  # to be swapped: any test would notice
OF_TYPES = {
    "isinstance": slice(0, 1),
    "issubclass": slice(0, 1),
    "cast": slice(1, 2),
    "TypeVar": slice(0, 0),
}  # what is no type


@dataclass(frozen=True)
class Mutant:
    """A replacement of source[start:stop] in one file, in bytes. `lines` are its statement's, `around` its function's."""

    file: str
    line: int
    column: int
    kind: str
    start: int
    stop: int
    after: bytes
    lines: range
    around: range
    change: tuple[str, str]  # the first line that differs, before and after

    @property
    def name(self) -> str:
        """Its identity on one commit."""
        return f"{self.file}:{self.line}:{self.column} {self.kind}: {self.after.decode().strip()}"

    @property
    def package(self) -> str:
        parts = self.file.split("/")
        return parts[1] if len(parts) > 2 else parts[0]

    def applied(self, source: bytes) -> bytes:
        """The file with the mistake."""
        return source[: self.start] + self.after + source[self.stop :]


class _Sites(ast.NodeVisitor):
    """Collects the mutants of a file. What no test should notice is not visited: annotations, docstrings, messages, stubs."""

    def __init__(self, file: str, source: bytes):
        self.file, self.source, self.found = file, source, list[Mutant]()
        self.starts = [0, *itertools.accumulate(len(line) + 1 for line in source.split(b"\n"))]
        self.lines = self.around = range(1, len(self.starts))
        self.in_function = False
        self.visit(ast.parse(source))

    def span(self, node: Any) -> tuple[int, int]:
        start = self.starts[node.lineno - 1] + node.col_offset
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.AST) -> bytes:
        return self.source[slice(*self.span(node))]

    def add(self, kind: str, start: int, stop: int, after: bytes | str) -> None:
        after = after.encode() if isinstance(after, str) else after
        line = bisect.bisect_right(self.starts, start)
        first, last = self.starts[line - 1], self.starts[bisect.bisect_left(self.starts, stop)] if stop else 0
        new = self.source[first:start] + after + self.source[stop:last]
        pairs = zip(self.source[first:last].decode().split("\n"), new.decode().split("\n"), strict=False)
        change = next(((a.strip(), b.strip()) for a, b in pairs if a != b), None)
        if change:  # else the same text twice, swapped
            place = (self.file, line, start - self.starts[line - 1], kind)
            self.found.append(Mutant(*place, start, stop, after, self.lines, self.around, change))

    def token(self, kind: str, left: ast.AST, right: ast.AST, pattern: str, after: str) -> None:
        """Replace an operator between two operands."""
        start, stop = self.span(left)[1], self.span(right)[0]
        between = re.sub(rb"#[^\n]*", lambda comment: b" " * len(comment[0]), self.source[start:stop])
        if token := re.search(pattern.encode(), between):
            self.add(kind, start + token.start(), start + token.end(), after)

    def swap(self, a: ast.AST, b: ast.AST, form: bytes = b"%s") -> None:
        (start, _), (_, stop) = self.span(a), self.span(b)
        between = self.source[self.span(a)[1] : self.span(b)[0]]
        self.add("swapped", start, stop, form % self.text(b) + between + form % self.text(a))

    def visit(self, node: ast.AST) -> None:
        outer = self.lines, self.around
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.around = range(node.lineno, (node.end_lineno or 0) + 1)
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            self.lines = range(node.lineno, max(node.lineno + 1, body[0].lineno if body else (node.end_lineno or 0) + 1))
            if not self.in_function:  # it runs at import, before any test or in the first that needs it
                self.lines = self.around
            self.drop(node)
        super().visit(node)
        self.lines, self.around = outer

    def drop(self, node: ast.stmt) -> None:
        """A statement less, if its absence is no mere NameError."""
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        written = isinstance(node, ast.Assign | ast.AnnAssign) and all(
            isinstance(t, ast.Attribute | ast.Subscript) for t in targets
        )
        call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Yield)
        if written or call or isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete):
            kind = "refusal" if isinstance(node, ast.Raise) else "dropped"
            self.add(kind, *self.span(node), b"pass" + b"\n" * self.text(node).count(b"\n"))

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        stub = all(
            isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)) for s in node.body
        )
        if node.name != "__repr__" and not stub:
            self.visit_all([*node.args.defaults, *node.args.kw_defaults])
            self.in_function, outer = True, self.in_function
            self.visit_all(node.body)
            self.in_function = outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all(node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.lines, outer = range(node.body.lineno, (node.body.end_lineno or 0) + 1), self.lines
        self.visit_all([*node.args.defaults, node.body])
        self.lines = outer

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit_all([node.value])

    def visit_Assign(self, node: ast.Assign) -> None:
        alias = [
            t.id for t in node.targets if isinstance(t, ast.Name) and (t.id == "__all__" or re.match("_?[A-Z][a-z]", t.id))
        ]
        if not alias:
            self.visit_all([*node.targets, node.value])

    def visit_If(self, node: ast.If) -> None:
        if b"TYPE_CHECKING" in self.text(node.test) or b"__name__" in self.text(node.test):
            self.visit_all(node.orelse)
        else:
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:  # a message
        pass

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:  # Python 3.11 does not know the places in it
        pass

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool | int | float):
            self.add("constant", *self.span(node), repr(not node.value if isinstance(node.value, bool) else node.value + 1))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not _is_text(node.left) and not _is_text(node.right):
            token, after = ARITHMETIC[type(node.op)]
            self.token("operator", node.left, node.right, re.escape(token), after)
            if isinstance(node.op, NOT_COMMUTATIVE):
                self.swap(node.left, node.right, b"(%s)")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        token, after = ARITHMETIC[type(node.op)]
        self.token("operator", node.target, node.value, re.escape(token), after)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        token = {ast.Not: b"not", ast.USub: b"-", ast.Invert: b"~"}.get(type(node.op), b"")
        start = self.span(node)[0]
        self.add("logic" if token == b"not" else "operator", start, start + len(token), b" " * len(token))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in itertools.pairwise(node.values):
            self.token("logic", left, right, *(("and", "or") if isinstance(node.op, ast.And) else ("or", "and")))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            self.token("comparison", left, right, *COMPARISONS[type(op)])
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = self.text(node.func).decode().split(".")[-1]
        for a, b in itertools.pairwise(node.args):
            if called not in SYMMETRIC | {*OF_TYPES} and not any(isinstance(x, UNLIKE) or _is_text(x) for x in (a, b)):
                self.swap(a, b)
        if called == "range":
            self.shift(node.args[-1], -1)
        self.visit_all([node.func, *node.args[OF_TYPES.get(called, slice(None))], *node.keywords])

    def visit_Slice(self, node: ast.Slice) -> None:
        self.shift(node.lower, 1)
        self.shift(node.upper, -1)
        self.generic_visit(node)

    def shift(self, bound: ast.expr | None, by: int) -> None:
        """Off by one; a constant's x + 1 is among the constants."""
        if bound is not None and not (by == 1 and isinstance(bound, ast.Constant)):
            self.add("off by one", *self.span(bound), b"(%s) %+d" % (self.text(bound), by))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)


@functools.cache
def mutants_of(file: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text. Some of those with parentheses do not compile."""
    found = _Sites(file, (ROOT / file).read_bytes()).found
    return sorted(found, key=lambda mutant: (mutant.start, mutant.kind, mutant.after))


def compiles(mutant: Mutant) -> bool:
    with warnings.catch_warnings(action="ignore"):
        try:
            return bool(ast.parse(mutant.applied((ROOT / mutant.file).read_bytes())))
        except SyntaxError:
            return False


def drawn(seed: int, count: int, packages: Sequence[str] = ()) -> list[Mutant]:
    """So many mutants, from each package in proportion to its lines of code. An edit changes the draw of few others."""
    files = [str(path.relative_to(ROOT)) for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]
    by_package = defaultdict[str, list[Mutant]](list)
    for mutant in itertools.chain.from_iterable(map(mutants_of, files)):
        if not packages or mutant.package in packages:
            by_package[mutant.package].append(mutant)
    lines = {name: len({(m.file, m.line) for m in found}) for name, found in by_package.items()}
    chosen, so_far, total = list[Mutant](), 0, sum(lines.values())
    for name, found in sorted(by_package.items()):
        wanted = (so_far + lines[name]) * count // total - so_far * count // total
        so_far += lines[name]
        seen = Counter[Any]()
        rank = {}
        for m in found:
            key = m.file, m.kind, m.change
            seen[key] += 1
            rank[m] = hashlib.sha256(repr((seed, key, seen[key])).encode()).digest()
        chosen += itertools.islice(filter(compiles, sorted(found, key=rank.__getitem__)), wanted)
    return chosen


def derivatives() -> dict[Mutant, set[str]]:
    """Every mutant within a derivative that is passed to an op's `record`, with the public functions that record it."""
    found = dict[Mutant, set[str]]()
    for file in [*sorted(str(path.relative_to(ROOT)) for path in (ROOT / "minigan/ops").glob("*.py")), "minigan/losses.py"]:
        tree = ast.parse((ROOT / file).read_bytes())
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        uses = {
            name: {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & {*functions} for name, node in functions.items()
        }
        for name, function in functions.items():
            reached, more = {name}, {name}
            while more:  # who calls it, and who calls those
                more = {caller for caller, used in uses.items() if used & more} - reached
                reached |= more
            for span in _derivatives_in(function):
                inside = [m for m in mutants_of(file) if (m.line, m.column) >= span[0] and (m.line, m.column) < span[1]]
                for mutant in filter(compiles, inside):
                    found.setdefault(mutant, set()).update(op for op in reached if not op.startswith("_"))
    return found


def _derivatives_in(function: ast.FunctionDef) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """(from, to) of each lambda and local function among the arguments of a call of record..., as (line, column)."""
    local = {node.name: node for node in ast.walk(function) if isinstance(node, ast.FunctionDef) and node is not function}
    lambdas = {
        t.id: n.value for n in ast.walk(function) if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)
    }
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and re.fullmatch(r"_?record\w*", getattr(call.func, "id", "")):
            for node in [n for argument in call.args[1:] for n in ast.walk(argument)]:
                for part in ast.walk(lambdas.get(getattr(node, "id", ""), node)):
                    part = local.get(getattr(part, "id", ""), part)
                    if isinstance(part, ast.Lambda | ast.FunctionDef):
                        body = part.body if isinstance(part, ast.Lambda) else part.body[0]
                        yield (body.lineno, body.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


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
        start, before = time.perf_counter(), sum(self.fixtures.values())
        with self.context(item.nodeid):
            result = yield
        names = [f"fixture {name} " for name in item.fixturenames]
        used = [f for f in self.fixtures if f.startswith(tuple(names)) and item.nodeid.startswith(f.split(" ")[2])]
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
            found = {"root": str(tree), "tests": plugin.tests, "fixtures": plugin.fixtures, "failed": sorted(plugin.failed)}
            (store / "tests.json").write_text(json.dumps(found))
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


class Record:
    """What `record` has found."""

    def __init__(self, tests: Path):
        import coverage

        store = store_of(tests)
        if not (store / "tests.json").exists():
            raise SystemExit(f"{store} is empty; first: python -m tests.mutants record --tests {tests}")
        found = json.loads((store / "tests.json").read_text())
        self.root, fixtures = found["root"], found["fixtures"]
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

    def tests_of(self, file: str, lines: Iterable[int]) -> set[str]:
        """The tests that executed one of these lines, themselves or in a fixture."""
        of_line = self.contexts(file)
        names = {name.strip("|") for line in lines for name in of_line.get(line, ())}
        users = {test for name in names if name in self.users for test in self.users[name]}
        return (names | users) & {*self.seconds}

    def plan(self, mutant: Mutant, most: float) -> list[str]:
        """The mutant's tests, in the order to try them, up to `most` seconds. A line that runs at import has its function's."""
        source = range(1, 1 + (ROOT / mutant.file).read_bytes().count(b"\n"))
        places = (mutant.lines, mutant.around, source)
        tests = next((found for lines in places if (found := self.tests_of(mutant.file, lines))), set[str]())
        return self.in_order(tests, mutant.file, most)

    def in_order(self, tests: Iterable[str], file: str, most: float) -> list[str]:
        """Quick tests first, those of the file's mirror earlier, and further cases of the same test function later."""
        parts = Path(file.removeprefix("minigan/")).parts
        mirrors = "/".join(["tests", *parts[:-1], f"test_{parts[-1]}"]), "/".join(["tests", *parts[:-1], ""])
        cases = Counter[str]()

        def cost(test: str) -> float:
            near = 0.1 if test.startswith(mirrors[0]) else 0.3 if test.startswith(mirrors[1]) and len(parts) > 1 else 1.0
            cases[test.partition("[")[0]] += 1
            return (self.seconds[test] + 0.01) * near * cases[test.partition("[")[0]]

        in_order = sorted(sorted(tests, key=lambda test: (self.seconds[test], test)), key=cost)
        sums = itertools.accumulate(self.seconds[test] + 0.005 for test in in_order)
        return [test for i, (test, total) in enumerate(zip(in_order, sums, strict=True)) if total <= most or i == 0]


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
                listed = ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"]
                for name in subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0"):
                    if (root / name).is_file() and (name.startswith("tests/") or name == "pyproject.toml") == of_tests:
                        (tree / name).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy2(root / name, tree / name)
        yield made


def options_in(tree: Path) -> list[str]:
    return ["-p", "no:cacheprovider", "--hypothesis-seed=0", f"--basetemp={tree}-temp"]


def in_child(tree: Path, work: Any, log: Path) -> int:
    """Fork a process that works in the tree and has imported nothing of this one. Returns its id."""
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
        for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
            del sys.modules[name]
        in_child.main = sys.modules["__main__"]  # type: ignore[attr-defined] # to keep its names
        sys.modules["__main__"], sys.argv = types.ModuleType("__main__"), ["pytest"]  # processes that spawn look there
        code = work()
    except BaseException:
        traceback.print_exc()
        code = BROKEN
    sys.stdout.flush()
    os._exit(code)


class Wave:
    """A plugin of pytest: these tests alone, in this order, told to a file as they start and fail. No failure is shrunk."""

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
        self.notes.write(f"start {nodeid}\n")

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
    tried: int = 0
    seconds: float = 0.0
    capped: bool = False

    def start(self, tree: Path, number: int) -> None:
        self.tree, self.began = tree, time.monotonic()
        if self.mutant:
            self.original = tree / self.mutant.file
            old = self.original.stat()
            self.back = self.original.read_bytes(), (old.st_atime, old.st_mtime)
            self.original.write_bytes(self.mutant.applied(self.back[0]))
            os.utime(self.original, (old.st_atime, old.st_mtime + 10 * number))  # or an older mutant's bytecode would serve
        self.left = [wave for wave in self.waves if wave]
        self.next_wave()

    def next_wave(self) -> None:
        wave = self.left.pop(0)
        self.notes = self.tree.with_name(f"{self.tree.name}-notes")
        self.notes.write_text("")
        files = dict.fromkeys(test.partition("::")[0] for test in wave)
        options = ["-W", "ignore:Module already imported", *["-x"] * bool(self.mutant)]

        def work() -> int:
            return pytest.main([*files, *options, *options_in(self.tree)], plugins=[Wave(wave, self.notes)])

        self.pid = in_child(self.tree, work, self.tree.with_name(f"{self.tree.name}-log"))
        self.heard, self.changed, self.wave = "", time.monotonic(), wave

    def goes_on(self, seconds: dict[str, float], patience: float) -> bool:
        """Look after the process. False: there is a verdict."""
        done, status = os.waitpid(self.pid, os.WNOHANG)
        notes = self.notes.read_text()
        if notes != self.heard:
            self.heard, self.changed = notes, time.monotonic()
        lines = [line.partition(" ") for line in notes.splitlines()]
        started = [test for word, _, test in lines if word == "start"]
        if not done:
            now = started[-1] if started else ""
            late = time.monotonic() - self.changed > patience + 10 * seconds.get(now, 0.0)
            if not late and _memory(self.pid) < 6 << 30:
                return True
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            lines.append(("failed", "", now or "import"))
        self.tried += len(started)
        failed = [test for word, _, test in lines if word == "failed"]
        if done and not failed and os.waitstatus_to_exitcode(status) not in (0, 5):
            failed = [started[-1] if started else "import"]
            if os.waitstatus_to_exitcode(status) == BROKEN or not self.mutant:
                raise SystemExit(self.tree.with_name(f"{self.tree.name}-log").read_text())
        self.failed |= {*failed}
        if failed and self.mutant:
            self.verdict, self.killer = "killed" if done else "killed by a limit", failed[0]
        elif self.left:
            self.next_wave()
            return True
        self.end()
        return False

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


def judge(jobs: Sequence[Job], free: list[Path], seconds: dict[str, float], patience: float = 30.0, told: Any = None) -> None:
    """Run each job, one in each tree at a time."""
    import hypothesis  # noqa: F401 (these and pytest: what each child would import again)
    import matplotlib.pyplot  # noqa: F401
    import numpy  # noqa: F401
    import scipy.stats  # noqa: F401

    waiting, running, free, numbers = list(jobs)[::-1], list[Job](), list(free), itertools.count(1)
    try:
        while waiting or running:
            while waiting and free:
                job = waiting.pop()
                if not any(job.waves):
                    job.verdict = "not covered"
                    continue
                job.start(free.pop(), next(numbers))
                running.append(job)
            time.sleep(0.02)
            for job in [job for job in running if not job.goes_on(seconds, patience)]:
                running.remove(job)
                free.append(job.tree)
                if told:
                    told(job)
    finally:
        for job in running:
            os.killpg(job.pid, signal.SIGKILL)


# --- a campaign -----------------------------------------------------------------------------------------------------------


def campaign(plans: dict[Mutant, list[str]], record: Record, tests: Path, jobs: int) -> list[dict[str, Any]]:
    """Judge the mutants. A test that fails on the original too kills nothing: its mutants are judged again without it."""
    known = {mutant: reason for mutant in plans if (reason := equivalent(mutant))}
    work = {mutant: Job(mutant, waves(plan)) for mutant, plan in plans.items() if mutant not in known}
    done = Counter[str]()

    def told(job: Job) -> None:
        done[job.verdict] += 1
        print(
            f"[{sum(done.values())}/{len(work)}] {job.verdict} {job.seconds:.1f} s {job.mutant.name} {job.killer}", flush=True
        )

    with trees(tests, jobs) as copies:
        judge([Job(None, [plan[:1]]) for plan in [*filter(None, plans.values())][:1]], copies, record.seconds)  # it can run
        pending, sound = list(work.values()), {"import"}
        while pending:
            judge(pending, copies, record.seconds, told=told)
            new = {job.killer for job in pending} - sound - {""}
            sound |= new
            checks = [Job(None, [sorted(new)[i::jobs]]) for i in range(jobs) if sorted(new)[i::jobs]]
            judge(checks, copies, record.seconds, 600.0)
            false = set[str]().union(*(job.failed for job in checks))
            pending = [job for job in pending if job.killer in false]
            print(f"{len(new)} tests that killed, without a mutant: {len(false)} fail {sorted(false)}")
            for job in pending:
                left = [[test for test in wave if test not in false] for wave in job.waves]
                work[job.mutant] = Job(job.mutant, left, seconds=job.seconds)
            pending = [work[job.mutant] for job in pending]
    return [told_of(mutant, work.get(mutant), known.get(mutant, ""), plan) for mutant, plan in plans.items()]


def waves(tests: list[str]) -> list[list[str]]:
    return [tests[:16], tests[16:200], tests[200:]]


def told_of(mutant: Mutant, job: Job | None, reason: str, plan: list[str]) -> dict[str, Any]:
    place = {"file": mutant.file, "line": mutant.line, "column": mutant.column, "kind": mutant.kind}
    text = {"after": mutant.after.decode(), "change": mutant.change, "package": mutant.package}
    if job is None:
        return {**place, **text, "verdict": "equivalent", "reason": reason}
    return {**place, **text, "verdict": job.verdict, "killer": job.killer, "tried": job.tried, "seconds": round(job.seconds, 2)}


def equivalent(mutant: Mutant) -> str:
    """The reason in EQUIVALENT, or nothing."""
    before, after = mutant.change
    return next(
        (why for file, a, b, why in EQUIVALENT if file == mutant.file and a in before and before.replace(a, b) == after), ""
    )


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
    killed = []
    for file in (old, new):
        rows = map(json.loads, file.read_text().splitlines())
        killed.append({(r["file"], r["line"], r["column"], r["kind"], r["after"]): r for r in rows})
    both = [key for key in killed[0] if key in killed[1]]
    lines = [f"{len(both)} mutants in both files"]
    for name, a, b in (("old", *killed), ("new", *reversed(killed))):
        only = [a[key] for key in both if a[key]["verdict"].startswith("killed") > b[key]["verdict"].startswith("killed")]
        lines.append(
            f"{sum(a[key]['verdict'].startswith('killed') for key in both)} killed by the {name} tests, {len(only)} only by them"
        )
        lines += [f"  {shown(row)}  ({row['killer']})" for row in only]
    return "\n".join(lines)


def shown(row: dict[str, Any]) -> str:
    return f"{row['file']}:{row['line']} {row['kind']}\n    - {row['change'][0]}\n    + {row['change'][1]}"


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(
        "python -m tests.mutants", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    of = {name: commands.add_parser(name) for name in ("record", "run", "derivatives", "compare")}
    for name in ("record", "run", "derivatives"):
        of[name].add_argument("--tests", type=Path, default=ROOT, help="another checkout, for its tests")
    for name in ("run", "derivatives"):
        of[name].add_argument("--jobs", type=int, default=2, help="mutants at a time (2)")
        of[name].add_argument("--most", type=float, default=60.0, help="seconds of tests that a mutant has to survive (60)")
        of[name].add_argument("--out", type=Path, help="a JSON line for each mutant")
    of["run"].add_argument("--count", type=int, default=600, help="how many, over all packages (600)")
    of["run"].add_argument("--seed", type=int, default=0, help="which (0)")
    of["run"].add_argument("--package", nargs="*", default=(), help="only of these, such as ops, engine, kit")
    of["run"].add_argument("--lines", nargs="*", default=(), metavar="FILE:A-B", help="all mutants of these lines instead")
    of["derivatives"].add_argument(
        "--rows", default="tests/ops/test_every_op.py", help="where the tests with the ops' names are"
    )
    for name in ("old", "new"):
        of["compare"].add_argument(name, type=Path)
    args = parser.parse_args(arguments)
    if args.command == "compare":
        return print(compare(args.old, args.new)) or []
    args.tests = args.tests.resolve()
    if args.command == "record":
        return record(args.tests) or []
    known = Record(args.tests)
    if args.command == "derivatives":
        tests = [test for test in known.seconds if test.startswith(args.rows)]
        rows = {op: [t for t in tests if op in re.split(r"[\[\]-]", t)[1:]] for ops in derivatives().values() for op in ops}
        plans = {m: [t for op in sorted(ops) for t in rows[op]] for m, ops in derivatives().items()}
        plans = {m: known.in_order(tests, m.file, args.most) for m, tests in plans.items()}
    else:
        chosen = drawn(args.seed, args.count, args.package)
        if args.lines:
            places = [re.fullmatch(r"(.+):(\d+)(?:-(\d+))?", place).groups() for place in args.lines]
            chosen = [m for file, a, b in places for m in mutants_of(file) if int(a) <= m.line <= int(b or a) and compiles(m)]
        plans = {mutant: known.plan(mutant, args.most) for mutant in sorted(chosen, key=lambda m: (m.file, m.start, m.after))}
    rows = campaign(plans, known, args.tests, args.jobs)
    if args.out:
        args.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in rows:
        if row["verdict"] in ("survived", "not covered"):
            print(f"{row['verdict']}: {shown(row)}")
    print(table(rows))
    return rows


if __name__ == "__main__":
    main()
