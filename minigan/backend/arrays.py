"""Arrays: which module computes, NumPy or CuPy on a GPU, and what differs between the two.

The rest of minigan asks an array for its own module (`of(array)`), or, to make a new array, the current one (`xp()`).

A GPU works on while Python goes ahead, until Python asks for a number: then it waits. So nothing in a training step looks at
values (`float(t)`, `if array.any()`), and nothing but the user's own minibatches and noise is copied to the device. Each
operation on a GPU is a kernel, whose launch takes longer than a small array's computation: `fused` makes one of several.
"""

import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy
from numpy.typing import NDArray

from minigan.backend.cupy_im2col import windows as windows  # what `ops.convolution` uses in the place of strided views
from minigan.contexts import contextmanager

Array = numpy.ndarray  # for type checkers; a cupy.ndarray has the same methods
_NUMPYS = numpy.ndarray, numpy.generic  # the second is what NumPy's operations make of arrays of shape ()
Args = ParamSpec("Args")
T = TypeVar("T")
_working: set[Any] = set()  # CuPy, once it has been tried


def use(name: str, noise: str | None = None) -> None:
    """From here on, new tensors live on this backend: "numpy" or "cupy". Raises `BackendError` where it cannot work.

    `noise`: where minigan draws what a training step needs (z, dropout's masks, the penalty's mixing weights): None, where the
    tensors live; "numpy", on the CPU, so that the same seed gives the same run on both backends, but each draw is copied.
    """
    _Current.start = _choice(name, noise)
    _current.choice = _Current.start


def of(array: Any) -> "ArrayModule":
    """The module that computes on this array: numpy for NumPy's, cupy for CuPy's, whatever the current backend is."""
    module: Any = numpy if isinstance(array, _NUMPYS) else importlib.import_module("cupy")
    return module


def fused(formula: Callable[Args, T]) -> Callable[Args, T]:
    """Decorates a formula on arrays: under CuPy it becomes one kernel, instead of one for each of its operations.

    The formula is Python, the same for both. Its first argument is an array, on whose device it is computed; what it changes in
    place is changed. Numbers among the arguments take that array's dtype on the way into a kernel, where they may meet arrays
    only (CuPy 13 and 14 give results of numbers alone other dtypes): so `1 - beta` is computed by the caller.
    """

    kernel = functools.cache(lambda xp: xp.fuse(formula))  # made when it is first needed

    @functools.wraps(formula)
    def call(x: Any, *others: Any) -> Any:
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
        linalg: Any
        random: Any
        fuse: Any
        ElementwiseKernel: Any

        def __getattr__(self, name: str) -> Callable[..., Array]: ...


class BackendError(RuntimeError):
    """The array module asked for is unknown or cannot work here; the message says what to install."""

    __module__ = "minigan.backend"  # the name that users catch it by


@contextmanager
def using(name: str, noise: str | None = None) -> Iterator[None]:
    """`with using("cupy"):` chooses a backend for a block, as `use`, and the previous one again after it, come what may."""
    before, _current.choice = _current.choice, _choice(name, noise)
    try:
        yield
    finally:
        _current.choice = before


def name() -> str:
    """The current backend's name: "numpy" or "cupy"."""
    return _current.choice[0]


def xp() -> "ArrayModule":
    """The current array module, where new arrays are made."""
    return _current.choice[1]


def noise_name() -> str:
    """The backend that draws the noise of a training step; see `use`."""
    return _current.choice[2]


class _Current(threading.local):
    """What is in use; threads choose for themselves and start with the process's."""

    start = ("numpy", numpy, "numpy")

    def __init__(self) -> None:
        self.choice = _Current.start


_current = _Current()


def _choice(name: str, noise: str | None) -> tuple[str, Any, str]:
    if noise is not None and not (isinstance(noise, str) and noise in ("numpy", name)):
        raise BackendError(f"noise={noise!r} with the {name} backend: choose None or 'numpy'")
    return name, _load(name), noise or name


def _load(name: str) -> Any:
    """The array module of that name. CuPy looks for its libraries late, so it is tried here, not in the midst of a training."""
    if not isinstance(name, str) or name not in ("numpy", "cupy"):
        raise BackendError(f"unknown backend {name!r}: choose 'numpy' or 'cupy'")
    if name == "numpy":
        return numpy
    pip = "pip install 'minigan[cuda12]' (or 'minigan[cuda13]')"
    needs = f"CuPy: {pip}"
    try:
        cupy = importlib.import_module("cupy")
        if cupy not in _working:
            needs = "an NVIDIA GPU and NVIDIA's driver, new enough for this CuPy"
            x = cupy.zeros((2, 2), "float32")
            needs = f"NVIDIA's NVRTC and cuBLAS: {pip}; before CuPy 14, a CUDA toolkit"
            float(((x + x) @ x)[0, 0])  # a kernel that NVRTC compiles, a product by cuBLAS, and a wait for both
            _working.add(cupy)
    except Exception as error:  # of many types: how far it came tells what is missing
        raise BackendError(f"the cupy backend needs {needs} ({' '.join(str(error).split())})") from None
    return cupy


def is_array(value: object) -> bool:
    """Is this an array of NumPy or of CuPy (and not a number, a list or a Tensor)?"""
    return isinstance(value, numpy.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def on_device(value: object) -> bool:
    """Is this an array of CuPy?"""
    return not isinstance(value, numpy.ndarray) and is_array(value)


def asarray(data: Any, dtype: Any = None) -> Array:
    """`data` as an array of the current backend: shared where it is one already, else copied or moved.

    An array that lives on a GPU stays there: only who asks for it, by `to_numpy` or `move`, waits for a copy.
    """
    return (of(data) if on_device(data) else xp()).asarray(_not_masked(data), dtype=dtype)


def _not_masked(data: Any) -> Any:
    if isinstance(data, numpy.ma.MaskedArray):  # as an ordinary array, what it masks out would count again, without a word
        raise TypeError("a masked array would lose its mask here: pass .filled(value) or .compressed(), or mask with where()")
    return data


def constant(value: float, dtype: Any, like: Array) -> Array:
    """A number as an array of shape (), on the device of the array `like`: under CuPy filled in there once, and kept."""
    if isinstance(like, numpy.ndarray):
        return numpy.asarray(value, dtype=dtype)
    return _kept_constant(of(like), value, repr(value), numpy.dtype(dtype))  # repr tells -0.0 from 0.0, which are equal keys


@functools.lru_cache(maxsize=1000)
def _kept_constant(module: "ArrayModule", value: float, digits: str, dtype: numpy.dtype[Any]) -> Array:
    return module.full((), value, dtype)


def move(array: Any, name: str) -> Any:
    """The array on the named backend; itself where it is there already."""
    return to_numpy(array) if isinstance(name, str) and name == "numpy" else _load(name).asarray(array)


def copy_to_numpy(array: Any) -> NDArray[Any]:
    """A NumPy array of the same values in memory of its own: what a saved state holds."""
    return numpy.array(to_numpy(array))


def owner(array: Any) -> Any:
    """The array that owns the memory: this one, or that of which it is a view."""
    base = array.base
    while base is not None and hasattr(base, "base"):  # the last base may be a file or a buffer
        array = base if is_array(base) else array
        base = base.base
    return array


def overlaps(arrays: Sequence[Array]) -> Iterator[tuple[int, int]]:
    """The positions (i, j), i < j, of all pairs of arrays that share elements: who writes into one, writes into the other."""
    places = [_place(array) for array in arrays]
    bounds = [numpy.lib.array_utils.byte_bounds(place) for place in places]
    before: list[int] = []  # those that begin before, by address, and end later
    for j in sorted(range(len(arrays)), key=bounds.__getitem__):
        before = [i for i in before if bounds[i][1] > bounds[j][0]]
        yield from ((min(i, j), max(i, j)) for i in before if numpy.shares_memory(places[i], places[j]))
        before.append(j)


def _place(array: Any) -> NDArray[Any]:
    """A NumPy array with the addresses of this one: for comparisons, which read nothing there."""
    if not on_device(array):
        return array
    return numpy.asarray(SimpleNamespace(__array_interface__={**array.__cuda_array_interface__, "version": 3}))


def writable(array: Array) -> Array:
    """The array, or a copy where NumPy forbids writing: to memory-mapped files, and to broadcast views, as CuPy does not."""
    shared = any([stride == 0 and n > 1 for stride, n in zip(array.strides, array.shape, strict=True)])
    return array.copy() if (shared and array.size) or not getattr(array.flags, "writeable", True) else array


# --- what is done otherwise on a GPU ------------------------------------------------------------------------------------------


def pieces_pay(array: Array) -> bool:
    """Whether to go over such an array piece by piece: NumPy's stay in a core's cache, but each call is a launch on a GPU."""
    return isinstance(array, numpy.ndarray)


def at_hand(array: Array) -> bool:
    """Whether Python can look at the values at once, and need not wait for a GPU to finish: the same arrays, another reason."""
    return isinstance(array, numpy.ndarray)


def synchronize() -> None:
    """Wait until the device has finished; nothing to do under NumPy."""
    if name() == "cupy":
        xp().cuda.get_current_stream().synchronize()


def concatenate(arrays: Sequence[Array], axis: int = 0) -> Array:
    """The arrays one after another. CuPy copies a table from the CPU for more than eight: it gets eight at a time."""
    while on_device(arrays[0]) and len(arrays) > 8:
        arrays = [of(arrays[0]).concatenate(arrays[i : i + 8], axis) for i in range(0, len(arrays), 8)]
    return of(arrays[0]).concatenate(arrays, axis)


try:
    use(os.environ.get("MINIGAN_BACKEND") or "numpy")
except BackendError as error:
    raise BackendError(f"MINIGAN_BACKEND={os.environ['MINIGAN_BACKEND']}: {error}") from None
