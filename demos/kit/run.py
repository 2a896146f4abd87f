"""The frame around a demo's training: options, progress bar, history, snapshots, checkpoints, and the files at the end."""

import argparse
import csv
import json
import platform
import signal
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from tqdm import tqdm

import minigan as mg
from minigan import backend, memory
from minigan.games import Game
from minigan.optim import LinearDecay

SNAPSHOTS = 48  # pictures of the samples kept along the way: the frames of the animation
QUICK_SNAPSHOTS = 8  # the same with --quick
ROWS = 400  # lines of history kept along the way


def common_options(description: str) -> argparse.ArgumentParser:
    """The options that all demos have: --seed, --backend, --out, --quick."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    options.add_argument("--backend", choices=["numpy", "cupy"], default=backend.name(), help="where to compute")
    options.add_argument("--out", type=Path, help="folder for the results (default: runs/NAME)")
    options.add_argument("--quick", action="store_true", help="a small version that finishes in seconds")
    return options


def parser(
    description: str, data: Sequence[str] = (), quick_data: str | None = None, resume: bool = True
) -> argparse.ArgumentParser:
    """The options of the demos that train: those of all, and --steps; and --resume, where one game is trained.

    `data`: the choices of --data, the first the default; () for a demo without a choice. `quick_data`: the default
    with --quick, if it is another.
    """
    options = common_options(description)
    options.add_argument("--steps", type=_positive, help="iterations of the training (default: see the settings)")
    if resume:
        options.add_argument(
            "--resume",
            nargs="?",
            const=True,
            metavar="CHECKPOINT",
            help="go on from a checkpoint (default: the one in --out), to the same end as without a break",
        )
    if data:
        add_data_options(options, data, quick_data)
    return options


def add_data_options(options: argparse.ArgumentParser, data: Sequence[str], quick_data: str | None = None) -> None:
    """--data, and --data-dir where MNIST is among the choices. `quick_data`: see `parser`."""
    default = f"{data[0]}, with --quick {quick_data}" if quick_data else data[0]
    options.add_argument("--data", choices=data, help=f"what to learn (default: {default})")
    options.set_defaults(data_defaults=(data[0], quick_data or data[0]))
    if "mnist" in data:
        options.add_argument("--data-dir", type=Path, help="folder with the MNIST files (default: MINIGAN_DATA, or a download)")


def start(options: argparse.ArgumentParser, argv: Sequence[str] | None, name: str) -> argparse.Namespace:
    """Read the options, choose the backend, and seed everything. A mistake ends the program with one line, not a traceback."""
    options.prog = f"python -m demos {name}"
    memory.keep()  # the same large arrays come and go with every step of a training
    args = options.parse_args(argv)
    try:
        backend.use(args.backend)
    except backend.BackendError as error:
        options.error(str(error))
    mg.seed(args.seed)
    if "data" in args and args.data is None:
        args.data = args.data_defaults[args.quick]
    args.out = args.out or Path("runs") / name
    if getattr(args, "resume", None):  # some demos have no such option
        args.resume = args.out / "checkpoint.npz" if args.resume is True else Path(args.resume)
        if not args.resume.is_file():
            options.error(f"--resume: there is no checkpoint {args.resume}")
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def write_summary(args: argparse.Namespace, settings: dict, metrics: dict, began: float, extra: dict | None = None) -> None:
    """summary.json: settings, metrics, whatever is extra, versions, and the seconds since `began` (a perf_counter)."""
    summary = {
        "settings": {**settings, "seed": args.seed, "backend": backend.name()},
        "metrics": metrics,
        **(extra or {}),
        "versions": {"minigan": mg.__version__, "numpy": np.__version__, "matplotlib": matplotlib.__version__}
        | {"python": platform.python_version()},
        "seconds": round(time.perf_counter() - began, 1),
    }
    (args.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


def write_history(args: argparse.Namespace, history: list[dict[str, float]]) -> None:
    """history.csv: a line for each of some moments of the training."""
    with open(args.out / "history.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def read_checkpoint(path: Path, settings: str) -> dict[str, np.ndarray]:
    """A checkpoint's arrays by name, if its "settings" are these; else the program ends with one line that says why."""
    try:
        with np.load(path) as file:
            state = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise SystemExit(f"--resume: {path} is no checkpoint, or damaged ({error})") from None
    if str(state.get("settings")) != settings:
        raise SystemExit(f"--resume: {path} comes from a run with other settings: {state.get('settings')}")
    return state


class Run:
    """One training run: call `train`, then `finish`.

    Args:
        args: the options, from `start`.
        game, batches: what is trained, and on what.
        settings: a dict for summary.json; its "steps" is how long the learning rates take to fall to 0, so that a shorter
            run (--steps) is the beginning of the whole one.
        snapshot: a function that returns arrays to keep, by name, for the animation.
    """

    def __init__(
        self, args: argparse.Namespace, game: Game, batches: Any, settings: dict, snapshot: Callable[[], dict[str, np.ndarray]]
    ):
        self.args, self.game, self.batches, self.settings, self.snapshot = args, game, batches, settings, snapshot
        self.steps = args.steps or settings["steps"]
        self.decay = LinearDecay([game.opt_G, game.opt_D], max(self.steps, settings["steps"]))
        self.t = 0
        self.history: list[dict[str, float]] = []
        self.snapshots: list[dict[str, np.ndarray]] = []
        self.began = time.perf_counter()
        if args.resume:
            self._load(args.resume)

    def train(self) -> None:
        """Play the game to the end, under a progress bar. Ctrl-C leaves a checkpoint for --resume."""
        row = _every(self.steps, ROWS)
        picture = _every(self.steps, QUICK_SNAPSHOTS if self.args.quick else SNAPSHOTS)
        with tqdm(total=self.steps, initial=self.t, unit="it", mininterval=0.5) as bar, _interrupts() as interrupted:
            while self.t < self.steps and not interrupted:
                if self.t % picture == 0:
                    self.snapshots.append({"step": np.array(self.t), **self.snapshot()})
                figures = self.game.step(self.batches)
                self.decay.step()
                self.t += 1
                bar.update()
                if self.t % row == 0 or self.t == self.steps:
                    self.history.append({"step": self.t, **figures})
                    bar.set_postfix_str(_in_words(figures), refresh=False)
        if self.t == self.steps:
            self.snapshots.append({"step": np.array(self.t), **self.snapshot()})
        self.save()
        if self.t < self.steps:
            raise SystemExit(f"stopped after {self.t} of {self.steps} iterations; the same command with --resume goes on")

    def finish(self, metrics: dict[str, Any], samples: dict[str, np.ndarray]) -> None:
        """Write history.csv, samples.npz and summary.json."""
        write_history(self.args, self.history)
        np.savez_compressed(self.args.out / "samples.npz", **samples)
        settings = {**self.settings, "steps": self.steps}
        write_summary(self.args, settings, {**metrics, "last_step": self.history[-1]}, self.began)

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write checkpoint.npz: everything that the rest of the run depends on, and what the pictures need of its past."""
        state = {
            "t": self.t,
            "settings": self._described(),
            "game": self.game.state_dict(),
            "batches": self.batches.state_dict(),
            "decay": self.decay.state_dict(),
            "history": {key: np.array([row[key] for row in self.history]) for key in (self.history or [{}])[0]},
            "snapshots": {key: np.array([s[key] for s in self.snapshots]) for key in (self.snapshots or [{}])[0]},
        }
        np.savez_compressed(self.args.out / "checkpoint.npz", **_flat(state))

    def _described(self) -> str:
        return json.dumps({**self.settings, "seed": self.args.seed})

    def _load(self, path: Path) -> None:
        state = _nested(read_checkpoint(path, self._described()))
        if int(state["t"]) > self.steps:
            raise SystemExit(f"--resume: {path} has played {int(state['t'])} iterations already, more than {self.steps}")
        self.game.load_state_dict(state["game"])
        self.batches.load_state_dict(state["batches"])
        self.decay.load_state_dict(state["decay"])
        self.t = int(state["t"])
        self.history = [{k: v.item() for k, v in row.items()} for row in _rows(state.get("history", {}))]
        self.snapshots = [s for s in _rows(state.get("snapshots", {})) if s["step"] < self.t]  # the last one is taken anew


@contextmanager
def _interrupts() -> Iterator[list]:
    """A list that Ctrl-C fills: it is looked at between two iterations, so that no checkpoint holds half of one."""
    pressed: list = []
    before = signal.signal(
        signal.SIGINT, lambda *signal_: pressed.append(True) if not pressed else signal.default_int_handler(*signal_)
    )
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _every(steps: int, times: int) -> int:
    """The interval that divides `steps` into about `times` parts."""
    return max(1, steps // times)


def _in_words(figures: Any) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in figures.items())


def _flat(state: dict, prefix: str = "") -> dict[str, Any]:
    """A nested dict as one of arrays and numbers under names like game/G/layers.0.weight."""
    result = {}
    for key, value in state.items():
        result |= _flat(value, f"{prefix}{key}/") if isinstance(value, dict) else {prefix + key: value}
    return result


def _nested(flat: dict[str, Any]) -> dict:
    """What `_flat` had taken apart."""
    state: dict = {}
    for name, value in flat.items():
        *path, last = name.split("/")
        place = state
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
    return state


def _rows(columns: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """A dict of columns as a list of dicts."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of steps")
    return value
