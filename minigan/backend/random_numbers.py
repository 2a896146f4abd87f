"""Random numbers: minigan's default generators, those that a stream owns, and how each is saved and resumed.

Initial weights, minibatches and samples are drawn on the CPU, the same for every backend; the noise inside a training step is
drawn where the step computes.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from minigan import checks
from minigan.backend.arrays import Array, name, noise_name, of, xp
from minigan.backend.cupy_generator import DeviceGenerator

Generator = numpy.random.Generator | DeviceGenerator

_generator = numpy.random.default_rng()
_noise_seed = int(_generator.integers(2**63))
_noise_generators: dict[Any, DeviceGenerator] = {}  # each made when it is first asked for
_view: Callable[[numpy.random.Generator], numpy.random.Generator] | None = None  # what noise is drawn from, if not as it is


def seed(n: int) -> None:
    """Start minigan's default generators afresh from the integer `n`, 0 included. Raises ValueError for anything else."""
    global _generator, _noise_seed
    n = checks.whole("seed", "n", n, least=0)
    _generator, _noise_seed = numpy.random.default_rng(n), int(numpy.random.default_rng([n, 1]).integers(2**63))
    _noise_generators.clear()


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


@contextmanager
def own_generators(rng: numpy.random.Generator | None = None) -> Iterator[None]:
    """`with own_generators():` a block has default generators of its own, which depend on the seed and on how many such
    blocks came before it; whatever it draws or seeds, those of before go on after it as if it had drawn nothing.

    `rng`: the generator of the block, where it was spawned before, perhaps in another process.
    """
    global _generator, _noise_seed, _noise_generators
    child = spawn(rng)
    before = _generator, _noise_seed, _noise_generators
    _generator, _noise_seed, _noise_generators = child, int(child.spawn(1)[0].integers(2**63)), {}
    try:
        yield
    finally:
        _generator, _noise_seed, _noise_generators = before


@contextmanager
def noise_from(view: Callable[[numpy.random.Generator], numpy.random.Generator]) -> Iterator[None]:
    """`with noise_from(view):` in a block, noise on the CPU is drawn from view(rng), with the bit generator of rng: that of
    the default generator, or of a new prior's (see `data.shared_noise`).
    """
    global _view
    before, _view = _view, view
    try:
        yield
    finally:
        _view = before


def generators_state() -> dict[str, Any]:
    """Where minigan's default generators stand, and how many others have come from them, for `set_generators_state`."""
    noise = noise_generator()
    return {
        "default": generator_state(_generator),
        "spawned": _generator.bit_generator.seed_seq.n_children_spawned,
        "noise": generator_state(noise) if isinstance(noise, DeviceGenerator) else None,
    }


def set_generators_state(state: dict[str, Any]) -> None:
    """Put minigan's default generators, seeded as they were then, back to where `generators_state` found them."""
    set_generator_state(_generator, state["default"])
    sequence = _generator.bit_generator.seed_seq
    sequence.spawn(max(0, state["spawned"] - sequence.n_children_spawned))
    if state["noise"] is not None:
        set_generator_state(noise_generator(), state["noise"])


def noise_generator(rng: Generator | None = None, like: Array | None = None) -> Generator:
    """`rng`, or else minigan's default generator of noise, on the device of the array `like` (None: of new tensors)."""
    if rng is not None:
        return rng if isinstance(rng, DeviceGenerator) else generator(rng)
    module = xp() if like is None else of(like)
    if module is numpy or (name() == "cupy" and noise_name() == "numpy"):
        return _view(_generator) if _view else _generator
    if module not in _noise_generators:
        _noise_generators[module] = DeviceGenerator(module, _noise_seed)
    return _noise_generators[module]


def spawn_noise(rng: Generator | None = None) -> Generator:
    """`rng`, or else a new generator of noise on the device of new tensors; it depends on the seed alone. A prior owns one."""
    if rng is not None:
        return noise_generator(rng)
    rng = spawn()
    if noise_name() == "numpy":
        return _view(rng) if _view else rng
    return DeviceGenerator(xp(), int(rng.integers(2**63)))


def generator_state(rng: Generator) -> str:
    """Where a generator stands, as text (JSON: its integers have 128 bits) that `set_generator_state` takes back."""
    state = {"device": rng.state()} if isinstance(rng, DeviceGenerator) else rng.bit_generator.state
    return json.dumps(state, default=numpy.ndarray.tolist)


def set_generator_state(rng: Generator, state: str) -> None:
    """Put a generator back to where `generator_state` found it. Raises ValueError where that one drew elsewhere."""
    found = checked_generator_state(rng, state)
    if isinstance(rng, DeviceGenerator):
        rng.set_state(found["device"])
    else:
        rng.bit_generator.state = found


def checked_generator_state(rng: Generator, state: str, part: str = "rng") -> dict[str, Any]:
    """What the text says. Raises ValueError, for this part of a saved state, where it is none that the generator can take."""
    text, on_device = checks.saved_text(part, state), isinstance(rng, DeviceGenerator)
    try:
        found = json.loads(text)
        there = "device" in found
        fits = there != on_device or _takes(rng, found)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        fits = False
    if not fits:
        kind = "a generator on the GPU" if on_device else f"numpy's {type(rng.bit_generator).__name__}"
        raise ValueError(f"load_state_dict: {part} is not a state of {kind}")
    if there != on_device:
        there, here = ("CPU", "GPU") if on_device else ("GPU", "CPU")
        cure = "backend.use('cupy', noise='numpy')" if on_device else "the cupy backend"
        was = f"this state's noise was drawn on the {there}, and would be on the {here} now"
        raise ValueError(f"load_state_dict: {part}: {was}; resume with {cure}")
    return found


def _takes(rng: Generator, found: dict[str, Any]) -> bool:
    """Whether a generator of this kind, put into this state, is in this state."""
    if isinstance(rng, DeviceGenerator):
        return type(found["device"]) is int and 0 <= found["device"] < 2**64
    trial = type(rng.bit_generator)()
    trial.state = found
    return json.loads(json.dumps(trial.state, default=numpy.ndarray.tolist)) == found
