"""The mutants of `tests.mutants`: small mistakes in the code, each a piece of text that is replaced without moving a line."""

import ast
import functools
import itertools
import random
import re
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from tests.helpers.programs import ROOT

CODE = ("minigan", "demos/kit")

_OPERATORS = """
Add Sub, Sub Add, Mult Div, Div Mult, FloorDiv Mult, Mod FloorDiv, Pow Mult, MatMult Mult, BitAnd BitOr, BitOr BitAnd,
BitXor BitAnd, LShift RShift, RShift LShift, Lt LtE, LtE Lt, Gt GtE, GtE Gt, Eq NotEq, NotEq Eq, And Or, Or And,
Is IsNot, IsNot Is, In NotIn, NotIn In"""
OTHER = {getattr(ast, old): getattr(ast, new)() for old, new in (row.split() for row in _OPERATORS.split(","))}
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
    kind: str
    start: int
    stop: int
    after: bytes
    lines: range
    around: range  # the function's lines, or the class's, or all
    change: tuple[str, str]  # what was there, and the mistake

    @property
    def package(self) -> str:
        """Its folder in minigan or demos; minigan itself."""
        first, *rest = self.file.split("/")
        return rest[0] if len(rest) > 1 else first

    @property
    def row(self) -> dict[str, Any]:
        """Its part of a line of JSON."""
        return {"file": self.file, "line": self.line, "kind": self.kind, "change": self.change, "package": self.package}

    def applied(self, source: bytes) -> bytes:
        """The file with the mistake."""
        return source[: self.start] + self.after + source[self.stop :]


class Sites(ast.NodeVisitor):
    """Collects the mutants of a file; none in annotations, docstrings, messages, decorators, stubs and `__repr__`."""

    def __init__(self, file: str, source: bytes):
        self.file, self.source, self.found = file, source, list[Mutant]()
        self.starts = [0, *itertools.accumulate(len(line) + 1 for line in source.split(b"\n"))]
        self.lines = self.around = range(1, len(self.starts))
        self.in_function = False
        self.visit(ast.parse(source))

    def text(self, node: Any) -> bytes:
        return self.source[slice(*self.span(node))]

    def span(self, node: Any) -> tuple[int, int]:
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def add(self, kind: str, node: Any, new: ast.AST) -> None:
        """The mutant with the expression or statement `new` in the place of a node."""
        before, after = self.text(node), ast.unparse(new)
        blank = b"\n" * (before.count(b"\n"))  # later lines stay where they are
        whole = after.encode() + blank if isinstance(new, ast.stmt) else b"(%s%s)" % (after.encode(), blank)
        change = ast.unparse(node), after
        if change[0] != after:  # two equal texts may be swapped
            place = self.file, node.lineno, kind, *self.span(node)
            self.found.append(Mutant(*place, whole, self.lines, self.around, change))

    def changed(self, kind: str, node: Any, **fields: Any) -> None:
        """The mutant whose node has other fields."""
        new = copy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        self.add(kind, node, new)

    def off_by_one(self, bound: ast.expr | None, by: int) -> None:
        """A constant's x + 1 is among the constants."""
        if bound is not None and not (by == 1 and isinstance(bound, ast.Constant)):
            self.add("off by one", bound, ast.BinOp(bound, ast.Add() if by > 0 else ast.Sub(), ast.Constant(1)))

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
            self.add("refusal" if isinstance(node, ast.Raise) else "dropped", node, ast.Pass())

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
            self.add("constant", node, ast.Constant(not node.value if isinstance(node.value, bool) else node.value + 1))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.add("logic" if isinstance(node.op, ast.Not) else "operator", node, node.operand)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not _is_text(node.left) and not _is_text(node.right):
            self.changed("operator", node, op=OTHER[type(node.op)])
            if isinstance(node.op, NOT_COMMUTATIVE):
                self.changed("swapped", node, left=node.right, right=node.left)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.changed("operator", node, op=OTHER[type(node.op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.changed("logic", node, op=OTHER[type(node.op)])
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for i, op in enumerate(node.ops):
            self.changed("comparison", node, ops=[*node.ops[:i], OTHER[type(op)], *node.ops[i + 1 :]])
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = self.text(node.func).decode().split(".")[-1]
        for i, (a, b) in enumerate(itertools.pairwise(node.args)):
            if called not in [*SYMMETRIC, *NOT_TYPES] and not any(isinstance(x, UNLIKE) or _is_text(x) for x in (a, b)):
                self.changed("swapped", node, args=[*node.args[:i], b, a, *node.args[i + 2 :]])
        if called == "range":
            self.off_by_one(node.args[-1], -1)
        self.visit_all([node.func, *node.args[NOT_TYPES.get(called, slice(None))], *node.keywords])

    def visit_Slice(self, node: ast.Slice) -> None:
        self.off_by_one(node.lower, 1)
        self.off_by_one(node.upper, -1)
        self.generic_visit(node)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)


@functools.cache
def mutants_of(file: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text."""
    return sorted(Sites(file, (ROOT / file).read_bytes()).found, key=lambda mutant: (mutant.start, mutant.kind, mutant.after))


def drawn(seed: int, count: int, packages: Sequence[str] = ()) -> list[Mutant]:
    """This many mutants at random. An edit of the code changes few of the others."""
    files = sorted(str(path.relative_to(ROOT)) for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    found = [m for file in files for m in mutants_of(file) if not packages or m.package in packages]
    return sorted(found, key=lambda m: random.Random(repr((seed, m.file, m.kind, m.change))).random())[:count]
