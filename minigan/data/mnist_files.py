"""MNIST from its published IDX files: in a folder that the user names, or downloaded once into the user's cache."""

import gzip
import io
import math
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minigan.data import downloads
from minigan.data.downloads import CHUNK, DataError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {  # name -> bytes, SHA-256
    "train-images-idx3-ubyte.gz": (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    "train-labels-idx1-ubyte.gz": (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "t10k-images-idx3-ubyte.gz": (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "t10k-labels-idx1-ubyte.gz": (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
}
LIMIT = 2**27  # bytes that an unpacked file may have: almost three times those of MNIST

_PREFIXES = {"train": "train", "test": "t10k"}
_REMEDY = "Set MINIGAN_DATA to a folder with the MNIST files, or use other data: --data glyphs"


def mnist(
    split: str = "train", root: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """MNIST: images (n, 1, 28, 28) float32 in [0, 1] and labels (n,) int64 in 0 ... 9.

    `split` is "train" (60,000 images) or "test" (10,000). The files come from the folder `root`, or else the folder in
    the environment variable MINIGAN_DATA: IDX files under their published names, gzip or plain, with no checksum test. If
    neither is given, they come from the user's cache (~/.cache/minigan/mnist), and `download=True` fetches missing ones.
    Raises `DataError` for missing or damaged files and failed downloads, ValueError for another split.
    """
    if split not in _PREFIXES:
        raise ValueError(f"split is {split!r}: choose 'train' or 'test'")
    names = [f"{_PREFIXES[split]}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    folder = downloads.named_folder(root)
    if folder:
        image_file, label_file = (_find(folder, name) for name in names)
    else:
        cached = (downloads.cached("mnist", name, *FILES[name], MIRRORS, download, _REMEDY) for name in names)
        image_file, label_file = cached
    images, labels = _read_idx(image_file, (28, 28)), _read_idx(label_file, ())
    _check_contents(images, image_file, labels, label_file)
    x = images[:, None].astype(np.float32)
    x /= np.float32(255)
    return x, labels.astype(np.int64)


def _find(folder: Path, name: str) -> Path:
    """The file in a folder that the user named, gzip or plain."""
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if os.path.isfile(path):  # also False for a path that the system cannot look up
            return path
    every = ", ".join(FILES)
    raise DataError(
        f"no {name} in the folder {folder}, nor {name.removesuffix('.gz')}: it should hold {every} (or the same without .gz)"
    )


# --- the IDX format ---------------------------------------------------------------------------------------------------


def _read_idx(path: Path, item: tuple[int, ...]) -> np.ndarray:
    """The uint8 array (n, *item) in an IDX file, gzip or plain: 0, 0, 8 (uint8), ndim; the shape, big-endian; the bytes.

    Memory grows with the bytes that arrive, whatever size the header claims.
    """
    ndim = 1 + len(item)
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            shape = _read_shape(file, ndim)
            size = math.prod(shape)
            if shape[1:] != item:
                raise DataError(f"its images have shape {shape[1:]} instead of {item}")
            if size > LIMIT:
                raise DataError(f"its shape {shape} needs {size} bytes; at most {LIMIT} are read")
            raw = bytearray()
            while len(raw) <= size and (chunk := file.read(min(CHUNK, size + 1 - len(raw)))):
                raw += chunk
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if len(raw) != size:
        found = "more" if len(raw) > size else f"{len(raw)} bytes"
        raise DataError(f"{path}: its shape {shape} needs {size} bytes after the header, but there are {found}")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _read_shape(file: io.BufferedIOBase, ndim: int) -> tuple[int, ...]:
    start, shape = file.read(4), file.read(4 * ndim)
    if start != bytes([0, 0, 8, ndim]):
        raise DataError(f"starts with the bytes {start.hex(' ')} instead of IDX's 00 00 08 0{ndim}")
    if len(shape) < 4 * ndim:
        raise DataError(f"ends inside its header, after {4 + len(shape)} of {4 + 4 * ndim} bytes")
    return tuple(int(length) for length in np.frombuffer(shape, ">u4"))


def _check_contents(images: np.ndarray, image_file: Path, labels: np.ndarray, label_file: Path) -> None:
    if len(images) != len(labels):
        raise DataError(f"{image_file} has {len(images)} images, but {label_file} has {len(labels)} labels")
    if len(labels) and labels.max() > 9:
        raise DataError(f"{label_file}: has the label {labels.max()}; labels are 0 to 9")
