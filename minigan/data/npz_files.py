"""Plain arrays in an .npz file: written completely or not at all, and read without trusting its contents.

`np.load` reads these files. They differ from `np.savez`'s in the zip's comment: the format's version and a SHA-256.
"""

import hashlib
import io
import math
import os
import re
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minigan.data.whole_files import write_whole

VERSION = 1  # of the format
LIMIT = 2**30  # bytes: larger files are neither written nor read
ARRAYS = 10_000  # in a file, at most
CHUNK = 1 << 20  # bytes that are hashed at a time

_DIGITS = 64  # of the SHA-256 of all bytes but these, which are the file's last
_SEAL = re.compile(rb"minigan (\d{1,9}) sha256=([0-9a-f]{64})\Z")
_MEMBER = struct.Struct("<4s5H3I2H")  # a zip member's header; the fields are named in `_next_member`
_DTYPE = rb"\|b1|\|[iu]1|<[iuf][248]|<c8|<c16|<U[1-9]\d{0,7}"  # bool, integers, floats, complex, text: never object
_HEADER = re.compile(rb"\{'descr': '(" + _DTYPE + rb")', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n")


class DamagedFile(ValueError):  # noqa: N818  named as zipfile.BadZipFile
    """A file whose contents `write_npz` did not write. The message is one line: the file and its defect."""


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays of numbers, bools or text to `path`, completely or not at all (see `write_whole`).

    Before the new file replaces the old one, it is read back. Raises OSError where the system does, and ValueError for other
    dtypes, names that are not printable and more than `LIMIT` bytes.
    """
    path = Path(path)
    plain = {_checked_name(name): _plain(name, array) for name, array in arrays.items()}
    size = sum(array.nbytes + 4096 for array in plain.values())  # 4096: headers and names take less, however long they are
    if size > LIMIT or len(plain) > ARRAYS:
        raise ValueError(
            f"write_npz: {len(plain)} arrays take {size} bytes; at most {ARRAYS} arrays and {LIMIT} bytes fit a file"
        )
    with write_whole(path) as file:
        _write_archive(file, plain)
        _seal(file)


def read_npz(path: str | os.PathLike[str], limit: int = LIMIT) -> dict[str, np.ndarray]:
    """The arrays in a file written by `write_npz`. Memory: the arrays, which take no more than the file, and about 1 MB.

    Raises `DamagedFile` for another kind of file, a newer or older format, a wrong checksum, more than `limit` bytes, and
    invalid contents with a right checksum. Raises OSError where the system does.
    """
    path = Path(path)
    try:
        with _opened(path, limit) as file:
            end = _check_seal(file)
            file.seek(0)
            arrays: dict[str, np.ndarray] = {}
            while (member := _next_member(file, end)) is not None:
                name, size = member
                if name in arrays or len(arrays) == ARRAYS:
                    raise DamagedFile(f"has the array {name!r} twice" if name in arrays else f"has more than {ARRAYS} arrays")
                arrays[name] = _read_array(file, name, size)
            return arrays
    except DamagedFile as error:
        raise DamagedFile(f"{path}: {error}") from None
    except MemoryError:
        raise DamagedFile(f"{path}: needs more memory than is available") from None


# --- writing ----------------------------------------------------------------------------------------------------------


def _checked_name(name: str) -> str:
    if not 0 < len(name) <= 200 or not name.isprintable():
        raise ValueError(f"write_npz: an array is called {name!r}; expected 1 to 200 printable characters")
    return name


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    """The array in the one layout that files have: little-endian, row by row."""
    array = np.asarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    if not re.fullmatch(_DTYPE, array.dtype.str.encode()):
        raise ValueError(
            f"write_npz: {name} has dtype {array.dtype}; expected bools, integers, floats, complex numbers or text"
        )
    return array


def _write_archive(file: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """Write the zip archive, with a seal of zeros, and read it back: each member must have the CRC that was written."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:  # ZipInfo: no date, so equal bits
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
        archive.comment = f"minigan {VERSION} sha256=".encode() + b"0" * _DIGITS
    file.flush()
    with zipfile.ZipFile(file) as archive:
        if (bad := archive.testzip()) is not None:
            raise OSError(f"{file.name}: {bad} differs when it is read back")


def _seal(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    digest = _sha256(file, size - _DIGITS)
    file.seek(size - _DIGITS)
    file.write(digest.encode())


# --- reading ----------------------------------------------------------------------------------------------------------


def _opened(path: Path, limit: int) -> io.BufferedReader:
    """The file, opened if it is a regular one: opening a named pipe would wait for its writer."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DamagedFile("is not a file")
    if status.st_size > limit:
        raise DamagedFile(f"has {status.st_size} bytes; at most {limit} are read")
    return path.open("rb")


def _check_seal(file: BinaryIO) -> int:
    """The position of the seal, whose version and checksum must be right."""
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - 100))
    seal = _SEAL.search(file.read(100))
    if seal is None:
        raise DamagedFile("does not end in minigan's checksum: it is cut short, another kind of file, or an older minigan's")
    if int(seal[1]) != VERSION:
        raise DamagedFile(f"has format {int(seal[1])}; this minigan reads format {VERSION}")
    if _sha256(file, size - _DIGITS).encode() != seal[2]:
        raise DamagedFile("is damaged: checksum mismatch")
    return start + seal.start()


def _sha256(file: BinaryIO, size: int) -> str:
    """Of the file's first `size` bytes, read in chunks."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (chunk := file.read(min(size, CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()


def _next_member(file: BinaryIO, end: int) -> tuple[str, int] | None:
    """The name and size of the member that starts here; None where the central directory starts, which repeats them."""
    fixed = file.read(_MEMBER.size)
    if fixed[:4] in (b"PK\1\2", b"PK\5\6"):  # the directory, or the end of an archive without members
        return None
    if len(fixed) < _MEMBER.size or fixed[:4] != b"PK\3\4":
        raise DamagedFile("is not a zip archive of arrays")
    _, _, flags, method, _, _, _, packed, size, name_length, extra_length = _MEMBER.unpack(fixed)
    raw = file.read(name_length)
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        name = ""
    if not name.endswith(".npy") or not 4 < len(name) <= 204 or not name.isprintable():
        raise DamagedFile(f"has an array with the name {raw[:40]!r}")
    file.seek(extra_length, os.SEEK_CUR)
    if flags & ~0x800 or method or packed != size or size > end - file.tell():  # 0x800: the name is UTF-8
        raise DamagedFile(f"the array {name!r} is compressed, encrypted or cut short")
    return name.removesuffix(".npy"), size


def _read_array(file: io.BufferedReader, name: str, size: int) -> np.ndarray:
    """The array in the next `size` bytes. Memory is allocated only if the header's size is theirs."""
    start = file.read(min(size, 10))
    header = file.read(min(size - len(start), int.from_bytes(start[8:], "little")))
    match = _HEADER.fullmatch(header) if start[:8] == b"\x93NUMPY\1\0" else None
    if match is None:
        raise DamagedFile(f"the array {name!r} has no header of plain numbers or text")
    dtype, rest = np.dtype(match[1].decode()), size - len(start) - len(header)
    try:
        shape = tuple(int(length) for length in match[2].decode().split(",") if length.strip())
        array = np.empty(shape, dtype) if math.prod(shape) * dtype.itemsize == rest else None
    except ValueError:  # two numbers without a comma, or a length beyond NumPy's limit next to one of 0
        array = None
    if array is None:
        raise DamagedFile(f"the array {name!r} has {rest} bytes, but its header is {header[:100]!r}")
    raw = array.reshape(-1).view(np.uint8)
    if file.readinto(raw.data) != rest:
        raise DamagedFile(f"the array {name!r} is cut short")
    if (dtype.kind == "b" and raw.max(initial=0) > 1) or (dtype.kind == "U" and raw.view("<u4").max(initial=0) > 0x10FFFF):
        raise DamagedFile(f"the array {name!r} contains invalid {'bools' if dtype.kind == 'b' else 'text'}")
    return array
