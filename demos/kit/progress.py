"""Progress bars; and where the output is no terminal, a line from time to time."""

import sys
import time
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

EVERY = 30.0  # seconds between two lines in a file, where nothing can be drawn over


def progress(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """A tqdm bar, with its options."""
    if sys.stderr.isatty():
        return tqdm(iterable, mininterval=0.5, **options)
    return tqdm(iterable, file=_lines, mininterval=EVERY, **options)


class _Lines:
    """A file for bars: of all that they draw, it writes a line every EVERY seconds."""

    encoding = "ascii"  # so that tqdm draws its bars of #

    def __init__(self):
        self.last = time.monotonic()

    def write(self, text: str) -> None:
        line, now = text.strip(), time.monotonic()
        if line and now >= self.last + EVERY:
            self.last = now
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Lines are flushed as they are written."""


_lines = _Lines()
