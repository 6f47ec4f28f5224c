"""Heads of requests: what is offered in them, what comes after them, and how much of them there may be."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from fake_model import FakeModel
from serving import API, Running, eventually, raw, serving
from transhash import Library

ASKED = b'{"ids":[1],"k":1}'
INNER = f"GET {API}/pictures/7 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
POST = f"POST {API}/search/by-id HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


def answers(server: Running, *packets: bytes, seconds: float = 3) -> list[bytes]:
    """The status lines and bodies that come back for packets, one after the other."""
    got = b""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        for packet in packets:
            connection.sendall(packet)
            time.sleep(0.2)
        connection.settimeout(seconds)
        try:
            while part := connection.recv(65536):
                got += part
        except (TimeoutError, ConnectionError):
            pass
    return got.split(b"HTTP/1.1 ")[1:]


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("packets", [1, 2], ids=["in one packet", "in two"])
def test_a_body_behind_an_offer_of_another_protocol_is_no_request(
    server: Running, protocol: bytes, packets: int
) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nUpgrade: " + protocol + b"\r\n"
    head = POST + offer + b"Content-Length: %d\r\n\r\n" % len(INNER)

    found = answers(server, *([head + INNER] if packets == 1 else [head, INNER]), seconds=1)

    assert [each.split()[0] for each in found] == [b"422"]
    assert b'"json"' in found[0]  # it was read as a body


def test_who_offers_http_2_is_answered_with_http_1(server: Running) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    whole = POST + offer + b"Content-Length: %d\r\n\r\n" % len(ASKED) + ASKED
    parts = POST + offer + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(ASKED), ASKED)
    empty = INNER[:-2] + offer + b"\r\n"

    found = answers(server, whole + parts + empty + INNER)

    assert [each.split()[0] for each in found] == [b"200"] * 4
    assert [b'"results"' in each for each in found] == [True, True, False, False]


def test_a_tunnel_is_refused(server: Running) -> None:
    (found,) = answers(server, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n" + INNER, seconds=1)

    assert found.split()[0] == b"400"


def test_trailers_are_no_headers(library: Library, model: FakeModel, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(library.path, model, proxies=("127.0.0.1",), access_log=log, token="a secret of the tests") as server:
        head = POST + b"X-Forwarded-For: 192.0.2.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        trailers = b"X-Forwarded-For: 198.51.100.6\r\nAuthorization: Bearer a secret of the tests\r\n"
        answer = raw(server, head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(ASKED), ASKED, trailers))

    assert answer.split()[1] == b"401"
    assert json.loads(log.read_text())["address"] == "192.0.2.1"


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        b"GET /",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5;",
    ],
    ids=["a header", "an address", "a trailer", "the extension of a chunk"],
)
def test_what_is_no_body_has_a_bound(server: Running, begin: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(begin)
        sent, got = 0, b""
        try:
            while sent < 4 << 20:
                connection.sendall(b"a" * 65536)
                sent += 65536
                time.sleep(0.001)
        except OSError:
            pass
        connection.settimeout(5)
        try:
            while part := connection.recv(65536):
                got += part
        except OSError:  # reset, with what was on its way
            pass

    assert sent < 4 << 20
    assert got.split()[1:2] in ([b"431"], [])
    assert server.get("/health").status_code == 200


def test_a_head_that_is_too_large_is_told_so(server: Running) -> None:
    answer = raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 66_000)

    assert answer.split()[1] == b"431"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "headers"
    assert b"nosniff" in answer
    assert eventually(lambda: server.get("/health").status_code == 200)
