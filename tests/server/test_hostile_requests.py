"""What the network may bring: every answer is one of those that are described, and the server goes on."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest

from fake_model import FakeModel
from image_files import png_chunk
from serving import Running, eventually, raw, serving
from transhash import Library
from transhash.server.security import HEADERS

SEARCH = b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\n"
TOKEN = "a secret of the tests"


def bomb(side: int) -> bytes:
    """A PNG of very many pixels in few bytes."""
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/assets/../index.html",
        "/assets/%2e%2e/%2e%2e/app.py",
        "/assets/..%2f..%2fapp.py",
        "/assets/....//....//app.py",
        "/assets//etc/passwd",
        "/assets/%00",
        "/api/v1/pictures/..%2f..%2fetc%2fpasswd/original",
        "/api/v1/pictures/-1/thumbnail",
        "/api/v1/pictures/1/thumbnail/../../../../etc/passwd",
        "/api/v1/pictures/99999999999999999999999/original",
        "/api/v1/pictures/1e3/original",
    ],
)
def test_no_path_leads_out(server: Running, path: str) -> None:
    answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    assert answer.split()[1] in (b"400", b"404", b"422")
    assert b"root:" not in answer
    assert b"import" not in answer


def test_a_library_does_not_show_files_that_are_no_pictures(library: Library, model: FakeModel, photos: Path) -> None:
    secret = photos / "secret.png"
    secret.write_text("the password is swordfish")
    target = photos / "cat" / "cat-00.png"
    target.unlink()
    target.symlink_to(secret)
    with serving(library.path, model) as server:
        answers = [server.get(f"/pictures/1/{way}") for way in ("thumbnail", "original", "occlusion")]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert not any("swordfish" in answer.text or str(photos) in answer.text for answer in answers)


def test_kept_thumbnails_are_never_read_or_written_through_links(library: Library, model, photos: Path) -> None:
    outside = photos.parent / "outside"
    outside.mkdir()
    (library.path / "thumbnails").symlink_to(outside)
    with serving(library.path, model) as server:
        assert server.get("/pictures/1/thumbnail").status_code == 200

    assert not list(outside.rglob("*.jpg"))


@pytest.mark.parametrize("field", ["url", "image_url", "path", "pictures"])
def test_addresses_are_not_fetched(server: Running, field: str) -> None:
    """A field that names an address or a path is no picture."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.3)
        bait = f"http://127.0.0.1:{listening.getsockname()[1]}/cat.jpg"
        answers = [
            server.post("/search", data={field: bait}),
            server.post("/search", files={field: ("x", bait.encode())}),
            server.post("/search", json={field: bait}),
            server.post("/search/by-code", json={"codes": [bait]}),
            server.post("/search", files={"pictures": ("x", b"file:///etc/passwd")}),
        ]
        with pytest.raises(TimeoutError):
            listening.accept()

    assert all(answer.status_code in (400, 415, 422) for answer in answers)


def test_two_hundred_random_files_are_no_pictures(server: Running) -> None:
    random = np.random.default_rng(7)
    heads = [
        b"",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"II*\0",
        b"BM",
        b"P6 ",
    ]
    statuses = set()
    for number in range(25):
        files = [head + random.bytes(int(random.integers(0, 4000))) for head in heads]
        answer = server.send(*files)
        statuses.add(answer.status_code)
        assert set(answer.json()) in ({"code", "reason", "remedy", "request_id"}, {"results", "milliseconds"}), number

    assert statuses <= {200, 422}
    assert eventually(lambda: server.get("/ready").status_code == 200)


def test_a_bomb_is_refused_before_it_is_unpacked(server: Running) -> None:
    answer = server.send(bomb(20_000))

    assert answer.status_code == 422
    assert answer.json()["reason"] == "too many pixels"


def test_too_large_a_body_is_refused_however_it_is_sent(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, max_upload=100_000) as server:
        assert server.send(bytes(200_000)).status_code == 413
        assert server.send(bytes(50_000)).status_code == 422

        def endless():
            for _ in range(100):
                yield bytes(10_000)

        kind = {"Content-Type": "application/octet-stream"}
        assert server.post("/search", content=endless(), headers=kind).status_code == 413
        claimed = SEARCH + b"Content-Type: image/png\r\nContent-Length: 99999999\r\n\r\n"
        assert raw(server, claimed).split()[1] == b"413"
        assert server.post("/search/by-code", content=bytes(3 << 20)).status_code == 413


def test_too_many_pictures_at_once_are_refused(server: Running, photos: Path) -> None:
    assert server.send(*[photos / "cat" / "cat-00.png"] * 17).status_code == 400


def test_when_too_much_waits_the_client_is_told_to_come_again(
    library: Library, model, photos: Path, monkeypatch
) -> None:
    go_on = threading.Event()
    read = model.read_embeddings
    monkeypatch.setattr(model, "read_embeddings", lambda squares: (go_on.wait(20), read(squares))[1])
    with serving(library.path, model, max_waiting=4) as server:
        statuses: list[httpx.Response] = []

        def ask() -> None:
            statuses.append(httpx.post(f"{server.url}/api/v1/search", files={"pictures": ("x", picture)}, timeout=30))

        picture = (photos / "cat" / "cat-00.png").read_bytes()
        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 20
        while not any(each.status_code == 429 for each in statuses) and time.monotonic() < until:
            time.sleep(0.02)
        go_on.set()
        for thread in threads:
            thread.join()

    refused = [answer for answer in statuses if answer.status_code == 429]
    assert refused
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert {answer.status_code for answer in statuses} == {200, 429}


def test_uploads_under_way_are_bounded_by_their_bytes(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, max_held=150_000, max_upload=100_000) as server:
        head = SEARCH + b"Content-Type: image/png\r\nContent-Length: 90000\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), 10) as slow:
            slow.sendall(head + bytes(100))  # what it declares takes no room
            time.sleep(0.3)
            assert server.send(bytes(80_000)).status_code == 422
            slow.sendall(bytes(85_000))
            time.sleep(0.3)
            assert server.send(bytes(80_000)).status_code == 429
            assert server.post("/search/by-id", json={"ids": [1]}).status_code == 200  # small ones always find room
        time.sleep(0.3)
        assert server.send(bytes(80_000)).status_code == 422  # there is room again


def test_what_takes_too_long_is_answered_in_time(library: Library, model, photos: Path, monkeypatch) -> None:
    end = threading.Event()
    read = model.read_embeddings
    monkeypatch.setattr(model, "read_embeddings", lambda squares: (end.wait(20), read(squares))[1])
    with serving(library.path, model, seconds=0.3) as server:
        answer = server.send(photos / "cat" / "cat-00.png")
        end.set()

    assert answer.status_code == 503
    assert answer.json()["reason"] == "it took too long"


def test_slow_headers_are_not_waited_for(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, header_seconds=0.5) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(30)]
        for connection in silent[:20]:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ")
        assert server.get("/health").status_code == 200
        for connection in silent:
            assert connection.recv(100) == b""  # closed by the server
            connection.close()


def test_slow_bodies_are_not_waited_for(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, upload_seconds=0.5) as server:
        head = SEARCH + b"Content-Type: image/png\r\nContent-Length: 900\r\n\r\n"

        assert raw(server, head + b"abc").split()[1] == b"408"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Y: z\r\n" * 5000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        SEARCH + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /api/v1/library HTTP/1.1\r\nHost: localhost\r\nCookie: transhash=\x80\xff; ;;=\r\n\r\n",
        SEARCH + b"Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
        b'POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary="\r\n'
        b"Content-Length: 3\r\n\r\nabc",
    ],
)
def test_strange_requests_do_no_harm(server: Running, request_: bytes) -> None:
    answer = raw(server, request_, 3)

    assert not answer or answer.split()[1][:1] in (b"2", b"4")
    assert server.get("/health").status_code == 200


def test_every_answer_has_the_headers_that_protect(server: Running) -> None:
    paths = ["/", "/assets/app.js", "/nothing", "/api/v1/library", "/api/v1/pictures/1/thumbnail", "/api/v1/pictures/x"]
    for path in paths:
        answer = server.client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, path
        assert "server" not in answer.headers


def test_the_page_loads_nothing_from_elsewhere(server: Running) -> None:
    page = Path(__file__).parents[2] / "src" / "transhash" / "server" / "page"
    for file in page.rglob("*.*"):
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, file
        assert "https://" not in text, file
    assert "script-src 'self'" in server.client.get("/").headers["content-security-policy"]


def test_other_names_and_other_sites_are_turned_away(writable: Running, library: Library) -> None:
    """A page of another site may ask the user's browser to ask us, or give its own name our address."""
    assert writable.get("/library", headers={"Host": "evil.example"}).status_code == 421
    assert writable.get("/library", headers={"Host": f"localhost:{writable.port}"}).status_code == 200
    assert writable.get("/library", headers={"Host": f"[::1]:{writable.port}"}).status_code == 200
    assert writable.get("/pictures/1/thumbnail", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    evil = {"Origin": "http://evil.example"}
    assert writable.client.delete("/api/v1/pictures/1", headers=evil).status_code == 403
    own = {"Origin": writable.url, "Sec-Fetch-Site": "same-origin"}
    assert writable.client.delete("/api/v1/pictures/1", headers=own).status_code == 204
    assert len(library) == 39


def test_a_token_is_asked_of_everyone(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, token=TOKEN, hosts=None) as server:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        wrong = {"Authorization": f"Bearer {TOKEN}x"}
        assert server.client.get("/").status_code == 200  # the page, which holds nothing yet
        assert server.get("/health").status_code == 200
        for path in ("/library", "/pictures", "/pictures/1/thumbnail", "/metrics", "/openapi.json", "/duplicates"):
            for headers in ({}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer"}):
                answer = server.get(path, headers=headers)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
        assert server.get("/library", headers=wrong).status_code == 401
        assert server.get("/library", headers=bearer).status_code == 200

        cookie = server.post("/session", headers=bearer).headers["set-cookie"]
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert server.get("/pictures/1/thumbnail").status_code == 200  # the client keeps it
        server.client.cookies.clear()
        assert server.get("/library", headers={"Cookie": f"transhash-{server.port}={TOKEN}"}).status_code == 401


def test_nothing_that_was_sent_comes_back(server: Running) -> None:
    mark = "<script>alert(31415)</script>"
    answers = [
        server.get("/pictures", params={"where": mark}),
        server.get("/pictures", params={"limit": mark}),
        server.get(f"/pictures/{mark}"),
        server.get("/pictures", params={mark: mark}),
        server.post("/search/by-code", json={"codes": [mark], mark: mark}),
        server.post("/search/by-id", content=json.dumps(mark)),
        server.post("/search", files={"pictures": (mark, mark.encode())}),
        server.client.get(f"/{mark}"),
        server.client.request("DELETE", "/api/v1/search", headers={"X-Mark": mark}),
    ]
    for answer in answers:
        assert answer.status_code >= 400 or answer.json()["pictures"]
        assert "31415" not in answer.text
        assert answer.headers["content-type"] == "application/json"
