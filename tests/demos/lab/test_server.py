"""The server: what it tells its own page, and what it refuses to all others."""

import http.client
import json
import socket
import threading
import time
from contextlib import suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from demos.commands.lab import main
from demos.lab import server as server_module
from demos.lab import session as session_module
from demos.lab.panel import Panel
from demos.lab.server import BODY, CONNECTIONS, RATE, Server


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.session.playing = False
    server.shutdown()
    server.server_close()


def ask(server, path="", method="GET", body=None, **headers):
    """Status, headers and text of an answer. The headers' names have _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path if path.startswith("/") else f"/{server.token}/{path}", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def do(server, **command):
    status, _, text = ask(server, "do", "POST", json.dumps(command))
    return status, text


class Page:
    """The page's stream of events."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        self.connection.request("GET", f"/{server.token}/events")
        self.stream = self.connection.getresponse()

    def line(self):
        return self.stream.readline().decode().rstrip("\n")

    def next(self):
        """The next frame."""
        while not (line := self.line()).startswith("data: {"):
            pass
        return json.loads(line.removeprefix("data: "))

    def close(self):
        self.stream.close()
        self.connection.close()


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_page_comes_with_what_it_needs_to_know(server):
    status, headers, text = ask(server)
    assert status == 200
    assert "<title>The minigan playground</title>" in text
    known = json.loads(text.partition("const KNOWN = ")[2].partition(";\n")[0])
    assert known["choices"]["data"] == ["ring", "grid", "line", "spiral", "moons", "drawn"]
    assert known["frames"] is None
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "http" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert (headers["Referrer-Policy"], headers["X-Frame-Options"]) == ("no-referrer", "DENY")


def test_only_this_machine_can_reach_it(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address.startswith(f"http://127.0.0.1:{server.server_port}/{server.token}")
    assert len(urlsplit(server.address).path) > 30


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/wrong/", {}),
        ("/wrong/do", {}),
        ("", {"Host": "evil.example"}),
        ("", {"Host": "127.0.0.1"}),
        ("", {"Host": ""}),
        ("events", {"Origin": "http://evil.example"}),
        ("", {"Origin": "null"}),
        ("do", {"Origin": "https://127.0.0.1"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_strangers_are_refused(server, path, headers, method):
    before = server.session.number
    status, _, text = ask(server, path, method, '{"do": "iterate"}' if method == "POST" else None, **headers)
    assert status == 403
    assert server.token not in text
    assert server.session.number == before


@pytest.mark.parametrize("path", ["../", "..%2f..%2fetc/passwd", "page.html", "../../pyproject.toml", "do", "script2", "\\"])
def test_no_file_can_be_reached(server, path):
    assert ask(server, path)[0] == 404
    assert ask(server, f"/{path}")[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", "1", "null", '"play"', "[" * 50_000, '{"do": "exec"}', '{"do": "run"}', '{"do": "__init__"}'),
        *('{"do": ["play"]}', '{"do": "speed", "to": 10000}', '{"do": "panels", "to": 99}', '{"do": "set", "panel": -1}'),
        *('{"do": "set", "panel": 1, "to": {"k": 2}}', '{"do": "set", "to": {"k": 0}}', '{"do": "set", "to": {"lr_D": NaN}}'),
        '{"do": "set", "to": {"data": "drawn"}}',
    ],
    ids=lambda body: body[:40],
)
def test_what_is_no_command_is_refused_and_the_session_goes_on(server, body):
    status, _, text = ask(server, "do", "POST", body)
    assert status == 400
    assert text
    assert "Traceback" not in text
    assert do(server, do="iterate")[0] == 200


def test_a_body_that_is_too_long_is_not_read(server):
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=60)
    head = f"POST /{server.token}/do HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nContent-Length: {10 << 20}\r\n\r\n"
    connection.sendall(head.encode())
    assert b" 413 " in connection.recv(1000)
    connection.close()
    for length in ("-1", "x", str(BODY + 1), "1e3", ""):
        connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=60)
        head = f"POST /{server.token}/do HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(1000)
        connection.close()


def test_a_thousand_requests_a_second_are_too_many_and_later_there_are_answers_again(server, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(server_module, "time", SimpleNamespace(monotonic=lambda: now))
    assert {ask(server, "/x")[0] for _ in range(300)} == {403}
    assert do(server, do="iterate")[0] == 200  # strangers use up nothing of the page's
    server.left = 5.0
    assert [ask(server, "x")[0] for _ in range(8)] == [404] * 5 + [429] * 3
    now += 1.5 / RATE  # for one more: the half is far from both, whatever is rounded
    assert [do(server, do="iterate")[0] for _ in range(2)] == [200, 429]


def test_connections_that_say_nothing_keep_nobody_out_for_long(server, monkeypatch):
    monkeypatch.setattr(server_module.Handler, "timeout", 0.3)
    silent = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(3 * CONNECTIONS)]
    time.sleep(0.5)
    until(lambda: _answers(server))
    for connection in silent:
        connection.close()


def test_a_request_that_trickles_in_keeps_nobody_out_for_long(server, monkeypatch):
    monkeypatch.setattr(server_module, "PATIENCE", 0.4)
    slow = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(CONNECTIONS)]
    head = f"POST /{server.token}/do HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nContent-Length: 999\r\n\r\n"
    for i, connection in enumerate(slow):
        connection.sendall(head[: len(head) if i % 2 else 9].encode())

    def trickle():
        for connection in slow:
            with suppress(OSError):
                connection.send(b"x")
        return _answers(server)

    until(trickle)
    for connection in slow:
        connection.close()


def test_an_error_in_the_sessions_thread_is_told_and_the_session_goes_on(server, monkeypatch):
    page = Page(server)
    with monkeypatch.context() as patch:
        patch.setattr(Panel, "frame", lambda _: 1 / 0)
        status, text = do(server, do="iterate")
        assert (status, text) == (400, "division by zero")
        do(server, do="play")
        until(lambda: not server.session.playing)
        while "division" not in page.next()["message"]:
            pass
    assert do(server, do="iterate")[0] == 200
    assert page_said(server) == ""
    page.close()


def page_said(server):
    return json.loads(server.session.frame)["message"]


def test_a_page_that_is_gone_before_its_first_frame_leaves_the_session_at_rest(server, monkeypatch):
    do(server, do="play")
    with monkeypatch.context() as patch:
        patch.setattr(server_module.Handler, "head", lambda *_: (_ for _ in ()).throw(BrokenPipeError))
        with pytest.raises(http.client.HTTPException):
            ask(server, "events")
    until(lambda: server.session.reader is None and not server.session.playing)


def test_a_speed_is_a_whole_number(server):
    do(server, do="speed", to=20.0)
    assert type(server.session.speed) is int


def _answers(server):
    try:
        return ask(server)[0] == 200
    except OSError:
        return False


def test_frames_arrive_while_it_plays_and_pause_stops_them(server):
    page = Page(server)
    assert page.next()["panels"][0]["iteration"] == 0
    assert do(server, do="play")[0] == 200
    while (frame := page.next())["panels"][0]["iteration"] < 10:
        pass
    assert frame["playing"]
    do(server, do="pause")
    at = server.session.panels[0].iteration
    time.sleep(0.2)
    assert server.session.panels[0].iteration == at
    page.close()


def test_a_setting_is_seen_while_it_plays(server):
    page = Page(server)
    do(server, do="play")
    page.next()
    do(server, do="set", to={"lr_D": 0.125})
    while page.next()["panels"][0]["settings"]["lr_D"] != 0.125:
        pass
    page.close()


def test_a_closed_page_stops_the_training_and_loses_nothing(server):
    page = Page(server)
    do(server, do="play")
    while page.next()["panels"][0]["iteration"] < 5:
        pass
    page.close()
    until(lambda: server.session.reader is None)
    until(lambda: not server.session.playing)
    at = server.session.panels[0].iteration
    assert at >= 5
    page = Page(server)
    assert page.next()["panels"][0]["iteration"] == at
    page.close()


def test_a_second_page_takes_the_session_over(server):
    first = Page(server)
    first.next()
    second = Page(server)
    second.next()
    while first.line() != "event: taken":
        pass
    do(server, do="play")
    while second.next()["panels"][0]["iteration"] < 3:
        pass
    assert len(server.session.panels) == 1
    first.close()
    second.close()


def test_what_is_saved(server):
    for _ in range(3):
        do(server, do="iterate")
    status, headers, text = ask(server, "script0")
    assert status == 200
    assert headers["Content-Disposition"] == 'attachment; filename="run.py"'
    assert text == server.session.panels[0].script()
    status, headers, text = ask(server, "player")
    assert (status, headers["Content-Disposition"]) == (200, 'attachment; filename="playground.html"')
    frames = json.loads(text.partition("const KNOWN = ")[2].partition(";\n")[0])["frames"]
    assert [frame["panels"][0]["iteration"] for frame in frames] == [0, 1, 2, 3]


def test_a_player_has_nothing_of_what_was_undone(server):
    for command in ("iterate", "iterate", "iterate", "undo", "undo", "iterate"):
        do(server, do=command)
    assert [at for at, _ in server.session.recorded] == [0, 1, 2]


@pytest.mark.parametrize("command", ["play", "iterate", "substep"])
def test_a_run_that_has_broken_down_is_not_played_on(server, command):
    do(server, do="panels", to=2)
    server.session.panels[1].trouble = "Iteration 9: parameters of D became nan or infinite."
    assert do(server, do=command) == (400, server.session.panels[1].trouble)
    assert not server.session.playing
    do(server, do="undo")
    assert do(server, do=command)[0] == 200


def test_undo_takes_back_a_change_where_it_was_made(server):
    do(server, do="panels", to=2)
    for _ in range(2):
        do(server, do="iterate")
    do(server, do="set", panel=1, to={"lr_D": 0.5})
    at = lambda: [(panel.iteration, panel.settings.lr_D) for panel in server.session.panels]  # noqa: E731
    assert at() == [(2, 0.002), (2, 0.5)]
    do(server, do="undo")
    assert at() == [(2, 0.002), (2, 0.002)]
    do(server, do="undo")
    assert at() == [(1, 0.002), (1, 0.002)]
    do(server, do="restart")
    assert [at for at, _ in server.session.recorded] == [0]
    do(server, do="undo")
    assert at() == [(1, 0.002), (1, 0.002)]
    assert [at for at, _ in server.session.recorded] == [1]


@pytest.mark.parametrize("command", ["iterate", "substep", "undo"])
def test_a_single_step_pauses_the_game(server, command):
    do(server, do="play")
    do(server, do=command)
    assert not server.session.playing


def test_a_long_recording_stays_below_its_size(server, monkeypatch):
    monkeypatch.setattr(session_module, "PLAYER", 450_000)
    session = server.session
    frames = [panel.frame() for panel in session.panels]
    for _ in range(150):
        if session.shown % session.every == 0:
            session.record(frames)
        session.shown += 1
    assert 200_000 < len(session.page(recorded=True)) < 500_000
    assert session.every > 1


def test_what_was_recorded_cannot_end_the_pages_script(server):
    server.session.recorded = [(0, '{"x": "</script>"}')]
    assert server.session.page(recorded=True).count("</script>") == server.session.page().count("</script>") == 1


def test_two_panels_stay_together(server):
    do(server, do="panels", to=2)
    do(server, do="set", panel=1, to={"k": 5})
    at = lambda: [panel.iteration for panel in server.session.panels]  # noqa: E731
    while at() != [1, 0]:
        do(server, do="substep")
    do(server, do="iterate")
    assert at() == [1, 1]
    do(server, do="iterate")
    do(server, do="substep")
    do(server, do="set", panel=1, to={"width": 16})  # both from the seed on
    assert at() == [0, 0]
    assert [at for at, _ in server.session.recorded] == [0]


def test_a_panel_that_is_closed_leaves_no_thread_behind(server):
    before = threading.active_count()
    for _ in range(2):
        do(server, do="panels", to=2)
        do(server, do="substep")
        do(server, do="panels", to=1)
        do(server, do="undo")
    until(lambda: threading.active_count() <= before)


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1.5"])
def test_a_port_that_is_none_is_refused(port, capsys):
    with pytest.raises(SystemExit):
        main(["--port", port])
    assert port in capsys.readouterr().err
