"""Stochastic gradient Hamiltonian Monte Carlo: an update rule whose parameters become samples of a posterior."""

from collections.abc import Iterable
from typing import Any

from minigan import checks
from minigan.backend import Array, random_numbers
from minigan.engine.tensor import Tensor
from minigan.optim import Optimizer


class SGHMC(Optimizer):
    """v <- (1 - alpha) v - lr g + N(0, 2 alpha lr),  theta <- theta + v (Chen, Fox and Guestrin 2014, equation 15).

    theta moves like a ball in the landscape U. Friction alpha takes energy from it; random kicks give it back. After a while,
    theta is distributed as exp(-U). So g has to be the gradient of U = -log p(theta | all data), with the prior, and not of a
    mean over data. The minibatches' noise is neglected (beta_hat = 0); therefore lr must be small. If U belongs to a Gaussian
    of variance s^2, theta's variance is s^2 / (1 - lr / s^2 / (4 - 2 alpha)): an autoregression of order 2.

    Args:
        params, lr: see `Optimizer`.
        friction: alpha, above 0 and at most 1.
        rng: the generator of the noise; the rule owns it. None: a new generator, which depends on minigan's seed.
    """

    slots = ("v",)
    settings = ("friction",)

    def __init__(self, params: Iterable[Tensor], lr: float, friction: float = 0.1, rng: random_numbers.Generator | None = None):
        super().__init__(params, lr)
        self.friction = checks.number("SGHMC", "friction", friction, above=0, most=1)
        self._rng = random_numbers.spawn_noise(rng)

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        noise, v = self._rng.standard_normal(theta.shape, dtype=theta.dtype), state["v"]
        v *= 1 - self.friction
        v -= self.lr * g
        v += (2 * self.friction * self.lr) ** 0.5 * noise  # the variance is 2 alpha lr, lr included
        theta += v

    # --- saving: as in every rule, and the state of the noise ---------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "rng": random_numbers.generator_state(self._rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        random_numbers.set_generator_state(self._rng, state["rng"])

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        checks.saved_names(part, state, ["lr", "params", "rng"], self._settings())
        super().check_state_dict({name: value for name, value in state.items() if name != "rng"}, part)
        random_numbers.checked_generator_state(self._rng, state["rng"], f"{part}.rng".lstrip("."))
