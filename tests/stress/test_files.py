"""Malformed files by the ten thousand: the documented error in one line, a few MB of memory, and the file as it was.

A case's number is the seed of all that happens in it.
"""

import hashlib
import os
import pickle
import random
import re
import tracemalloc
import zipfile

import numpy as np
import pytest

from minigan.data.npz_files import DamagedFile, read_npz, write_npz
from tests.data.test_npz_files import CRAFTED, archive, npy

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


NAMES = ["../../a.npy", "a\nb.npy", "ä.npy", "a" * 60_000 + ".npy", "a\x1b[2J.npy", ".npy"]
SHAPES = ["(" * 900, f"({'1, ' * 70})", f"({'9' * 3000},)", "(9**9**9,)", "(-1,)", "(1.0,)", "[2]"]
CONTENTS = [
    *[raw for raw, _ in CRAFTED.values()],
    *[npy(name=name, shape="(1,)") for name in NAMES],
    *[npy(shape=shape) for shape in SHAPES],
    npy(f"'{'f4,' * 300}'"),
    npy("'|O'", "(1,)", pickle.dumps(np.array([Trap()], object))),
    archive([("a.npy", bytes(16 * MB))], zipfile.ZIP_DEFLATED),
]


def malformed(good, rng):
    """A checkpoint or cache gone wrong: (the bytes, whether its checksum is right all the same)."""
    raw = good if rng.random() < 0.5 else rng.choice(CONTENTS)
    if rng.random() < 0.8:
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
