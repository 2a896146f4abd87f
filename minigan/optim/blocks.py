"""The blocks in which a rule updates the parameters: small ones joined to a vector, large ones cut into chunks.

This changes only the speed. A NumPy call costs about a microsecond, however small the array, and a rule makes a dozen: joined
to one vector, small parameters share this cost. A chunk stays in the core's cache during a rule's many passes over it, and
several threads take chunks from one list. Under CuPy, where a rule is one kernel, each parameter is a block.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from operator import is_
from typing import Any

from minigan import backend
from minigan.backend import Array, threads
from minigan.engine.tensor import Tensor

CHUNK = 1 << 16  # elements that a thread updates at a time
SMALL = 1 << 14  # elements up to which a parameter is joined: for a larger one, the copy costs more

State = dict[str, Any]  # a parameter's: the arrays of the rule's slots by name, and "t", how often it has been stepped
Ready = tuple[Tensor, Array, State]  # a parameter that has a gradient, the gradient's array, and the parameter's state
Block = tuple[Array, Array, State]  # theta, g, state: the arguments of `Optimizer.update`


def update_blocks(
    update: Callable[[Array, Array, State], None], ready: Sequence[Ready], slots: Sequence[str], joined: "Joined"
) -> None:
    """Call `update`, which writes in place, for blocks that cover all elements of all parameters."""
    small = [each for each in ready if each[0].size <= SMALL]
    join = len(small) > 1 and _alike(small) and backend.chunking_pays(small[0][0].data)
    blocks = list(_chunks(*joined.vectors(small, slots), slots)) if join else []
    for p, g, state in ready:
        if p.size > SMALL or not join:
            blocks.extend(_chunks(p.data, g, state, slots))
    if len(blocks) > 1 and all([backend.chunking_pays(theta) for theta, _, _ in blocks]):
        threads.over(blocks, lambda block: update(*block))
    else:  # a GPU's kernels are launched by one thread
        for block in blocks:
            update(*block)
    if join:
        joined.hand_back(small)


def _alike(ready: Sequence[Ready]) -> bool:
    """Whether one vector can hold these parameters: of one type and dtype, after equally many steps."""
    kinds = {(type(p.data), p.dtype, state["t"]) for p, _, state in ready}
    return len(kinds) == 1


class Joined:
    """One vector for the parameters, one for their gradients, and one for each slot of their states, kept between steps.

    The states' arrays become views into the vectors. If one of them is replaced (`load_state_dict`), the vectors are made
    again. Parameters keep their own arrays, which other tensors may share (`detach`).
    """

    def __init__(self) -> None:
        self.state: State = {}
        self.thetas: list[Array] = []  # views into the vector of the parameters
        self.held: list[tuple[State, str, Array]] = []  # (a parameter's state, a slot, the view in this slot)

    def vectors(self, ready: Sequence[Ready], slots: Sequence[str]) -> Block:
        """The parameters, their gradients and their states, as vectors."""
        if not self._hold(ready, slots):
            self._take(ready, slots)
        xp = backend.of(self.theta)
        xp.concatenate([p.data.reshape(-1) for p, _, _ in ready], out=self.theta)
        xp.concatenate([g.reshape(-1) for _, g, _ in ready], out=self.g)
        self.state["t"] = ready[0][2]["t"]
        return self.theta, self.g, self.state

    def hand_back(self, ready: Sequence[Ready]) -> None:
        """Copy the vector's values into the parameters' own memory."""
        for (p, _, _), theta in zip(ready, self.thetas, strict=True):
            p.data[...] = theta

    def _hold(self, ready: Sequence[Ready], slots: Sequence[str]) -> bool:
        """Whether the vectors have the shapes of these parameters, and their states are still views into the vectors."""
        if [p.shape for p, _, _ in ready] != [theta.shape for theta in self.thetas]:
            return False
        first = ready[0][0].data
        if first.dtype != self.theta.dtype or type(first) is not type(self.theta):  # they have moved
            return False
        views = [state[slot] for slot in slots for _, _, state in ready]
        return len(views) == len(self.held) and all(map(is_, views, [view for _, _, view in self.held]))

    def _take(self, ready: Sequence[Ready], slots: Sequence[str]) -> None:
        """Make new vectors for these parameters, with the values of their states."""
        for state, slot, view in self.held:
            if state.get(slot) is view:
                state[slot] = view.copy()  # a parameter that is no longer joined would keep the whole vector alive
        self.theta, self.thetas = _joined([p.data for p, _, _ in ready])
        self.g = backend.of(self.theta).empty_like(self.theta)
        self.state, self.held = {}, []
        for slot in slots:
            self.state[slot], views = _joined([state[slot] for _, _, state in ready])
            for (_, _, state), view in zip(ready, views, strict=True):
                state[slot] = view
                self.held.append((state, slot, view))


def _joined(arrays: list[Array]) -> tuple[Array, list[Array]]:
    """One vector of all the arrays, and views into it in their shapes."""
    whole = backend.concatenate([a.reshape(-1) for a in arrays])
    ends = accumulate(a.size for a in arrays)
    return whole, [whole[end - a.size : end].reshape(a.shape) for a, end in zip(arrays, ends, strict=True)]


def _chunks(theta: Array, g: Array, state: State, slots: Sequence[str]) -> Iterator[Block]:
    """(theta, g, state) of a large parameter chunk by chunk, of a small one as a whole."""
    count, arrays = theta.size // CHUNK, [state[slot] for slot in slots]
    if not backend.chunking_pays(theta) or count < 2 or not all([a.flags.c_contiguous for a in (theta, *arrays)]):
        if backend.chunking_pays(g):  # a convolution's gradient may be in another memory order, in which NumPy is slow
            g = backend.of(g).asarray(g, order="C")
        yield theta, g, state
        return
    g = g.reshape(-1)
    bounds = [theta.size * i // count for i in range(count + 1)]
    for chunk in map(slice, bounds[:-1], bounds[1:]):
        part = {slot: array.reshape(-1)[chunk] for slot, array in zip(slots, arrays, strict=True)}
        yield theta.reshape(-1)[chunk], g[chunk], {"t": state["t"], **part}
