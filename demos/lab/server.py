"""The playground's server on localhost. Its address has a secret, one page is open at a time, and no file can be read."""

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

from demos.lab.session import Session

BODY = 100_000  # most bytes of a request: some thousand drawn points
RATE, BURST = 50.0, 100  # requests a second on average, and at once
CONNECTIONS = 24  # open at a time
PATIENCE = 5.0  # seconds that a request may take to arrive
BEAT = 0.5  # seconds between two signs of life
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY, "Connection": "close"}
HEADERS |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}


class Server(ThreadingHTTPServer):
    """Serves one session at `address`, on 127.0.0.1 only."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.session, self.token = Session(), secrets.token_urlsafe(24)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        self.address = f"http://127.0.0.1:{self.server_port}/{self.token}/"
        self.free, self.lock = threading.BoundedSemaphore(CONNECTIONS), threading.Lock()
        self.left, self.filled = float(BURST), time.monotonic()
        self.arriving: dict[socket.socket, float] = {}  # connections whose requests are arriving, and since when

    def allows_request(self) -> bool:
        """Whether the rate limit allows a request now; if so, count it."""
        with self.lock:
            now = time.monotonic()
            self.left, self.filled = min(BURST, self.left + RATE * (now - self.filled)), now
            allowed = self.left >= 1
            self.left -= allowed
            return allowed

    def arrived(self, request: Any) -> None:
        self.arriving.pop(request, None)

    def service_actions(self) -> None:
        """Called regularly: end the connections whose requests arrive too slowly."""
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
        """Print nothing where a connection broke off."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer with the page, its events, or a file to save."""
        session = self.server.session
        name = self.requested()
        self.server.arrived(self.connection)
        match name:
            case "":
                self.reply(200, "text/html", session.page())
            case "events":
                self.events()
            case "player":
                self.reply(200, "text/html", session.ask(lambda: session.page(recorded=True)), "playground.html")
            case "script0" | "script1":
                text = session.ask(lambda: session.panels[: int(name[-1]) + 1][-1].script())
                self.reply(200, "text/x-python", text, "run.py")
            case str():
                self.reply(404, "text/plain", "there is no such page")

    def do_POST(self) -> None:
        """Execute a command, which arrives as JSON."""
        if self.requested() is None:
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
            self.server.session.ask(lambda: self.server.session.do(asked))
        except Exception as error:
            self.reply(400, "text/plain", f"{error}")
        else:
            self.reply(200, "text/plain", "done")

    def requested(self) -> str | None:
        """The path after the secret. Where the request is foreign or too early, refuse it and return None."""
        token, _, name = self.path.lstrip("/").partition("/")
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in self.server.hosts or origin not in (None, *(f"http://{known}" for known in self.server.hosts)):
            self.reply(403, "text/plain", "from this machine's own page only")
        elif not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self.reply(403, "text/plain", "not the address that was printed")
        elif not self.server.allows_request():  # last: requests without the secret do not count against the page's limit
            self.reply(429, "text/plain", "too many requests")
        else:
            return name
        return None

    def events(self) -> None:
        """Send frame after frame while the page is open. A page that is opened later takes the session over."""
        session, me, number = self.server.session, object(), -1
        session.reader = me
        try:
            self.head(200, "text/event-stream")
            while session.reader is me:
                frame, newest = session.wait_for(number, BEAT)
                self.wfile.write(f"data: {frame}\n\n".encode() if newest > number else b": I am here\n\n")
                number = newest
            self.wfile.write(b"event: taken\ndata: {}\n\n")
        except OSError:  # the page was closed
            pass
        finally:
            if session.reader is me:
                session.reader = None
                session.commands.put((lambda: session.do({"do": "pause"}), SimpleQueue()))

    def reply(self, status: int, kind: str, text: str, name: str = "") -> None:
        """Send a whole answer; if `name` is given, the browser saves it as a file."""
        body = text.encode()
        self.head(status, f"{kind}; charset=utf-8", len(body), name)
        self.wfile.write(body)

    def head(self, status: int, kind: str, length: int | None = None, name: str = "") -> None:
        self.close_connection = True
        self.send_response(status)
        headers = HEADERS | {"Content-Type": kind}
        headers |= {"Content-Length": str(length)} if length is not None else {}
        headers |= {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""
