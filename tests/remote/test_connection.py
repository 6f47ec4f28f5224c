"""The connection to a server: one that is busy is asked again."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from certificates import OPENSSL, certificate
from transhash.errors import LibraryError
from transhash.remote import connection
from transhash.remote.connection import Connection
from transhash.remote.http import HttpLibrary


class Handler(BaseHTTPRequestHandler):
    """Answers of a server of which tests say what they are."""

    def answer(self, status: int, body: bytes, pause: str = "1") -> None:
        self.send_response(status)
        self.send_header("Retry-After", pause)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(handler: type[Handler], context: ssl.SSLContext | None = None) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def noting(paths: list[str]) -> type[Handler]:
    """A server that notes the paths that it is asked for."""

    class Library(Handler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.answer(200, b"{}")

    return Library


@pytest.mark.parametrize(("path", "below"), [("", ""), ("/", ""), ("/photos", "/photos"), ("/a/b/", "/a/b")])
def test_a_server_is_asked_below_the_path_of_its_address(path: str, below: str) -> None:
    paths: list[str] = []
    with answering(noting(paths)) as address:
        asked = Connection(address + path)
        asked.ask("GET", "/library")
        asked.close()
        assert (paths, asked.url) == ([f"{below}/api/v1/library"], address + below)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_after_the_pause_that_it_names(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(connection.time, "sleep", pauses.append)

    class Busy(Handler):
        answers = iter([status, status, 200])

        def do_GET(self) -> None:
            self.answer(next(self.answers), b'{"reason": "too much at once", "remedy": "wait"}', "7")

    with answering(Busy) as address:
        asked = Connection(address)
        assert asked.ask("GET", "/library")["remedy"] == "wait"
        assert pauses == [7.0, 7.0]
        Busy.answers = iter([status] * 9)
        monkeypatch.setattr(connection, "PATIENCE", -1.0)
        with pytest.raises(LibraryError, match="too much at once; wait"):
            asked.ask("GET", "/library")
        asked.close()


def test_a_pause_that_is_longer_than_the_patience_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(connection.time, "sleep", pauses.append)

    class Busy(Handler):
        def do_GET(self) -> None:
            self.answer(429, b'{"reason": "too much at once", "remedy": "wait"}', "86400")

    with answering(Busy) as address, pytest.raises(LibraryError, match="too much at once; wait"):
        Connection(address).ask("GET", "/library")
    assert pauses == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(204, b""), (200, b"{}"), (200, b"[]"), (200, b"null"), (200, b'{"status": "ok"}'), (302, b"{}")],
)
def test_what_is_no_server_of_a_library_is_named_so(status: int, body: bytes) -> None:
    class Other(Handler):
        def do_GET(self) -> None:
            self.answer(status, body)

    with answering(Other) as address, pytest.raises(LibraryError, match=r"no transhash server.*; check the address"):
        HttpLibrary(address)


@pytest.mark.skipif(OPENSSL is None, reason="no openssl here: install it (apt-get install openssl)")
def test_a_server_whose_certificate_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    class Library(Handler):
        def do_GET(self) -> None:
            self.answer(200, b"{}")

    with answering(Library, context) as address:
        with pytest.raises(LibraryError, match=r"CERTIFICATE_VERIFY_FAILED.*in SSL_CERT_FILE"):
            Connection(address).ask("GET", "/library")
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        assert Connection(address).ask("GET", "/library") == {}


def test_a_token_that_no_header_carries_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Library(Handler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.answer(200, b"{}")

    with answering(Library) as address:
        monkeypatch.setenv("TRANSHASH_TOKEN", " 0123456789abcdef\n")
        Connection(address).ask("GET", "/library")
        assert seen == ["Bearer 0123456789abcdef"]
        for token in ("two\nlines of a token", "töken töken töken"):
            with pytest.raises(LibraryError, match="the token is none of a server's") as refused:
                Connection(address, token)
            assert token not in str(refused.value)


def test_addresses_with_other_letters() -> None:
    paths: list[str] = []
    with answering(noting(paths)) as address:
        for path in ("/ferien ä", "/ferien%20%C3%A4"):
            Connection(address + path).ask("GET", "/library")
    assert paths == ["/ferien%20%C3%A4/api/v1/library"] * 2
    for no_host in ("http://a..b", f"http://{'a' * 70}.de"):
        with pytest.raises(LibraryError, match="not the address of a server"):
            Connection(no_host)
