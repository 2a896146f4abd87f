"""Arrays: which module computes, NumPy or CuPy on a GPU, and what differs between the two.

The rest of minigan asks an array for its own module (`of(array)`), or, to make a new array, the current one (`xp()`).
It never imports numpy or cupy to compute.

A GPU works on while Python goes ahead, until Python asks for a number: then it waits. So nothing in a training step looks at
values (`float(t)`, `if array.any()`), and nothing but the user's own minibatches and noise is copied to the device.
"""

import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy

Array = Any  # numpy.ndarray or cupy.ndarray
_Masked = numpy.ma.MaskedArray  # as an ordinary array, what it masks out would count again, without a word
_MASK_LOST = "a masked array would lose its mask here: pass .filled(value) or .compressed(), or mask with where()"

_PIP = "pip install 'minigan[cuda12]' (or 'minigan[cuda13]')"


class BackendError(RuntimeError):
    """The array module asked for is unknown or cannot work here; the message says what to install."""


def _load(name: str) -> ModuleType:
    """The array module of that name. CuPy looks for its libraries late, so it is tried here, not in the midst of a training."""
    if isinstance(name, str) and name == "numpy":
        return numpy
    if not isinstance(name, str) or name != "cupy":
        raise BackendError(f"unknown backend {name!r}: choose 'numpy' or 'cupy'")
    needs = f"CuPy: {_PIP}"
    try:
        cupy = importlib.import_module("cupy")
        if cupy not in _working:
            needs = "an NVIDIA GPU and NVIDIA's driver, new enough for this CuPy"
            x = cupy.zeros((2, 2), "float32")
            needs = f"NVIDIA's NVRTC and cuBLAS: {_PIP}; before CuPy 14, a CUDA toolkit"
            float(((x + x) @ x)[0, 0])  # a kernel that NVRTC compiles, a product by cuBLAS, and a wait for both
            _working.add(cupy)
    except Exception as error:  # of many types: how far it came tells what is missing
        said = " ".join(str(error).split())
        raise BackendError(f"the cupy backend needs {needs} ({said})") from None
    return cupy


_working: set[ModuleType] = set()  # what has been tried


class _Current(threading.local):
    """The backend in use; threads choose their own and start with the process's."""

    def __init__(self):
        self.choose(*_start)

    def choose(self, name: str, module: ModuleType, noise: str) -> None:
        self.name, self.module, self.noise = name, module, noise

    def choice(self) -> tuple[str, ModuleType, str]:
        return self.name, self.module, self.noise


_start = ("numpy", numpy, "numpy")
_current = _Current()


def use(name: str, noise: str | None = None) -> None:
    """From here on, new tensors live on this backend: "numpy" or "cupy". Raises `BackendError` where it cannot work.

    `noise`: where minigan draws what a training step needs (z, dropout's masks, the penalty's mixing weights): None, where the
    tensors live; "numpy", on the CPU, so that the same seed gives the same run on both backends, but each draw is copied.
    """
    global _start
    _start = _choice(name, noise)
    _current.choose(*_start)


@contextmanager
def using(name: str, noise: str | None = None) -> Iterator[None]:
    """`with using("cupy"):` chooses a backend for a block, as `use`, and the previous one again after it, come what may."""
    before = _current.choice()
    _current.choose(*_choice(name, noise))
    try:
        yield
    finally:
        _current.choose(*before)


def _choice(name: str, noise: str | None) -> tuple[str, ModuleType, str]:
    if noise is not None and not (isinstance(noise, str) and noise in ("numpy", name)):
        raise BackendError(f"noise={noise!r} with the {name} backend: choose None or 'numpy'")
    return name, _load(name), noise or name


def name() -> str:
    """The current backend's name: "numpy" or "cupy"."""
    return _current.name


def xp() -> ModuleType:
    """The current array module, where new arrays are made."""
    return _current.module


def noise_name() -> str:
    """The backend that draws the noise of a training step; see `use`."""
    return _current.noise


def of(array: Array) -> ModuleType:
    """The module that computes on this array: numpy for NumPy's, cupy for CuPy's, whatever the current backend is."""
    return numpy if isinstance(array, numpy.ndarray) else importlib.import_module("cupy")


def fused(formula: Callable) -> Callable:
    """Decorates a formula on arrays: under CuPy it becomes one kernel, instead of one for each of its operations.

    The formula is Python, the same for both. Its first argument is an array, on whose device it is computed; arrays that it
    changes in place are changed. Numbers among the arguments take that array's dtype on the way into a kernel, which has no
    weak ones; so there they may meet arrays only: what is computed from numbers alone (1 - beta) is computed by the caller.
    """

    @functools.wraps(formula)
    def call(x: Array, *others: Any) -> Any:
        if isinstance(x, numpy.ndarray):
            return formula(x, *others)
        return _kernel(of(x), formula)(x, *[x.dtype.type(v) if isinstance(v, int | float) else v for v in others])

    return call


@functools.cache
def _kernel(module: ModuleType, formula: Callable) -> Callable:
    return module.fuse(formula)


def is_array(value: object) -> bool:
    """Is this an array of NumPy or of CuPy (and not a number, a list or a Tensor)?"""
    return isinstance(value, numpy.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def on_device(value: object) -> bool:
    """Is this an array of CuPy?"""
    return not isinstance(value, numpy.ndarray) and is_array(value)


def asarray(data: object, dtype: object = None) -> Array:
    """`data` as an array of the current backend: shared where it is one already, else copied or moved.

    An array that lives on a GPU stays there: only who asks for it, by `to_numpy` or `move`, waits for a copy.
    """
    if isinstance(data, _Masked):
        raise TypeError(_MASK_LOST)
    return (of(data) if on_device(data) else _current.module).asarray(data, dtype=dtype)


def numbers(data: Any, dtype: Any = None) -> Array:
    """What a Tensor holds: `data` as an array of numbers or booleans on the current backend.

    An array is shared and keeps its dtype; numbers and lists become float32, lists of booleans stay boolean; `dtype` converts.
    Raises TypeError or ValueError for anything else. (Complex arrays serve gradcheck's complex step.)
    """
    try:
        array = data if is_array(data) else numpy.asarray(data)
    except ValueError as error:
        raise ValueError(f"Tensor: cannot make an array of this {type(data).__name__}: {error}") from error
    if array.dtype.kind not in "fiubc" or (array.dtype.kind == "c" and not is_array(data)):
        raise TypeError(f"Tensor: {array.dtype} data (from a {type(data).__name__}); expected numbers")
    if dtype is not None and numpy.dtype(dtype).kind not in "fiubc":
        raise TypeError(f"Tensor: dtype {dtype!r} is not one of numbers or booleans")
    if array.dtype.kind == "c" and dtype is not None and numpy.dtype(dtype).kind != "c":
        raise TypeError(f"Tensor: {array.dtype} data do not become {dtype}: their imaginary part would be lost")
    from_python = isinstance(data, int | float | list | tuple) and not hasattr(data, "dtype")  # np.float64 is a float
    if dtype is None and from_python and array.dtype.kind != "b":
        dtype = "float32"
    return asarray(array if dtype is None else array.astype(dtype, copy=False))


def constant(value: float, dtype: Any, like: Array) -> Array:
    """A number as an array of shape (), on the device of the array `like`.

    Under CuPy the GPU fills it in, once for each number: `asarray` would copy it from the CPU each time that an op meets it.
    """
    if isinstance(like, numpy.ndarray):
        return numpy.asarray(value, dtype=dtype)
    return _kept_constant(of(like), value, repr(value), numpy.dtype(dtype))


@functools.lru_cache(maxsize=1000)
def _kept_constant(module: ModuleType, value: float, digits: str, dtype: numpy.dtype) -> Array:
    """A constant that is kept for the next time. `digits` tells -0.0 from 0.0, which are equal keys."""
    return module.full((), value, dtype)


def move(array: Array, name: str) -> Array:
    """The array on the named backend; itself where it is there already."""
    return to_numpy(array) if isinstance(name, str) and name == "numpy" else _load(name).asarray(array)


def to_numpy(array: Array) -> numpy.ndarray:
    """A NumPy array of the same values: the array itself under NumPy, a copy from the device under CuPy."""
    if isinstance(array, _Masked):
        raise TypeError(_MASK_LOST)
    return array.get() if on_device(array) else numpy.asarray(array)


def copy_to_numpy(array: Array) -> numpy.ndarray:
    """A NumPy array of the same values in memory of its own: what a saved state holds."""
    return numpy.array(to_numpy(array))


def writable(array: Array) -> Array:
    """The array; a copy of it where NumPy forbids writing (memory-mapped files), or where elements share memory.

    They do in a broadcast view, which CuPy would let us write into: every update would reach all of them.
    """
    axes = [] if array.flags.c_contiguous else sorted(zip(map(abs, array.strides), array.shape, strict=True))
    reach, shared = array.itemsize, False
    for stride, n in axes:  # from the smallest stride on: each must step beyond all that the ones before it reach
        shared |= n > 1 and stride < reach
        reach += stride * (n - 1)
    return array.copy() if shared or not getattr(array.flags, "writeable", True) else array


def concatenate(arrays: Sequence[Array], axis: int = 0, out: Array | None = None) -> Array:
    """The arrays one after another. CuPy copies a table from the CPU for more than eight: it gets eight at a time."""
    xp = of(arrays[0])
    while xp is not numpy and len(arrays) > 8:
        arrays = [xp.concatenate(arrays[i : i + 8], axis) for i in range(0, len(arrays), 8)]
    return xp.concatenate(arrays, axis, out=out)


def sums(a: Array, b: Array | None = None) -> Array:
    """(N, P, C) -> the sums of a, or of a * b, over all but the last axis: (C,).

    NumPy gets them image by image, and then over the images: several times as fast as `sum` over the first axes; and in one
    long sum, float32 would lose two digits more.
    """
    if on_device(a):
        return a.sum((0, 1)) if b is None else _sums_of_products(a, b)
    each = numpy.ones(a.shape[1], a.dtype) @ a if b is None else numpy.einsum("npc,npc->nc", a, b)
    return each.sum(axis=0)


@fused
def _sums_of_products(a: Array, b: Array) -> Array:
    return of(a).sum(a * b, axis=(0, 1))


def windows(x: Array, shape: tuple[int, ...], start: tuple, stride: tuple, gap: tuple) -> Array:
    """y[n, p, q, i, j, c] = x[n, c, p stride + i gap - start, q stride + j gap - start], and 0 outside of x: one kernel."""
    return _windows_kernel(of(x))(x, *start, *stride, *gap, of(x).empty(shape, x.dtype))


@functools.cache
def _windows_kernel(module: ModuleType) -> Callable:
    return module.ElementwiseKernel(
        "raw T x, int64 top, int64 left, int64 sh, int64 sw, int64 dh, int64 dw",
        "T y",
        """
        const auto at = _ind.get();  // n, p, q, i, j, c
        const ptrdiff_t h = at[1] * sh + at[3] * dh - top, w = at[2] * sw + at[4] * dw - left;
        const ptrdiff_t from[] = {at[0], at[5], h, w};
        y = 0 <= h && h < x.shape()[2] && 0 <= w && w < x.shape()[3] ? x[from] : T(0);
        """,
        "windows",
        reduce_dims=False,
    )


def pieces_pay(array: Array) -> bool:
    """Whether to go over such an array piece by piece: NumPy's stay in a core's cache, but each call is a launch on a GPU."""
    return isinstance(array, numpy.ndarray)


def at_hand(array: Array) -> bool:
    """Whether Python can look at the values at once, and need not wait for a GPU to finish."""
    return isinstance(array, numpy.ndarray)


def synchronize() -> None:
    """Wait until the device has finished; nothing to do under NumPy."""
    if _current.name == "cupy":
        _current.module.cuda.get_current_stream().synchronize()


def memory() -> dict[str, int]:
    """CuPy's memory pool: bytes in use by arrays, and bytes held (the difference is kept for later ones). 0 under NumPy."""
    if _current.name == "numpy":
        return {"used": 0, "held": 0}
    pool = _current.module.get_default_memory_pool()
    return {"used": pool.used_bytes(), "held": pool.total_bytes()}


def add_at(array: Array, index: object, values: Array) -> None:
    """array[index] += values, in place, where an element that the index repeats is added to each time."""
    of(array).add.at(array, index, values)


try:
    use(os.environ.get("MINIGAN_BACKEND") or "numpy")
except BackendError as error:
    raise BackendError(f"MINIGAN_BACKEND={os.environ['MINIGAN_BACKEND']}: {error}") from None
