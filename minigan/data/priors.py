"""The noise z that a generator network turns into samples."""

from collections.abc import Callable
from numbers import Integral

import numpy as np

from minigan import backend


def _normal(m: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((m, d), dtype=np.float32)


def _uniform(m: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1.0, 1.0, (m, d)).astype(np.float32)


def _sphere(m: int, d: int, rng: np.random.Generator) -> np.ndarray:
    z = rng.standard_normal((m, d))  # a normal vector points in every direction equally often
    return (np.sqrt(d) * z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


_KINDS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "normal": _normal,
    "uniform": _uniform,
    "sphere": _sphere,
}


class Noise:
    """A prior p(z): `prior(m)` is an (m, d) float32 array of fresh noise. Made by `noise`."""

    def __init__(self, d: int, kind: str, rng: np.random.Generator):
        self.d = d
        self.kind = kind
        self._rng = rng

    def __call__(self, m: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """`m` noise vectors, (m, d) float32; from `rng` if given, and then the prior's own stream stays where it is."""
        return _KINDS[self.kind](m, self.d, self._rng if rng is None else rng)

    def state_dict(self) -> dict[str, str]:
        """Where the prior's generator stands, for `load_state_dict`."""
        return {"rng": backend.generator_state(self._rng)}

    def load_state_dict(self, state: dict[str, str]) -> None:
        """Continue the stream from where `state_dict` found it."""
        backend.set_generator_state(self._rng, state["rng"])


def noise(d: int, kind: str = "normal", rng: np.random.Generator | None = None) -> Noise:
    """A prior over d-dimensional noise: `noise(64)(m)` is an (m, 64) float32 array.

    `kind`: "normal" is N(0, I); "uniform" is uniform on [-1, 1]^d; "sphere" is uniform on the sphere of radius sqrt(d),
    where a normal vector of many dimensions nearly lies. The prior owns `rng`, or else a generator that depends on
    minigan's seed alone. Raises ValueError for an unknown kind or d below 1.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}: choose one of {', '.join(map(repr, _KINDS))}")
    if not isinstance(d, Integral) or d < 1:
        raise ValueError(f"d is {d!r}: noise needs an integer of at least 1 dimension (kinds: {', '.join(map(repr, _KINDS))})")
    return Noise(d, kind, backend.spawn(rng))
