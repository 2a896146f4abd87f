"""The ops' arguments: numbers and arrays become Tensors, their dtypes agree, shapes are checked.

The dtype rules of all ops:
- Python numbers and NumPy scalars are weak: they take the tensors' dtype.
- Integers and booleans next to floats take the floats' dtype, so float32 stays float32. Among floats the wider wins.
- An op that needs floats converts integers to float32.
- Arithmetic among integers is done in int64, since small ones (images of uint8) would wrap around. Only uint64 stays uint64;
  next to other integers it becomes int64 too, and a number that is too large for int64 raises.
"""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.engine.methods import Axis
from minigan.engine.modes import checking_values
from minigan.engine.tensor import Tensor, record
from minigan.engine.versions import version_of_memory

Operand = Tensor | Array | np.generic | float | Sequence[Any]  # an op's argument; the last is a nested list of numbers


def operand(name: str, x: Operand) -> Tensor:
    """The argument of an op of one input, as a Tensor."""
    return x if isinstance(x, Tensor) else tensors(name, x)[0]


def wide(name: str, x: Operand) -> Tensor:
    """The argument of arithmetic, such as square: integers become int64, except uint64."""
    x = x if isinstance(x, Tensor) else tensors(name, x)[0]
    return x.astype("int64") if x._data.dtype.kind in "iu" and x._data.dtype != "uint64" else x


def signed(name: str, x: Tensor) -> Tensor:
    """The argument of an op whose result may be negative: uint64 becomes int64, if the values fit."""
    return _as_tensor(name, x, "int64", None) if x._data.dtype.kind == "u" else x


def floating(name: str, x: Operand) -> Tensor:
    """The argument of an op that needs a float, such as exp; integers become float32."""
    x = x if isinstance(x, Tensor) else tensors(name, x)[0]
    return x if x._data.dtype.kind == "f" else x.astype("float32")


def operands(name: str, a: Operand, b: Operand, widen: bool = True) -> tuple[Tensor, Tensor]:
    """The two arguments of an elementwise op: Tensors of agreeing dtypes, whose shapes broadcast."""
    a, b = pair(name, a, b, widen)
    if a._data.shape != b._data.shape:
        check_broadcast(name, a.shape, b.shape)
    return a, b


def pair(name: str, a: Operand, b: Operand, widen: bool = True) -> tuple[Tensor, Tensor]:
    """`tensors` for two arguments, with the frequent cases first."""
    if isinstance(a, Tensor) and a._data.dtype.kind == "f":
        if isinstance(b, Tensor) and a._data.dtype is b._data.dtype and type(a._data) is type(b._data):
            return a, b
        if isinstance(b, int | float):
            return a, _constant(b, a)
        if type(b) is type(a._data) and b.dtype is a._data.dtype:
            return a, Tensor._of(b, version_of_memory(b))
    elif isinstance(a, int | float) and isinstance(b, Tensor) and b._data.dtype.kind == "f":
        return _constant(a, b), b
    a, b = tensors(name, a, b, widen=widen)
    return a, b


def _constant(value: float, like: Tensor) -> Tensor:
    """A number as a Tensor of shape (), of the dtype and on the backend of the other argument."""
    return Tensor._of(backend.constant(value, like._data.dtype, like._data))


def tensors(name: str, *values: Operand, widen: bool = False) -> list[Tensor]:
    """Any number of arguments as Tensors of agreeing dtypes on one backend. Their shapes are not checked.

    `widen`: integers become int64, for arithmetic. An op that moves or compares values keeps their dtype.
    """
    strong = [v for v in values if isinstance(v, Tensor) or backend.is_array(v)]
    for position, v in enumerate(values):
        if not (isinstance(v, Tensor | bool | int | float | list | tuple) or backend.is_array(v) or hasattr(v, "dtype")):
            raise TypeError(f"{name}: argument {position + 1} is a {type(v).__name__}; expected a Tensor, an array or a number")
    dtype = _common_dtype(name, strong, [v for v in values if not (isinstance(v, Tensor) or backend.is_array(v))])
    dtype = "int64" if widen and np.dtype(dtype).kind in "iu" and dtype != "uint64" else dtype
    like = next((v for v in strong if isinstance(v, Tensor)), None)
    result = [_as_tensor(name, v, dtype, like) for v in values]
    if len({type(t._data) for t in result}) > 1:
        places = ", ".join(f"argument {i + 1} on {t.xp.__name__}" for i, t in enumerate(result))
        raise TypeError(f"{name}: the arguments live on different backends: {places}; move one with .to()")
    return result


def _common_dtype(name: str, strong: list[Any], weak: list[Any]) -> Any:
    """The dtype that numbers, integers and booleans take next to the others."""
    dtypes = [v.dtype for v in strong]
    floats = [d for d in dtypes if d.kind == "f"]
    if floats:
        return max(floats, key=lambda d: d.itemsize)
    kinds = {"i" if type(v) is int else _as_tensor(name, v, None, None).dtype.kind for v in weak}
    if "f" in kinds or not dtypes:
        return "float32"
    if all(d.kind == "b" for d in dtypes):
        return "bool" if kinds <= {"b"} else "int64"
    if all(d == "uint64" for d in dtypes) and all(isinstance(v, Integral) and int(v) >= 0 for v in weak):
        return "uint64"
    return dtypes[0] if len(set(dtypes)) == 1 and not weak else "int64"  # wide enough for any number next to it


def _as_tensor(name: str, value: Any, dtype: Any, like: Tensor | None) -> Tensor:
    if dtype == "int64" and getattr(value, "dtype", None) == "uint64":
        value = value if isinstance(value, Tensor) else Tensor(value)
        if value.size and (most := int(value.data.max())) >= 2**63:
            raise ValueError(
                f"{name}: {most} is too large for int64, in which signed integers are computed; pass floats instead"
            )
    if isinstance(value, Tensor):
        return value if value.dtype.kind == "f" else value.astype(dtype)
    try:
        if like is not None and dtype is not None and isinstance(value, int | float):
            return Tensor._of(backend.constant(value, dtype, like._data))
        return Tensor(value, dtype=None if backend.is_array(value) and value.dtype.kind == "f" else dtype)
    except OverflowError as error:
        raise ValueError(f"{name}: {value} is too large for {dtype}") from error
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


def linear(formula: Callable[..., Array], x: Tensor, by: Tensor, *numbers: float) -> Tensor:
    """The op y = formula(x, by, *numbers) for formulas y = a x, element by element, where a depends on the other arguments.

    The gradient for x is a g, the same formula of g. `by` is a constant: its history is dropped. It is still an input, so that
    the backward pass raises if it was changed in place.
    """
    by = Tensor._of(by._data, by._version)
    data = formula(x._data, by._data, *numbers)
    return record(formula.__name__.strip("_"), data, (x, lambda g, y: linear(formula, g, by, *numbers)), (by, _no_gradient))


def _no_gradient(g: Tensor, y: Tensor) -> Tensor:
    raise AssertionError("a constant's derivative is never called")


def labels_below(name: str, labels: Operand, classes: int) -> Array:
    """Class labels as an array. Raises TypeError unless they are integers, ValueError unless they are from 0 to classes - 1."""
    array = integers(name, labels)
    if can_check_values(array) and array.size and not (int(array.min()) >= 0 and int(array.max()) < classes):
        raise ValueError(f"{name}: labels from {int(array.min())} to {int(array.max())}; expected 0 to {classes - 1}")
    return backend.asarray(array)


def integers(name: str, labels: Operand) -> Array:
    """Class labels as an array, not yet moved to the current backend, so that they can be checked."""
    array = labels.data if isinstance(labels, Tensor) else labels if backend.is_array(labels) else np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels are {array.dtype}; expected integers, 0, 1, ...")
    return array


def can_check_values(array: Array) -> bool:
    """Whether an op checks the values of this argument. Values on a GPU are checked in debug mode only."""
    return backend.readable_without_sync(array) or checking_values()


def check_broadcast(name: str, *shapes: tuple[int, ...]) -> None:
    """Raise ValueError for shapes that do not broadcast: from the last axis on, sizes must be equal, or one of them 1."""
    first, *rest = shapes
    for shape in rest:
        if any(m != n and m != 1 and n != 1 for m, n in zip(reversed(first), reversed(shape), strict=False)):
            raise ValueError(
                f"{name}: shapes {first} and {shape} do not broadcast: from the last axis on, "
                "sizes must be equal or 1; use reshape or expand_dims"
            )


def axis_of(name: str, x: Tensor, axis: int) -> int:
    """The axis, counted from 0."""
    if axis is None or isinstance(axis, tuple | list):
        raise TypeError(f"{name}: axis is {axis!r}; expected an integer")
    return axes_of(name, x, axis)[0]


def axes_of(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    """`axis` (None: all) as a tuple of distinct axes, counted from 0."""
    if axis is None:
        return tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    for i in axes:
        if type(i) is not int and (isinstance(i, bool) or not isinstance(i, Integral)):
            raise TypeError(f"{name}: axis is {axis!r}; expected None, an integer or a tuple of integers")
        if not -x.ndim <= i < x.ndim:
            raise ValueError(f"{name}: axis {i} does not exist in shape {x.shape}")
    positive = tuple(int(i) % x.ndim for i in axes)
    if len(set(positive)) < len(positive):
        raise ValueError(f"{name}: axis {axis!r} names an axis of shape {x.shape} twice")
    return positive
