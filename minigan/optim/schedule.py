"""Changes of learning rates and weights between the steps of an optimizer."""

from collections.abc import Iterable, Sequence
from typing import Any

from minigan import checks
from minigan.engine.tensor import Tensor
from minigan.optim.optimizer import Optimizer, checked_parameters


class LinearDecay:
    """Lowers learning rates linearly to 0: after t of `steps` calls of `step`, lr is lr_0 (1 - t / steps)."""

    def __init__(self, optimizers: Optimizer | Sequence[Optimizer], steps: int):
        self.optimizers = list(optimizers) if isinstance(optimizers, Iterable) else [optimizers]
        if not self.optimizers or not all(isinstance(optimizer, Optimizer) for optimizer in self.optimizers):
            raise ValueError(f"LinearDecay: optimizers is {optimizers!r:.60}; expected an Optimizer, or a list of at least one")
        self.steps = checks.whole("LinearDecay", "steps", steps)
        self.start = [optimizer.lr for optimizer in self.optimizers]
        self.t = 0

    def step(self) -> None:
        """Lower the rates by one step. After the last step they stay at 0."""
        self.t = min(self.t + 1, self.steps)
        for optimizer, lr in zip(self.optimizers, self.start, strict=True):
            optimizer.lr = lr * (1 - self.t / self.steps)

    def state_dict(self) -> dict[str, Any]:
        """The steps taken, the number of steps, and the initial rates."""
        return {"t": self.t, "steps": self.steps, "start": {str(i): lr for i, lr in enumerate(self.start)}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`. The optimizers restore their current rates themselves.

        Raises ValueError, and changes nothing, for a different number of steps or optimizers.
        """
        names = [str(i) for i in range(len(self.optimizers))]
        checks.saved_names("", state, ["t", "start"], {"steps": self.steps})
        checks.saved_names("start", state["start"], names)
        t = checks.saved_whole("t", state["t"], most=self.steps)
        start = [checks.saved_number(f"start.{i}", state["start"][i], least=0) for i in names]
        self.t, self.start = t, start


def clip_weights(params: Iterable[Tensor], c: float) -> None:
    """Clip every element of the parameters to [-c, c], in place: this keeps WGAN's critic Lipschitz. NaN stays NaN.

    Raises ValueError unless c > 0, and ValueError or TypeError for anything but parameters.
    """
    c = checks.number("clip_weights", "c", c, above=0)
    for p in checked_parameters("clip_weights", params):
        w = p.writable()
        p.xp.clip(w, -c, c, out=w)
        p.changed_in_place()
