"""Checks of a user's arguments: numbers, sizes, and the parts of a saved state. Each check raises ValueError.

Every message is "who: name is value; expected ...". A nan, an infinity, a boolean and text do not count as numbers.
"""

import math
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

import numpy

# --- arguments ----------------------------------------------------------------------------------------------------------


def number(
    who: str,
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    otherwise: str = "",
) -> float:
    """The value as a float, if it is a finite number with least <= value <= most and above < value < below.

    `otherwise`: the end of the message, such as ", or None".
    """
    try:
        found = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # an integer of hundreds of digits
        found = math.inf
    if not (math.isfinite(found) and least <= found <= most and above < found < below):
        raise ValueError(f"{who}: {name} is {_short(value)}; expected {_interval(name, least, most, above, below)}{otherwise}")
    return found


def whole(who: str, name: str, value: Any, least: int = 1, most: float = math.inf) -> int:
    """The value as an int, if it is a whole number with least <= value <= most. 2.0 is refused: it is probably a mistake."""
    if not (isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) <= most):
        bound = f"at least {least}" if most == math.inf else f"from {least} to {most}"
        raise ValueError(f"{who}: {name} is {_short(value)}; expected a whole number, {bound}")
    return int(value)


def counts(who: str, **values: Any) -> None:
    """Whole numbers, each at least 1, such as steps=100."""
    for name, value in values.items():
        whole(who, name, value)


def interval(who: str, name: str, value: Any, above: float = -math.inf, otherwise: str = "") -> tuple[float, float]:
    """The value as two floats, if it is (low, high) with above < low <= high. `otherwise`: as for `number`."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"{who}: {name} is {_short(value)}; expected (low, high){otherwise}")
    low = number(who, f"{name}[0]", value[0], above=above)
    return low, number(who, f"{name}[1]", value[1], least=low)


def flag(who: str, name: str, value: Any) -> bool:
    """The value, if it is True or False."""
    if not isinstance(value, bool | numpy.bool_):
        raise ValueError(f"{who}: {name} is {_short(value)}; expected True or False")
    return bool(value)


def communicator(who: str, comm: Any, *methods: str) -> tuple[int, int]:
    """This process's rank and the number of ranks in an mpi4py communicator. TypeError if it lacks one of these methods."""
    if not all(hasattr(comm, name) for name in ("rank", "size", *methods)):
        raise TypeError(f"{who}: comm is {_short(comm)}; expected a communicator of mpi4py, such as MPI.COMM_WORLD")
    return int(comm.rank), int(comm.size)


def _interval(name: str, least: float, most: float, above: float, below: float) -> str:
    left = f"{least:g} <= " if least > -math.inf else f"{above:g} < " if above > -math.inf else ""
    right = f" <= {most:g}" if most < math.inf else f" < {below:g}" if below < math.inf else ""
    if left and right:
        return left + name + right
    bound = f", at least {least:g}" if least > -math.inf else f" above {above:g}" if left else right and f", {name}{right}"
    return "a finite number" + bound


def _short(value: Any) -> str:
    """The value's repr for a message: one line, cut if it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an integer with more digits than Python prints
        text = f"a {type(value).__name__} too large to be printed"
    return text if len(text) <= 60 else f"{text[:50]}... (a {type(value).__name__})"


# --- the parts of a saved state -----------------------------------------------------------------------------------------
# A state may come from a file and contain anything. An object checks all parts of a state before it loads any of them.
# `part` is a part's dotted name in messages, such as G.layers.0.weight.


def saved_names(part: str, state: Any, names: Collection[str], settings: Mapping[str, Any] | None = None) -> None:
    """Refuse anything but a dict of exactly these names and settings. Each setting must have the value given here."""
    if not isinstance(state, Mapping):
        raise ValueError(f"load_state_dict: {part or 'the state'} is a {type(state).__name__}; expected a dict")
    settings, dotted = settings or {}, part and f"{part}."
    for name in settings:
        if name in state:
            here, then = _plain(settings[name]), _plain(state[name])
            comparable = isinstance(then, str | int | float | list) and isinstance(then, bool) == isinstance(here, bool)
            if not comparable or then != here:
                was = f"and was {_short(then)} where the state was saved"
                raise ValueError(f"load_state_dict: {dotted}{name} is {_short(here)} here, {was}")
    if (found := set(state)) != (expected := {*names, *settings}):
        missing, extra = sorted(expected - found), sorted(map(str, found - expected))
        raise ValueError(f"load_state_dict: {part and part + ': '}missing {missing}, unexpected {extra}")


def saved_number(part: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number, or an array of shape () that holds one: files return such arrays."""
    return number("load_state_dict", part, _plain(value), least, most)


def saved_whole(part: str, value: Any, least: int = 0, most: float = math.inf) -> int:
    """A whole number."""
    return whole("load_state_dict", part, _plain(value), least, most)


def saved_text(part: str, value: Any) -> str:
    """A piece of text."""
    value = _plain(value)
    if not isinstance(value, str):
        raise ValueError(f"load_state_dict: {part} is {_short(value)}; expected text")
    return str(value)


def saved_array(part: str, value: Any, own: Any) -> None:
    """Refuse a value that does not fit into the array `own`: another shape, or a dtype that cannot be cast to its own."""
    if not isinstance(value, numpy.ndarray) or isinstance(value, numpy.ma.MaskedArray):
        raise ValueError(f"load_state_dict: {part} is a {type(value).__name__}; expected an array of shape {own.shape}")
    if value.shape != own.shape:
        raise ValueError(f"load_state_dict: {part} has shape {own.shape}, the state {value.shape}")
    if not numpy.can_cast(value.dtype, own.dtype, "same_kind"):
        raise ValueError(f"load_state_dict: {part} is {own.dtype}, the state {value.dtype}")


def _plain(value: Any) -> Any:
    """The value in Python's own types, which can be compared with one another."""
    if isinstance(value, numpy.ndarray | numpy.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
