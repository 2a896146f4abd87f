"""Which array module computes: NumPy, or CuPy on a GPU. What differs between the two lives here, and nowhere else.

The rest of minigan asks an array for its own module (`of(array)`), or, to make a new array, the current one (`xp()`).
It never imports numpy or cupy to compute.

A GPU works on while Python goes ahead, until Python asks for a number: then it waits. So nothing in a training step looks at
values (`float(t)`, `if array.any()`), and nothing but the user's own minibatches and noise is copied to the device.
"""

import functools
import importlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

import numpy

from minigan.device_generator import DeviceGenerator

Array = Any  # numpy.ndarray or cupy.ndarray
Generator = numpy.random.Generator | DeviceGenerator

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
        if cupy in _working:
            return cupy
        cupy.zeros(1).sum().item()  # allocates and computes: fails here, not in the middle of a training run
    except ImportError as error:
        raise BackendError(f"cupy cannot be imported ({error}): {_CUPY_HELP}") from error
    except Exception as error:  # CuPy reports a missing driver or device by many exception types
        raise BackendError(f"cupy is installed but cannot compute ({error}): {_CUPY_HELP}") from error
    _working.add(cupy)
    return cupy


_working: set[ModuleType] = set()  # what has been tried


class _Current(threading.local):
    """The backend in use; threads choose their own and start with the process's."""

    def __init__(self):
        self.recording = False  # see `Graph`
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
    tensors live; "numpy", on the CPU, so that the same seed gives the same course on both backends, for a copy in each draw.
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
    if noise not in (None, "numpy", name):
        raise BackendError(f"noise={noise!r} with the {name} backend: choose None or 'numpy'")
    return name, _load(name), noise or name


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


def on_device(value: object) -> bool:
    """Is this an array of CuPy?"""
    return is_array(value) and not isinstance(value, numpy.ndarray)


def asarray(data: object, dtype: object = None) -> Array:
    """`data` as an array of the current backend: shared where it is one already, else copied or moved.

    An array that lives on a GPU stays there: only who asks for it, by `to_numpy` or `move`, waits for a copy.
    """
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
    from_python = isinstance(data, int | float | list | tuple) and not hasattr(data, "dtype")  # np.float64 is a float
    if dtype is None and from_python and array.dtype.kind != "b":
        dtype = "float32"
    return asarray(array if dtype is None else array.astype(dtype, copy=False))


def constant(value: float, dtype: Any, beside: Array) -> Array:
    """A number as an array of shape (), where the array beside it lives.

    Under CuPy it is filled in by the GPU, and kept: `asarray` would copy it from the CPU, each time that an op meets a number.
    A recorded graph fills in its own.
    """
    if isinstance(beside, numpy.ndarray):
        return numpy.asarray(value, dtype=dtype)
    if _current.recording:
        return of(beside).full((), value, dtype)
    return _kept_constant(of(beside), value, repr(value), numpy.dtype(dtype))


@functools.lru_cache(maxsize=1000)
def _kept_constant(module: ModuleType, value: float, digits: str, dtype: numpy.dtype) -> Array:
    """The digits tell -0.0 from 0.0, which are equal."""
    return module.full((), value, dtype)


def move(array: Array, name: str) -> Array:
    """The array on the named backend; itself where it is there already."""
    return to_numpy(array) if name == "numpy" else _load(name).asarray(array)


def to_numpy(array: Array) -> numpy.ndarray:
    """A NumPy array of the same values: the array itself under NumPy, a copy from the device under CuPy."""
    return array.get() if on_device(array) else numpy.asarray(array)


def copy_to_numpy(array: Array) -> numpy.ndarray:
    """A NumPy array of the same values in memory of its own: what a saved state holds."""
    return numpy.array(to_numpy(array))


def writable(array: Array) -> Array:
    """The array, or a copy of it where NumPy forbids writing (broadcast views, memory-mapped files)."""
    return array.copy() if isinstance(array, numpy.ndarray) and not array.flags.writeable else array


def concatenate(arrays: Sequence[Array], axis: int = 0, out: Array | None = None) -> Array:
    """The arrays one after another. Of more than eight, CuPy would copy a table from the CPU: it gets them by eights."""
    xp = of(arrays[0])
    while xp is not numpy and len(arrays) > 8:
        arrays = [xp.concatenate(arrays[i : i + 8], axis) for i in range(0, len(arrays), 8)]
    return xp.concatenate(arrays, axis, out=out)


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """a @ b; into `out`, if given. Into a CUDA graph by cuTENSOR, since CuPy refuses cuBLAS there."""
    if _current.recording:
        return _contraction(a, b, out)
    return a @ b if out is None else of(a).matmul(a, b, out=out)


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


# --- CUDA graphs --------------------------------------------------------------------------------------------------------


class Graph:
    """Work of the GPU that is recorded once, and then repeated by a single call, at the cost of that one.

    Recording carries nothing out. Every array keeps its place in memory, and every Python number its value: what is to differ
    between two runs has to be an array that is written to in place. What the work allocates is the graph's as long as it lives.
    """

    def __init__(self):
        cuda = _current.module.cuda
        self._stream, self._pool = cuda.Stream(non_blocking=True), cuda.MemoryPool()

    @contextmanager
    def record(self) -> Iterator[None]:
        """`with graph.record():` records what is done in the block. Raises `BackendError` for what CuPy cannot record."""
        with rehearsing(), self._stream, _current.module.cuda.using_allocator(self._pool.malloc):
            self._stream.begin_capture()
            try:
                yield
            except BaseException as error:
                with suppress(RuntimeError):  # what has been recorded so far is of no use
                    self._stream.end_capture()
                if isinstance(error, RuntimeError) and not isinstance(error, BackendError):
                    raise BackendError(f"CuPy cannot record this: {error}") from error
                raise
            self._graph = self._stream.end_capture()

    def run(self) -> None:
        """Do the recorded work, in its turn after what was asked of the GPU before."""
        self._graph.launch()


@contextmanager
def rehearsing() -> Iterator[None]:
    """A block that is carried out in just the way in which it can be recorded: with `recording()` true."""
    before, _current.recording = _current.recording, True
    try:
        yield
    finally:
        _current.recording = before


def recording() -> bool:
    """Whether work is being recorded, or rehearsed: numbers that change from step to step must be arrays then."""
    return _current.recording


def _contraction(a: Array, b: Array, out: Array | None) -> Array:
    """a @ b for matrices (n, k) and (k, m)."""
    if a.ndim != 2 or b.ndim != 2:
        raise BackendError(f"a recorded step can multiply matrices; these have shapes {a.shape} and {b.shape}")
    try:
        cutensor = importlib.import_module("cupyx.cutensor")
    except ImportError as error:
        raise BackendError(
            f"a recorded step multiplies by cuTENSOR: pip install cutensor-cu12 (or cutensor-cu13) ({error})"
        ) from error
    xp = of(a)
    out = xp.empty((a.shape[0], b.shape[1]), a.dtype) if out is None else out
    return cutensor.contraction(
        1.0, xp.ascontiguousarray(a), ("n", "k"), xp.ascontiguousarray(b), ("k", "m"), 0.0, out, ("n", "m")
    )


# --- random numbers -------------------------------------------------------------------------------------------------

# Initial weights, minibatches and samples are drawn on the CPU, the same for every backend; the noise inside a training step,
# where the step computes.

_generator = numpy.random.default_rng()
_noise_seed = int(_generator.integers(2**63))
_noise_generators: dict[ModuleType, DeviceGenerator] = {}  # each made when it is first asked for


def seed(n: int) -> None:
    """Start minigan's default generators afresh from the integer `n`, 0 included."""
    global _generator, _noise_seed
    _generator, _noise_seed = numpy.random.default_rng(n), int(numpy.random.default_rng([n, 1]).integers(2**63))
    for rng in _noise_generators.values():
        rng.set_state(_noise_seed)  # in place: a recorded graph may draw from it


def generator(rng: numpy.random.Generator | None = None) -> numpy.random.Generator:
    """`rng`, or else minigan's default generator. Raises TypeError for anything but a generator, such as a seed."""
    if rng is not None and not isinstance(rng, numpy.random.Generator):
        raise TypeError(f"rng is {rng!r}; expected a generator: numpy.random.default_rng(seed)")
    return _generator if rng is None else rng


def spawn(rng: numpy.random.Generator | None = None) -> numpy.random.Generator:
    """`rng`, or else a new generator that depends on the seed alone.

    Whoever draws again and again (a minibatch stream) owns one, so that no two of them share a stream and each can be saved
    and resumed by itself. For the same reason, do not give one `rng` to two of them.
    """
    return generator(rng) if rng is not None else _generator.spawn(1)[0]


def noise_generator(rng: Generator | None = None, beside: Array | None = None) -> Generator:
    """`rng`, or else minigan's default generator of noise: where the array `beside` lives (None: new tensors)."""
    if rng is not None:
        return rng if isinstance(rng, DeviceGenerator) else generator(rng)
    module = _current.module if beside is None else of(beside)
    if module is numpy or (_current.name == "cupy" and _current.noise == "numpy"):
        if _current.recording:
            raise BackendError("noise drawn on the CPU cannot be part of a recorded step: backend.use('cupy'), noise None")
        return _generator
    if module not in _noise_generators:
        _noise_generators[module] = DeviceGenerator(module, _noise_seed)
    return _noise_generators[module]


def spawn_noise(rng: Generator | None = None) -> Generator:
    """`rng`, or else a new generator of noise, where new tensors live, that depends on the seed alone: what a prior owns."""
    if rng is not None:
        return noise_generator(rng)
    rng = spawn()
    return rng if _current.noise == "numpy" else DeviceGenerator(_current.module, int(rng.integers(2**63)))


def generator_state(rng: Generator) -> str:
    """Where a generator stands, as text (JSON: its integers have 128 bits) that `set_generator_state` takes back."""
    state = {"device": rng.state()} if isinstance(rng, DeviceGenerator) else rng.bit_generator.state
    return json.dumps(state, default=numpy.ndarray.tolist)


def set_generator_state(rng: Generator, state: str) -> None:
    """Put a generator back to where `generator_state` found it. Raises ValueError where that one drew elsewhere."""
    found, on_device = json.loads(str(state)), isinstance(rng, DeviceGenerator)
    if on_device != ("device" in found):
        there, here = ("CPU", "GPU") if on_device else ("GPU", "CPU")
        cure = "backend.use('cupy', noise='numpy')" if on_device else "the cupy backend"
        raise ValueError(f"this state's noise was drawn on the {there}, and would be on the {here} now; resume with {cure}")
    if on_device:
        rng.set_state(found["device"])
    else:
        rng.bit_generator.state = found


use(os.environ.get("MINIGAN_BACKEND") or "numpy")
