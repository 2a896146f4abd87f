"""The files at the end of a run: summary.json and history.csv."""

import argparse
import csv
import json
import math
import os
import platform
import time
from typing import Any

import matplotlib
import numpy as np

import minigan as mg
from minigan import backend


def write_summary(args: argparse.Namespace, settings: dict, metrics: dict, extra: dict | None = None) -> dict[str, Any]:
    """Write summary.json: settings, metrics, extra entries, versions, seconds and CPU seconds. Returns its content.

    The seconds of a resumed run count from the resumption. nan and infinity are written as null: JSON has no such numbers.
    """
    used = os.times()  # of this process and its finished children
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
