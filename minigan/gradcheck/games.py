"""What `gradcheck` makes of things with parameters: a module as a function of them, and each player of a game as another."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np

from minigan.backend import random_numbers
from minigan.engine.modes import Watcher, watching
from minigan.engine.tensor import Tensor, record
from minigan.games.game import Game
from minigan.nn import Module
from minigan.optim import SGD, Optimizer


def module_as_function(module: Module, arrays: list[np.ndarray]) -> tuple[Callable, list[np.ndarray], list[str]]:
    """The module as a function of its inputs and its parameters; the parameters in float64, and their names.

    Every call goes to a fresh copy: running statistics do not move, and random numbers repeat. Raises ValueError for a module
    whose output depends on the calls before: its derivative would be that of another function in each call.
    """
    names, parameters = [name for name, _ in module.named_parameters()], module.parameters()
    _check_stateless(module, [Tensor(x) for x in arrays])
    n = len(arrays)

    def fn(*values):
        with _same_random_numbers():
            return _copy(module, parameters, values[n:])(*values[:n])

    return fn, [p.numpy().astype(np.float64) for p in parameters], names


def _check_stateless(module: Module, inputs: list[Tensor]) -> None:
    """Call two copies of the module, the second with the buffers that the first has after its call."""
    first, second = deepcopy(module), deepcopy(module)
    with _same_random_numbers():
        before = first(*inputs)
    second.load_state_dict(first.state_dict())
    with _same_random_numbers():
        after = second(*inputs)
    if not np.array_equal(before.numpy(), after.numpy(), equal_nan=True):
        own, new = module.state_dict(), first.state_dict()
        changed = ", ".join(name for name in own if not np.array_equal(own[name], new[name], equal_nan=True))
        raise ValueError(
            f"gradcheck: two calls of {type(module).__name__} differ, since each call changes {changed}; "
            "check it in eval mode, or with this state held fixed"
        )


def players(game: Game) -> list[str]:
    """Each optimizer is a player: G and D, and what else opt_... in a game's saved parts belongs to."""
    return sorted(name.removeprefix("opt_") for name in game.saved_parts() if name.startswith("opt_"))


def player_as_function(game: Game, minibatch: Any, player: str) -> tuple[Callable, list[np.ndarray], list[str], list[str]]:
    """The player's losses in one step of the game, as a function of its parameters, with the gradients that the step computes.

    Its parameters are those of its optimizer: an encoder's, too, where they are trained with G's.

    Returns the function, the parameters in float64, their names, and the names of the losses. The optimizers change nothing:
    all losses of a step are those of the same parameters.
    """
    networks = [part for part in (getattr(game, name) for name in game.saved_parts()) if isinstance(part, Module)]
    parameters = list({id(p): p for network in networks for p in network.parameters()}.values())
    own = getattr(game, f"opt_{player}").params
    start = _step(game, parameters, [p.numpy().astype(np.float64) for p in parameters], minibatch, keep=False)
    names, values = [p.name for p in own], {id(p): t.numpy() for p, t in zip(parameters, start.parameters, strict=True)}

    def fn(*moved):
        new = values | {id(p): t.numpy() for p, t in zip(own, moved, strict=True)}
        seen = _step(game, parameters, [new[id(p)] for p in parameters], minibatch, keep=True)
        pairs = [(t, _derivative(seen.gradients[player], name)) for name, t in zip(names, moved, strict=True)]
        return record("losses", np.array(seen.losses[player]), *pairs)

    losses = [f"loss_{player}, step {k + 1}" for k in range(len(start.losses[player]))]
    return fn, [values[id(p)] for p in own], names, losses


def _derivative(gradients: list[dict[str, np.ndarray]], name: str) -> Callable:
    """The derivative of a vector of losses for the parameter of this name, made of the gradient of each."""
    return lambda g, y: Tensor(sum(float(g_k) * gradient[name] for g_k, gradient in zip(g.numpy(), gradients, strict=True)))


class _Losses(Watcher):
    """Notes each player's losses and gradients when its optimizer is to step, and keeps parameters in place."""

    def __init__(self, game: Game, parameters: list[Tensor], keep: bool):
        self.game, self.parameters, self.output = game, parameters, None
        self.kept = {id(t): t.numpy().copy() for t in parameters} if keep else {}
        self.losses: dict[str, list] = {player: [] for player in players(game)}
        self.gradients: dict[str, list] = {player: [] for player in players(game)}

    def backward_begins(self, output: Tensor) -> None:
        self.output = output

    def updating(self, optimizer: Optimizer) -> None:
        player = next(name for name in self.losses if getattr(self.game, f"opt_{name}") is optimizer)
        self.losses[player].append(self.output.item())
        self.gradients[player].append({p.name: p.grad.numpy().copy() for p in optimizer.params})

    def changed(self, x: Tensor) -> None:
        """Clipping would undo the small move whose effect is to be seen."""
        if id(x) in self.kept and not np.array_equal(x.numpy(), self.kept[id(x)]):
            x.data = self.kept[id(x)]


def _step(game: Game, parameters: list[Tensor], values: list[np.ndarray], minibatch: Any, keep: bool) -> _Losses:
    """One step of a copy of the game, with these values of its parameters and optimizers whose learning rate is 0."""
    new = [Tensor(v, requires_grad=p.requires_grad, name=p.name) for p, v in zip(parameters, values, strict=True)]
    game = _copy(game, parameters, new)
    for player in players(game):
        setattr(game, f"opt_{player}", SGD(getattr(game, f"opt_{player}").params, lr=0.0))
    with _same_random_numbers(), watching(_Losses(game, new, keep)) as seen:
        game.step(itertools.repeat(minibatch))
    return seen


def _copy(owner: Any, parameters: Any, values: Any) -> Any:
    """A copy of a module or a game in which these tensors stand in the places of its parameters."""
    return deepcopy(owner, {id(p): t for p, t in zip(parameters, values, strict=True)})


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """minigan's default generators stand after the block where they stood before it."""
    state = random_numbers.generators_state()
    try:
        yield
    finally:
        random_numbers.set_generators_state(state)
