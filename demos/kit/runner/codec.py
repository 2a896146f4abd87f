"""The state of a loop as numbers, texts and arrays; and a checkpoint's file: JSON, and an array each for arrays."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan import Tensor, backend, checks
from minigan.backend import random_numbers
from minigan.data.npz_files import DamagedFile, read_npz, write_npz

PLAIN = (type(None), bool, int, float, str)  # JSON returns these unchanged
WRONG = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)  # raised for a state that does not fit


def write_checkpoint(path: Path, settings: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
    """Write a checkpoint: a run's settings, and states by name. Raises OSError, ValueError or TypeError."""
    arrays: dict[str, np.ndarray] = {}
    outline = {"settings": settings, "entries": {name: encoded(entry, name, arrays) for name, entry in entries.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_npz(path, {"outline": np.array(json.dumps(outline)), **arrays})


def read_checkpoint(path: Path, option: str = "--resume") -> tuple[dict, dict[str, Any]]:
    """A checkpoint's settings and states. Ends the program with one line if the file, given by the option, is not one."""
    try:
        arrays = read_npz(path)
        outline = json.loads(str(arrays["outline"]))
        entries = {str(name): decoded(entry, arrays) for name, entry in outline["entries"].items()}
        return dict(outline["settings"]), entries
    except DamagedFile as error:
        raise SystemExit(f"{option}: {one_line(error)}") from None
    except (OSError, RecursionError, *WRONG) as error:
        raise SystemExit(f"{option}: {path} is not a checkpoint of a demo: {one_line(error)}") from None


def one_line(error: Exception) -> str:
    """An error's message on one line; that of a KeyError is only the key."""
    return f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())


# --- values -------------------------------------------------------------------------------------------------------------


def encoded(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value for JSON; adds its arrays to `arrays` under names that start with `path`. Raises TypeError for other types."""
    if type(value) in PLAIN:
        return value

    def inner(v: Any, name: Any) -> Any:
        return v if type(v) in PLAIN else encoded(v, f"{path}/{name}", arrays)

    if isinstance(value, Mapping):
        return ["dict", [[inner(key, "key"), inner(v, key)] for key, v in value.items()]]
    if isinstance(value, list | tuple):
        return ["list" if isinstance(value, list) else "tuple", [inner(v, i) for i, v in enumerate(value)]]
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return ["number", [value.dtype.str, value.item()]]
    if not backend.is_array(value) or isinstance(value, np.ma.MaskedArray) or value.dtype.kind not in "biufcU":
        raise TypeError(f"{path} is a {type(value).__name__}, which a checkpoint cannot hold")
    name = free_name(path, arrays)
    arrays[name] = backend.to_numpy(value)
    return ["array", name]


def free_name(path: str, arrays: Mapping[str, Any]) -> str:
    """A name for an array: its path, shortened for files, and with a number if it is taken."""
    path = "".join(c if c.isprintable() else "?" for c in path[:150])
    name, n = path, 1
    while name in arrays:
        n += 1
        name = f"{path} ({n})"
    return name


def decoded(outline: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The inverse of `encoded`. Raises one of WRONG for an invalid outline."""
    if not isinstance(outline, list):
        return outline
    kind, content = outline
    if kind == "array":
        return arrays[content]
    if kind == "number":
        return np.dtype(content[0]).type(content[1])
    if kind == "dict":
        return {decoded(key, arrays): decoded(value, arrays) for key, value in content}
    return {"list": list, "tuple": tuple}[kind](decoded(value, arrays) for value in content)


def copied(value: Any) -> Any:
    """A copy of the value, as a resumed run would read it."""
    arrays: dict[str, np.ndarray] = {}
    outline = encoded(value, "", arrays)
    return decoded(outline, {path: array.copy() for path, array in arrays.items()})


# --- a loop -------------------------------------------------------------------------------------------------------------


@dataclass
class Loop:
    """A running loop: its name, its length, the parts that it changes, and the number of its iterations so far."""

    name: str
    steps: int
    parts: dict[str, Any]
    t: int = 0

    def state(self) -> dict[str, Any]:
        """All that is needed to continue."""
        parts = {name: state_of(part) for name, part in self.parts.items()}
        return {"t": self.t, "default generators": random_numbers.generators_state(), **parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state. Raises one of WRONG if it does not fit."""
        t = checks.whole("checkpoint", "t", state["t"], least=0)
        if t > self.steps:
            raise ValueError(f"{self.name} has already played {t} iterations, more than {self.steps}")
        if differing := set(self.state()) ^ set(state):
            raise ValueError(f"{self.name}: {', '.join(sorted(differing))} only in the file, or only in the run")
        for name, part in self.parts.items():
            set_state(part, state[name])
        random_numbers.set_generators_state(state["default generators"])
        self.t = t

    def not_finite(self) -> list[str]:
        """The parts with a nan or infinity; of a game: networks, or else optimizers. Lists and dicts are not checked."""
        arrays: dict[str, np.ndarray] = {}
        for name, part in self.parts.items():
            if not isinstance(part, list | dict):
                encoded(state_of(part), name, arrays)
        paths = [path for path, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
        names = {path.removeprefix("game/").split("/")[0] for path in paths}
        return sorted({name for name in names if not name.startswith("opt")} or names)


def state_of(part: Any) -> Any:
    """The state of a loop's part to save."""
    if hasattr(part, "state_dict"):
        return in_order(part.state_dict())
    if isinstance(part, Tensor):
        return part.data
    return part if isinstance(part, list | dict) else random_numbers.generator_state(part)


def in_order(state: Any) -> Any:
    """A state dict sorted by name: its order may depend on whether it was saved and loaded before."""
    return {name: in_order(state[name]) for name in sorted(state)} if isinstance(state, dict) else state


def set_state(part: Any, state: Any) -> None:
    """Restore a loop's part from the result of `state_of`."""
    if hasattr(part, "state_dict"):
        part.load_state_dict(state)
    elif isinstance(part, Tensor):
        part.data = state
    elif isinstance(part, list | dict):
        if type(state) is not type(part):
            raise ValueError(f"expected a {type(part).__name__}, got a {type(state).__name__}")
        part.clear()
        (part.extend if isinstance(part, list) else part.update)(state)
    else:
        random_numbers.set_generator_state(part, state)
