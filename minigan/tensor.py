"""Tensors, the graph that they record, and the walk back over it: reverse-mode automatic differentiation.

There is no separate graph. A Tensor that an op made remembers its inputs and, for each, the derivative: a function from the
gradient that arrives at the output to the gradient that goes on to that input. `record` writes this down during the forward
pass; `_walk` reads it backwards. No op's formula stands in this file: they are in `minigan.ops`, which also binds the
Python operators (`a * b`) and the methods (`a.sum()`) to the class.
"""

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minigan import backend, debug_mode
from minigan.grad_mode import Recording, mode

Derivative = Callable[["Tensor", "Tensor"], "Tensor"]
_births, _birth = itertools.count(1), operator.attrgetter("_born")


class Tensor:
    """An array that can be differentiated: numbers, lists (float32), or an array (its dtype and memory are kept).

    Args:
        data: a number, a nested list of numbers, or an array. Numbers and lists become float32 (lists of booleans stay
            boolean). An array is shared, not copied, unless it has to change its dtype or move to the current backend.
        requires_grad: whether `.backward()` computes a gradient for this tensor. Floating dtypes only.
        dtype: converts the data.
        name: shown by `repr` and by errors.

    Attributes: `.data` (the array), `.grad` (a Tensor of `.data`'s shape and dtype, or None), `.requires_grad`, `.name`,
    `.shape`, `.ndim`, `.size`, `.dtype`.

    Assigning to `.data` counts as a change in place: a backward pass over an earlier result then raises RuntimeError.
    Writing into the array by hand (`t.data[0] = 1`) cannot be seen; do it before the forward pass, not after.
    A copy (`copy.deepcopy`) or a pickle holds the values and the flag, not the history.
    """

    __slots__ = (
        "__weakref__",
        "_born",
        "_data",
        "_edges",
        "_grad",
        "_is_parameter",
        "_made_at",
        "_op",
        "_origin",
        "_requires_grad",
        "_version",
        "name",
    )
    __array_ufunc__ = None  # NumPy then leaves `np.ones(3) * t` to the Tensor, and refuses np.exp(t) aloud

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None):
        self._fill(_as_array(data, dtype), [0])
        self.name = name
        self.requires_grad = requires_grad

    @classmethod
    def _of(cls, array: backend.Array, version: list[int] | None = None) -> "Tensor":
        """A constant that holds just this array: `Tensor(array)` without its checks."""
        t = cls.__new__(cls)
        t._fill(array, version or [0])
        return t

    def _fill(self, array: backend.Array, version: list[int]) -> None:
        self._data = array
        self._grad: Tensor | None = None
        self._requires_grad = False
        self._is_parameter = False  # has required a gradient as a leaf, frozen now or not: what a Module looks for
        self._version = version  # [count of changes in place]: one list for all tensors that share this memory
        self._op: str | None = None  # the op that made this tensor; None for a leaf
        self._born = 0  # the how-manieth result of an op; 0 for leaves
        self._edges: Sequence = ()  # per input: (input, derivative or None, the input's version when it was used)
        self._origin: str | None = None  # in debug mode, the user's line that made this tensor
        self._made_at = 0  # this tensor's own version when the op made it
        self.name = None

    # --- the array ---------------------------------------------------------------------------------------------------

    @property
    def data(self) -> backend.Array:
        """The array. Assign an array of the same shape to change the tensor in place."""
        return self._data

    @data.setter
    def data(self, value: backend.Array) -> None:
        array = backend.move(_as_array(value.data if isinstance(value, Tensor) else value, None), self.xp.__name__)
        if array.shape != self.shape:
            raise ValueError(f"data: {_describe(self)} cannot take an array of shape {array.shape}")
        if self._requires_grad and array.dtype.kind != "f":
            raise TypeError(f"data: {_describe(self)} requires a gradient and cannot take {array.dtype}: use a float dtype")
        self._data = array if array is self._data else array.copy()  # or an optimizer's step would change the user's array
        self._version[0] += 1
        if self._grad is not None:
            self.grad = self._grad  # .grad follows .data's dtype

    shape = property(lambda self: self._data.shape, doc="The array's shape, a tuple.")
    ndim = property(lambda self: self._data.ndim, doc="The number of axes.")
    size = property(lambda self: self._data.size, doc="The number of elements.")
    dtype = property(lambda self: self._data.dtype, doc="The array's dtype.")
    xp = property(lambda self: backend.of(self._data), doc="The module that computes on this array: numpy or cupy.")

    def numpy(self):
        """The values as a NumPy array: the tensor's own memory under NumPy, a copy under CuPy. No gradient flows through."""
        return backend.to_numpy(self._data)

    def item(self) -> float:
        """The value of a tensor of one element as a Python number."""
        if self.size != 1:
            raise ValueError(f"item: {_describe(self)} has {self.size} elements, not one; use .numpy()")
        return self._data.item()

    def writable(self) -> backend.Array:
        """The array for writing into (see `changed_in_place`); copied first where NumPy would refuse."""
        self._data = backend.writable(self._data)
        return self._data

    def changed_in_place(self) -> None:
        """Tell that the array has been written to: whoever writes into `.data`'s memory calls this (see `optim`)."""
        self._version[0] += 1

    def relocate(self, name: str) -> None:
        """Move the array to the backend "numpy" or "cupy", and the gradient with it: a change in place (see `Module.to`)."""
        self._data = backend.move(self._data, name)
        self._version[0] += 1
        self.grad = self._grad

    # --- gradients ---------------------------------------------------------------------------------------------------

    is_parameter = property(
        lambda self: self._is_parameter and not self._edges, doc="A leaf that requires a gradient, or did before it was frozen."
    )
    is_leaf = property(lambda self: not self._edges, doc="Whether no op has made this tensor (or none that is recorded).")

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Settable on leaves, the tensors that no op has made."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if self._edges and not flag:
            raise RuntimeError(f"requires_grad: {_describe(self)} is the result of {self._op}; use .detach() to cut it off")
        if flag is True and self.dtype.kind != "f":
            raise TypeError(f"requires_grad: {_describe(self)} is {self.dtype}; only floats have gradients: .astype('float32')")
        if not isinstance(flag, bool) and type(flag).__name__ not in ("bool_", "bool"):
            raise TypeError(f"requires_grad: expected True or False, got {flag!r}")
        self._requires_grad = bool(flag)
        self._is_parameter = self._is_parameter or self._requires_grad

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that backward passes have added up so far, or None. Settable: a Tensor of the same shape, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}; wrap it: Tensor(g)")
            if value.shape != self.shape:
                raise ValueError(f"grad: {_describe(self)} cannot take a gradient of shape {value.shape}")
            value = value.to(self.xp.__name__).astype(self.dtype)
        self._grad = value

    def detach(self) -> "Tensor":
        """The same values, in the same memory, without the history: no gradient passes through the result.

        For b = f(a), c = g(b.detach()): the forward pass reaches c, the backward pass stops before f.
        """
        return Tensor._of(self._data, self._version)

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add d self / d leaf to the `.grad` of every leaf that requires a gradient.

        Args:
            gradient: what arrives at this tensor, of its shape; 1 for a tensor of one element.
            create_graph: record the backward pass too, so that the gradients can be differentiated again. `.grad` then
                keeps the graph, and the graph keeps the leaf, alive; `minigan.grad` has no such circle.

        A second backward pass over the same graph adds the same gradients again.
        A leaf that was frozen after the forward pass gets no gradient, nor is anything computed for it alone.
        Raises RuntimeError where there is no graph, where a tensor needs `gradient`, and where a tensor of the graph was
        changed in place after the forward pass.
        """
        if not self._edges:
            raise RuntimeError(
                f"backward: {_describe(self)} has no graph: no op made it from a tensor that requires a gradient "
                "(or it was made under no_grad, or detached)"
            )
        seed, before = _seed("backward", self, gradient), next(_births)
        borrowed = {id(seed._data)}
        gradients = _walk(self, seed, None, create_graph)
        with Recording(create_graph):
            for leaf, g in gradients:
                if leaf._grad is not None:
                    leaf._grad = leaf._grad + g
                else:  # as it is, if this walk has made it in memory of its own, and no other leaf has got it
                    new = g._born > before and g._data.base is None and id(g._data) not in borrowed
                    leaf._grad = g if new and not create_graph else _own(g)
                    borrowed.add(id(g._data))

    def astype(self, dtype: Any) -> "Tensor":
        """The tensor in another dtype (itself if it has that dtype). Gradients flow between floating dtypes."""
        if dtype is None:
            raise TypeError("astype: dtype is None; name one, such as 'float32'")
        if self._data.dtype == dtype:
            return self
        array = self._data.astype(dtype)
        return record("astype", array, (self, lambda g, y: g)) if array.dtype.kind == "f" else Tensor._of(array)

    def to(self, name: str) -> "Tensor":
        """The tensor on the backend "numpy" or "cupy" (itself if it is there). Gradients flow back."""
        here = self.xp.__name__
        if name == here:
            return self
        return record("to", backend.move(self._data, name), (self, lambda g, y: g.to(here)))

    # --- Python's protocols ------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        notes = [repr(self._data).removeprefix("array(").removesuffix(")"), *([f"name={self.name!r}"] if self.name else [])]
        notes += [f"op={self._op}"] if self._op else ["requires_grad=True"] if self._requires_grad else []
        return f"Tensor({', '.join(notes)})"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a tensor of shape () has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"index: {_describe(self)} is {self.dtype}; only integers can index")
        return self.item()

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).data.any())

    def __array__(self, dtype: Any = None, copy: bool | None = None):
        if self._requires_grad:
            raise TypeError(f"{_describe(self)} requires a gradient, which NumPy would lose: use minigan's op, or .detach()")
        array = self.numpy() if dtype is None else self.numpy().astype(dtype, copy=False)
        return array.copy() if copy else array

    def __reduce__(self):
        return Tensor, (self._data.copy(), self._requires_grad and not self._edges, None, self.name)


# --- recording ----------------------------------------------------------------------------------------------------------


def record(name: str, data: backend.Array, *inputs: tuple[Tensor, Derivative]) -> Tensor:
    """Make the output of an op: every op ends in this call, the engine's own and the user's.

    Args:
        name: the op's name, for errors.
        data: the forward result, an array.
        inputs: one pair (input, derivative) for each Tensor that the result depends on. `derivative(g, y)` gets the
            gradient g that arrives at the output and the output y itself (a derivative that captured y would make a
            reference circle), and returns the gradient for that input, written in ops, so that it can be differentiated
            again. It is called only where the input requires a gradient. What broadcasting has stretched is summed back,
            and the dtype restored, by the walk.

    Example: square = lambda x: record("square", x.data * x.data, (x, lambda g, y: g * 2 * x))
    """
    if not backend.is_array(data):  # NumPy's reductions return scalars
        data = backend.asarray(data, dtype=inputs[0][0].dtype if isinstance(data, float | int) and inputs else None)
    y = Tensor.__new__(Tensor)
    y._fill(data, _version_of(data, inputs))
    y._born = next(_births)
    if mode.debugging:
        y._origin = debug_mode.users_line()
        debug_mode.refuse_new_nan(name, y._origin, data, [x._data for x, _ in inputs])
    if mode.recording and any([x._requires_grad for x, _ in inputs]) and data.dtype.kind == "f":
        y._requires_grad = True
        y._made_at = y._version[0]
        y._op = name
        if not all([type(pair) is tuple and callable(pair[1]) for pair in inputs]):
            raise TypeError(f"record: {name}: expected pairs (input, derivative), with a function derivative(g, y)")
        y._edges = [(x, derivative if x._requires_grad else None, x._version[0]) for x, derivative in inputs]
    if mode.profile is not None:
        mode.profile.forward(name, data)
    return y


def _version_of(data: backend.Array, inputs: Sequence[tuple[Tensor, Derivative]]) -> list[int]:
    """A view (a reshape, a slice) counts changes together with the input whose memory it shows."""
    base = data.base
    for x, _ in inputs:
        if data is x._data or (base is not None and (base is x._data or base is x._data.base)):
            return x._version
    return [0]


# --- the walk back ------------------------------------------------------------------------------------------------------


def grad(
    output: Tensor, inputs: Tensor | Sequence[Tensor], gradient: Any = None, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """The gradients d output / d input, a tuple with one Tensor for each input. No tensor's `.grad` is touched.

    Only what lies between the output and the inputs is computed. `gradient` and `create_graph` are `Tensor.backward`'s.
    An input that the output does not depend on gets zeros. Raises ValueError for an input that does not require a gradient.
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for position, x in enumerate(inputs):
        if not (isinstance(x, Tensor) and x._requires_grad):
            what = _describe(x) if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise ValueError(f"grad: input {position} is {what} that requires no gradient: set requires_grad before the ops")
    found = {id(x): g for x, g in _walk(output, _seed("grad", output, gradient), inputs, create_graph)}
    with Recording(create_graph):
        return tuple([_own(found[id(x)]) if id(x) in found else Tensor._of(x.xp.zeros_like(x._data)) for x in inputs])


def _walk(output: Tensor, seed: Tensor, targets: list[Tensor] | None, create_graph: bool) -> list[tuple[Tensor, Tensor]]:
    """Carry `seed` from the output back through the graph; return (target, its whole gradient) pairs (targets None: leaves).

    Each tensor is visited once, after everything that was computed from it. Why the order matters:
        b = a + a
        c = b + b
    c reaches b by two edges, b reaches a by two: dc/da = 4. A walk that went on from b at the first arrival would
    go on again at the second, with the sum so far: 1 and 1 + 1 arrive at b, and a gets 2 + 4 = 6.

    A gradient is held only between its first arrival and its tensor's visit, so that memory falls as the walk proceeds.
    The first to arrive is borrowed, never written to; further ones are added into a new tensor.
    """
    order = _history(output)
    leaves = [x for x in order if not x._edges]
    wanted = {id(x) for x in (leaves if targets is None else targets) if x._requires_grad}
    useful = _leading_to(wanted, order) if targets is not None or len(wanted) < len(leaves) else None
    arrived, found = {id(output): seed}, []
    debugging, profile = mode.debugging, mode.profile
    with Recording(create_graph):
        for y in reversed(order):
            g = arrived.pop(id(y), None)
            if g is None:
                continue
            if id(y) in wanted:
                found.append((y, g))
            for x, derivative, version in y._edges:
                if x._version[0] != version or y._version[0] != y._made_at:
                    _refuse_changed(x, version, y)
                if derivative is not None and (useful is None or id(x) in useful):
                    if debugging:
                        g_x = debug_mode.watched(derivative, g, y)
                    elif profile is not None:
                        g_x = profile.backward(derivative, g, y)
                    else:
                        g_x = derivative(g, y)
                    g_x = _fit(g_x, x, y)
                    arrived[id(x)] = arrived[id(x)] + g_x if id(x) in arrived else g_x
    return found


def _history(output: Tensor) -> list[Tensor]:
    """All tensors that gradients of `output` pass through, inputs before outputs: in the order in which they were made."""
    found, ahead = {id(output): output}, [output]
    while ahead:
        for x, derivative, _ in ahead.pop()._edges:
            if derivative is not None and id(x) not in found:
                found[id(x)] = x
                ahead.append(x)
    return sorted(found.values(), key=_birth)


def _leading_to(wanted: set[int], order: list[Tensor]) -> set[int]:
    """The ids of the tensors from which the walk can still reach a wanted one."""
    useful = set(wanted)
    for y in order:
        if any(derivative is not None and id(x) in useful for x, derivative, _ in y._edges):
            useful.add(id(y))
    return useful


def _fit(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The gradient that y's op returned for its input x, in x's shape and dtype.

    Where the op has stretched x by broadcasting, each element of x was used many times: its gradient is the sum.
    """
    if not isinstance(g, Tensor):
        raise RuntimeError(f"{y._op}: the derivative for an input of shape {x.shape} is a {type(g).__name__}, not a Tensor")
    if g._data.shape != x._data.shape:
        extra = g.ndim - x.ndim
        if not 0 <= extra <= max(y.ndim - x.ndim, 0) or any(
            n not in (1, m) for n, m in zip(x.shape, g.shape[extra:], strict=True)
        ):
            raise RuntimeError(f"{y._op}: the derivative for an input of shape {x.shape} has shape {g.shape}")
        stretched = tuple([extra + i for i, n in enumerate(x.shape) if n == 1])
        g = g.sum((*range(extra), *stretched))
        g = g.reshape(x.shape) if stretched else g
    return g if g._data.dtype == x._data.dtype else g.astype(x._data.dtype)


def _refuse_changed(x: Tensor, version: int, y: Tensor) -> None:
    """The values are no longer those of the forward pass: say whose, and what to do."""
    tensor, then, role = (x, version, "an input") if x._version[0] != version else (y, y._made_at, "the output")
    raise RuntimeError(
        f"backward through {y._op}: {_describe(tensor)}, {role} of {y._op}, was changed in place after the "
        f"forward pass (version {then}, now {tensor._version[0]}): an optimizer's step, clip_weights, "
        "load_state_dict or an assignment to .data came too early. Run the forward pass again first"
    )


# --- checks and conversions ---------------------------------------------------------------------------------------------


def _seed(caller: str, output: Tensor, gradient: Any) -> Tensor:
    """The gradient that the walk starts with: ones for a single element, or what the user gave, checked."""
    if not isinstance(output, Tensor):
        raise TypeError(f"{caller}: the output is a {type(output).__name__}; expected a Tensor")
    if gradient is None:
        if output.size != 1:
            raise RuntimeError(
                f"{caller}: {_describe(output)} is not a scalar: pass gradient=, an array of its shape, or reduce it first "
                "(.sum(), .mean())"
            )
        return Tensor._of(output.xp.ones_like(output._data))
    g = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    if g.shape != output.shape:
        raise ValueError(f"{caller}: gradient has shape {g.shape}, but {_describe(output)} needs its own shape")
    if g.dtype.kind != "f":
        raise TypeError(f"{caller}: gradient is {g.dtype}; pass a floating dtype")
    return g.astype(output.dtype)


def _own(g: Tensor) -> Tensor:
    """The gradient in memory of its own: what the walk yields may be borrowed from the seed or from another gradient."""
    return record("copy", g._data.copy(), (g, lambda g, y: g))


def _as_array(data: Any, dtype: Any) -> backend.Array:
    if isinstance(data, Tensor):
        raise TypeError("Tensor: the argument is a Tensor already; use it as it is, or .detach(), .astype(), .to()")
    return backend.numbers(data, dtype)


def _describe(t: Tensor) -> str:
    return f"tensor {t.name!r} of shape {t.shape}" if t.name else f"a tensor of shape {t.shape}"
