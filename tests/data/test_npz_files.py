"""The .npz files of checkpoints and caches: whole or not there, and refused in one line when anything is wrong with them."""

import errno
import hashlib
import io
import os
import threading
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
}


def same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(found[name], expected[name])


def sealed(raw, seal=None):
    """These bytes of an archive as a file with the right checksum, or with this seal instead."""
    end = raw.rindex(b"PK\5\6")
    raw = raw[: end + 20] + (81).to_bytes(2, "little") + b"minigan 1 sha256="
    return raw + (hashlib.sha256(raw).hexdigest().encode() if seal is None else seal)


def archive(members, compression=zipfile.ZIP_STORED):
    """A zip of (name, content) pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return out.getvalue()


def npy(descr="'<f4'", shape="(2,)", content=bytes(8), fortran="False", version=b"\1\0"):
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + content


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


# --- what is written is read ---


@pytest.mark.parametrize("arrays", [ARRAYS, {}], ids=["all kinds", "none"])
def test_arrays_come_back_in_their_order_with_their_dtypes_and_shapes_and_equal_arrays_are_equal_bits(path, arrays):
    write_npz(path, arrays)
    first = path.read_bytes()
    same(read_npz(path), arrays)
    with np.load(path) as file:
        same(dict(file), arrays)
    write_npz(path, arrays)
    assert path.read_bytes() == first
    with zipfile.ZipFile(path) as archive:
        assert {member.date_time for member in archive.infolist()} <= {(1980, 1, 1, 0, 0, 0)}  # on any day
    assert os.listdir(path.parent) == [path.name]


def test_other_memory_layouts_and_byte_orders_are_written_as_the_one(path):
    array = np.arange(24, dtype=">i4").reshape(4, 6)
    write_npz(path, {"f": np.asfortranarray(array), "s": array[::2, ::-1]})
    same(read_npz(path), {"f": array.astype("<i4"), "s": array[::2, ::-1].astype("<i4")})


REFUSED = {
    "an object": ({"a": np.array([{}], object)}, "a has dtype object; expected bools"),
    "a date": ({"a": np.array("2020", "M8[Y]")}, "a has dtype datetime64"),
    "a record": ({"a": np.zeros(2, "f4,i4")}, "a has dtype"),
    "no name": ({"": np.zeros(2)}, "called ''; expected 1 to 200 printable"),
    "a long name": ({"a" * 201: np.zeros(2)}, "expected 1 to 200 printable"),
    "a name of two lines": ({"a\nb": np.zeros(2)}, r"called 'a\\nb'"),
    "too much": ({"a": np.zeros(2**20 - 4095, np.int8)}, "1048577 bytes; at most"),
    "too many": ({str(i): np.zeros(1) for i in range(10_001)}, "10001 arrays take .* at most 10000 arrays"),
}


@pytest.mark.parametrize(("arrays", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_again_is_not_written(path, monkeypatch, arrays, message):
    monkeypatch.setattr(npz_files, "LIMIT", 2**20)
    with pytest.raises(ValueError, match=f"^write_npz: .*{message}"):
        write_npz(path, arrays)
    assert os.listdir(path.parent) == []


def test_the_longest_headers_fit_what_is_reckoned_for_them(path, monkeypatch):
    arrays = {f"{i:03}" + 197 * "\U0001f600": np.zeros(63 * (1,) + (1000,), np.int8) for i in range(200)}
    monkeypatch.setattr(npz_files, "LIMIT", 200 * 5096)
    write_npz(path, arrays)
    assert path.stat().st_size < npz_files.LIMIT
    same(read_npz(path), arrays)


# --- whole or not at all ---


def test_until_the_new_file_is_whole_and_on_the_disk_the_old_one_stays(path, monkeypatch):
    write_npz(path, {"t": np.array(1)})
    events, fsync, replace = [], os.fsync, os.replace

    def watched_replace(source, target):
        same(read_npz(path), {"t": np.array(1)})
        same(read_npz(source), {"t": np.array(2)})
        events.append("replace")
        replace(source, target)

    monkeypatch.setattr(npz_files.os, "fsync", lambda handle: (events.append("fsync"), fsync(handle)))
    monkeypatch.setattr(npz_files.os, "replace", watched_replace)
    write_npz(path, {"t": np.array(2)})
    assert events == (["fsync", "replace", "fsync"] if os.name == "posix" else ["fsync", "replace"])
    same(read_npz(path), {"t": np.array(2)})


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt()], ids=["disk full", "Ctrl-C"])
@pytest.mark.parametrize("place", ["_write_archive", "_seal"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch, place, error):
    write_npz(path, {"t": np.array(1)})

    def fail(*_):
        raise error

    monkeypatch.setattr(npz_files, place, fail)
    with pytest.raises(type(error)):
        write_npz(path, {"t": np.array(2)})
    assert os.listdir(path.parent) == [path.name]
    same(read_npz(path), {"t": np.array(1)})


@pytest.mark.skipif(os.name != "posix", reason="limits on the size of files are POSIX's")
@pytest.mark.parametrize("size", [99_000, 99_800, 200_000, 1_000_000])  # full in an array, and in the list at the end
def test_a_disk_that_is_full_is_an_oserror_and_nothing_more(path, size):
    import resource
    import signal

    write_npz(path, {"t": np.array(1)})
    handler, (soft, hard) = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            write_npz(path, {"a": np.zeros(size, np.uint8)} | {str(i): np.zeros(1) for i in range(20)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert os.listdir(path.parent) == [path.name]
    same(read_npz(path), {"t": np.array(1)})


def test_bytes_that_read_back_as_others_are_an_oserror(path, monkeypatch):
    monkeypatch.setattr(npz_files.zipfile.ZipFile, "testzip", lambda _: "a.npy")
    with pytest.raises(OSError, match=r"a\.npy differs when it is read back"):
        write_npz(path, ARRAYS)
    assert os.listdir(path.parent) == []


def test_two_threads_that_write_at_once_both_succeed(path):
    def write(value):
        for _ in range(10):
            write_npz(path, {"a": np.full(1000, value)})

    threads = [threading.Thread(target=write, args=(value,)) for value in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(np.unique(read_npz(path)["a"])) == 1
    assert {name.split(".npz")[1] for name in os.listdir(path.parent)} <= {""}


# --- what is refused ---

A = ("a.npy", npy())
CRAFTED = {  # archives whose checksum is right -> what the message says
    "no zip": (b"text" * 10 + b"PK\5\6" + bytes(18), "not a zip archive"),
    "compressed": (archive([A], zipfile.ZIP_DEFLATED), "compressed"),
    "a bomb": (archive([("a.npy", npy(shape="(10**7,)", content=bytes(10**7)))], zipfile.ZIP_DEFLATED), "compressed"),
    "the same name twice": (archive([A, ("b.npy", npy())]).replace(b"b.npy", b"a.npy"), "'a' twice"),
    "another kind of member": (archive([("a.txt", "text")]), "name b'a.txt'"),
    "a name of two lines": (archive([("a\nb.npy", npy())]), r"name b'a\\nb.npy'"),
    "an endless name": (archive([("a" * 5000 + ".npy", npy())]), "name b'aaa"),
    "a name of no text": (archive([A]).replace(b"a.npy", b"\xff.npy"), "name b'"),
    "more than there is": (archive([A]).replace((76).to_bytes(4, "little"), (2**31).to_bytes(4, "little")), "cut short"),
    "no array": (archive([("a.npy", "text")]), "no header"),
    "no bytes": (archive([("a.npy", "")]), "no header"),
    "a pickle": (archive([("a.npy", npy("'|O'", "(1,)", b"cos\nsystem\n(S'false'\ntR."))]), "no header of plain numbers"),
    "a record": (archive([("a.npy", npy("[('a', '<f4'), ('b', '<f4')]", "(1,)"))]), "no header of plain numbers"),
    "a newer header": (archive([("a.npy", npy(version=b"\2\0"))]), "no header"),
    "nested brackets": (archive([("a.npy", npy(shape="(" * 5000))]), "no header"),
    "an expression": (archive([("a.npy", npy(shape="(2**9,)"))]), "no header"),
    "a shape too large": (archive([("a.npy", npy(shape="(10000000000,)"))]), "has 8 bytes, but its header is"),
    "a shape too small": (archive([("a.npy", npy(shape="(1,)"))]), "has 8 bytes, but its header is"),
    "a shape of 2**64 bytes": (archive([("a.npy", npy(shape="(4294967296, 1073741824)", content=b""))]), "has 0 bytes"),
    "an impossible shape": (archive([("a.npy", npy(shape="(0, 99999999999999999999)", content=b""))]), "has 0 bytes"),
    "a thousand axes": (archive([("a.npy", npy(shape=f"({'1, ' * 1000})", content=bytes(4)))]), "has 4 bytes"),
    "a shape without commas": (archive([("a.npy", npy(shape="(1 2)"))]), "has 8 bytes"),
    "text of no letters": (archive([("a.npy", npy("'<U0'", "(1000000000,)", b""))]), "no header"),
    "text of a billion letters": (archive([("a.npy", npy("'<U999999999'", "()"))]), "no header"),
    "letters beyond the last": (archive([("a.npy", npy("'<U2'", "()", b"\xff" * 8))]), "invalid text"),
    "bools beyond 1": (archive([("a.npy", npy("'|b1'", "(8,)", b"\2" * 8))]), "invalid bools"),
}


@pytest.mark.parametrize(("raw", "message"), CRAFTED.values(), ids=CRAFTED)
def test_a_file_whose_checksum_is_right_is_not_trusted(path, raw, message):
    path.write_bytes(raw := sealed(raw))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFile, match=message) as caught:
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 3e6 + len(raw)
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 250
    assert path.read_bytes() == raw


def test_more_arrays_than_are_ever_written_are_refused(path, monkeypatch):
    monkeypatch.setattr(npz_files, "ARRAYS", 100)
    path.write_bytes(sealed(archive([(f"{i}.npy", npy(shape="()", content=bytes(4))) for i in range(101)])))
    with pytest.raises(DamagedFile, match="more than 100 arrays"):
        read_npz(path)


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
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is not a file"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_in_one_line(path, damage, message):
    write_npz(path, ARRAYS)
    damage(path)
    with pytest.raises(DamagedFile, match=message) as caught:
        read_npz(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_beyond_the_limit_is_refused_unread(path):
    write_npz(path, ARRAYS)
    with pytest.raises(DamagedFile, match="at most 100 are read"):
        read_npz(path, limit=100)


def test_a_missing_file_is_the_systems_error(path):
    path.symlink_to(path.parent / "nowhere")
    for missing in (path, path.parent / "another.npz"):
        with pytest.raises(FileNotFoundError):
            read_npz(missing)


def test_memory_that_runs_out_is_a_damaged_file_too(path, monkeypatch):
    def fail(*_):
        raise MemoryError

    write_npz(path, ARRAYS)
    monkeypatch.setattr(npz_files, "_read_array", fail)
    with pytest.raises(DamagedFile, match="needs more memory than is available"):
        read_npz(path)


def test_reading_takes_the_arrays_memory_and_no_more(path):
    write_npz(path, {"a": np.zeros(10**7, np.uint8), "text": np.array(["x" * 1000] * 1000)})
    tracemalloc.start()
    try:
        read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 14e6 + 3e6
    finally:
        tracemalloc.stop()
