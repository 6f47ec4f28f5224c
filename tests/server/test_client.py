"""A library behind a server has the face of one on disk."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from fake_transhash import PROGRAM
from fittable_model import FittableModel
from kinds import draw as draw_kinds
from serving import Running, eventually, serving
from transhash import Library, open_library
from transhash.errors import DataError, FilterError, ImageError, LibraryError
from transhash.library import Hit, Queries
from transhash.library.fitting import LEAST
from transhash.model.calibration import Calibration
from transhash.remote.http import HttpLibrary


def told(hits: list[Hit], photos: Path) -> list[tuple]:
    """Hits without where the library is."""
    return [
        (str(hit.path).removeprefix(f"{photos}/"), hit.distance, hit.id, hit.width, hit.columns, hit.probability)
        for hit in hits
    ]


def test_searches_find_the_same(writable: Running, library: Library, photos: Path) -> None:
    picture = photos / "cat" / "cat-07.png"
    remote = open_library(writable.url)
    for query in (picture, str(picture), picture.read_bytes(), Image.open(picture), np.asarray(Image.open(picture))):
        for limits in ({}, {"max_distance": 31}, {"where": "label = 'kind 1' or width < 25"}):
            assert told(remote.search(query, 9, **limits), photos) == told(library.search(query, 9, **limits), photos)
    several = [photos / "cat" / f"cat-{i:02d}.png" for i in range(20)]
    assert [told(hits, photos) for hits in remote.search(several, 3)] == [
        told(hits, photos) for hits in library.search(several, 3)
    ]
    codes = library.model.encode(several[:2])
    assert [told(hits, photos) for hits in remote.search(Queries(codes), 4, where="width > 24")] == [
        told(hits, photos) for hits in library.search(Queries(codes), 4, where="width > 24")
    ]


def test_probabilities_come_along(library: Library, model: FakeModel, photos: Path) -> None:
    model.calibration = Calibration(0.9, 12.0, 3.0, 1000, "a test")
    with serving(library.path, model) as server, open_library(server.url) as remote:
        query = photos / "cat" / "cat-07.png"
        found = remote.search(query, 40, min_probability=0.2)
        assert told(found, photos) == told(library.search(query, 40, min_probability=0.2), photos)
        assert 0 < len(found) < 40


def test_pictures_that_are_sent_are_ordered_by_their_embeddings(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for seed in range(90):
        draw(photos / f"{seed:02d}.png", seed)
    model = FittableModel()
    with Library.create(tmp_path / "library", model) as library:  # type: ignore[arg-type]
        library.index(photos)
        library.fit()
        with serving(library.path, FittableModel()) as server, open_library(server.url) as remote:  # type: ignore[arg-type]
            picture = sorted(photos.rglob("*.png"))[4]
            (encoded,) = next(library.model.stream([picture]))
            for query in ([picture], Queries.of_encoded([encoded], library.bits)):
                (found,), (expected,) = remote.search(query, 90), library.search(query, 90)
                assert [hit.id for hit in found] == [hit.id for hit in expected]
            by_distance = sorted(expected, key=lambda hit: hit.distance)
            assert [hit.id for hit in found] != [hit.id for hit in by_distance]  # the order is not that of codes alone


def test_more_hits_than_one_answer_holds_come_in_several(
    server: Running, library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transhash.remote.http.MOST_HITS", 7)
    query = photos / "cat" / "cat-07.png"

    found = open_library(server.url).search(query, 30, where="width >= 24")

    assert told(found, photos) == told(library.search(query, 30, where="width >= 24"), photos)


def test_facts(server: Running, library: Library) -> None:
    remote, info = open_library(server.url).info(), library.info()

    assert (remote.pictures, remote.bits, remote.fingerprint) == (40, 64, info.fingerprint)
    assert remote.columns == {"label": "text", "stars": "number"}
    assert len(open_library(server.url)) == 40


def test_facts_of_a_fitted_library_and_codes_of_another_model(tmp_path: Path) -> None:
    (query, *_) = draw_kinds(tmp_path / "photos", LEAST)
    with Library.create(tmp_path / "photos" / ".transhash", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "photos")
        (code,) = library.model.encode([query])
        with serving(library.path, FittableModel()) as running:
            with open_library(running.url) as remote:
                assert (remote.info().fitted_to, remote.info().general) == (library.fitted_to, False) == (LEAST, False)
            asked = {"codes": [code.tobytes().hex()], "k": 1, "fingerprint": library.fingerprint}
            (found,) = running.post("/search/by-code", json=asked).json()["results"]
            assert (found["hits"][0]["name"], found["hits"][0]["distance"]) == (query.name, 0)
            refused = running.post("/search/by-code", json={**asked, "fingerprint": FittableModel().fingerprint})
            assert (refused.status_code, refused.json()["code"]) == (422, "fingerprint")
            assert library.fingerprint[:12] in refused.json()["remedy"]


def test_pictures_are_added_and_removed(writable: Running, library: Library, photos: Path) -> None:
    remote = open_library(writable.url)
    new = [draw(photos.parent / "new.png", 77), np.full((9, 9, 3), 200, np.uint8)]

    ids = remote.add(new)

    assert sorted(ids) == library.passing("path like 'added*'").tolist()
    until = time.monotonic() + 20
    while remote.search(new[0], 1)[0].distance and time.monotonic() < until:
        time.sleep(0.05)
    assert remote.search(new[0], 1)[0].id == ids[0]
    assert remote.remove([*ids, 12345, -1, 2**63]) == 2
    assert len(remote) == len(library) == 40


def test_annotations_have_the_same_kinds(writable: Running, library: Library, photos: Path, tmp_path: Path) -> None:
    remote = open_library(writable.url)
    report = remote.annotate({"cat/cat-00.png": {"born": datetime(2020, 2, 3), "good": True}})
    assert (report.matched, report.columns) == (1, {"born": "date", "good": "boolean"})
    table = tmp_path / "rows.csv"
    table.write_text("path,weight,seen\ncat/cat-00.png,4.5,2024-05-01\ndog/dog-00.png,,2024-05-02\n")
    assert remote.annotate(table).columns == {"weight": "number", "seen": "date"}
    (hit,) = remote.search(photos / "cat" / "cat-00.png", 1)
    assert hit.columns == library.search(photos / "cat" / "cat-00.png", 1)[0].columns
    assert hit.columns["seen"] == datetime(2024, 5, 1)


def test_rows_of_any_length_and_number_are_sent_as_one_table(
    writable: Running, library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = open_library(writable.url)
    names = [f"cat/cat-{i:02d}.png" for i in range(20)]
    long = [{"path": name, "caption": f"{number} " + "x" * 200_000} for number, name in enumerate(names)]
    assert remote.annotate(long).matched == 20  # 4 MB, of which one request takes 2
    monkeypatch.setattr("transhash.remote.bodies.ROWS_AT_ONCE", 2)
    mixed = [{"path": name, "age": "old" if number == 19 else number} for number, name in enumerate(names)]
    report = remote.annotate([{"path": names[0], "width": 3}, *mixed])
    assert (report.rows, report.left_out, report.columns) == (21, ["width"], {"age": "text"})
    assert library.search(photos / names[0], 1)[0].columns["age"] == "0"
    with pytest.raises(DataError, match="of the rows after 2, row 1, column 'stars': expected a number"):
        remote.annotate([{"path": name, "stars": "5" if name < names[2] else "many"} for name in names])
    for opened in (remote, library):
        for value in (Decimal("1.5"), b"bytes", [1], np.array(3)):
            with pytest.raises(DataError, match=r"row 1, column 'odd': expected a text, a number, a date or true"):
                opened.annotate([{"path": names[0], "odd": value}])


def test_an_empty_column_of_a_file_removes_values_here_and_there(
    writable: Running, library: Library, tmp_path: Path
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("path,label\ncat/cat-00.png,\n")
    open_library(writable.url).annotate(table)
    assert library.passing("label is null and path = 'cat/cat-00.png'").size == 1


def test_pictures_are_sent_in_requests_that_the_server_takes(library: Library, model: FakeModel, photos: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 300, 400, 3), np.uint8)
    with serving(library.path, model, max_upload=1 << 20) as server, open_library(server.url) as remote:
        assert [len(hits) for hits in remote.search([*noise], 3)] == [3] * 4


def test_nothing_is_changed_in_another_library_that_took_the_place(
    writable: Running, library: Library, photos: Path, model: FakeModel
) -> None:
    remote = open_library(writable.url)
    (hit,) = remote.search(photos / "cat" / "cat-00.png", 1)
    library.path.rename(photos / "before")
    with Library.create(library.path, model) as other:
        other.index(photos / "dog")
        for change in (
            lambda: remote.remove([hit.id]),
            lambda: remote.annotate({"dog/dog-00.png": {"label": "x"}}),
            lambda: remote.add([photos / "cat" / "cat-00.png"]),
        ):
            with pytest.raises(LibraryError, match="another library is here; open the library again"):
                change()
        assert len(other) == 20


def test_codes_of_the_layers_before_a_fit_are_refused(tmp_path: Path) -> None:
    (query, *_) = draw_kinds(tmp_path / "photos", LEAST)
    with (
        Library.create(tmp_path / "photos" / ".transhash", FittableModel()) as library,  # type: ignore[arg-type]
        serving(library.path, FittableModel()) as running,
        open_library(running.url) as remote,
    ):
        codes = Queries(library.model.encode([query]))
        library.index(tmp_path / "photos")
        assert library.fitted_to
        assert eventually(lambda: running.live.model.fingerprint == library.fingerprint)
        with pytest.raises(LibraryError, match="these codes come from another model"):
            remote.search(codes, 1)
        assert remote.info().fingerprint == library.fingerprint
        assert remote.search(Queries(library.model.encode([query])), 1)[0][0].distance == 0


def test_duplicates_are_the_same(server: Running, library: Library, photos: Path) -> None:
    Image.open(photos / "cat" / "cat-19.png").resize((400, 400), Image.Resampling.NEAREST).save(photos / "large.png")
    library.index(photos)
    until = time.monotonic() + 20
    while len(server.live.index) < 41 and time.monotonic() < until:
        time.sleep(0.05)

    (group,) = open_library(server.url).duplicates(3).groups

    (expected,) = library.duplicates(3).groups
    assert (group.keep.id, [copy.id for copy in group.same]) == (expected.keep.id, [copy.id for copy in expected.same])


def test_what_goes_wrong_is_what_goes_wrong_here(server: Running, library: Library, photos: Path) -> None:
    remote = open_library(server.url)
    with pytest.raises(ImageError, match=r"missing.png: no such file"):
        remote.search("missing.png")
    (photos / "broken.jpg").write_bytes(b"no picture" * 9)
    with pytest.raises(ImageError, match=r"broken.jpg: not a picture; "):
        remote.search(photos / "broken.jpg")
    with pytest.raises(ImageError, match=r"broken.jpg: not a picture; "):
        remote.search([photos / "cat" / "cat-00.png", photos / "broken.jpg"])
    for opened in (remote, library):
        with pytest.raises(FilterError, match=r"filter 'width >> 3', character 8: expected a number, such as 800, but"):
            opened.search(photos / "cat" / "cat-00.png", where="width >> 3")
    with pytest.raises(LibraryError, match="this server only reads; start it with --writable"):
        remote.remove([1])


def test_rows_and_limits_are_those_that_a_library_takes(writable: Running, library: Library, photos: Path) -> None:
    remote, cat = open_library(writable.url), "cat/cat-00.png"
    assert remote.annotate([{"path": cat, "stars": np.int64(4)}]).matched == 1
    assert library.search(photos / cat, k=1)[0].picture.columns["stars"] == 4
    for opened in (remote, library):
        with pytest.raises(DataError, match="row 1, column 'stars': expected a number, but found 'many'; change it"):
            opened.annotate([{"path": cat, "stars": "many"}])
        assert len(opened.search(photos / cat, k=3, max_distance=600)) == 3
    with pytest.raises(LibraryError, match=r"query\.where cannot be used"):  # the picture can be
        remote.search(photos / cat, where=" or ".join(["width > 1"] * 500))


def test_a_token_is_needed_where_one_is_asked(library: Library, model: FakeModel, monkeypatch) -> None:
    with serving(library.path, model, token="secret of the tests") as server:
        with pytest.raises(LibraryError, match="no valid token; set TRANSHASH_TOKEN to the server's"):
            open_library(server.url)
        monkeypatch.setenv("TRANSHASH_TOKEN", "secret of the tests")
        assert len(open_library(server.url)) == 40
        assert len(HttpLibrary(server.url, token="secret of the tests")) == 40


def test_a_connection_that_was_closed_meanwhile_is_made_again(library: Library, model: FakeModel) -> None:
    with serving(library.path, model) as server:
        remote = open_library(server.url)
        port = server.port
    with serving(library.path, model, port=port):
        assert len(remote) == 40
    with pytest.raises(LibraryError, match=f"127.0.0.1:{port}: cannot be reached"):
        remote.info()


@pytest.mark.parametrize("url", ["http://", "http://[", "http://a:b", "https://:80"])
def test_no_address(url: str) -> None:
    with pytest.raises(LibraryError, match="not the address of a server; give one"):
        open_library(url)


def test_the_command_line_searches_and_goes_on_after_a_bad_picture(
    server: Running, library: Library, photos: Path
) -> None:
    def transhash(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)

    good, bad = photos / "cat" / "cat-07.png", photos.parent / "bad.png"
    bad.write_bytes(b"no picture")
    result = transhash("search", bad, good, "-k", 3, "--where", "width > 24", "--json", "--library", server.url)
    assert (result.returncode, f"{bad}: " in result.stderr) == (1, True)
    told_, here = json.loads(result.stdout), library.search(good, 3, where="width > 24")
    assert [(hit["id"], hit["distance"], hit["path"]) for hit in told_["hits"]] == [
        (hit.id, hit.distance, hit.picture.stored_path) for hit in here
    ]
    assert [hit["same"] for hit in told_["hits"]] == [hit["path"] == "cat/cat-07.png" for hit in told_["hits"]]
    assert any(hit["same"] for hit in told_["hits"])
    assert "pictures  40" in transhash("info", "--library", server.url).stdout
