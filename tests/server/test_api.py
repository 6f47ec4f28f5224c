"""The REST API answers what the library answers."""

from __future__ import annotations

import os
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from serving import Running, eventually, serving
from transhash import Library
from transhash.library import Queries


def ids(result: dict) -> list[int]:
    return [hit["id"] for hit in result["hits"]]


def test_a_picture_that_is_sent_finds_what_the_library_finds(server: Running, library: Library, photos: Path) -> None:
    query = photos / "dog" / "dog-03.png"

    answer = server.send(query, k=7, where="width < 40", max_distance=40).json()

    expected = library.search(query, 7, where="width < 40", max_distance=40)
    (result,) = answer["results"]
    assert [(hit["id"], hit["distance"]) for hit in result["hits"]] == [(hit.id, hit.distance) for hit in expected]
    assert result["hits"][0]["path"] == "dog/dog-03.png"
    assert result["searched"] == len(library.passing("width < 40"))


def test_codes_values_and_ids_are_other_ways_to_ask_the_same(server: Running, library: Library, photos: Path) -> None:
    query = photos / "dog" / "dog-03.png"
    (sent,) = server.send(query, k=12).json()["results"]

    by_values = server.post(
        "/search/by-values",
        json={
            "values": [sent["values"]],
            "embeddings": [sent["embedding"]],
            "version": sent["version"],
            "k": 12,
        },
    ).json()["results"][0]
    by_code = server.post("/search/by-code", json={"codes": [sent["code"]], "k": 12}).json()["results"][0]
    by_id = server.post("/search/by-id", json={"ids": [sent["hits"][0]["id"]], "k": 12}).json()["results"][0]
    similar = server.get(f"/pictures/{sent['hits'][0]['id']}/similar", params={"k": 12}).json()["results"][0]

    code = np.frombuffer(bytes.fromhex(sent["code"]), np.uint8)[None]
    assert by_values == sent
    assert [hit["id"] for hit in sent["hits"] if hit["identical"]] == [sent["hits"][0]["id"]]
    assert ids(by_code) == [hit.id for hit in library.search(Queries(code), 12)[0]] == ids(by_id) == ids(similar)


def test_of_several_pictures_the_broken_one_is_named_and_the_others_searched(server: Running, photos: Path) -> None:
    results = server.send(photos / "cat" / "cat-01.png", b"no picture" * 9, photos / "dog" / "dog-01.png", k=1).json()

    first, broken, last = results["results"]
    assert (first["hits"][0]["name"], last["hits"][0]["name"]) == ("cat-01.png", "dog-01.png")
    assert broken["fault"]["reason"] == "not a picture"


def test_pages_make_up_the_whole(server: Running, photos: Path) -> None:
    query = photos / "cat" / "cat-05.png"
    (whole,) = server.send(query, k=40).json()["results"]

    pages = [
        server.post("/search/by-values", json={"values": [whole["values"]], "k": 7, "offset": offset}).json()
        for offset in range(0, 49, 7)
    ]

    found = [page["results"][0] for page in pages]
    assert [id_ for page in found for id_ in ids(page)] == ids(whole)
    assert [page["more"] for page in found] == [True] * 5 + [False] * 2
    assert not whole["more"]  # all that there is, and as many as were asked for


def test_the_histogram_counts_all_distances(server: Running, library: Library, photos: Path) -> None:
    asked = {"histogram": True, "where": "label is not null"}

    (result,) = server.send(photos / "dog" / "dog-03.png", k=1, **asked).json()["results"]

    query = np.frombuffer(bytes.fromhex(result["code"]), np.uint8)
    codes = [bytes.fromhex(each.code) for each in library.pictures(library.passing("label is not null")).values()]
    distances = [int(np.bitwise_count(query ^ np.frombuffer(code, np.uint8)).sum()) for code in codes]
    assert result["histogram"] == np.bincount(distances, minlength=65).tolist()


def test_a_picture_tells_what_is_known_of_it(server: Running, library: Library) -> None:
    id_ = int(library.passing("path = 'cat/cat-04.png'")[0])

    known = server.get(f"/pictures/{id_}").json()

    assert (known["path"], known["folder"], known["width"]) == ("cat/cat-04.png", "cat", 28)
    assert known["columns"] == {"label": "kind 1", "stars": 4}
    assert server.get("/pictures/12345").status_code == 404


def test_browsing_goes_from_the_newest_to_the_oldest(server: Running, library: Library) -> None:
    seen, before = [], None
    while True:
        page = server.get(
            "/pictures", params={"limit": 9, "where": "width >= 25"} | ({"before": before} if before else {})
        )
        seen += [each["id"] for each in page.json()["pictures"]]
        if not page.json()["more"]:
            break
        before = seen[-1]

    assert seen == library.passing("width >= 25")[::-1].tolist()


def test_facets_are_folders_and_texts(server: Running) -> None:
    facets = server.get("/library/facets").json()

    assert facets == {"folders": ["cat", "dog"], "texts": {"label": ["kind 0", "kind 1", "kind 2"]}}


@pytest.mark.parametrize(
    ("where", "reason", "remedy"),
    [
        ("width >> 3", "character 8", "a number"),
        ("secret = 'x'", "character 1", "a column"),
        ("label = 'x", "character 9", "closing"),
    ],
)
def test_a_bad_filter_is_explained_and_not_repeated(server: Running, where: str, reason: str, remedy: str) -> None:
    answer = server.get("/pictures", params={"where": where})

    assert answer.status_code == 422
    assert reason in answer.json()["reason"]
    assert remedy in answer.json()["remedy"]
    assert "secret" not in answer.text


def test_what_another_process_indexes_appears_and_what_it_loses_goes(
    server: Running, library: Library, photos: Path
) -> None:
    new = draw(photos / "new.png", 999)
    library.index(photos)
    assert eventually(lambda: server.send(new, k=1).json()["results"][0]["hits"][0]["name"] == "new.png")

    new.unlink()
    library.index(photos)
    assert eventually(lambda: server.send(draw(photos.parent / "q.png", 999)).json()["results"][0]["searched"] == 40)


def test_a_picture_whose_content_changes_is_found_by_its_new_code(
    server: Running, library: Library, photos: Path
) -> None:
    changed = draw(photos / "dog" / "dog-00.png", 555)
    library.index(photos)

    def nearest() -> tuple[str, int]:
        hit = server.send(changed, k=1).json()["results"][0]["hits"][0]
        return hit["name"], hit["distance"]

    assert eventually(lambda: nearest() == ("dog-00.png", 0))


def test_thumbnails_are_small_kept_and_cached_for_ever(server: Running, library: Library, photos: Path) -> None:
    Image.new("RGB", (1500, 900), "red").save(photos / "large.jpg")
    library.index(photos)
    (id_,) = library.passing("name = 'large.jpg'").tolist()
    assert eventually(lambda: server.get(f"/pictures/{id_}").status_code == 200)
    version = server.get(f"/pictures/{id_}").json()["version"]

    answer = server.get(f"/pictures/{id_}/thumbnail", params={"v": version})

    assert Image.open(BytesIO(answer.content)).size == (480, 288)
    assert "immutable" in answer.headers["cache-control"]
    again = server.get(f"/pictures/{id_}/thumbnail", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "private, no-cache")
    (kept,) = (library.path / "thumbnails").rglob("*.jpg")
    for left in (0, len(answer.content) // 2):  # of it, after a power cut: nobody waits for the disk
        os.truncate(kept, left)
        assert server.get(f"/pictures/{id_}/thumbnail").content == answer.content
        assert kept.read_bytes() == answer.content
    (photos / "large.jpg").unlink()
    assert server.get(f"/pictures/{id_}/thumbnail").content == answer.content


def test_a_file_that_has_changed_is_shown_but_not_kept(server: Running, library: Library, photos: Path) -> None:
    id_ = int(library.passing("name = 'cat-00.png'")[0])
    draw(photos / "cat" / "cat-00.png", 777)

    answer = server.get(f"/pictures/{id_}/thumbnail")

    assert answer.headers["cache-control"] == "no-store"
    assert not list((library.path / "thumbnails").rglob("*.jpg"))


@pytest.mark.parametrize("way", ["thumbnail", "original"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_where_a_picture_was_taken_is_never_served(
    library: Library, model: FakeModel, photos: Path, way: str, suffix: str
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "at home, Baker Street"
    exif[0x0112] = 6  # to be turned
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 31.0, 25.0), 3: "W", 4: (0.0, 9.0, 30.0)})
    Image.new("RGB", (60, 40), "navy").save(photos / f"private{suffix}", exif=exif)
    library.index(photos)
    (id_,) = library.passing(f"name = 'private{suffix}'").tolist()
    with serving(library.path, model) as server:
        answer = server.get(f"/pictures/{id_}/{way}")

    assert b"Baker Street" not in answer.content
    image = Image.open(BytesIO(answer.content))
    assert not dict(image.getexif())
    assert image.size == (40, 60)


def test_originals_can_be_switched_off(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, originals=False) as server:
        assert server.get("/pictures/1/original").status_code == 403
        assert server.get("/pictures/1/thumbnail").status_code == 200
        assert server.get("/library").json()["originals"] is False


def test_the_occlusion_map_shows_where_the_code_moves(server: Running) -> None:
    found = server.get("/pictures/1/occlusion").json()

    # the fake model's bits are its pixels: those of the upper half are called global
    whole = np.array(found["of_global"])
    assert whole.shape == (8, 8)
    assert whole[:4].mean() > 3 * whole[4:].mean()


def test_the_revision_changes_with_the_library(server: Running, library: Library) -> None:
    def told() -> str:
        return str(server.get("/library").json()["revision"])

    before = told()
    library.index(library.path.parent)  # which finds nothing new
    assert told() == before
    library.annotate({"cat/cat-00.png": {"stars": 7}})
    assert eventually(lambda: told() != before)


def test_pictures_are_added_once_and_removed(writable: Running, library: Library, photos: Path) -> None:
    new = draw(photos.parent / "elsewhere.png", 4242)

    first = writable.send(new, path="/pictures")
    again = writable.send(new, path="/pictures")

    assert first.status_code == 201
    assert first.json() == again.json()
    (id_,) = first.json()["ids"]
    assert eventually(lambda: writable.get(f"/pictures/{id_}/similar", params={"k": 1}).status_code == 200)
    path = writable.get(f"/pictures/{id_}").json()["path"]
    assert (photos / path).read_bytes() == new.read_bytes()
    assert writable.client.delete(f"/api/v1/pictures/{id_}").status_code == 204
    assert writable.client.delete(f"/api/v1/pictures/{id_}").status_code == 404
    assert not (photos / path).exists()


def test_a_removed_picture_of_the_users_keeps_its_file(writable: Running, photos: Path, library: Library) -> None:
    id_ = int(library.passing("name = 'cat-00.png'")[0])

    assert writable.client.delete(f"/api/v1/pictures/{id_}").status_code == 204
    assert (photos / "cat" / "cat-00.png").exists()
    assert eventually(lambda: writable.get("/pictures").json()["total"] == 39)


def test_a_server_only_reads_unless_told_otherwise(server: Running, library: Library, photos: Path) -> None:
    assert server.send(photos / "cat" / "cat-00.png", path="/pictures").status_code == 403
    assert server.client.delete("/api/v1/pictures/1").status_code == 403
    assert server.post("/annotations", json={"rows": []}).status_code == 403
    assert len(library) == 40


def test_annotations_are_for_filters(writable: Running, library: Library) -> None:
    rows = [{"path": "dog/dog-00.png", "label": "wolf", "born": "2020-02-03"}, {"path": "missing.png", "label": "x"}]

    report = writable.post("/annotations", json={"rows": rows, "dates": ["born"]}).json()

    assert (report["rows"], report["matched"]) == (2, 1)
    assert library.info().columns["born"] == "date"
    found = lambda: [each["name"] for each in writable.get("/pictures?where=born = '2020'").json()["pictures"]]  # noqa: E731
    assert eventually(lambda: found() == ["dog-00.png"])


def test_duplicates_are_groups_with_the_one_to_keep(server: Running, library: Library, photos: Path) -> None:
    Image.open(photos / "cat" / "cat-19.png").resize((400, 400), Image.Resampling.NEAREST).save(photos / "large.png")
    library.index(photos)
    assert eventually(lambda: len(server.live.index) == 41)

    def ask() -> dict:
        return server.get("/duplicates", params={"max_distance": 3}).json()

    assert eventually(lambda: "groups" in ask(), 120)  # the first time, kernels are compiled
    (group,) = ask()["groups"]
    assert group["keep"]["name"] == "large.png"
    assert [copy["name"] for copy in group["same"]] == ["cat-19.png"]


def test_uploads_that_wait_for_the_encoder_are_encoded_together(
    server: Running, model: FakeModel, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = sorted(photos.rglob("*.png"))[:12]
    read = model.read_embeddings

    def slowly(squares: np.ndarray) -> object:
        time.sleep(1)
        return read(squares)

    monkeypatch.setattr(model, "read_embeddings", slowly)

    server.send(*pictures)

    text = server.get("/metrics").text
    assert "transhash_encoded_pictures_total 12.0" in text
    batches = next(line for line in text.splitlines() if line.startswith("transhash_encoded_batches_total"))
    assert float(batches.split()[1]) < 12


def test_metrics_count_requests(server: Running) -> None:
    server.get("/pictures/1")
    server.get("/pictures/99999")

    text = server.get("/metrics").text

    line = 'transhash_requests_total{method="GET",route="/api/v1/pictures/{id}",status="%s"} 1.0'
    assert line % 200 in text
    assert line % 404 in text
    assert "transhash_pictures 40.0" in text


def test_health_and_readiness(server: Running) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    told = []
    assert eventually(lambda: told.append(server.get("/ready").json()) or told[-1] == {"status": "ready"}, 600)
    assert {each["code"] for each in told[:-1]} <= {"starting"}
