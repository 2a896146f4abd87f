"""An op whose inputs share one derivative: batch norm's three gradients are made from the same two sums."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minigan.backend import Array
from minigan.engine.tensor import Derivative, Tensor, record

Derivatives = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


def record_shared(name: str, data: Array, inputs: Sequence[Tensor], derivatives: Derivatives) -> Tensor:
    """`record` for several inputs: derivatives(g, y) returns one gradient for each. A backward pass calls it once."""
    y = record(name, data, *[(x, _derivative_of(i, derivatives, derivatives)) for i, x in enumerate(inputs)])
    if y._edges:
        y._edges = _SharedEdges(y._edges, derivatives)
    return y


class _SharedEdges(list[Any]):
    """The edges of such an op. Each iteration over them is one backward pass, with gradients of its own."""

    def __init__(self, edges: Sequence[Any], derivatives: Derivatives):
        super().__init__(edges)
        self.derivatives = derivatives

    def __iter__(self) -> Iterator[Any]:
        called_once = _called_once(self.derivatives)
        for i, (x, derivative, version) in enumerate(super().__iter__()):
            yield x, derivative and _derivative_of(i, called_once, self.derivatives), version


def _called_once(derivatives: Derivatives) -> Derivatives:
    """The same function, which is called again only for another g."""
    last: list[Any] = [None, ()]

    def remembering(g: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        if last[0] is not g:
            last[:] = g, derivatives(g, y)
        gradients: tuple[Tensor, ...] = last[1]
        return gradients

    return remembering


def _derivative_of(i: int, call: Derivatives, derivatives: Derivatives) -> Derivative:
    """The derivative for the i-th input."""

    def derivative(g: Tensor, y: Tensor) -> Tensor:
        gradients = call(g, y)
        if not isinstance(gradients, tuple) or not i < len(gradients):
            raise TypeError(
                f"{y.op}: the shared derivative returned {_described(gradients)}; expected a gradient for each input"
            )
        return gradients[i]

    vars(derivative)["shared"] = derivatives, i
    return derivative


def _described(gradients: Any) -> str:
    return f"{len(gradients)} gradients" if isinstance(gradients, tuple) else f"a {type(gradients).__name__}"


def shared_function(derivative: Any) -> tuple[Derivatives, int] | None:
    """The function of a shared derivative, and the index of its gradient; None for any other derivative."""
    found: tuple[Derivatives, int] | None = getattr(derivative, "shared", None)
    return found
