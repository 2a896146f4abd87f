"""Random numbers drawn on a GPU, by array operations alone: SplitMix64 (Steele, Lea and Flood 2014).

The n-th number is a hash of the counter at n: none needs those before it, so that all are computed at once, and the counter is
all there is to save. The state of CuPy's own generators cannot be read, and so not be saved.
"""

import importlib
import math
from types import ModuleType
from typing import Any

import numpy

_STEP = numpy.array([0x9E3779B97F4A7C15], numpy.uint64)[0]  # 2^64 / the golden ratio, odd: the counter meets every value
_FACTOR_1, _FACTOR_2 = numpy.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], numpy.uint64)


class DeviceGenerator:
    """As far as minigan draws noise, the methods of numpy.random.Generator; the results are arrays of the module `xp`."""

    def __init__(self, xp: ModuleType, seed: int):
        self._module = xp.__name__  # modules cannot be copied or pickled
        self._counter = xp.full((1,), numpy.uint64(seed), "uint64")

    @property
    def xp(self) -> ModuleType:
        """The module of the arrays that it draws."""
        return importlib.import_module(self._module)

    def state(self) -> int:
        """Where the counter stands."""
        return int(self._counter[0])

    def set_state(self, state: int) -> None:
        """Go on from there."""
        self._counter[...] = numpy.uint64(state)

    def bits(self, n: int) -> Any:
        """The next n random integers, of 64 bits."""
        z = self.xp.arange(1, n + 1, dtype="uint64")
        z *= _STEP
        z += self._counter
        self._counter += _wrapped(n * int(_STEP))
        z ^= z >> numpy.uint64(30)
        z *= _FACTOR_1
        z ^= z >> numpy.uint64(27)
        z *= _FACTOR_2
        z ^= z >> numpy.uint64(31)
        return z

    def random(self, size: int | tuple[int, ...] = (), dtype: Any = "float64") -> Any:
        """Uniform on [0, 1)."""
        dtype = numpy.dtype(dtype)
        digits = 24 if dtype == "float32" else 53  # of the mantissa
        u = (self.bits(_count(size)) >> numpy.uint64(64 - digits)).astype(dtype)
        u *= 0.5**digits
        return u.reshape(size)

    def standard_normal(self, size: int | tuple[int, ...] = (), dtype: Any = "float64") -> Any:
        """Normal with mean 0 and variance 1: of each pair of uniform numbers, two (Box and Muller 1958)."""
        n = _count(size)
        u, v = self.random((2, (n + 1) // 2), dtype)
        radius = self.xp.sqrt(-2.0 * self.xp.log(1.0 - u))  # 1 - u is in (0, 1]
        v *= 2 * math.pi
        return self.xp.concatenate([radius * self.xp.cos(v), radius * self.xp.sin(v)])[:n].reshape(size)


def _count(size: int | tuple[int, ...]) -> int:
    return math.prod(size) if isinstance(size, tuple) else size


def _wrapped(n: int) -> numpy.uint64:
    """n modulo 2^64."""
    return numpy.uint64(n % 2**64)
