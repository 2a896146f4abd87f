"""Random numbers: minigan's default generators, the generators of streams, and how each is saved and resumed.

Initial weights, minibatches and samples are drawn on the CPU, the same for every backend. The noise inside a training step is
drawn on the step's device.
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
_noise_generators: dict[Any, DeviceGenerator] = {}  # by array module; each is made at its first use
_view: Callable[[numpy.random.Generator], numpy.random.Generator] | None = None  # see `noise_from`


def seed(n: int) -> None:
    """Restart minigan's default generators from the integer `n` >= 0. Raises ValueError for anything else."""
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

    An object that draws repeatedly (a stream of minibatches) owns one, so that it can be saved and resumed independently of
    others. For the same reason, do not give one `rng` to two of them.
    """
    return generator(rng) if rng is not None else _generator.spawn(1)[0]


@contextmanager
def own_generators(rng: numpy.random.Generator | None = None) -> Iterator[None]:
    """`with own_generators():` gives a block its own default generators. They depend on the seed and on the number of such
    blocks before it. After the block, the earlier ones continue as if the block had drawn nothing.

    `rng`: the block's generator, if it was spawned earlier, perhaps in another process.
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
    """`with noise_from(view):` in a block, noise on the CPU is drawn from view(rng), which has the bit generator of rng. This
    is the default generator, or a new prior's (see `data.shared_noise`).
    """
    global _view
    before, _view = _view, view
    try:
        yield
    finally:
        _view = before


def generators_state() -> dict[str, Any]:
    """The state of minigan's default generators, and how many others they have spawned, for `set_generators_state`."""
    noise, sequence = noise_generator(), _seed_sequence()
    return {
        "default": generator_state(_generator),
        "spawned": sequence.n_children_spawned,
        "noise": generator_state(noise) if isinstance(noise, DeviceGenerator) else None,
    }


def set_generators_state(state: dict[str, Any]) -> None:
    """Restore a state that `generators_state` returned. The default generators must have been seeded as then."""
    set_generator_state(_generator, state["default"])
    sequence = _seed_sequence()
    sequence.spawn(max(0, state["spawned"] - sequence.n_children_spawned))
    if state["noise"] is not None:
        set_generator_state(noise_generator(), state["noise"])


def _seed_sequence() -> Any:
    """The default generator's numpy.random.SeedSequence."""
    return _generator.bit_generator.seed_seq


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
    """A generator's state as text, for `set_generator_state`. It is JSON, since its integers have 128 bits."""
    state = {"device": rng.state()} if isinstance(rng, DeviceGenerator) else rng.bit_generator.state
    return json.dumps(state, default=numpy.ndarray.tolist)


def set_generator_state(rng: Generator, state: str) -> None:
    """Restore a state that `generator_state` returned. Raises ValueError if that generator drew on another device."""
    checked = checked_generator_state(rng, state)
    if isinstance(rng, DeviceGenerator):
        rng.set_state(checked["device"])
    else:
        rng.bit_generator.state = checked


def checked_generator_state(rng: Generator, state: str, part: str = "rng") -> dict[str, Any]:
    """The state in this text. Raises ValueError, which names this part of a saved state, if the generator cannot have it."""
    text, on_device = checks.saved_text(part, state), isinstance(rng, DeviceGenerator)
    try:
        parsed: dict[str, Any] = json.loads(text)
        was_on_device = "device" in parsed
        fits = was_on_device != on_device or _fits(rng, parsed)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        fits = False
    if not fits:
        kind = "a generator on the GPU" if isinstance(rng, DeviceGenerator) else f"numpy's {type(rng.bit_generator).__name__}"
        raise ValueError(f"load_state_dict: {part} is not a state of {kind}")
    if was_on_device != on_device:
        then, now = ("CPU", "GPU") if on_device else ("GPU", "CPU")
        remedy = "backend.use('cupy', noise='numpy')" if on_device else "the cupy backend"
        was = f"this state's noise was drawn on the {then}, and would be on the {now} now"
        raise ValueError(f"load_state_dict: {part}: {was}; resume with {remedy}")
    return parsed


def _fits(rng: Generator, state: dict[str, Any]) -> bool:
    """Whether a generator of this kind has exactly this state after taking it."""
    if isinstance(rng, DeviceGenerator):
        return type(state["device"]) is int and 0 <= state["device"] < 2**64
    trial = type(rng.bit_generator)()
    trial.state = state
    return bool(json.loads(json.dumps(trial.state, default=numpy.ndarray.tolist)) == state)
