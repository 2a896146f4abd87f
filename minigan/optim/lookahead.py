"""Lookahead: from time to time, go part of the way back to where the optimizers were k steps ago."""

from collections.abc import Sequence
from typing import Any

from minigan import backend, checks
from minigan.optim.optimizer import Optimizer
from minigan.optim.schedule import optimizers_of


class Lookahead:
    """After every k steps of the optimizers: slow <- slow + alpha (theta - slow), then theta <- slow (Zhang et al. 2019).

    Args:
        optimizers: one, or a list; the players' optimizers of a game. Call `step` after each of their steps.
        k: the number of steps between two slow ones.
        alpha: the share of the way that the slow weights take, above 0, at most 1.

    In a game, both players go back at the same moment (Lookahead-minmax, Chavdarova et al. 2021, Algorithm 1):

        game.lookahead = optim.Lookahead([game.opt_G, game.opt_D])
        for _ in range(1000):
            game.step(batches)
            game.lookahead.step()

    If steps circle, the chord from the first point of an arc to its last passes nearer to the centre than the arc. The
    slow weights start as the parameters that the optimizers have now. Rates, groups and states (such as Adam's averages) are
    the optimizers' own, and stay as they are. Raises ValueError for anything but optimizers.
    """

    settings = ("k", "alpha")

    def __init__(self, optimizers: Optimizer | Sequence[Optimizer], k: int = 5, alpha: float = 0.5):
        self.optimizers = optimizers_of("Lookahead", optimizers)
        self.k = checks.whole("Lookahead", "k", k)
        self.alpha = checks.number("Lookahead", "alpha", alpha, above=0, most=1)
        self.params = list({id(p): p for optimizer in self.optimizers for p in optimizer.params}.values())
        self.slow = [p.data.copy() for p in self.params]
        self.t = 0

    def step(self) -> None:
        """Count a step of the optimizers. If it is the k-th since the last slow one, take a slow step."""
        self.t += 1
        if self.t % self.k:
            return
        for i, p in enumerate(self.params):
            theta = p.writable()
            slow = backend.move(self.slow[i], p.xp.__name__).astype(theta.dtype, copy=False)  # the user changed or moved p
            slow += self.alpha * (theta - slow)
            theta[...] = self.slow[i] = slow
            p.changed_in_place()

    def state_dict(self) -> dict[str, Any]:
        """The steps counted, the settings, and copies of the slow weights."""
        slow = {str(i): backend.copy_to_numpy(array) for i, array in enumerate(self.slow)}
        return {"t": self.t, **self._settings(), "slow": slow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`. Raises ValueError, and loads nothing, if a setting or a parameter differs."""
        self.check_state_dict(state)
        self.t = checks.saved_whole("t", state["t"])
        self.slow = [p.xp.array(state["slow"][str(i)]) for i, p in enumerate(self.params)]

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. `part`: its name in messages."""
        checks.saved_names(part, state, ["t", "slow"], self._settings())
        part = part and f"{part}."
        checks.saved_whole(f"{part}t", state["t"])
        checks.saved_names(f"{part}slow", state["slow"], [str(i) for i in range(len(self.params))])
        for i, p in enumerate(self.params):
            checks.saved_array(f"{part}slow.{i}", state["slow"][str(i)], p)

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.settings}
