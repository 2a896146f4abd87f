"""Each rank's rows of the minibatches and of the noise. All ranks draw the same, from one seed, and each takes its own rows.

So R ranks together see the data of one process, and a state that one rank saves can be loaded by any number of ranks.
"""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from minigan import backend, checks
from minigan.backend import random_numbers
from minigan.contexts import contextmanager

Batch = TypeVar("Batch")


def share(batches: Iterator[Batch], comm: Any) -> "Share[Batch]":
    """This rank's rows of each minibatch, an array or a tuple of arrays: of m rows, those from rank m / R to (rank + 1) m / R.

    `comm` is an mpi4py communicator of R ranks. Raises TypeError for anything else and, when a minibatch is drawn, ValueError
    if R does not divide its rows.
    """
    return Share(batches, *checks.communicator("share", comm))


class Share(Iterator[Batch], Generic[Batch]):
    """The stream that `share` makes. Its state is that of `batches`, for any number of ranks."""

    batches: Any  # an iterator; with `state_dict`, as of `Batches`, if it is to be saved

    def __init__(self, batches: Iterator[Batch], rank: int, size: int):
        if not isinstance(batches, Iterator):
            raise TypeError(
                f"share: batches is a {type(batches).__name__}; expected an iterator, such as data.batches(x, size=64)"
            )
        self.batches, self.rank, self.size = batches, rank, size

    def __next__(self) -> Batch:
        whole = next(self.batches)
        rows: Any = tuple([self._rows(a) for a in whole]) if isinstance(whole, tuple | list) else self._rows(whole)
        batch: Batch = rows
        return batch

    def _rows(self, array: Any) -> Any:
        if len(array) % self.size:
            raise ValueError(f"share: a minibatch has {len(array)} rows; expected a multiple of {self.size}, the ranks")
        return array[_rows_of(self.rank, len(array) // self.size)]

    def __repr__(self) -> str:
        return f"rank {self.rank} of {self.size}'s share of {self.batches!r}"

    def state_dict(self) -> dict[str, Any]:
        """The state of `batches`."""
        state: dict[str, Any] = self.batches.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As `Batches.load_state_dict`."""
        self.batches.load_state_dict(state)

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """As `Batches.check_state_dict`."""
        self.batches.check_state_dict(state, part)


@contextmanager
def shared_noise(comm: Any) -> Iterator[None]:
    """`with shared_noise(comm):` in a block, dropout and the gradient penalty draw for all ranks and use this rank's rows.

    A prior that is made in the block without a generator does the same, also after the block. Weights, minibatches and samples
    are drawn as before. All ranks must draw noise of the same shapes in the same order. A GPU's own generator cannot be
    shared: raises ValueError under CuPy, except for `backend.use("cupy", noise="numpy")`.
    """
    if backend.noise_name() != "numpy":
        raise ValueError("shared_noise: noise is drawn on the GPU; expected backend.use('cupy', noise='numpy')")
    rank, size = checks.communicator("shared_noise", comm)
    with random_numbers.noise_from(lambda rng: RowsGenerator(rng, rank, size)):
        yield


class RowsGenerator(np.random.Generator):
    """Draws arrays (R m, ...) with the bit generator of `rng`, and returns this rank's m rows. Numbers are equal on all."""

    def __init__(self, rng: np.random.Generator, rank: int, size: int):
        super().__init__(rng.bit_generator)
        self.rank, self.size = rank, size

    def __reduce__(self) -> tuple[Any, ...]:  # without this, a copy or a child would be an ordinary generator
        return RowsGenerator, (np.random.Generator(self.bit_generator), self.rank, self.size)

    def spawn(self, n_children: int) -> list[np.random.Generator]:
        return [RowsGenerator(rng, self.rank, self.size) for rng in np.random.Generator(self.bit_generator).spawn(n_children)]

    def random(self, size: Any = None, dtype: Any = np.float64) -> Any:  # type: ignore[override] # without `out`
        return self._rows(super().random, size, dtype)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64) -> Any:  # type: ignore[override] # without `out`
        return self._rows(super().standard_normal, size, dtype)

    def _rows(self, draw: Any, size: Any, dtype: Any) -> Any:
        if size is None or size == ():
            return draw(size, dtype=dtype)
        m, *rest = size if isinstance(size, tuple | list) else [size]
        return draw((self.size * m, *rest), dtype=dtype)[_rows_of(self.rank, m)]


def _rows_of(rank: int, m: int) -> slice:
    """The rows of this rank, if each has m."""
    return slice(rank * m, (rank + 1) * m)
