"""A server on loopback, good or bad, in place of the mirrors of published data."""

import contextlib
import socketserver
import threading

import pytest

from minigan.data import cifar10_files, downloads, mnist_files


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """The folder of the caches. No test sees the user's settings."""
    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "minigan"


class Handler(socketserver.StreamRequestHandler):
    """Serves `server.files` under any folder; the path's first part chooses how badly: /good/, /missing/, /cut/ ..."""

    def handle(self):
        _, behaviour, name = self.rfile.readline().decode().split()[1].split("/")
        for _ in iter(self.rfile.readline, b"\r\n"):
            pass  # the request's header
        self.server.asked.append((behaviour, name))
        ok, body = b"HTTP/1.0 200 OK\r\n", self.server.files[name]
        head = ok + b"Content-Length: %d\r\n\r\n" % len(body)
        half = head + body[: len(body) // 2]
        response = {"missing": b"HTTP/1.0 404 Not Found\r\n\r\n", "cut": half, "stall": half, "wrong": head + bytes(len(body))}
        response |= {"no-length": ok + b"\r\n" + body, "endless": ok + b"\r\n" + bytes(2**25), "drip": ok}
        with contextlib.suppress(OSError):  # the other side hangs up
            self.server.sent += self.wfile.write(response.get(behaviour, head + body))
            while behaviour == "drip" and not self.server.stopped.wait(0.02):
                self.wfile.write(b"x")  # of a header that never ends
        if behaviour == "stall":
            self.server.stopped.wait(10)


@pytest.fixture
def server(monkeypatch):
    """Call with behaviours: the mirrors are then servers that behave so, one after the other."""

    class Server(socketserver.ThreadingTCPServer):
        def __call__(self, *behaviours):
            if "stall" in behaviours:
                monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
            monkeypatch.setattr(downloads, "PATIENCE", 0.5 if "drip" in behaviours else 600.0)
            mirrors = [f"http://127.0.0.1:{self.server_address[1]}/{behaviour}/" for behaviour in behaviours]
            for dataset in (mnist_files, cifar10_files):
                monkeypatch.setattr(dataset, "MIRRORS", mirrors)

    with Server(("127.0.0.1", 0), Handler) as server:
        server()  # no mirrors: no test reaches the real ones
        server.asked, server.sent, server.stopped = [], 0, threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stopped.set()
        server.shutdown()
        thread.join()
