"""contextlib's `contextmanager`, with a helpful error where one object is used in a second `with` block."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Generic, ParamSpec, TypeVar

Args = ParamSpec("Args")
T = TypeVar("T")
Decorated = TypeVar("Decorated", bound=Callable[..., object])


def contextmanager(function: Callable[Args, Iterator[T]]) -> Callable[Args, "Block[T]"]:
    """Decorates a generator function with one yield: each call makes a context manager for one block, or a decorator."""

    @functools.wraps(function)
    def make(*args: Args.args, **options: Args.kwargs) -> Block[T]:
        return Block(function.__name__, contextlib.contextmanager(function)(*args, **options))

    return make


class Block(AbstractContextManager[T], Generic[T]):
    """A context manager of contextlib's, for one `with` block."""

    def __init__(self, name: str, manager: "contextlib._GeneratorContextManager[T]"):
        self.name, self.manager, self.is_spent = name, manager, False

    def __enter__(self) -> T:
        if self.is_spent:
            raise RuntimeError(f"{self.name}: this object was used by a `with` block already; call {self.name}(...) again")
        self.is_spent = True
        return self.manager.__enter__()

    def __exit__(self, *exception: object) -> bool | None:
        return self.manager.__exit__(*exception)  # type: ignore[arg-type] # (type, value, traceback), or three times None

    def __call__(self, function: Decorated) -> Decorated:
        return self.manager(function)
