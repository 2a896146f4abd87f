"""The common code of the update rules: the parameters, their states, the learning rate, and the calls of `update`."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from minigan import backend, checks
from minigan.backend import Array
from minigan.engine.errors import describe
from minigan.engine.modes import mode
from minigan.engine.tensor import Tensor
from minigan.optim.blocks import Joined, State, update_blocks


class Optimizer:
    """Base class of the update rules: a list of parameters, a learning rate, and a state for each parameter.

    A subclass is a rule. It defines `update`. `slots` names the arrays of its state: zeros of the parameter's dtype before the
    first step. `settings` names its constants: a saved state must agree with them. If `update` writes in place, and the update
    of an element depends on this element alone, the rule sets `elementwise` to True. Under NumPy, `update` is then called once
    for many small parameters, joined to a vector, and several times for a large one. A subclass of the rule has to set this
    again, since its own `update` may depend on a whole parameter.

    `lr` can be set between steps. A parameter whose gradient is None keeps its values and its state; a parameter that is listed
    twice is stepped once. Raises ValueError or TypeError for an empty list, for anything but Tensors, for results of ops, and
    for two parameters that share memory.
    """

    slots: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    elementwise = False
    _joined: Joined | None = None

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        cls.elementwise = vars(cls).get("elementwise", False)

    def __init__(self, params: Iterable[Tensor], lr: float):
        self.params = checked_parameters(type(self).__name__, params)
        for i, j in backend.overlaps([p.data for p in self.params]):
            raise ValueError(
                f"{type(self).__name__}: parameters {i}, {describe(self.params[i])}, and {j}, {describe(self.params[j])}, "
                "share memory: the step of one would change the other; use one Tensor for both, or .copy() the array"
            )
        self.lr = lr
        self.state: list[State] = [{"t": 0} for _ in self.params]

    def __getstate__(self) -> dict[str, Any]:
        """All attributes but the joined vectors: a copy makes its own."""
        return {**vars(self), "_joined": None}

    @property
    def lr(self) -> float:
        """The learning rate, at least 0."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = checks.number(type(self).__name__, "lr", value, least=0)

    def update(self, theta: Array, g: Array, state: State) -> None:
        """Change theta in place. `state` has the arrays of the slots, and "t", the number of this step, from 1."""
        raise NotImplementedError(f"{type(self).__name__} has no update: define update(self, theta, g, state)")

    def check_dtype(self, dtype: Any) -> None:
        """Raise ValueError for a dtype in which the rule cannot compute. Called before each update of a parameter."""

    def step(self) -> None:
        """Apply the rule to every parameter that has a gradient."""
        for watcher in mode.watchers:
            watcher.updating(self)
        ready = [(p, p.grad.data, state) for p, state in zip(self.params, self.state, strict=True) if p.grad is not None]
        for p, _, state in ready:
            self._prepare(p, state)
        self._joined = self._joined or Joined()
        if self.elementwise:
            update_blocks(self.update, ready, self.slots, self._joined)
        else:
            for p, g, state in ready:
                self.update(p.data, g, state)
        for p, _, _ in ready:
            p.changed_in_place()
        for watcher in mode.watchers:
            watcher.updated(self)

    def _prepare(self, p: Tensor, state: State) -> None:
        """Make the parameter writable, give its state the same dtype and backend, and count the step."""
        theta = p.writable()
        self.check_dtype(theta.dtype)
        for slot in self.slots:
            if slot not in state:
                state[slot] = p.xp.zeros_like(theta)
            elif state[slot].dtype != theta.dtype or type(state[slot]) is not type(theta):  # the user changed or moved p
                state[slot] = backend.move(state[slot], p.xp.__name__).astype(theta.dtype)
        state["t"] += 1

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.params:
            p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The rule's name and settings, the learning rate, and copies of the parameters' states by their positions."""
        copies = [{key: backend.copy_to_numpy(v) if key != "t" else v for key, v in state.items()} for state in self.state]
        return {**self._settings(), "lr": self.lr, "params": {str(i): state for i, state in enumerate(copies)}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`. Raises ValueError, and loads nothing, if the rule, a setting or a parameter differs."""
        self.check_state_dict(state)
        self.lr = checks.saved_number("lr", state["lr"], least=0)
        for i, (p, own) in enumerate(zip(self.params, self.state, strict=True)):
            entry = state["params"][str(i)]
            own.clear()
            own.update({s: p.xp.array(entry[s]) for s in self.slots if s in entry}, t=checks.saved_whole("t", entry["t"]))

    def check_state_dict(self, state: dict[str, Any], part: str = "") -> None:
        """Raise ValueError for a state that `load_state_dict` would refuse. `part`: the optimizer's name in messages."""
        checks.saved_names(part, state, ["lr", "params"], self._settings())
        part = part and f"{part}."
        checks.saved_number(f"{part}lr", state["lr"], least=0)
        checks.saved_names(f"{part}params", state["params"], [str(i) for i in range(len(self.params))])
        for i, p in enumerate(self.params):
            name, entry = f"{part}params.{i}", state["params"][str(i)]
            before_the_first_step = isinstance(entry, Mapping) and set(entry) == {"t"}
            checks.saved_names(name, entry, ["t"] if before_the_first_step else ["t", *self.slots])
            checks.saved_whole(f"{name}.t", entry["t"], most=0 if before_the_first_step and self.slots else math.inf)
            for slot in [] if before_the_first_step else self.slots:
                checks.saved_array(f"{name}.{slot}", entry[slot], p)

    def __repr__(self) -> str:
        """The rule with its constants, the numbers of parameters and elements, and the number of steps."""
        constants = [f"lr={self.lr:g}", *(f"{name}={getattr(self, name)}" for name in self.settings)]
        step = max(state["t"] for state in self.state)
        extent = [f"{len(self.params)} parameters", f"{sum(p.size for p in self.params):,} numbers", f"step {step:,}"]
        return f"{type(self).__name__}({', '.join(constants + extent)})"

    def _settings(self) -> dict[str, Any]:
        """The rule's name and constants: a saved state must agree with them."""
        return {"rule": type(self).__name__, **{name: getattr(self, name) for name in self.settings}}


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
            raise ValueError(f"{rule}: parameter {i} ({p.dtype}) is not a leaf with requires_grad=True")
    return list({id(p): p for p in params}.values())


def check_eps(rule: Any, dtype: Any) -> None:
    """Raise ValueError for an eps that rounds to 0 in this dtype: the `check_dtype` of rules that divide by something + eps."""
    if dtype.type(rule.eps) == 0 < rule.eps:
        raise ValueError(f"{type(rule).__name__}: eps={rule.eps} is 0 in {dtype}; use a larger eps, or float32 parameters")
