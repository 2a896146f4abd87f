"""Standard streams that are closed or lose their reader, and errors that need one line instead of a traceback.

Only the standard library is imported here, because the list of demos needs no packages.
"""

import argparse
import errno
import io
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from types import TracebackType

PACKAGES = ("numpy", "matplotlib", "tqdm", "scipy")  # NumPy, and pyproject's extra "demos"
INSTALL = "pip install -e '.[demos]' installs the packages of the demos"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = re.compile(r"[\w.]+: \S")  # minigan's errors begin with the name of the function or class

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
        """Write the text, if there is a reader."""
        try:
            return super().write(text)
        except BrokenPipeError:
            self._lead_nowhere()
            return len(text)

    def flush(self) -> None:
        """Flush, if there is a reader."""
        try:
            super().flush()
        except BrokenPipeError:
            self._lead_nowhere()

    def _lead_nowhere(self) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)


# --- errors ---------------------------------------------------------------------------------------------------------------


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
    if isinstance(error, ValueError) and (changed := assignments(argv)) and REFUSED.match(str(error)):
        return ended(f"{' '.join(f'--set {assignment}' for assignment in changed)}: {error}", 2)
    return None


def left_of_the_run() -> str:
    """How much of the current run is on the disk, and the command that continues it; "" if there is no run."""
    checkpoint = sys.modules.get("demos.kit.runner.checkpoint")  # without this module, there is no run
    run = checkpoint and checkpoint.running.checkpoint
    return f"; {run.kept()}; make room; {run.again()}" if run else ""


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


def ended(line: str, status: int) -> SystemExit:
    """Print the line, and return an exit with this status."""
    print(line, file=sys.stderr)
    return SystemExit(status)


def assignments(argv: Sequence[str]) -> list[str]:
    """The argument of each --set."""
    options = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    options.add_argument("--set", action="append", default=[])
    return options.parse_known_args(argv)[0].set


def missing_packages() -> str:
    """The missing packages and the command that installs them, in one line; "" if none is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    return f"there is no {' and no '.join(missing)} here: {INSTALL}" if missing else ""
