"""What to say, once, where a game seems to go wrong, and what the lectures suggest then."""

import sys
from collections.abc import Mapping

import numpy as np
from tqdm import tqdm

from minigan.games import Game

PATIENCE = 20  # rows of the history in which it must be so, one after the other
EARLY = 0.2  # of the training: what is wrong there mostly mends itself
ALIKE = 0.1  # collapse: the samples' spread, as a share of the data's
VANISHED = 1e-4  # the length of G's gradient, as a share of its greatest so far

COLLAPSE = "G's samples are nearly all alike (mode collapse): more D steps (k), or a WGAN, may help; see the demo collapse"
AHEAD = "D says 1 to the data and 0 to G's samples: fewer D steps (k), an r1 penalty, or a WGAN may help; see the demo tempo"
NO_GRADIENT = "G's gradient has all but vanished: -log D(G(z)) as its loss, or a WGAN, may help; see the demo saturation"


class Hints:
    """Looks at a game that is trained for so many steps on data like x."""

    def __init__(self, game: Game, x: np.ndarray, steps: int):
        self.game, self.steps, self.spread = game, steps, spread(x[:1000])
        self.greatest = 0.0
        self.in_a_row = {COLLAPSE: 0, AHEAD: 0, NO_GRADIENT: 0}
        self.said: set[str] = set()

    def look(self, t: int, samples: np.ndarray, bar: tqdm) -> None:
        """At samples from the same z at some moments of the training."""
        self._notice(COLLAPSE, spread(samples) < ALIKE * self.spread, t, bar, patience=3)

    def note(self, t: int, figures: Mapping[str, float], bar: tqdm) -> None:
        """At a row of the history."""
        if "D_real" in figures:
            self._notice(AHEAD, figures["D_real"] > 0.99 and figures["D_fake"] < 0.01, t, bar)
        length = gradient_length(self.game)
        self.greatest = max(self.greatest, length)
        self._notice(NO_GRADIENT, length < VANISHED * self.greatest, t, bar)

    def _notice(self, hint: str, so: bool, t: int, bar: tqdm, patience: int = PATIENCE) -> None:
        """Say it, if it has been so for a while."""
        self.in_a_row[hint] = self.in_a_row[hint] + 1 if so and t > EARLY * self.steps else 0
        if self.in_a_row[hint] == patience and hint not in self.said:
            self.said.add(hint)
            tqdm.write(f"after {t} iterations: {hint} (--no-hints: without such lines)", file=sys.stderr)


def spread(x: np.ndarray) -> float:
    """The root of the summed variances of (n, ...): how far apart the n are."""
    return float(np.sqrt(np.asarray(x, np.float64).var(axis=0).sum()))


def gradient_length(game: Game) -> float:
    """|the gradient of G's loss with respect to G's parameters|, as the last step left it."""
    return float(np.sqrt(sum(float((p.grad.data**2).sum()) for p in game.opt_G.params if p.grad is not None)))
