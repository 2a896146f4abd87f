"""The running average of a network: if training circles a solution, the average of its points is nearer than each of them."""

import copy
from typing import Any

import numpy as np

from minigan import backend, checks
from minigan.backend import Array
from minigan.nn.module import Module


class MovingAverage:
    """average <- average + (1 - decay) (theta - average), for each parameter theta of a network.

    Polyak and Juditsky 1992 average the points of gradient descent; Karras et al. 2018 and Yazici et al. 2019 those of G.

    Args:
        module: the network that is trained.
        decay: the larger, the longer the memory, about 1 / (1 - decay) steps. In step t it is at most (1 + t) / (10 + t): the
            initial weights are soon forgotten.

    `module` is the average, a copy of the network in eval mode whose parameters need no gradients. Call `update` after each
    step. Buffers are copied: batch norm's statistics are averages already. float16 parameters have an average in float32, for
    a thousandth of a difference would be rounded away.

    A game saves the averages among its attributes, and can sample from them:

        game.average = nn.MovingAverage(G)
        for _ in range(1000):
            game.step(batches)
            game.average.update()
        game.sample(100, G=game.average.module)
    """

    def __init__(self, module: Module, decay: float = 0.999):
        if not isinstance(module, Module):
            raise TypeError(f"MovingAverage: module is a {type(module).__name__}; expected a Module")
        self.decay = checks.number("MovingAverage", "decay", decay, least=0, below=1)
        self.trained, self.t = module, 0
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        for average in self.module.parameters():
            average.data = average.data.astype(np.result_type(average.dtype, "float32"), copy=False)

    def update(self) -> None:
        """Move the average towards the parameters that the network has now."""
        self.t += 1
        decay = min(self.decay, (1 + self.t) / (10 + self.t))
        pairs = list(zip(self.module.named_parameters(), self.trained.named_parameters(), strict=True))
        if any(average.xp is not theta.xp for (_, average), (_, theta) in pairs):  # the user has moved the network
            self.module.to(pairs[0][1][1].xp.__name__)
        for (_, average), (_, theta) in pairs:
            _approach(average.writable(), theta.data.astype(average.dtype, copy=False), 1 - decay)
            average.changed_in_place()
        for own, buffer in zip(_buffers(self.module), _buffers(self.trained), strict=True):
            own[...] = buffer

    def state_dict(self) -> dict[str, Any]:
        """The average, the number of updates, and the decay."""
        return {"decay": self.decay, "t": self.t, "module": self.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`. Raises ValueError, and loads nothing, if the decay or a parameter differs."""
        self.check_state_dict(state)
        self.t = checks.saved_whole("t", state["t"])
        self.module.load_state_dict(state["module"])

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. `part`: the average's name in messages."""
        checks.saved_names(part, state, ["t", "module"], {"decay": self.decay})
        checks.saved_whole(f"{part}.t".lstrip("."), state["t"])
        self.module.check_state_dict(state["module"], f"{part}.module".lstrip("."))

    def __repr__(self) -> str:
        return (
            f"MovingAverage(decay={self.decay:g}, {sum(p.size for p in self.module.parameters()):,} numbers, step {self.t:,})"
        )


def _buffers(module: Module) -> list[Array]:
    return [value for _, value in module.attributes() if backend.is_array(value)]


@backend.fused
def _approach(average: Array, theta: Array, share: float) -> None:
    average += share * (theta - average)
