"""Random numbers drawn on a GPU by array operations: SplitMix64 (Steele, Lea and Flood 2014).

The n-th number is a hash of the counter's n-th value. It does not depend on earlier numbers, so all are computed at once, and
the counter is the whole state. CuPy's own generators cannot be saved, since their state cannot be read.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy

from minigan.backend.arrays import Array, ArrayModule, fused, import_module, of

_STEP = numpy.uint64(0x9E3779B97F4A7C15)  # 2^64 / the golden ratio, odd, so the counter takes every value
_FACTOR_1, _FACTOR_2 = numpy.uint64(0xBF58476D1CE4E5B9), numpy.uint64(0x94D049BB133111EB)
_KEPT = 1 << 20  # 1 ... n is kept for n up to this (8 megabytes); for larger n, a launch costs little in comparison


class DeviceGenerator:
    """The methods of numpy.random.Generator that minigan needs for noise. They return arrays of the module `xp`."""

    def __init__(self, xp: ArrayModule, seed: int):
        self._module = xp.__name__  # modules cannot be copied or pickled
        self._counter = seed

    @property
    def xp(self) -> ArrayModule:
        """The module of the arrays that it draws."""
        return import_module(self._module)

    def state(self) -> int:
        """The counter."""
        return self._counter

    def set_state(self, state: int) -> None:
        """Continue from this counter."""
        self._counter = state

    def bits(self, n: int) -> Array:
        """The next n random integers of 64 bits."""
        return _bits(_one_to(n, self.xp), self._advance(n))

    def random(self, size: int | tuple[int, ...] = (), dtype: Any = "float64") -> Array:
        """Uniform on [0, 1)."""
        n, uniform = _count(size), _UNIFORM[numpy.dtype(dtype).name]
        return uniform(_one_to(n, self.xp), self._advance(n)).reshape(size)

    def standard_normal(self, size: int | tuple[int, ...] = (), dtype: Any = "float64") -> Array:
        """Normal with mean 0 and variance 1: two numbers from each pair of uniform ones (Box and Muller 1958)."""
        n, normal = _count(size), _NORMAL[numpy.dtype(dtype).name]
        pairs = (n + 1) // 2
        return normal(_one_to(n, self.xp), self._advance(2 * pairs), pairs).reshape(size)

    def _advance(self, n: int) -> int:
        """The counter before it is advanced by n numbers."""
        before = self._counter
        self._counter = (before + n * int(_STEP)) % 2**64
        return before


def _one_to(n: int, xp: ArrayModule) -> Array:
    """1 ... n"""
    return _counted(xp, n) if n <= _KEPT else xp.arange(1, n + 1, dtype="uint64")


@functools.lru_cache(maxsize=8)  # a game draws arrays of the same few sizes: this saves a launch for each
def _counted(xp: ArrayModule, n: int) -> Array:
    return xp.arange(1, n + 1, dtype="uint64")


@fused
def _bits(i: Array, counter: int) -> Array:
    z = i * _STEP + counter
    z = (z ^ (z >> numpy.uint64(30))) * _FACTOR_1
    z = (z ^ (z >> numpy.uint64(27))) * _FACTOR_2
    return z ^ (z >> numpy.uint64(31))


@fused
def _uniform32(i: Array, counter: int) -> Array:
    return (_bits(i, counter) >> numpy.uint64(40)).astype("float32") * 2.0**-24  # the mantissa has 24 binary digits


@fused
def _uniform64(i: Array, counter: int) -> Array:
    return (_bits(i, counter) >> numpy.uint64(11)).astype("float64") * 2.0**-53


@fused
def _normal32(i: Array, counter: int, pairs: int) -> Array:
    return _box_muller(_uniform32, i, counter, pairs)


@fused
def _normal64(i: Array, counter: int, pairs: int) -> Array:
    return _box_muller(_uniform64, i, counter, pairs)


_UNIFORM, _NORMAL = {"float32": _uniform32, "float64": _uniform64}, {"float32": _normal32, "float64": _normal64}


def _box_muller(uniform: Callable[[Array, int], Array], i: Array, counter: int, pairs: int) -> Array:
    """Uniform numbers 1 ... pairs give the radii, the next ones the angles. The first normal numbers are the cosines."""
    xp, second = of(i), i > pairs
    pair = xp.where(second, i - pairs, i)
    radius = xp.sqrt(-2.0 * xp.log(1.0 - uniform(pair, counter)))  # 1 - u is in (0, 1]
    angle = 2.0 * math.pi * uniform(pair + pairs, counter)
    normal: Array = radius * xp.where(second, xp.sin(angle), xp.cos(angle))
    return normal


def _count(size: int | tuple[int, ...]) -> int:
    return math.prod(size) if isinstance(size, tuple) else size
