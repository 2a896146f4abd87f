"""Results on the disk: the folder of a run, its summary, and the records of the demos in demos/results.

One run at a time writes to a folder, and no run replaces the results of another. The default folder is runs/NAME; the results
of an earlier run in it are moved to runs/NAME/earlier/1, then 2, and so on. The exception is the default folder of a quick
run, runs/quick/NAME: it keeps only the last run.

python -m demos NAME --record    run a demo in full with its default options, and record the result and its first picture
python -m demos all --record     all of them
python -m demos readme           write the chapters' pages and README's table from the records
"""

import argparse
import csv
import hashlib
import json
import math
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable
from glob import escape
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FOLDER = Path(__file__).parents[2] / "results"
WIDTH, COLOURS = 480, 256  # of a recorded picture; all of them together are 1.5 megabytes
NOT_JUDGED = ": not judged by a "  # between the expectation of a metric and the kind of the run
EARLIER = "earlier"
LOG = "output.txt"  # the printed lines, if several demos run in parallel; it is open before the run starts
STATE = ("summary.json", "checkpoint.npz")  # a folder with one of these has a run
OTHERS = ("checkpoint.task-*.npz", "history.csv", "samples.npz", "animation.gif", "*.html")  # and pictures


# --- folders --------------------------------------------------------------------------------------------------------------


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
    if not left:
        return None
    if out != default_folder(quick) / name:
        return move_aside(out, left)
    if not quick:
        return move_aside(out, left | set(out.iterdir()) - {out / EARLIER, out / LOG})
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return None


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


def named(out: Path, patterns: Iterable[str]) -> set[Path]:
    """All files and folders in `out` with such names."""
    return {path for pattern in patterns for path in out.glob(pattern)}


# --- a run's files --------------------------------------------------------------------------------------------------------


def summary_of(folder: Path) -> dict[str, Any]:
    """A run's summary.json; {} if it did not finish."""
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def write_summary(args: argparse.Namespace, settings: dict, metrics: dict, extra: dict) -> dict[str, Any]:
    """Write summary.json: settings, metrics, extra entries, versions, seconds and CPU seconds. Returns its content.

    The seconds of a resumed run count from the resumption. nan and infinity are written as null: JSON has no such numbers.
    """
    import matplotlib  # here, as minigan and PIL below: `all` and `sweep` only need the folders
    import numpy as np

    import minigan as mg

    used = os.times()  # of this process and its finished children
    summary = {
        "demo": args.checkpoint.demo,
        "settings": {**settings, "seed": args.seed, "backend": mg.backend.name()},
        "metrics": metrics,
        **extra,
        "versions": {"minigan": mg.__version__, "numpy": np.__version__, "matplotlib": matplotlib.__version__}
        | {"python": platform.python_version()},
        "seconds": round(time.perf_counter() - args.checkpoint.began, 1),
        "cpu_seconds": round(used.user + used.system + used.children_user + used.children_system, 1),
    }
    text = json.dumps(without_nan(summary), indent=2, allow_nan=False)
    (args.out / "summary.json").write_text(text + "\n", encoding="utf-8")
    return json.loads(text)


def without_nan(value: Any) -> Any:
    """The value, with None instead of nan and infinity."""
    if isinstance(value, dict):
        return {key: without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_history(args: argparse.Namespace, history: list[dict[str, float]]) -> None:
    """Write history.csv: a line for each recorded iteration."""
    with open(args.out / "history.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


# --- records --------------------------------------------------------------------------------------------------------------


def record(name: str, summary: dict[str, Any], picture: Path | None = None) -> None:
    """Write a run's summary with a checksum, which detects changes by hand, and a small copy of the picture.

    The finding in words is left out: the present code makes it from the metrics.
    """
    FOLDER.mkdir(exist_ok=True)
    summary = {key: value for key, value in summary.items() if key not in ("found", "guess", "pictures")}
    text = json.dumps({**summary, "sha256": checksum(summary)}, indent=2, allow_nan=False)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    if picture:
        from PIL import Image

        with Image.open(picture) as image:
            small = image.convert("RGB").resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
        small.quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def recorded(name: str) -> dict[str, Any]:
    """The record of a demo. Raises ValueError if it is missing or was changed by hand."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"{path} is missing: python -m demos {name} --record writes it")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # not JSON
        summary = {}
    if not isinstance(summary, dict) or summary.pop("sha256", None) != checksum(summary):
        raise ValueError(f"{path} was changed by hand: python -m demos {name} --record writes it again")
    return summary


def checksum(summary: dict[str, Any]) -> str:
    """SHA-256 of the summary's content, without its layout."""
    return hashlib.sha256(json.dumps(summary, sort_keys=True).encode()).hexdigest()
