"""MNIST's files: small ones written here, and a downloader that talks to a server on loopback, good or bad."""

import gzip
import hashlib
import http.server
import os
import threading

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
    monkeypatch.setattr(mnist_files, "FILES", {name: hashlib.sha256(raw).hexdigest() for name, raw in GOOD.items()})
    return tmp_path / "cache" / "minigan" / "mnist"


def assert_good(result):
    images, labels = result
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(images, (PIXELS[:, None] / 255).astype(np.float32))
    np.testing.assert_array_equal(labels, DIGITS)


# --- a folder that the user names ---


def test_a_named_folder_with_gzip_files_is_read_as_it_is(tmp_path, monkeypatch):
    write(tmp_path / "mine", GOOD)
    monkeypatch.setattr(mnist_files, "FILES", dict.fromkeys(GOOD, "no checksum is compared"))
    assert_good(mnist(root=tmp_path / "mine"))


def test_a_named_folder_with_plain_files_is_read(tmp_path):
    write(tmp_path / "mine", {name.removesuffix(".gz"): gzip.decompress(raw) for name, raw in GOOD.items()})
    assert_good(mnist("train", str(tmp_path / "mine")))


def test_the_environment_variable_names_the_folder_and_root_goes_before_it(tmp_path, monkeypatch):
    write(tmp_path / "mine", GOOD)
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path / "mine"))
    assert_good(mnist())
    with pytest.raises(DataError, match="other"):
        mnist(root=tmp_path / "other")


def test_the_test_split_has_files_of_its_own(tmp_path):
    write(tmp_path, {name.replace("train", "t10k"): raw for name, raw in GOOD.items()})
    assert_good(mnist("test", tmp_path))
    with pytest.raises(DataError, match=IMAGES):
        mnist("train", tmp_path)


def test_a_named_folder_without_the_files_is_not_downloaded_into(tmp_path, server):
    server.files.update(GOOD)
    with pytest.raises(DataError, match=f"no {IMAGES} in the folder {tmp_path / 'mine'}.*{LABELS}"):
        mnist(root=tmp_path / "mine")
    assert server.asked == []
    assert not (tmp_path / "mine").exists()


def test_an_unknown_split_is_answered_with_the_choices():
    with pytest.raises(ValueError, match="'valid': choose 'train' or 'test'"):
        mnist("valid")


BAD = {
    "truncated gzip": (IMAGES, GOOD[IMAGES][:-20], "cannot be read"),
    "gzip of wrong content": (IMAGES, GOOD[IMAGES][:-6] + b"\0\0" + GOOD[IMAGES][-4:], "cannot be read"),
    "not gzip": (IMAGES, b"<html>sign in first</html>", "cannot be read"),
    "damaged deflate stream": (IMAGES, GOOD[IMAGES][:10] + b"\xff" * 40, "cannot be read"),
    "empty": (IMAGES, packed(b""), "starts with"),
    "another type": (IMAGES, packed(b"\0\0\x0d\x03" + idx(PIXELS)[4:]), "starts with the bytes 00 00 0d 03"),
    "labels as images": (IMAGES, GOOD[LABELS], "starts with the bytes 00 00 08 01 instead of IDX's 00 00 08 03"),
    "short header": (IMAGES, packed(idx(PIXELS)[:9]), "ends inside its header, after 9 of 16"),
    "trailing bytes": (IMAGES, packed(idx(PIXELS) + b"x"), r"has 2369 bytes, but its shape \(3, 28, 28\) needs 2368"),
    "missing bytes": (IMAGES, packed(idx(PIXELS)[:-1]), r"has 2367 bytes, but its shape \(3, 28, 28\) needs 2368"),
    "shape of 2**64 bytes": (  # 0 bytes for integers of 64 bits, which is what is there
        IMAGES,
        packed(b"\0\0\x08\x03" + np.array([2**24, 2**24, 2**16], ">u4").tobytes()),
        "has 16 bytes, but its shape .* needs 18446744073709551632",
    ),
    "other image size": (IMAGES, packed(idx(PIXELS[:, :14])), r"shape \(14, 28\) instead of \(28, 28\)"),
    "other image count": (IMAGES, packed(idx(PIXELS[:2])), f"has 2 images, but .*{LABELS} has 3 labels"),
    "label 10": (LABELS, packed(idx(np.array([1, 10, 2], np.uint8))), "has the label 10"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, name, content, message):
    write(tmp_path, {**GOOD, name: content})
    with pytest.raises(DataError, match=f"{name}.*{message}"):
        mnist(root=tmp_path)


# --- the download ---


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` under any folder; the path's first part chooses how badly: /good/, /missing/, /cut/ ..."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.stop_stalling = {}, [], threading.Event()

    def mirror(self, behaviour):
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, name = self.path.split("/")
        self.server.asked.append((behaviour, name))
        body = self.server.files.get(name)
        if behaviour == "missing" or body is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour == "wrong":
            body = bytes(len(body))
        self.wfile.write(body if behaviour in ("good", "wrong") else body[: len(body) // 2])
        self.wfile.flush()
        if behaviour == "stall":
            self.server.stop_stalling.wait(10)

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


@pytest.fixture
def mirrors(server, monkeypatch):
    """Call with behaviours: the mirrors are then servers that behave so, one after the other."""
    server.files.update(GOOD)
    monkeypatch.setattr(mnist_files, "TIMEOUT", 0.2)

    def choose(*behaviours):
        monkeypatch.setattr(mnist_files, "MIRRORS", tuple(map(server.mirror, behaviours)))

    return choose


def names_in(folder):
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_missing_files_are_downloaded_once_into_the_cache(cache, server, mirrors):
    mirrors("good")
    assert_good(mnist())
    assert names_in(cache) == [IMAGES, LABELS]
    assert_good(mnist())
    assert_good(mnist(download=False))
    assert server.asked == [("good", IMAGES), ("good", LABELS)]


@pytest.mark.parametrize("behaviour", ["missing", "cut", "stall", "wrong"])
def test_the_second_mirror_steps_in_where_the_first_fails(cache, server, mirrors, behaviour):
    mirrors(behaviour, "good")
    assert_good(mnist())
    assert names_in(cache) == [IMAGES, LABELS]
    assert server.asked[:2] == [(behaviour, IMAGES), ("good", IMAGES)]


REASONS = {"missing": "404", "cut": "broke off after", "stall": "timed out", "wrong": "wrong bytes"}


@pytest.mark.parametrize(("behaviour", "reason"), REASONS.items())
def test_a_failed_download_says_what_was_tried_and_leaves_nothing(cache, server, mirrors, behaviour, reason):
    mirrors(behaviour, "missing")
    with pytest.raises(DataError) as caught:
        mnist()
    message = str(caught.value)
    assert f"{server.mirror(behaviour)}{IMAGES}: " in message
    assert f"{server.mirror('missing')}{IMAGES}: " in message
    assert reason in message
    assert "--data glyphs" in message
    assert "MINIGAN_DATA" in message
    assert names_in(cache) == []


def test_a_mirror_that_cannot_be_reached_is_a_data_error(cache, monkeypatch):
    monkeypatch.setattr(mnist_files, "MIRRORS", ("http://127.0.0.1:1/",))
    with pytest.raises(DataError, match=f"http://127.0.0.1:1/{IMAGES}: "):
        mnist()
    assert names_in(cache) == []


def test_a_file_gets_its_name_only_when_it_is_whole(cache, mirrors, monkeypatch):
    seen = []
    copy = mnist_files._copy

    def watched_copy(*arguments):
        digest = copy(*arguments)
        seen.append(names_in(cache))  # the bytes are all there, the checksum is not compared yet
        return digest

    monkeypatch.setattr(mnist_files, "_copy", watched_copy)
    mirrors("good")
    mnist()
    assert IMAGES not in seen[0]
    assert len(seen[0]) == 1
    assert LABELS not in seen[1]


def test_an_interrupted_download_leaves_nothing(cache, mirrors, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist_files, "_copy", interrupted)
    mirrors("good")
    with pytest.raises(KeyboardInterrupt):
        mnist()
    assert names_in(cache) == []


def test_without_download_an_empty_cache_is_a_data_error(cache, server, mirrors):
    mirrors("good")
    with pytest.raises(DataError, match=f"{cache / IMAGES}: it is missing.*MINIGAN_DATA.*--data glyphs"):
        mnist(download=False)
    assert server.asked == []


def test_a_damaged_file_in_the_cache_is_downloaded_again(cache, server, mirrors):
    write(cache, {**GOOD, LABELS: packed(idx(np.array([1, 2, 3], np.uint8)))})
    mirrors("good")
    assert_good(mnist())
    assert server.asked == [("good", LABELS)]
    assert (cache / LABELS).read_bytes() == GOOD[LABELS]


def test_a_damaged_file_in_the_cache_is_a_data_error_without_download(cache):
    write(cache, {**GOOD, LABELS: b"damaged"})
    with pytest.raises(DataError, match=f"{cache / LABELS}: its SHA-256 is"):
        mnist(download=False)


def test_a_cache_that_cannot_be_made_is_a_data_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cache cannot be used"):
        mnist()
