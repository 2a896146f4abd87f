"""Progress bars: widgets in a notebook, text in a terminal; elsewhere, a line from time to time."""

import sys
import time
import warnings
from collections.abc import Iterable
from typing import Any

from demos.kit.runner.notebook import in_notebook

with warnings.catch_warnings(action="ignore"):  # without ipywidgets, bars in a notebook are text
    from tqdm.auto import tqdm

EVERY = 30.0  # seconds between two lines in a file, where a bar cannot be redrawn


def progress(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """A tqdm bar, with its options."""
    if in_notebook() or sys.stderr.isatty():
        return tqdm(iterable, mininterval=0.5, **options)
    return tqdm(iterable, file=_lines, mininterval=EVERY, **options)


class _Lines:
    """A file for bars: it writes one of their lines every EVERY seconds."""

    encoding = "ascii"  # so that tqdm draws its bars of #

    def __init__(self):
        self.last = time.monotonic()

    def write(self, text: str) -> None:
        line, now = text.strip(), time.monotonic()
        if line and now >= self.last + EVERY:
            self.last = now
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Do nothing: `write` flushes each line."""


_lines = _Lines()
