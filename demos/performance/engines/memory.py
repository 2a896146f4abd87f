"""The memory of an iteration of a GAN in minigan: counted on the graph, and measured by the allocator."""

import itertools
import tracemalloc
from collections.abc import Iterator
from typing import Any

import minigan as mg
from demos.performance.engines import sizes
from demos.performance.engines.minigan import game
from demos.performance.engines.sizes import Size
from minigan.backend import owner


def memory(size: Size, seed: int) -> dict[str, int]:
    """In bytes: the `peak` of one iteration above the state before it, and the `activations` of its two graphs.

    The third iteration is measured: by then all lasting memory, such as Adam's state, exists.
    """
    tracemalloc.start()
    minibatches = sizes.minibatches(size, seed)
    played, batches = game(size, minibatches, seed), itertools.cycle(minibatches)
    for _ in range(2):
        played.step(batches)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    played.step(batches)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"peak": peak - before, "activations": activations(played, batches, minibatches)}


def activations(played: mg.games.GAN, batches: Iterator, minibatches: list[Any]) -> int:
    """The bytes of all arrays that the graphs of an iteration's losses keep, except the weights and the minibatches."""
    arrays: dict[int, Any] = {}
    descend = played.descend

    def noted(optimizer, loss):
        arrays.update(kept(loss))
        descend(optimizer, loss)

    played.descend = noted  # of this game alone
    played.step(batches)
    del played.descend
    weights = [p.data for player in (played.G, played.D) for p in player.parameters()]
    were_there = {id(owner(array)) for array in (*weights, *itertools.chain(*minibatches))}
    return sum(array.nbytes for address, array in arrays.items() if address not in were_there)


def kept(loss: mg.Tensor) -> dict[int, Any]:
    """id -> array, for all memory that the loss's graph keeps alive, in its tensors and in its derivatives."""
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
            arrays[id(owner(thing))] = owner(thing)
        elif isinstance(thing, tuple | list):
            waiting += thing
        elif callable(thing):
            waiting += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    return arrays
