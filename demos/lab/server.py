"""The laboratory's page on localhost: a secret in the address, one page at a time, and nothing of the file system."""

import hmac
import json
import secrets
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any

from demos.lab.table import Table

BODY = 100_000  # bytes of a request, at most: some thousand drawn points
RATE, BURST = 50.0, 100  # requests a second, in the long run and at once
CONNECTIONS = 24  # at a time
PATIENCE = 5.0  # seconds for a request to arrive
BEAT = 0.5  # seconds between two signs of life
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"


class Server(ThreadingHTTPServer):
    """Serves a table at `address`, on 127.0.0.1 alone."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.table, self.token = Table(), secrets.token_urlsafe(24)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        self.address = f"http://127.0.0.1:{self.server_port}/{self.token}/"
        self.free, self.lock = threading.BoundedSemaphore(CONNECTIONS), threading.Lock()
        self.left, self.filled = float(BURST), time.monotonic()
        self.arriving: dict[socket.socket, float] = {}  # connections with requests under way, since when

    def may(self) -> bool:
        """Whether there may be another request now."""
        with self.lock:
            now = time.monotonic()
            self.left, self.filled = min(BURST, self.left + RATE * (now - self.filled)), now
            there_is_one = self.left >= 1
            self.left -= there_is_one
            return there_is_one

    def arrived(self, request: Any) -> None:
        """The request is here, the whole of it."""
        self.arriving.pop(request, None)

    def service_actions(self) -> None:
        """Now and then: end the connections whose requests arrive too slowly."""
        for request, since in list(self.arriving.items()):
            if time.monotonic() - since > PATIENCE:
                self.arrived(request)
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.free.acquire(blocking=False):
            self.arriving[request] = time.monotonic()
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.arrived(request)
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is no news."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = PATIENCE

    def do_GET(self) -> None:
        """The page, its events, or what it saves."""
        table = self.server.table
        name = self.asked()
        self.server.arrived(self.connection)
        match name:
            case "":
                self.reply(200, "text/html", table.page())
            case "events":
                self.events()
            case "player":
                self.reply(200, "text/html", table.ask(lambda: table.page(recorded=True)), "laboratory.html")
            case "script0" | "script1":
                self.reply(200, "text/x-python", table.ask(lambda: self.script(int(name[-1]))), "run.py")
            case str():
                self.reply(404, "text/plain", "there is no such page")

    def do_POST(self) -> None:
        """A command: what to do, as JSON."""
        if self.asked() is None:
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 9 or int(length) > BODY:
            self.reply(413, "text/plain", f"a command has at most {BODY:,} bytes")
            return
        body = self.rfile.read(int(length))
        self.server.arrived(self.connection)
        try:
            asked = json.loads(body)
            if not isinstance(asked, dict):
                raise ValueError("expected a command")
            self.server.table.ask(lambda: self.server.table.do(asked))
        except Exception as error:
            self.reply(400, "text/plain", f"{error}")
        else:
            self.reply(200, "text/plain", "done")

    def asked(self) -> str | None:
        """What of the table's is asked for; None, and a refusal, where something is foreign."""
        token, _, name = self.path.lstrip("/").partition("/")
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in self.server.hosts or origin not in (None, *(f"http://{known}" for known in self.server.hosts)):
            self.reply(403, "text/plain", "from this machine's own page only")
        elif not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self.reply(403, "text/plain", "this is not the address that was printed")
        elif not self.server.may():  # after the strangers, who could use up what is the page's
            self.reply(429, "text/plain", "too many requests")
        else:
            return name
        return None

    def script(self, pane: int) -> str:
        panes = self.server.table.panes
        return panes[min(pane, len(panes) - 1)].script()

    def events(self) -> None:
        """Frame after frame, as long as the page is open. A page that is opened later takes the table over."""
        table, me, number = self.server.table, object(), -1
        table.reader = me
        try:
            self.head(200, "text/event-stream")
            while table.reader is me:
                frame, newest = table.wait_for(number, BEAT)
                self.wfile.write(f"data: {frame}\n\n".encode() if newest > number else b": I am here\n\n")
                number = newest
            self.wfile.write(b"event: taken\ndata: {}\n\n")
        except OSError:  # the page is closed
            pass
        finally:
            if table.reader is me:
                table.reader = None
                table.commands.put((lambda: table.do({"do": "pause"}), SimpleQueue()))

    def reply(self, status: int, kind: str, text: str, name: str = "") -> None:
        """The whole answer; with a name, to be saved as a file."""
        body = text.encode()
        self.head(status, f"{kind}; charset=utf-8", len(body), name)
        self.wfile.write(body)

    def head(self, status: int, kind: str, length: int | None = None, name: str = "") -> None:
        self.close_connection = True
        self.send_response(status)
        headers = {"Content-Type": kind, "Cache-Control": "no-store", "Content-Security-Policy": POLICY, "Connection": "close"}
        headers |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
        headers |= {"Content-Length": str(length)} if length is not None else {}
        headers |= {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""
