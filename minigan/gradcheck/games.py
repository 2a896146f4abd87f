"""Modules and the players of a game as functions of their parameters, for `gradcheck`."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np

from minigan.backend import random_numbers
from minigan.engine.modes import Watcher, watching
from minigan.engine.tensor import Tensor, record
from minigan.games.game import Game
from minigan.gradcheck.function import TensorFunction
from minigan.nn import Module
from minigan.optim import SGD


def module_as_function(module: Module, arrays: list[np.ndarray]) -> tuple[TensorFunction, list[np.ndarray], list[str]]:
    """The module as a function of its inputs and its parameters; the parameters in float64, and their names.

    Every call uses a fresh copy: running statistics do not move, and random numbers repeat. Raises ValueError for a module
    whose output depends on earlier calls: each call would be a different function, with a derivative of its own.
    """
    names, parameters = [name for name, _ in module.named_parameters()], module.parameters()
    _check_stateless(module, [Tensor(x) for x in arrays])
    n = len(arrays)

    def fn(*values: Tensor) -> Any:
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
    """The game's players, one for each of its optimizers: G for opt_G, D for opt_D, ..."""
    return sorted(name.removeprefix("opt_") for name in game.saved_parts() if name.startswith("opt_"))


def player_as_function(
    game: Game, minibatch: Any, player: str
) -> tuple[TensorFunction, list[np.ndarray], list[str], list[str]]:
    """The player's losses in one step of the game, as a function of its parameters, with the gradients that the step computes.

    Its parameters are those of its optimizer, also an encoder's if it is trained with G.

    Returns the function, the parameters in float64, their names, and the names of the losses. The optimizers change nothing:
    all losses of a step are those of the same parameters.
    """
    networks = [part for part in (getattr(game, name) for name in game.saved_parts()) if isinstance(part, Module)]
    parameters = list({id(p): p for network in networks for p in network.parameters()}.values())
    own = getattr(game, f"opt_{player}").params
    start = _step(game, parameters, [p.numpy().astype(np.float64) for p in parameters], minibatch, keep=False)
    names, values = [p.name for p in own], {id(p): t.numpy() for p, t in zip(parameters, start.parameters, strict=True)}

    def fn(*moved: Tensor) -> Tensor:
        new = values | {id(p): t.numpy() for p, t in zip(own, moved, strict=True)}
        seen = _step(game, parameters, [new[id(p)] for p in parameters], minibatch, keep=True)
        pairs = [(t, _derivative(seen.gradients[player], name)) for name, t in zip(names, moved, strict=True)]
        return record("losses", np.array(seen.losses[player]), *pairs)

    losses = [f"loss_{player}, step {k + 1}" for k in range(len(start.losses[player]))]
    return fn, [values[id(p)] for p in own], names, losses


def _derivative(gradients: list[dict[str, np.ndarray]], name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The derivative of a vector of losses for the parameter of this name, from the gradient of each loss."""
    return lambda g, y: Tensor(sum(float(g_k) * gradient[name] for g_k, gradient in zip(g.numpy(), gradients, strict=True)))


class _Losses(Watcher):
    """Collects each player's losses and gradients when its optimizer is about to step, and undoes changes of parameters."""

    def __init__(self, game: Game, parameters: list[Tensor], keep: bool):
        self.game, self.parameters = game, parameters
        self.kept = {id(t): t.numpy().copy() for t in parameters} if keep else {}
        self.losses: dict[str, list[float]] = {player: [] for player in players(game)}
        self.gradients: dict[str, list[dict[str, np.ndarray]]] = {player: [] for player in players(game)}

    def backward_begins(self, output: Tensor) -> None:
        self.output = output

    def updating(self, optimizer: Any) -> None:
        player = next(name for name in self.losses if getattr(self.game, f"opt_{name}") is optimizer)
        self.losses[player].append(self.output.item())
        self.gradients[player].append({p.name: p.grad.numpy().copy() for p in optimizer.params})

    def changed(self, x: Tensor) -> None:
        """Clipping would undo the small move whose effect is measured."""
        if id(x) in self.kept and not np.array_equal(x.numpy(), self.kept[id(x)]):
            x.data = self.kept[id(x)]


def _step(game: Game, parameters: list[Tensor], values: list[np.ndarray], minibatch: Any, keep: bool) -> _Losses:
    """One step of a copy of the game, with these values of its parameters and optimizers whose learning rate is 0."""
    new = [Tensor(v, requires_grad=p.requires_grad, name=p.name) for p, v in zip(parameters, values, strict=True)]
    game = _copy(game, parameters, new)
    for player in players(game):
        setattr(game, f"opt_{player}", SGD(getattr(game, f"opt_{player}").params, lr=0.0))
    seen = _Losses(game, new, keep)
    with _same_random_numbers(), watching(seen):
        game.step(itertools.repeat(minibatch))
    return seen


def _copy(owner: Any, parameters: Sequence[Tensor], values: Sequence[Tensor]) -> Any:
    """A copy of a module or a game with these tensors in place of its parameters."""
    return deepcopy(owner, {id(p): t for p, t in zip(parameters, values, strict=True)})


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """minigan's default generators have the same state after the block as before it."""
    state = random_numbers.generators_state()
    try:
        yield
    finally:
        random_numbers.set_generators_state(state)
