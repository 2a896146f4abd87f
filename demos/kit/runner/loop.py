"""A loop that is running: all that it changes, taken down as numbers, texts and arrays, and put back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.kit.runner.codec import encoded
from minigan import Tensor, checks
from minigan.backend import random_numbers


@dataclass
class Loop:
    """A loop that is running: its name, its length, what it changes, and how many iterations it has played."""

    name: str
    steps: int
    parts: dict[str, Any]
    t: int = 0

    def state(self) -> dict[str, Any]:
        """All that it takes to go on."""
        parts = {name: state_of(part) for name, part in self.parts.items()}
        return {"t": self.t, "default generators": random_numbers.generators_state(), **parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises one of WRONG for a state that does not fit."""
        t = checks.whole("checkpoint", "t", state["t"], least=0)
        if t > self.steps:
            raise ValueError(f"{self.name} has played {t} iterations already, more than {self.steps}")
        if differing := set(self.state()) ^ set(state):
            raise ValueError(f"{self.name}: {', '.join(sorted(differing))} only in the file, or only in the run")
        for name, part in self.parts.items():
            set_state(part, state[name])
        random_numbers.set_generators_state(state["default generators"])
        self.t = t

    def not_finite(self) -> list[str]:
        """Which parts' numbers are not: of a game, which networks, or else optimizers. Lists and dicts may hold anything."""
        arrays: dict[str, np.ndarray] = {}
        for name, part in self.parts.items():
            if not isinstance(part, list | dict):
                encoded(state_of(part), name, arrays)
        found = [path for path, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
        names = {path.removeprefix("game/").split("/")[0] for path in found}
        return sorted({name for name in names if not name.startswith("opt")} or names)


def state_of(part: Any) -> Any:
    """What is to be saved of a loop's part."""
    if hasattr(part, "state_dict"):
        return in_order(part.state_dict())
    if isinstance(part, Tensor):
        return part.data
    return part if isinstance(part, list | dict) else random_numbers.generator_state(part)


def in_order(state: Any) -> Any:
    """A state dict by name: in which order it was filled may depend on whether it had been saved and loaded."""
    return {name: in_order(state[name]) for name in sorted(state)} if isinstance(state, dict) else state


def set_state(part: Any, state: Any) -> None:
    """Put a loop's part back to what `state_of` found."""
    if hasattr(part, "state_dict"):
        part.load_state_dict(state)
    elif isinstance(part, Tensor):
        part.data = state
    elif isinstance(part, list | dict):
        if type(state) is not type(part):
            raise ValueError(f"a {type(state).__name__} where a {type(part).__name__} belongs")
        part.clear()
        (part.extend if isinstance(part, list) else part.update)(state)
    else:
        random_numbers.set_generator_state(part, state)


class Rows(list):
    """What is found along the way: dicts with a "step" and other numbers or arrays, under the same names in each."""

    def state_dict(self) -> list[dict[str, Any]]:
        """All rows."""
        return list(self)

    def load_state_dict(self, rows: list[dict[str, Any]]) -> None:
        """These rows instead. Raises ValueError where a file made by hand has others."""
        for row in rows:
            same = isinstance(row, dict) and "step" in row and row.keys() == rows[0].keys()
            if not same or any(np.shape(row[name]) != np.shape(rows[0][name]) for name in row):
                raise ValueError("its rows are not alike")
            if not all(np.isfinite(value).all() for value in row.values()):
                raise ValueError(f"a nan or an infinity in the row of step {row['step']}")
        self[:] = rows
