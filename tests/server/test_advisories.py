"""What advisories on the parts of this server describe, sent to it: an answer comes soon, and others are served."""

from __future__ import annotations

import threading

import httpx
import pytest

from serving import API, Running, raw

MIB = 1 << 20
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def part(name: str, content: bytes, further: bytes = b"") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%s"\r\n%s\r\n' % (name.encode(), further) + content + b"\r\n"


FORMS = {
    "CVE-2024-47874 a field without a name of a file, of 20 MB": part("pictures", bytes(20 * MIB)) + b"--b--\r\n",
    "CVE-2024-53981 line breaks before the first boundary": b"\r\n" * (4 * MIB) + part("pictures", b"x") + b"--b--\r\n",
    "CVE-2024-53981 bytes after the last one": part("pictures", b"x") + b"--b--\r\n" + b"\r\n" * (4 * MIB),
    "CVE-2026-42561 a part with very many headers": part("pictures", b"x", b"X-A: b\r\n" * 200_000) + b"--b--\r\n",
    "CVE-2026-42561 a part with a very long header": part("pictures", b"x", b"X: " + b"a" * 8 * MIB) + b"--b--\r\n",
    "very many empty parts": b"".join([part("a", b"")] * 20_000) + b"--b--\r\n",
}


@pytest.mark.parametrize("what", FORMS)
def test_a_form_is_refused_while_others_are_served(server: Running, what: str) -> None:
    answers: list[int] = []
    others: list[int] = []

    def harm() -> None:
        sent = httpx.post(f"{server.url}{API}/search", content=FORMS[what], headers=FORM, timeout=60)
        answers.append(sent.status_code)

    harming = [threading.Thread(target=harm) for _ in range(3)]
    for thread in harming:
        thread.start()
    while any(thread.is_alive() for thread in harming):
        others.append(server.get("/health", timeout=10).status_code)  # never late
        harming[-1].join(0.05)

    assert set(answers) <= {400, 413, 422}
    assert set(others) <= {200}


def test_a_range_of_very_many_parts_is_answered(server: Running) -> None:
    """CVE-2025-62727: merging them took time that grows with their square."""
    many = "bytes=" + ",".join(f"{2 * at}-{2 * at}" for at in range(6_000))
    answer = server.client.get("/assets/app.js", headers={"Range": many}, timeout=10)

    assert answer.status_code in (200, 206, 400, 416)
    assert server.get("/health").status_code == 200


def test_fields_of_an_address_form_are_no_way_round(server: Running) -> None:
    """CVE-2026-54283: limits that hold for one kind of form alone."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = server.post("/search", content=b"a=&" * 400_000, headers=kind)

    assert answer.status_code in (413, 415)


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nabcdeXX0\r\n\r\n",  # CVE-2025-43859: two bytes in the place of a line's end
        b"5;a=\n5\r\nabcde\r\n0\r\n\r\n",  # CVE-2025-55315: a bare line feed in an extension
        b"5\nabcde\r\n0\r\n\r\n",
        b"+5\r\nabcde\r\n0\r\n\r\n",
        b"5 \r\nabcde\r\n0\r\n\r\n",
        b"0x5\r\nabcde\r\n0\r\n\r\n",
    ],
)
def test_no_second_request_hides_in_a_body(server: Running, body: bytes) -> None:
    head = (
        b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n"
    )
    answer = raw(server, head + b"\r\n" + body + b"GET /api/v1/library HTTP/1.1\r\nHost: localhost\r\n\r\n", 3)

    assert b'"fingerprint"' not in answer
    assert not answer.startswith(b"HTTP/1.1 2")


def test_a_host_is_no_path(server: Running) -> None:
    """GHSA-86qp-5c8j-p5mr: a Host header that changes what path a server believes was asked for."""
    for host in (b"localhost/api/v1/health?", b"localhost#", b"a@localhost", b"localhost\\@evil"):
        answer = raw(server, b"GET /api/v1/library HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert answer.split()[1] in (b"400", b"421"), host


def test_no_path_leads_to_another_machine(server: Running) -> None:
    """GHSA-wqp7-x3pw-xc5r: UNC paths in the place of files of the page."""
    for path in ("/assets//localhost/share/x", "/assets/%5C%5Clocalhost%5Cshare"):
        assert server.client.get(path).status_code == 404
