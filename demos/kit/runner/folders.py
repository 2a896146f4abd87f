"""Folders of results: one run at a time writes to a folder, and no run replaces the results of another.

The default folder is runs/NAME. The results of an earlier run in it are moved to runs/NAME/earlier/1, then 2, and so on. The
default folder of a quick run is runs/quick/NAME. It is the exception: it keeps only the last run.
"""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from glob import escape
from pathlib import Path

from demos.kit.runner.results import summary_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

EARLIER = "earlier"
LOG = "output.txt"  # the printed lines, if several demos run in parallel; it is open before the run starts
STATE = ("summary.json", "checkpoint.npz")  # a folder with one of these has a run
OTHERS = ("checkpoint.task-*.npz", "history.csv", "samples.npz", "animation.gif", "*.html")  # and pictures


def default_folder(quick: bool) -> Path:
    """The folder of all default folders."""
    return Path("runs", "quick") if quick else Path("runs")


def open_folder(out: Path) -> int | None:
    """Make the folder, check that it is writable, and lock it against other runs. Returns the lock, for `close_folder`.

    Raises OSError. The system releases the lock of a killed program. Windows and some network file systems have no such locks
    (None).
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):
        pass
    if not fcntl:
        return None
    lock = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except BlockingIOError:
        os.close(lock)
        raise OSError("another run is writing to it: wait for its end, or choose a different folder") from None
    except OSError:
        os.close(lock)
        return None


def close_folder(lock: int | None) -> None:
    """Release the lock of a folder."""
    if lock is not None:
        os.close(lock)


def make_room(out: Path, name: str, quick: bool, left: set[Path]) -> Path | None:
    """Move the results of an earlier run (`left`) out of the way. Returns their new folder, or None.

    The default folder belongs to the demo: everything in it is moved. Another folder may have other files in it: they stay.
    """
    own = out == default_folder(quick) / name
    if not left:
        return None
    if own and quick:
        remove(left)
        return None
    return move_aside(out, left | set(out.iterdir()) - {out / EARLIER, out / LOG} if own else left)


def left_by_a_run(out: Path) -> set[Path]:
    """The files of the run in a folder. If it did not finish, all pictures may belong to it."""
    if not named(out, STATE):
        return set()
    summary = summary_of(out)
    pictures = map(escape, summary["pictures"]) if "pictures" in summary else ["*"]
    return named(out, [*STATE, *OTHERS, *(f"{name}.{ending}" for name in pictures for ending in ("png", "svg", "pdf"))])


def move_aside(out: Path, paths: Collection[Path]) -> Path:
    """Move files and folders of `out` into a new folder below it. Returns the new folder."""
    numbers = [int(path.name) for path in (out / EARLIER).glob("*") if path.name.isdecimal()]
    there = out / EARLIER / str(max(numbers, default=0) + 1)
    there.mkdir(parents=True)
    for path in paths:
        path.rename(there / path.name)
    return there


def remove(paths: Iterable[Path]) -> None:
    """Remove files and whole folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def named(out: Path, patterns: Iterable[str]) -> set[Path]:
    """All files and folders in `out` with such names."""
    return {path for pattern in patterns for path in out.glob(pattern)}
