"""Which array module computes: NumPy, or CuPy on a GPU. What differs between the two lives here, and nowhere else.

The rest of minigan asks an array for its own module (`of(array)`), or, to make a new array, the current one (`xp()`).
It never imports numpy or cupy to compute.
"""

import importlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy

Array = Any  # numpy.ndarray or cupy.ndarray

_CUPY_HELP = (
    "the cupy backend needs an NVIDIA GPU with its driver and the cupy package: "
    "pip install 'minigan[cuda12]' (or 'minigan[cuda13]'), or choose the numpy backend"
)


class BackendError(RuntimeError):
    """The array module asked for is unknown or cannot work here; the message says what is missing."""


def _load(name: str) -> ModuleType:
    """The array module of that name, imported and, for CuPy, tried on the device once."""
    if name == "numpy":
        return numpy
    if name != "cupy":
        raise BackendError(f"unknown backend {name!r}: choose 'numpy' or 'cupy'")
    try:
        cupy = importlib.import_module("cupy")
        cupy.zeros(1).sum().item()  # allocates and computes: fails here, not in the middle of a training run
    except ImportError as error:
        raise BackendError(f"cupy cannot be imported ({error}): {_CUPY_HELP}") from error
    except Exception as error:  # CuPy reports a missing driver or device by many exception types
        raise BackendError(f"cupy is installed but cannot compute ({error}): {_CUPY_HELP}") from error
    return cupy


class _Current(threading.local):
    """The backend in use; threads choose their own and start with the process's."""

    def __init__(self):
        self.name, self.module = _start


_start = ("numpy", numpy)
_current = _Current()


def use(name: str) -> None:
    """From here on, new tensors live on this backend: "numpy" or "cupy". Raises `BackendError` where it cannot work."""
    global _start
    module = _load(name)
    _start = _current.name, _current.module = name, module


@contextmanager
def using(name: str) -> Iterator[None]:
    """`with using("cupy"):` chooses a backend for a block, and the previous one again after it, come what may."""
    before = _current.name, _current.module
    _current.name, _current.module = name, _load(name)
    try:
        yield
    finally:
        _current.name, _current.module = before


def name() -> str:
    """The current backend's name: "numpy" or "cupy"."""
    return _current.name


def xp() -> ModuleType:
    """The current array module, where new arrays are made."""
    return _current.module


def of(array: Array) -> ModuleType:
    """The module that computes on this array: numpy for NumPy's, cupy for CuPy's, whatever the current backend is."""
    return numpy if isinstance(array, numpy.ndarray) else importlib.import_module("cupy")


def is_array(value: object) -> bool:
    """Is this an array of NumPy or of CuPy (and not a number, a list or a Tensor)?"""
    return isinstance(value, numpy.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def asarray(data: object, dtype: object = None) -> Array:
    """`data` as an array of the current backend: shared where it is one already, else copied or moved."""
    return _current.module.asarray(data, dtype=dtype)


def numbers(data: Any, dtype: Any = None) -> Array:
    """What a Tensor holds: `data` as an array of numbers or booleans on the current backend.

    An array is shared and keeps its dtype; numbers and lists become float32, lists of booleans stay boolean; `dtype` converts.
    Raises TypeError or ValueError for anything else. (Complex arrays serve gradcheck's complex step.)
    """
    try:
        array = asarray(data)
    except ValueError as error:
        raise ValueError(f"Tensor: cannot make an array of this {type(data).__name__}: {error}") from error
    if array.dtype.kind not in "fiubc" or (array.dtype.kind == "c" and not is_array(data)):
        raise TypeError(f"Tensor: {array.dtype} data (from a {type(data).__name__}); expected numbers")
    if dtype is None:
        from_python = isinstance(data, int | float | list | tuple) and not hasattr(data, "dtype")  # np.float64 is a float
        return array.astype("float32") if from_python and array.dtype.kind != "b" else array
    if numpy.dtype(dtype).kind not in "fiubc":
        raise TypeError(f"Tensor: dtype {dtype!r} is not one of numbers or booleans")
    return array.astype(dtype, copy=False)


def move(array: Array, name: str) -> Array:
    """The array on the named backend; itself where it is there already."""
    return to_numpy(array) if name == "numpy" else _load(name).asarray(array)


def to_numpy(array: Array) -> numpy.ndarray:
    """A NumPy array of the same values: the array itself under NumPy, a copy from the device under CuPy."""
    return array.get() if is_array(array) and not isinstance(array, numpy.ndarray) else numpy.asarray(array)


def copy_to_numpy(array: Array) -> numpy.ndarray:
    """A NumPy array of the same values in memory of its own: what a saved state holds."""
    return numpy.array(to_numpy(array))


def writable(array: Array) -> Array:
    """The array, or a copy of it where NumPy forbids writing (broadcast views, memory-mapped files)."""
    return array.copy() if isinstance(array, numpy.ndarray) and not array.flags.writeable else array


def synchronize() -> None:
    """Wait until the device has finished; nothing to do under NumPy."""
    if _current.name == "cupy":
        _current.module.cuda.get_current_stream().synchronize()


def add_at(array: Array, index: object, values: Array) -> None:
    """array[index] += values, in place, where an element that the index repeats is added to each time."""
    of(array).add.at(array, index, values)


# --- random numbers -------------------------------------------------------------------------------------------------

_generator = numpy.random.default_rng()


def seed(n: int) -> None:
    """Start minigan's default generator afresh from the integer `n`, 0 included."""
    global _generator
    _generator = numpy.random.default_rng(n)


def generator(rng: numpy.random.Generator | None = None) -> numpy.random.Generator:
    """`rng`, or else minigan's default generator. Raises TypeError for anything but a generator, such as a seed."""
    if rng is not None and not isinstance(rng, numpy.random.Generator):
        raise TypeError(f"rng is {rng!r}; expected a generator: numpy.random.default_rng(seed)")
    return _generator if rng is None else rng


def spawn(rng: numpy.random.Generator | None = None) -> numpy.random.Generator:
    """`rng`, or else a new generator that depends on the seed alone.

    Whoever draws again and again (a prior, a minibatch stream) owns one, so that no two of them share a stream and each can
    be saved and resumed by itself. For the same reason, do not give one `rng` to two of them.
    """
    return generator(rng) if rng is not None else _generator.spawn(1)[0]


def generator_state(rng: numpy.random.Generator) -> str:
    """Where a generator stands, as text (JSON: its integers have 128 bits) that `set_generator_state` takes back."""
    return json.dumps(rng.bit_generator.state, default=numpy.ndarray.tolist)


def set_generator_state(rng: numpy.random.Generator, state: str) -> None:
    """Put a generator back to where `generator_state` found it."""
    rng.bit_generator.state = json.loads(str(state))


use(os.environ.get("MINIGAN_BACKEND") or "numpy")
