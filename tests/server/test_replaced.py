"""A library that is replaced, removed or damaged under the server: ids never name one picture and show another."""

from __future__ import annotations

import logging
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from serving import Running, eventually
from transhash import Library


def shown(server: Running) -> dict[str, bool]:
    """For each picture that the server lists: whether its thumbnail has the pixels of the file of that name."""
    folder = server.live.path.parent
    right = {}
    for each in server.get("/pictures", params={"limit": 1000}).json()["pictures"]:
        thumbnail = server.get(f"/pictures/{each['id']}/thumbnail").content
        small = np.asarray(Image.open(BytesIO(thumbnail)).convert("L").resize((8, 8)), int)
        file = np.asarray(Image.open(folder / each["path"]).convert("L").resize((8, 8)), int)
        right[each["path"]] = bool(np.abs(small - file).mean() < 12)
    return right


def test_another_library_in_its_place_is_opened_whole(
    server: Running, library: Library, model: FakeModel, photos: Path
) -> None:
    first = server.get("/library").json()["id"]
    library.close()
    assert all(shown(server).values())

    shutil.move(photos / ".transhash", photos.parent / "away")
    for number in range(0, 20, 2):
        (photos / "cat" / f"cat-{number:02d}.png").unlink()
    with Library.create(photos / ".transhash", model) as again:
        again.index(photos)

    assert eventually(lambda: server.get("/pictures").json().get("total") == 30)
    found = shown(server)
    assert len(found) == 30
    assert all(found.values())
    assert server.get("/library").json()["pictures"] == 30
    assert server.get("/library").json()["id"] != first
    query = photos / "cat" / "cat-01.png"
    assert server.send(query, k=1).json()["results"][0]["hits"][0]["path"] == "cat/cat-01.png"


def test_while_it_is_away_it_cannot_be_used_and_the_log_says_why(
    server: Running, library: Library, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library.close()
    with caplog.at_level(logging.ERROR, "transhash.server"):
        shutil.move(photos / ".transhash", photos.parent / "away")
        answers = [server.get(path) for path in ("/pictures/1", "/pictures/1/similar", "/library")]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert server.get("/ready").status_code == 503
    assert server.get("/health").status_code == 200
    assert any(answers[0].json()["request_id"] in message for message in caplog.messages)
    assert "the library is not there" in caplog.text
    assert len(caplog.records) <= 3  # the same error is not written again and again
    shutil.move(photos.parent / "away", photos / ".transhash")
    assert eventually(lambda: server.get("/ready").status_code == 200)
    assert server.get("/pictures/1").status_code == 200


def test_a_damaged_catalogue_is_not_ready(server: Running, library: Library, caplog: pytest.LogCaptureFixture) -> None:
    library.catalogue.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    library.close()
    file = library.path / "catalogue.sqlite"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xaa" * len(content[4096:])
    with file.open("r+b") as opened, caplog.at_level(logging.ERROR, "transhash.server"):
        opened.write(content)  # the same file, other bytes

    assert eventually(lambda: server.get("/ready").status_code == 503)
    answer = server.get("/library")
    assert answer.status_code == 503
    assert answer.json()["code"] == "library"
    assert "the catalogue is damaged" in caplog.text


def test_a_library_has_a_name_of_its_own_for_good(library: Library, model: FakeModel, tmp_path: Path) -> None:
    with Library.create(tmp_path / "other", model) as other:
        assert len({library.creation, other.creation}) == 2
    library.index(library.path.parent)
    with Library.open(library.path) as again:
        assert again.creation == library.creation


def test_a_link_in_the_place_of_an_indexed_file_leads_nowhere(server: Running, library: Library, photos: Path) -> None:
    secret = draw(photos.parent / "outside" / "secret.png", 4711)
    id_ = int(library.passing("name = 'cat-00.png'")[0])
    (photos / "cat" / "cat-00.png").unlink()
    (photos / "cat" / "cat-00.png").symlink_to(secret)

    answers = [server.get(f"/pictures/{id_}/{way}") for way in ("thumbnail", "original", "occlusion")]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert "leads to another file" in answers[0].json()["reason"]


def test_small_copies_of_removed_pictures_are_removed(writable: Running, library: Library, photos: Path) -> None:
    kept = library.path / "thumbnails"
    ids = library.passing("folder = 'cat'").tolist()
    for id_ in ids:
        assert writable.get(f"/pictures/{id_}/thumbnail").status_code == 200
    assert len(list(kept.rglob("*.jpg"))) == 20
    draw(photos / "dog" / "twin.png", 0, 24)  # the content of cat-00.png
    library.index(photos)

    for id_ in ids:
        assert writable.client.delete(f"/api/v1/pictures/{id_}").status_code == 204

    assert len(list(kept.rglob("*.jpg"))) == 1  # of the twin


def test_what_other_programs_removed_is_swept_out(library: Library, photos: Path) -> None:
    from transhash.library.files.thumbnails import Thumbnails

    thumbnails = Thumbnails(library.path)
    for picture in library.pictures(library.passing("folder = 'cat'")).values():
        thumbnails.get(picture)
    shutil.rmtree(photos / "cat")
    aside = shutil.copytree(library.path / "thumbnails", photos.parent / "aside")
    library.index(photos, prune=True)
    shutil.copytree(aside, library.path / "thumbnails", dirs_exist_ok=True)  # another program left them there
    (library.path / "thumbnails" / "notes.txt").write_text("not ours")

    assert thumbnails.sweep(library.catalogue.pictures.known_digests) == 20
    assert [each.name for each in (library.path / "thumbnails").rglob("*") if each.is_file()] == ["notes.txt"]
