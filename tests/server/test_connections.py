"""Every connection ends: whoever is silent, slow, takes nothing or leaves costs the server little, and nobody else."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from serving import Running, eventually, is_closed, serving
from transhash import Library

GET = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
PICTURE = (
    b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 32000000\r\n\r\n"
)
SHORT = {"header_seconds": 0.5, "idle_seconds": 0.5, "drain_seconds": 0.5, "upload_seconds": 3.0}


def connect(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 10)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: loc",
        GET,
        GET + b"\r\n",
        GET + b"GET /api/v1/hea",
        GET[:-2] + b"Content-Length: 10\r\n\r\n",
        b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nabc",
        b"POST /api/v1/search/by-id HTTP/1.1\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    ],
    ids=["nothing", "half", "one", "then a line", "then half", "no body", "half a body after 404", "chunks after 421"],
)
def test_a_silent_connection_is_closed(library: Library, model: FakeModel, sent: bytes) -> None:
    with serving(library.path, model, **SHORT) as server, connect(server) as connection:
        connection.sendall(sent)
        assert is_closed(connection)


def test_a_line_now_and_then_does_not_keep_a_connection_open(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, **SHORT) as server, connect(server) as connection:
        connection.sendall(GET)

        def is_gone() -> bool:
            try:
                connection.sendall(b"\r\n")
            except OSError:
                return True
            return False

        assert eventually(is_gone)


def test_who_takes_nothing_of_an_answer_is_let_go(library: Library, model: FakeModel, photos: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1600, 1600, 3), np.uint8)
    Image.fromarray(noise).save(photos / "noise.png")
    library.index(photos)
    (id_,) = library.passing("name = 'noise.png'").tolist()
    path = f"/pictures/{id_}/original"
    with serving(library.path, model, drain_seconds=20.0, max_sending=20_000_000) as server:
        size = len(server.get(path).content)
        assert 10_000_000 > size > 7_000_000
        greedy = [connect(server) for _ in range(2)]
        for connection in greedy:
            connection.sendall(f"GET /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert eventually(lambda: server.get(path).status_code == 429)
        assert server.get("/pictures/1").status_code == 200  # what is small finds room
        assert eventually(lambda: server.get(path).status_code == 200, 90)  # they are let go
        for connection in greedy:
            connection.close()


def test_the_page_is_there_although_others_hold_all_connections(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, max_connections=20) as server:
        held = [connect(server) for _ in range(30)]
        for number, connection in enumerate(held):
            connection.sendall((b"GET / HT", PICTURE + b"x")[number % 2])
        assert server.client.get("/").status_code == 200
        for connection in held:
            connection.close()


def test_one_address_has_so_many_connections(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, max_connections_of_one=8, header_seconds=60.0) as server:
        held = [connect(server) for _ in range(20)]
        for connection in held:
            connection.sendall(b"GET / HT")
        assert eventually(lambda: sum(is_closed(each, 0.01) for each in held) >= 12)
        assert not is_closed(held[-1], 0.01)  # the oldest gave way
        for connection in held:
            connection.close()


def test_a_declared_size_takes_no_room(library: Library, model: FakeModel) -> None:
    with serving(library.path, model) as server:
        held = [connect(server) for _ in range(10)]
        for connection in held:
            connection.sendall(PICTURE + b"x")
        time.sleep(0.3)
        assert server.send(bytes(5_000_000)).status_code == 422
        for connection in held:
            connection.close()


def test_a_client_that_leaves_in_an_upload_is_an_ordinary_end(
    server: Running, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG), connect(server) as connection:
        connection.sendall(PICTURE + bytes(200_000))
        time.sleep(0.3)
    assert eventually(lambda: 'route="/api/v1/search",status="499"' in server.get("/metrics").text)
    assert "Traceback" not in caplog.text + capfd.readouterr().err
    assert 'status="500"' not in server.get("/metrics").text


def held_up(model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, list[int], Callable[[], None]]:
    """A model whose explanations wait to be let go: when, how many there were, and letting them go."""
    go_on, began = threading.Event(), []
    parts = model.parts

    def slow(squares: object) -> object:
        began.append(1)
        go_on.wait(20)
        return parts(squares)

    monkeypatch.setattr(model, "parts", slow)
    return go_on, began, go_on.set


def test_work_for_clients_that_left_is_dropped_and_thumbnails_go_before_explanations(
    library: Library, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, began, _ = held_up(model, monkeypatch)
    with serving(library.path, model) as server:
        asking = [connect(server) for _ in range(24)]
        for number, connection in enumerate(asking):
            path = f"/api/v1/pictures/{number + 1}/occlusion"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert eventually(lambda: bool(began))
        assert server.get("/pictures/1/thumbnail").status_code == 200
        for connection in asking:
            connection.close()
        assert eventually(lambda: 'occlusion",status="499"} 24.0' in server.get("/metrics").text)
        before = len(began)
        go_on.set()
        assert server.get("/pictures/40/occlusion").status_code == 200
        calls_of_one = len(began) - before
        assert len(began) <= 3 * calls_of_one  # that which was under way, and the last one


def test_one_address_has_no_more_than_its_share(
    library: Library, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, began, let_go = held_up(model, monkeypatch)
    with serving(library.path, model, max_of_one=8) as server:
        asking = [connect(server) for _ in range(8)]
        for number, connection in enumerate(asking):
            path = f"/api/v1/pictures/{number + 1}/occlusion"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert eventually(lambda: server.get("/pictures/1").status_code == 429)
        assert server.get("/pictures/1").headers["Connection"] == "close"  # more that it has sent is not read
        let_go()
        assert eventually(lambda: server.get("/pictures/1").status_code == 200)
        for connection in asking:
            connection.close()
    assert began
    assert go_on.is_set()


def test_a_slow_filter_is_broken_off_and_harms_nobody(library: Library, model: FakeModel) -> None:
    with library.catalogue.writing():
        from transhash.library.catalogue.records import Coded, File

        for number in range(5_000):
            name = f"IMG_{number:06d}-a-name-that-is-as-long-as-they-are.jpg".encode()
            file = File(b"many/folders/below/one/another", name, 1, 1, number.to_bytes(16, "big"))
            library.catalogue.pictures.put(file, Coded(30, 20, number.to_bytes(8, "big"), None, None))
    slow = " or ".join(["path like '*i*9*a*b*c*'"] * 90)
    with serving(library.path, model, filter_seconds=0.05) as server:
        answers: list[int] = []

        def ask() -> None:
            answers.append(server.get("/pictures/1/similar", params={"where": slow}).status_code)

        asking = [threading.Thread(target=ask) for _ in range(4)]
        began = time.monotonic()
        for thread in asking:
            thread.start()
        assert server.get("/pictures/1/similar").status_code == 200  # not behind the filters
        for thread in asking:
            thread.join()
        assert time.monotonic() - began < 10
        answer = server.get("/pictures", params={"where": slow})

    assert answers == [422] * 4
    assert answer.json()["code"] == "slow-filter"


def test_a_filter_that_nobody_waits_for_ends(library: Library, model: FakeModel, monkeypatch) -> None:
    begun, ended = threading.Event(), threading.Event()
    passing = Library.passing

    def slow(self: Library, where: str | None = None, *, stop=None):
        if where != "width > 1":
            return passing(self, where, stop=stop)
        begun.set()
        until = time.monotonic() + 20
        while not stop() and time.monotonic() < until:
            time.sleep(0.01)
        if time.monotonic() < until:
            ended.set()
        return passing(self, where)

    monkeypatch.setattr(Library, "passing", slow)
    with serving(library.path, model, filter_seconds=30) as server:
        with connect(server) as connection:
            connection.sendall(b"GET /api/v1/pictures?where=width%20%3E%201 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert begun.wait(20)
        assert ended.wait(20)


def test_far_down_a_ranking_is_bounded(server: Running) -> None:
    deep = {"k": 1000, "offset": 99_001}
    assert server.get("/pictures/1/similar", params={**deep, "offset": 99_000}).status_code == 200
    answer = server.get("/pictures/1/similar", params=deep)
    assert (answer.status_code, answer.json()["code"]) == (422, "too-deep")
    many = {"ids": [1] * 100, "k": 1000}
    assert server.post("/search/by-id", json={**many, "k": 10}).status_code == 200
    assert server.post("/search/by-id", json={**many, "offset": 1}).status_code == 422
    assert server.get("/library").json()["limits"]["ranked"] == 100_000


def test_columns_are_bounded(writable: Running, library: Library) -> None:
    def send(names: list[str]) -> int:
        return writable.post(
            "/annotations", json={"rows": [{"path": "cat/cat-00.png"} | dict.fromkeys(names, 1)]}
        ).status_code

    assert send([f"column {i}" for i in range(101)]) == 422
    assert send([f"column {i}" for i in range(99)]) == 200
    assert send([f"more {i}" for i in range(100)]) == 422  # with the two that there were
    assert send([f"more {i}" for i in range(99)]) == 200
    assert len(library.info().columns) == 200


def test_an_empty_filter_is_none(server: Running) -> None:
    assert server.get("/pictures", params={"where": ""}).json()["total"] == 40
    assert server.post("/search/by-id", json={"ids": [1], "where": " "}).status_code == 200


def test_an_identical_picture_is_called_so(server: Running, library: Library) -> None:
    twin = draw(library.path.parent / "dog" / "twin.png", 7, 31)  # the bytes of cat-07.png
    library.index(library.path.parent)
    assert eventually(lambda: len(server.live.index) == 41)
    hits = server.send(twin).json()["results"][0]["hits"]

    assert sorted(hit["path"] for hit in hits if hit["identical"]) == ["cat/cat-07.png", "dog/twin.png"]
