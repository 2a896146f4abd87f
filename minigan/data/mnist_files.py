"""MNIST from its published IDX files: in a folder that the user names, or downloaded once into the user's cache."""

import gzip
import hashlib
import http.client
import io
import math
import os
import threading
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan.data.whole_files import write_whole

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
TIMEOUT = 30.0  # seconds that a mirror may stay silent
PATIENCE = 600.0  # seconds that a file may take: 17 kB a second are enough
LIMIT = 2**27  # bytes that an unpacked file may have: almost three times those of MNIST

_PREFIXES = {"train": "train", "test": "t10k"}
CHUNK = 1 << 16  # bytes read at a time
_REMEDY = "Set MINIGAN_DATA to a folder with the MNIST files, or use other data: --data glyphs"


class DataError(RuntimeError):
    """Data files are missing, damaged or cannot be downloaded. The message names the file and a remedy."""


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
    folder = root if root is not None else os.environ.get("MINIGAN_DATA")
    if folder:
        image_file, label_file = (_find(Path(os.path.expanduser(folder)), name) for name in names)
    else:
        image_file, label_file = (_cached(name, download) for name in names)
    images, labels = _read_idx(image_file, (28, 28)), _read_idx(label_file, ())
    _check_contents(images, image_file, labels, label_file)
    x = images[:, None].astype(np.float32)
    x /= np.float32(255)
    return x, labels.astype(np.int64)


# --- where the files are ----------------------------------------------------------------------------------------------


def _find(folder: Path, name: str) -> Path:
    """The file in a folder that the user named, gzip or plain."""
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if os.path.isfile(path):  # also False for a path that the system cannot look up
            return path
    raise DataError(f"no {name} in the folder {folder}, nor {name.removesuffix('.gz')}: it should hold {_all_names()}")


def _all_names() -> str:
    return ", ".join(FILES) + " (or the same without .gz)"


def _cached(name: str, download: bool) -> Path:
    """The file in the user's cache, with the right checksum; downloaded if necessary and allowed."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "minigan" / "mnist" / name
    try:
        problem = _problem(path, *FILES[name])
        if problem is None:
            return path
        if not download:
            raise DataError(f"{path}: {problem}, and download=False. {_REMEDY}")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: the cache cannot be used ({error}). {_REMEDY}") from error
    content = _download(name, path)
    try:
        with write_whole(path) as file:
            file.write(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}. {_REMEDY}") from error
    return path


def _problem(path: Path, size: int, sha256: str) -> str | None:
    """The file's defect, or None. The file is read only if it has the right size."""
    if not path.exists():
        return "it is missing"
    if not path.is_file():  # opening a named pipe would wait for its writer
        raise OSError("this is not a file")
    if path.stat().st_size != size:
        return f"it has {path.stat().st_size} bytes instead of {size}"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    return None if found == sha256 else f"its SHA-256 is {found} instead of {sha256}"


# --- download ---------------------------------------------------------------------------------------------------------


def _download(name: str, path: Path) -> bytes:
    """The file's content, from the first mirror that delivers all of it. `path`: its destination, for the message."""
    failures = []
    for mirror in MIRRORS:
        try:
            return _fetch(mirror + name, *FILES[name])
        except (OSError, http.client.HTTPException, ValueError, DataError) as error:  # ValueError: redirected to an invalid URL
            failures.append(f"{mirror}{name}: {error or type(error).__name__}")
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
    tried = "".join(f"\n  {failure}" for failure in failures)
    raise DataError(f"{path} could not be downloaded. Tried:{tried}\n{_REMEDY}")


def _fetch(url: str, size: int, sha256: str) -> bytes:
    """The URL's content, received in a thread: no timeout limits how long a server may take to send a reply's header."""
    outcome: list[bytes | BaseException] = []
    deadline = time.monotonic() + PATIENCE
    thread = threading.Thread(target=_receive, args=(url, size, deadline, outcome), daemon=True)
    thread.start()
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(0.1)  # short, because Ctrl-C does not interrupt it on Windows
    content = outcome[0] if outcome else TimeoutError(f"not finished after {PATIENCE:g} seconds")
    if isinstance(content, BaseException):
        raise content
    if len(content) < size:
        raise DataError(f"the connection broke off after {len(content)} of {size} bytes")
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(f"wrong bytes: the SHA-256 is {found} instead of {sha256}")
    return content


def _receive(url: str, size: int, deadline: float, outcome: list[bytes | BaseException]) -> None:
    """Append the URL's first `size` bytes, or all if there are fewer; or else the exception."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, _progress(url, size) as bar:
            content = bytearray()
            while len(content) < size and time.monotonic() < deadline:
                chunk = response.read1(min(CHUNK, size - len(content)))  # read1: what has arrived, however little
                if not chunk:
                    break
                content += chunk
                bar.update(len(chunk))
        if time.monotonic() < deadline:
            outcome.append(bytes(content))
    except BaseException as error:  # the waiting thread raises it
        outcome.append(error)


def _progress(url: str, size: int) -> Any:
    """A progress bar for a download."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError("downloading MNIST needs tqdm: pip install 'minigan[demos]'") from error
    name = url.rpartition("/")[2]
    return tqdm(total=size, desc=name, unit="B", unit_scale=True, disable=None)  # None: only on a terminal


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
