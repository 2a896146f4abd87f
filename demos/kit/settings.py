"""--set NAME=VALUE: change any field of a demo's settings, a dataclass, on the command line.

A value is written as in Python, without brackets and quotes: lr=0.01, betas=0.5,0.9, clip=None. The
field's annotation decides which values are valid. Fields of nested settings have dotted names: curves.lr_critic=0.01.
"""

import argparse
import math
import sys
import textwrap
from dataclasses import is_dataclass, replace
from difflib import get_close_matches
from itertools import repeat
from operator import attrgetter
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

Settings = TypeVar("Settings")  # of a demo
LIMITS = dict.fromkeys(("lr", "rates", "r1", "penalty", "std"), (0.0, math.inf)) | {"betas": (0.0, 1.0)}
# by a word in a field's name: (least value, excluded upper bound) of its numbers, as minigan requires


def settings_of(args: argparse.Namespace, settings: Settings) -> Settings:
    """The settings, changed by every --set. A mistake ends the program with status 2 and a list of the settings."""
    seeds = [("seeds", str(args.seeds))] if getattr(args, "seeds", None) else []
    for name, text in [*seeds, *args.set]:
        try:
            settings = changed(settings, name, read(settings, name, text))
        except ValueError as error:
            print(f"{args.program}: --set {name}={text}: {error}", file=sys.stderr)
            raise SystemExit(2) from None
    return settings


def read(settings: Any, name: str, text: str) -> Any:
    """The value of the text for the field of this name. Raises ValueError if it is not valid."""
    known = kinds(type(settings))
    if name not in known:
        alike = get_close_matches(name, known, n=1)
        meant = f"; did you mean {alike[0]}?" if alike else "."
        raise ValueError(f"there is no such setting{meant} There are:\n{listed(settings)}")
    try:
        return checked(text, name, known[name])
    except ValueError:
        now = written(attrgetter(name)(settings))
        raise ValueError(f"expected {described(known[name], name)}; now it is {name}={now}") from None


def checked_text(settings: Any, name: str, value: Any) -> str:
    """The value for the field of this name as text for --set. Raises ValueError if it is not valid."""
    text = written(tuple(value) if isinstance(value, list) else value)
    try:
        read(settings, name, text)
    except ValueError as error:
        raise ValueError(f"{name}={text}: {error}") from None
    return text


def kinds(settings: type, prefix: str = "") -> dict[str, Any]:
    """The annotations of all fields of a dataclass of settings, by name."""
    by_name: dict[str, Any] = {}
    for name, kind in get_type_hints(settings).items():
        by_name |= kinds(kind, f"{prefix}{name}.") if is_dataclass(kind) else {prefix + name: kind}
    return by_name


def changed(settings: Settings, name: str, value: Any) -> Settings:
    """The settings with this value in the field of this name."""
    first, _, rest = name.partition(".")
    return replace(settings, **{first: changed(getattr(settings, first), rest, value) if rest else value})


def listed(settings: Any) -> str:
    """name=value of all fields, as --set takes them, in indented lines."""
    text = " ".join(f"{name}={written(attrgetter(name)(settings))}" for name in kinds(type(settings)))
    indent = {"initial_indent": "  ", "subsequent_indent": "  "}
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False, **indent)


def written(value: Any) -> str:
    """A value as text for --set."""
    if not isinstance(value, tuple):
        return str(value)
    return separator(value[0]).join(map(written, value)) if value else ""


def value_of(text: str, kind: Any) -> Any:
    """The text as a value of this kind, an annotation. Raises ValueError if it is not one."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        parts = text.split(separator(inner[0]))
        kinds = repeat(inner[0], len(parts)) if inner[-1] is ... else inner
        return tuple(value_of(part, kind) for part, kind in zip(parts, kinds, strict=True))
    if NoneType in inner:
        return None if text == "None" else value_of(text, inner[0])
    if get_origin(kind) is Literal:
        return inner[inner.index(text)]
    if kind is bool:
        return (False, True)[("false", "true").index(text.lower())]
    if kind is str:
        return text
    value = kind(text)
    if not (math.isfinite(value) if kind is float else value >= 1):  # whole numbers count things, so they are at least 1
        raise ValueError
    return value


def checked(text: str, name: str, kind: Any) -> Any:
    """The same for the field of this name. Raises ValueError also for a number beyond the field's limits."""
    value, (low, high) = value_of(text, kind), limits(name)
    numbers = value if isinstance(value, tuple) else (value,)
    if any(isinstance(number, float) and not low <= number < high for number in numbers):
        raise ValueError
    return value


def limits(name: str) -> tuple[float, float]:
    """The limits of a field, by the words of its name."""
    words = name.split(".")[-1].split("_")
    return next((LIMITS[word] for word in words if word in LIMITS), (-math.inf, math.inf))


def has_commas(kind: Any) -> bool:
    """Whether a value of this kind, an annotation, is written with commas."""
    return any(get_origin(inner) is tuple for inner in (kind, *get_args(kind)))


def separator(part: Any) -> str:
    """The separator between a tuple's parts; `part`: one of them, or its annotation."""
    return ";" if isinstance(part, tuple) or get_origin(part) is tuple else ","


def described(kind: Any, name: str = "") -> str:
    """The valid values of this kind, in the field of this name, in words."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        number = "" if inner[-1] is ... else f"{len(inner)} "
        return f"{number}values with {separator(inner[0])!r} between, each {described(inner[0], name)}"
    if NoneType in inner:
        return f"{described(inner[0], name)}, or None"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(inner)}"
    low, high = limits(name)
    bounds = f", at least {low:g}" * (low > -math.inf) + f" and below {high:g}" * (high < math.inf)
    numbers = {int: "a whole number from 1 on, such as 100", float: f"a number, such as 0.01{bounds}"}
    return (numbers | {bool: "true or false", str: "a word"})[kind]
