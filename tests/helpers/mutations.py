"""The mutants of `tests.mutants`: small mistakes in the code, each a piece of text that is replaced without moving a line."""

import ast
import bisect
import functools
import hashlib
import itertools
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CODE = ("minigan", "demos/kit")

_OPERATORS = """
Add + -, Sub - +, Mult * /, Div / *, FloorDiv // *, Mod % //, Pow ** *, MatMult @ *, BitAnd & |, BitOr | &, BitXor ^ &,
LShift << >>, RShift >> <<, Lt < <=, LtE <= <, Gt > >=, GtE >= >, Eq == !=, NotEq != ==, And and or, Or or and,
Is is is_not, IsNot is_not is, In in not_in, NotIn not_in in"""
TOKENS = {  # of an operator: its text and the mutant's
    getattr(ast, name): (old.replace("_", " "), new.replace("_", " "))
    for name, old, new in (row.split() for row in _OPERATORS.split(","))
}
NOT_COMMUTATIVE = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
# of whose arguments the order does not matter
SYMMETRIC = ["max", "min", "maximum", "minimum", "add", "multiply", "logaddexp", "gcd", "swapaxes", "hypot"]
NOT_TYPES = {"isinstance": slice(0, 1), "issubclass": slice(0, 1), "cast": slice(1, 2), "TypeVar": slice(0, 0)}  # arguments
UNLIKE = (ast.Starred, ast.Lambda, ast.Tuple, ast.List, ast.Dict)  # to be swapped: any test would notice
DROPPED = (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)


@dataclass(frozen=True)
class Mutant:
    """source[start:stop] of a file, in bytes, becomes `after`. A test that executes one of `lines` may notice."""

    file: str
    line: int
    column: int
    kind: str
    start: int
    stop: int
    after: bytes
    lines: range
    around: range  # the function's lines, or the class's, or all
    change: tuple[str, str]  # the first line that differs, before and after

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.kind}: {self.after.decode().strip()}"

    @property
    def package(self) -> str:
        """Its folder in minigan or demos; minigan itself."""
        first, *rest = self.file.split("/")
        return rest[0] if len(rest) > 1 else first

    @property
    def row(self) -> dict[str, Any]:
        """Its part of a line of JSON."""
        place = {"file": self.file, "line": self.line, "column": self.column, "kind": self.kind}
        return place | {"after": self.after.decode(), "change": self.change, "package": self.package}

    def applied(self, source: bytes) -> bytes:
        """The file with the mistake."""
        return source[: self.start] + self.after + source[self.stop :]

    @functools.cached_property
    def compiles(self) -> bool:
        """Not always: a replaced expression may have been in parentheses."""
        with warnings.catch_warnings(action="ignore"):
            try:
                return bool(ast.parse(self.applied((ROOT / self.file).read_bytes())))
            except SyntaxError:
                return False


class Sites(ast.NodeVisitor):
    """Collects the mutants of a file; none in annotations, docstrings, messages, decorators, stubs and `__repr__`."""

    def __init__(self, file: str, source: bytes):
        self.file, self.source, self.found = file, source, list[Mutant]()
        self.starts = [0, *itertools.accumulate(len(line) + 1 for line in source.split(b"\n"))]
        self.lines = self.around = range(1, len(self.starts))
        self.in_function = False
        self.visit(ast.parse(source))

    def span(self, node: Any) -> tuple[int, int]:
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.AST) -> bytes:
        return self.source[slice(*self.span(node))]

    def add(self, kind: str, start: int, stop: int, after: bytes | str) -> None:
        after = after.encode() if isinstance(after, str) else after
        line = bisect.bisect_right(self.starts, start)
        first, last = self.starts[line - 1], self.starts[bisect.bisect_left(self.starts, stop)]
        new = self.source[first:start] + after + self.source[stop:last]
        pairs = zip(self.source[first:last].decode().split("\n"), new.decode().split("\n"), strict=False)
        if change := next(((a.strip(), b.strip()) for a, b in pairs if a != b), None):  # None: two equal texts, swapped
            self.found.append(Mutant(self.file, line, start - first, kind, start, stop, after, self.lines, self.around, change))

    def replace_token(self, kind: str, left: ast.AST, right: ast.AST, op: ast.AST) -> None:
        """An operator between two operands."""
        start, stop = self.span(left)[1], self.span(right)[0]
        between = re.sub(rb"#[^\n]*", lambda comment: b" " * len(comment[0]), self.source[start:stop])
        old, new = TOKENS[type(op)]
        if token := re.search(re.escape(old).replace(r"\ ", r"\s+").encode(), between):
            self.add(kind, start + token.start(), start + token.end(), new)

    def swap(self, a: ast.AST, b: ast.AST, form: bytes = b"%s") -> None:
        (start, end), (begin, stop) = self.span(a), self.span(b)
        self.add("swapped", start, stop, form % self.text(b) + self.source[end:begin] + form % self.text(a))

    def shift(self, bound: ast.expr | None, by: int) -> None:
        """Off by one; a constant's x + 1 is among the constants."""
        if bound is not None and not (by == 1 and isinstance(bound, ast.Constant)):
            self.add("off by one", *self.span(bound), b"(%s) %+d" % (self.text(bound), by))

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
        """A statement less, except for assignments to names, whose absence is a NameError."""
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        stored = isinstance(node, ast.Assign) and all(isinstance(t, ast.Attribute | ast.Subscript) for t in targets)
        if stored or isinstance(node, DROPPED) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Yield)):
            kind = "refusal" if isinstance(node, ast.Raise) else "dropped"
            self.add(kind, *self.span(node), b"pass" + b"\n" * self.text(node).count(b"\n"))

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in filter(None, nodes):
            self.visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        stub = all(isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) for statement in node.body)
        if node.name != "__repr__" and not stub:
            self.visit_all([*node.args.defaults, *node.args.kw_defaults])
            outer, self.in_function = self.in_function, True
            self.visit_all(node.body)
            self.in_function = outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all(node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        outer, self.lines = self.lines, range(node.body.lineno, (node.body.end_lineno or 0) + 1)
        self.visit_all([*node.args.defaults, node.body])
        self.lines = outer

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit_all([node.value])

    def visit_Assign(self, node: ast.Assign) -> None:
        if not any(re.match("__all__|_?[A-Z][a-z]", getattr(target, "id", "")) for target in node.targets):  # types
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        not_run = re.search(rb"TYPE_CHECKING|__name__", self.text(node.test))
        self.visit_all(node.orelse if not_run else [node.test, *node.body, *node.orelse])

    def visit_Raise(self, node: ast.Raise) -> None:
        """Its message stays."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Python 3.11 does not know the places in it."""

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool | int | float):
            self.add("constant", *self.span(node), repr(not node.value if isinstance(node.value, bool) else node.value + 1))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        start, stop = self.span(node)
        token = {ast.Not: "not", ast.USub: "-", ast.Invert: "~"}.get(type(node.op), "")
        self.add("logic" if token == "not" else "operator", start, start + len(token), " " * len(token))
        if isinstance(node.operand, ast.Constant) and token == "-":
            self.add("constant", start, stop, repr(1 - node.operand.value))
        else:
            self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not _is_text(node.left) and not _is_text(node.right):
            self.replace_token("operator", node.left, node.right, node.op)
            if isinstance(node.op, NOT_COMMUTATIVE):
                self.swap(node.left, node.right, b"(%s)")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.replace_token("operator", node.target, node.value, node.op)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in itertools.pairwise(node.values):
            self.replace_token("logic", left, right, node.op)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for (left, right), op in zip(itertools.pairwise([node.left, *node.comparators]), node.ops, strict=True):
            self.replace_token("comparison", left, right, op)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = self.text(node.func).decode().split(".")[-1]
        for a, b in itertools.pairwise(node.args):
            if called not in [*SYMMETRIC, *NOT_TYPES] and not any(isinstance(x, UNLIKE) or _is_text(x) for x in (a, b)):
                self.swap(a, b)
        if called == "range":
            self.shift(node.args[-1], -1)
        self.visit_all([node.func, *node.args[NOT_TYPES.get(called, slice(None))], *node.keywords])

    def visit_Slice(self, node: ast.Slice) -> None:
        self.shift(node.lower, 1)
        self.shift(node.upper, -1)
        self.generic_visit(node)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)


@functools.cache
def mutants_of(file: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text."""
    found = Sites(file, (ROOT / file).read_bytes()).found
    return sorted(found, key=lambda mutant: (mutant.start, mutant.kind, mutant.after))


def files_in(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py"))


def drawn(seed: int, count: int, packages: Sequence[str] = ()) -> list[Mutant]:
    """This many mutants at random. An edit of the code changes few of the others."""
    ranks, occurrences = dict[Mutant, bytes](), Counter[Any]()
    for mutant in [mutant for folder in CODE for file in files_in(folder) for mutant in mutants_of(file)]:
        if not packages or mutant.package in packages:
            key = mutant.file, mutant.kind, mutant.change
            occurrences[key] += 1
            ranks[mutant] = hashlib.sha256(repr((seed, key, occurrences[key])).encode()).digest()
    return list(itertools.islice((mutant for mutant in sorted(ranks, key=ranks.__getitem__) if mutant.compiles), count))
