"""Random numbers drawn on a GPU, by array operations alone: SplitMix64 (Steele, Lea and Flood 2014).

The n-th number is a hash of the counter at n: none needs those before it, so that all are computed at once, and the counter is
all there is to save. The state of CuPy's own generators cannot be read, and so not be saved.
"""

import functools
import importlib
import math
from typing import Any

import numpy

from minigan.backend.arrays import Array, ArrayModule, fused, of

_STEP = numpy.uint64(0x9E3779B97F4A7C15)  # 2^64 / the golden ratio, odd: the counter meets every value
_FACTOR_1, _FACTOR_2 = numpy.uint64(0xBF58476D1CE4E5B9), numpy.uint64(0x94D049BB133111EB)
_KEPT = 1 << 20  # 1 ... n is kept for n up to this, 8 megabytes: to save a launch is nothing beside more numbers


class DeviceGenerator:
    """As far as minigan draws noise, the methods of numpy.random.Generator; the results are arrays of the module `xp`."""

    def __init__(self, xp: ArrayModule, seed: int):
        self._module = xp.__name__  # modules cannot be copied or pickled
        self._counter = seed

    @property
    def xp(self) -> ArrayModule:
        """The module of the arrays that it draws."""
        return importlib.import_module(self._module)

    def state(self) -> int:
        """Where the counter stands."""
        return self._counter

    def set_state(self, state: int) -> None:
        """Go on from there."""
        self._counter = state

    def bits(self, n: int) -> Array:
        """The next n random integers, of 64 bits."""
        return _bits(_places(self.xp, n), self._advance(n))

    def random(self, size: int | tuple[int, ...] = (), dtype: Any = "float64") -> Array:
        """Uniform on [0, 1)."""
        n, uniform = _count(size), _UNIFORM[numpy.dtype(dtype).name]
        return uniform(_places(self.xp, n), self._advance(n)).reshape(size)

    def standard_normal(self, size: int | tuple[int, ...] = (), dtype: Any = "float64") -> Array:
        """Normal with mean 0 and variance 1: of each pair of uniform numbers, two (Box and Muller 1958)."""
        n, normal = _count(size), _NORMAL[numpy.dtype(dtype).name]
        pairs = (n + 1) // 2
        return normal(_places(self.xp, n), self._advance(2 * pairs), pairs).reshape(size)

    def _advance(self, n: int) -> int:
        """The counter, which then goes on by n numbers."""
        before = self._counter
        self._counter = (before + n * int(_STEP)) % 2**64
        return before


def _places(xp: ArrayModule, n: int) -> Array:
    """1 ... n"""
    return _counted(xp, n) if n <= _KEPT else xp.arange(1, n + 1, dtype="uint64")


@functools.lru_cache(maxsize=8)  # a game draws the same numbers of numbers again and again: that saves a launch
def _counted(xp: ArrayModule, n: int) -> Array:
    return xp.arange(1, n + 1, dtype="uint64")


@fused
def _bits(place: Array, counter: int) -> Array:
    z = place * _STEP + counter
    z = (z ^ (z >> numpy.uint64(30))) * _FACTOR_1
    z = (z ^ (z >> numpy.uint64(27))) * _FACTOR_2
    return z ^ (z >> numpy.uint64(31))


@fused
def _uniform32(place: Array, counter: int) -> Array:
    return (_bits(place, counter) >> numpy.uint64(40)).astype("float32") * 2.0**-24  # the mantissa has 24 binary digits


@fused
def _uniform64(place: Array, counter: int) -> Array:
    return (_bits(place, counter) >> numpy.uint64(11)).astype("float64") * 2.0**-53


@fused
def _normal32(place: Array, counter: int, pairs: int) -> Array:
    return _box_muller(_uniform32, place, counter, pairs)


@fused
def _normal64(place: Array, counter: int, pairs: int) -> Array:
    return _box_muller(_uniform64, place, counter, pairs)


_UNIFORM, _NORMAL = {"float32": _uniform32, "float64": _uniform64}, {"float32": _normal32, "float64": _normal64}


def _box_muller(uniform: Any, place: Array, counter: int, pairs: int) -> Array:
    """The uniform numbers at 1 ... pairs are the radii, the next ones the angles; the first normal numbers are the cosines."""
    xp, second = of(place), place > pairs
    pair = xp.where(second, place - pairs, place)
    radius = xp.sqrt(-2.0 * xp.log(1.0 - uniform(pair, counter)))  # 1 - u is in (0, 1]
    angle = 2.0 * math.pi * uniform(pair + pairs, counter)
    return radius * xp.where(second, xp.sin(angle), xp.cos(angle))


def _count(size: int | tuple[int, ...]) -> int:
    return math.prod(size) if isinstance(size, tuple) else size
