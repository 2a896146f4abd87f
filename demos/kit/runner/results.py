"""The demos' recorded results, demos/results/NAME.json, and README's figures, which are made from them.

python -m demos NAME --record    run a demo in full, by its default options, and record what it found
python -m demos all --record     all of them
python -m demos readme           put what is recorded into README's tables
"""

import hashlib
import importlib
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demos import catalogue

FOLDER = Path(__file__).parents[2] / "results"
README = Path(__file__).parents[3] / "README.md"
ROW = re.compile(r"^(\|.*\[`(\w+)`\]\(demos/[\w/]+\.py\).*\|)[^|\n]*\|$", re.MULTILINE)  # of a demo; its last cell
NOT_JUDGED = ": not judged by a "  # after what was expected of a figure; and then, what kind of run it was


def summary_of(folder: Path) -> dict[str, Any]:
    """What a run has left; nothing, if it did not come to its end."""
    try:
        return json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def record(name: str, summary: dict[str, Any]) -> Path:
    """Write a run's summary, with a checksum: a digit that is changed by hand shows.

    Without what it says in words: that follows from the figures, by the code as it is whenever the words are wanted.
    """
    path = FOLDER / f"{name}.json"
    summary = {key: value for key, value in summary.items() if key not in ("found", "pictures")}
    FOLDER.mkdir(exist_ok=True)
    path.write_text(json.dumps({**summary, "sha256": checksum(summary)}, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def recorded(name: str) -> dict[str, Any]:
    """What is recorded of a demo. Raises ValueError where there is nothing, or something that no run has written."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"{path} is missing: python -m demos {name} --record writes it")
    summary = json.loads(path.read_text(encoding="utf-8"))
    if summary.pop("sha256", None) != checksum(summary):
        raise ValueError(f"{path} was changed by hand: python -m demos {name} --record writes it anew")
    return summary


def checksum(summary: dict[str, Any]) -> str:
    """SHA-256 of what the summary says, however it is laid out."""
    return hashlib.sha256(json.dumps(summary, sort_keys=True).encode()).hexdigest()


def found_of(name: str) -> Callable[[dict[str, Any]], str]:
    """`found(metrics)` of a demo's module, which says its figures in Markdown. Raises ValueError where there is none."""
    if name not in catalogue.names():
        return lambda metrics: ""  # the program is not in a chapter, so README has no row for it
    if name in (same := catalogue.clashes()):
        raise ValueError(same[name])
    module = importlib.import_module(catalogue.module_name(name))
    found = getattr(module, "found", None)
    try:
        inspect.signature(found).bind({})
    except TypeError:
        raise ValueError(f"{module.__file__} needs found(m): a sentence about the figures m, a dict by their names") from None
    return found


def in_words(name: str, metrics: dict[str, Any]) -> str:
    """The figures in the words of the demo."""
    return " ".join(found_of(name)(metrics).split())


def readme(text: str) -> str:
    """README's text, with what is recorded in the last cell of every row that has a link to a demo."""
    return ROW.sub(lambda row: f"{row[1]} {in_words(row[2], recorded(row[2])['metrics'])} |", text)
