"""A function under test, at the point where it is differentiated: its values, and the gradients that minigan computes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from minigan import backend
from minigan.engine.tensor import Tensor, grad

Gradients = dict[int, np.ndarray]  # by the number of the input
TensorFunction = Callable[..., Tensor | tuple[Tensor, ...] | list[Tensor]]


class Function:
    """A function of arrays, a point, and random gradients u that arrive at its outputs: L = sum(u fn) is differentiated.

    `names` are those of its inputs, `parts` those of its outputs, for messages; order 1 is the user's function itself, order 2
    its gradient.
    """

    def __init__(
        self,
        fn: TensorFunction,
        arrays: list[np.ndarray],
        rng: np.random.Generator,
        order: int = 1,
        names: list[str] | None = None,
        parts: list[str] | None = None,
    ):
        self.fn, self.arrays, self.rng, self.order = fn, arrays, rng, order
        self.arriving = len(arrays)  # where, among the inputs, the arriving gradients begin
        self.inner_size = 0.0  # of the numbers of which the terms may be small differences
        self.names = names or [f"input {i}" for i in range(len(arrays))]
        self.floats = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
        if not self.floats:
            raise TypeError("gradcheck: needs a floating input")
        self.outputs = self.call(arrays)
        self.parts = parts or ([""] if len(self.outputs) == 1 else [f"output {k}" for k in range(len(self.outputs))])
        self.u = [rng.standard_normal(y.shape) for y in self.outputs]

    def call(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs, as arrays."""
        return [y.numpy() for y in _outputs(self.fn(*_as_inputs(arrays, self.floats)))]

    def check_repeatable(self) -> None:
        """Raise ValueError if another call returns other values."""
        again = self.call(self.arrays)
        if any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(self.outputs, again, strict=True)):
            raise ValueError(
                "gradcheck: two calls of fn differ: fn returns different values for the same inputs; fix its random numbers, "
                "or the state that it changes in each call (eval mode?)"
            )

    def terms(self, moved: dict[int, np.ndarray]) -> np.ndarray:
        """The terms of L = sum(u fn) with these arrays in place of some inputs, as one vector; nan if fn refuses them."""
        try:
            outputs = self.call([moved.get(i, x) for i, x in enumerate(self.arrays)])
        except (ValueError, ArithmeticError):
            outputs = []
        if [y.shape for y in outputs] != [u.shape for u in self.u]:
            return np.full(sum(u.size for u in self.u), np.nan)
        return np.concatenate([(u * y).ravel() for u, y in zip(self.u, outputs, strict=True)])

    @cached_property
    def size(self) -> float:
        """The size of L's terms, as far as they are finite, or of the larger numbers that cancel in them."""
        terms = self.terms({})
        return float(np.sum(np.abs(terms), where=np.isfinite(terms)) + self.inner_size + self._cancelled())

    def _cancelled(self) -> float:
        """How large the numbers are that cancel in the terms, from their rounding errors at some points around x."""
        if not self.extended or self.extended.arrays is self.arrays:
            return 0.0
        errors, rng = [], np.random.default_rng(5)
        for _ in range(4):
            moved = {i: self.arrays[i] * (1 + 1e-3 * rng.standard_normal(self.arrays[i].shape)) for i in self.floats}
            exact = self.extended.terms({i: x.astype(np.longdouble) for i, x in moved.items()})
            errors.append(np.nan_to_num(np.abs(self.terms(moved) - exact), nan=0.0, posinf=0.0))
        return float(np.sum(np.max(errors, axis=0)) / np.finfo(np.float64).eps)

    @cached_property
    def gradients(self) -> Gradients:
        """dL / dx for each floating input x, as minigan computes it."""
        return _Graph(self, self.floats).backward()

    def other_backward_passes(self, order: int) -> Iterator[tuple[str, Gradients]]:
        """The same gradients from other backward passes, each with its description: again, and with some inputs constant."""
        graph = _Graph(self, self.floats)
        graph.backward()
        if order > 1:
            yield "with create_graph=True", graph.backward(create_graph=True)
        for gradients in [graph.backward(), graph.backward()]:  # the third pass may be wrong where the second is right
            yield "in another backward pass through the same graph", gradients
        for wanted in self._subsets():
            with suppress(ValueError):  # raised by an fn that itself asks for the gradient of an input
                yield f"where {self._who_requires(wanted)}", _Graph(self, wanted).backward()

    def _subsets(self) -> Iterator[list[int]]:
        """Some of the floating inputs: all subsets of up to 4 inputs; of more inputs, one alone and all but one."""
        n = len(self.floats)
        for size in range(1, n) if n <= 4 else (1, n - 1):
            yield from map(list, combinations(self.floats, size))

    def _who_requires(self, wanted: list[int]) -> str:
        constant = [self.names[i] for i in self.floats if i not in wanted]
        if len(constant) == 1 < len(wanted):
            return f"{constant[0]} requires none"
        return f"only {' and '.join(self.names[i] for i in wanted)} {'require' if len(wanted) > 1 else 'requires'} a gradient"

    # --- functions made of this one --------------------------------------------------------------------------------------

    def gradient(self) -> "Function":
        """The gradient as a function to be checked itself: of the inputs and of the arriving gradients u."""
        n = len(self.arrays)

        def gradient(*inputs: Tensor) -> tuple[Tensor, ...]:
            wanted = [inputs[i] for i in self.floats]
            return tuple(_gradients(_outputs(self.fn(*inputs[:n])), wanted, inputs[n:], create_graph=True))

        names = [*self.names, *[f"the arriving gradient{part and ' of '}{part}" for part in self.parts]]
        parts = [f"the gradient for {self.names[i]}" for i in self.floats]
        function = Function(gradient, [*self.arrays, *self.u], self.rng, self.order + 1, names, parts)
        function.arriving = n
        function.inner_size = self.size
        return function

    def part(self, k: int) -> "Function":
        """The same function, but for all outputs except one."""
        part = Function(lambda *x: _outputs(self.fn(*x))[k], self.arrays, self.rng, self.order, self.names, [self.parts[k]])
        part.u = [self.u[k]]
        return part

    def weighted(self, weights: np.ndarray) -> "Function":
        """The same function with each term of L times its weight, or without the terms that a mask excludes."""
        parts = np.split(weights, np.cumsum([u.size for u in self.u])[:-1])
        names = [f"{name} (fn weighted)" for name in self.names]
        return self._with(u=[u * part.reshape(u.shape) for u, part in zip(self.u, parts, strict=True)], names=names)

    def at(self, arrays: list[np.ndarray]) -> "Function":
        """The same function at another point."""
        return self._with(arrays=arrays)

    @cached_property
    def extended(self) -> "Function | None":
        """The same function in extended precision; None if it, or this machine, has none."""
        if backend.name() != "numpy" or np.finfo(np.longdouble).eps == np.finfo(np.float64).eps:
            return None
        function = self._with(arrays=[x.astype(np.longdouble) if i in self.floats else x for i, x in enumerate(self.arrays)])
        try:
            results = [*function.call(function.arrays), *function.gradients.values()]
        except Exception:  # whatever fn raises when it does not support this dtype
            return None
        function.extended = function
        return function if all(y.dtype == np.longdouble for y in results) else None

    def _with(self, **changes: Any) -> "Function":
        function = copy(self)
        for computed in ("gradients", "extended", "size"):
            function.__dict__.pop(computed, None)
        function.__dict__.update(changes)
        return function


class _Graph:
    """The graph of one forward pass, with gradients for the `wanted` inputs."""

    def __init__(self, function: Function, wanted: list[int]):
        self.wanted, self.u = wanted, function.u
        self.inputs = _as_inputs(function.arrays, wanted)
        self.outputs = _outputs(function.fn(*self.inputs))

    def backward(self, create_graph: bool = False) -> Gradients:
        """A backward pass through it."""
        gradients = _gradients(self.outputs, [self.inputs[i] for i in self.wanted], self.u, create_graph)
        return {i: g.numpy() for i, g in zip(self.wanted, gradients, strict=True)}


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], u: Sequence[Tensor | np.ndarray], create_graph: bool
) -> list[Tensor]:
    """dL / dx, L = sum(u fn), for each of the inputs x."""
    total: list[Tensor] = []
    for y, arriving in zip(outputs, u, strict=True):
        found = grad(y, inputs, gradient=arriving, create_graph=create_graph)
        total = [a + b for a, b in zip(total, found, strict=True)] if total else list(found)
    return total


def _as_inputs(arrays: list[np.ndarray], wanted: Sequence[int]) -> list[Tensor]:
    return [Tensor(backend.asarray(x), requires_grad=i in wanted) for i, x in enumerate(arrays)]


def _outputs(result: Any) -> tuple[Tensor, ...]:
    outputs = tuple(result) if isinstance(result, tuple | list) else (result,)
    if not outputs:
        raise TypeError("gradcheck: fn returned no Tensor")
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: fn returned a {type(y).__name__}; expected a Tensor")
    return outputs
