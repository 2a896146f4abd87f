"""The demos' recorded results, demos/results/NAME.json, and README's numbers, which come from them.

python -m demos NAME --record    run a demo in full with its default options, and record the result
python -m demos all --record     all of them
python -m demos readme           update README's tables from the records
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
ROW = re.compile(r"^(\|.*\[`(\w+)`\]\(demos/[\w/]+\.py\).*\|)[^|\n]*\|$", re.MULTILINE)  # a demo's row; its last cell
NOT_JUDGED = ": not judged by a "  # between the expectation of a metric and the kind of the run


def summary_of(folder: Path) -> dict[str, Any]:
    """A run's summary.json; {} if it did not finish."""
    try:
        return json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def record(name: str, summary: dict[str, Any]) -> Path:
    """Write a run's summary with a checksum, which detects changes by hand.

    The finding in words is left out: the present code makes it from the metrics.
    """
    path = FOLDER / f"{name}.json"
    summary = {key: value for key, value in summary.items() if key not in ("found", "pictures")}
    FOLDER.mkdir(exist_ok=True)
    path.write_text(json.dumps({**summary, "sha256": checksum(summary)}, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def recorded(name: str) -> dict[str, Any]:
    """The record of a demo. Raises ValueError if it is missing or was changed by hand."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"{path} is missing: python -m demos {name} --record writes it")
    summary = json.loads(path.read_text(encoding="utf-8"))
    if summary.pop("sha256", None) != checksum(summary):
        raise ValueError(f"{path} was changed by hand: python -m demos {name} --record writes it again")
    return summary


def checksum(summary: dict[str, Any]) -> str:
    """SHA-256 of the summary's content, without its layout."""
    return hashlib.sha256(json.dumps(summary, sort_keys=True).encode()).hexdigest()


def found_of(name: str) -> Callable[[dict[str, Any]], str]:
    """`found(metrics)` of a demo's module: its result as a sentence in Markdown. Raises ValueError if there is none."""
    if name not in catalogue.names():
        return lambda metrics: ""  # it is not in a chapter, so README has no row for it
    if name in (same := catalogue.clashes()):
        raise ValueError(same[name])
    module = importlib.import_module(catalogue.module_name(name))
    found = getattr(module, "found", None)
    try:
        inspect.signature(found).bind({})
    except TypeError:
        raise ValueError(f"{module.__file__} needs found(m): a sentence about the metrics m, a dict by name") from None
    return found


def in_words(name: str, metrics: dict[str, Any]) -> str:
    """The metrics in the words of the demo."""
    return " ".join(found_of(name)(metrics).split())


def readme(text: str) -> str:
    """README's text; in each row that links to a demo, the last cell is made from the demo's record."""
    return ROW.sub(lambda row: f"{row[1]} {in_words(row[2], recorded(row[2])['metrics'])} |", text)
