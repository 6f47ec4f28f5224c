"""Several pictures searched with as one, and the library in other orders than by the newest."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest

from fake_model import FakeModel
from serving import Running
from transhash import Library


def signs(library: Library, id_: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bytes.fromhex(library.pictures([id_])[id_].code), np.uint8)) * 2.0 - 1.0


def distances(library: Library, wanted: np.ndarray) -> dict[int, int]:
    """Of every picture, by id, to the code of some real values, by brute force."""
    return {id_: int(((signs(library, id_) > 0) != (wanted > 0)).sum()) for id_ in library.passing().tolist()}


def check(found: dict, wanted: dict[int, int], k: int) -> None:
    """What was found are the nearest; equal distances may be in any order."""
    hits = [(hit["id"], hit["distance"]) for hit in found["hits"]]
    assert [distance for _, distance in hits] == sorted(wanted.values())[:k]
    assert all(wanted[id_] == distance for id_, distance in hits)
    assert len({id_ for id_, _ in hits}) == k


@pytest.mark.parametrize(("like", "unlike"), [([1, 2], []), ([3], [4]), ([5, 6, 7], [8, 9])])
def test_the_nearest_are_those_of_what_lies_between(
    server: Running, library: Library, like: list[int], unlike: list[int]
) -> None:
    body = {"like": [{"id": id_} for id_ in like], "unlike": [{"id": id_} for id_ in unlike], "k": 40}
    [found] = server.post("/search/joined", json=body).json()["results"]

    wanted = np.mean([signs(library, id_) for id_ in like], axis=0)
    if unlike:
        wanted = wanted - 0.5 * np.mean([signs(library, id_) for id_ in unlike], axis=0)
    check(found, distances(library, wanted), 40)


def test_what_was_sent_is_joined_with_what_is_there(server: Running, library: Library, photos: Path) -> None:
    """A picture that was sent counts as much as one of the library, though its relaxed code is longer."""
    [sent] = server.send(photos / "cat" / "cat-03.png", k=1).json()["results"]
    part = {"values": sent["values"], "embedding": sent["embedding"]}
    body = {"like": [part, {"code": library.pictures([9])[9].code}], "k": 3}
    answer = server.post("/search/joined", json=body)
    assert answer.status_code == 200, answer.text
    [found] = answer.json()["results"]

    values = np.array(sent["values"])
    wanted = values / np.linalg.norm(values) + signs(library, 9) / 8
    check(found, distances(library, wanted), 3)


def test_what_is_no_query_is_refused(server: Running) -> None:
    def status(**body: object) -> int:
        return server.post("/search/joined", json=body).status_code

    assert status(like=[]) == 422
    assert status(like=[{}]) == 422
    assert status(like=[{"id": 1, "code": "00" * 8}]) == 422
    assert status(like=[{"id": 1}], unlike=[{"id": 9999}]) == 404
    assert status(like=[{"id": 1}], where="width >=") == 422
    assert status(like=[{"id": 1}], where="name like 'cat*'") == 200


@pytest.mark.parametrize("by", ["name", "path", "bytes", "pixels", "modified", "taken"])
def test_the_library_is_shown_in_an_order(server: Running, library: Library, by: str) -> None:
    def key(picture: dict) -> tuple:
        pixels = picture["width"] * picture["height"]
        return {"name": picture["name"].lower(), "pixels": pixels}.get(by, picture.get(by)), picture["id"]

    def listed(sort: str) -> list[dict]:
        pages = [server.get("/pictures", params={"sort": sort, "offset": at, "limit": 15}).json() for at in (0, 15, 30)]
        assert [page["more"] for page in pages] == [True, True, False]
        return [each for page in pages for each in page["pictures"]]

    known = {id_: each for id_, each in library.pictures(library.passing().tolist()).items()}
    up, down = listed(by), listed(f"-{by}")
    assert {each["id"] for each in up} == set(known)
    assert down == up[::-1] or by == "taken"  # those without a date are last in both
    if by in ("name", "bytes", "pixels"):
        assert [each["id"] for each in up] == [each["id"] for each in sorted(up, key=key)]


def test_pictures_without_a_date_come_last(library: Library, model: FakeModel, server: Running) -> None:
    from PIL import Image

    from serving import eventually

    for number, year in enumerate((2003, 1999, 2011)):
        image = Image.effect_noise((20, 20), 30 + number)
        exif = image.getexif()
        exif.get_ifd(0x8769)[0x9003] = f"{year}:05:06 07:08:09"
        image.save(library.path.parent / f"{year}.jpg", exif=exif)
    library.index(library.path.parent)
    assert eventually(lambda: len(server.live.index) == 43)

    def years(sort: str) -> list[str]:
        return [each["name"] for each in server.get("/pictures", params={"sort": sort, "limit": 4}).json()["pictures"]]

    assert years("taken")[:3] == ["1999.jpg", "2003.jpg", "2011.jpg"]
    assert years("-taken")[:3] == ["2011.jpg", "2003.jpg", "1999.jpg"]
    assert not {"1999.jpg", "2003.jpg", "2011.jpg"} & {years("taken")[3], years("-taken")[3]}


def test_an_order_goes_with_a_filter(server: Running) -> None:
    answer: httpx.Response = server.get(
        "/pictures", params={"sort": "-bytes", "where": "name like 'cat*'", "limit": 5, "offset": 18}
    )
    page = answer.json()

    assert page["total"] == 20
    assert len(page["pictures"]) == 2
    assert not page["more"]
    assert server.get("/pictures", params={"sort": "colour"}).status_code == 422
