"""What an entry of a registry is. A new op, layer or loss is one entry; one that is forgotten fails `test_registry`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Call = tuple[tuple, dict]  # arrays of float64, and options


@dataclass(frozen=True)
class Entry:
    """A function of arrays."""

    call: Callable  # call(*arrays, **options)
    twin: Callable | None = None  # the same in NumPy
    draws: st.SearchStrategy[Call] | None = None
    cases: list[tuple[Callable, Callable]] = field(default_factory=list)  # (a function, its inputs), for each further property
    special: st.SearchStrategy[tuple] | None = None  # arrays with kinks, ties, zeros of both signs, huge numbers, infinities
    points: list[tuple[Callable, Any, Any]] = field(default_factory=list)  # (a function, x, d sum / dx), as documented


def calls(arrays: st.SearchStrategy, **options: Any) -> st.SearchStrategy[Call]:
    """One array, or a tuple of them, and options, each drawn from a strategy or from a list."""
    drawn = {name: v if isinstance(v, st.SearchStrategy) else st.sampled_from(v) for name, v in options.items()}
    several = arrays.map(lambda x: x if isinstance(x, tuple) else (x,))
    return st.tuples(several, st.fixed_dictionaries(drawn))
