"""Malformed files by the ten thousand: the documented error in one line, a few MB of memory, and the file as it was.

A case's number is the seed of all that happens in it, and stands in the note of whatever it raises.
"""

import contextlib
import gzip
import hashlib
import io
import os
import pickle
import random
import re
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from minigan import data
from minigan.data import DataError
from minigan.data.npz_files import DamagedFile, read_npz, write_npz

MB = 2**20
NUMBERS = [0, 1, 2, 10, 127, 128, 255, 2**15, 2**16 - 1, 2**27, 2**31 - 1, 2**31, 2**32 - 1, 2**48, 2**63 - 1, 2**64 - 1]
MEMORY = 4 * MB  # that a case may take, beside the bytes of its file


def cases(few, many):
    """A few of the cases in every run of the tests, and all of them in the long one."""
    return pytest.mark.parametrize("count", [few, pytest.param(many, marks=pytest.mark.stress)])


@pytest.fixture(autouse=True)
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


@contextlib.contextmanager
def case(number, raw):
    """Bounds the memory of what is done with a file of these bytes, and says which case it was."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield
        taken = tracemalloc.get_traced_memory()[1] - before
        assert taken < MEMORY + 2 * len(raw), f"{taken / MB:.1f} MB for a file of {len(raw)} bytes"
    except BaseException as error:
        error.add_note(f"case {number}")
        raise


def check_message(message, start):
    """One line, that a terminal can show, with the file's name at its start."""
    assert message.startswith(start), message
    assert message.isprintable(), message
    assert len(message) < len(start) + 400, message


# --- how files go wrong ---


def damaged(raw, rng):
    """The bytes with one to three things done to them that disks, networks, editors and attackers do."""
    for _ in range(rng.randint(1, 3)):
        at, size, to = place(len(raw), rng), rng.choice([1, 2, 4, 8, 30, 200]), place(len(raw), rng)
        head, part, rest = raw[:at], raw[at : at + size], raw[at + size :]
        width, order = rng.choice([1, 2, 4, 8]), rng.choice(["little", "big"])
        number = (rng.choice(NUMBERS) % 256**width).to_bytes(width, order)
        digits = re.sub(rb"[0-9]", str(rng.choice(NUMBERS)).encode(), raw[at : at + 1000], count=1)
        kinds = [
            head + bytes([byte ^ 1 << rng.randrange(8) for byte in part]) + rest,  # bits flipped
            head,  # cut short
            raw + rng.randbytes(size),  # longer
            head + rng.randbytes(size) + rest,  # something else in the middle
            head + bytes(len(part)) + rest,  # a hole, as after a power cut
            head + part * rng.choice([0, 2]) + rest,  # something missing, or there twice
            head + number + raw[at + width :],  # another number in a field of the header
            head + digits + raw[at + 1000 :],  # another number in a text
            raw[:to] + part + raw[to:],  # a part somewhere else
        ]
        raw = rng.choice(kinds)
    return raw


def place(size, rng):
    """Somewhere in a file; often near its start or its end, where the headers are."""
    near = min(size, 200)
    return rng.choice([rng.randint(0, size), rng.randint(0, near), size - rng.randint(0, near)])


def foreign(rng):
    """Bytes of another kind of file."""
    return rng.choice([b"", b"<html>sign in first</html>", PICKLE, gzip.compress(b"text"), rng.randbytes(rng.choice([3, 500]))])


class Trap:
    """Unpickling it fails the test."""

    def __reduce__(self):
        return pytest.fail, ("code from a file ran",)


PICKLE = pickle.dumps(np.array([Trap()], object))
NAMES = ["a", "b", "game/G/weight", "", "/", "../../a", "a\nb", "ä", "a" * 200, "a" * 60_000, " ", "a\x1b[2J", "__class__"]
DTYPES = ["'<f4'", "'<f8'", "'|b1'", "'<U3'", "'<U0'", "'<U999999999'", "'|O'", "'|V8'", "'>f4'", "'<M8[s]'", "'<f16'", "'|S5'"]
DTYPES += ["[('a', '<f4')]", "('<f4', (2,))", "'" + "f4," * 300 + "'", "None", "(" * 900, "'<f4' + '<f4'", "'|i1'", "'<c16'"]
SHAPES = [
    "()",
    "(0,)",
    "(1,)",
    "(2, 3)",
    "(4,",
    "(-1,)",
    "(10000000000,)",
    "(4294967296, 4294967296)",
    "(1.0,)",
    "(True,)",
    "2",
]
SHAPES += ["[2]", "(1 2)", "(,)", "(2,,)", f"({'1, ' * 70})", "(" * 900, "(9**9**9,)", f"({'9' * 3000},)"]


def array_file(rng):
    """An .npy file, most of whose fields are wrong in some way."""
    wanted = [f"'descr': {rng.choice(DTYPES)}", f"'fortran_order': {rng.choice(['False', 'True', '0'])}"]
    wanted += [f"'shape': {rng.choice(SHAPES)}"]
    if rng.random() < 0.2:
        rng.shuffle(wanted)
    header = f"{{{', '.join(wanted[: rng.choice([3, 3, 3, 2])])}, }}{' ' * rng.choice([0, 30, 5000])}\n".encode()
    length = rng.choice([len(header)] * 5 + [0, 1, 65_535])
    content = rng.choice([b"", bytes(4), bytes(12), bytes(24), b"\xff" * 24, PICKLE, rng.randbytes(100)])
    magic = rng.choice([b"\x93NUMPY\1\0"] * 5 + [b"\x93NUMPY\2\0", b"\x93NUMPY\3\0", b"\x93NUMPZ\1\0", b""])
    return magic + length.to_bytes(2, "little") + header + content


def archive(rng):
    """A zip archive of such files, some compressed, some of them bombs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that are there twice
        for _ in range(rng.choice([0, 1, 1, 2, 5])):
            content = rng.choice([array_file(rng), array_file(rng), good_array(rng), good_array(rng), PICKLE, b""])
            method = rng.choice([zipfile.ZIP_STORED] * 8 + [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
            if method != zipfile.ZIP_STORED and rng.random() < 0.05:
                content = good_array(rng) + bytes(16 * MB)
            name = rng.choice(NAMES) + rng.choice([".npy"] * 8 + ["", ".txt"])
            file.writestr(zipfile.ZipInfo(name or "b"), content, method)
    return out.getvalue() + b"minigan 1 sha256=" + b"0" * 64


def good_array(rng):
    out = io.BytesIO()
    np.save(out, np.zeros(rng.choice([(), (3,), (2, 0)]), rng.choice(["<f4", "<i8", "|b1", "<U2", ">f4"])), allow_pickle=False)
    return out.getvalue()


def resealed(raw):
    """With the checksum that belongs to the bytes, whatever they are."""
    raw += b"minigan 1 sha256="
    return raw + hashlib.sha256(raw).hexdigest().encode()


def malformed(good, rng):
    """A checkpoint or cache gone wrong: (the bytes, whether its checksum is right all the same)."""
    kind = rng.randrange(10)
    raw = good if kind < 5 else archive(rng) if kind < 9 else foreign(rng)
    if kind < 7:
        raw = damaged(raw, rng)
    honest = rng.random() < 0.3
    return (raw, False) if honest else (resealed(raw), True)


# --- what reads them ---


ARRAYS = {
    "t": np.array(7),
    "settings": np.array('{"lr": 0.1}'),
    "game/G/layers.0.weight": np.ones((3, 4), np.float32),
    "game/optimizer/step": np.array(3, np.int32),
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 2)),
}


@cases(150, 65_000)
def test_checkpoints(tmp_path, count):
    path = tmp_path / "checkpoint.npz"
    write_npz(path, ARRAYS)
    good, accepted = path.read_bytes(), 0
    for number in range(count):
        raw, is_sealed = malformed(good, random.Random(number))
        path.write_bytes(raw)
        with case(number, raw):
            try:
                found = read_npz(path)
            except DamagedFile as error:
                check_message(str(error), f"{path}: ")
            else:
                accepted += 1
                assert is_sealed or raw == good
                assert sum(array.nbytes for array in found.values()) <= len(raw)
                assert {array.dtype.kind for array in found.values()} <= set("biufcU")
                assert repr(found)  # text that is no text would fail here
            assert path.read_bytes() == raw
    assert os.listdir(tmp_path) == ["checkpoint.npz"]
    assert accepted < count / 2


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
PIXELS = np.random.default_rng(0).integers(256, size=(2, 28, 28), dtype=np.uint8)
SIZES = [0, 1, 2, 3, 28, 255, 60_000, 2**20, 2**24, 2**27, 2**31, 2**32 - 1]
BOMB = bytes(32 * MB)


def idx(array):
    return idx_header(array.shape) + array.tobytes()


def idx_header(shape, kind=8):
    return bytes([0, 0, kind, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)


def crafted_idx(rng, shape):
    """A header that promises what is not there, or an endless file behind it."""
    said = [rng.choice(SIZES) if rng.random() < 0.5 else size for size in shape]
    if rng.random() < 0.3:
        said = [rng.choice(SIZES) for _ in range(rng.randrange(5))]
    content = BOMB if rng.random() < 0.002 else rng.choice([b"", bytes(2), PIXELS.tobytes(), rng.randbytes(1000)])
    return idx_header(said, rng.choice([8, 8, 8, 8, 9, 13, 255])) + content


@cases(150, 40_000)
def test_mnist_files(tmp_path, count):
    good = {IMAGES: idx(PIXELS), LABELS: idx(np.array([3, 9], np.uint8))}
    packed = {name: gzip.compress(raw, 1) for name, raw in good.items()}
    accepted = 0
    for number in range(count):
        rng = random.Random(number)
        for file in tmp_path.iterdir():
            file.unlink()
        bad, other = rng.choice([(IMAGES, LABELS), (LABELS, IMAGES)])
        crafted = crafted_idx(rng, (2, 28, 28) if bad == IMAGES else (2,))
        raw = rng.choice([damaged(good[bad], rng)] * 4 + [foreign(rng)] + [crafted] * 5)
        path = tmp_path / bad
        if rng.random() < 0.7:
            path = tmp_path / f"{bad}.gz"
            raw = rng.choice([gzip.compress(raw, 1), gzip.compress(raw, 1), damaged(packed[bad], rng)])
            raw += rng.choice([b""] * 8 + [b"x", bytes(100), packed[bad]])
        path.write_bytes(raw)
        (tmp_path / f"{other}.gz").write_bytes(packed[other])
        with case(number, raw):
            try:
                x, y = data.mnist(root=tmp_path)
            except DataError as error:
                check_message(str(error), str(tmp_path))
            else:
                accepted += 1
                assert (x.shape, y.shape) == ((2, 1, 28, 28), (2,))
                assert 0 <= x.min() <= x.max() <= 1
                assert 0 <= y.min() <= y.max() <= 9
            assert path.read_bytes() == raw
    assert accepted < count / 2
