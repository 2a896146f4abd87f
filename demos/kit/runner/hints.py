"""Hints: one line, printed once, where a training seems to fail, with the lectures' advice."""

import sys
from collections.abc import Mapping

import numpy as np
from tqdm import tqdm

from minigan.games import Game

PATIENCE = 20  # consecutive rows of the history with the problem before a hint
EARLY = 0.2  # share of the training without hints: early problems mostly disappear
ALIKE = 0.1  # collapse: the samples' spread relative to the data's
VANISHED = 1e-4  # the length of G's gradient relative to its maximum so far

COLLAPSE = "G's samples are nearly all alike (mode collapse): more D steps (k), or a WGAN, may help; see the demo collapse"
AHEAD = "D is 1 at the data and 0 at G's samples: fewer D steps (k), an r1 penalty, or a WGAN may help; see the demo tempo"
NO_GRADIENT = "G's gradient has all but vanished: -log D(G(z)) as its loss, or a WGAN, may help; see the demo saturation"


class Hints:
    """Watches a game that is trained for `steps` iterations on data like x."""

    def __init__(self, game: Game, x: np.ndarray, steps: int):
        self.game, self.steps, self.spread = game, steps, spread(x[:1000])
        self.greatest = 0.0
        self.in_a_row = {COLLAPSE: 0, AHEAD: 0, NO_GRADIENT: 0}
        self.printed: set[str] = set()

    def check_samples(self, t: int, samples: np.ndarray, bar: tqdm) -> None:
        """Check samples of the fixed z at iteration t."""
        self._update(COLLAPSE, spread(samples) < ALIKE * self.spread, t, bar, patience=3)

    def check_metrics(self, t: int, figures: Mapping[str, float], bar: tqdm) -> None:
        """Check a row of the history."""
        if "D_real" in figures:
            self._update(AHEAD, figures["D_real"] > 0.99 and figures["D_fake"] < 0.01, t, bar)
        gradients = [p.grad.data for p in self.game.opt_G.params if p.grad is not None]
        length = float(np.sqrt(sum(float((g**2).sum()) for g in gradients)))
        self.greatest = max(self.greatest, length)
        self._update(NO_GRADIENT, length < VANISHED * self.greatest, t, bar)

    def _update(self, hint: str, problem: bool, t: int, bar: tqdm, patience: int = PATIENCE) -> None:
        """Count the problem, and print the hint, once, if the problem persists."""
        self.in_a_row[hint] = self.in_a_row[hint] + 1 if problem and t > EARLY * self.steps else 0
        if self.in_a_row[hint] == patience and hint not in self.printed:
            self.printed.add(hint)
            tqdm.write(f"after {t} iterations: {hint} (--no-hints turns hints off)", file=sys.stderr)


def spread(x: np.ndarray) -> float:
    """The square root of the summed variances over the n of (n, ...)."""
    return float(np.sqrt(np.asarray(x, np.float64).var(axis=0).sum()))
