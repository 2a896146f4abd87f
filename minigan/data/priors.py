"""The noise z that a generator network turns into samples."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan import backend, checks
from minigan.backend import Array, random_numbers
from minigan.backend.random_numbers import Generator


def _normal(m: int, d: int, rng: Generator) -> Array:
    return rng.standard_normal((m, d), dtype="float32")


def _uniform(m: int, d: int, rng: Generator) -> Array:
    return (2.0 * rng.random((m, d)) - 1.0).astype("float32")


def _sphere(m: int, d: int, rng: Generator) -> Array:
    z = rng.standard_normal((m, d))  # a normal vector points in every direction equally often
    length: Array = backend.of(z).linalg.norm(z, axis=1, keepdims=True)
    points: Array = (math.sqrt(d) * z / length).astype("float32")
    return points


_KINDS: dict[str, Callable[[int, int, Generator], Array]] = {
    "normal": _normal,
    "uniform": _uniform,
    "sphere": _sphere,
}


class Noise:
    """A prior p(z): `prior(m)` is an (m, d) float32 array of fresh noise. Made by `noise`."""

    def __init__(self, d: int, kind: str, rng: Generator):
        self.d = d
        self.kind = kind
        self.generator = rng

    def __call__(self, m: int, rng: Generator | None = None) -> Array:
        """`m` noise vectors, (m, d) float32; from `rng` if given, which leaves the prior's own stream unchanged."""
        return _KINDS[self.kind](m, self.d, self.generator if rng is None else random_numbers.noise_generator(rng))

    def __repr__(self) -> str:
        return f'noise(d={self.d}, kind="{self.kind}")'

    def state_dict(self) -> dict[str, Any]:
        """The kind, d and the generator's state, for `load_state_dict`."""
        return {"kind": self.kind, "d": self.d, "rng": random_numbers.generator_state(self.generator)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the stream from a `state_dict`. Raises ValueError for one of another prior."""
        self.check_state_dict(state)
        random_numbers.set_generator_state(self.generator, state["rng"])

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. `part`: this prior's name in messages."""
        checks.saved_names(part, state, ["rng"], {"kind": self.kind, "d": self.d})
        random_numbers.checked_generator_state(self.generator, state["rng"], f"{part}.rng".lstrip("."))


def noise(d: int, kind: str = "normal", rng: Generator | None = None) -> Noise:
    """A prior over d-dimensional noise: `noise(64)(m)` is an (m, 64) float32 array.

    `kind`: "normal" is N(0, I); "uniform" is uniform on [-1, 1]^d; "sphere" is uniform on the sphere of radius sqrt(d), the
    approximate length of a normal vector of many dimensions. The prior owns `rng`, or else a generator that depends on
    minigan's seed alone and, under CuPy, draws on the GPU (see `backend.use`). Raises ValueError for an unknown kind or d
    below 1.
    """
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"noise: kind is {kind!r}: choose one of {', '.join(map(repr, _KINDS))}")
    return Noise(checks.whole("noise", "d", d), kind, random_numbers.spawn_noise(rng))


def lerp(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """`steps` points on the straight line from a (d,) to b (d,), both included: (steps, d).

    In many dimensions, two normal vectors are nearly orthogonal. Halfway, the line is 1/sqrt(2) as far from 0 as its ends;
    noise is practically never that short, so G was not trained on it. Compare `slerp`.
    """
    start, end, dtype = _ends("lerp", a, b, steps)
    t = np.linspace(0.0, 1.0, steps)[:, None]
    return ((1 - t) * start + t * end).astype(dtype)


def slerp(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """`steps` points on the great circle from a (d,) to b (d,), both included (Shoemake 1985): (steps, d).

    The direction turns at constant speed, and the length changes linearly from |a| to |b|. Raises ValueError for a or b = 0
    and for opposite directions, between which the great circle is not unique.
    """
    start, end, dtype = _ends("slerp", a, b, steps)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if not min(lengths) > 0:
        raise ValueError("slerp: a or b is 0, which has no direction")
    start, end = start / lengths[0], end / lengths[1]
    cosine = np.clip(np.dot(start, end), -1.0, 1.0)
    angle = np.arccos(cosine)
    if np.isclose(angle, np.pi):
        raise ValueError("slerp: a and b have opposite directions; every great circle through one goes through the other")
    t = np.linspace(0.0, 1.0, steps)[:, None]
    angle = max(angle, 1e-6)  # sin(t x) / sin(x) = t for small x, so that equal directions need no case of their own
    directions = np.sin((1 - t) * angle) / np.sin(angle) * start + np.sin(t * angle) / np.sin(angle) * end
    points: np.ndarray = ((1 - t) * lengths[0] + t * lengths[1]) * directions
    return points.astype(dtype)


def _ends(
    name: str, a: np.ndarray, b: np.ndarray, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], np.dtype[Any]]:
    """Both ends in float64, which angles near 0 and pi need, and the dtype of the result."""
    a, b = backend.to_numpy(a), backend.to_numpy(b)
    checks.whole(name, "steps", steps, least=2)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"{name}: a {a.shape}, b {b.shape}; expected two vectors of the same size")
    if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        raise TypeError(f"{name}: a is {a.dtype} and b {b.dtype}; expected numbers")
    return a.astype(np.float64), b.astype(np.float64), np.result_type(a, b, np.float32)
