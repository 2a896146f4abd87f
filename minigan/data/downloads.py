"""Published data files: in a folder that the user names, or downloaded once into the user's cache, with a checksum."""

import hashlib
import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minigan.data.whole_files import write_whole

TIMEOUT = 30.0  # seconds that a mirror may stay silent
PATIENCE = 600.0  # seconds that a file may take, ...
PACE = 50_000  # ... or longer, if it is large: then this many bytes a second are enough
CHUNK = 1 << 16  # bytes read at a time


class DataError(RuntimeError):
    """Data files are missing, damaged or cannot be downloaded. The message names the file and a remedy."""


def named_folder(root: str | os.PathLike[str] | None) -> Path | None:
    """The folder that the user names: `root`, or else MINIGAN_DATA; None without either."""
    folder = root if root is not None else os.environ.get("MINIGAN_DATA")
    return Path(os.path.expanduser(folder)) if folder else None


def cached(dataset: str, name: str, size: int, sha256: str, mirrors: Sequence[str], download: bool, remedy: str) -> Path:
    """The file in the user's cache, with this size and checksum; downloaded from a mirror if necessary and allowed.

    `dataset`: the cache's subfolder. Raises DataError, whose message ends with `remedy`.
    """
    path = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "minigan" / dataset / name
    try:
        problem = _problem(path, size, sha256)
        if problem is None:
            return path
        if not download:
            raise DataError(f"{path}: {problem}, and download=False. {remedy}")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: the cache cannot be used ({error}). {remedy}") from error
    failures = []
    for url in (f"{mirror}{name}" for mirror in mirrors):
        try:
            content = _fetch(url, size, sha256)
            break
        except (OSError, http.client.HTTPException, ValueError, DataError) as error:  # ValueError: redirected to an invalid URL
            failures.append(f"\n  {url}: {error or type(error).__name__}")
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
    else:
        raise DataError(f"{path} could not be downloaded. Tried:{''.join(failures)}\n{remedy}")
    try:
        with write_whole(path) as file:
            file.write(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}. {remedy}") from error
    return path


def _problem(path: Path, size: int, sha256: str) -> str | None:
    """The file's defect, or None. The file is read only if it has the right size."""
    if not path.exists():
        return "it is missing"
    if not path.is_file():  # opening a named pipe would wait for its writer
        raise OSError("this is not a file")
    if path.stat().st_size != size:
        return f"it has {path.stat().st_size} bytes instead of {size}"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return None if found == sha256 else f"its SHA-256 is {found} instead of {sha256}"


def _fetch(url: str, size: int, sha256: str) -> bytes:
    """The URL's content, received in a thread: no timeout limits how long a server may take to send a reply's header."""
    outcome: list[bytes | BaseException] = []
    patience = max(PATIENCE, size / PACE)
    deadline = time.monotonic() + patience
    thread = threading.Thread(target=_receive, args=(url, size, deadline, outcome), daemon=True)
    thread.start()
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(0.1)  # short, because Ctrl-C does not interrupt it on Windows
    content = outcome[0] if outcome else TimeoutError(f"not finished after {patience:g} seconds")
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
        raise ImportError("downloading data needs tqdm: pip install 'minigan[demos]'") from error
    name = url.rpartition("/")[2]
    return tqdm(total=size, desc=name, unit="B", unit_scale=True, disable=None)  # None: only on a terminal
