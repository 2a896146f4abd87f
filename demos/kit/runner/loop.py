"""A running loop: its state as numbers, texts and arrays, to save and to restore."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.kit.runner.codec import encoded
from minigan import Tensor, checks
from minigan.backend import random_numbers


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


class Rows(list):
    """Records of a training: dicts with a "step" and other numbers or arrays, all with the same names."""

    def state_dict(self) -> list[dict[str, Any]]:
        """All rows."""
        return list(self)

    def load_state_dict(self, rows: list[dict[str, Any]]) -> None:
        """Replace the rows. Raises ValueError for invalid rows, as in a file made by hand."""
        for row in rows:
            same = isinstance(row, dict) and "step" in row and row.keys() == rows[0].keys()
            if not same or any(np.shape(row[name]) != np.shape(rows[0][name]) for name in row):
                raise ValueError("its rows do not have the same names and shapes")
            if not all(np.isfinite(value).all() for value in row.values()):
                raise ValueError(f"a nan or an infinity in the row of step {row['step']}")
        self[:] = rows
