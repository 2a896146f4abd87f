"""What all update rules share: the parameters, their states, the learning rate, and when the rule's `update` is called."""

from collections.abc import Iterable
from typing import Any

from minigan import backend
from minigan.backend import Array
from minigan.modes import mode
from minigan.optim.blocks import Joined, blocks
from minigan.tensor import Tensor


class Optimizer:
    """Base class of the update rules: a list of parameters, a learning rate, and a state for each parameter.

    A subclass is a rule. It defines `update`, and names in `slots` the arrays that make up the state: zeros of the parameter's
    dtype before the first step. If its `update` treats each element by itself and writes in place, it sets `elementwise` to
    True: `update` is then called once for many small parameters, joined to a vector, and several times for a large one. A
    subclass of the rule has to set this again, since its own `update` may look at a whole parameter.

    `lr` can be set between steps. A parameter whose gradient is None is left alone, and so is its state; one that is listed
    twice is stepped once. Raises ValueError or TypeError for an empty list, for things that are not Tensors, and for Tensors
    that an op has made.
    """

    slots: tuple[str, ...] = ()
    elementwise = False
    _joined: Joined | None = None

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        cls.elementwise = vars(cls).get("elementwise", False)

    def __init__(self, params: Iterable[Tensor], lr: float):
        self.params = checked_parameters(type(self).__name__, params)
        self.lr = lr
        self.state: list[dict[str, Any]] = [{"t": 0} for _ in self.params]

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the joined vectors, which a copy makes anew."""
        return {**vars(self), "_joined": None}

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

    def check_dtype(self, dtype: Any) -> None:
        """Raise ValueError for a dtype in which the rule cannot compute. Called for every parameter that is to be stepped."""

    def step(self) -> None:
        """Apply the rule to every parameter that has a gradient."""
        ready = [(p, state) for p, state in zip(self.params, self.state, strict=True) if p.grad is not None]
        for p, state in ready:
            self._prepare(p, state)
        self._joined = self._joined or Joined()
        whole = ((p.data, p.grad.data, state) for p, state in ready)
        for theta, g, state in blocks(ready, self.slots, self._joined) if self.elementwise else whole:
            self.update(theta, g, state)
        for p, _ in ready:
            p.changed_in_place()
        for watcher in mode.watchers:
            watcher.updated(self)

    def _prepare(self, p: Tensor, state: dict[str, Any]) -> None:
        """The parameter writable, its state of the same dtype, and one step older."""
        theta = p.writable()
        self.check_dtype(theta.dtype)
        for slot in self.slots:
            if slot not in state:
                state[slot] = p.xp.zeros_like(theta)
            elif state[slot].dtype != theta.dtype or type(state[slot]) is not type(theta):  # the user has changed or moved it
                state[slot] = backend.move(state[slot], p.xp.__name__).astype(theta.dtype)
        state["t"] += 1

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


def checked_parameters(rule: str, params: Iterable[Tensor]) -> list[Tensor]:
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


def check_fraction(rule: str, name: str, value: float) -> float:
    """The value, if 0 <= value < 1."""
    if not 0 <= value < 1:
        raise ValueError(f"{rule}: {name} is {value}; expected 0 <= {name} < 1")
    return value


def check_at_least_0(rule: str, name: str, value: float) -> float:
    """The value, if it is at least 0, and not nan."""
    if not value >= 0:
        raise ValueError(f"{rule}: {name} is {value}; expected at least 0")
    return value


def check_eps(rule: Any, dtype: Any) -> None:
    """Refuse an eps that rounds to 0 in this dtype: the `check_dtype` of a rule that divides by something + eps."""
    if dtype.type(rule.eps) == 0 < rule.eps:
        raise ValueError(f"{type(rule).__name__}: eps={rule.eps} is 0 in {dtype}; use a larger eps, or float32 parameters")
