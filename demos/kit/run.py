"""A demo's training: a loop with a progress bar, history, snapshots and hints."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from demos.kit.claim import Claim
from demos.kit.loops import check_finite, resumable
from demos.kit.runner.progress import progress
from demos.kit.runner.results import write_history
from minigan import nn, optim
from minigan.games import Game

SNAPSHOTS, QUICK_SNAPSHOTS = 48, 8  # of the samples during the training: the frames of the animation; with --quick
ROWS = 400  # rows of history


class Run:
    """One training run: call `train`, then `write`.

    Args:
        claim: with the options and the settings; its "steps" is the number of iterations.
        game, batches: the game and its minibatches.
        x: some of the data, in the units of the snapshots' samples.
        snapshot: a function that returns arrays by name, for the animation; "samples" are G's, always of the same z.
    """

    def __init__(self, claim: Claim, game: Game, batches: Any, x: np.ndarray, snapshot: Callable[[], dict[str, np.ndarray]]):
        self.claim, self.args, self.game, self.batches, self.snapshot = claim, claim.args, game, batches, snapshot
        self.steps = claim.settings["steps"]
        self.decay = optim.LinearDecay(game.parts(optim.Optimizer).values(), claim.schedule)
        self.hints = None
        if not self.args.no_hints:
            from demos.kit.runner.hints import Hints  # only here is it needed

            self.hints = Hints(game, x, self.steps)  # a resumed run starts counting again
        self.history = Rows()
        self.snapshots = Rows()

    def train(self) -> None:
        """Play the game to the end, under a progress bar. Ctrl-C leaves a checkpoint for --resume."""
        row = max(1, self.steps // ROWS)
        picture = max(1, self.steps // (QUICK_SNAPSHOTS if self.args.quick else SNAPSHOTS))
        changing = {"game": self.game, "batches": self.batches, "decay": self.decay}
        kept = {"history": self.history, "snapshots": self.snapshots}
        with progress(total=self.steps, unit="it") as bar:
            for t in resumable(range(self.steps), "training", bar, **changing, **kept):
                if self.snapshots and self.snapshots[-1]["step"] == t:  # the end of a shorter run that this one continues
                    self.snapshots.pop()
                if t % picture == 0:
                    self._add_snapshot(t, bar)
                figures = self.game.step(self.batches)
                self.decay.step()
                for average in self.game.parts(nn.MovingAverage).values():
                    average.update()
                if (t + 1) % row == 0 or t + 1 == self.steps:
                    self._add_row(t + 1, figures, bar)
                if t + 1 == self.steps:
                    self._add_snapshot(self.steps, bar)

    def _add_snapshot(self, t: int, bar: Any) -> None:
        self.snapshots.append({"step": np.array(t), **self.snapshot()})
        if self.hints:
            self.hints.check_samples(t, self.snapshots[-1]["samples"], bar)

    def _add_row(self, t: int, figures: Mapping[str, float], bar: Any) -> None:
        """Add a row to the history, and stop if it has a nan."""
        self.history.append({"step": t, **figures})
        bar.set_postfix_str(", ".join(f"{name} {value:.2f}" for name, value in figures.items()), refresh=False)
        check_finite(figures)
        if self.hints:
            self.hints.check_metrics(t, figures, bar)

    def write(self, **samples: np.ndarray) -> None:
        """Write history.csv, and samples.npz with these arrays. The last row of the history becomes a metric of the claim."""
        self.claim.metrics["last_step"] = self.history[-1]
        write_history(self.args, self.history)
        np.savez_compressed(self.args.out / "samples.npz", **samples)


class Rows(list):
    """Records of a training: dicts with a "step" and other numbers or arrays, all with the same names."""

    def state_dict(self) -> list[dict[str, Any]]:
        return list(self)

    def load_state_dict(self, rows: list[dict[str, Any]]) -> None:
        """Replace the rows. Raises ValueError for invalid rows, as in a file made by hand."""
        for row in rows:
            same = isinstance(row, dict) and "step" in row and row.keys() == rows[0].keys()
            if not same or any(np.shape(row[name]) != np.shape(rows[0][name]) for name in row):
                raise ValueError("its rows do not have the same names and shapes")
            if not all(np.isfinite(value).all() for value in row.values()):
                raise ValueError(f"a nan or an infinity in the row of step {row['step']}")
        self[:] = rows
