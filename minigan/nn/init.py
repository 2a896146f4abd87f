"""Initialisers of weights: functions (shape, rng) -> float32 array, drawn from the generator `rng`.

For a weight of shape (in, out) the fan-in is `in` and the fan-out `out`; for a convolution's (O, C, KH, KW) the fan-in is
C * KH * KW and the fan-out O * KH * KW.
"""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.backend import Array
from minigan.engine.array_protocol import as_array
from minigan.engine.tensor import Tensor
from minigan.nn.module import Place

Initialiser = Callable[[tuple[int, ...], np.random.Generator], Array]


def xavier_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Uniform on +-sqrt(6 / (fan_in + fan_out)), for tanh and sigmoid (Glorot and Bengio 2010, equation 16)."""
    fan_in, fan_out = fans(shape)
    return uniform(math.sqrt(6 / (fan_in + fan_out)))(shape, rng)


def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Normal with std sqrt(2 / fan_in), for ReLU (He et al. 2015, equation 10)."""
    return normal(math.sqrt(2 / fans(shape)[0]))(shape, rng)


def fan_in_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Uniform on +-1 / sqrt(fan_in), as in PyTorch: the layers' default."""
    return uniform(1 / math.sqrt(fans(shape)[0]))(shape, rng)


def normal(std: float = 0.02, mean: float = 0.0) -> Initialiser:
    """An initialiser that draws from a normal distribution; the default is DCGAN's (Radford et al. 2016)."""
    std, mean = checks.number("init.normal", "std", std, least=0), checks.number("init.normal", "mean", mean)
    return lambda shape, rng: (mean + std * _generator(rng).standard_normal(shape, dtype=np.float32)).astype(np.float32)


def uniform(bound: float) -> Initialiser:
    """An initialiser that draws uniformly from [-bound, bound)."""
    bound = checks.number("init.uniform", "bound", bound, least=0)
    return lambda shape, rng: ((2 * _generator(rng).random(tuple(shape), dtype=np.float32) - 1) * bound).astype(np.float32)


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """All zeros."""
    return np.zeros(shape, np.float32)


def ones(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """All ones."""
    return np.ones(shape, np.float32)


def parameter(layer: str, name: str, initialiser: Initialiser, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    """The layer's parameter of this name and shape: a copy of the initialiser's values. They must be finite floats."""
    if not callable(initialiser):
        raise TypeError(f"{layer}: {name}_init is a {type(initialiser).__name__}; expected a function (shape, rng) -> array")
    drawn = initialiser(shape, rng)
    with backend.using("numpy"):  # checked on the CPU, where it was drawn: no wait for the device
        values = as_array(drawn)
    if values.shape != shape or values.dtype.kind != "f":
        raise ValueError(f"{layer}: {name}_init returned {values.dtype} {values.shape}; expected floats of shape {shape}")
    if not np.isfinite(backend.to_numpy(values)).all():
        raise ValueError(f"{layer}: {name}_init returned a nan or an infinity")
    return Tensor(values.copy(), requires_grad=True, name=Place(name))


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight. Raises ValueError for fewer than two axes."""
    if not isinstance(shape, tuple | list) or not all(isinstance(n, Integral) and n >= 1 for n in shape):
        raise ValueError(f"init: shape is {shape!r}; expected sizes of at least 1, (in, out) or (O, C, KH, KW)")
    if len(shape) < 2:
        raise ValueError(f"init: shape {shape} has no fan-in; expected (in, out) or (O, C, KH, KW)")
    return (shape[0], shape[1]) if len(shape) == 2 else (math.prod(shape[1:]), shape[0] * math.prod(shape[2:]))


def _generator(rng: Any) -> np.random.Generator:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"init: rng is {rng!r}; expected a generator: numpy.random.default_rng(seed)")
    return rng
