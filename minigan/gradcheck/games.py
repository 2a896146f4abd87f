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
from minigan.optim import SGD, Optimizer


def module_as_function(module: Module, arrays: list[np.ndarray]) -> tuple[TensorFunction, list[np.ndarray], list[str]]:
    """The module as a function of its inputs and its parameters; the parameters in float64, and their names.

    Every call uses a fresh copy: running statistics do not move, and random numbers repeat. Raises ValueError for a module
    whose output depends on earlier calls: each call would be a different function, with a derivative of its own.
    """
    names, parameters = [name for name, _ in module.named_parameters()], module.parameters()
    _check_module_stateless(module, [Tensor(x) for x in arrays])
    n = len(arrays)

    def fn(*values: Tensor) -> Any:
        with _same_random_numbers():
            return deepcopy(module, dict(zip(map(id, parameters), values[n:], strict=True)))(*values[:n])

    return fn, [p.numpy().astype(np.float64) for p in parameters], names


def players(game: Game) -> dict[str, Optimizer]:
    """The game's players, one for each of its optimizers: G for opt_G, D for opt_D, ..."""
    optimizers = game.parts(Optimizer)
    return {name.removeprefix("opt_"): optimizers[name] for name in sorted(optimizers)}


def player_as_function(
    game: Game, minibatch: Any, player: str
) -> tuple[TensorFunction, list[np.ndarray], list[str], list[str]]:
    """The player's losses in one step of the game, as a function of its parameters, with the gradients that the step computes.

    Its parameters are those of its optimizer, also an encoder's if it is trained with G.

    Returns the function, the parameters in float64, their names, and the names of the losses. The optimizers change nothing:
    all losses of a step are those of the same parameters.
    """
    parameters = _parameters(game)
    own = players(game)[player].params
    start = _step(game, parameters, _in_float64(parameters), minibatch, keep=False)
    if not start.losses[player]:
        raise ValueError(f"gradcheck: the step of {type(game).__name__} never updates {player}: opt_{player} takes no step")
    names, values = (
        [p.name or f"{player}.{i}" for i, p in enumerate(own)],
        {id(p): t.numpy() for p, t in zip(parameters, start.parameters, strict=True)},
    )

    def fn(*moved: Tensor) -> Tensor:
        new = values | {id(p): t.numpy() for p, t in zip(own, moved, strict=True)}
        seen = _step(game, parameters, _with_values(parameters, [new[id(p)] for p in parameters]), minibatch, keep=True)

        def derivative(i: int) -> Callable[[Tensor, Tensor], Tensor]:
            gradients = [gradient[i] for gradient in seen.gradients[player]]  # of each loss
            return lambda g, y: Tensor(sum(float(g_k) * gradient for g_k, gradient in zip(g.numpy(), gradients, strict=True)))

        pairs = [(t, derivative(i)) for i, t in enumerate(moved)]
        return record("losses", np.array(seen.losses[player]), *pairs)

    losses = [f"loss_{player}, step {k + 1}" for k in range(len(start.losses[player]))]
    return fn, [values[id(p)] for p in own], names, losses


class _Losses(Watcher):
    """Collects each player's losses and gradients when its optimizer is about to step, and undoes changes of parameters."""

    def __init__(self, game: Game, parameters: list[Tensor], keep: bool):
        self.game, self.players, self.parameters = game, players(game), parameters
        self.kept = {id(t): t.numpy().copy() for t in parameters} if keep else {}
        self.losses: dict[str, list[float]] = {player: [] for player in self.players}
        self.gradients: dict[str, list[list[np.ndarray]]] = {player: [] for player in self.players}

    def backward_begins(self, output: Tensor) -> None:
        self.output = output

    def updating(self, optimizer: Any) -> None:
        player = next(name for name, rule in self.players.items() if rule is optimizer)
        self.losses[player].append(self.output.item())
        self.gradients[player].append([p.grad.numpy().copy() for p in optimizer.params])

    def changed(self, x: Tensor) -> None:
        """Clipping would undo the small move whose effect is measured."""
        if id(x) in self.kept and not np.array_equal(x.numpy(), self.kept[id(x)]):
            x.data = self.kept[id(x)]


def _step(game: Game, parts: Sequence[Any], new: Sequence[Any], minibatch: Any, keep: bool) -> _Losses:
    """One step of a copy of the game, with new parameters (and networks) and with optimizers whose learning rate is 0."""
    copied = dict(zip(map(id, parts), new, strict=True))  # deepcopy puts the new parts in the places of the old
    copied |= {id(rule): SGD([copied[id(p)] for p in rule.params], lr=0.0) for rule in game.parts(Optimizer).values()}
    game = deepcopy(game, copied)
    seen = _Losses(game, [t for t in new if isinstance(t, Tensor)], keep)
    with _same_random_numbers(copied), watching(seen):
        game.step(itertools.repeat(minibatch))
    return seen


def _parameters(game: Game) -> list[Tensor]:
    """The parameters of all networks and optimizers, each once."""
    owners = [network.parameters() for network in game.parts(Module).values()]
    owners += [optimizer.params for optimizer in game.parts(Optimizer).values()]
    return list({id(p): p for parameters in owners for p in parameters}.values())


def _with_values(parameters: list[Tensor], values: list[np.ndarray]) -> list[Tensor]:
    """The same parameters with other values."""
    return [Tensor(v, requires_grad=p.requires_grad, name=p.name) for p, v in zip(parameters, values, strict=True)]


def _in_float64(parameters: list[Tensor]) -> list[Tensor]:
    return _with_values(parameters, [p.numpy().astype(np.float64) for p in parameters])


# --- state --------------------------------------------------------------------------------------------------------------


def _check_module_stateless(module: Module, inputs: list[Tensor]) -> None:
    """Raise ValueError if two calls of a copy of the module differ."""
    copied: dict[int, Any] = {}
    copy = deepcopy(module, copied)
    with _same_random_numbers(copied):
        first = copy(*inputs).numpy()
    with _same_random_numbers(copied):
        second = copy(*inputs).numpy()
    if not np.array_equal(first, second, equal_nan=True):
        raise _stateful(f"calls of {type(module).__name__}", "call", {"": (module, copy)})


def check_game_stateless(game: Game, minibatch: Any) -> None:
    """Raise ValueError if another step differs, with the networks as the first step leaves them, except their parameters."""
    networks, parameters = game.parts(Module), _parameters(game)
    first = _step(game, parameters, _in_float64(parameters), minibatch, keep=True)
    used = first.game.parts(Module)
    parts, new = [*parameters, *networks.values()], [*first.parameters, *used.values()]
    second = _step(game, parts, new, minibatch, keep=True)
    if not all(np.array_equal(first.losses[player], second.losses[player], equal_nan=True) for player in first.losses):
        before_and_after = {f"{name}.": (networks[name], used[name]) for name in networks}
        raise _stateful(f"steps of {type(game).__name__}", "step", before_and_after)


def _stateful(two: str, each: str, before_and_after: dict[str, tuple[Module, Module]]) -> ValueError:
    """The error that names the buffers that have changed."""
    changed = []
    for prefix, (before, after) in before_and_after.items():
        old = before.state_dict()
        for name, value in after.state_dict().items():
            if name not in old or not np.array_equal(old[name], value, equal_nan=True):
                changed.append(prefix + name)
    return ValueError(
        f"gradcheck: two {two} differ, since each {each} changes {', '.join(changed) or 'a state that is not a buffer'}; "
        "check it in eval mode, or with this state held fixed"
    )


# --- copies -------------------------------------------------------------------------------------------------------------


@contextmanager
def _same_random_numbers(copied: dict[int, Any] | None = None) -> Iterator[None]:
    """minigan's default generators, and those among what `deepcopy` has copied, have the same state after as before."""
    state = random_numbers.generators_state()
    own = [x for x in (copied or {}).values() if isinstance(x, np.random.Generator)]
    states = [rng.bit_generator.state for rng in own]
    try:
        yield
    finally:
        random_numbers.set_generators_state(state)
        for rng, before in zip(own, states, strict=True):
            rng.bit_generator.state = before
