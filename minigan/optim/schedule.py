"""Schedules: learning rates that change from step to step."""

from collections.abc import Iterable, Sequence
from math import cos, pi
from typing import Any

from minigan import checks
from minigan.optim.optimizer import Optimizer


class Schedule:
    """Base class: after t of `steps` calls of `step`, each optimizer's lr is its initial lr_0 times `factor(t)`.

    A schedule defines `factor`. All groups of an optimizer follow its lr (see `Optimizer`).
    """

    settings: tuple[str, ...] = ("steps",)

    def __init__(self, optimizers: Optimizer | Sequence[Optimizer], steps: int):
        name = type(self).__name__
        self.optimizers = optimizers_of(name, optimizers)
        self.steps = checks.whole(name, "steps", steps)
        self.start = [optimizer.lr for optimizer in self.optimizers]
        self.t = 0

    def factor(self, t: int) -> float:
        """The ratio of the rates after t steps to the initial rates."""
        raise NotImplementedError(f"{type(self).__name__} has no factor: define factor(self, t)")

    def step(self) -> None:
        """Change the rates by one step. After the last step they stay the same."""
        self.t = min(self.t + 1, self.steps)
        self._set_rates()

    def _set_rates(self) -> None:
        for optimizer, lr in zip(self.optimizers, self.start, strict=True):
            optimizer.lr = lr * self.factor(self.t)

    def state_dict(self) -> dict[str, Any]:
        """The steps taken, the settings, and the initial rates."""
        return {"t": self.t, **self._settings(), "start": {str(i): lr for i, lr in enumerate(self.start)}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`, with the rates of that step.

        Raises ValueError, and changes nothing, for different settings or a different number of optimizers.
        """
        self.check_state_dict(state)
        self.t = checks.saved_whole("t", state["t"])
        self.start = [checks.saved_number("start", state["start"][str(i)]) for i in range(len(self.start))]
        self._set_rates()

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. `part`: the schedule's name in messages."""
        checks.saved_names(part, state, ["t", "start"], self._settings())
        part = part and f"{part}."
        checks.saved_whole(f"{part}t", state["t"], most=self.steps)
        checks.saved_names(f"{part}start", state["start"], [str(i) for i in range(len(self.start))])
        for i, lr in state["start"].items():
            checks.saved_number(f"{part}start.{i}", lr, least=0)

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.settings}


class LinearDecay(Schedule):
    """Lowers learning rates linearly to 0: after t of `steps` calls of `step`, lr is lr_0 (1 - t / steps)."""

    def factor(self, t: int) -> float:
        return 1 - t / self.steps


class Cosine(Schedule):
    """Lowers learning rates to 0 along half a cosine (Loshchilov and Hutter 2017, equation 5, without restarts).

    After t of `steps` calls of `step`, lr is lr_0 (1 + cos(pi t / steps)) / 2. With `warm_up`, lr first rises linearly from 0:
    lr_0 t / warm_up for t < warm_up; the cosine takes the other steps. The rates are then 0 until the first call.
    """

    settings = ("steps", "warm_up")

    def __init__(self, optimizers: Optimizer | Sequence[Optimizer], steps: int, warm_up: int = 0):
        super().__init__(optimizers, steps)
        self.warm_up = checks.whole("Cosine", "warm_up", warm_up, least=0, most=self.steps - 1)
        self._set_rates()

    def factor(self, t: int) -> float:
        if t < self.warm_up:
            return t / self.warm_up
        return (1 + cos(pi * (t - self.warm_up) / (self.steps - self.warm_up))) / 2


def optimizers_of(name: str, optimizers: Any) -> list[Optimizer]:
    """The argument of this class as a list of optimizers."""
    found = list(optimizers) if isinstance(optimizers, Iterable) else [optimizers]
    if not found or not all(isinstance(optimizer, Optimizer) for optimizer in found):
        raise ValueError(f"{name}: optimizers is {optimizers!r:.60}; expected an Optimizer, or a list of at least one")
    return found
