"""An op whose inputs share one derivative: batch norm's three gradients are made from the same two sums."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from inspect import unwrap
from typing import Any

from minigan.backend import Array
from minigan.engine.tensor import Tensor, record

Derivatives = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


def record_shared(name: str, data: Array, inputs: Sequence[Tensor], derivatives: Derivatives) -> Tensor:
    """`record` for several inputs: derivatives(g, y) returns one gradient for each. A backward pass calls it once."""
    y = record(name, data, *[(x, partial(_gradient, derivatives, i)) for i, x in enumerate(inputs)])
    if y._edges:
        y._edges = _SharedEdges(y._edges, derivatives)
    return y


class _SharedEdges(list[Any]):
    """The edges of such an op. Each iteration over them is one backward pass, with gradients of its own."""

    def __init__(self, edges: Sequence[Any], derivatives: Derivatives):
        super().__init__(edges)
        self.derivatives = derivatives

    def __iter__(self) -> Iterator[Any]:
        called_once = cache(self.derivatives)
        for i, (x, derivative, version) in enumerate(super().__iter__()):
            yield x, derivative and partial(_gradient, called_once, i), version


def shared_function(derivative: Any) -> tuple[Derivatives, int] | None:
    """The function of a shared derivative, and the index of its gradient; None for any other derivative."""
    if isinstance(derivative, partial) and derivative.func is _gradient:
        return unwrap(derivative.args[0]), derivative.args[1]
    return None


def _gradient(derivatives: Derivatives, i: int, g: Tensor, y: Tensor) -> Tensor:
    return derivatives(g, y)[i]
