"""What an iteration of a GAN in minigan keeps in memory: counted on the graph, and as the allocator saw it."""

import itertools
import tracemalloc
from typing import Any

import minigan as mg
from demos.kit.engines import sizes
from demos.kit.engines.minigan import game
from demos.kit.engines.sizes import Size


def memory(size: Size, seed: int) -> dict[str, int]:
    """In bytes: the `peak` of one iteration above the state before it, and the `activations` of its two graphs.

    The iteration is the third: by then all that lasts from one to the next, such as Adam's state, is there.
    """
    tracemalloc.start()
    played, batches = game(size, seed), itertools.cycle(sizes.minibatches(size, seed))
    for _ in range(2):
        played.step(batches)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    played.step(batches)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"peak": peak - before, "activations": activations(played, batches)}


def activations(played: mg.games.GAN, batches: Any) -> int:
    """The bytes of all arrays that the graphs of an iteration's losses keep, but for the weights."""
    arrays: dict[int, Any] = {}
    descend = played.descend

    def noted(optimizer, loss):
        arrays.update(kept(loss))
        descend(optimizer, loss)

    played.descend = noted  # of this game alone
    played.step(batches)
    del played.descend
    weights = {id(p.data) for player in (played.G, played.D) for p in player.parameters()}
    return sum(array.nbytes for address, array in arrays.items() if address not in weights)


def kept(loss: mg.Tensor) -> dict[int, Any]:
    """id -> array, for all memory that the loss's graph keeps alive: by its tensors, and inside its derivatives."""
    arrays, seen, waiting = {}, set(), [loss]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, mg.Tensor):
            waiting.append(thing.data)
            waiting += [part for x, derivative, _ in thing._edges for part in (x, derivative)]
        elif mg.backend.is_array(thing):
            owner = thing if thing.base is None else thing.base  # a view shows another array's memory
            arrays[id(owner)] = owner
        elif callable(thing):
            waiting += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    return arrays
