"""The memory of large arrays, kept for the next ones instead of given back: on Linux, by two settings of glibc's `malloc`.

A training step makes and frees the same large arrays over and over. By default glibc returns their memory to the system, and
gets it again, page by page and filled with zeros, for the next step. MINIGAN_KEEP_MEMORY=0 leaves the settings alone.
"""

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h
KEPT = 1 << 30  # bytes that may lie free before any are given back
ONE_ARRAY = 32 << 20  # bytes up to which an array is taken from what is kept; more than 32 MiB are not allowed


def keep() -> bool:
    """Change the settings, and say whether that was possible: elsewhere than on glibc it is not."""
    if os.environ.get("MINIGAN_KEEP_MEMORY") == "0":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, ONE_ARRAY) and mallopt(M_TRIM_THRESHOLD, KEPT))
