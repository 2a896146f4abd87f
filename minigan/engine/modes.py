"""The modes of this thread: whether ops record their history (`no_grad`), and which watchers they report to."""

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

Derivative = Callable[[Any, Any], Any]  # of Tensors: see `tensor.record`
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Watcher:
    """The base class of debug mode, the profiler and the trace. A watcher overrides the events it needs; it changes nothing.

    All arguments but `op`, `inputs` and `call` are Tensors or Optimizers.
    """

    needs_checks = False  # whether ops check values, such as indices, also where that means to wait for a GPU

    def made(self, y: Any, op: str, inputs: tuple[Any, ...]) -> None:
        """The op made the Tensor y from `inputs`, pairs (input, derivative)."""

    def detached(self, y: Any, x: Any) -> None:
        """y is x.detach()."""

    def froze(self, x: Any) -> None:
        """x.requires_grad was changed."""

    def backward_begins(self, output: Any) -> None:
        """A backward pass from this output begins (`backward` or `grad`)."""

    def backward_ends(self) -> None:
        """The innermost backward pass ended: its gradients are stored, or an error stopped it."""

    def derivative(self, call: Callable[[Any, Any], Any], g: Any, y: Any, x: Any) -> Any:
        """The backward pass needs call(g, y), the derivative of y's op for its input x. Return the result of the call."""
        return call(g, y)

    def changed(self, x: Any) -> None:
        """x's array was written to: by an optimizer's step, `clip_weights`, an assignment to `.data`, ..."""

    def updating(self, optimizer: Any) -> None:
        """The optimizer is about to take a step."""

    def updated(self, optimizer: Any) -> None:
        """The optimizer took a step."""


class _Mode(threading.local):
    def __init__(self) -> None:
        self.recording = True
        self.before: list[bool] = []  # the value of `recording` before each open block of this thread
        self.watchers = _from_the_start  # the innermost last


_from_the_start: tuple[Watcher, ...] = ()
mode = _Mode()

# --- recording ----------------------------------------------------------------------------------------------------------


class _Recording(ContextDecorator):
    """Switches recording on or off for a block or a function, and back at its end, also after an error."""

    def __init__(self, on: bool):
        self.on = on

    def __call__(self, function: Decorated) -> Decorated:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            name = "enable_grad" if self.on else "no_grad"
            raise TypeError(
                f"{name}: {function.__name__} is a generator or async, and would run outside the block: "
                f"write `with {name}():` inside it, between two yields or awaits"
            )
        return super().__call__(function)

    def __enter__(self) -> None:
        mode.before.append(mode.recording)
        mode.recording = self.on

    def __exit__(self, *exception: object) -> None:
        mode.recording = mode.before.pop()


def no_grad() -> _Recording:
    """`with no_grad():` or `@no_grad()`: ops record no history. Per thread."""
    return _Recording(False)


def enable_grad() -> _Recording:
    """`with enable_grad():` or `@enable_grad()`: ops record, even if the caller is under `no_grad`. Per thread.

    For functions that always need a gradient, such as an attack.
    """
    return _Recording(True)


# --- watchers -----------------------------------------------------------------------------------------------------------


@contextmanager
def watching(watcher: Watcher) -> Iterator[Watcher]:
    """`with watching(watcher):` adds a watcher of this thread for a block, inside the earlier ones."""
    mode.watchers += (watcher,)
    try:
        yield watcher
    finally:  # blocks of several coroutines need not end in the order in which they began
        mode.watchers = tuple([other for other in mode.watchers if other is not watcher])


def watch_from_the_start(watcher: Watcher) -> None:
    """Add a watcher to this thread, and to every thread that starts later."""
    global _from_the_start
    _from_the_start += (watcher,)
    mode.watchers += (watcher,)


def checking_values() -> bool:
    """Whether a watcher of this thread needs all checks of values: debug mode does."""
    return any([watcher.needs_checks for watcher in mode.watchers])


def watched(derivative: Derivative, x: Any) -> Derivative:
    """The derivative for the input x, called through this thread's watchers."""
    for watcher in reversed(mode.watchers):
        derivative = partial(_seen_by, watcher, derivative, x)
    return derivative


def unwatched(derivative: Derivative) -> Derivative:
    """The derivative inside the result of `watched`."""
    while isinstance(derivative, partial) and derivative.func is _seen_by:
        derivative = derivative.args[1]
    return derivative


def _seen_by(watcher: Watcher, derivative: Derivative, x: Any, g: Any, y: Any) -> Any:
    return watcher.derivative(derivative, g, y, x)


def backward_pass(output: Any) -> AbstractContextManager[None]:
    """`with backward_pass(output):` reports a backward pass from the output to this thread's watchers."""
    return _BackwardPass(output) if mode.watchers else _UNWATCHED


class _BackwardPass:
    """One backward pass, reported to the watchers."""

    def __init__(self, output: Any):
        self.output, self.watchers = output, mode.watchers

    def __enter__(self) -> None:
        for watcher in self.watchers:
            watcher.backward_begins(self.output)

    def __exit__(self, *exception: object) -> None:
        for watcher in reversed(self.watchers):
            watcher.backward_ends()


_UNWATCHED = nullcontext()
