"""What this thread's ops do besides computing: whether they record their history (`no_grad`), and who watches them."""

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from functools import partial
from typing import Any


class Watcher:
    """Base class of what watches the ops (debug mode, the profiler): it overrides what it wants to see, and changes nothing."""

    def made(self, y: Any, op: str, inputs: tuple) -> None:
        """The op has made the Tensor y from `inputs`, pairs (input, derivative)."""

    def derivative(self, call: Callable, g: Any, y: Any) -> Any:
        """The walk needs call(g, y), the derivative of y's op for one of its inputs; return what the call returns."""
        return call(g, y)

    def updated(self, optimizer: Any) -> None:
        """The optimizer has taken a step."""


class _Mode(threading.local):
    def __init__(self):
        self.recording = True
        self.before: list[bool] = []  # what `recording` was before each open block of this thread
        self.watchers = _from_the_start  # the innermost last


_from_the_start: tuple[Watcher, ...] = ()
mode = _Mode()

# --- recording ----------------------------------------------------------------------------------------------------------


class _Recording(ContextDecorator):
    """Switches recording on or off for a block or a function, and back again whatever happens inside."""

    def __init__(self, on: bool):
        self.on = on

    def __call__(self, function):
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            name = "enable_grad" if self.on else "no_grad"
            raise TypeError(
                f"{name}: {function.__name__} is a generator or async, and would run outside the block: "
                f"write `with {name}():` inside it, around what lies between two yields or awaits"
            )
        return super().__call__(function)

    def __enter__(self) -> None:
        mode.before.append(mode.recording)
        mode.recording = self.on

    def __exit__(self, *exception) -> None:
        mode.recording = mode.before.pop()


def no_grad() -> _Recording:
    """`with no_grad():` or `@no_grad()`: ops record nothing, so their results have no history. Per thread."""
    return _Recording(False)


def enable_grad() -> _Recording:
    """`with enable_grad():` or `@enable_grad()`: ops record, also where the caller is under `no_grad`. Per thread.

    For functions that need a gradient even there, such as an attack.
    """
    return _Recording(True)


# --- watchers -----------------------------------------------------------------------------------------------------------


@contextmanager
def watching(watcher: Watcher) -> Iterator[Watcher]:
    """`with watching(watcher):` adds a watcher of this thread for a block, inside those that it has already."""
    mode.watchers += (watcher,)
    try:
        yield watcher
    finally:  # blocks of several coroutines need not end in the order in which they began
        mode.watchers = tuple([other for other in mode.watchers if other is not watcher])


def watch_from_the_start(watcher: Watcher) -> None:
    """Add a watcher of this thread from now on, and of every thread that starts later."""
    global _from_the_start
    _from_the_start += (watcher,)
    mode.watchers += (watcher,)


def watched(derivative: Callable) -> Callable:
    """The derivative as this thread's watchers see it called."""
    for watcher in reversed(mode.watchers):
        derivative = partial(watcher.derivative, derivative)
    return derivative
