"""Arrays: the choice of the module that computes, NumPy or CuPy (on a GPU), and the differences between the two.

The rest of minigan computes with an array's own module, `of(array)`, and makes new arrays with the current module, `xp()`.

A GPU computes while Python runs ahead. Python waits for it only where it reads a value. So no training step reads values
(`float(t)`, `if array.any()`), and it copies nothing to the device but the user's minibatches and noise. Each operation on a
GPU is a kernel, and its launch takes longer than the computation on a small array: `fused` makes one kernel of several.
"""

import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, TypeVarTuple

import numpy
from numpy.typing import NDArray

from minigan.contexts import contextmanager

Array = numpy.ndarray  # for type checkers; a cupy.ndarray has the same methods
_NUMPYS = numpy.ndarray, numpy.generic  # NumPy's operations on arrays of shape () return the second
T = TypeVar("T")
Rest = TypeVarTuple("Rest")
import_module: Callable[[str], "ArrayModule"] = importlib.import_module  # type: ignore[assignment] # of "numpy" or "cupy"
_numpy = import_module("numpy")
_working: set[Any] = set()  # CuPy, after its test


def use(name: str, noise: str | None = None) -> None:
    """Make new tensors on this backend from now on: "numpy" or "cupy". Raises `BackendError` if it cannot work here.

    `noise`: the backend that draws the noise of a training step (z, dropout's masks, the penalty's mixing weights). None: the
    backend of the tensors. "numpy": the CPU. The same seed then gives the same run on both backends, but each draw is copied.
    """
    _Current.start = _choice(name, noise)
    _current.choice = _Current.start


def of(array: Any) -> "ArrayModule":
    """The module that computes on this array: numpy for NumPy's, cupy for CuPy's, whichever backend is current."""
    return _numpy if isinstance(array, _NUMPYS) else import_module("cupy")


def fused(formula: Callable[[Array, *Rest], T]) -> Callable[[Array, *Rest], T]:
    """Decorates a formula on arrays: under CuPy it becomes one kernel, instead of one for each of its operations.

    The formula is Python, the same for both backends. It is computed on the device of its first argument, an array. It may
    change its arguments in place. Numbers among the arguments take the first array's dtype. Inside the formula, numbers may be
    combined with arrays only, since CuPy 13 and 14 differ in the dtype of an operation on two numbers: the caller computes
    `1 - beta`.
    """

    kernel = functools.cache(lambda xp: xp.fuse(formula))  # made at the first call

    @functools.wraps(formula)
    def call(x: Array, *others: *Rest) -> T:
        if isinstance(x, _NUMPYS):
            return formula(x, *others)
        return kernel(of(x))(x, *[x.dtype.type(v) if isinstance(v, int | float) else v for v in others])

    return call


def to_numpy(array: Any) -> NDArray[Any]:
    """A NumPy array of the same values: the array itself under NumPy, a copy from the device under CuPy."""
    return array.get() if on_device(array) else numpy.asarray(_not_masked(array))


class ArrayModule(ModuleType):
    """NumPy or CuPy as type checkers see it: a module whose functions return arrays."""

    if TYPE_CHECKING:
        add: Any
        cuda: Any
        lib: Any
        linalg: Any
        random: Any
        promote_types: Callable[..., numpy.dtype[Any]]
        ElementwiseKernel: Callable[..., Callable[..., Array]]

        def fuse(self, formula: Callable[..., T]) -> Callable[..., T]: ...

        def __getattr__(self, name: str) -> Callable[..., Array]: ...


class BackendError(RuntimeError):
    """The backend is unknown or cannot work here. The message names the packages to install."""

    __module__ = "minigan.backend"  # the name under which users catch it


@contextmanager
def using(name: str, noise: str | None = None) -> Iterator[None]:
    """`with using("cupy"):` chooses a backend for a block, as `use`, and restores the previous one after it."""
    before, _current.choice = _current.choice, _choice(name, noise)
    try:
        yield
    finally:
        _current.choice = before


def name() -> str:
    """The current backend's name: "numpy" or "cupy"."""
    return _current.choice[0]


def xp() -> "ArrayModule":
    """The current array module, which makes new arrays."""
    return _current.choice[1]


def noise_name() -> str:
    """The backend that draws the noise of a training step; see `use`."""
    return _current.choice[2]


class _Current(threading.local):
    """The current choice: name, module, the noise's backend. Each thread has its own, and starts with the last `use`'s."""

    start = ("numpy", _numpy, "numpy")

    def __init__(self) -> None:
        self.choice = _Current.start


_current = _Current()


def _choice(name: str, noise: str | None) -> tuple[str, ArrayModule, str]:
    if noise is not None and not (isinstance(noise, str) and noise in ("numpy", name)):
        raise BackendError(f"noise={noise!r} with the {name} backend: choose None or 'numpy'")
    return name, _load(name), noise or name


def _load(name: str) -> ArrayModule:
    """The array module of this name. CuPy loads its libraries late, so it is tested here and does not fail during training."""
    if not isinstance(name, str) or name not in ("numpy", "cupy"):
        raise BackendError(f"unknown backend {name!r}: choose 'numpy' or 'cupy'")
    if name == "numpy":
        return _numpy
    pip = "pip install 'minigan[cuda12]' (or 'minigan[cuda13]')"
    needs = f"CuPy: {pip}"
    try:
        cupy = import_module("cupy")
        if cupy not in _working:
            needs = "an NVIDIA GPU and NVIDIA's driver, new enough for this CuPy"
            x = cupy.zeros((2, 2), "float32")
            needs = f"NVIDIA's NVRTC and cuBLAS: {pip}; before CuPy 14, a CUDA toolkit"
            float(((x + x) @ x)[0, 0])  # a kernel that NVRTC compiles, a product by cuBLAS, and a wait for both
            _working.add(cupy)
    except Exception as error:  # of many types: `needs` names the first missing part
        raise BackendError(f"the cupy backend needs {needs} ({' '.join(str(error).split())})") from None
    return cupy


def is_array(value: object) -> TypeGuard[Array]:
    """Is this an array of NumPy or of CuPy (and not a number, a list or a Tensor)?"""
    return isinstance(value, numpy.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def on_device(value: object) -> bool:
    """Is this an array of CuPy?"""
    return not isinstance(value, numpy.ndarray) and is_array(value)


def asarray(data: Any, dtype: Any = None) -> Array:
    """`data` as an array of the current backend: shared if it is one already, else copied or moved.

    An array on a GPU stays there: only `to_numpy` and `move` wait for a copy.
    """
    return (of(data) if on_device(data) else xp()).asarray(_not_masked(data), dtype=dtype)


def _not_masked(data: Any) -> Any:
    if isinstance(data, numpy.ma.MaskedArray):  # an ordinary array would silently include the masked elements
        raise TypeError("a masked array would lose its mask here: pass .filled(value) or .compressed(), or mask with where()")
    return data


def constant(value: float, dtype: Any, like: Array) -> Array:
    """A number as an array of shape (), on the device of the array `like`. Under CuPy it is made once and kept."""
    if isinstance(like, numpy.ndarray):
        return numpy.asarray(value, dtype=dtype)
    return _kept_constant(of(like), value, repr(value), numpy.dtype(dtype))  # repr tells -0.0 from 0.0, which are equal keys


@functools.lru_cache(maxsize=1000)
def _kept_constant(module: "ArrayModule", value: float, digits: str, dtype: numpy.dtype[Any]) -> Array:
    return module.full((), value, dtype)


def move(array: Any, name: str) -> Array:
    """The array on the named backend; the array itself if it is there already."""
    return to_numpy(array) if isinstance(name, str) and name == "numpy" else _load(name).asarray(array)


def copy_to_numpy(array: Any) -> NDArray[Any]:
    """A NumPy array of the same values in memory of its own, for a saved state."""
    return numpy.array(to_numpy(array))


def owner(array: Array) -> Array:
    """The array that owns the memory: this one, or the one of which it is a view."""
    base = array.base
    while base is not None and hasattr(base, "base"):  # the last base may be a file or a buffer
        array = base if is_array(base) else array
        base = base.base
    return array


def overlaps(arrays: Sequence[Array]) -> Iterator[tuple[int, int]]:
    """The positions (i, j), i < j, of all pairs of arrays that share elements. A write into one changes the other."""
    by_address = [_with_addresses_of(array) for array in arrays]
    bounds = [numpy.lib.array_utils.byte_bounds(array) for array in by_address]
    before: list[int] = []  # arrays that begin at a lower address and end after arrays[j] begins
    for j in sorted(range(len(arrays)), key=bounds.__getitem__):
        before = [i for i in before if bounds[i][1] > bounds[j][0]]
        yield from ((min(i, j), max(i, j)) for i in before if numpy.shares_memory(by_address[i], by_address[j]))
        before.append(j)


def _with_addresses_of(array: Any) -> NDArray[Any]:
    """A NumPy array with the addresses of this one, to compare addresses only: its elements cannot be read."""
    if isinstance(array, numpy.ndarray):
        return array
    return numpy.asarray(SimpleNamespace(__array_interface__={**array.__cuda_array_interface__, "version": 3}))


def writable(array: Array) -> Array:
    """The array, or a copy if its elements share memory (a broadcast view) or NumPy forbids writing (a read-only file)."""
    flags, sizes = array.flags, zip(array.strides, array.shape, strict=True)
    shared = not flags.c_contiguous and any([stride == 0 and n > 1 for stride, n in sizes])
    return array.copy() if (shared and array.size) or not getattr(flags, "writeable", True) else array


# --- differences on a GPU -----------------------------------------------------------------------------------------------


def chunking_pays(array: Array) -> bool:
    """Whether to process the array in chunks. NumPy's chunks fit a core's cache; on a GPU, each call is a kernel launch."""
    return isinstance(array, numpy.ndarray)


def readable_without_sync(array: Array) -> bool:
    """Whether Python can read the values without waiting for a GPU. (Today the same arrays as for `chunking_pays`.)"""
    return isinstance(array, numpy.ndarray)


def synchronize() -> None:
    """Wait until the device has finished. Does nothing under NumPy."""
    if name() == "cupy":
        xp().cuda.get_current_stream().synchronize()


def concatenate(arrays: Sequence[Array], axis: int = 0) -> Array:
    """The arrays one after another. For more than eight, CuPy copies a table from the CPU, so it gets eight at a time."""
    while on_device(arrays[0]) and len(arrays) > 8:
        arrays = [of(arrays[0]).concatenate(arrays[i : i + 8], axis) for i in range(0, len(arrays), 8)]
    return of(arrays[0]).concatenate(arrays, axis)


try:
    use(os.environ.get("MINIGAN_BACKEND") or "numpy")
except BackendError as error:
    raise BackendError(f"MINIGAN_BACKEND={os.environ['MINIGAN_BACKEND']}: {error}") from None
