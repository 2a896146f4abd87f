"""The demos' recorded results: demos/results/NAME.json, and the demo's first picture, NAME.png.

python -m demos NAME --record    run a demo in full with its default options, and record the result
python -m demos all --record     all of them
python -m demos readme           write the chapters' pages and README's table from the records
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from PIL import Image

FOLDER = Path(__file__).parents[2] / "results"
WIDTH, COLOURS = 480, 64  # of a recorded picture; so that all of them together are about a megabyte
NOT_JUDGED = ": not judged by a "  # between the expectation of a metric and the kind of the run


def summary_of(folder: Path) -> dict[str, Any]:
    """A run's summary.json; {} if it did not finish."""
    try:
        return json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def record(name: str, summary: dict[str, Any], picture: Path | None = None) -> Path:
    """Write a run's summary with a checksum, which detects changes by hand, and a small copy of the picture.

    The finding in words is left out: the present code makes it from the metrics.
    """
    path = FOLDER / f"{name}.json"
    summary = {key: value for key, value in summary.items() if key not in ("found", "pictures")}
    FOLDER.mkdir(exist_ok=True)
    if picture:
        record_picture(name, picture)
    path.write_text(json.dumps({**summary, "sha256": checksum(summary)}, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def record_picture(name: str, picture: Path) -> None:
    """Write a small copy of a picture next to the record."""
    with Image.open(picture) as image:
        small = image.convert("RGB").resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


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
