"""The update rules: only their formulas, for one parameter theta with gradient g.

`update` writes into theta and into the arrays of `state`, which `slots` names; state["t"] counts this parameter's steps from 1.
The formula is below each class and `fused` (see `backend`). Numbers that depend on numbers alone, such as 1 - beta, are its
arguments. `elementwise` means that the update of an element depends on this element alone: small parameters can be joined (see
`blocks`). The rules' common code is in `optimizer`.
"""

from numbers import Integral
from typing import Any, Literal

from minigan import backend, checks
from minigan.backend import Array, fused
from minigan.optim.blocks import State
from minigan.optim.optimizer import Optimizer, Parameters, check_eps


class SGD(Optimizer):
    """Gradient descent with momentum: b <- momentum b + g, theta <- theta - lr b; without: theta <- theta - lr g."""

    settings = ("momentum",)
    elementwise = True

    def __init__(self, params: Parameters, lr: float, momentum: float = 0.0):
        super().__init__(params, lr)
        self.momentum = checks.number("SGD", "momentum", momentum, least=0, below=1)
        self.slots = ("b",) if momentum else ()

    def update(self, theta: Array, g: Array, state: State) -> None:
        if self.momentum:
            _momentum(theta, g, state["b"], self.lr, self.momentum)
        else:
            _descent(theta, g, self.lr)


@fused
def _descent(theta: Array, g: Array, lr: float) -> None:
    theta -= lr * g


@fused
def _momentum(theta: Array, g: Array, b: Array, lr: float, momentum: float) -> None:
    b *= momentum
    b += g
    theta -= lr * b


class RMSProp(Optimizer):
    """RMSProp (Tieleman and Hinton 2012): v <- alpha v + (1 - alpha) g^2, theta <- theta - lr g / (sqrt(v) + eps)."""

    slots = ("v",)
    settings = ("alpha", "eps")
    elementwise = True
    check_dtype = check_eps

    def __init__(self, params: Parameters, lr: float, alpha: float = 0.99, eps: float = 1e-8):
        super().__init__(params, lr)
        self.alpha = checks.number("RMSProp", "alpha", alpha, least=0, below=1)
        self.eps = checks.number("RMSProp", "eps", eps, least=0)

    def update(self, theta: Array, g: Array, state: State) -> None:
        _rmsprop(theta, g, state["v"], self.lr, self.alpha, 1 - self.alpha, self.eps)


@fused
def _rmsprop(theta: Array, g: Array, v: Array, lr: float, alpha: float, one_minus_alpha: float, eps: float) -> None:
    v *= alpha
    v += one_minus_alpha * (g * g)
    theta -= lr * (g / (backend.of(v).sqrt(v) + eps))


class OMD(Optimizer):
    """Optimistic mirror descent (Rakhlin and Sridharan 2013): theta <- theta - lr (g_t + M_(t+1) - M_t).

    In a game, where gradient descent circles around the equilibrium, the prediction makes it spiral inwards. `predictor`
    defines M_(t+1), the prediction of the next gradient. Gradients before the first count as 0.

    "last"                    M_(t+1) = g_t, so that the step is -lr (2 g_t - g_(t-1)) (Daskalakis et al. 2018)
    n, a whole number         M_(t+1) = (g_t + ... + g_(t-n+1)) / n
    decay, between 0 and 1    M_(t+1) = decay M_t + (1 - decay) g_t
    """

    settings = ("predictor",)
    elementwise = True

    def __init__(self, params: Parameters, lr: float, predictor: Literal["last"] | int | float = "last"):
        super().__init__(params, lr)
        self.predictor = predictor if isinstance(predictor, str) and predictor == "last" else _average("OMD", predictor)
        if predictor == "last":
            self.slots = ("g",)
        elif predictor < 1:
            self.slots = ("M",)
        else:
            self.slots = tuple([f"g{i}" for i in range(int(predictor))])

    def update(self, theta: Array, g: Array, state: State) -> None:
        if self.predictor == "last":
            _optimistic_descent(theta, g, state["g"], self.lr)
        elif self.predictor < 1:
            _decayed_descent(theta, g, state["M"], self.lr, 1 - self.predictor)
        else:
            oldest = state[f"g{state['t'] % self.predictor}"]  # n slots hold the last n gradients; g replaces the oldest
            _averaged_descent(theta, g, oldest, self.lr, 1 / self.predictor)


def _average(rule: str, predictor: Any) -> int | float:
    """The number of gradients in the average, or its decay."""
    if isinstance(predictor, Integral):
        return checks.whole(rule, "predictor", predictor, most=1000)  # each needs an array of the parameter's size
    return checks.number(rule, "predictor", predictor, above=0, below=1, otherwise=", a whole number from 1 on, or 'last'")


@fused
def _optimistic_descent(theta: Array, d: Array, before: Array, lr: float) -> None:
    theta -= lr * (2 * d - before)
    before[...] = d  # a copy: the gradient's own memory may be overwritten


@fused
def _averaged_descent(theta: Array, g: Array, oldest: Array, lr: float, one_nth: float) -> None:
    theta -= lr * (g + one_nth * (g - oldest))  # consecutive averages of n gradients share n - 1 of them
    oldest[...] = g


@fused
def _decayed_descent(theta: Array, g: Array, M: Array, lr: float, one_minus_decay: float) -> None:
    change = one_minus_decay * (g - M)
    theta -= lr * (g + change)
    M += change


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, Algorithm 1).

    m <- beta1 m + (1 - beta1) g            m_hat = m / (1 - beta1^t)
    v <- beta2 v + (1 - beta2) g^2          v_hat = v / (1 - beta2^t)
    theta <- theta - lr m_hat / (sqrt(v_hat) + eps)

    With `weight_decay`: AdamW (Loshchilov and Hutter 2019, Algorithm 2). The decay does not enter m and v:
    theta <- theta - lr m_hat / (sqrt(v_hat) + eps) - lr weight_decay theta
    As in PyTorch, lr multiplies the decay: the paper's lambda is lr weight_decay.
    """

    slots: tuple[str, ...] = ("m", "v")
    settings: tuple[str, ...] = ("betas", "eps")
    elementwise = True
    check_dtype = check_eps
    weight_decay = 0.0

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr)
        rule = type(self).__name__
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ValueError(f"{rule}: betas is {betas}; expected two numbers, (beta1, beta2)")
        beta1, beta2 = [checks.number(rule, f"betas[{i}]", beta, least=0, below=1) for i, beta in enumerate(betas)]
        self.betas = beta1, beta2
        self.eps = checks.number(rule, "eps", eps, least=0)
        if weight_decay := checks.number(rule, "weight_decay", weight_decay, least=0):
            self.weight_decay, self.settings = weight_decay, (*self.settings, "weight_decay")

    def update(self, theta: Array, g: Array, state: State) -> None:
        numbers = self._numbers(self.lr, state["t"])
        if self.weight_decay:
            _decayed_adam(theta, g, state["m"], state["v"], self.lr * self.weight_decay, *numbers)
        else:
            _adam(theta, g, state["m"], state["v"], *numbers)

    def _numbers(self, lr: float, t: int) -> tuple[float, ...]:
        """The numbers of step t, in the order of `_direction`'s arguments."""
        beta1, beta2 = self.betas
        return beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**t), 1 - beta2**t, self.eps


@fused
def _adam(theta: Array, g: Array, m: Array, v: Array, *numbers: float) -> None:
    theta -= _direction(g, m, v, *numbers)


@fused
def _decayed_adam(theta: Array, g: Array, m: Array, v: Array, decay: float, *numbers: float) -> None:
    theta -= _direction(g, m, v, *numbers) + decay * theta


@fused
def _direction(
    g: Array,
    m: Array,
    v: Array,
    beta1: float,
    one_minus_beta1: float,
    beta2: float,
    one_minus_beta2: float,
    lr_corrected: float,
    correction2: float,
    eps: float,
) -> Array:
    """Update m and v; return lr m_hat / (sqrt(v_hat) + eps)."""
    m *= beta1
    m += one_minus_beta1 * g
    v *= beta2
    v += one_minus_beta2 * (g * g)
    v_hat = v / correction2  # 1 - beta2^t
    step: Array = lr_corrected * (m / (backend.of(v).sqrt(v_hat) + eps))  # 1 - beta1^t divides lr, not m: saves a pass
    return step


class OptimisticAdam(Adam):
    """Optimistic Adam (Daskalakis et al. 2018, Algorithm 1): OMD with Adam's direction in place of g.

    d_t = m_hat_t / (sqrt(v_hat_t) + eps)   theta <- theta - 2 lr d_t + lr d_(t-1)

    d_(t-1) is the previous step's direction, with that step's bias corrections. Before the first step it is 0 (the formula
    gives 0/0; published versions differ), so the first step is twice Adam's.
    """

    slots = ("m", "v", "d")
    elementwise = True

    def __init__(self, params: Parameters, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8):
        super().__init__(params, lr, betas, eps)

    def update(self, theta: Array, g: Array, state: State) -> None:
        _optimistic_adam(theta, g, state["m"], state["v"], state["d"], self.lr, *self._numbers(1.0, state["t"]))


@fused
def _optimistic_adam(theta: Array, g: Array, m: Array, v: Array, before: Array, lr: float, *numbers: float) -> None:
    _optimistic_descent(theta, _direction(g, m, v, *numbers), before, lr)


class Extragradient(Optimizer):
    """Extragradient (Korpelevich 1976): look where gradient descent leads, and step along the gradient from there.

    theta' = theta - lr g(theta)    theta <- theta - lr g(theta')

    A step needs two gradients, so it is two calls of `step`: after the first, the parameters are theta', after the second
    theta. So each game can use the rule: let both players have it, and call the game's `step` twice, on fresh minibatches. With
    both players at once, a step of the game x y multiplies the distance from (0, 0) by sqrt(1 - lr^2 + lr^4); in turn, as in
    `games`, by sqrt(1 - lr^2). Gradient descent keeps the distance in turn, and increases it at once.

    The variant with one gradient (Popov 1980; "extrapolation from the past", Gidel et al. 2019) takes the gradient at the last
    theta' in place of g(theta). Its points theta' are those of `OMD`.
    """

    slots = ("start",)
    elementwise = True

    def update(self, theta: Array, g: Array, state: State) -> None:
        (_extrapolate if state["t"] % 2 else _step_from)(theta, g, state["start"], self.lr)


@fused
def _extrapolate(theta: Array, g: Array, start: Array, lr: float) -> None:
    start[...] = theta
    theta -= lr * g


@fused
def _step_from(theta: Array, g: Array, start: Array, lr: float) -> None:
    theta[...] = start - lr * g
