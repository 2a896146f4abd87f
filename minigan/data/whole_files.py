"""Files that are written completely or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """`with write_whole(path) as file:` at any moment, `path` holds the old file or the new one, complete.

    The new file gets a temporary name next to it (`path` + .????????.tmp). After the block it is flushed to the disk and
    renamed to `path`. After a failure or an interruption, `path` is unchanged and the temporary file is removed. Raises
    OSError where the system does.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):  # the folder has vanished, which an earlier error reports
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Flush the folder, where the system can, so that the new name survives a power cut."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
