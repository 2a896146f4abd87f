"""A playground's server."""

import threading

import pytest

from demos.lab.server import Server


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.session.playing = False
    server.shutdown()
    server.server_close()
