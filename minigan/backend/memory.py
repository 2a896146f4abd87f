"""The memory of large arrays is kept for the next ones: on Linux, by two settings of glibc's `malloc`.

A training step makes and frees the same large arrays over and over. By default glibc returns their memory to the system, and
gets it again, page by page and filled with zeros, for the next step. A game changes the settings when it is made.
MINIGAN_KEEP_MEMORY=0 leaves them alone.
"""

import ctypes
import os
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h
KEPT = 1 << 30  # bytes of free memory that are kept; more is returned to the system
ONE_ARRAY = 32 << 20  # bytes: larger arrays do not use this memory; glibc allows at most 32 MiB


@cache
def keep() -> bool:
    """Change the settings. Returns whether that was possible: it needs glibc."""
    if os.environ.get("MINIGAN_KEEP_MEMORY") == "0":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, ONE_ARRAY) and mallopt(M_TRIM_THRESHOLD, KEPT))
