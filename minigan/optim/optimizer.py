"""The common code of the update rules: the parameters, their states, the learning rate, and the calls of `update`."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from minigan import backend, checks
from minigan.backend import Array
from minigan.engine.errors import describe
from minigan.engine.modes import mode
from minigan.engine.tensor import Tensor
from minigan.optim.blocks import Joined, Ready, State, update_blocks

Parameters = Iterable[Tensor | Mapping[str, Any]]  # Tensors, or groups: [{"params": ..., "lr": ...}, ...]


class Optimizer:
    """Base class of the update rules: a list of parameters, a learning rate, and a state for each parameter.

    A subclass is a rule. It defines `update`. `slots` names the arrays of its state: zeros of the parameter's dtype before the
    first step. `settings` names its constants: a saved state must agree with them. If `update` writes in place, and the update
    of an element depends on this element alone, the rule sets `elementwise` to True. Under NumPy, `update` is then called once
    for many small parameters, joined to a vector, and several times for a large one, by several threads at once: it may not
    change the rule's own attributes. A subclass of the rule has to set this again, since its own `update` may depend on a whole
    parameter.

    `params` can be groups, as in PyTorch: [{"params": G.parameters(), "lr": 1e-4}, {"params": Q.parameters()}]. A group without
    its own rate has `lr`. Each group keeps the ratio of its rate to `lr`: `optimizer.lr /= 2` halves the rates of all groups,
    and a schedule lowers all of them. A saved state must have the same groups, with the same ratios.

    `lr` can be set between steps. A parameter whose gradient is None keeps its values and its state; a parameter that is listed
    twice is stepped once. Raises ValueError or TypeError for an empty list, for anything but Tensors, for results of ops, for
    two parameters that share memory, for a parameter in two groups, and for a group's rate if `lr` is 0.
    """

    slots: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    elementwise = False
    ratios: Sequence[float] = ()  # if the rates differ: each parameter's rate, divided by lr
    _joined: defaultdict[float, Joined] | None = None  # by ratio

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        cls.elementwise = vars(cls).get("elementwise", False)

    def __init__(self, params: Parameters, lr: float):
        self.lr = lr
        self.params, ratios = _of_groups(type(self).__name__, params, self.lr)
        if set(ratios) != {1.0}:
            self.ratios, self.settings = ratios, (*self.settings, "groups")
        for i, j in backend.overlaps([p.data for p in self.params]):
            raise ValueError(
                f"{type(self).__name__}: parameters {i}, {describe(self.params[i])}, and {j}, {describe(self.params[j])}, "
                "share memory: the step of one would change the other; use one Tensor for both, or .copy() the array"
            )
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

    @property
    def groups(self) -> list[list[float]]:
        """[number of parameters, ratio of their rate to `lr`] for each run of parameters with one ratio."""
        return [[len(list(run)), ratio] for ratio, run in groupby(self.ratios or [1.0] * len(self.params))]

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
        if self.ratios:
            self._update_groups(ready)
        else:
            self._update(ready)
        for p, _, _ in ready:
            p.changed_in_place()
        for watcher in mode.watchers:
            watcher.updated(self)

    def _update(self, ready: Sequence[Ready], ratio: float = 1.0) -> None:
        """Call `update` for these parameters, which have one rate."""
        if self.elementwise:
            self._joined = self._joined or defaultdict(Joined)
            update_blocks(self.update, ready, self.slots, self._joined[ratio])
        else:
            for p, g, state in ready:
                self.update(p.data, g, state)

    def _update_groups(self, ready: Sequence[Ready]) -> None:
        """Call `update` for the parameters of each ratio, while `lr`, which it reads, is their rate."""
        lr, ratios = self._lr, {id(p): ratio for p, ratio in zip(self.params, self.ratios, strict=True)}
        try:
            for ratio in dict.fromkeys(self.ratios):
                self._lr = lr * ratio
                self._update([each for each in ready if ratios[id(each[0])] == ratio], ratio)
        finally:
            self._lr = lr

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


def _of_groups(rule: str, params: Any, lr: float) -> tuple[list[Tensor], list[float]]:
    """The parameters of all groups, and for each of them the ratio of its rate to lr."""
    groups = list(params) if isinstance(params, Iterable) and not isinstance(params, Tensor) else []
    if not any(isinstance(group, Mapping) for group in groups):
        found = checked_parameters(rule, groups or params)
        return found, [1.0] * len(found)
    places: dict[int, int] = {}  # a parameter's id -> its group
    found, ratios = [], []
    for i, group in enumerate(groups):
        name = f"{rule}: group {i}"
        if not isinstance(group, Mapping) or not {"params"} <= set(group) <= {"params", "lr"}:
            keys = f"has {sorted(map(str, group))}" if isinstance(group, Mapping) else f"is a {type(group).__name__}"
            raise ValueError(f'{name} {keys}; expected {{"params": ..., "lr": ...}} or {{"params": ...}}')
        own = checked_parameters(name, group["params"])
        for p in own:
            if (other := places.setdefault(id(p), i)) != i:
                raise ValueError(f"{name} and group {other} share a parameter, {describe(p)}; each belongs to one group")
        rate = checks.number(name, "lr", group.get("lr", lr), least=0)
        if rate > 0 == lr:
            raise ValueError(f"{name} has lr {rate:g}, and {rule} lr 0; set an lr above 0: groups keep their ratio to it")
        found += own
        ratios += [rate / lr if lr else 1.0] * len(own)
    return found, ratios


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
