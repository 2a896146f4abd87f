"""A demo's training: its options, its claim, and the loop with progress bar, history and snapshots."""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.loops import check_finite, resumable
from demos.kit.runner import folders, opening
from demos.kit.runner.hints import Hints
from demos.kit.runner.loop import Rows
from demos.kit.runner.options import Options, changed
from demos.kit.runner.progress import progress
from demos.kit.runner.summary import write_history
from demos.kit.settings import add_option
from minigan import backend
from minigan.backend import memory, threads
from minigan.games import Game
from minigan.optim import LinearDecay

SNAPSHOTS = 48  # of the samples during the training: the frames of the animation
QUICK_SNAPSHOTS = 8  # the same with --quick
ROWS = 400  # rows of history


def start(
    options: Options, argv: Sequence[str] | None, name: str, settings: Any = None, own_path: str = ""
) -> argparse.Namespace:
    """Read the options, choose the backend, seed everything, and open the folder for the results.

    `settings`: the demo's default settings, for --help and --set (None: it has none); the demo calls `settings.settings_of`.
    `own_path`: of a user's own file, which is typed instead of a name.
    A mistake ends the program with one line, not a traceback. The demo then calls `open_claim` with its settings.
    """
    options.prog = shlex.join(["python", "-m", "demos", own_path or name])
    if settings is not None:
        add_option(options, settings)
    memory.keep()  # each step of a training needs the same large arrays again
    argv = sys.argv[1:] if argv is None else argv
    args = options.parse_args(argv)
    others = changed(options, args)
    args.program = options.prog
    args.usual = set(others) <= {"seed", "quick"}
    if args.record and own_path:
        options.error("--record: only for the demos, whose results are in demos/results")
    if args.record and others:
        options.error(f"--record: only for a full run with the default options, without --{', --'.join(others)}")
    try:
        backend.use(args.backend)
    except backend.BackendError as error:
        options.exit(2, f"{options.prog}: --backend {args.backend}: {error}\n")  # no other option helps
    threads.COUNT = 1  # the last bits of a convolution depend on the number of threads
    mg.seed(args.seed)
    default = "data" in args and args.data is None
    if default:
        args.data = args.data_defaults[args.quick]
    if getattr(args, "data_dir", None) and args.data != "mnist":
        why = f"{args.data}{', the default' * default}{' with --quick' * (default and args.quick)}"
        options.error(f"--data-dir: only --data mnist is read from a folder; here --data is {why}")
    args.out = args.out or folders.default_folder(args.quick) / name
    args.checkpoint = opening.checkpoint_of(options, args, argv, name)
    return args


def open_claim(args: argparse.Namespace, settings: dict[str, Any]) -> Claim:
    """The demo's claim, still empty. Later loops can be resumed.

    Args:
        args: the options, from `start`.
        settings: everything that the result depends on, except the seed; for summary.json. A run that is shorter than its
            "steps" (--steps) is the beginning of the full run: its learning rates do not fall faster.
    """
    whole = settings.get("steps", 0)  # of a full run; 0: the demo has no such setting
    steps = getattr(args, "steps", None) or whole
    schedule = max(steps, whole) if whole else 0
    opening.open_checkpoint(args, {**settings, "steps": schedule} if whole else settings)
    return Claim(args, {**settings, "steps": steps} if whole else settings, schedule)


class Run:
    """One training run: call `train`, then `write`.

    Args:
        claim: with the options and the settings; its "steps" is the number of iterations.
        game, batches: the game and its minibatches.
        x: some of the data, in the units of the snapshots' samples.
        snapshot: a function that returns arrays by name, for the animation; "samples" are G's, always of the same z.
    """

    def __init__(
        self,
        claim: Claim,
        game: Game,
        batches: Any,
        x: np.ndarray,
        snapshot: Callable[[], dict[str, np.ndarray]],
    ):
        self.claim, self.args, self.game, self.batches, self.snapshot = claim, claim.args, game, batches, snapshot
        self.steps = claim.settings["steps"]
        self.decay = LinearDecay([game.opt_G, game.opt_D], claim.schedule)
        self.hints = None if self.args.no_hints else Hints(game, x, self.steps)  # a resumed run starts counting again
        self.history = Rows()
        self.snapshots = Rows()

    def train(self) -> None:
        """Play the game to the end, under a progress bar. Ctrl-C leaves a checkpoint for --resume."""
        row = _every(self.steps, ROWS)
        picture = _every(self.steps, QUICK_SNAPSHOTS if self.args.quick else SNAPSHOTS)
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
                if (t + 1) % row == 0 or t + 1 == self.steps:
                    self._add_row(t + 1, figures, bar)
                if t + 1 == self.steps:
                    self._add_snapshot(self.steps, bar)

    def _add_snapshot(self, t: int, bar: Any) -> None:
        """Add a snapshot of this iteration for the pictures."""
        self.snapshots.append({"step": np.array(t), **self.snapshot()})
        if self.hints:
            self.hints.check_samples(t, self.snapshots[-1]["samples"], bar)

    def _add_row(self, t: int, figures: Mapping[str, float], bar: Any) -> None:
        """Add a row to the history, and stop if it has a nan."""
        self.history.append({"step": t, **figures})
        bar.set_postfix_str(_in_words(figures), refresh=False)
        check_finite(figures)
        if self.hints:
            self.hints.check_metrics(t, figures, bar)

    def write(self, **samples: np.ndarray) -> None:
        """Write history.csv, and samples.npz with these arrays. The last row of the history becomes a metric of the claim."""
        self.claim.metrics["last_step"] = self.history[-1]
        write_history(self.args, self.history)
        np.savez_compressed(self.args.out / "samples.npz", **samples)


def _every(steps: int, times: int) -> int:
    """The interval that divides `steps` into about `times` parts."""
    return max(1, steps // times)


def _in_words(figures: Any) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in figures.items())
