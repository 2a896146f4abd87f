"""The playground's server on localhost. Its address has a secret, one page is open at a time, and no file can be read."""

import hmac
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any

from demos.lab.code import Settings
from demos.lab.session import Session

BODY = 100_000  # most bytes of a request: some thousand drawn points
PATIENCE = 5.0  # seconds without a byte after which a request is given up
BEAT = 0.5  # seconds between two signs of life
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY, "Connection": "close"}
HEADERS |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}


class Server(ThreadingHTTPServer):
    """Serves one session at `address`, on 127.0.0.1 only."""

    daemon_threads = True

    def __init__(self, port: int = 0, settings: Settings = Settings()):  # noqa: B008 (it is frozen)
        super().__init__(("127.0.0.1", port), Handler)
        self.session, self.token = Session(settings), secrets.token_urlsafe(24)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        self.address = f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing where a connection broke off."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer with the page, its events, or a file to save."""
        session = self.server.session
        match name := self.requested():
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
        """The path after the secret. Where the request is foreign, refuse it and return None."""
        token, _, name = self.path.lstrip("/").partition("/")
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in self.server.hosts or origin not in (None, *(f"http://{known}" for known in self.server.hosts)):
            self.reply(403, "text/plain", "from this machine's own page only")
        elif not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self.reply(403, "text/plain", "not the address that was printed")
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
