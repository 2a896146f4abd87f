"""What each of several ranks takes of the minibatches and the noise, which all of them draw alike: its own rows.

So R ranks see together what one process sees, and what one of them saves is complete for any number. All begin with one seed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.backend import random_numbers
from minigan.contexts import contextmanager


def share(batches: Iterator, comm: Any) -> "Share":
    """This rank's rows of each minibatch: of m, in arrays or tuples of arrays, those from rank m / R to (rank + 1) m / R.

    `comm` has the R ranks, an mpi4py communicator. Raises TypeError for another one and, when a minibatch is drawn, ValueError
    if R does not divide its rows.
    """
    return Share(batches, *checks.communicator("share", comm))


class Share(Iterator):
    """The stream that `share` makes. Its state is that of the whole minibatches' stream, for any number of ranks."""

    def __init__(self, batches: Iterator, rank: int, size: int):
        if not isinstance(batches, Iterator):
            raise TypeError(
                f"share: batches is a {type(batches).__name__}; expected an iterator, such as data.batches(x, size=64)"
            )
        self.batches, self.rank, self.size = batches, rank, size

    def __next__(self) -> Any:
        batch = next(self.batches)
        return tuple([self._rows(a) for a in batch]) if isinstance(batch, tuple | list) else self._rows(batch)

    def _rows(self, array: Any) -> Any:
        if len(array) % self.size:
            raise ValueError(f"share: a minibatch has {len(array)} rows; expected a multiple of {self.size}, the ranks")
        return array[_rows_of(self.rank, len(array) // self.size)]

    def __repr__(self) -> str:
        return f"rank {self.rank} of {self.size}'s share of {self.batches!r}"

    def state_dict(self) -> dict[str, Any]:
        """See `Batches`, as below."""
        return self.batches.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.batches.load_state_dict(state)

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        self.batches.check_state_dict(state, part)


@contextmanager
def shared_noise(comm: Any) -> Iterator[None]:
    """`with shared_noise(comm):` in a block, dropout and the gradient penalty take this rank's rows of what they draw for all
    ranks; so does, for good, a prior that is made in it without a generator.

    Weights, minibatches and samples are drawn as before. All ranks must draw noise equally often and as much. A GPU's own
    generator cannot be shared: raises ValueError but for `backend.use("cupy", noise="numpy")`.
    """
    if backend.noise_name() != "numpy":
        raise ValueError("shared_noise: noise is drawn on the GPU; expected backend.use('cupy', noise='numpy')")
    rank, size = checks.communicator("shared_noise", comm)
    with random_numbers.noise_from(lambda rng: RowsGenerator(rng, rank, size)):
        yield


class RowsGenerator(np.random.Generator):
    """Draws arrays (R m, ...) by the bit generator of `rng`, and returns this rank's m rows. One number is for all."""

    def __init__(self, rng: np.random.Generator, rank: int, size: int):
        super().__init__(rng.bit_generator)
        self.rank, self.size = rank, size

    def __reduce__(self) -> tuple:  # a copy, or a child, would be an ordinary generator
        return RowsGenerator, (np.random.Generator(self.bit_generator), self.rank, self.size)

    def spawn(self, n_children: int) -> list["RowsGenerator"]:
        return [RowsGenerator(rng, self.rank, self.size) for rng in np.random.Generator(self.bit_generator).spawn(n_children)]

    def random(self, size: Any = None, dtype: Any = np.float64) -> Any:
        return self._rows(super().random, size, dtype)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64) -> Any:
        return self._rows(super().standard_normal, size, dtype)

    def _rows(self, draw: Any, size: Any, dtype: Any) -> Any:
        if size is None or size == ():
            return draw(size, dtype=dtype)
        m, *rest = size if isinstance(size, tuple | list) else [size]
        return draw((self.size * m, *rest), dtype=dtype)[_rows_of(self.rank, m)]


def _rows_of(rank: int, m: int) -> slice:
    """The rows of this rank, if each has m."""
    return slice(rank * m, (rank + 1) * m)
