"""An engine's process: a module of the clone, under this interpreter or a different one."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]  # the clone: minigan and demos, without this interpreter's packages


def command(module: str, *words: str, python: str | None = None) -> list[str]:
    """The command line that runs the module; `python`: the interpreter (None: this one)."""
    return [python or sys.executable, "-m", module, *words]


def environment(**variables: str) -> dict[str, str]:
    """The environment in which an interpreter finds the clone, with these variables."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **variables}
