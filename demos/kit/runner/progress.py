"""Progress bars and pictures: shown in a notebook; in a terminal, bars of text; elsewhere, a line from time to time."""

import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

with warnings.catch_warnings(action="ignore"):  # without ipywidgets, bars in a notebook are text
    from tqdm.auto import tqdm

EVERY = 30.0  # seconds between two lines in a file, where a bar cannot be redrawn


def in_notebook() -> bool:
    """Whether the program runs in an IPython kernel, which can show pictures. False in a terminal, also in IPython's."""
    IPython = sys.modules.get("IPython")  # without it, this is not a notebook
    shell = IPython.get_ipython() if IPython else None
    return getattr(shell, "kernel", None) is not None


def show_picture(path: Path) -> None:
    """Show a picture's file below the notebook's cell; elsewhere, do nothing."""
    if in_notebook():
        from IPython.display import Image, display

        display(Image(filename=str(path)))


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
