"""MNIST's files: small ones written here, and a downloader that talks to a server on loopback, good or bad."""

import contextlib
import errno
import gzip
import hashlib
import http.server
import os
import threading
import tracemalloc

import numpy as np
import pytest

from minigan.data import DataError, mnist, mnist_files

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
PIXELS = np.random.default_rng(0).integers(256, size=(3, 28, 28), dtype=np.uint8)
DIGITS = np.array([7, 0, 9], np.uint8)


def idx(array):
    """A uint8 array in the IDX format."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def packed(raw):
    return gzip.compress(raw, mtime=0)


GOOD = {IMAGES: packed(idx(PIXELS)), LABELS: packed(idx(DIGITS))}


KNOWN = {name: (len(raw), hashlib.sha256(raw).hexdigest()) for name, raw in GOOD.items()}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test sees the user's settings, reaches the real mirrors or needs the real checksums; here lies the cache."""
    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(mnist_files, "MIRRORS", ())
    monkeypatch.setattr(mnist_files, "FILES", KNOWN)
    return tmp_path / "cache" / "minigan" / "mnist"


def assert_good(result):
    images, labels = result
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(images, (PIXELS[:, None] / 255).astype(np.float32))
    np.testing.assert_array_equal(labels, DIGITS)


# --- a folder that the user names ---


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("plain", [False, True])
def test_the_files_in_a_named_folder_are_read_as_they_are(tmp_path, monkeypatch, split, plain):
    monkeypatch.setattr(mnist_files, "FILES", dict.fromkeys(GOOD, (0, "no checksum is compared")))
    files = {name.replace("train", {"train": "train", "test": "t10k"}[split]): raw for name, raw in GOOD.items()}
    write(tmp_path, {name.removesuffix(".gz"): gzip.decompress(raw) for name, raw in files.items()} if plain else files)
    assert_good(mnist(split, str(tmp_path)))
    with pytest.raises(DataError, match="no t10k" if split == "train" else f"no {IMAGES}"):
        mnist({"train": "test", "test": "train"}[split], tmp_path)


def test_the_environment_variable_names_the_folder_and_root_goes_before_it(tmp_path, monkeypatch, server):
    server.files.update(GOOD)
    write(tmp_path / "mine", GOOD)
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path / "mine"))
    assert_good(mnist())
    with pytest.raises(DataError, match=f"no {IMAGES} in the folder {tmp_path / 'other'}.*{LABELS}"):
        mnist(root=tmp_path / "other")
    assert server.asked == []
    assert not (tmp_path / "other").exists()


def header(*shape):
    return packed(bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes())


BAD = {
    "truncated gzip": (IMAGES, GOOD[IMAGES][:-20], "cannot be read"),
    "gzip of wrong content": (IMAGES, GOOD[IMAGES][:-6] + b"\0\0" + GOOD[IMAGES][-4:], "cannot be read"),
    "not gzip": (IMAGES, b"<html>sign in first</html>", "cannot be read"),
    "damaged deflate stream": (IMAGES, GOOD[IMAGES][:10] + b"\xff" * 40, "cannot be read"),
    "empty": (IMAGES, packed(b""), "starts with"),
    "another type": (IMAGES, packed(b"\0\0\x0d\x03" + idx(PIXELS)[4:]), "starts with the bytes 00 00 0d 03"),
    "labels as images": (IMAGES, GOOD[LABELS], "starts with the bytes 00 00 08 01 instead of IDX's 00 00 08 03"),
    "short header": (IMAGES, packed(idx(PIXELS)[:9]), "ends inside its header, after 9 of 16"),
    "trailing bytes": (IMAGES, packed(idx(PIXELS) + b"x"), r"shape \(3, 28, 28\) needs 2352 bytes .*, but there are more"),
    "missing bytes": (IMAGES, packed(idx(PIXELS)[:-1]), r"shape \(3, 28, 28\) needs 2352 bytes .*, but there are 2351 bytes"),
    "trailing garbage": (IMAGES, GOOD[IMAGES] + b"x", "cannot be read"),
    "another archive behind it": (IMAGES, 2 * GOOD[IMAGES], "needs 2352 bytes .*, but there are more"),
    "no images of that size": (IMAGES, header(2**16, 28, 28), "needs 51380224 bytes .*, but there are 0 bytes"),
    "2**32 images": (IMAGES, header(2**32 - 1, 28, 28), "needs 3367254359280 bytes; at most 134217728 are read"),
    "2**32 labels": (LABELS, header(2**32 - 1), "needs 4294967295 bytes; at most 134217728 are read"),
    "shape of 2**64 bytes": (IMAGES, header(2**24, 2**24, 2**16), r"shape \(16777216, 65536\) instead of \(28, 28\)"),
    "no rows": (IMAGES, header(3, 0, 28), r"shape \(0, 28\) instead of \(28, 28\)"),
    "a bomb": (IMAGES, packed(gzip.decompress(header(3, 28, 28)) + bytes(2**25)), "but there are more"),
    "other image size": (IMAGES, packed(idx(PIXELS[:, :14])), r"shape \(14, 28\) instead of \(28, 28\)"),
    "other image count": (IMAGES, packed(idx(PIXELS[:2])), f"has 2 images, but .*{LABELS} has 3 labels"),
    "label 10": (LABELS, packed(idx(np.array([1, 10, 2], np.uint8))), "has the label 10"),
}


def assert_bad(folder, message):
    """Reading fails in one line, and takes little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message) as caught:
            mnist(root=folder)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, name, content, message):
    write(tmp_path, {**GOOD, name: content})
    assert_bad(tmp_path, f"{name}.*{message}")


@pytest.mark.parametrize(("size", "found"), [(2**40, "more"), (16, "0 bytes")])  # the longer file is a hole: it takes no disk
def test_a_plain_file_is_checked_in_the_same_way(tmp_path, size, found):
    plain = tmp_path / IMAGES.removesuffix(".gz")
    write(tmp_path, {plain.name: gzip.decompress(header(1000, 28, 28)), LABELS: GOOD[LABELS]})
    os.truncate(plain, size)
    assert_bad(tmp_path, f"needs 784000 bytes after the header, but there are {found}")


def no_file(kind, path):
    path.unlink()
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(path.parent / "nowhere")}[kind]()


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_no_file_is_missing(tmp_path, kind):
    write(tmp_path, GOOD)
    no_file(kind, tmp_path / LABELS)
    with pytest.raises(DataError, match=f"^no {LABELS} in the folder {tmp_path}"):
        mnist(root=tmp_path)


def test_a_file_that_may_not_be_read_is_a_data_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("not yours")

    write(tmp_path, GOOD)
    monkeypatch.setattr(mnist_files.gzip, "open", refuse)
    with pytest.raises(DataError, match=f"{IMAGES}: cannot be read: not yours"):
        mnist(root=tmp_path)


# --- the download ---


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` under any folder; the path's first part chooses how badly: /good/, /missing/, /cut/ ..."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.sent, self.stop_stalling = {}, [], 0, threading.Event()

    def mirror(self, behaviour):
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, name = self.path.split("/")
        self.server.asked.append((behaviour, name))
        body = self.server.files.get(name)
        if behaviour == "missing" or body is None:
            return self.send_error(404)
        if behaviour == "dripping-header":
            return self.drip(b"HTTP/1.1 200 OK\r\nX: " + bytes(10_000))
        self.send_response(200)
        if behaviour not in ("endless", "no-length"):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour == "dripping":
            return self.drip(body)
        if behaviour == "endless":
            return self.send_without_end()
        if behaviour == "wrong":
            body = bytes(len(body))
        self.wfile.write(body if behaviour in ("good", "wrong", "no-length") else body[: len(body) // 2])
        self.wfile.flush()
        if behaviour == "stall":
            self.server.stop_stalling.wait(10)

    def drip(self, content):
        with contextlib.suppress(OSError):  # the other side hangs up
            for byte in content:
                self.wfile.write(bytes([byte]))
                if self.server.stop_stalling.wait(0.05):
                    return

    def send_without_end(self):
        with contextlib.suppress(OSError):
            while self.server.sent < 2**28:
                self.server.sent += self.wfile.write(bytes(2**16))

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stop_stalling.set()
        server.shutdown()
        thread.join()


SLOW = {"stall", "dripping", "dripping-header"}


@pytest.fixture
def mirrors(server, monkeypatch):
    """Call with behaviours: the mirrors are then servers that behave so, one after the other."""
    server.files.update(GOOD)

    def choose(*behaviours):
        if not SLOW.isdisjoint(behaviours):
            monkeypatch.setattr(mnist_files, "TIMEOUT", 0.3)
            monkeypatch.setattr(mnist_files, "PATIENCE", 0.5)
        monkeypatch.setattr(mnist_files, "MIRRORS", tuple(map(server.mirror, behaviours)))

    return choose


def names_in(folder):
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_missing_files_are_downloaded_once_into_the_cache(cache, server, mirrors):
    mirrors("good")
    with pytest.raises(DataError, match=f"{cache / IMAGES}: it is missing.*MINIGAN_DATA.*--data glyphs"):
        mnist(download=False)
    assert server.asked == []
    assert_good(mnist())
    assert names_in(cache) == [IMAGES, LABELS]
    assert_good(mnist())
    assert_good(mnist(download=False))
    assert server.asked == [("good", IMAGES), ("good", LABELS)]


REASONS = {
    "missing": "404",
    "cut": "broke off after",
    "stall": "timed out",
    "wrong": "wrong bytes",
    "dripping": "not finished after 0.5 seconds",
    "dripping-header": "not finished after 0.5 seconds",
    "endless": "wrong bytes: the SHA-256 is",
}


@pytest.mark.parametrize(("behaviour", "reason"), REASONS.items())
def test_a_mirror_that_fails_is_named_and_leaves_nothing_and_the_second_steps_in(cache, server, mirrors, behaviour, reason):
    mirrors(behaviour, "missing")
    with pytest.raises(DataError, match="--data glyphs") as caught:
        mnist()
    for part in (f"{server.mirror(behaviour)}{IMAGES}: ", reason, f"{server.mirror('missing')}{IMAGES}: ", "MINIGAN_DATA"):
        assert part in str(caught.value)
    assert names_in(cache) == []
    assert server.sent < 2**24  # of an endless file, what the sockets had buffered
    if behaviour not in SLOW:
        mirrors(behaviour, "good")
        assert_good(mnist())
        assert names_in(cache) == [IMAGES, LABELS]


@pytest.mark.parametrize("behaviours", [("no-length",), ("stall", "good")])
def test_a_mirror_that_does_not_say_how_much_will_come_or_is_silent_is_survived(cache, mirrors, behaviours):
    write(cache, {LABELS: GOOD[LABELS]})
    mirrors(*behaviours)
    assert_good(mnist())


@pytest.mark.parametrize(("mirror", "says"), [("http://[::1/", "Invalid IPv6 URL"), ("http://127.0.0.1:1/", f":1/{IMAGES}: ")])
def test_a_mirror_that_cannot_be_reached_is_a_data_error(cache, monkeypatch, mirror, says):
    monkeypatch.setattr(mnist_files, "MIRRORS", (mirror,))
    with pytest.raises(DataError, match=says):
        mnist()
    assert names_in(cache) == []


def raiser(error):
    def fail(*_):
        raise error

    return fail


def test_a_full_disk_is_a_data_error_that_leaves_nothing(cache, server, mirrors, monkeypatch):
    monkeypatch.setattr(os, "fsync", raiser(OSError(errno.ENOSPC, "No space left on device")))
    mirrors("good", "good")
    with pytest.raises(DataError, match=f"^{cache / IMAGES}: cannot be written: .*No space left.*MINIGAN_DATA[^\n]*$"):
        mnist()
    assert names_in(cache) == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("place", [(mnist_files, "_fetch"), (os, "fsync")], ids=["while it arrives", "while it is written"])
def test_an_interrupted_download_leaves_nothing(cache, mirrors, monkeypatch, place):
    monkeypatch.setattr(*place, raiser(KeyboardInterrupt()))
    mirrors("good")
    with pytest.raises(KeyboardInterrupt):
        mnist()
    assert names_in(cache) == []


# --- the cache ---

STALE = {  # name: (what happens to a file in the cache, what is said without download)
    "other labels": (lambda path: path.write_bytes(packed(idx(np.array([1, 2, 3], np.uint8)))), "bytes instead of|SHA-256 is"),
    "a byte": (lambda path: path.write_bytes(GOOD[LABELS][:-1] + b"x"), "its SHA-256 is"),
    "too long to be read": (lambda path: os.truncate(path, 2**40), f"it has {2**40} bytes instead of {len(GOOD[LABELS])}"),
    "a link to nowhere": (lambda path: no_file("link", path), "it is missing"),
}


@pytest.mark.parametrize(("damage", "says"), STALE.values(), ids=STALE)
def test_a_damaged_file_in_the_cache_is_downloaded_again(cache, server, mirrors, damage, says):
    write(cache, GOOD)
    damage(cache / LABELS)
    with pytest.raises(DataError, match=f"{cache / LABELS}: {says}"):
        mnist(download=False)
    mirrors("good")
    assert_good(mnist())
    assert server.asked == [("good", LABELS)]
    assert not (cache / LABELS).is_symlink()
    assert (cache / LABELS).read_bytes() == GOOD[LABELS]


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_in_the_cache_is_left_alone(cache, server, mirrors, kind):
    write(cache, GOOD)
    no_file(kind, cache / LABELS)
    mirrors("good")
    with pytest.raises(DataError, match=f"{cache / LABELS}: the cache cannot be used .this is not a file"):
        mnist()
    assert server.asked == []


def test_a_cache_that_cannot_be_made_is_a_data_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cache cannot be used"):
        mnist()
