"""Train the two players of a small game in one call, for demos that play many games."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from demos.kit.loops import resumable
from minigan import Tensor, nn, optim
from minigan.games import Figures, Game


def adam(player: nn.Module, lr: float) -> optim.Adam:
    """Adam with the usual betas for GANs."""
    return optim.Adam(player.parameters(), lr, (0.5, 0.999))


def adams(G: nn.Module, D: nn.Module, lr_G: float, lr_D: float) -> tuple[optim.Adam, optim.Adam]:
    """An optimizer for each player. A player with rate 0 does not change."""
    return adam(G, lr_G), adam(D, lr_D)


def descend(optimizer: optim.Optimizer, loss: Tensor) -> None:
    """One step of the optimizer down the gradient of this loss, for a network that learns alone."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def train(
    game: Game,
    batches: Iterator,
    steps: int,
    name: str,
    every: int = 0,
    look: Callable[[Game], None] | None = None,
    falling: bool = True,
    **changing: Any,
) -> list[Figures]:
    """Train under a progress bar with this name, and update the game's averages. Returns the metrics of all steps.

    `look(game)` is called every `every` steps; `changing`: the state that it changes, see `loops.resumable`. `falling`:
    whether the learning rates fall linearly to 0.
    """
    decay, figures = optim.LinearDecay(game.parts(optim.Optimizer).values(), steps), []
    parts = {"game": game, "batches": batches, "decay": decay, "figures": figures, **changing}
    for t in resumable(range(1, steps + 1), name, **parts):
        figures.append(game.step(batches))
        if falling:
            decay.step()
        for average in game.parts(nn.MovingAverage).values():
            average.update()
        if look and t % every == 0:
            look(game)
    return figures


def timed(game: Game, batches: Iterator, steps: int, looks: int, look: Callable[[Game], Any]) -> tuple[np.ndarray, list]:
    """`train`; at each of `looks` moments, the processor's seconds of the training alone, and what `look(game)` returns."""
    seconds, found, began = [], [], time.process_time()

    def measure(game: Game) -> None:
        nonlocal began
        seconds.append(time.process_time() - began)
        found.append(look(game))
        began = time.process_time()

    train(game, batches, steps, "game", max(1, steps // looks), measure, seconds=seconds, found=found)
    return np.cumsum(seconds), found
