"""The command line of the demos: its streams, its options, and errors that need one line instead of a traceback.

Above the functions, only the standard library is imported: the list of demos needs no packages.
"""

import argparse
import errno
import io
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

FREE = ("record", "out", "jobs", "format", "resume", "data_dir", "guess")  # options that a recorded result does not depend on
PACKAGES = ("numpy", "matplotlib", "tqdm", "scipy")  # NumPy, and pyproject's extra "demos"
COLOUR = ("scenes", "cifar10")  # data for all games that take your own images
NAMES = ("ring", "grid", "mnist", "glyphs", *COLOUR)  # of data; any other --data is a path
PUBLISHED = ("mnist", "cifar10")  # data that are read from a folder
OWN = "a .npy, .npz or .csv file, or a folder of pictures"
SIDES = (16, 28, 32, 64)  # of your own images
INSTALL = "pip install -e '.[demos]' installs the packages of the demos"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = re.compile(r"[\w.]+: \S")  # minigan's errors begin with the name of the function or class


class Options(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and whose description keeps its lines."""

    settings: Any = None  # a demo's default settings, which --help lists

    def __init__(self, **options: Any):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {message} (--help lists the options)\n")

    def locked(self, out: Path) -> int | None:
        """Lock the folder for the results; see `results.open_folder`. Exit with status 2 if it cannot be used."""
        from demos.kit.runner.results import open_folder

        try:
            return open_folder(out)
        except (OSError, ValueError) as error:
            self.error(f"--out {out}: {getattr(error, 'strerror', None) or error}")

    def format_help(self) -> str:
        """The help, with the settings at its end."""
        if self.settings is not None:
            from demos.kit.settings import listed  # here: a run without --help and --set does not need it

            self.epilog = f"settings with their default values (some are smaller with --quick):\n{listed(self.settings)}"
        return super().format_help()


def common_options(description: str) -> Options:
    """The options that all demos have."""
    from minigan import backend

    options = Options(description=description or "(python -OO has no descriptions)")
    options.add_argument("--seed", type=seed_number, default=0, help="of all random numbers (default: 0)")
    options.add_argument("--backend", choices=["numpy", "cupy"], default=backend.name(), help="where to compute")
    options.add_argument("--out", type=path_option, help="folder for the results (default: runs/NAME; quick: runs/quick/NAME)")
    options.add_argument("--quick", action="store_true", help="a small version that finishes in seconds")
    jobs = "processes for seeds and settings (default: the number of cores; quick: 1)"
    options.add_argument("--jobs", type=positive_number, help=jobs)
    options.add_argument("--format", choices=["png", "svg", "pdf"], default="png", help="of the pictures (default: png)")
    guess = "guess a number before the run; FILE: a class's guesses, a line name,guess for each student"
    options.add_argument("--guess", nargs="?", const=True, type=path_option, metavar="FILE", help=guess)
    options.add_argument("--record", action="store_true", help="save the result in demos/results, for README")
    resume = "continue from a checkpoint (default: the one in --out); the results are the same as without a break"
    options.add_argument("--resume", nargs="?", const=True, type=path_option, metavar="CHECKPOINT", help=resume)
    return options


def parser(description: str, data: Sequence[str] = (), quick_data: str | None = None, own: str = "") -> Options:
    """The options of demos that train one game: the common ones, --steps and --no-hints.

    `data`: the choices of --data, the default first; () for a demo without a choice. `quick_data`, `own`: see
    `add_data_options`.
    """
    options = common_options(description)
    options.add_argument("--steps", type=positive_number, help="iterations of the training (default: see the settings)")
    options.add_argument("--no-hints", action="store_true", help="print no hints where the training seems to fail")
    if data:
        add_data_options(options, data, quick_data, own)
    return options


def add_data_options(options: Options, data: Sequence[str], quick_data: str | None = None, own: str = "") -> None:
    """--data, and --data-dir where published data are among the choices.

    `quick_data`: the default with --quick, if it differs. `own`: the kind of your own data that --data PATH may have, in
    words; "": none. For images, there are also the data in COLOUR, --size and --augment.
    """
    first = data[0] if data else None
    if "images" in own:
        data = (*data, *COLOUR)
    default = f"{first}, with --quick {quick_data}" if quick_data else first
    if own:
        path = f"{'one of ' * bool(data)}{', '.join(data)}{', or ' * bool(data)}the path of your own {own}: {OWN}"
        about = f"{path}{f' (default: {default})' * bool(data)}"
        options.add_argument("--data", type=partial(named_or_path, data), metavar="DATA", help=f"the data to learn: {about}")
    else:
        options.add_argument("--data", choices=data, help=f"the data to learn (default: {default})")
    options.set_defaults(data_defaults=(first, quick_data or first))
    if published := [name for name in PUBLISHED if name in data]:
        folder = f"folder with the files of {' or '.join(published)} (default: MINIGAN_DATA, or a download)"
        options.add_argument("--data-dir", type=path_option, help=folder)
    if "images" in own:
        size = "rows and columns of your own images (default: as they are, or 28)"
        options.add_argument("--size", type=int, choices=SIDES, help=size)
        augment = "change each of your own images at random: mirrored or not, moved by up to an eighth of its side, or both"
        options.add_argument("--augment", nargs="+", choices=("flips", "shifts"), help=augment)


def own_options(args: argparse.Namespace) -> dict[str, Any]:
    """--size and --augment, if they were given."""
    return {name: getattr(args, name) for name in ("size", "augment") if getattr(args, name, None)}


def add_settings(options: Options, settings: Any) -> None:
    """Add --set for the fields of the settings, which `settings.settings_of` reads, and --seeds."""
    options.settings = settings
    if hasattr(settings, "seeds"):
        options.add_argument("--seeds", type=positive_number, help="the number of seeds: short for --set seeds=N")
    text = "change one of the settings listed below; repeat it for several"
    options.add_argument("--set", action="append", type=assignment, default=[], metavar="NAME=VALUE", help=text)


def changed(options: Options, args: argparse.Namespace) -> list[str]:
    """The options that differ from their defaults, among those that a recorded result depends on."""
    return [name for name in vars(args) if name not in FREE and getattr(args, name) != options.get_default(name)]


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


def named_or_path(names: Sequence[str], text: str) -> str:
    """One of the names, or a path that exists; or else argparse's error."""
    if text not in names and (text in NAMES or not os.path.exists(text)):  # ./ring is a path
        raise argparse.ArgumentTypeError(f"{text!r} is not there; expected {', '.join(names)}{', or ' * bool(names)}{OWN}")
    return text


def positive_number(text: str) -> int:
    """A whole number above 0, or argparse's error."""
    value = seed_number(text, 1)
    if value > sys.maxsize:  # the limit of len(range(n))
        raise argparse.ArgumentTypeError(f"{text} is too large")
    return value


def seed_number(text: str, least: int = 0) -> int:
    """A whole number from `least` on, or argparse's error."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from {least} on")
    return value


def assignment(text: str) -> tuple[str, str]:
    """NAME and VALUE, or argparse's error."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as seeds=2")
    return name, value


# --- standard streams -----------------------------------------------------------------------------------------------------


def open_streams() -> None:
    """Open the null device for each standard stream that is closed (`2>&-`).

    In this order, each stream gets its usual number. Otherwise the next file, perhaps a checkpoint, would get number 2.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (it stays open)


class Unread(io.TextIOWrapper):
    """A standard stream that ignores a broken pipe (`| head -1`): the text goes to the null device, and the run continues."""

    @classmethod
    def of(cls, stream: io.TextIOWrapper) -> "Unread":
        """Replace a standard stream. The old object cannot be used any more."""
        options = {"encoding": stream.encoding, "errors": stream.errors}
        options |= {"line_buffering": stream.line_buffering, "write_through": stream.write_through}
        return cls(stream.detach(), **options)

    def write(self, text: str) -> int:
        with self._reader_may_leave():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._reader_may_leave():
            super().flush()

    @contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)


# --- errors ---------------------------------------------------------------------------------------------------------------


def ended(line: str, status: int) -> SystemExit:
    """Print the line, and return an exit with this status."""
    print(line, file=sys.stderr)
    return SystemExit(status)


def check_packages() -> None:
    """End the program with one line if packages are missing: it names them, and the command that installs them."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise SystemExit(f"there is no {' and no '.join(missing)} here: {INSTALL}")


@contextmanager
def errors_in_one_line(argv: Sequence[str]) -> Iterator[None]:
    """A block in which errors that need no traceback end the program with one line. `argv`: the options of the command."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if end := end_of(error, argv):
            raise end from None
        raise


def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """The same for errors outside such a block, such as Ctrl-C while packages are imported."""
    if end := end_of(error, sys.argv[1:]):
        raise end
    sys.__excepthook__(kind, error, traceback)


def end_of(error: BaseException, argv: Sequence[str]) -> SystemExit | None:
    """The end of the program after an error that needs one line; None if the traceback is useful."""
    if isinstance(error, KeyboardInterrupt):
        return ended("stopped", 130)
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] in PACKAGES:
        return SystemExit(f"there is no {error.name.split('.')[0]} here: {INSTALL}")
    if isinstance(error, MemoryError):
        return SystemExit(f"not enough memory: {error}{left_of_the_run()}")
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return SystemExit(f"{error.strerror}{f': {error.filename}' if error.filename else ''}{left_of_the_run()}")
    if isinstance(error, ValueError) and REFUSED.match(str(error)):
        options = argparse.ArgumentParser(add_help=False, exit_on_error=False)
        options.add_argument("--set", action="append", default=[])
        if assignments := options.parse_known_args(argv)[0].set:
            return ended(f"{' '.join(f'--set {each}' for each in assignments)}: {error}", 2)
    return None


def left_of_the_run() -> str:
    """A text: how many parts of the current run are saved, and the command to continue. Empty without a run."""
    checkpoint = sys.modules.get("demos.kit.runner.checkpoint")  # without this module, there is no run
    run = checkpoint and checkpoint.running.checkpoint
    return f"; {run.saved()}; make room; {run.advice()}" if run else ""


@contextmanager
def ends_as_ctrl_c() -> Iterator[None]:
    """A block in which other requests to end (kill, a closing terminal) act as Ctrl-C, unless they are ignored (nohup)."""
    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ends = [number for number in ends if signal.getsignal(number) == signal.SIG_DFL]
    for number in ends:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)
