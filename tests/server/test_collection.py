"""A collection in Milvus, served: it is searched and looked through like its library, and says what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fake_model import FakeModel
from serving import Running, answering
from transhash import Library, open_library
from transhash.remote.milvus import send
from transhash.remote.opening import open_collection
from transhash.server.collection import LACKS
from visiting import CHROMIUM, Visit, expect


@pytest.fixture
def collection(milvus: str, library: Library, model: FakeModel) -> Iterator[Running]:
    address = f"milvus://{milvus}/served_{uuid4().hex}"
    send(library, address)
    with open_collection(address, model) as opened, answering(opened) as running:
        yield running


def near(answer: Any) -> list[list[tuple[int, int]]]:
    assert answer.status_code == 200, answer.text
    return [[(hit["distance"], hit["id"]) for hit in found["hits"]] for found in answer.json()["results"]]


def test_it_answers_searches_as_its_library_does(collection: Running, server: Running, photos: Path) -> None:
    picture = photos / "cat" / "cat-03.png"
    sent = server.send(picture, k=15)
    code, values = (sent.json()["results"][0][name] for name in ("code", "values"))
    asked = {"k": 7, "offset": 5, "where": "stars >= 3 or name like 'dog*'", "max_distance": 40}

    assert near(collection.send(picture, k=15)) == near(sent)
    for path, query in (
        ("by-id", {"ids": [1, 30]}),
        ("by-code", {"codes": [code]}),
        ("by-values", {"values": [values]}),
    ):
        theirs = server.post(f"/search/{path}", json={**query, **asked})
        assert near(collection.post(f"/search/{path}", json={**query, **asked})) == near(theirs)
    assert near(collection.get("/pictures/3/similar", params=asked)) == near(
        server.get("/pictures/3/similar", params=asked)
    )


def test_what_is_found_is_described(collection: Running, server: Running) -> None:
    (ours,), (theirs,) = (
        each.post("/search/by-id", json={"ids": [5]}).json()["results"] for each in (collection, server)
    )

    assert (ours["searched"], ours["more"], ours["histogram"]) == (theirs["searched"], theirs["more"], None)
    told = [{**hit, "version": "", "identical": None} for hit in theirs["hits"]]
    assert [{**hit, "identical": None} for hit in ours["hits"]] == told
    assert collection.get("/pictures/5").json() == {**server.get("/pictures/5").json(), "version": ""}


def test_what_cannot_be_asked_is_said(collection: Running) -> None:
    assert collection.post("/search/by-id", json={"ids": [4000]}).json()["code"] == "no-picture"
    assert collection.get("/pictures/4000").json()["code"] == "no-picture"
    assert collection.get("/pictures", params={"where": "wid > 3"}).json()["code"] == "filter"
    assert collection.post("/search/by-id", json={"ids": [1], "offset": 99_999}).json()["code"] == "too-deep"
    assert collection.get("/nonsense").json()["code"] == "address"


@pytest.mark.parametrize("where", [None, "stars < 12", "name like 'dog*'", "width > 9999"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_it_is_looked_through_newest_first(collection: Running, server: Running, where: str | None, limit: int) -> None:
    asked: dict[str, Any] = {"limit": limit} | ({} if where is None else {"where": where})
    ours, theirs = (each.get("/pictures", params=asked).json() for each in (collection, server))
    assert [each["id"] for each in ours["pictures"]] == [each["id"] for each in theirs["pictures"]]
    assert (ours["total"], ours["more"]) == (theirs["total"], theirs["more"])


def test_pages_join(collection: Running) -> None:
    found: list[int] = []
    while True:
        asked = {"limit": 9} | ({"before": found[-1]} if found else {})
        page = collection.get("/pictures", params=asked).json()
        found += [each["id"] for each in page["pictures"]]
        if not page["more"]:
            break
    assert found == sorted(found, reverse=True)
    assert len(found) == page["total"] == 40


def test_far_ids_are_found(collection: Running, library: Library, milvus: str, model: FakeModel) -> None:
    """Between the ids there may be holes, wider than a page."""
    for _ in range(3):
        library.index(library.path.parent)
    address = f"milvus://{milvus}/holes_{uuid4().hex}"
    library.remove(range(9, 40))
    send(library, address)
    with open_collection(address, model) as opened:
        assert [each.id for each in opened.newest(None, None, 4)] == [40, 8, 7, 6]
        assert [each.id for each in opened.newest(None, 8, 100)] == [7, 6, 5, 4, 3, 2, 1]
        assert opened.newest(None, 1, 3) == []


def test_it_says_what_it_lacks(collection: Running) -> None:
    assert collection.get("/library").json()["lacks"] == LACKS
    for path, what in (("/pictures/1/thumbnail", "thumbnails"), ("/pictures/1/original", "originals"),
                       ("/duplicates", "duplicates"), ("/pictures/1/occlusion", "explanations")):  # fmt: skip
        answer = collection.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "lacking")
        assert answer.json()["reason"] == f"a collection has no {what}"


def test_it_is_only_read(collection: Running, photos: Path) -> None:
    for answer in (
        collection.send(photos / "cat" / "cat-03.png", path="/pictures"),
        collection.client.delete("/api/v1/pictures/1"),
        collection.post("/annotations", json={"rows": []}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "read-only")
    assert collection.get("/library").json()["writable"] is False


def test_it_is_well_and_a_client_can_use_it(collection: Running, library: Library, photos: Path) -> None:
    assert collection.get("/ready").json() == {"status": "ready"}
    assert "transhash_pictures 40.0" in collection.get("/metrics").text
    with open_library(collection.url) as elsewhere:
        found = elsewhere.search(photos / "dog" / "dog-04.png", 5)
        assert [hit.id for hit in found] == [hit.id for hit in library.search(photos / "dog" / "dog-04.png", 5)]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install it (apt-get install chromium)")
def test_the_page_shows_names_and_says_what_is_not_there(browser: Any, collection: Running) -> None:
    visit = Visit(browser, collection.url).ready()
    page = visit.page

    expect(page.locator("#lacks")).to_have_text(f"This is a collection in Milvus: it has no {', '.join(LACKS)}.")
    expect(page.locator("#show-duplicates")).to_be_hidden()
    expect(page.locator("#grid .picture .unseen").first).to_have_text("dog-19.png")
    page.locator("#grid .picture").first.click()
    expect(page.locator("#grid .badge").first).to_have_text("same")
    expect(page.locator("#cutoff")).to_be_hidden()
    page.locator("#grid .view").first.click()
    expect(page.locator("#viewer-name")).to_have_text("dog-19.png")
    expect(page.locator("#why")).to_be_hidden()
    expect(page.locator("#neighbours .unseen")).to_have_count(12)
    assert visit.errors == []
    visit.context.close()
