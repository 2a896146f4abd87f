"""The frame around a demo's training: options, progress bar, history, snapshots, and the files at the end."""

import argparse
import csv
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import matplotlib
import numpy as np

import minigan as mg
from demos.kit import checkpoints, folders
from demos.kit.hints import Hints
from demos.kit.jobs import cores
from demos.kit.progress import progress
from demos.kit.settings import add_option
from minigan import backend
from minigan.backend import memory, threads
from minigan.games import Game
from minigan.optim import LinearDecay

if TYPE_CHECKING:
    from demos.kit.claim import Claim

SNAPSHOTS = 48  # pictures of the samples kept along the way: the frames of the animation
QUICK_SNAPSHOTS = 8  # the same with --quick
ROWS = 400  # lines of history kept along the way
FREE = ("record", "out", "jobs", "format", "resume", "data_dir")  # options that a recorded result does not depend on


class Options(argparse.ArgumentParser):
    """An argument parser that says on one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {message} (--help lists the options)\n")


def common_options(description: str) -> Options:
    """The options that all demos have."""
    options = Options(
        description=description or "(python -OO has no descriptions)", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seed", type=seed_number, default=0, help="of all random numbers (default: 0)")
    options.add_argument("--backend", choices=["numpy", "cupy"], default=backend.name(), help="where to compute")
    options.add_argument("--out", type=path_option, help="folder for the results (default: runs/NAME; quick: runs/quick/NAME)")
    options.add_argument("--quick", action="store_true", help="a small version that finishes in seconds")
    options.add_argument(
        "--jobs", type=positive_number, help="seeds and settings side by side (default: as many as cores; quick: 1)"
    )
    options.add_argument("--format", choices=["png", "svg", "pdf"], default="png", help="of the pictures (default: png)")
    options.add_argument("--record", action="store_true", help="put the result among those that README is made from")
    options.add_argument(
        "--resume",
        nargs="?",
        const=True,
        type=path_option,
        metavar="CHECKPOINT",
        help="go on from a checkpoint (default: the one in --out), to the same end as without a break",
    )
    return options


def parser(description: str, data: Sequence[str] = (), quick_data: str | None = None) -> Options:
    """The options of the demos that train one game: those of all, and --steps and --no-hints.

    `data`: the choices of --data, the first the default; () for a demo without a choice. `quick_data`: the default
    with --quick, if it is another.
    """
    options = common_options(description)
    options.add_argument("--steps", type=positive_number, help="iterations of the training (default: see the settings)")
    options.add_argument("--no-hints", action="store_true", help="say nothing where the training seems to go wrong")
    if data:
        add_data_options(options, data, quick_data)
    return options


def add_data_options(options: Options, data: Sequence[str], quick_data: str | None = None) -> None:
    """--data, and --data-dir where MNIST is among the choices. `quick_data`: see `parser`."""
    default = f"{data[0]}, with --quick {quick_data}" if quick_data else data[0]
    options.add_argument("--data", choices=data, help=f"what to learn (default: {default})")
    options.set_defaults(data_defaults=(data[0], quick_data or data[0]))
    if "mnist" in data:
        options.add_argument(
            "--data-dir", type=path_option, help="folder with the MNIST files (default: MINIGAN_DATA, or a download)"
        )


def start(options: Options, argv: Sequence[str] | None, name: str, settings: Any = None) -> argparse.Namespace:
    """Read the options, choose the backend, seed everything, and open the folder for the results.

    `settings`: the demo's, by default, for --help and --set; the demo calls `settings.settings_of`. None: it has none.
    A mistake ends the program with one line, not a traceback. The run that follows calls `begin` with its settings.
    """
    options.prog = f"python -m demos {name}"
    if settings is not None:
        add_option(options, settings)
    memory.keep()  # the same large arrays come and go with every step of a training
    argv = sys.argv[1:] if argv is None else argv
    args = options.parse_args(argv)
    changed = [name for name in vars(args) if name not in FREE and given(options, args, name)]
    args.usual = set(changed) <= {"seed", "quick"}
    if args.record and changed:
        options.error(f"--record: of a full run by the default options, without --{', --'.join(changed)}")
    try:
        backend.use(args.backend)
    except backend.BackendError as error:
        options.exit(2, f"{options.prog}: --backend {args.backend}: {error}\n")  # no other option helps
    threads.COUNT = 1  # the last bits of a convolution depend on how many there are
    mg.seed(args.seed)
    default = "data" in args and args.data is None
    if default:
        args.data = args.data_defaults[args.quick]
    if getattr(args, "data_dir", None) and args.data != "mnist":
        why = f"{args.data}{', the default' * default}{' with --quick' * (default and args.quick)}"
        options.error(f"--data-dir: only --data mnist is read from a folder; here the data are {why}")
    args.out = args.out or folders.default_folder(args.quick) / name
    here = args.out / "checkpoint.npz"
    resume = here if args.resume is True else args.resume
    if resume and args.resume is not True and not resume.exists():
        options.error(f"--resume: there is no checkpoint {resume}")
    if resume and resume.exists() and here.exists() and resume.samefile(here):
        resume = here
    checkpoints.give_up()
    try:
        lock = folders.open_folder(args.out)
    except (OSError, ValueError) as error:
        options.error(f"--out {args.out}: {getattr(error, 'strerror', None) or error}")
    if resume and not resume.exists():
        print(f"--resume: there is no checkpoint {resume} yet: this run starts anew", file=sys.stderr)
        resume = None
    if resume and args.record:
        print("--record: not of a run that was resumed, whose seconds are not all; without --resume it is", file=sys.stderr)
        args.record = False
    commands = {"command": goes_on(options.prog, argv), "typed": shlex.join([*options.prog.split(), *argv])}
    args.checkpoint = checkpoints.Checkpoint(here, name, resume=resume, lock=lock, jobs=jobs(args), **commands)
    args.checkpoint.start()
    return args


def jobs(args: argparse.Namespace) -> int:
    """How many processes to use: one for each core; one for a GPU, and where starting others takes longer than the run."""
    return args.jobs or (1 if args.quick or args.backend != "numpy" else cores())


def given(options: Options, args: argparse.Namespace, name: str) -> bool:
    """Whether an option is not the default."""
    return getattr(args, name) != options.get_default(name)


def begin(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    """The loops begin, and can be resumed, by these settings: what the result depends on, besides the options of all.

    The results of another run in the folder are moved aside.
    """
    run = args.checkpoint
    run.begin({**settings, "seed": args.seed, "backend": backend.name(), "quick": args.quick})
    if run.resume == run.path:
        return
    beside = run.resume and run.resume.parent.samefile(args.out)  # a copy of a checkpoint: its tasks' are there, too
    try:
        with checkpoints.undisturbed():
            there = folders.make_room(args.out, run.demo, args.quick, folders.left_by_a_run(args.out))
    except OSError as error:
        raise SystemExit(f"--out {args.out}: the earlier run in it cannot be moved aside: {error}") from None
    if there:
        print(f"{args.out} had the results of an earlier run: they are now in {there}", file=sys.stderr)
    if not beside:
        run.forget_tasks()
    elif there:
        run.resume = there / run.resume.name


def goes_on(program: str, argv: Sequence[str]) -> str:
    """The command that goes on with the run of this one."""
    kept, rest = [], list(argv)
    while rest:
        option = rest.pop(0)
        if option == "--resume" and rest and not rest[0].startswith("-"):
            rest.pop(0)
        elif not option.startswith("--resume"):
            kept.append(option)
    return shlex.join([*program.split(), *kept, "--resume"])


def write_summary(args: argparse.Namespace, settings: dict, metrics: dict, extra: dict | None = None) -> dict[str, Any]:
    """summary.json: settings, metrics, whatever is extra, versions, seconds, and those of all processors. The run is over.

    The seconds of a resumed run are those since then.

    A figure that is nan or infinite is written as null: JSON has no such numbers.
    """
    used = os.times()  # of this process, and of those that it has waited for
    summary = {
        "demo": args.checkpoint.demo,
        "settings": {**settings, "seed": args.seed, "backend": backend.name()},
        "metrics": metrics,
        **(extra or {}),
        "versions": {"minigan": mg.__version__, "numpy": np.__version__, "matplotlib": matplotlib.__version__}
        | {"python": platform.python_version()},
        "seconds": round(time.perf_counter() - args.checkpoint.began, 1),
        "cpu_seconds": round(used.user + used.system + used.children_user + used.children_system, 1),
    }
    text = json.dumps(without_nan(summary), indent=2, allow_nan=False)
    (args.out / "summary.json").write_text(text + "\n", encoding="utf-8")
    return json.loads(text)


def without_nan(value: Any) -> Any:
    """The value, with None for every number in it that is nan or infinite."""
    if isinstance(value, dict):
        return {key: without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_history(args: argparse.Namespace, history: list[dict[str, float]]) -> None:
    """history.csv: a line for each of some moments of the training."""
    with open(args.out / "history.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


class Run:
    """One training run: call `train`, then `write`.

    Args:
        claim: what is to be found out, with the options and the settings, of which "steps" is how long to train.
        game, batches: what is trained, and on what.
        x: some of the data, in the units of the snapshots' samples.
        snapshot: a function that returns arrays to keep, by name, for the animation; "samples" are G's, of the same z.
    """

    def __init__(
        self,
        claim: "Claim",
        game: Game,
        batches: Any,
        x: np.ndarray,
        snapshot: Callable[[], dict[str, np.ndarray]],
    ):
        self.claim, self.args, self.game, self.batches, self.snapshot = claim, claim.args, game, batches, snapshot
        self.steps = claim.settings["steps"]
        self.decay = LinearDecay([game.opt_G, game.opt_D], claim.schedule)
        self.hints = None if self.args.no_hints else Hints(game, x, self.steps)  # a resumed run looks afresh
        self.history = checkpoints.Rows()
        self.snapshots = checkpoints.Rows()

    def train(self) -> None:
        """Play the game to the end, under a progress bar. Ctrl-C leaves a checkpoint for --resume."""
        row = _every(self.steps, ROWS)
        picture = _every(self.steps, QUICK_SNAPSHOTS if self.args.quick else SNAPSHOTS)
        changing = {"game": self.game, "batches": self.batches, "decay": self.decay}
        found = {"history": self.history, "snapshots": self.snapshots}
        with progress(total=self.steps, unit="it") as bar:
            for t in checkpoints.resumable(range(self.steps), "training", bar, **changing, **found):
                if self.snapshots and self.snapshots[-1]["step"] == t:  # the end of a shorter run, which this one goes on with
                    self.snapshots.pop()
                if t % picture == 0:
                    self._look(t, bar)
                figures = self.game.step(self.batches)
                self.decay.step()
                if (t + 1) % row == 0 or t + 1 == self.steps:
                    self._note(t + 1, figures, bar)
                if t + 1 == self.steps:
                    self._look(self.steps, bar)

    def _look(self, t: int, bar: Any) -> None:
        """Keep what the pictures need of this moment."""
        self.snapshots.append({"step": np.array(t), **self.snapshot()})
        if self.hints:
            self.hints.look(t, self.snapshots[-1]["samples"], bar)

    def _note(self, t: int, figures: Mapping[str, float], bar: Any) -> None:
        """Add a row to the history, and stop where it has a nan."""
        self.history.append({"step": t, **figures})
        bar.set_postfix_str(_in_words(figures), refresh=False)
        checkpoints.check_finite(figures)
        if self.hints:
            self.hints.note(t, figures, bar)

    def write(self, **samples: np.ndarray) -> None:
        """Write history.csv, and samples.npz with these arrays; its last row is among the claim's figures."""
        self.claim.metrics["last_step"] = self.history[-1]
        write_history(self.args, self.history)
        np.savez_compressed(self.args.out / "samples.npz", **samples)


def _every(steps: int, times: int) -> int:
    """The interval that divides `steps` into about `times` parts."""
    return max(1, steps // times)


def _in_words(figures: Any) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in figures.items())


def path_option(text: str) -> Path:
    """A path, or argparse's error: Python takes no name for the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, not an empty text")
    return Path(text)


def positive_number(text: str) -> int:
    """A whole number above 0, or argparse's error."""
    value = _whole_number(text, 1)
    if value > sys.maxsize:  # of which no range has as many
        raise argparse.ArgumentTypeError(f"{text} is too large")
    return value


def seed_number(text: str) -> int:
    """A whole number from 0 on, or argparse's error."""
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from {least} on")
    return value
