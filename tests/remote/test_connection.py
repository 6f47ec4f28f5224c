"""The connection to a server: one that is busy is asked again."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from transhash.errors import LibraryError
from transhash.remote import connection
from transhash.remote.connection import Connection


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_after_the_pause_that_it_names(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(connection.time, "sleep", pauses.append)

    class Busy(BaseHTTPRequestHandler):
        answers = iter([status, status, 200])

        def do_GET(self) -> None:
            body = b'{"reason": "too much at once", "remedy": "wait"}'
            self.send_response(next(self.answers))
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        asked = Connection(f"http://127.0.0.1:{server.server_port}")
        assert asked.ask("GET", "/library")["remedy"] == "wait"
        assert pauses == [7.0, 7.0]
        Busy.answers = iter([status] * 9)
        monkeypatch.setattr(connection, "PATIENCE", -1.0)
        with pytest.raises(LibraryError, match="too much at once; wait"):
            asked.ask("GET", "/library")
        server.shutdown()
        thread.join()
