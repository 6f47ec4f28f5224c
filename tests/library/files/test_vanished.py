"""Pictures that are gone when a folder is indexed again: not found, pruned when that is asked for, and back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from collection import counts, draw, found, lock
from fake_model import FakeModel
from transhash import Library
from transhash.library import digests
from transhash.library.files.thumbnails import Thumbnails


def test_a_vanished_file_is_not_found_and_comes_back(library: Library, photos: Path, model: FakeModel) -> None:
    library.index(photos)
    away, there = photos.parent / "away.png", photos / "cat" / "cat-2.png"
    there.rename(away)

    assert counts(library.index(photos)) == {"removed": 1, "unchanged": 5}
    assert (len(library), library.info().vanished, found(library, away)) == (5, 1, [])
    assert counts(library.index(photos)) == {"unchanged": 5}

    away.rename(there)
    model.decoded.clear()
    assert counts(library.index(photos)) == {"added": 1, "unchanged": 5}
    assert model.decoded == []
    assert found(library, there) == [there]


def test_prune_deletes_what_has_vanished_and_nothing_else(library: Library, photos: Path) -> None:
    library.index(photos)
    shutil.rmtree(photos / "dog")

    assert counts(library.index(photos, prune=True)) == {"removed": 3, "pruned": 3, "unchanged": 3}
    assert (len(library), library.info().vanished) == (3, 0)


def test_prune_gives_the_space_back(library: Library, photos: Path) -> None:
    for number in range(400):
        draw(photos / "many" / f"a-rather-long-name-of-a-picture-{number}.png", number)
    library.index(photos)
    for picture in library.pictures(library.passing()[:50]).values():
        Thumbnails(library.path).get(picture)
    library.reopen()  # with everything in one file
    full = library.info().bytes
    shutil.rmtree(photos / "many")

    assert library.index(photos, prune=True).pruned == 400
    assert library.info().bytes < 0.6 * full
    assert len(list((library.path / "thumbnails").rglob("*.jpg"))) <= len(library) == 6
    assert library.index(photos).unchanged == 6


def test_a_library_that_was_moved_next_to_its_pictures_has_each_of_them_once(photos: Path, model: FakeModel) -> None:
    with Library.create(photos.parent / "elsewhere", model) as library:
        library.index(photos)
        library.annotate({photos / "cat" / "cat-2.png": {"kind": "a cat"}})
    shutil.move(photos.parent / "elsewhere", photos / ".transhash")
    with Library.open(photos / ".transhash", model) as library:
        model.decoded.clear()
        (photos / "dog" / "dog-1.png").unlink()
        assert counts(library.index(photos)) == {"moved": 5, "removed": 1}
        assert model.decoded == []
        (hit,) = library.search(photos / "cat" / "cat-2.png", k=1)
        assert (hit.picture.path, hit.columns) == (photos / "cat" / "cat-2.png", {"kind": "a cat"})
        assert counts(library.index(photos, prune=True)) == {"unchanged": 5, "pruned": 1}


def test_only_what_is_below_the_indexed_folder_vanishes(library: Library, photos: Path) -> None:
    library.index(photos)
    shutil.rmtree(photos / "dog")
    (photos / "cat" / "cat-0.png").unlink()

    assert counts(library.index(photos / "cat")) == {"removed": 1, "unchanged": 2}
    assert len(library) == 5


def test_a_folder_that_cannot_be_read_loses_nothing(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(photos / "dog" / "deep" / "er.png", 55)
    library.index(photos)
    lock(monkeypatch, photos / "dog")

    report = library.index(photos)
    assert counts(report) == {"unchanged": 3, "skipped": 1}
    assert report.skipped[0].path == photos / "dog"
    assert report.skipped[0].reason == "cannot be read (permission denied)"
    assert len(library) == 7


@pytest.mark.parametrize(
    ("moment", "skipped"), [("hashing", ["no such folder", "no such file"]), ("decoding", ["no such file"])]
)
def test_a_folder_that_goes_away_meanwhile_loses_nothing(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch, moment: str, skipped: list[str]
) -> None:
    library.index(photos)
    draw(photos / "cat" / "cat-9.png", 90)
    place, away = photos.parent / "photos", photos.parent / "away"
    usual = {"hashing": digests.file_digest, "decoding": FakeModel.one}[moment]

    def leave(*arguments: object) -> object:
        if place.exists():
            place.rename(away)
        return usual(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(*{"hashing": (digests, "file_digest"), "decoding": (FakeModel, "one")}[moment], leave)
        report = library.index(photos, prune=True)
    assert [one.reason for one in report.skipped][: len(skipped)] == skipped
    assert (report.removed, report.pruned, len(library)) == (0, 0, 6)

    away.rename(place)
    assert counts(library.index(photos)) == {"added": 1, "unchanged": 6}


@pytest.mark.parametrize("target", ["..", "nothing.png", "cat-0.png"], ids=["a folder", "nothing", "itself"])
def test_a_picture_that_became_a_link_to_none_is_removed(library: Library, photos: Path, target: str) -> None:
    library.index(photos)
    picture = photos / "cat" / "cat-0.png"
    query = picture.read_bytes()
    picture.unlink()
    picture.symlink_to(target)

    assert library.index(photos).removed == 1
    assert picture not in [hit.path for hit in library.search(query, k=100)]
    assert library.index(photos, prune=True).pruned == 1

    picture.unlink()
    picture.write_bytes(query)
    assert counts(library.index(photos)) == {"added": 1, "unchanged": 5}


def test_a_picture_that_became_a_pipe_is_removed_and_named(library: Library, photos: Path) -> None:
    library.index(photos)
    (photos / "cat" / "cat-0.png").unlink()
    os.mkfifo(photos / "cat" / "cat-0.png")

    report = library.index(photos)
    assert report.removed == 1
    assert [one.reason for one in report.skipped] == ["not a regular file"]


@pytest.mark.parametrize("place", ["photos", "photos/cat", "photos/nas"])
@pytest.mark.parametrize("prune", [False, True])
def test_a_drive_that_is_not_mounted_loses_nothing(
    tmp_path: Path, photos: Path, model: FakeModel, place: str, *, prune: bool
) -> None:
    draw(photos / "nas" / "deep" / "er.png", 55)
    drive, away = tmp_path / place, tmp_path / "away"
    with Library.create(tmp_path / "lib", model) as library:
        library.index(photos)
        library.annotate({"er.png": {"kind": "kept"}, "cat-0.png": {"kind": "kept"}})
        drive.rename(away)
        drive.mkdir()

        for _ in range(2):
            report = library.index(photos, prune=prune)
            assert (report.removed, report.pruned, len(library)) == (0, 0, 7)
            (skipped,) = report.skipped
            assert (skipped.path, skipped.reason) == (drive, "empty, though pictures of it are known")
            assert skipped.remedy.startswith("check that its drive is connected; if you emptied it, ")

        drive.rmdir()
        away.rename(drive)
        assert counts(library.index(photos, prune=prune)) == {"unchanged": 7}
        assert len(library.passing("kind = 'kept'")) == 2


def test_a_folder_that_was_emptied_is_forgotten_when_it_is_deleted(library: Library, photos: Path) -> None:
    library.index(photos)
    for picture in (photos / "dog").iterdir():
        picture.unlink()
    assert counts(library.index(photos)) == {"unchanged": 3, "skipped": 1}
    (photos / "dog").rmdir()
    assert counts(library.index(photos, prune=True)) == {"removed": 3, "pruned": 3, "unchanged": 3}


def test_a_root_that_was_emptied_is_forgotten_when_a_file_is_in_it(
    tmp_path: Path, photos: Path, model: FakeModel
) -> None:
    with Library.create(tmp_path / "lib", model) as library:
        library.index(photos)
        shutil.rmtree(photos)
        photos.mkdir()
        assert library.index(photos).skipped[0].remedy.endswith("put any file into it")
        (photos / ".keep").touch()
        assert counts(library.index(photos, prune=True)) == {"removed": 6, "pruned": 6}


def test_a_folder_whose_pictures_were_moved_may_be_empty(library: Library, photos: Path) -> None:
    library.index(photos)
    for picture in (photos / "cat").iterdir():
        picture.rename(photos / "dog" / picture.name)
    assert counts(library.index(photos, prune=True)) == {"moved": 3, "unchanged": 3}


def test_what_had_vanished_from_a_folder_that_is_empty_now_is_not_pruned(library: Library, photos: Path) -> None:
    """It may have been the drive, before."""
    library.index(photos)
    shutil.rmtree(photos / "dog")
    library.index(photos)
    (photos / "dog").mkdir()
    assert counts(library.index(photos)) == {"unchanged": 3}
    assert counts(library.index(photos, prune=True)) == {"unchanged": 3, "skipped": 1}


def test_a_drive_that_is_unmounted_during_the_walk_loses_nothing(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.index(photos)
    usual = digests.file_digest

    def leave(path: bytes) -> bytes:
        if path.endswith(b"cat-9.png"):
            photos.rename(photos.parent / "away")
            photos.mkdir()
        return usual(path)

    draw(photos / "cat" / "cat-9.png", 90)
    monkeypatch.setattr(digests, "file_digest", leave)
    report = library.index(photos, prune=True)
    assert (report.removed, report.pruned, len(library)) == (0, 0, 6)
    assert photos in [skipped.path for skipped in report.skipped]


@pytest.mark.parametrize("place", ["added", "cat"])
def test_what_another_process_adds_during_a_run_does_not_vanish(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Its folder was looked at before."""
    monkeypatch.setattr("transhash.library.catalogue.pictures.PAGE", 1)
    draw(photos / "cat" / "cat-5.png", 80)
    library.index(photos)
    usual, ids = FakeModel.one, list[int]()

    def late(model: FakeModel, item: object, source: object, max_pixels: int | None) -> object:
        if not ids:
            new = draw(photos / "cat" / "cat-9.png", 99)
            ids.append(0)
            with Library.open(library.path, FakeModel()) as other:
                if place == "added":
                    ids[:] = other.add([new.read_bytes()])
                    new.unlink()
                else:
                    other.index(photos / "cat")
                    ids[:] = other.passing("name = 'cat-9.png'").tolist()
                other.annotate({other.pictures(ids)[ids[0]].path: {"label": "mine"}})
        return usual(model, item, source, max_pixels)

    for seed in range(5):  # one more than the model takes at once
        draw(photos / "cat" / f"cat-3-{seed}.png", 50 + seed)
    monkeypatch.setattr(FakeModel, "one", late)
    report = library.index(photos, prune=True)
    assert (report.removed, report.pruned) == (0, 0)
    assert library.passing("label = 'mine'").tolist() == ids


def test_prune_deletes_the_small_copies_of_replaced_contents(library: Library, photos: Path) -> None:
    picture = photos / "cat" / "cat-0.png"
    kept = library.path / "thumbnails"
    for seed in range(3):
        draw(picture, 80 + seed)
        library.index(photos, prune=True)
        (hit,) = library.search(picture, k=1)
        Thumbnails(library.path).get(hit.picture)
        assert [path.stem for path in kept.rglob("*.jpg")] == [hit.picture.digest]
