"""A Tensor as an array: its attributes, assignment to them, and Python's protocols (len, bool, iteration, copy, ...).

Nothing here is differentiated. Conversions that gradients flow through (`astype`, `to`) are ops: see `minigan.ops.conversions`.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Protocol, Self, TypeVar

import numpy
from numpy.typing import NDArray

from minigan import backend
from minigan.engine import as_html, as_text, errors, versions
from minigan.engine.errors import describe
from minigan.engine.methods import TensorMethods
from minigan.engine.modes import mode

T = TypeVar("T", covariant=True)


class Attribute(Protocol[T]):
    """A property as type checkers see it: what is read has type T, and more than that can be assigned."""

    def __get__(self, instance: Any, owner: type | None = None) -> T: ...
    def __set__(self, instance: Any, value: Any) -> None: ...


def _attribute(path: str, assign: Callable[[Any, Any], None] | None = None, doc: str = "") -> Any:
    """A property that reads the attribute behind this path.

    attrgetter is written in C: a debugger that steps into `x.shape * 2` does not stop in here.
    """
    return property(attrgetter(path), assign, doc=doc)


class _CalledByNumPy:
    """`__array_ufunc__`. NumPy looks it up in the class, and calls it for `np.ones(3) * t` and for np.exp(t).

    CuPy looks it up in the tensor, where None makes it leave `a * t` to the Tensor.
    """

    def __get__(self, tensor: Any, owner: type) -> Any:
        return _called_by_numpy if tensor is None else None


_OPERATORS = {  # NumPy's function: the operator of its first argument, and that of its second
    "add": ("__add__", "__radd__"),
    "subtract": ("__sub__", "__rsub__"),
    "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__", "__rtruediv__"),
    "power": ("__pow__", "__rpow__"),
    "matmul": ("__matmul__", "__rmatmul__"),
    "equal": ("__eq__", "__eq__"),
    "not_equal": ("__ne__", "__ne__"),
    "less": ("__lt__", "__gt__"),
    "less_equal": ("__le__", "__ge__"),
    "greater": ("__gt__", "__lt__"),
    "greater_equal": ("__ge__", "__le__"),
}


def _called_by_numpy(tensor: Any, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """The Tensor's own operator. Raises TypeError for any other function: its result would have no gradient."""
    name = ufunc.__name__
    if name in _OPERATORS and method == "__call__" and not options:
        a, b = inputs
        of_first, of_second = _OPERATORS[name]
        return getattr(a, of_first)(b) if isinstance(a, TensorAsArray) else getattr(b, of_second)(a)
    raise _no_gradient(f"np.{name}", _ours(name) or "minigan has no such op, but mg.record makes one")


def _ours(name: str) -> str | None:
    """The remedy, if minigan has NumPy's function of this name."""
    from minigan import ops, other_names  # here: ops are made of tensors

    name = {"absolute": "abs", "amax": "max", "amin": "min"}.get(name, name)
    ours = f"mg.{name}" if name in ops.__all__ else other_names.OURS["minigan"].get(name)
    return ours and f"use {ours}"


def _no_gradient(name: str, remedy: str) -> TypeError:
    return TypeError(f"{name}: NumPy's result would have no gradient: {remedy}; t.numpy() has the values")


class TensorAsArray(TensorMethods):
    """The base class of `Tensor`: everything that differentiation itself does not need.

    `_version` is [count of changes in place], one list for all tensors that share this memory. `_version_when_made` is the
    count when an op made this tensor (see `versions`). `_is_parameter`: whether the tensor required a gradient as a leaf at
    some time, even if it is frozen now. `_origin`: the line that made it, if debug mode saw it (`debug.Origin`).
    """

    __slots__ = ("__weakref__", "_is_parameter", "_name", "_origin", "_version", "_version_when_made")
    _data: backend.Array  # in the slots of `Tensor`, as the next four
    _requires_grad: bool
    _grad: Self | None
    _op: str | None
    _edges: Sequence[tuple[Any, Any, int]]
    _version: list[int]
    _version_when_made: int
    _is_parameter: bool
    _name: str | None
    _origin: Any
    __array_ufunc__ = _CalledByNumPy()

    # --- the array ---------------------------------------------------------------------------------------------------

    shape: Attribute[tuple[int, ...]] = _attribute("_data.shape", doc="The array's shape, a tuple.")
    ndim: Attribute[int] = _attribute("_data.ndim", doc="The number of axes.")
    size: Attribute[int] = _attribute("_data.size", doc="The number of elements.")
    dtype: Attribute[numpy.dtype[Any]] = _attribute("_data.dtype", doc="The array's dtype.")

    @property
    def xp(self) -> backend.ArrayModule:
        """The module that computes on this array: numpy or cupy."""
        return backend.of(self._data)

    def _set_data(self, value: Any) -> None:
        array = backend.move(as_array(value.data if isinstance(value, TensorAsArray) else value), self.xp.__name__)
        if array.shape != self.shape:
            raise ValueError(f"data: {describe(self)} cannot take an array of shape {array.shape}")
        if self.requires_grad and array.dtype.kind != "f":
            raise TypeError(f"data: {describe(self)} requires a gradient and cannot take {array.dtype}: use a float dtype")
        if array is not self._data:
            self._move(array.copy())  # unlike Tensor(array), which shares the user's memory
        self.changed_in_place()
        self.grad = self.grad  # .grad follows .data's dtype

    data: Attribute[backend.Array] = _attribute(
        "_data",
        _set_data,
        doc="""The array. Assign an array of the same shape to change the tensor in place.

        A backward pass through results of the old values then raises RuntimeError. minigan cannot see a write into the array
        by hand (`t.data[0] = 1`): do it before the forward pass, not after.
        """,
    )

    def numpy(self) -> NDArray[Any]:
        """The values as a NumPy array: the tensor's own memory under NumPy, a copy under CuPy. No gradient passes through."""
        versions.version_of_memory(self._data, self._version)  # tensors made of the array share it
        return backend.to_numpy(self._data)

    def item(self) -> Any:
        """The value of a tensor of one element as a Python number: a float, an int or a bool."""
        if self.size != 1:
            raise ValueError(f"item: {describe(self)} has {self.size} elements, not one; use .numpy()")
        return self._data.item()

    def _set_name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name: expected a string or None, got {name!r}, of type {type(name).__name__}")
        self._name = name

    name: Attribute[str | None] = _attribute(
        "_name", _set_name, doc="The tensor's name in `repr` and in errors: a string, or None."
    )

    # --- the flag and the gradient -----------------------------------------------------------------------------------

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor has no recorded op."""
        return not self._edges

    @property
    def is_parameter(self) -> bool:
        """Whether it is a leaf that requires a gradient, or did before it was frozen. A `Module` collects these."""
        return self._is_parameter and not self._edges

    def _set_requires_grad(self, flag: bool) -> None:
        if self._edges and not flag:
            raise RuntimeError(f"requires_grad: {describe(self)} is the result of {self._op}; use .detach() to cut it off")
        if flag is True and self.dtype.kind != "f":
            raise TypeError(f"requires_grad: {describe(self)} is {self.dtype}; only floats have gradients: .astype('float32')")
        if not isinstance(flag, bool) and type(flag).__name__ not in ("bool_", "bool"):
            raise TypeError(f"requires_grad: expected True or False, got {flag!r}")
        before, self._requires_grad = self._requires_grad, bool(flag)  # type: ignore[misc] # a slot of Tensor
        if self._requires_grad and not self._is_parameter:
            self._is_parameter = True
            versions.version_of_memory(self._data, self._version)  # arrays of this memory are known from now on
        if before is not self._requires_grad:
            for watcher in mode.watchers:
                watcher.froze(self)

    requires_grad: Attribute[bool] = _attribute(
        "_requires_grad",
        _set_requires_grad,
        doc="Whether gradients flow to this tensor. Settable on leaves: tensors without a recorded op.",
    )

    def _set_grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, TensorAsArray):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}; wrap it: Tensor(g)")
            if value.shape != self.shape:
                raise ValueError(f"grad: {describe(self)} cannot take a gradient of shape {value.shape}")
            value = value.to(self.xp.__name__).astype(self.dtype)
        self._grad = value  # type: ignore[misc] # a slot of Tensor

    grad: Attribute[Self | None] = _attribute(
        "_grad",
        _set_grad,
        doc="The sum of the gradients of all backward passes so far, or None. Settable: a Tensor of the same shape, or None.",
    )

    # --- how it was made ---------------------------------------------------------------------------------------------

    @property
    def op(self) -> str | None:
        """The name of the recorded op that made this tensor, such as "affine"; None for a leaf."""
        return self._op

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The op's inputs, Tensors in the op's order; () for a leaf."""
        return tuple([x for x, _, _ in self._edges])

    @property
    def derivatives(self) -> tuple[Any, ...]:
        """For each of `inputs` the function derivative(g, y) that returns its gradient, or None where none is wanted.

        `g` is the gradient that arrives at this tensor, and `y` this tensor: both Tensors (see `record`).
        """
        return tuple([derivative for _, derivative, _ in self._edges])

    # --- changes in place --------------------------------------------------------------------------------------------

    def writable(self) -> backend.Array:
        """The array, to write into it (see `changed_in_place`). It is copied first if NumPy forbids writing."""
        array = backend.writable(self._data)
        if array is not self._data:
            self._move(array)
        return self._data

    def changed_in_place(self) -> None:
        """Count a change in place. Code that writes into `.data`'s memory calls this afterwards (see `optim`)."""
        self._version[0] += 1
        for watcher in mode.watchers:
            watcher.changed(self)

    def relocate(self, name: str) -> None:
        """Move the array to the backend "numpy" or "cupy", and the gradient with it: a change in place (see `Module.to`)."""
        array = backend.move(self._data, name)
        if array is not self._data:
            self._move(array)
        self.changed_in_place()
        self.grad = self.grad

    def _move(self, array: backend.Array) -> None:
        """Hold another array. Tensors in the old memory count as changed, and so does this one. Later changes are its own."""
        count = self._version[0]
        self._version[0] += 1
        self._data = array  # type: ignore[misc] # a slot of Tensor
        self._version = versions.version_of_memory(array, [count])

    # --- Python's protocols ------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return as_text.text(self)

    def _repr_html_(self) -> str:
        """The tensor in a notebook: numbers about the values, and a picture."""
        return as_html.html(self)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a tensor of shape () has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"index: {describe(self)} is {self.dtype}; only integers can index")
        return int(self.item())

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).data.any())

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        """For np.sum(t), np.concatenate([t]), ...: TypeError if minigan has the function, else NumPy's own result.

        NumPy's own functions take the values by `__array__`, which refuses a tensor that requires a gradient.
        """
        if remedy := _ours(function.__name__):
            raise _no_gradient(f"{function.__module__.replace('numpy', 'np')}.{function.__name__}", remedy)
        return numpy.ndarray.__array_function__(numpy.empty(0), function, (), args, options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if self.requires_grad:
            raise TypeError(f"{describe(self)} requires a gradient, which NumPy would lose: use minigan's op, or .detach()")
        array = self.numpy() if dtype is None else self.numpy().astype(dtype, copy=False)
        return array.copy() if copy else array

    def __reduce__(self) -> tuple[Any, ...]:
        """For `copy` and `pickle`: the values without `.grad`, and the flags. A frozen parameter stays a parameter."""
        if self._edges:
            raise errors.copied_history(self)
        flags = {"_is_parameter": self.is_parameter}
        return type(self), (self._data.copy(), self.requires_grad, None, self.name), (None, flags)


def as_array(data: Any, dtype: Any = None) -> backend.Array:
    """`data` as an array of real numbers or booleans on the current backend.

    An array is shared and keeps its dtype. Numbers and lists become float32, lists of booleans stay boolean. `dtype` converts.
    Raises TypeError or ValueError for all else, such as complex numbers and Tensors.
    """
    if isinstance(data, TensorAsArray):
        raise TypeError("Tensor: the argument is a Tensor already; use it as it is, or .detach(), .astype(), .to()")
    given = backend.is_array(data)
    try:
        array = data if given else numpy.asarray(data)
    except ValueError as error:
        raise ValueError(f"Tensor: cannot make an array of this {type(data).__name__}: {error}") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Tensor: {array.dtype} data (from a {type(data).__name__}); expected real numbers")
    if dtype is not None and numpy.dtype(dtype).kind not in "fiub":
        raise TypeError(f"Tensor: dtype {dtype!r} is not one of real numbers or booleans")
    from_python = not given and isinstance(data, int | float | list | tuple) and not hasattr(data, "dtype")  # as np.float64 has
    if dtype is None and from_python and array.dtype.kind != "b":
        dtype = "float32"
    return backend.asarray(array if dtype is None else array.astype(dtype, copy=False))
