"""What ops do besides computing: record, or not (`no_grad`); and the switches of debug mode and the profiler. Per thread."""

import inspect
import os
import threading
from contextlib import ContextDecorator


class _Mode(threading.local):
    def __init__(self):
        self.recording = True
        self.debugging = os.environ.get("MINIGAN_DEBUG", "0") not in ("", "0")  # see `debug_mode`
        self.profile = None  # see `profiler`
        self.before: list[bool] = []  # one entry for each open block of this thread


mode = _Mode()


class Recording(ContextDecorator):
    """Switches recording on or off for a block or a function, and back again whatever happens inside."""

    def __init__(self, on: bool):
        self.on = on

    def __call__(self, function):
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"no_grad: {function.__name__} is a generator or async, and would run outside the block: "
                "write `with no_grad():` inside it, around what lies between two yields or awaits"
            )
        return super().__call__(function)

    def __enter__(self) -> None:
        mode.before.append(mode.recording)
        mode.recording = self.on

    def __exit__(self, *exception) -> None:
        mode.recording = mode.before.pop()


def no_grad() -> Recording:
    """`with no_grad():` or `@no_grad()`: ops record nothing, so their results have no history. Per thread."""
    return Recording(False)
