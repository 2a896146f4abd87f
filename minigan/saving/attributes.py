"""A game's attributes: which of them are its state, and how each kind is saved, loaded and moved."""

import random
from collections import deque
from collections.abc import Iterator
from enum import Enum
from numbers import Real
from types import ModuleType
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.backend import random_numbers
from minigan.backend.cupy_generator import DeviceGenerator
from minigan.engine.tensor import Tensor
from minigan.nn import Module, MovingAverage
from minigan.nn.module import members

NUMBERS = (Real, np.bool_)
GENERATORS = (np.random.Generator, DeviceGenerator)
OTHERS = ("game", "rng", "sample_rng")  # entries of a state that are no attributes; an attribute rng is called self.rng


def name_parameters(attribute: str, value: Any) -> None:
    """Name the parameters of a network, or of a list of networks, or a single parameter."""
    for keys, member in members((attribute,), value):
        name = ".".join(map(str, keys))
        if isinstance(member, Module):
            member.name_parameters(f"{name}.")
        elif isinstance(member, Tensor) and member.is_parameter:
            member.name = member.name or name


def named(game: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of all attributes; of a list, tuple or dict, those of its members, such as critics.0."""
    for key, value in vars(game).items():
        for keys, member in members((key,), value):
            name = ".".join(map(str, keys))
            yield f"self.{name}" if name in OTHERS else name, member


def saved(game: Any) -> dict[str, Any]:
    """The attributes that are the game's state, by name. Raises TypeError for one whose state cannot be saved.

    A network that is a part of another, such as the features of D, is saved with it. The results of ops are not saved.
    """
    found: dict[str, Any] = {}
    others: list[tuple[str, Any]] = []
    held = {id(game)}
    for name, value in named(game):
        if isinstance(value, Module):
            arrays = {id(v) for _, v in value.attributes() if not isinstance(v, Module)}
            if not arrays <= held:
                found[name] = value
                held |= arrays
            held |= {id(module) for module in value.modules()}
        elif value is game or name in (*game.settings, "_sample_rng") or (isinstance(value, Tensor) and not value.is_leaf):
            continue
        elif _is_state(value) or (isinstance(value, NUMBERS) and "." not in name):
            found[name] = value
            held.add(id(value))
        else:
            others.append((name, value))
    for name, value in others:
        if _hides_state(value, held):
            raise TypeError(
                f"state_dict: {type(game).__name__}.{name} is a {type(value).__name__}, whose state cannot be saved: give it "
                "state_dict and load_state_dict, or use data.batches, data.noise, np.random.default_rng, which have a state"
            )
    return found


def state_of(value: Any) -> Any:
    """What is saved of an attribute."""
    if hasattr(value, "state_dict"):
        return value.state_dict()
    if isinstance(value, GENERATORS):
        return random_numbers.generator_state(value)
    if isinstance(value, NUMBERS):
        return value.item() if isinstance(value, np.generic) else value
    return backend.copy_to_numpy(_array(value))


def check(name: str, value: Any, state: Any) -> None:
    """Raise ValueError for what `load` would refuse."""
    if hasattr(value, "check_state_dict"):  # a user's class may have none: it is loaded first, and may raise
        value.check_state_dict(state, name)
    elif isinstance(value, GENERATORS):
        random_numbers.checked_generator_state(value, state, name)
    elif isinstance(value, NUMBERS):
        if not isinstance(state, Real | np.ndarray) or (array := np.asarray(state)).ndim or array.dtype.kind not in "biuf":
            raise ValueError(f"load_state_dict: {name} is {state!r:.60}; expected a number")
    elif not hasattr(value, "state_dict"):
        checks.saved_array(name, state, _array(value))


def load(game: Any, state: dict[str, Any]) -> None:
    """Load a state that has been checked."""
    for name, value in sorted(saved(game).items(), key=lambda item: hasattr(item[1], "check_state_dict")):
        if hasattr(value, "state_dict"):
            value.load_state_dict(state[name])
        elif isinstance(value, GENERATORS):
            random_numbers.set_generator_state(value, state[name])
        elif isinstance(value, Tensor):
            value.data = value.xp.array(state[name], value.dtype)
        elif backend.is_array(value):
            value[...] = backend.of(value).asarray(state[name])
        else:
            number = np.asarray(state[name]).item()
            setattr(game, name.removeprefix("self."), value.dtype.type(number) if isinstance(value, np.generic) else number)


def move(game: Any, backend_name: str) -> None:
    """Move the game's networks, averages, tensors and arrays. The optimizers' states follow in their next step."""
    for name, value in saved(game).items():
        if isinstance(value, Module | MovingAverage):
            (value.module if isinstance(value, MovingAverage) else value).to(backend_name)
        elif isinstance(value, Tensor):
            value.relocate(backend_name)
        elif backend.is_array(value) and name in vars(game):
            setattr(game, name, backend.move(value, backend_name))


def _is_state(value: Any) -> bool:
    state = hasattr(value, "state_dict") or isinstance(value, (Tensor, *GENERATORS)) or backend.is_array(value)
    return state and not isinstance(value, type)


def _hides_state(value: Any, held: set[int]) -> bool:
    """Whether this is an iterator or another stream, or holds a state, such as a tensor, that the game does not save.

    A number in an object that is no function may be a count of steps. A frozen dataclass has constants.
    """
    if id(value) in held or isinstance(value, type | ModuleType | Enum):
        return False
    held.add(id(value))
    if isinstance(value, Iterator | deque | random.Random | np.random.RandomState):
        return True
    inner = [member for _, member in members((), getattr(value, "__dict__", {}))]
    dataclass = getattr(value, "__dataclass_params__", None)
    constant = callable(value) or (dataclass is not None and dataclass.frozen)
    if not constant and any(isinstance(member, Real) for member in inner):
        return True
    return any((_is_state(v) and not backend.is_array(v) and id(v) not in held) or _hides_state(v, held) for v in inner)


def _array(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value
