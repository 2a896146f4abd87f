"""contextlib's `contextmanager`, with an error that helps where the same object is given to `with` a second time."""

import contextlib
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


def contextmanager(function: Callable) -> Callable[..., "Block"]:
    """Decorates a generator function with one yield: each call makes a context manager for one block, or a decorator."""

    @functools.wraps(function)
    def make(*args: Any, **options: Any) -> Block:
        return Block(function.__name__, contextlib.contextmanager(function)(*args, **options))

    return make


class Block(AbstractContextManager):
    """A context manager of contextlib's, for one `with` block."""

    def __init__(self, name: str, manager: Any):
        self.name, self.manager, self.is_spent = name, manager, False

    def __enter__(self) -> Any:
        if self.is_spent:
            raise RuntimeError(f"{self.name}: this object has had its `with` block; call {self.name}(...) again for the next")
        self.is_spent = True
        return self.manager.__enter__()

    def __exit__(self, *exception: Any) -> bool | None:
        return self.manager.__exit__(*exception)

    def __call__(self, function: Callable) -> Callable:
        return self.manager(function)
