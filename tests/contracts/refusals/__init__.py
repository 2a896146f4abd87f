"""What each package refuses: a table of rows (call, error, match), one file a package. `match` is a regular expression.

In a row for each of several values or names, VALUE, TYPE and NAME in `match` stand for the value, its class, and the name.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import minigan as mg

Row = tuple[Callable[[], Any], type[Exception], str]


def each(values: Iterable, error: type[Exception], match: str, call: Callable) -> list[Row]:
    """A row for each value: call(value)."""
    return [(lambda v=v: call(v), error, _filled(match, v)) for v in values]


def of(names: str, values: Iterable, error: type[Exception], match: str, call: Callable) -> list[Row]:
    """A row for each op of these names and each value: call(op, value)."""
    ops = [(name, getattr(mg, name)) for name in names.split()]
    return [row for name, op in ops for row in each(values, error, match.replace("NAME", name), lambda v, op=op: call(op, v))]


def _filled(match: str, value: Any) -> str:
    return match.replace("VALUE", re.escape(str(value))).replace("TYPE", type(value).__name__)
