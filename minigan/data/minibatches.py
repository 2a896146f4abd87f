"""An endless stream of shuffled minibatches that can be saved and resumed."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np

from minigan import backend


def batches(*arrays: np.ndarray, size: int, rng: np.random.Generator | None = None) -> "Batches":
    """Minibatches of `size` samples without end, epoch by epoch, each epoch in a fresh random order.

    Every array holds one sample per entry of its first axis. One array gives arrays (size, ...); several give tuples
    of such arrays, with the same samples in each. The samples left over at an epoch's end, fewer than `size`, are
    skipped. The stream owns `rng`, or else a generator that depends on minigan's seed alone.

    Raises ValueError where there is no array, the lengths differ, or `size` is not between 1 and the length.
    """
    return Batches(arrays, size, backend.spawn(rng))


class Batches(Iterator):
    """The stream that `batches` makes: an iterator whose position `state_dict` saves."""

    def __init__(self, arrays: tuple[np.ndarray, ...], size: int, rng: np.random.Generator):
        self._arrays = [backend.to_numpy(array) for array in arrays]
        self._length = _common_length(self._arrays)
        if not isinstance(size, Integral) or not 1 <= size <= self._length:
            raise ValueError(f"size is {size!r}: choose a batch size between 1 and {self._length}, the number of samples")
        self._size = size
        self._rng = rng
        self._start_epoch()

    def __next__(self) -> Any:
        """The next minibatch: a copy, so that changing it leaves the data alone."""
        if self._cursor + self._size > self._length:
            self._start_epoch()
        chosen = self._order[self._cursor : self._cursor + self._size]
        self._cursor += self._size
        taken = tuple(array[chosen] for array in self._arrays)
        return taken[0] if len(taken) == 1 else taken

    def state_dict(self) -> dict[str, Any]:
        """The position: where the generator stood as this epoch began, and how many samples of it are used up."""
        return {"rng": self._epoch_rng, "cursor": self._cursor, "length": self._length}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved position. Raises ValueError if the data then had another number of samples."""
        if int(state["length"]) != self._length:
            raise ValueError(
                f"the saved position is in data of {state['length']} samples, these have {self._length}: "
                "resume with the data it was saved with"
            )
        backend.set_generator_state(self._rng, state["rng"])
        self._start_epoch()
        self._cursor = int(state["cursor"])

    def _start_epoch(self) -> None:
        self._epoch_rng = backend.generator_state(self._rng)  # short, where the order itself may be long
        self._order = self._rng.permutation(self._length)
        self._cursor = 0


def _common_length(arrays: list[np.ndarray]) -> int:
    if not arrays:
        raise ValueError("batches needs at least one array: batches(x, size=64)")
    if any(array.ndim == 0 for array in arrays):
        raise ValueError("an array has no axis: batches takes arrays with one sample per entry of their first axis")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"the arrays have lengths {lengths}: they must hold the same samples")
    return lengths[0]
