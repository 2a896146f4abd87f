"""Update rules. Each rule's `update` is its formula, for one parameter theta with gradient g, computed in place."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from minigan import backend
from minigan.grad_mode import mode
from minigan.tensor import Tensor

Array = backend.Array
PART = 1 << 17  # elements that are updated at a time


class Optimizer:
    """Base class: the parameters, the learning rate `lr` (settable between steps), and a state for each parameter.

    A rule names its state arrays in `slots` (zeros of the parameter's dtype before the first step) and writes `update`. Where
    `update` treats each element by itself, and changes the slots in place, `elementwise = True` lets it run once for many small
    parameters, as one vector, and part by part for a large one; subclasses do not inherit it. A parameter whose gradient is
    None is left alone, and so is its state; one that is listed twice is stepped once.
    Raises ValueError or TypeError for no parameters, things that are no Tensors, and tensors that an op has made.
    """

    slots: tuple[str, ...] = ()
    elementwise = False
    recorded: Any = None  # where a recorded step reads lr and t: see `games.Captured`
    _vectors: "_Vectors | None" = None
    _spare: Array | None = None

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        cls.elementwise = vars(cls).get("elementwise", False)  # another update may look at a whole parameter

    def __init__(self, params: Iterable[Tensor], lr: float):
        self.params = _checked(type(self).__name__, params)
        self.lr = lr
        self.state: list[dict[str, Any]] = [{"t": 0} for _ in self.params]

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: they make vectors of their own."""
        return {**vars(self), "_vectors": None, "_spare": None, "recorded": None}

    @property
    def lr(self) -> float:
        """The learning rate, at least 0. (While a step is recorded, an array, which later steps can change.)"""
        return self._lr if self.recorded is None or not backend.recording() else self.recorded.lr

    @lr.setter
    def lr(self, value: float) -> None:
        if isinstance(value, str) or value is None or not 0 <= value < float("inf"):
            raise ValueError(f"{type(self).__name__}: lr is {value}; expected a number of at least 0")
        if backend.recording():
            raise backend.BackendError(f"{type(self).__name__}: lr is set within a step that is to be recorded; set it before")
        self._lr = float(value)
        if self.recorded is not None:
            self.recorded.lr.fill(self._lr)

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        """Change theta in place. state["t"] counts this parameter's steps from 1; the slots are its arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no update: define update(self, theta, g, state)")

    def step(self) -> None:
        """Apply the rule to every parameter that has a gradient."""
        ready = [(p, state) for p, state in zip(self.params, self.state, strict=True) if p.grad is not None]
        for p, state in ready:
            self._prepare(p, state)
        if backend.recording():
            self._recorded_step(ready)
        elif self.elementwise and len(ready) > 1 and self._as_vectors(ready):
            theta = self._vectors.parameters(ready)
            self.update(theta, self._vectors.gradients(ready), self._vectors.state)
            self._vectors.hand_back(ready)
        else:
            for p, state in ready:
                for part in _parts(p.data, p.grad.data, state) if self.elementwise else [(p.data, p.grad.data, state)]:
                    self.update(*part)
        for p, _ in ready:
            p.changed_in_place()
        if mode.profile is not None:
            mode.profile.lap(type(self).__name__, "update")

    def _recorded_step(self, ready: list["_Ready"]) -> None:
        """The same with the learning rate and t as arrays, which differ from one repetition to the next."""
        rule = type(self).__name__
        if self.recorded is None:
            raise backend.BackendError(f"{rule}: an optimizer that is not an attribute of the game cannot be recorded")
        if len({state["t"] for _, state in ready}) > 1:
            raise backend.BackendError(f"{rule}: parameters with different numbers of steps cannot be recorded")
        self.recorded.advance([state for _, state in ready])
        for p, state in ready:
            known = {**state, "t": self.recorded.t}
            self.update(p.data, p.grad.data, known)
            if known.keys() != state.keys() or any(known[key] is not state[key] for key in state if key != "t"):
                raise backend.BackendError(f"{rule}: update replaces its arrays; write into them")

    def _prepare(self, p: Tensor, state: dict[str, Any]) -> None:
        """The parameter writable, its state of the same dtype, and one step older."""
        theta = p.writable()
        for slot in self.slots:
            if slot not in state:
                state[slot] = p.xp.zeros_like(theta)
            elif state[slot].dtype != theta.dtype or type(state[slot]) is not type(theta):  # the user has changed or moved it
                state[slot] = backend.move(state[slot], p.xp.__name__).astype(theta.dtype)
        state["t"] += 1

    def _as_vectors(self, ready: list["_Ready"]) -> bool:
        """See to it that `_vectors` holds these parameters and states, if one vector can hold them."""
        (first, state), t = ready[0], ready[0][1]["t"]
        if sum(p.size for p, _ in ready) > PART:
            return False  # copying them into a vector and back would cost more than one call for each
        if any(p.dtype != first.dtype or p.xp is not first.xp or s["t"] != t for p, s in ready):
            return False
        if self._vectors is None or not self._vectors.hold(ready):
            self._vectors = _Vectors(ready, self.slots)
        self._vectors.state["t"] = state["t"]
        return True

    def times(self, a: Array | float, b: Array) -> Array:
        """a * b in spare memory: what was there before, from this or from `root_of`, is lost. New memory would cost more."""
        return backend.of(b).multiply(a, b, out=self._spare_like(b))

    def root_of(self, a: Array) -> Array:
        """The square root of a, in spare memory, as `times`."""
        return backend.of(a).sqrt(a, out=self._spare_like(a))

    def _spare_like(self, a: Array) -> Array:
        if backend.recording():
            return backend.of(a).empty(a.shape, a.dtype)  # the graph's own
        if self._spare is None or self._spare.size < a.size or self._spare.dtype != a.dtype or type(self._spare) is not type(a):
            self._spare = backend.of(a).empty(a.size, a.dtype)
        return self._spare[: a.size].reshape(a.shape)

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


_Ready = tuple[Tensor, dict[str, Any]]  # a parameter that has a gradient, and its state


class _Vectors:
    """Parameters one after another in one vector, and so each of their states, so that a rule runs once instead of many times.

    The states' arrays become views into the vectors. Whoever puts another array in the place of one (`load_state_dict`) is
    noticed by `hold`; the vectors are then made anew. Parameters keep their arrays, which others look at, too (`detach`).
    """

    def __init__(self, ready: list[_Ready], slots: tuple[str, ...]):
        self.slots = slots
        self.theta, self.thetas = _joined([p.data for p, _ in ready])
        self.g = backend.of(self.theta).empty_like(self.theta)
        self.state: dict[str, Any] = {}
        self.views: dict[str, list[Array]] = {}
        for slot in slots:
            self.state[slot], self.views[slot] = _joined([state[slot] for _, state in ready])
            for (_, state), view in zip(ready, self.views[slot], strict=True):
                state[slot] = view

    def hold(self, ready: list[_Ready]) -> bool:
        """Whether the vectors have room for just these parameters, and are still the memory of their states."""
        first = ready[0][0].data
        if [p.shape for p, _ in ready] != [theta.shape for theta in self.thetas] or first.dtype != self.theta.dtype:
            return False
        if type(first) is not type(self.theta):  # they have moved
            return False
        return all(state[slot] is view for slot in self.slots for (_, state), view in zip(ready, self.views[slot], strict=True))

    def parameters(self, ready: list[_Ready]) -> Array:
        """The parameters as one vector."""
        return backend.concatenate([p.data.reshape(-1) for p, _ in ready], out=self.theta)

    def gradients(self, ready: list[_Ready]) -> Array:
        """The parameters' gradients as one vector."""
        return backend.concatenate([p.grad.data.reshape(-1) for p, _ in ready], out=self.g)

    def hand_back(self, ready: list[_Ready]) -> None:
        """The vector's values into the parameters' own memory."""
        for (p, _), theta in zip(ready, self.thetas, strict=True):
            p.data[...] = theta


def _parts(theta: Array, g: Array, state: dict[str, Any]) -> Iterator[tuple[Array, Array, dict[str, Any]]]:
    """A large parameter's (theta, g, state), part after part: a rule's many passes over a part find it in the core's cache."""
    xp, count = backend.of(theta), theta.size // PART
    arrays = {key: array for key, array in state.items() if key != "t"}
    if count < 2 or xp.__name__ != "numpy" or not all(a.flags.c_contiguous for a in (theta, *arrays.values())):
        yield theta, xp.asarray(g, order="C"), state  # of a convolution it comes in another order, which NumPy is slow with
        return
    g = g.reshape(-1)
    bounds = [theta.size * i // count for i in range(count + 1)]
    for part in map(slice, bounds[:-1], bounds[1:]):
        yield theta.reshape(-1)[part], g[part], {"t": state["t"], **{key: a.reshape(-1)[part] for key, a in arrays.items()}}


def _joined(arrays: list[Array]) -> tuple[Array, list[Array]]:
    """The arrays one after another in one vector, and the views into it that have their shapes."""
    whole = backend.concatenate([a.reshape(-1) for a in arrays])
    ends = accumulate(a.size for a in arrays)
    return whole, [whole[end - a.size : end].reshape(a.shape) for a, end in zip(arrays, ends, strict=True)]


class SGD(Optimizer):
    """Gradient descent with momentum: b <- momentum b + g, theta <- theta - lr b; without: theta <- theta - lr g."""

    elementwise = True

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.0):
        super().__init__(params, lr)
        self.momentum = _fraction("SGD", "momentum", momentum)
        self.slots = ("b",) if momentum else ()

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        if not self.momentum:
            theta -= self.times(self.lr, g)
            return
        b = state["b"]
        b *= self.momentum
        b += g
        theta -= self.times(self.lr, b)


class RMSProp(Optimizer):
    """RMSProp (Tieleman and Hinton 2012): v <- alpha v + (1 - alpha) g^2, theta <- theta - lr g / (sqrt(v) + eps)."""

    slots = ("v",)
    elementwise = True

    def __init__(self, params: Iterable[Tensor], lr: float, alpha: float = 0.99, eps: float = 1e-8):
        super().__init__(params, lr)
        self.alpha, self.eps = _fraction("RMSProp", "alpha", alpha), _at_least_0("RMSProp", eps)

    def update(self, theta: Array, g: Array, state: dict[str, Any]) -> None:
        _check_eps(self, self.eps, theta)
        v = state["v"]
        v *= self.alpha
        v += self.times(1 - self.alpha, self.times(g, g))
        step = self.root_of(v)
        step += self.eps
        backend.of(g).divide(g, step, out=step)
        step *= self.lr
        theta -= step


class OMD(Optimizer):
    """Optimistic mirror descent (Daskalakis et al. 2018): theta <- theta - lr (2 g_t - g_(t-1)), with g_0 = 0.

    In a game, where gradient descent circles around the equilibrium, looking ahead by g_t - g_(t-1) makes it spiral inwards.
    """

    slots = ("g",)
    elementwise = True

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
    elementwise = True

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
        theta -= self.direction(g, state, self.lr)

    def direction(self, g: Array, state: dict[str, Any], lr: float = 1.0) -> Array:
        """lr m^ / (sqrt(v^) + eps) in spare memory, with m and v brought up to date."""
        (beta1, beta2), m, v, t = self.betas, state["m"], state["v"], state["t"]
        _check_eps(self, (1 - beta2) ** 0.5 * self.eps, g)
        m *= beta1
        m += self.times(1 - beta1, g)
        v *= beta2
        v += self.times(1 - beta2, self.times(g, g))
        a, root_b = 1 - beta1**t, (1 - beta2**t) ** 0.5
        step = self.root_of(v)  # root_b sqrt(v^)
        step += root_b * self.eps
        backend.of(g).divide(m, step, out=step)  # m / root_b / (sqrt(v^) + eps)
        step *= lr * root_b / a
        return step


class OptimisticAdam(Adam):
    """Optimistic Adam (Daskalakis et al. 2018, Algorithm 1): as OMD, with Adam's direction in g's place.

    d_t = m^_t / (sqrt(v^_t) + eps)         theta <- theta - 2 lr d_t + lr d_(t-1)

    d_(t-1) is the direction of the step before, with the bias corrections of that step. Before the first step it is 0 (the
    formula leaves 0/0 there; published versions differ), so the first step is twice Adam's.
    """

    slots = ("m", "v", "d")
    elementwise = True

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
