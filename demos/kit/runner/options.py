"""The options of the demos on the command line, and their errors."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from demos.kit.runner.jobs import cores
from minigan import backend

FREE = ("record", "out", "jobs", "format", "resume", "data_dir")  # options that a recorded result does not depend on


class Options(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

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
        "--jobs", type=positive_number, help="processes for seeds and settings (default: the number of cores; quick: 1)"
    )
    options.add_argument("--format", choices=["png", "svg", "pdf"], default="png", help="of the pictures (default: png)")
    options.add_argument("--record", action="store_true", help="save the result in demos/results, for README")
    options.add_argument(
        "--resume",
        nargs="?",
        const=True,
        type=path_option,
        metavar="CHECKPOINT",
        help="continue from a checkpoint (default: the one in --out); the results are the same as without a break",
    )
    return options


def parser(description: str, data: Sequence[str] = (), quick_data: str | None = None) -> Options:
    """The options of demos that train one game: the common ones, --steps and --no-hints.

    `data`: the choices of --data, the default first; () for a demo without a choice. `quick_data`: the default with --quick,
    if it differs.
    """
    options = common_options(description)
    options.add_argument("--steps", type=positive_number, help="iterations of the training (default: see the settings)")
    options.add_argument("--no-hints", action="store_true", help="print no hints where the training seems to fail")
    if data:
        add_data_options(options, data, quick_data)
    return options


def add_data_options(options: Options, data: Sequence[str], quick_data: str | None = None) -> None:
    """--data, and --data-dir where MNIST is among the choices. `quick_data`: see `parser`."""
    default = f"{data[0]}, with --quick {quick_data}" if quick_data else data[0]
    options.add_argument("--data", choices=data, help=f"the data to learn (default: {default})")
    options.set_defaults(data_defaults=(data[0], quick_data or data[0]))
    if "mnist" in data:
        options.add_argument(
            "--data-dir", type=path_option, help="folder with the MNIST files (default: MINIGAN_DATA, or a download)"
        )


def changed(options: Options, args: argparse.Namespace) -> list[str]:
    """The options that differ from their defaults, among those that a recorded result depends on."""
    return [name for name in vars(args) if name not in FREE and getattr(args, name) != options.get_default(name)]


def number_of_jobs(args: argparse.Namespace) -> int:
    """The number of processes: one for each core; only one on a GPU and in a quick run, where more would not be faster."""
    return args.jobs or (1 if args.quick or args.backend != "numpy" else cores())


def resume_command(program: str, argv: Sequence[str]) -> str:
    """The command that resumes the run of this command."""
    kept, rest = [], list(argv)
    while rest:
        option = rest.pop(0)
        if option == "--resume" and rest and not rest[0].startswith("-"):
            rest.pop(0)
        elif not option.startswith("--resume"):
            kept.append(option)
    return shlex.join([*shlex.split(program), *kept, "--resume"])


# --- values of options ----------------------------------------------------------------------------------------------------


def path_option(text: str) -> Path:
    """A path, or argparse's error for "", which Path would take as the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, not an empty text")
    return Path(text)


def positive_number(text: str) -> int:
    """A whole number above 0, or argparse's error."""
    value = _whole_number(text, 1)
    if value > sys.maxsize:  # the limit of len(range(n))
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
