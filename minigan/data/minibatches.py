"""An endless stream of shuffled minibatches that can be saved and resumed."""

import functools
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.backend import random_numbers


def batches(*arrays: np.ndarray, size: int, rng: np.random.Generator | None = None) -> "Batches":
    """Minibatches of `size` samples without end, epoch by epoch, each epoch in a fresh random order.

    Every array holds one sample per entry of its first axis. One array gives arrays (size, ...); several give tuples
    of such arrays, with the same samples in each. The samples left over at an epoch's end, fewer than `size`, are
    skipped. The stream owns `rng`, or else a generator that depends on minigan's seed alone.

    Raises ValueError where there is no array, the lengths differ, or `size` is not between 1 and the length.
    """
    return Batches(arrays, size, random_numbers.spawn(rng))


class Batches(Iterator):
    """The stream that `batches` makes: an iterator whose position `state_dict` saves."""

    def __init__(self, arrays: tuple[np.ndarray, ...], size: int, rng: np.random.Generator):
        self._arrays = [backend.to_numpy(array) for array in arrays]
        self._length = _common_length(self._arrays)
        self._size = checks.whole("batches", "size", size, most=self._length)
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

    def __repr__(self) -> str:
        kinds = ", ".join(f"{array.dtype} {(self._size, *array.shape[1:])}" for array in self._arrays)
        drawn = f"{self._cursor // self._size:,} of {self._length // self._size:,} drawn in this epoch"
        return f"Batches of {self._size:,} out of {self._length:,}: {kinds}; {drawn}"

    def state_dict(self) -> dict[str, Any]:
        """The position: where the generator stood as this epoch began, and how many samples of it are used up; and in what."""
        return {"rng": self._epoch_rng, "cursor": self._cursor, **self._settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved position. Raises ValueError, and stays where it is, for other data or another batch size."""
        self.check_state_dict(state)
        random_numbers.set_generator_state(self._rng, state["rng"])
        self._start_epoch()
        self._cursor = checks.saved_whole("cursor", state["cursor"])

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. `part`: what messages call this stream."""
        checks.saved_names(part, state, ["rng", "cursor"], self._settings())
        name = f"{part}.cursor".lstrip(".")
        cursor = checks.saved_whole(name, state["cursor"], most=self._length)
        if cursor % self._size:
            raise ValueError(f"load_state_dict: {name} is {cursor}; expected a multiple of the batch size, {self._size}")
        random_numbers.checked_generator_state(self._rng, state["rng"], f"{part}.rng".lstrip("."))

    def _settings(self) -> dict[str, int]:
        """What a saved position must agree with: it means nothing in other data."""
        return {"length": self._length, "size": self._size, "checksum": self._checksum}

    @functools.cached_property
    def _checksum(self) -> int:
        """Of all the data, as they are when it is first asked for."""
        return functools.reduce(lambda found, array: _checksum(array, found), self._arrays, 0)

    def _start_epoch(self) -> None:
        self._epoch_rng = random_numbers.generator_state(self._rng)  # short, where the order itself may be long
        self._order = self._rng.permutation(self._length)
        self._cursor = 0


def _checksum(array: np.ndarray, start: int) -> int:
    """CRC-32 of dtype, shape and values, in any memory order: some rows at a time are copied, not the whole."""
    found = zlib.crc32(f"{array.dtype} {array.shape}".encode(), start)
    rows = max(1, (1 << 20) * len(array) // max(1, array.nbytes))
    for i in range(0, len(array), rows):
        found = zlib.crc32(array[i : i + rows].tobytes(), found)
    return found


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
