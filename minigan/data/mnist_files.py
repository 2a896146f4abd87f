"""MNIST from its published IDX files: in a folder that the user names, or downloaded once into the user's cache."""

import gzip
import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {  # name -> SHA-256
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
TIMEOUT = 30.0  # seconds that a mirror may stay silent

_PREFIXES = {"train": "train", "test": "t10k"}
CHUNK = 1 << 16  # bytes read at a time
_REMEDY = "Name a folder that holds the MNIST files with MINIGAN_DATA, or do without them: --data glyphs"


class DataError(RuntimeError):
    """Data files are missing, damaged or cannot be downloaded; the message names the file, and what helps."""


def mnist(split: str = "train", root: str | os.PathLike | None = None, download: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """MNIST: images (n, 1, 28, 28) float32 in [0, 1] and labels (n,) int64 in 0 ... 9.

    `split` is "train" (60,000 images) or "test" (10,000). The files come from the folder `root`, or else the folder in
    the environment variable MINIGAN_DATA: IDX files under their published names, gzip or plain, taken as they are. If
    neither is given, they come from the user's cache (~/.cache/minigan/mnist), and `download=True` fetches what is
    missing there. Raises `DataError` for missing or damaged files and failed downloads, ValueError for another split.
    """
    if split not in _PREFIXES:
        raise ValueError(f"split is {split!r}: choose 'train' or 'test'")
    names = [f"{_PREFIXES[split]}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    folder = root if root is not None else os.environ.get("MINIGAN_DATA")
    if folder:
        image_file, label_file = (_find(Path(folder).expanduser(), name) for name in names)
    else:
        image_file, label_file = (_cached(name, download) for name in names)
    images, labels = _read_idx(image_file, 3), _read_idx(label_file, 1)
    _check_contents(images, image_file, labels, label_file)
    return images[:, None].astype(np.float32) / np.float32(255), labels.astype(np.int64)


# --- where the files are ----------------------------------------------------------------------------------------------


def _find(folder: Path, name: str) -> Path:
    """The file in a folder that the user named, gzip or plain."""
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.is_file():
            return path
    raise DataError(f"no {name} in the folder {folder}, nor {name.removesuffix('.gz')}: it should hold {_all_names()}")


def _all_names() -> str:
    return ", ".join(FILES) + " (or the same without .gz)"


def _cached(name: str, download: bool) -> Path:
    """The file in the user's cache, with the right checksum; downloaded if need be and allowed."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minigan" / "mnist" / name
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
        if found == FILES[name]:
            return path
        if not download:
            problem = "it is missing" if found is None else f"its SHA-256 is {found} instead of {FILES[name]}"
            raise DataError(f"{path}: {problem}, and download=False. {_REMEDY}")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: the cache cannot be used ({error}). {_REMEDY}") from error
    _download(name, path)
    return path


# --- download ---------------------------------------------------------------------------------------------------------


def _download(name: str, path: Path) -> None:
    """Fetch a file from the first mirror that delivers it whole."""
    failures = []
    for mirror in MIRRORS:
        try:
            return _fetch(mirror + name, FILES[name], path)
        except (OSError, http.client.HTTPException, DataError) as error:
            failures.append(f"{mirror}{name}: {error or type(error).__name__}")
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
    tried = "".join(f"\n  {failure}" for failure in failures)
    raise DataError(f"{path} could not be downloaded. Tried:{tried}\n{_REMEDY}")


def _fetch(url: str, sha256: str, path: Path) -> None:
    """Download into a temporary file beside `path`; it gets its name only when it is whole and its checksum right."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            found = _copy(response, out, path.name)
        if found != sha256:
            raise DataError(f"wrong bytes: the SHA-256 is {found} instead of {sha256}")
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _copy(response: http.client.HTTPResponse, out: BinaryIO, name: str) -> str:
    """Copy a response into an open file under a progress bar, and return the SHA-256 of its bytes."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError("downloading MNIST needs tqdm: pip install 'minigan[demos]'") from error
    digest, total, received = hashlib.sha256(), response.length, 0
    with tqdm(total=total, desc=name, unit="B", unit_scale=True, disable=None) as bar:  # None: only on a terminal
        while chunk := response.read(CHUNK):
            out.write(chunk)
            digest.update(chunk)
            bar.update(len(chunk))
            received += len(chunk)
    if total is not None and received < total:
        raise DataError(f"the connection broke off after {received} of {total} bytes")
    return digest.hexdigest()


# --- the IDX format ---------------------------------------------------------------------------------------------------


def _read_idx(path: Path, ndim: int) -> np.ndarray:
    """The uint8 array in an IDX file: 0, 0, 8 (the type uint8), ndim; then the shape as big-endian int32; the bytes."""
    raw = _read_bytes(path)
    header = 4 + 4 * ndim
    if raw[:4] != bytes([0, 0, 8, ndim]):
        raise DataError(f"{path}: starts with the bytes {raw[:4].hex(' ')} instead of IDX's 00 00 08 0{ndim}")
    if len(raw) < header:
        raise DataError(f"{path}: ends inside its header, after {len(raw)} of {header} bytes")
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", ndim, offset=4))
    expected = header + int(np.prod(shape, dtype=object))  # Python's integers: a damaged header must not overflow
    if len(raw) != expected:
        raise DataError(f"{path}: has {len(raw)} bytes, but its shape {shape} needs {expected}")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _check_contents(images: np.ndarray, image_file: Path, labels: np.ndarray, label_file: Path) -> None:
    if images.shape[1:] != (28, 28):
        raise DataError(f"{image_file}: its images have shape {images.shape[1:]} instead of (28, 28)")
    if len(images) != len(labels):
        raise DataError(f"{image_file} has {len(images)} images, but {label_file} has {len(labels)} labels")
    if len(labels) and labels.max() > 9:
        raise DataError(f"{label_file}: has the label {labels.max()}; labels are 0 to 9")
