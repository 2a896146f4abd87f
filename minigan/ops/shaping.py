"""Shapes and indexing. Each op moves elements. Its derivative moves the gradients back to the elements' old positions."""

import itertools
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy

from minigan import backend, checks
from minigan.backend import Array
from minigan.engine.modes import checking_values
from minigan.engine.tensor import Tensor, record
from minigan.ops.operands import Operand, axes_of, axis_of, labels_below, operand, tensors


def reshape(x: Operand, *shape: int | tuple[int, ...]) -> Tensor:
    """The same elements in another shape, as in NumPy: one size may be -1. A view if possible."""
    x = operand("reshape", x)
    try:
        data = x.data.reshape(*shape)  # type: ignore[arg-type] # sizes, or one tuple of them
    except (TypeError, ValueError) as error:
        raise type(error)(f"reshape: {x.size} elements of shape {x.shape} do not fill shape {shape}") from error
    return record("reshape", data, (x, lambda g, y: g.reshape(x.shape)))


def transpose(x: Operand, *axes: int | tuple[int, ...]) -> Tensor:
    """The axes in another order (none given: reversed): `transpose(x, 1, 0)` or `transpose(x, (1, 0))`. A view."""
    x = operand("transpose", x)
    if not axes or axes[0] is None:
        return record("transpose", x.data.T, (x, lambda g, y: transpose(g)))
    order = axes_of("transpose", x, axes[0] if len(axes) == 1 else axes)  # type: ignore[arg-type] # nested tuples raise
    if len(order) != x.ndim:
        raise ValueError(f"transpose: axes {order} do not name every axis of shape {x.shape}")
    back = tuple([order.index(i) for i in range(x.ndim)])
    return record("transpose", x.data.transpose(order), (x, lambda g, y: transpose(g, back)))


def moveaxis(x: Operand, source: int, destination: int) -> Tensor:
    """One axis moved to another position. The others keep their order."""
    x = operand("moveaxis", x)
    start, end = axis_of("moveaxis", x, source), axis_of("moveaxis", x, destination)
    order = [i for i in range(x.ndim) if i != start]
    order.insert(end, start)
    return transpose(x, tuple(order))


def broadcast_to(x: Operand, shape: int | Sequence[int]) -> Tensor:
    """x repeated along new axes and axes of size 1. The backward pass sums the gradient over them, as for every op."""
    x = operand("broadcast_to", x)
    try:
        data = x.xp.broadcast_to(x.data, shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"broadcast_to: shape {x.shape} does not broadcast to {shape}") from error
    return record("broadcast_to", data, (x, lambda g, y: g))


def expand_dims(x: Operand, axis: int | tuple[int, ...]) -> Tensor:
    """New axes of size 1, at these positions of the result."""
    x = operand("expand_dims", x)
    try:
        data = x.xp.expand_dims(x.data, axis)
    except (TypeError, ValueError, OverflowError) as error:  # NumPy's AxisError is a ValueError
        raise ValueError(f"expand_dims: axis {axis} does not fit shape {x.shape}") from error
    return reshape(x, data.shape)


def squeeze(x: Operand, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """x without these axes of size 1 (None: all of them)."""
    x = operand("squeeze", x)
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axes_of("squeeze", x, axis)
    if any(x.shape[i] != 1 for i in axes):
        raise ValueError(f"squeeze: axis {axis} of shape {x.shape} is not of size 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def flip(x: Operand, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """The elements in reverse order along these axes (None: all). A view."""
    x = operand("flip", x)
    axes = axes_of("flip", x, axis)
    return getitem(x, tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim)))


def pad(x: Operand, widths: Sequence[tuple[int, int]] | int, value: float = 0.0) -> Tensor:
    """A border of `value` around x. widths: one (before, after) for each axis, or one number for all sides.

    An integer dtype that cannot hold the value is widened, as by `where`.
    """
    x = operand("pad", x)
    pairs = (
        [tuple(p) if isinstance(p, list | tuple) else () for p in widths]
        if isinstance(widths, list | tuple)
        else [(widths, widths)] * x.ndim
    )
    if not isinstance(value, Real):
        raise TypeError(f"pad: value is {value!r}; expected a number")
    if not _holds(x.dtype, value):
        x = tensors("pad", x, value)[0]
    whole = all(isinstance(width, Integral) and width >= 0 for p in pairs for width in p)
    if len(pairs) != x.ndim or any(len(p) != 2 for p in pairs) or not whole:
        raise ValueError(f"pad: widths {widths} are not one (before, after), none negative, for each axis of shape {x.shape}")
    inside = tuple([slice(before, before + n) for (before, _), n in zip(pairs, x.shape, strict=True)])
    data = x.xp.pad(x.data, pairs, constant_values=value) if pairs else x.data.copy()
    return record("pad", data, (x, lambda g, y: getitem(g, inside)))


def concatenate(parts: Sequence[Operand], axis: int = 0) -> Tensor:
    """The parts one after another along an axis; each gets its slice of the gradient."""
    parts = _parts("concatenate", parts)
    i = axis_of("concatenate", parts[0], axis)
    if len({(p.ndim, p.shape[:i], p.shape[i + 1 :]) for p in parts}) > 1:
        raise ValueError(f"concatenate: shapes {[p.shape for p in parts]} differ in another axis than {axis}")
    pairs, start = [], 0
    for part in parts:
        index = (slice(None),) * i + (slice(start, start + part.shape[i]),)
        pairs.append((part, lambda g, y, index=index: getitem(g, index)))
        start += part.shape[i]
    return record("concatenate", backend.concatenate([p.data for p in parts], i), *pairs)


def stack(parts: Sequence[Operand], axis: int = 0) -> Tensor:
    """The parts, all of one shape, one after another along a new axis."""
    parts = _parts("stack", parts)
    if any(p.shape != parts[0].shape for p in parts):
        raise ValueError(f"stack: the shapes differ: {[p.shape for p in parts]}")
    return concatenate([expand_dims(p, axis) for p in parts], axis)


def split(x: Operand, sections: int | Sequence[int] | Array, axis: int = 0) -> list[Tensor]:
    """x cut along an axis: into this many equal parts, or before each of these positions."""
    x = operand("split", x)
    i = axis_of("split", x, axis)
    n = x.shape[i]
    if not (isinstance(sections, list | tuple | range | Integral) or backend.is_array(sections)):
        raise TypeError(f"split: sections is {sections!r}; expected a number of parts, or a list of positions")
    if isinstance(sections, int):
        if sections < 1 or n % sections:
            raise ValueError(f"split: axis {axis} of shape {x.shape} does not divide into {sections} equal parts")
        sections = range(n // sections, n, n // sections) if n else [0] * (sections - 1)
    bounds = [0, *sections, n]
    return [x[(slice(None),) * i + (slice(a, b),)] for a, b in itertools.pairwise(bounds)]


def take(x: Operand, indices: Operand, axis: int | None = None) -> Tensor:
    """The elements at these positions along an axis (None: of the flattened array)."""
    x = operand("take", x)
    if axis is None:
        return getitem(reshape(x, -1), (indices,))
    i = axis_of("take", x, axis)
    return getitem(x, (slice(None),) * i + (indices,))


def getitem(x: Operand, index: Any) -> Tensor:
    """x[index], as in NumPy: slices, integers, None, Ellipsis, boolean masks, integer arrays (repeats included)."""
    x = operand("getitem", x)
    index = _frozen_index(index)
    try:
        if checking_values():  # CuPy wraps indices around instead of raising
            numpy.broadcast_to(numpy.int8(0), x.shape)[_on_cpu(index)]
        data = x.data[index]
    except (IndexError, TypeError, ValueError, OverflowError) as error:
        raise IndexError(f"getitem: index {index!r} does not fit shape {x.shape}: {error}") from error
    return record("getitem", data, (x, lambda g, y: _put(g, index, x.shape)))


def _on_cpu(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple([_on_cpu(i) for i in index])
    return backend.to_numpy(index) if backend.is_array(index) else index


def _put(g: Tensor, index: Any, shape: tuple[int, ...]) -> Tensor:
    """getitem's derivative: zeros of this shape, plus g at the index. An element that is indexed twice gets both gradients."""
    data = g.xp.zeros(shape, dtype=g.dtype)
    if _may_repeat(index):
        g.xp.add.at(data, index, g.data)
    else:
        data[index] = g.data
    return record("put", data, (g, lambda g2, y: getitem(g2, index)))


def _holds(dtype: numpy.dtype[Any], value: float) -> bool:
    """Whether this dtype represents this number exactly. uint8 represents 255, but neither -1 nor 0.5."""
    if dtype.kind == "f":
        return True
    least, most = (0, 1) if dtype.kind == "b" else (numpy.iinfo(dtype).min, numpy.iinfo(dtype).max)
    return least <= value <= most and value % 1 == 0


def one_hot(labels: Operand, classes: int, dtype: Any = "float32") -> Tensor:
    """Integer labels (...) in [0, classes) as rows of zeros with a single 1: (..., classes). A constant."""
    array = labels_below("one_hot", labels, checks.whole("one_hot", "classes", classes))
    xp = backend.of(array)
    codes = xp.zeros((*array.shape, classes), dtype=dtype)
    codes.reshape(-1, classes)[xp.arange(array.size), array.reshape(-1)] = 1
    return Tensor(codes)


def _parts(name: str, parts: Sequence[Operand]) -> list[Tensor]:
    if not (isinstance(parts, list | tuple) or (backend.is_array(parts) and parts.ndim)) or not len(parts):
        raise ValueError(f"{name}: expected a list of tensors, at least one; got {parts!r}")
    return tensors(name, *parts)


def _frozen_index(index: Any) -> Any:
    """The index with tensors as arrays, and arrays copied, so that later changes of them do not affect the backward pass."""
    if isinstance(index, tuple):
        return tuple([_frozen_index(list(i) if isinstance(i, tuple) else i) for i in index])  # x[(0, 1), :] is x[[0, 1], :]
    if isinstance(index, list):
        return backend.asarray(index) if index else backend.asarray(index, dtype="int64")
    if isinstance(index, Tensor):
        return index.data.copy()
    if backend.is_array(index) or not (index in (None, Ellipsis) or isinstance(index, slice) or hasattr(index, "__index__")):
        return backend.asarray(index).copy()
    return index


def _may_repeat(index: Any) -> bool:
    """Whether the index may contain an element twice: only arrays of integers can."""
    return any(backend.is_array(i) and i.dtype.kind in "iu" for i in (index if isinstance(index, tuple) else (index,)))
