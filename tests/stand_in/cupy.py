"""A stand-in for CuPy, for machines without a GPU: arrays that hold NumPy's data, and refuse what CuPy's refuse.

They do not become NumPy arrays unasked, nor meet one in an operation; there are none of objects or strings; reductions
return arrays of shape (), not scalars; and a name that is not below does not exist (those below exist in CuPy 13 and 14).
Stricter than CuPy: NumPy's functions refuse them, where CuPy would step in for NumPy, so that a call of the wrong module
does not go unnoticed.

`transfers` counts copies: "to_device" of arrays, lists and numbers that become arrays; "to_host" of values that Python
waits for: `get`, `item`, `float(a)`, `if a`, and a boolean mask as index, as only the device knows how much it selects.
"""

import operator
from collections import Counter
from types import SimpleNamespace

import numpy as _np

__version__ = "14.0.0"
transfers: Counter = Counter()
_KINDS = "biufc"
_NUMBERS = (bool, int, float, complex, _np.number, _np.bool_)


class ndarray:  # noqa: N801
    """An array on the device."""

    def __init__(self, array: _np.ndarray, base: "ndarray | None" = None):
        if array.dtype.kind not in _KINDS:
            raise ValueError(f"Unsupported dtype {array.dtype}")
        self._a, self.base = array, base

    T = property(lambda self: self.transpose())
    __cuda_array_interface__ = property(lambda self: self._a.__array_interface__)

    @property
    def flags(self):
        return SimpleNamespace(c_contiguous=self._a.flags.c_contiguous, f_contiguous=self._a.flags.f_contiguous)

    # --- what CuPy refuses -------------------------------------------------------------------------------------------

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct one explicitly.")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        raise TypeError(f"numpy.{ufunc.__name__} was called on an array of the device")

    def __array_function__(self, function, types, args, options):
        raise TypeError(f"numpy.{function.__name__} was called on an array of the device")

    # --- to the host -------------------------------------------------------------------------------------------------

    def get(self):
        return _to_host(self).copy()

    def item(self):
        return _to_host(self).item()

    # --- indexing ----------------------------------------------------------------------------------------------------

    def __len__(self):
        return len(self._a)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        if _has_mask(index):
            transfers["to_host"] += 1
        where = _index(index)
        if not _has_ellipsis(where):  # for a view, where NumPy would return a scalar
            where = (*where, Ellipsis) if isinstance(where, tuple) else (where, Ellipsis)
        return _result(self._a[where], self)

    def __setitem__(self, index, value):
        if _has_mask(index) and _np.ndim(getattr(value, "_a", value)):
            transfers["to_host"] += 1
        where, operand = _index(index), _operand(value)
        self._a[where] = operand

    # --- methods -----------------------------------------------------------------------------------------------------

    def copy(self):
        return _result(self._a.copy())

    def astype(self, dtype, order="K", copy=True):
        return self if not copy and self.dtype == dtype else _result(self._a.astype(dtype, order=order))

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return array, (self.get(),)


for _name in ("shape", "ndim", "size", "dtype", "nbytes", "itemsize", "strides"):
    setattr(ndarray, _name, property(operator.attrgetter(f"_a.{_name}")))
for _name in ("tolist", "__float__", "__int__", "__bool__", "__complex__", "__index__", "__repr__", "__str__"):
    setattr(ndarray, _name, lambda self, _name=_name: getattr(_to_host(self), _name)())


def _method(name):
    def call(self, *args, **options):
        return _result(getattr(self._a, name)(*_operands(args), **_named(options)), self)

    return call


for _name in (
    *("reshape", "transpose", "swapaxes", "squeeze", "ravel", "repeat", "take", "clip"),
    *("sum", "mean", "var", "std", "prod", "max", "min", "all", "any", "argmax", "argmin", "cumsum"),
):
    setattr(ndarray, _name, _method(_name))


def _binary(function):
    def forward(self, other):
        return NotImplemented if _foreign(other) else _result(function(self._a, _operand(other)))

    def backward(self, other):
        return NotImplemented if _foreign(other) else _result(function(_operand(other), self._a))

    def in_place(self, other):
        operand = _operand(other)
        changed = _np.asarray(function(self._a, operand))
        if not _np.can_cast(changed.dtype, self.dtype, "same_kind"):
            raise TypeError(f"output (typecode '{changed.dtype.char}') could not be coerced to '{self.dtype.char}'")
        _np.copyto(self._a, changed, casting="same_kind")
        return self

    return forward, backward, in_place


def _foreign(other):
    """Something, such as a Tensor, that has operators of its own for this."""
    known = (ndarray, _np.ndarray, list, tuple, _NumberInAKernel, *_NUMBERS)
    return not isinstance(other, known) and hasattr(other, "__array_ufunc__")


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"):
    _function = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    for _prefix, _operator in zip(("", "r", "i"), _binary(_function), strict=True):
        setattr(ndarray, f"__{_prefix}{_name}__", _operator)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(ndarray, f"__{_name}__", _binary(getattr(operator, _name))[0])
ndarray.__hash__ = None
for _function in (operator.neg, operator.pos, operator.abs, operator.invert):
    setattr(ndarray, f"__{_function.__name__}__", lambda self, _function=_function: _result(_function(self._a)))


class _NumberInAKernel:
    """A number that a fused function gets: it may meet arrays only. Of two of them, CuPy makes a third in another dtype."""

    def __init__(self, value):
        self.value = value


# --- functions ----------------------------------------------------------------------------------------------------------


class ufunc:  # noqa: N801
    """An elementwise function."""

    def __init__(self, function):
        self._function, self.__name__ = function, function.__name__

    def __call__(self, *args, out=None, **options):
        operands = _operands(args)
        if out is None:
            return _result(self._function(*operands, **options))
        self._function(*operands, out=out._a, **options)
        return out

    def at(self, a, index, values):
        self._function.at(a._a, _index(index), _operand(values))


def _of_arrays(name):
    def call(*args, **options):
        if name == "concatenate" and len(args[0]) > 8:
            transfers["to_device"] += 1  # a table of addresses
        found = getattr(_np, name)(*_operands(args), **_named(options))
        return _result(found) if options.get("out") is None else options["out"]

    return call


for _name in (
    *("add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "negative", "abs", "square", "sqrt"),
    *("exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "isfinite", "isnan", "matmul"),
):
    globals()[_name] = ufunc(getattr(_np, _name))
for _name in (
    *("clip", "concatenate", "einsum", "expand_dims", "pad", "repeat", "stack", "tile", "where"),
    *("ones_like", "zeros_like", "sum", "mean"),
):
    globals()[_name] = _of_arrays(_name)
sign = ufunc(lambda x: _np.where(_np.isnan(x), 0, _np.sign(x)))  # CuPy 13's


def broadcast_to(a, shape):
    return _result(_np.broadcast_to(a._a, shape), a)


def array(data, dtype=None, copy=True, order="K"):
    if isinstance(data, ndarray):
        found = _np.array(data._a, dtype=dtype, order=order)
        same = found.dtype == data.dtype and (order == "K" or found.strides == data.strides)
        return data if same and not copy else _result(_np.array(data._a, dtype=dtype, order=order))
    transfers["to_device"] += 1
    return ndarray(_np.array(data, dtype=dtype, order=order))


def asarray(data, dtype=None, order="K"):
    return array(data, dtype, copy=False, order=order)


def _made(name):
    return lambda *args, **options: _result(getattr(_np, name)(*args, **options))


zeros, ones, arange, eye = map(_made, ("zeros", "ones", "arange", "eye"))


def empty(shape, dtype=float):
    """Nothing in particular: here something that no result may depend on."""
    return ndarray(_np.full(shape, 123, dtype))


def empty_like(a):
    return empty(a.shape, a.dtype)


def full(shape, value, dtype=None):
    if isinstance(value, ndarray):
        filled = empty(shape, dtype or value.dtype)
        filled[...] = value
        return filled
    if not isinstance(value, _NUMBERS):
        raise TypeError(f"Unsupported type {type(value)}")
    return _result(_np.full(shape, value, dtype))


def fuse(function):
    """One kernel: of arrays and typed numbers, and nothing else."""

    def kernel(*args):
        if not all(isinstance(a, ndarray | _np.generic | _NumberInAKernel) for a in args):
            raise TypeError(f"a kernel of {[type(a) for a in args]}")
        return function(*[_NumberInAKernel(a) if isinstance(a, _np.generic) else a for a in args])

    return kernel


class ElementwiseKernel:
    """The one kernel in C that there is: the windows of images, zeros outside."""

    def __init__(self, inputs, outputs, code, name, reduce_dims=True):
        assert name == "im2col"

    def __call__(self, x, top, left, sh, sw, dh, dw, y):
        for _, p, q, i, j, _ in _np.ndindex(1, *y.shape[1:5], 1):
            h, w = p * sh + i * dh - top, q * sw + j * dw - left
            inside = 0 <= h < x.shape[2] and 0 <= w < x.shape[3]
            y._a[:, p, q, i, j] = x._a[:, :, h, w] if inside else 0
        return y


promote_types = _np.promote_types


def _as_strided(x, shape, strides):
    return ndarray(_np.lib.stride_tricks.as_strided(x._a, shape, strides), x if x.base is None else x.base)


def _norm(x, axis=None, keepdims=False):
    return _result(_np.linalg.norm(x._a, axis=axis, keepdims=keepdims))


lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided))
linalg = SimpleNamespace(norm=_norm)


cuda = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None))


# --- between the two ----------------------------------------------------------------------------------------------------


def _to_host(a):
    transfers["to_host"] += 1
    return a._a


def _operand(value):
    """What an operation computes with: the device's data, or a number; nothing of the host's."""
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, _NumberInAKernel):
        return value.value
    if isinstance(value, _NUMBERS):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def _operands(args):
    """A function's arguments: arrays, sequences of arrays, and what is no array (axes, shapes, names)."""
    return [_argument(a) for a in args]


def _named(options):
    return {name: _argument(a) for name, a in options.items()}


def _argument(a):
    if isinstance(a, _np.ndarray):
        raise TypeError(f"Unsupported type {type(a)}")
    if isinstance(a, list) and any(isinstance(part, ndarray | _np.ndarray) for part in a):
        return [_operand(part) for part in a]
    return a._a if isinstance(a, ndarray) else a.value if isinstance(a, _NumberInAKernel) else a


def _index(index):
    return tuple(map(_index_part, index)) if isinstance(index, tuple) else _index_part(index)


def _index_part(i):
    if isinstance(i, ndarray):
        return i._a
    if isinstance(i, list | _np.ndarray):
        transfers["to_device"] += 1
    return i


def _has_ellipsis(index):
    return any(i is Ellipsis for i in (index if isinstance(index, tuple) else (index,)))


def _has_mask(index):
    return any(isinstance(i, ndarray) and i.dtype == bool for i in (index if isinstance(index, tuple) else (index,)))


def _result(found, source=None):
    """NumPy's result on the device: of shape () where NumPy returns a scalar, and with a base where it is a view."""
    found = _np.asarray(found)
    if source is not None and found.base is not None and _np.may_share_memory(found, source._a):
        return ndarray(found, source if source.base is None else source.base)
    return ndarray(found)
