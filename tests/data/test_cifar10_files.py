"""CIFAR-10's archive: small ones made here, in a folder, unpacked, or downloaded from a server on loopback."""

import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest

from minigan.data import DataError, cifar10, cifar10_files
from minigan.data.cifar10_files import ARCHIVE, FILES, FOLDER

RNG = np.random.default_rng(0)
RECORDS = {name: RNG.integers(256, size=(3, 3073), dtype=np.uint8) for names in FILES.values() for name in names}
for records in RECORDS.values():
    records[:, 0] = RNG.integers(10, size=3)
FIRST = "data_batch_1.bin"
RAW = {name: records.tobytes() for name, records in RECORDS.items()}


def packed(files, **fields):
    """An archive with a text, a name too long for a header, and these files; the header of FIRST has these fields."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in {"readme.html": b"<html>", "x" * 150: b"", **files}.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            for field in fields if name == FIRST else ():
                setattr(member, field, fields[field])
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


GOOD = packed(RAW)


@pytest.fixture(autouse=True)
def cache(caches, server, monkeypatch):
    """Three images in a file; this is the cache."""
    monkeypatch.setattr(cifar10_files, "IMAGES", 3)
    monkeypatch.setattr(cifar10_files, "SIZE", len(GOOD))
    monkeypatch.setattr(cifar10_files, "SHA256", hashlib.sha256(GOOD).hexdigest())
    server.files = {ARCHIVE: GOOD}
    return caches / "cifar10"


def assert_good(result, split="train"):
    records = np.concatenate([RECORDS[name] for name in FILES[split]])
    images, labels = result
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(labels, records[:, 0])
    np.testing.assert_array_equal(images, (records[:, 1:].reshape(-1, 3, 32, 32) / 255).astype(np.float32))


@pytest.mark.parametrize("split", FILES)
@pytest.mark.parametrize("unpacked", [False, True])
def test_a_named_folder_has_the_archive_or_its_folder_and_no_checksum_is_compared(tmp_path, monkeypatch, split, unpacked):
    folder = tmp_path / (FOLDER if unpacked else "")
    folder.mkdir(exist_ok=True)
    for name, content in (RAW if unpacked else {ARCHIVE: packed(RAW)}).items():
        (folder / name).write_bytes(content)
    monkeypatch.setattr(cifar10_files, "SHA256", "another")
    assert_good(cifar10(split, str(tmp_path)), split)
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path))
    assert_good(cifar10(split), split)
    with pytest.raises(DataError, match=f"no {ARCHIVE} in the folder {tmp_path / 'other'}, nor the folder {FOLDER}"):
        cifar10(split, tmp_path / "other")


def oversized(size):
    member = tarfile.TarInfo("x")
    member.size = size
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT))


BAD = {
    "not gzip": (b"<html>sign in first</html>", "cannot be read"),
    "not a tar": (gzip.compress(bytes(range(256)) * 2), "cannot be read: invalid header"),
    "cut": (GOOD[: len(GOOD) // 2], "cannot be read: Compressed file ended"),
    "cut inside": (gzip.compress(gzip.decompress(GOOD)[: 2**14]), "data_batch_2.bin ends after .* of 9219 bytes"),
    "no file": (packed({name: raw for name, raw in RAW.items() if name != "data_batch_3.bin"}), "has no .*data_batch_3.bin"),
    "other length": (packed(RAW | {FIRST: RAW[FIRST][:-1]}), "data_batch_1.bin has 9218 bytes instead of 9219: 3 records"),
    "a link": (packed(RAW, type=tarfile.SYMTYPE, linkname="/etc/passwd"), f"has no {FOLDER}/{FIRST}"),
    "other folder": (packed(RAW, name=f"../{FIRST}"), f"has no {FOLDER}/{FIRST}"),
    "a bomb": (oversized(2**40), "has 'x' with 1099511627776 bytes; at most 268435456 bytes are read in all"),
    "backwards": (oversized(-512), "has 'x' with -512 bytes"),
    "label 10": (packed(RAW | {FIRST: b"\x0a" + RAW[FIRST][1:]}), "has the label 10"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_bad_archive_is_named_with_what_is_wrong_in_one_line(tmp_path, content, message):
    (tmp_path / ARCHIVE).write_bytes(content)
    with pytest.raises(DataError, match=f"{tmp_path / ARCHIVE}: .*{message}") as caught:
        cifar10(root=tmp_path)
    assert "\n" not in str(caught.value)


def test_it_is_downloaded_once_by_mnists_downloader(cache, server):
    server("wrong", "cut")
    with pytest.raises(DataError, match=r"(?s)wrong bytes.*broke off.*MINIGAN_DATA.*--data scenes"):
        cifar10()
    server("good")
    assert_good(cifar10())
    assert_good(cifar10("test", download=False), "test")
    assert server.asked == [("wrong", ARCHIVE), ("cut", ARCHIVE), ("good", ARCHIVE)]
    (cache / ARCHIVE).write_bytes(GOOD[:-1] + b"x")
    with pytest.raises(DataError, match=f"{cache / ARCHIVE}: its SHA-256 is .*download=False"):
        cifar10(download=False)
