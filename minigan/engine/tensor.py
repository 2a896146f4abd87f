"""Reverse-mode automatic differentiation: a Tensor, how an op records its derivatives, and the backward pass.

A Tensor that an op made remembers its inputs and, for each input, the derivative: a function from the output's gradient to the
input's. `record` stores them in the forward pass; `_backpropagate` calls them in reverse order. The ops' formulas are in
`minigan.ops`, which also adds the operators (`a * b`) and the methods (`a.sum()`) to Tensor.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from minigan import backend
from minigan.backend import threads
from minigan.engine import errors, versions
from minigan.engine.array_protocol import TensorAsArray, as_array
from minigan.engine.modes import backward_pass, enable_grad, mode, no_grad, watched

Derivative = Callable[["Tensor", "Tensor"], "Tensor"]  # derivative(g, y) -> g_x: see `record`
Gradients = tuple["Tensor", ...]
_order_of_creation = itertools.count(1)


class Tensor(TensorAsArray):
    """An array that can be differentiated.

    Args:
        data: a number or a nested list of numbers (they become float32; booleans stay booleans), or an array. An array is
            shared, not copied, unless its dtype changes or it moves to the current backend.
        requires_grad: whether `.backward()` computes a gradient for this tensor. Floating dtypes only.
        dtype: converts the data. name: a string that `repr` and errors show.
    """

    __slots__ = (  # noqa: RUF023 (in the order in which they matter)
        "_data",  # the array
        "_requires_grad",  # whether gradients flow to this tensor
        "_grad",  # the gradients that backward passes have added up: a Tensor, or None
        "_op",  # the name of the recorded op that made this tensor; None for a leaf
        "_edges",  # for each input of that op: (input, derivative or None if unwanted, how often the input was written to)
        "_order",  # this tensor's place in the order of creation; 0 if no op has made it
    )

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None):
        array = as_array(data, dtype)
        self._hold(array, versions.version_of_memory(array))
        self.name, self.requires_grad = name, requires_grad

    @classmethod
    def _of(cls, array: backend.Array, version: list[int] | None = None) -> "Tensor":
        """A constant that holds just this array: `Tensor(array)` without its checks."""
        return cls.__new__(cls)._hold(array, version or [0])

    def _hold(self, array: backend.Array, version: list[int]) -> "Tensor":
        self._data, self._requires_grad, self._grad = array, False, None
        self._op, self._edges, self._order = None, (), 0
        self._version, self._version_when_made = version, 0  # version: [writes], one list for all who share the memory
        self._is_parameter, self._origin, self._name = False, None, None
        return self

    def detach(self) -> "Tensor":
        """The same values in the same memory, without the history: no gradient passes through the result.

        With b = f(a) and c = g(b.detach()), the forward pass reaches c, and the backward pass stops before f.
        """
        y = Tensor._of(self._data, self._version)
        for watcher in mode.watchers:
            watcher.detached(y, self)
        return y

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add d self / d leaf to the `.grad` of every leaf that requires a gradient.

        Args:
            gradient: the gradient to start from, in this tensor's shape; by default 1, for a tensor of one element.
            create_graph: record the backward pass too, so that the gradients can be differentiated again. `.grad` and the
                leaf then keep each other alive (a reference cycle); `minigan.grad` avoids it.

        A second backward pass over the same graph adds the same gradients again. A leaf that was frozen after the forward
        pass gets none. Raises RuntimeError without a graph, without a needed `gradient`, and for stale values.
        """
        if self.is_leaf:
            raise errors.no_graph(self)
        seed, start = _seed("backward", self, gradient), next(_order_of_creation)
        with enable_grad() if create_graph else no_grad(), backward_pass(self):
            gradients, taken = _backpropagate(self, seed), set[int]()
            with threads.adding_gradients:
                for leaf, g in gradients:
                    own = versions.is_for_one_leaf(g, start, taken) and not create_graph
                    leaf._grad = leaf._grad + g if leaf._grad is not None else g if own else g.copy()


def record(name: str, data: backend.Array, *inputs: tuple[Tensor, Derivative]) -> Tensor:
    """Make the output of an op. Every op ends in this call, the engine's own and the user's.

    Args:
        name: the op's name, for errors. data: the forward result, an array.
        inputs: one pair (input, derivative) for each Tensor that the result depends on. `derivative(g, y)` gets the
            gradient g that arrives at the output, and the output y. It returns the gradient for that input, written in ops,
            so that it can be differentiated again. The backward pass sums over broadcast axes and restores the dtype.

    Example: square = lambda x: record("square", x.data * x.data, (x, lambda g, y: g * 2 * x))
    """
    if not isinstance(data, backend.Array) and not backend.is_array(data):  # NumPy's reductions return scalars
        dtype = getattr(data, "dtype", inputs[0][0].dtype if inputs else None)  # a number of Python takes the first input's
        module = backend.of(inputs[0][0].data) if inputs else backend.xp()  # where the inputs are, whichever is current
        data = module.asarray(data, dtype=dtype)
    y = Tensor.__new__(Tensor)._hold(data, versions.version_of_result(data, inputs))
    if mode.recording and any([x._requires_grad for x, _ in inputs]) and data.dtype.kind in "fc":
        y._op, y._requires_grad, y._version_when_made = name, True, y._version[0]
        y._edges = [(x, d if x._requires_grad else None, x._version[0]) for x, d in inputs if callable(d)]
        if len(y._edges) < len(inputs) or data.dtype.kind == "c":
            raise errors.not_differentiable(name, data)
    y._order = next(_order_of_creation)
    for watcher in mode.watchers:
        watcher.made(y, name, inputs)
    return y


def _backpropagate(output: Tensor, seed: Tensor, targets: list[Tensor] | None = None) -> list[tuple[Tensor, Tensor]]:
    """Visit each tensor once, outputs first, and apply the chain rule. Return (target, gradient) pairs (targets None: leaves).

    A gradient is dropped after the visit. The first to arrive is borrowed; others are added into a new tensor.
    """
    order = _topological_order(output)
    wanted, useful = _wanted_and_useful(targets, order)
    arrived, found = {id(output): seed}, []
    for y in reversed(order):
        if (g := arrived.pop(id(y), None)) is None:
            continue
        if id(y) in wanted:
            found.append((y, g))
        for x, derivative, version in y._edges:
            if x._version[0] != version or y._version[0] != y._version_when_made:  # written to: g_x might be wrong
                raise versions.refusal(x, version, y)
            if derivative is not None and (useful is None or id(x) in useful):
                if mode.watchers:
                    derivative = watched(derivative, x)
                g_x = derivative(g, y)
                g_x = _sum_to_shape(g_x, x, y)
                arrived[id(x)] = arrived[id(x)] + g_x if id(x) in arrived else g_x
    return found


def _topological_order(output: Tensor) -> list[Tensor]:
    """All tensors that gradients of the output pass through, in the order of creation: an op's inputs come before its output.

    In reverse, each tensor comes after everything computed from it, when its gradient is complete. Why that matters:
        b = a + a
        c = b + b
    1 arrives at b by each of two edges, so b passes 2 on by each of its own two: dc/da = 4. Without the order, b would pass
    on the sum so far at each arrival, 1 and then 2: a would get 2 + 4 = 6.
    """
    found, ahead = {id(output): output}, [output]
    while ahead:
        for x, derivative, _ in ahead.pop()._edges:
            if derivative is not None and id(x) not in found:
                found[id(x)] = x
                ahead.append(x)
    return sorted(found.values(), key=attrgetter("_order"))


def _wanted_and_useful(targets: list[Tensor] | None, order: list[Tensor]) -> tuple[set[int], set[int] | None]:
    """The ids of the tensors whose gradients are wanted, and of those whose gradients lead to one of them (None: all)."""
    leaves = [x for x in order if not x._edges]
    wanted = {id(x) for x in (leaves if targets is None else targets) if x._requires_grad}
    if targets is None and len(wanted) == len(leaves):  # the usual case: no leaf was frozen after the forward pass
        return wanted, None
    useful = set(wanted)
    for y in order:
        if any([derivative is not None and id(x) in useful for x, derivative, _ in y._edges]):
            useful.add(id(y))
    return wanted, useful


def _sum_to_shape(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The gradient for y's input x, in x's shape and dtype. An element that was broadcast gets the sum of its gradients."""
    if not isinstance(g, Tensor):
        raise errors.derivative_returned(g, x, y)
    if g._data.shape != x._data.shape:
        extra = g.ndim - x.ndim  # axes that broadcasting put in front
        inner = g.shape[max(extra, 0) :]  # must be x's shape, but for axes of size 1
        if not 0 <= extra <= max(y.ndim - x.ndim, 0) or any([n not in (1, m) for n, m in zip(x.shape, inner, strict=True)]):
            raise errors.derivative_returned(g, x, y)
        ones = tuple([extra + i for i, n in enumerate(x.shape) if n == 1])
        g = g.sum((*range(extra), *ones)).reshape(x.shape)
    return g if g._data.dtype == x._data.dtype else g.astype(x._data.dtype)


def grad(output: Tensor, inputs: Tensor | Sequence[Tensor], gradient: Any = None, create_graph: bool = False) -> Gradients:
    """The gradients d output / d input, each in memory of its own. No tensor's `.grad` changes.

    `gradient`, `create_graph`: as in `Tensor.backward`. An input that the output does not depend on gets zeros; one that does
    not require a gradient raises ValueError.
    """
    inputs = [inputs] if isinstance(inputs, Tensor) or not isinstance(inputs, Iterable) else list(inputs)
    for position, x in enumerate(inputs):
        if not (isinstance(x, Tensor) and x._requires_grad):
            raise errors.input_without_gradient(position, x)
    seed = _seed("grad", output, gradient)
    with enable_grad() if create_graph else no_grad(), backward_pass(output):
        found = {id(x): g for x, g in _backpropagate(output, seed, inputs)}
        return tuple([found[id(x)].copy() if id(x) in found else Tensor._of(x.xp.zeros_like(x._data)) for x in inputs])


def _seed(caller: str, output: Tensor, gradient: Any) -> Tensor:
    """The gradient that the backward pass starts with: 1 for a single element, or the user's."""
    if not isinstance(output, Tensor):
        raise errors.not_a_tensor(caller, output)
    if gradient is None:
        if output.size != 1:
            raise errors.not_a_scalar(caller, output)
        return Tensor._of(backend.constant(1.0, output.dtype, output._data).reshape(output.shape))
    g = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    if g.shape != output.shape or g.dtype.kind != "f" or g.xp is not output.xp:
        raise errors.unfit_gradient(caller, output, g)
    return g.astype(output.dtype)
