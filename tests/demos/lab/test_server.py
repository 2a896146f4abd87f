"""The server: what it tells its own page, what it refuses to all others, and the session's commands."""

import http.client
import json
import socket
import time
from contextlib import ExitStack, suppress
from types import SimpleNamespace

import pytest

from demos.lab import server as server_module
from demos.lab.panel import Panel
from demos.lab.server import BODY, CONNECTIONS, RATE


def ask(server, path="", method="GET", body=None, **headers):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, path if path.startswith("/") else f"/{server.token}/{path}", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def do(server, command, **arguments):
    status, _, text = ask(server, "do", "POST", json.dumps({"do": command} | arguments))
    return status, text


def at(server):
    return [panel.iteration for panel in server.session.panels]


def known(text):
    """What the page's script is given."""
    return json.loads(text.partition("const KNOWN = ")[2].partition(";\n")[0])


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Page:
    """The page's stream of events."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        self.connection.request("GET", f"/{server.token}/events")
        self.stream = self.connection.getresponse()

    def until(self, condition):
        """The next frame for which this holds."""
        while True:
            line = self.stream.readline().decode()
            if line.startswith("data: {") and condition(frame := json.loads(line.removeprefix("data: "))):
                return frame

    def close(self):
        self.stream.close()
        self.connection.close()


# --- who may ask, and how much ------------------------------------------------------------------------------------------


def test_only_this_machine_can_reach_the_page_and_it_loads_nothing(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/{server.token}/"
    assert len(server.token) > 30
    status, headers, text = ask(server)
    assert (status, known(text)["frames"]) == (200, None)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "http" not in headers["Content-Security-Policy"]
    assert headers.items() >= {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}.items()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        *(("/", {}), ("/wrong/", {}), ("/wrong/do", {})),
        *(("", {"Host": host}) for host in ("evil.example", "127.0.0.1", "")),
        *(("do", {"Origin": origin}) for origin in ("http://evil.example", "null", "https://127.0.0.1")),
    ],
)
def test_strangers_are_refused(server, path, headers, method):
    before = server.session.number
    status, _, text = ask(server, path, method, '{"do": "iterate"}' if method == "POST" else None, **headers)
    assert status == 403
    assert server.token not in text
    assert server.session.number == before


def test_neither_files_nor_what_is_no_command_are_served_and_the_session_goes_on(server):
    for path in ("../", "..%2f..%2fetc/passwd", "page.html", "../../pyproject.toml", "do", "script2", "\\"):
        assert (ask(server, path)[0], ask(server, f"/{path}")[0]) == (404, 403)
    bodies = ["", "{", "[]", '"play"', "[" * 50_000, '{"do": "exec"}', '{"do": "run"}', '{"do": ["play"]}']
    bodies += ['{"do": "speed", "to": 10000}', '{"do": "panels", "to": 99}', '{"do": "set", "panel": -1}']
    bodies += ['{"do": "set", "panel": 1, "to": {"k": 2}}', '{"do": "set", "to": {"lr_D": NaN}}']
    for body in bodies:
        status, _, text = ask(server, "do", "POST", body)
        assert (status, bool(text), "Traceback" in text) == (400, True, False), body[:40]
    assert do(server, "iterate")[0] == 200


def test_a_thousand_requests_a_second_are_too_many_and_later_there_are_answers_again(server, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(server_module, "time", SimpleNamespace(monotonic=lambda: now))
    assert {ask(server, "/x")[0] for _ in range(110)} == {403}
    assert do(server, "iterate")[0] == 200  # strangers use up nothing of the page's
    server.left = 5.0
    assert [ask(server, "x")[0] for _ in range(8)] == [404] * 5 + [429] * 3
    now += 1.5 / RATE  # for one more: the half is far from both, whatever is rounded
    assert [do(server, "iterate")[0] for _ in range(2)] == [200, 429]


def test_a_body_that_is_too_long_is_not_read(server):
    for length in ("10000000", "-1", "x", str(BODY + 1), "1e3", ""):
        host = f"127.0.0.1:{server.server_port}"
        head = f"POST /{server.token}/do HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as connection:
            connection.sendall(head.encode())
            assert b" 413 " in connection.recv(1000)


# --- the session --------------------------------------------------------------------------------------------------------


def test_frames_arrive_while_it_plays_another_page_takes_over_and_a_closed_page_stops_it(server):
    first = Page(server)
    assert first.until(lambda frame: True)["panels"][0]["iteration"] == 0
    page = Page(server)
    while first.stream.readline() != b"event: taken\n":
        pass
    first.close()
    do(server, "play")
    assert page.until(lambda frame: frame["panels"][0]["iteration"] >= 10)["playing"]
    page.close()
    until(lambda: server.session.reader is None and not server.session.playing)
    paused = at(server)
    page = Page(server)
    assert [page.until(lambda frame: True)["panels"][0]["iteration"]] == paused
    page.close()


def test_a_request_that_trickles_in_keeps_nobody_out_for_long(server, monkeypatch):
    monkeypatch.setattr(server_module, "PATIENCE", 0.4)
    monkeypatch.setattr(server_module.Handler, "timeout", 0.3)
    head = f"POST /{server.token}/do HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nContent-Length: 999\r\n\r\n"
    with ExitStack() as stack:
        address = "127.0.0.1", server.server_port
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(CONNECTIONS)]
        for i, connection in enumerate(slow):
            connection.sendall(head[: (len(head), 9, 0)[i % 3]].encode())

        def answers():
            for connection in slow:
                with suppress(OSError):
                    connection.send(b"x")
            with suppress(OSError, http.client.HTTPException):
                return ask(server)[0] == 200

        until(answers)


def test_an_error_in_the_sessions_thread_is_told_and_a_run_that_has_broken_down_is_not_played_on(server, monkeypatch):
    page = Page(server)
    with monkeypatch.context() as patch:
        patch.setattr(Panel, "find_trouble", lambda panel: "it broke" * (panel.iteration == 3))
        do(server, "play")
        frame = page.until(lambda frame: frame["panels"][0]["iteration"] > 2)
        assert (frame["panels"][0]["iteration"], frame["playing"]) == (3, False)
        for command in ("iterate", "substep", "play"):
            assert do(server, command) == (400, "it broke")
    assert do(server, "undo")[0] == 200
    with monkeypatch.context() as patch:
        patch.setattr(Panel, "frame", lambda _: 1 / 0)
        for command in ("iterate", "play"):
            assert do(server, command) == (400, "division by zero")
        assert not page.until(lambda frame: frame["message"])["playing"]
    assert do(server, "iterate")[0] == 200
    page.close()


def test_a_script_and_a_player_are_saved_without_what_was_undone(server):
    for command in ("iterate", "iterate", "iterate", "undo", "undo", "iterate"):
        do(server, command)
    assert ask(server, "script0")[2] == server.session.panels[0].script()
    status, headers, text = ask(server, "player")
    assert (status, headers["Content-Disposition"]) == (200, 'attachment; filename="playground.html"')
    assert [frame["panels"][0]["iteration"] for frame in known(text)["frames"]] == [0, 1, 2]
    server.session.recorded = [(0, '{"x": "</script>"}')]
    assert server.session.page(recorded=True).count("</script>") == 1


def test_two_panels_stay_together_and_undo_takes_back_a_change_where_it_was_made(server):
    do(server, "iterate")
    do(server, "panels", to=2)
    assert at(server) == [1, 1]  # a copy of the run
    do(server, "set", panel=1, to={"k": 5})
    while at(server) != [2, 1]:
        do(server, "substep")
    do(server, "iterate")
    assert at(server) == [2, 2]
    do(server, "set", panel=1, to={"lr_D": 0.5})
    assert [panel.settings.lr_D for panel in server.session.panels] == [0.002, 0.5]
    do(server, "undo")
    assert [panel.settings.lr_D for panel in server.session.panels] == [0.002, 0.002]
    for command, arguments in (("restart", {}), ("set", {"panel": 1, "to": {"width": 16}})):  # both from the seed on
        do(server, command, **arguments)
        assert (at(server), [at for at, _ in server.session.recorded]) == ([0, 0], [0])
        do(server, "undo")
        assert at(server) == [2, 2]
    do(server, "substep")
    thread = server.session.panels[1].stepper.thread
    do(server, "panels", to=1)
    until(lambda: not thread.is_alive())
