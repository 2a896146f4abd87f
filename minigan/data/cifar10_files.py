"""CIFAR-10 from its published archive (binary version): in a folder that the user names, or downloaded once into the cache."""

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minigan.data import downloads
from minigan.data.downloads import DataError

MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
ARCHIVE = "cifar-10-binary.tar.gz"
SIZE, SHA256 = 170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
FOLDER = "cifar-10-batches-bin"  # in the archive
FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}  # of each split
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGES = 10_000  # in each file
LIMIT = 2**28  # bytes of the unpacked archive that are read, at most: it has 184 million

_SHAPE = (3, 32, 32)  # of an image: planes of red, green and blue
_RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the pixels
_BLOCK = 512  # bytes: a tar archive's header; contents are padded to a multiple
_REMEDY = f"Set MINIGAN_DATA to a folder with {ARCHIVE}, or use other data: --data scenes"


def cifar10(
    split: str = "train", root: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """CIFAR-10: colour images (n, 3, 32, 32) float32 in [0, 1] and labels (n,) int64 in 0 ... 9 (Krizhevsky 2009).

    `split` is "train" (50,000 images, 614 MB) or "test" (10,000). CLASSES names the classes. The files come from the folder
    `root`, or else the folder in the environment variable MINIGAN_DATA: cifar-10-binary.tar.gz, or its unpacked folder
    cifar-10-batches-bin, with no checksum test. If neither is given, the archive comes from the user's cache
    (~/.cache/minigan/cifar10), and `download=True` fetches a missing one (170 MB). Nothing is unpacked onto the disk. Raises
    `DataError` for missing or damaged files and failed downloads, ValueError for another split.
    """
    if split not in FILES:
        raise ValueError(f"split is {split!r}: choose 'train' or 'test'")
    folder = downloads.named_folder(root)
    path = _find(folder) if folder else downloads.cached("cifar10", ARCHIVE, SIZE, SHA256, MIRRORS, download, _REMEDY)
    records = np.empty((len(FILES[split]) * IMAGES, _RECORD), np.uint8)
    try:
        read = _read_folder if os.path.isdir(path) else _read_archive
        read(path, dict(zip(FILES[split], np.split(records, len(FILES[split])), strict=True)))
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if records[:, 0].max() > 9:
        raise DataError(f"{path}: has the label {records[:, 0].max()}; labels are 0 to 9")
    x = records[:, 1:].reshape(-1, *_SHAPE).astype(np.float32)
    x /= np.float32(255)
    return x, records[:, 0].astype(np.int64)


def _find(folder: Path) -> Path:
    """The archive, or its unpacked folder, in a folder that the user named."""
    for path in (folder / ARCHIVE, folder / FOLDER):
        if os.path.exists(path):  # also False for a path that the system cannot look up
            return path
    raise DataError(f"no {ARCHIVE} in the folder {folder}, nor the folder {FOLDER}")


def _read_folder(folder: Path, places: dict[str, NDArray[np.uint8]]) -> None:
    """Read each of these files into its array."""
    for name, records in places.items():
        with (folder / name).open("rb") as file:
            _fill(records, file, name, os.fstat(file.fileno()).st_size)


def _read_archive(path: Path, places: dict[str, NDArray[np.uint8]]) -> None:
    """Read each of these members of the archive into its array."""
    with gzip.open(path) as file:
        for member in _members(file):
            name = member.name.removeprefix(f"{FOLDER}/")
            if member.isreg() and name in places:
                _fill(places.pop(name), file, name, member.size)
            if not places:
                return
    raise DataError(f"has no {FOLDER}/{min(places)}")


def _members(file: io.BufferedIOBase) -> Iterator[tarfile.TarInfo]:
    """The headers of a tar archive, with the file at the start of the member's content. No name or link is followed."""
    while any(header := file.read(_BLOCK)):  # a block of zeros ends the archive
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")  # checks its length and checksum
        end = file.tell() + -(-member.size // _BLOCK) * _BLOCK
        if member.size < 0 or end > LIMIT:
            raise DataError(f"has {member.name!r} with {member.size} bytes; at most {LIMIT} bytes are read in all")
        yield member
        file.seek(end)


def _fill(records: NDArray[np.uint8], file: io.BufferedIOBase, name: str, size: int) -> None:
    if size != records.size:
        raise DataError(f"{name} has {size} bytes instead of {records.size}: {IMAGES} records of {_RECORD}")
    content = file.read(size)
    if len(content) < size:
        raise DataError(f"{name} ends after {len(content)} of {size} bytes")
    records[:] = np.frombuffer(content, np.uint8).reshape(records.shape)
