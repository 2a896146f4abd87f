"""Several processes (ranks) train the same networks, each on its share of a minibatch, along the mean of their gradients."""

import os
import sys
import time
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.backend import Array
from minigan.engine.tensor import Tensor
from minigan.optim.optimizer import Optimizer


class Averaged(Optimizer):
    """An optimizer that steps along the mean of all ranks' gradients, so that their parameters stay equal.

    Args:
        optimizer: the rule, for the same parameters on all ranks. They start with rank 0's values.
        comm: the ranks, an mpi4py communicator such as MPI.COMM_WORLD.
        patience: seconds that a rank waits for the others, here and in each `step`. After that the error goes to stderr, and
            all ranks end: a rank is lost, or too slow (it may be drawing pictures). After the last step no rank waits.

    If a loss is a mean over samples, R ranks compute the step of one rank with the whole minibatch (see `data.share`).
    Everything else that depends on the minibatch depends on a rank's share of it, and so on R: the metrics that a game's `step`
    returns, feature matching, minibatch discrimination, batch normalisation with its running statistics, and BEGAN's k. The
    last two differ between ranks. The saving rank saves its own, so a resumed BEGAN differs in its bits. A missing gradient
    counts as 0; a parameter without a gradient on all ranks stays without one.

    State and learning rate are the rule's: a saved state can be loaded with or without `Averaged`, on any number of ranks, by
    all of them. Raises TypeError for anything but an optimizer and a communicator, and ValueError on all ranks if their rules,
    rates or parameters differ.
    """

    def __init__(self, optimizer: Optimizer, comm: Any, patience: float = 20.0):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Averaged: optimizer is a {type(optimizer).__name__}; expected one, such as Adam(...)")
        self.rank, self.size = checks.communicator("Averaged", comm, "Iallreduce", "Iallgather", "Ibcast", "Abort")
        self.optimizer, self.comm = optimizer, comm
        self.params, self.state, self.ratios = optimizer.params, optimizer.state, optimizer.ratios
        self.patience = checks.number("Averaged", "patience", patience, above=0)
        self._check_that_all_agree()
        first = self._message([p.data for p in self.params])
        self._collect("Ibcast", first)
        for p, values in zip(self.params, self._of_each(first), strict=True):
            p.writable()[...] = values
            p.changed_in_place()

    @property
    def lr(self) -> float:
        """The rule's learning rate."""
        return self.optimizer.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.optimizer.lr = value

    def step(self) -> None:
        """Replace this rank's gradients by the mean of all ranks' gradients, and apply the rule."""
        xp, given = self.params[0].xp, [p.grad is not None for p in self.params]
        grads = [p.grad.data if p.grad is not None else xp.zeros_like(p.data) for p in self.params]
        own = self._message([*grads, xp.asarray(given)])  # the flags are summed too: how many ranks have a gradient
        mean = backend.of(own).empty_like(own)
        self._collect("Iallreduce", own, mean)
        mean /= self.size
        counts = backend.to_numpy(mean[-len(given) :])
        for p, g, count in zip(self.params, self._of_each(mean), counts, strict=True):
            p.grad = Tensor._of(g) if count else None
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """The rule's."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict` of the rule, the same on all ranks."""
        self.optimizer.load_state_dict(state)

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """See `Optimizer`."""
        self.optimizer.check_state_dict(state, part)

    def __repr__(self) -> str:
        return f"Averaged({self.optimizer!r}, rank {self.rank} of {self.size})"

    # --- messages ----------------------------------------------------------------------------------------------------

    def _check_that_all_agree(self) -> None:
        """Compare the ranks' descriptions of their rules and parameters, line by line."""
        kinds = [f"{p.dtype} {p.shape} as parameter {i}" for i, p in enumerate(self.params)]
        text = "\n".join([f"{len(kinds)} parameters", *kinds, repr(self.optimizer)]).encode()
        lengths = np.empty(self.size, np.int64)
        self._collect("Iallgather", np.array([len(text)]), lengths)
        texts = np.empty((self.size, lengths.max()), np.uint8)
        self._collect("Iallgather", np.frombuffer(text.ljust(texts.shape[1]), np.uint8), texts)
        first, *others = [row.tobytes().decode().rstrip().split("\n") for row in texts]
        for rank, other in enumerate(others, 1):
            for there, here in zip(other, first, strict=False):
                if there != here:
                    raise ValueError(f"Averaged: rank {rank} has {there}, rank 0 {here}; all ranks must train the same")

    def _message(self, arrays: list[Array]) -> Array:
        """The arrays in one vector, float32 or wider, in memory that MPI can read: the GPU's only if MPI supports it."""
        dtype = np.result_type("float32", *[p.dtype for p in self.params])
        vector = backend.concatenate([a.reshape(-1).astype(dtype, copy=False) for a in arrays])
        if not backend.on_device(vector):
            return vector
        if "cuda" not in (self.comm.Get_info().Get("mpi_memory_alloc_kinds") or ""):
            return backend.to_numpy(vector)
        self.params[0].xp.cuda.get_current_stream().synchronize()  # MPI does not wait for the kernels that write it
        return vector

    def _of_each(self, vector: Array) -> Iterator[Array]:
        """The parts of a vector, in the parameters' shapes and on their backend."""
        vector, sizes = self.params[0].xp.asarray(vector), [p.size for p in self.params]
        return (vector[end - p.size : end].reshape(p.shape) for p, end in zip(self.params, accumulate(sizes), strict=True))

    def _collect(self, operation: str, *buffers: Array) -> None:
        """Take part in an operation of all ranks, and return when it has finished. If a rank is lost, end all others."""
        why = f"waited {self.patience:g} s for the others: one was lost, or is slower than patience={self.patience:g} allows"
        try:
            if _finished(getattr(self.comm, operation)(*buffers), self.patience):
                return
        except RuntimeError as error:  # such as mpi4py's
            why = f"cannot reach the others: {error}"
        why = f"Averaged: rank {self.rank} of {self.size} {why}; all ranks end here"
        print(why + "\n", end="", file=sys.stderr, flush=True)  # in one piece, as other ranks write too
        self.comm.Abort(1)  # an error alone would not end this rank: MPI_Finalize would wait for the lost rank
        raise RuntimeError(why)


def _finished(request: Any, patience: float) -> bool:
    """Wait until MPI has finished, but at most this many seconds; return whether it has finished."""
    waited, last = 0.0, time.monotonic()
    while not request.Test():
        if waited > patience:
            return False
        if waited < 5e-3 and hasattr(os, "sched_yield"):  # not on Windows
            os.sched_yield()  # the shortest sleep is longer than most messages take
        else:
            time.sleep(min(waited / 1000, 1e-3))  # another rank may need this core
        now = time.monotonic()
        waited, last = waited + min(now - last, 1.0), now  # the time in which this rank itself was stopped does not count
    return True
