"""What this thread's ops do besides computing: whether they record their history (`no_grad`), and who watches them."""

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

Derivative = Callable[[Any, Any], Any]  # of Tensors: see `tensor.record`
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Watcher:
    """Base class of what watches the engine (debug mode, the profiler, the trace): it overrides what it wants to see.

    It should change nothing. All arguments but `op`, `inputs` and `call` are Tensors, or Optimizers.
    """

    def made(self, y: Any, op: str, inputs: tuple[Any, ...]) -> None:
        """The op has made the Tensor y from `inputs`, pairs (input, derivative)."""

    def detached(self, y: Any, x: Any) -> None:
        """y is x.detach()."""

    def froze(self, x: Any) -> None:
        """x.requires_grad has been set to another value than it had."""

    def walk_begins(self, output: Any) -> None:
        """A walk back from this output begins (`backward` or `grad`)."""

    def walk_ends(self) -> None:
        """The innermost walk has ended, and its gradients are where they belong; or it was stopped by an error."""

    def derivative(self, call: Callable[[Any, Any], Any], g: Any, y: Any, x: Any) -> Any:
        """The walk needs call(g, y), the derivative of y's op for its input x; return what the call returns."""
        return call(g, y)

    def changed(self, x: Any) -> None:
        """Somebody has written into x's array: an optimizer's step, `clip_weights`, an assignment to `.data`, ..."""

    def updating(self, optimizer: Any) -> None:
        """The optimizer is about to take a step."""

    def updated(self, optimizer: Any) -> None:
        """The optimizer has taken a step."""


class _Mode(threading.local):
    def __init__(self) -> None:
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

    def __call__(self, function: Decorated) -> Decorated:
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

    def __exit__(self, *exception: object) -> None:
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


def watched(derivative: Derivative, x: Any) -> Derivative:
    """The derivative for the input x as this thread's watchers see it called."""
    for watcher in reversed(mode.watchers):
        derivative = partial(_seen_by, watcher, derivative, x)
    return derivative


def unwatched(derivative: Derivative) -> Derivative:
    """The derivative itself, of one that `watched` has made."""
    while isinstance(derivative, partial) and derivative.func is _seen_by:
        derivative = derivative.args[1]
    return derivative


def _seen_by(watcher: Watcher, derivative: Derivative, x: Any, g: Any, y: Any) -> Any:
    return watcher.derivative(derivative, g, y, x)


def walking(output: Any) -> AbstractContextManager[None]:
    """`with walking(output):` tells this thread's watchers of a walk back from the output."""
    return _Walk(output) if mode.watchers else _UNWATCHED


class _Walk:
    """One walk, as the watchers see it."""

    def __init__(self, output: Any):
        self.output, self.watchers = output, mode.watchers

    def __enter__(self) -> None:
        for watcher in self.watchers:
            watcher.walk_begins(self.output)

    def __exit__(self, *exception: object) -> None:
        for watcher in reversed(self.watchers):
            watcher.walk_ends()


_UNWATCHED = nullcontext()
