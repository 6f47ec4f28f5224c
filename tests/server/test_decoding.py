"""Pictures that strangers send are decoded apart, once, within bounds; nobody waits for another one's."""

from __future__ import annotations

import io
import socket
import threading
from pathlib import Path

import httpx
import pytest
from PIL import Image

from benchmarks.server.hostile_pictures import many_pixels, many_scans
from fake_model import FakeModel
from serving import API, eventually, serving
from transhash import Library
from transhash.images.guarded import Guard

SLOW = many_scans()


def test_a_picture_that_takes_too_long_or_too_much_is_refused(library: Library, model: FakeModel, photos: Path) -> None:
    with serving(library.path, model, decode_seconds=4.0, decode_memory=64 << 20) as server:
        late, large = server.send(SLOW), server.send(many_pixels())
        answer = server.send(SLOW, photos / "cat" / "cat-00.png")

    assert (late.status_code, late.json()["reason"]) == (422, "takes too long to decode")
    assert (large.status_code, large.json()["reason"]) == (422, "not enough memory to decode it")
    assert answer.status_code == 200, answer.text
    both = answer.json()["results"]
    assert both[0]["fault"]["reason"] == "takes too long to decode"
    assert both[1]["hits"][0]["path"] == "cat/cat-00.png"


def test_one_address_does_not_keep_all_decoders(library: Library, model: FakeModel, photos: Path) -> None:
    """The others of the address wait for its own; another address is answered at once."""
    with serving(library.path, model, decode_seconds=4.0, proxies=("127.0.0.1",)) as server:

        def harm() -> None:
            files = [("pictures", ("x", SLOW))] * 8
            address = {"X-Forwarded-For": "203.0.113.9"}
            httpx.post(f"{server.url}{API}/search", files=files, headers=address, timeout=60)

        server.send(photos / "cat" / "cat-01.png")  # a decoder is there
        harming = [threading.Thread(target=harm) for _ in range(4)]
        for thread in harming:
            thread.start()
        assert eventually(lambda: "transhash_waiting_pictures 32.0" in server.get("/metrics").text)
        answers = [server.send(photos / "cat" / f"cat-{n:02d}.png").status_code for n in range(5)]
        assert answers == [200] * 5
        for thread in harming:
            thread.join()


def test_pictures_of_a_client_that_left_are_not_decoded(
    library: Library, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, decoded = threading.Event(), threading.Event(), []
    picture = Guard.picture

    def slow(self: Guard, *given: object, **named: object) -> object:
        decoded.append(1)
        begun.set()
        go_on.wait(60)
        return picture(self, *given, **named)

    monkeypatch.setattr(Guard, "picture", slow)
    file = io.BytesIO()
    Image.new("RGB", (30, 30)).save(file, "PNG")
    with serving(library.path, model) as server:
        files = [("pictures", ("x", file.getvalue()))] * 16
        asked = httpx.Request("POST", f"{server.url}{API}/search", files=files)
        head = "".join(f"{name}: {value}\r\n" for name, value in asked.headers.items())
        with socket.create_connection(("127.0.0.1", server.port), 60) as leaving:
            leaving.sendall(f"POST {API}/search HTTP/1.1\r\n{head}\r\n".encode() + asked.read())
            assert begun.wait(60)
        assert eventually(lambda: "transhash_waiting_pictures 0.0" in server.get("/metrics").text)
        go_on.set()
        assert server.send(file.getvalue()).status_code == 200
    assert len(decoded) < 8  # those under way, and the last one


def test_an_added_picture_is_decoded_once(
    library: Library, model: FakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    picture = Guard.picture
    monkeypatch.setattr(Guard, "picture", lambda *given, **named: (decoded.append(1), picture(*given, **named))[1])
    image = Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 40).convert("RGB")
    exif = image.getexif()
    exif.get_ifd(0x8769)[0x9003] = "2021:05:06 07:08:09"
    image.save(tmp_path / "new.jpg", exif=exif)
    with serving(library.path, model, writable=True) as server:
        model.decoded.clear()
        answer = server.send(tmp_path / "new.jpg", path="/pictures")
        [id_] = answer.json()["ids"]
        assert len(decoded) == 1
        assert not model.decoded  # nor by the library
        known = server.get(f"/pictures/{id_}").json()

    with Library.create(tmp_path / "other", model) as other:  # and it is as the library would have it
        [twin] = other.add([tmp_path / "new.jpg"])
        wanted = other.pictures([twin])[twin].to_dict()
    for name in ("code", "width", "height", "taken", "name", "bytes", "version"):
        assert known[name] == wanted[name], name


def test_thumbnails_and_originals_are_drawn_apart(
    library: Library, model: FakeModel, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture of the library that takes too long is not shown, and the server is as it was."""
    (photos / "slow.jpg").write_bytes(many_scans(1000, 1))
    library.index(photos)
    [id_] = library.passing("name = 'slow.jpg'").tolist()
    (photos / "slow.jpg").write_bytes(SLOW)
    with serving(library.path, model, decode_seconds=2.0) as server:
        shown = [server.get(f"/pictures/{id_}/{way}") for way in ("thumbnail", "original", "occlusion")]
        assert server.get("/pictures/1/thumbnail").status_code == 200
    assert [each.json()["reason"] for each in shown] == ["takes too long to decode"] * 3
