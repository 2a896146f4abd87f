"""The blocks in which a rule goes over the parameters: small ones joined to a vector, large ones cut into chunks.

Only speed is at stake. A call of NumPy costs about a microsecond, however small the array, and a rule has a dozen of them: on
one vector for all small parameters they are paid once. And a rule's many passes over a chunk find it in the core's cache.
Under CuPy, where a rule is one kernel, each parameter is a block.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from minigan import backend
from minigan.backend import Array
from minigan.engine.tensor import Tensor

CHUNK = 1 << 15  # elements that are updated at a time
SMALL = 1 << 14  # elements up to which a parameter is joined: of a larger one, the copy costs more

Ready = tuple[Tensor, dict[str, Any]]  # a parameter that has a gradient, and its state
Block = tuple[Array, Array, dict[str, Any]]  # theta, g, state: what `Optimizer.update` takes


def blocks(ready: Sequence[Ready], slots: Sequence[str], joined: "Joined") -> Iterator[Block]:
    """(theta, g, state) again and again, for `update` to write into, until it has seen all elements of all parameters."""
    small = [(p, state) for p, state in ready if p.size <= SMALL]
    if len(small) > 1 and _alike(small) and backend.pieces_pay(small[0][0].data):
        yield from _chunks(*joined.vectors(small, slots), slots)
        joined.hand_back(small)
        ready = [(p, state) for p, state in ready if p.size > SMALL]
    for p, state in ready:
        yield from _chunks(p.data, p.grad.data, state, slots)


def _alike(ready: Sequence[Ready]) -> bool:
    """Whether one vector can hold these parameters: of one kind and dtype, and stepped equally often."""
    kinds = {(type(p.data), p.dtype, state["t"]) for p, state in ready}
    return len(kinds) == 1


class Joined:
    """One vector for the parameters, one for their gradients, and one for each slot of their states, kept between steps.

    The states' arrays become views into the vectors. Whoever puts another array in the place of one (`load_state_dict`) is
    noticed, and the vectors are made anew. Parameters keep their own arrays, which others look at, too (`detach`).
    """

    def __init__(self):
        self.state: dict[str, Any] = {}
        self.thetas: list[Array] = []  # views into the vector of the parameters
        self.held: list[tuple[dict[str, Any], str, Array]] = []  # (a parameter's state, a slot, the view that stands there)

    def vectors(self, ready: Sequence[Ready], slots: Sequence[str]) -> Block:
        """The parameters, their gradients and their states, as vectors."""
        if not self._hold(ready, slots):
            self._take(ready, slots)
        xp = backend.of(self.theta)
        xp.concatenate([p.data.reshape(-1) for p, _ in ready], out=self.theta)
        xp.concatenate([p.grad.data.reshape(-1) for p, _ in ready], out=self.g)
        self.state["t"] = ready[0][1]["t"]
        return self.theta, self.g, self.state

    def hand_back(self, ready: Sequence[Ready]) -> None:
        """The vector's values into the parameters' own memory."""
        for (p, _), theta in zip(ready, self.thetas, strict=True):
            p.data[...] = theta

    def _hold(self, ready: Sequence[Ready], slots: Sequence[str]) -> bool:
        """Whether the vectors have room for just these parameters, and are still the memory of their states."""
        if [p.shape for p, _ in ready] != [theta.shape for theta in self.thetas]:
            return False
        first = ready[0][0].data
        if first.dtype != self.theta.dtype or type(first) is not type(self.theta):  # they have moved
            return False
        expected = [(state, slot) for slot in slots for _, state in ready]
        pairs = zip(expected, self.held, strict=False)
        found = [state is own and state[slot] is view for (state, slot), (own, _, view) in pairs]
        return all(found) and len(expected) == len(self.held)

    def _take(self, ready: Sequence[Ready], slots: Sequence[str]) -> None:
        """New vectors for these parameters, with what their states hold."""
        for state, slot, view in self.held:
            if state.get(slot) is view:
                state[slot] = view.copy()  # or a parameter that is not joined any more would keep the whole vector
        self.theta, self.thetas = _joined([p.data for p, _ in ready])
        self.g = backend.of(self.theta).empty_like(self.theta)
        self.state, self.held = {}, []
        for slot in slots:
            self.state[slot], views = _joined([state[slot] for _, state in ready])
            for (_, state), view in zip(ready, views, strict=True):
                state[slot] = view
                self.held.append((state, slot, view))


def _joined(arrays: list[Array]) -> tuple[Array, list[Array]]:
    """The arrays one after another in one vector, and the views into it that have their shapes."""
    whole = backend.concatenate([a.reshape(-1) for a in arrays])
    ends = accumulate(a.size for a in arrays)
    return whole, [whole[end - a.size : end].reshape(a.shape) for a, end in zip(arrays, ends, strict=True)]


def _chunks(theta: Array, g: Array, state: dict[str, Any], slots: Sequence[str]) -> Iterator[Block]:
    """A large parameter's (theta, g, state), chunk by chunk; a small one's as they are."""
    count, arrays = theta.size // CHUNK, [state[slot] for slot in slots]
    if not backend.pieces_pay(theta) or count < 2 or not all([a.flags.c_contiguous for a in (theta, *arrays)]):
        if backend.pieces_pay(g):  # a convolution's has another order, in which NumPy is slow
            g = backend.of(g).asarray(g, order="C")
        yield theta, g, state
        return
    g = g.reshape(-1)
    bounds = [theta.size * i // count for i in range(count + 1)]
    for chunk in map(slice, bounds[:-1], bounds[1:]):
        part = {slot: array.reshape(-1)[chunk] for slot, array in zip(slots, arrays, strict=True)}
        yield theta.reshape(-1)[chunk], g[chunk], {"t": state["t"], **part}
