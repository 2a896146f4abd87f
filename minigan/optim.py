"""Update rules. Each rule's `update` is its formula, for one parameter theta with gradient g, computed in place."""

from collections.abc import Iterable, Sequence
from typing import Any

from minigan import backend
from minigan.grad_mode import mode
from minigan.tensor import Tensor

Array = backend.Array


class Optimizer:
    """Base class: the parameters, the learning rate `lr` (settable between steps), and a state for each parameter.

    A rule names its state arrays in `slots` (zeros of the parameter's dtype before the first step) and writes `update`. A
    parameter whose gradient is None is left alone, and so is its state; one that is listed twice is stepped once.
    Raises ValueError or TypeError for no parameters, things that are no Tensors, and tensors that an op has made.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Tensor], lr: float):
        self.params = _checked(type(self).__name__, params)
        self.lr = lr
        self.state: list[dict[str, Any]] = [{"t": 0} for _ in self.params]

    @property
    def lr(self) -> float:
        """The learning rate, at least 0."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        if isinstance(value, str) or value is None or not 0 <= value < float("inf"):
            raise ValueError(f"{type(self).__name__}: lr is {value}; expected a number of at least 0")
        self._lr = float(value)

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        """Change theta in place. state["t"] counts this parameter's steps from 1; the slots are its arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no update: define update(self, theta, g, state)")

    def step(self) -> None:
        """Apply the rule to every parameter that has a gradient."""
        for p, state in zip(self.params, self.state, strict=True):
            if p.grad is not None:
                theta = p.writable()
                for slot in self.slots:
                    if slot not in state:
                        state[slot] = p.xp.zeros_like(theta)
                    elif state[slot].dtype != theta.dtype:  # the user has given the parameter another dtype
                        state[slot] = state[slot].astype(theta.dtype)
                state["t"] += 1
                self.update(theta, p.grad.data, state)
                p.changed_in_place()
        if mode.profile is not None:
            mode.profile.lap(type(self).__name__, "update")

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.params:
            p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The rule's name, the learning rate and, by the parameters' positions, copies of their states."""
        copies = [{key: backend.copy_to_numpy(v) if key != "t" else v for key, v in state.items()} for state in self.state]
        return {"rule": type(self).__name__, "lr": self.lr, "params": {str(i): state for i, state in enumerate(copies)}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`. Raises ValueError where the rule, the number or the shapes of the parameters differ."""
        if str(state["rule"]) != type(self).__name__:
            raise ValueError(f"load_state_dict: a state of {state['rule']} does not fit {type(self).__name__}")
        saved = [state["params"].get(str(i)) for i in range(len(self.params))]
        if None in saved or len(saved) != len(state["params"]):
            raise ValueError(f"load_state_dict: {len(state['params'])} states for {len(self.params)} parameters")
        for i, (p, entry) in enumerate(zip(self.params, saved, strict=True)):
            if int(entry["t"]) and {"t", *self.slots} != set(entry):
                raise ValueError(
                    f"load_state_dict: parameter {i} has the state {sorted(entry)}, not {sorted(['t', *self.slots])}"
                )
            if any(entry[slot].shape != p.shape for slot in self.slots if slot in entry):
                raise ValueError(f"load_state_dict: the state of parameter {i} does not have its shape, {p.shape}")
        self.lr = float(state["lr"])
        for p, own, entry in zip(self.params, self.state, saved, strict=True):
            own.clear()
            own.update({slot: p.xp.array(entry[slot]) for slot in self.slots if slot in entry}, t=int(entry["t"]))


class SGD(Optimizer):
    """Gradient descent with momentum: b <- momentum b + g, theta <- theta - lr b; without: theta <- theta - lr g."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.0):
        super().__init__(params, lr)
        self.momentum = _fraction("SGD", "momentum", momentum)
        self.slots = ("b",) if momentum else ()

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        if not self.momentum:
            theta -= self.lr * g
            return
        b = state["b"]
        b *= self.momentum
        b += g
        theta -= self.lr * b


class RMSProp(Optimizer):
    """RMSProp (Tieleman and Hinton 2012): v <- alpha v + (1 - alpha) g^2, theta <- theta - lr g / (sqrt(v) + eps)."""

    slots = ("v",)

    def __init__(self, params: Iterable[Tensor], lr: float, alpha: float = 0.99, eps: float = 1e-8):
        super().__init__(params, lr)
        self.alpha, self.eps = _fraction("RMSProp", "alpha", alpha), _at_least_0("RMSProp", eps)

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        _check_eps(self, self.eps, theta)
        v = state["v"]
        v *= self.alpha
        v += (1 - self.alpha) * (g * g)
        root = v**0.5
        root += self.eps
        theta -= self.lr * (g / root)


class OMD(Optimizer):
    """Optimistic mirror descent (Daskalakis et al. 2018): theta <- theta - lr (2 g_t - g_(t-1)), with g_0 = 0.

    In a game, where gradient descent circles around the equilibrium, looking ahead by g_t - g_(t-1) makes it spiral inwards.
    """

    slots = ("g",)

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        theta -= self.lr * (2 * g - state["g"])
        state["g"][...] = g  # a copy: the gradient's own memory may be used again


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, Algorithm 1).

    m <- beta1 m + (1 - beta1) g            m^ = m / (1 - beta1^t)
    v <- beta2 v + (1 - beta2) g^2          v^ = v / (1 - beta2^t)
    theta <- theta - lr m^ / (sqrt(v^) + eps)
    """

    slots = ("m", "v")

    def __init__(
        self, params: Iterable[Tensor], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ):
        super().__init__(params, lr)
        rule = type(self).__name__
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ValueError(f"{rule}: betas is {betas}; expected two numbers, (beta1, beta2)")
        self.betas = (_fraction(rule, "betas[0]", betas[0]), _fraction(rule, "betas[1]", betas[1]))
        self.eps = _at_least_0(rule, eps)

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        step = self.direction(g, state)
        step *= self.lr
        theta -= step

    def direction(self, g: Array, state: dict[str, Any]) -> Array:
        """m^ / (sqrt(v^) + eps), a new array, with m and v brought up to date."""
        (beta1, beta2), m, v, t = self.betas, state["m"], state["v"], state["t"]
        _check_eps(self, (1 - beta1) * self.eps, g)
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * (g * g)
        a, b = 1 - beta1**t, 1 - beta2**t
        root = v * (a * a / b)  # a sqrt(v^), and from here on one array, in place: a new one would cost more than the sum
        root **= 0.5
        root += a * self.eps
        return m / root  # = (m / a) / (sqrt(v^) + eps)


class OptimisticAdam(Adam):
    """Optimistic Adam (Daskalakis et al. 2018, Algorithm 1): as OMD, with Adam's direction in g's place.

    d_t = m^_t / (sqrt(v^_t) + eps)         theta <- theta - 2 lr d_t + lr d_(t-1)

    d_(t-1) is the direction of the step before, with the bias corrections of that step. Before the first step it is 0 (the
    formula leaves 0/0 there; published versions differ), so the first step is twice Adam's.
    """

    slots = ("m", "v", "d")

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        d = self.direction(g, state)
        theta -= self.lr * (2 * d - state["d"])
        state["d"][...] = d


def clip_weights(params: Iterable[Tensor], c: float) -> None:
    """Clip every element of the parameters into [-c, c], in place: what keeps WGAN's critic Lipschitz. NaN stays NaN.

    Raises ValueError unless c > 0, and for things that are no parameters.
    """
    if not c > 0:
        raise ValueError(f"clip_weights: c is {c}; expected a number above 0")
    for p in _checked("clip_weights", params):
        w = p.writable()
        p.xp.clip(w, -c, c, out=w)
        p.changed_in_place()


class LinearDecay:
    """Takes the learning rates of optimizers linearly to 0: after t of `steps` calls of `step`, lr is lr_0 (1 - t / steps)."""

    def __init__(self, optimizers: Optimizer | Sequence[Optimizer], steps: int):
        self.optimizers = [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)
        if steps < 1 or not self.optimizers:
            raise ValueError(f"LinearDecay: {len(self.optimizers)} optimizers, steps {steps}; expected at least 1 of each")
        self.steps = steps
        self.start = [optimizer.lr for optimizer in self.optimizers]
        self.t = 0

    def step(self) -> None:
        """One step further down; the rates stay at 0 after the last."""
        self.t = min(self.t + 1, self.steps)
        for optimizer, lr in zip(self.optimizers, self.start, strict=True):
            optimizer.lr = lr * (1 - self.t / self.steps)

    def state_dict(self) -> dict[str, Any]:
        """How far the decay has come, and the rates it started from."""
        return {"t": self.t, "start": {str(i): lr for i, lr in enumerate(self.start)}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`. The optimizers restore their present rates themselves."""
        self.t = int(state["t"])
        self.start = [float(state["start"][str(i)]) for i in range(len(self.optimizers))]


def _checked(rule: str, params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters, each once."""
    if not isinstance(params, Iterable):
        raise TypeError(f"{rule}: params is a {type(params).__name__}; expected a list of Tensors (module.parameters())")
    params = [params] if isinstance(params, Tensor) else list(params)
    if not params:
        raise ValueError(f"{rule}: no parameters; pass module.parameters()")
    for i, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise TypeError(f"{rule}: parameter {i} is a {type(p).__name__}; expected a Tensor (module.parameters())")
        if not p.is_parameter:
            raise ValueError(f"{rule}: parameter {i} ({p.dtype}) is no leaf that requires a gradient")
    return list({id(p): p for p in params}.values())


def _fraction(rule: str, name: str, value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{rule}: {name} is {value}; expected 0 <= {name} < 1")
    return value


def _at_least_0(rule: str, eps: float) -> float:
    if not eps >= 0:  # nan too
        raise ValueError(f"{rule}: eps is {eps}; expected at least 0")
    return eps


def _check_eps(rule: Optimizer, eps: float, g: Array) -> None:
    if g.dtype.type(eps) == 0 < eps:
        raise ValueError(f"{type(rule).__name__}: eps={rule.eps} is 0 in {g.dtype}; use a larger eps, or float32 parameters")
