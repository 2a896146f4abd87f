"""MNIST's files: small ones written here, and a downloader that talks to a server on loopback, good or bad."""

import gzip
import hashlib
import os
import tracemalloc

import numpy as np
import pytest

from minigan.data import DataError, mnist, mnist_files

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
PIXELS = np.random.default_rng(0).integers(256, size=(3, 28, 28), dtype=np.uint8)
DIGITS = np.array([7, 0, 9], np.uint8)


def header(*shape):
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()


def packed(shape, content):
    return gzip.compress(header(*shape) + bytes(content), mtime=0)


GOOD = {IMAGES: packed(PIXELS.shape, PIXELS.tobytes()), LABELS: packed((3,), DIGITS)}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(autouse=True)
def cache(caches, server, monkeypatch):
    """No test needs the real checksums; this is the cache."""
    known = {name: (len(raw), hashlib.sha256(raw).hexdigest()) for name, raw in GOOD.items()}
    monkeypatch.setattr(mnist_files, "FILES", known)
    server.files = GOOD
    return caches / "mnist"


def assert_good(result):
    images, labels = result
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(images, (PIXELS[:, None] / 255).astype(np.float32))
    np.testing.assert_array_equal(labels, DIGITS)


@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
@pytest.mark.parametrize("plain", [False, True])
def test_the_files_in_a_named_folder_are_read_without_a_checksum(tmp_path, monkeypatch, split, prefix, plain):
    monkeypatch.setattr(mnist_files, "FILES", dict.fromkeys(GOOD, (0, "no checksum is compared")))
    files = {name.replace("train", prefix): raw for name, raw in GOOD.items()}
    write(tmp_path, {name.removesuffix(".gz"): gzip.decompress(raw) for name, raw in files.items()} if plain else files)
    assert_good(mnist(split, str(tmp_path)))
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path))
    assert_good(mnist(split))
    with pytest.raises(DataError, match=f"no {prefix}.*.gz in the folder {tmp_path / 'other'}.*{LABELS}"):
        mnist(split, tmp_path / "other")
    assert not (tmp_path / "other").exists()


BAD = {
    "truncated gzip": (IMAGES, GOOD[IMAGES][:-20], "cannot be read"),
    "not gzip": (IMAGES, b"<html>sign in first</html>", "cannot be read"),
    "labels as images": (IMAGES, GOOD[LABELS], "starts with the bytes 00 00 08 01 instead of IDX's 00 00 08 03"),
    "short header": (IMAGES, gzip.compress(header(3, 28, 28)[:9]), "ends inside its header, after 9 of 16"),
    "missing bytes": (IMAGES, packed((3, 28, 28), 2351), r"shape \(3, 28, 28\) needs 2352 bytes .*, but there are 2351 bytes"),
    "a bomb": (IMAGES, packed((3, 28, 28), 2**25), r"shape \(3, 28, 28\) needs 2352 bytes .*, but there are more"),
    "2**32 images": (IMAGES, packed((2**32 - 1, 28, 28), 0), "needs 3367254359280 bytes; at most 134217728 are read"),
    "other image count": (IMAGES, packed((2, 28, 28), 2 * 784), f"has 2 images, but .*{LABELS} has 3 labels"),
    "label 10": (LABELS, packed((3,), [1, 10, 2]), "has the label 10"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_with_what_is_wrong_in_one_line_and_takes_little_memory(tmp_path, name, content, message):
    write(tmp_path, {**GOOD, name: content})
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"{name}.*{message}") as caught:
            mnist(root=tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_missing_files_are_downloaded_once_into_the_cache(cache, server):
    server("good")
    with pytest.raises(DataError, match=f"{cache / IMAGES}: it is missing.*MINIGAN_DATA.*--data glyphs"):
        mnist(download=False)
    assert server.asked == []
    assert_good(mnist())
    assert sorted(os.listdir(cache)) == [IMAGES, LABELS]
    assert_good(mnist(download=False))
    assert_good(mnist())
    assert server.asked == [("good", IMAGES), ("good", LABELS)]


REASONS = {
    "missing": "404", "cut": "broke off after", "wrong": "wrong bytes: the SHA-256 is", "endless": "wrong bytes",
    "stall": "timed out", "drip": "not finished after 0.5 seconds",
}  # fmt: skip


@pytest.mark.parametrize(("behaviour", "reason"), REASONS.items())
def test_a_mirror_that_fails_is_named_and_leaves_nothing_and_the_second_steps_in(cache, server, behaviour, reason):
    server(behaviour, "missing")
    with pytest.raises(DataError, match=rf"(?s)/{behaviour}/{IMAGES}: .*{reason}.*/missing/{IMAGES}: .*MINIGAN_DATA.*glyphs"):
        mnist()
    assert not cache.exists() or os.listdir(cache) == []
    assert server.sent < 2**24  # of an endless file, what the sockets had buffered
    server(behaviour, "no-length")
    write(cache, {LABELS: GOOD[LABELS]})
    assert_good(mnist())


@pytest.mark.parametrize(
    ("error", "becomes"), [(OSError("disk full"), DataError), (KeyboardInterrupt("Ctrl-C"), KeyboardInterrupt)]
)
def test_a_full_disk_and_an_interruption_leave_nothing(cache, server, monkeypatch, error, becomes):
    def fail(*_):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    server("good", "good")
    with pytest.raises(becomes, match=str(error)):
        mnist()
    assert not cache.exists() or os.listdir(cache) == []
    assert len(server.asked) == 1


def test_a_damaged_file_in_the_cache_is_downloaded_again(cache, server):
    write(cache, GOOD | {LABELS: GOOD[LABELS][:-1] + b"x"})
    with pytest.raises(DataError, match=f"{cache / LABELS}: its SHA-256 is"):
        mnist(download=False)
    server("good")
    assert_good(mnist())
    assert server.asked == [("good", LABELS)]
    assert (cache / LABELS).read_bytes() == GOOD[LABELS]
