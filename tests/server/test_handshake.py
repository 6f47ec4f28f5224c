"""TLS: a connection is counted, and has a deadline, before its handshake."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import httpx
import pytest

from certificates import OPENSSL, certificate
from fake_model import FakeModel
from serving import API, Running, eventually, is_closed, serving
from transhash import Library
from transhash.errors import TransHashError
from transhash.server.handshake import protocol
from transhash.server.settings import Settings

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no openssl here")


def answers(server: Running, chain: Path) -> bool:
    context = ssl.create_default_context(cafile=str(chain))
    url = server.url.replace("http://", "https://")
    return httpx.get(f"{url}{API}/health", verify=context, trust_env=False).status_code == 200


def test_silent_connections_are_counted_and_closed_before_the_handshake(
    library: Library, model: FakeModel, tmp_path: Path
) -> None:
    files = certificate(tmp_path)
    bounds = {"max_connections_of_one": 8, "max_connections": 20}
    with serving(library.path, model, certificate=files, header_seconds=30.0, **bounds) as server:
        held = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(30)]
        assert eventually(lambda: sum(is_closed(each, 0.01) for each in held) >= 22)
        assert answers(server, files[0])
        assert not is_closed(held[-1], 0.01)  # the oldest gave way
    assert all(is_closed(each, 5) for each in held)  # the server ended without waiting for them
    with serving(library.path, model, certificate=files, header_seconds=0.5) as server:
        held += [socket.create_connection(("127.0.0.1", server.port), 10)]
        assert is_closed(held[-1], 10)
        held += [socket.create_connection(("127.0.0.1", server.port), 10)]
        held[-1].sendall(b"GET / HTTP/1.1\r\n\r\n")  # no handshake at all
        assert is_closed(held[-1], 10)
        assert answers(server, files[0])
    for each in held:
        each.close()


def test_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    for files in ((chain, tmp_path / "no.pem"), (key, key)):
        with pytest.raises(TransHashError, match=r"the certificate cannot be used .*; name the files of a certificate"):
            protocol(Settings(certificate=files))
