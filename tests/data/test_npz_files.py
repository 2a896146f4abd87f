"""The .npz files of checkpoints and caches: whole or not there, and refused in one line when anything is wrong with them."""

import errno
import hashlib
import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from minigan.data import npz_files
from minigan.data.npz_files import DamagedFile, read_npz, write_npz

ARRAYS = {
    "game/G/layers.0.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "t": np.array(7),
    "settings": np.array('{"lr": 0.1, "name": "ä"}'),
    "mask": np.array([True, False]),
    "none": np.zeros((0, 3)),
    "bytes": np.arange(256, dtype=np.uint8),
    "waves": np.array([1 + 2j], np.complex64),
    "file": np.float16([0.5]),  # np.savez has an argument of this name
    "other orders": np.asfortranarray(np.arange(24, dtype=">i4").reshape(4, 6))[::2, ::-1],
}
OLD, NEW = {"t": np.array(1)}, {"t": np.array(2)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


def assert_holds(path, expected):
    found = read_npz(path)
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].dtype == expected[name].dtype.newbyteorder("<")
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("arrays", [ARRAYS, {}], ids=["all kinds", "none"])
def test_arrays_come_back_in_their_order_and_equal_arrays_are_equal_bits(path, arrays):
    write_npz(path, arrays)
    first = path.read_bytes()
    assert_holds(path, arrays)
    with np.load(path) as file:
        assert list(file) == list(arrays)
    write_npz(path, arrays)
    assert path.read_bytes() == first
    with zipfile.ZipFile(path) as archive:
        assert {member.date_time for member in archive.infolist()} <= {(1980, 1, 1, 0, 0, 0)}  # on any day
    assert os.listdir(path.parent) == [path.name]


REFUSED = {
    "an object": ({"a": np.array([{}], object)}, "a has dtype object; expected bools"),
    "a name of two lines": ({"a\nb": np.zeros(2)}, r"called 'a\\nb'"),
    "too much": ({"a": np.zeros(2**20 - 4095, np.int8)}, "1048577 bytes; at most"),
    "too many": ({str(i): np.zeros(1) for i in range(101)}, "101 arrays take .* at most 100 arrays"),
}


@pytest.mark.parametrize(("arrays", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_again_is_not_written(path, monkeypatch, arrays, message):
    monkeypatch.setattr(npz_files, "LIMIT", 2**20)
    monkeypatch.setattr(npz_files, "ARRAYS", 100)
    with pytest.raises(ValueError, match=f"^write_npz: .*{message}"):
        write_npz(path, arrays)
    assert os.listdir(path.parent) == []


def test_until_the_new_file_is_whole_and_on_the_disk_the_old_one_stays(path, monkeypatch):
    write_npz(path, OLD)
    events, fsync, replace = [], os.fsync, os.replace

    def watched_replace(source, target):
        assert_holds(path, OLD)
        assert_holds(source, NEW)
        replace(source, target)
        events.append("replace")

    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", watched_replace)
    write_npz(path, NEW)
    assert events == (["fsync", "replace", "fsync"] if os.name == "posix" else ["fsync", "replace"])
    assert_holds(path, NEW)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt()], ids=["disk full", "Ctrl-C"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch, error):
    write_npz(path, OLD)

    def fail(*_):
        raise error

    monkeypatch.setattr(npz_files, "_seal", fail)
    with pytest.raises(type(error)):
        write_npz(path, NEW)
    assert os.listdir(path.parent) == [path.name]
    assert_holds(path, OLD)


def test_bytes_that_read_back_as_others_are_an_oserror(path, monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda _: "a.npy")
    with pytest.raises(OSError, match=r"a\.npy differs when it is read back"):
        write_npz(path, ARRAYS)


def archive(members, compression=zipfile.ZIP_STORED):
    """A zip of (name, content) pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return out.getvalue()


def npy(descr="'<f4'", shape="(2,)", content=bytes(8), version=b"\1\0", name="a.npy"):
    """A zip of one array, or of what claims to be one."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return archive([(name, b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + content)])


A = ("a.npy", b"")
CRAFTED = {  # archives whose checksum is right -> what the message says
    "no zip": (b"text" * 10 + b"PK\5\6" + bytes(18), "not a zip archive"),
    "compressed": (archive([A], zipfile.ZIP_DEFLATED), "compressed"),
    "compressed to the same size": (npy().replace(b"PK\3\4\x14" + bytes(5), b"PK\3\4\x14\0\0\0\b\0", 1), "compressed"),
    "encrypted": (npy().replace(b"PK\3\4\x14\0\0", b"PK\3\4\x14\0\1", 1), "encrypted"),
    "the same name twice": (npy()[: npy().index(b"PK\1\2")] + npy(), "'a' twice"),
    "another kind of member": (archive([("a.txt", "text")]), "name b'a.txt'"),
    "more than there is": (npy().replace((76).to_bytes(4, "little"), (2**31).to_bytes(4, "little")), "cut short"),
    "a pickle": (npy("'|O'", "(1,)", b"cos\nsystem\n(S'false'\ntR."), "no header of plain numbers"),
    "an expression": (npy(shape="(2**9,)"), "no header"),
    "a shape too large": (npy(shape="(10000000000,)"), "has 8 bytes, but its header is"),
    "a shape too small": (npy(shape="(1,)"), "has 8 bytes, but its header is"),
    "text of too many letters": (npy("'<U999999999'", "()", b""), "no header"),
    "text of no letters": (npy("'<U0'", "(1000000000,)", b""), "no header"),
    "a shape of 2**64 bytes": (npy(shape="(4294967296, 1073741824)", content=b""), "has 0 bytes"),
    "letters beyond the last": (npy("'<U2'", "()", b"\xff" * 8), "invalid text"),
    "bools beyond 1": (npy("'|b1'", "(8,)", b"\2" * 8), "invalid bools"),
}


def sealed(raw):
    """These bytes of an archive as a file with the right checksum."""
    raw = raw[: raw.rindex(b"PK\5\6") + 20] + (81).to_bytes(2, "little") + b"minigan 1 sha256="
    return raw + hashlib.sha256(raw).hexdigest().encode()


@pytest.mark.parametrize(("raw", "message"), CRAFTED.values(), ids=CRAFTED)
def test_a_file_whose_checksum_is_right_is_not_trusted(path, raw, message):
    path.write_bytes(raw := sealed(raw))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFile, match=rf"\A{path}: .*{message}.*\Z") as caught:  # one line: . matches no end of line
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 3e6 + len(raw)
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < len(str(path)) + 250
    assert path.read_bytes() == raw


def replaced(old, new):
    return lambda path: path.write_bytes(path.read_bytes().replace(old, new, 1))


DAMAGES = {
    "empty": (lambda path: path.write_bytes(b""), "does not end in minigan's checksum"),
    "from an older minigan": (lambda path: np.savez(path, a=np.zeros(3)), "does not end in minigan's checksum: .* older"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "cut short"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "does not end in"),
    "newer": (replaced(b"minigan 1", b"minigan 12"), "has format 12; .* reads format 1"),
    "flipped": (replaced(b"NUMPY", b"NUMPI"), "is damaged"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "is not a file"),
    "too large": (lambda path: os.truncate(path, 100_001), "at most 100000 are read"),
    "too many arrays": (lambda path: write_npz(path, {str(i): np.array(i) for i in range(10)}), "more than 9"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_in_one_line(path, monkeypatch, damage, message):
    write_npz(path, ARRAYS)
    damage(path)
    monkeypatch.setattr(npz_files, "ARRAYS", 9)
    with pytest.raises(DamagedFile, match=rf"\A{path}: .*{message}.*\Z"):
        read_npz(path, limit=100_000)
