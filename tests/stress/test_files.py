"""Malformed files by the ten thousand: the documented error in one line, a few MB of memory, and the file as it was.

A case's number is the seed of all that happens in it.
"""

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

from minigan.data.npz_files import DamagedFile, read_npz, write_npz

MB = 2**20
NUMBERS = [0, 1, 2, 10, 127, 128, 255, 2**15, 2**16 - 1, 2**27, 2**31 - 1, 2**31, 2**32 - 1, 2**48, 2**63 - 1, 2**64 - 1]
MEMORY = 4 * MB  # that a case may take, beside the bytes of its file


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


class Trap:
    """Unpickling it fails the test."""

    def __reduce__(self):
        return pytest.fail, ("code from a file ran",)


PICKLE = pickle.dumps(np.array([Trap()], object))
NAMES = ["a", "b", "game/G/weight", "", "/", "../../a", "a\nb", "ä", "a" * 200, "a" * 60_000, " ", "a\x1b[2J", "__class__"]
DTYPES = ["'<f4'", "'<f8'", "'|b1'", "'<U3'", "'<U0'", "'<U999999999'", "'|O'", "'|V8'", "'>f4'", "'<M8[s]'", "'<f16'", "'|S5'"]
DTYPES += ["[('a', '<f4')]", "('<f4', (2,))", "'" + "f4," * 300 + "'", "None", "(" * 900, "'<f4' + '<f4'", "'|i1'", "'<c16'"]
SHAPES = ["()", "(0,)", "(1,)", "(2, 3)", "(4,", "(-1,)", "(10000000000,)", "(4294967296, 4294967296)", "(1.0,)", "(True,)"]
SHAPES += ["2", "[2]", "(1 2)", "(,)", "(2,,)", f"({'1, ' * 70})", "(" * 900, "(9**9**9,)", f"({'9' * 3000},)"]


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


def malformed(good, rng):
    """A checkpoint or cache gone wrong: (the bytes, whether its checksum is right all the same)."""
    kind = rng.randrange(10)
    raw = good if kind < 5 else archive(rng) if kind < 9 else rng.choice([b"", b"<html>sign in first</html>", PICKLE])
    if kind < 7:
        raw = damaged(raw, rng)
    if rng.random() < 0.3:
        return raw, False
    raw += b"minigan 1 sha256="
    return raw + hashlib.sha256(raw).hexdigest().encode(), True


@pytest.mark.parametrize("count", [150, pytest.param(65_000, marks=pytest.mark.stress)])
def test_malformed_checkpoints_are_refused_in_one_line_or_read_and_stay_as_they_are(tmp_path, count):
    path, accepted = tmp_path / "checkpoint.npz", 0
    arrays = {"t": np.array(7), "settings": np.array('{"lr": 0.1}'), "game/G/weight": np.ones((3, 4), np.float32)}
    write_npz(path, arrays | {"mask": np.array([True, False]), "empty": np.zeros((0, 2))})
    good = path.read_bytes()
    tracemalloc.start()
    for number in range(count):
        raw, is_sealed = malformed(good, random.Random(number))
        path.write_bytes(raw)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        try:
            found = read_npz(path)
        except DamagedFile as error:
            message = str(error)
            fine = message.startswith(f"{path}: ") and message.isprintable() and len(message) < len(str(path)) + 400
        else:
            accepted += 1
            fine = is_sealed or raw == good
            fine = fine and sum(array.nbytes for array in found.values()) <= len(raw)
            fine = fine and {array.dtype.kind for array in found.values()} <= set("biufcU")
            message = repr(found)  # invalid text would fail here
        assert fine, (number, message)
        assert tracemalloc.get_traced_memory()[1] - before < MEMORY + 2 * len(raw), number
        assert path.read_bytes() == raw, number
    tracemalloc.stop()
    assert os.listdir(tmp_path) == ["checkpoint.npz"]
    assert accepted < count / 2
