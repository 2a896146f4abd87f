"""An endless stream of shuffled minibatches that can be saved and resumed."""

import functools
import zlib
from collections.abc import Iterator
from typing import Any, Generic, TypeVar, overload

import numpy as np

from minigan import backend, checks
from minigan.backend import random_numbers

Batch = TypeVar("Batch")


@overload
def batches(array: np.ndarray, /, *, size: int, rng: np.random.Generator | None = None) -> "Batches[np.ndarray]": ...
@overload
def batches(*arrays: np.ndarray, size: int, rng: np.random.Generator | None = None) -> "Batches[tuple[np.ndarray, ...]]": ...
def batches(*arrays: np.ndarray, size: int, rng: np.random.Generator | None = None) -> "Batches[Any]":
    """Minibatches of `size` samples without end, epoch by epoch, each epoch in a fresh random order.

    Every array holds one sample per entry of its first axis. One array gives arrays (size, ...); several give tuples
    of such arrays, with the same samples in each. The samples left over at an epoch's end, fewer than `size`, are
    skipped. The stream owns `rng`, or else a generator that depends on minigan's seed alone.

    Raises ValueError without arrays, for arrays of different lengths, and for a size not between 1 and the length.
    """
    return Batches(arrays, size, random_numbers.spawn(rng))


class Batches(Iterator[Batch], Generic[Batch]):
    """The stream that `batches` makes: an iterator whose position `state_dict` saves."""

    def __init__(self, arrays: tuple[np.ndarray, ...], size: int, rng: np.random.Generator):
        self._arrays = [backend.to_numpy(array) for array in arrays]
        self._length = _common_length(self._arrays)
        self._size = checks.whole("batches", "size", size, most=self._length)
        self._rng = rng
        self._start_epoch()

    def __next__(self) -> Batch:
        """The next minibatch: a copy, so that a change to it does not change the data."""
        if self._cursor + self._size > self._length:
            self._start_epoch()
        chosen = self._order[self._cursor : self._cursor + self._size]
        self._cursor += self._size
        taken: Any = tuple(array[chosen] for array in self._arrays)
        batch: Batch = taken[0] if len(taken) == 1 else taken
        return batch

    def __repr__(self) -> str:
        kinds = ", ".join(f"{array.dtype} {(self._size, *array.shape[1:])}" for array in self._arrays)
        drawn = f"{self._cursor // self._size:,} of {self._length // self._size:,} drawn in this epoch"
        return f"Batches of {self._size:,} out of {self._length:,}: {kinds}; {drawn}"

    def state_dict(self) -> dict[str, Any]:
        """The generator's state when this epoch began, how many of its samples are used, and a checksum of the data."""
        return {"rng": self._epoch_rng, "cursor": self._cursor, **self._settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved position. Raises ValueError, and changes nothing, for other data or another batch size."""
        self.check_state_dict(state)
        random_numbers.set_generator_state(self._rng, state["rng"])
        self._start_epoch()
        self._cursor = checks.saved_whole("cursor", state["cursor"])

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. `part`: this stream's name in messages."""
        checks.saved_names(part, state, ["rng", "cursor"], self._settings())
        name = f"{part}.cursor".lstrip(".")
        cursor = checks.saved_whole(name, state["cursor"], most=self._length)
        if cursor % self._size:
            raise ValueError(f"load_state_dict: {name} is {cursor}; expected a multiple of the batch size, {self._size}")
        random_numbers.checked_generator_state(self._rng, state["rng"], f"{part}.rng".lstrip("."))

    def _settings(self) -> dict[str, int]:
        """The data and the batch size for which a saved position is valid."""
        return {"length": self._length, "size": self._size, "checksum": self._checksum}

    @functools.cached_property
    def _checksum(self) -> int:
        """Of all the data, as they are at the first access."""
        return functools.reduce(lambda crc, array: _checksum(array, crc), self._arrays, 0)

    def _start_epoch(self) -> None:
        self._epoch_rng = random_numbers.generator_state(self._rng)  # saved instead of the order, which may be long
        self._order = self._rng.permutation(self._length)
        self._cursor = 0


def _checksum(array: np.ndarray, start: int) -> int:
    """CRC-32 of dtype, shape and values, in any memory order. Rows are copied about 1 MB at a time."""
    crc = zlib.crc32(f"{array.dtype} {array.shape}".encode(), start)
    rows = max(1, (1 << 20) * len(array) // max(1, array.nbytes))
    for i in range(0, len(array), rows):
        crc = zlib.crc32(array[i : i + rows].tobytes(), crc)
    return crc


def _common_length(arrays: list[np.ndarray]) -> int:
    if not arrays:
        raise ValueError("batches needs at least one array: batches(x, size=64)")
    if any(array.ndim == 0 for array in arrays):
        raise ValueError("an array has no axis: batches takes arrays with one sample per entry of their first axis")
    if any(array.dtype.kind == "O" for array in arrays):
        raise TypeError("an array holds Python objects: batches takes arrays of numbers")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"the arrays have lengths {lengths}: they must hold the same samples")
    return lengths[0]
