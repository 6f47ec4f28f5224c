"""What an indexing run does: nothing twice, nothing lost."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from collection import draw, lock
from fake_model import FakeModel
from transhash import Library
from transhash.errors import LibraryError
from transhash.images import most_bytes
from transhash.library import IndexReport, digests
from transhash.library.files import indexing as indexer
from transhash.library.files.thumbnails import Thumbnails


def counts(report: IndexReport) -> dict[str, int]:
    """What the report counts, without zeros."""
    numbers = {**asdict(report), "skipped": len(report.skipped)}
    return {name: number for name, number in numbers.items() if number}


def found(library: Library, picture: Path) -> list[Path]:
    """What the library holds of exactly this picture's code."""
    return [hit.path for hit in library.search(picture, k=100, max_distance=0)]


def test_a_second_run_opens_nothing(library: Library, photos: Path, model: FakeModel) -> None:
    assert counts(library.index(photos)) == {"added": 6}
    model.decoded.clear()

    assert counts(library.index(photos)) == {"unchanged": 6}
    assert model.decoded == []


def age(folder: Path, seconds: float = 60) -> None:
    """As if its pictures had been made a while ago."""
    for picture in folder.rglob("*.png"):
        os.utime(picture, ns=(picture.stat().st_mtime_ns - int(seconds * 1e9),) * 2)


def test_a_known_file_is_not_even_read(library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    age(photos)
    library.index(photos)

    def read(path: bytes) -> bytes:
        raise AssertionError(f"{path!r} was hashed")

    monkeypatch.setattr("transhash.library.digests.file_digest", read)
    assert counts(library.index(photos)) == {"unchanged": 6}


def test_all_that_is_told_of_a_changed_picture_is_new(library: Library, photos: Path) -> None:
    picture = photos / "cat" / "cat-0.png"
    library.index(photos)
    draw(picture, 50, size=48)
    assert counts(library.index(photos)) == {"updated": 1, "unchanged": 5}
    (hit,) = library.search(picture, k=1)
    assert (hit.picture.bytes, hit.picture.width, hit.picture.height) == (picture.stat().st_size, 48, 48)
    assert hit.picture.digest == digests.file_digest(picture).hex()


@pytest.mark.parametrize("ahead", [0, 2, 3600])
def test_an_edit_within_one_tick_of_the_clock_is_found(library: Library, photos: Path, ahead: int) -> None:
    picture, twin = photos / "cat" / "cat-0.png", photos / "cat" / "cat-1.png"
    longest = max(picture.stat().st_size, twin.stat().st_size)
    for file in (picture, twin):
        file.write_bytes(file.read_bytes().ljust(longest, b"\0"))  # of the same size
    now = time.time_ns() // 2_000_000_000 * 2_000_000_000 + ahead * 10**9  # as a drive has it that counts in 2 s
    os.utime(picture, ns=(now, now))
    library.index(photos)
    picture.write_bytes(twin.read_bytes())
    os.utime(picture, ns=(now, now))

    assert counts(library.index(photos)) == {"updated": 1, "unchanged": 5}
    assert found(library, twin) == [picture, twin]


def test_a_file_looked_at_in_time_is_hashed_once_more_and_then_known(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.index(photos)
    hashed: list[bytes] = []
    digest = digests.file_digest
    monkeypatch.setattr(digests, "file_digest", lambda path: hashed.append(path) or digest(path))
    later = time.time_ns() + 10 * 10**9
    monkeypatch.setattr(indexer.time, "time_ns", lambda: later)

    assert counts(library.index(photos)) == {"unchanged": 6}
    assert len(hashed) == 6
    assert counts(library.index(photos)) == {"unchanged": 6}
    assert len(hashed) == 6


def test_a_new_file_is_added(library: Library, photos: Path, model: FakeModel) -> None:
    library.index(photos)
    model.decoded.clear()
    new = draw(photos / "cat" / "cat-1b.png", 99)

    assert counts(library.index(photos)) == {"added": 1, "unchanged": 6}
    assert model.decoded == [str(new)]
    assert found(library, new) == [new]


def test_a_touched_file_is_not_decoded_and_then_known(
    library: Library, photos: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(photos)
    library.index(photos)
    model.decoded.clear()
    os.utime(photos / "cat" / "cat-1.png", (1, 1))

    assert counts(library.index(photos)) == {"unchanged": 6}
    assert model.decoded == []
    monkeypatch.setattr("transhash.library.digests.file_digest", None)  # calling it would fail
    assert counts(library.index(photos)) == {"unchanged": 6}


def test_changed_content_gets_a_new_code(library: Library, photos: Path) -> None:
    library.index(photos)
    changed = photos / "dog" / "dog-0.png"
    old = shutil.copy(changed, photos.parent / "old.png")
    draw(changed, 77)

    assert counts(library.index(photos)) == {"updated": 1, "unchanged": 5}
    assert found(library, changed) == [changed]
    assert found(library, old) == []


@pytest.mark.parametrize("new", ["a-first/moved.png", "zoo/moved.png", "dog/aaa.png"])
def test_a_moved_file_keeps_its_code_and_id(library: Library, photos: Path, model: FakeModel, new: str) -> None:
    library.index(photos)
    old = photos / "dog" / "dog-1.png"
    id_ = library.search(old, k=1)[0].id
    model.decoded.clear()
    moved = photos / new
    moved.parent.mkdir(exist_ok=True)
    old.rename(moved)

    assert counts(library.index(photos)) == {"moved": 1, "unchanged": 5}
    assert model.decoded == []
    assert [(hit.path, hit.id) for hit in library.search(moved, k=1)] == [(moved, id_)]


def test_a_renamed_folder_moves_its_pictures(library: Library, photos: Path) -> None:
    library.index(photos)
    (photos / "cat").rename(photos / "kitten")

    assert counts(library.index(photos)) == {"moved": 3, "unchanged": 3}


def test_a_copy_is_another_picture_without_decoding(library: Library, photos: Path, model: FakeModel) -> None:
    library.index(photos)
    model.decoded.clear()
    original = photos / "cat" / "cat-0.png"
    copy = Path(shutil.copy(original, photos / "copy.png"))

    assert counts(library.index(photos)) == {"added": 1, "unchanged": 6}
    assert model.decoded == []
    assert found(library, copy) == [original, copy]


def test_one_of_two_copies_moves_and_the_other_stays(library: Library, photos: Path) -> None:
    original = photos / "cat" / "cat-0.png"
    copy = Path(shutil.copy(original, photos / "copy.png"))
    library.index(photos)
    copy.rename(photos / "moved.png")
    shutil.copy(original, photos / "new.png")

    assert counts(library.index(photos)) == {"moved": 1, "added": 1, "unchanged": 6}


def test_a_swap_of_names_swaps_the_codes(library: Library, photos: Path) -> None:
    a, b = photos / "cat" / "cat-0.png", photos / "cat" / "cat-1.png"
    library.index(photos)
    was_a = shutil.copy(a, photos.parent / "was-a.png")
    a.rename(photos / "x")
    b.rename(a)
    (photos / "x").rename(b)

    assert counts(library.index(photos)) == {"updated": 2, "unchanged": 4}
    assert found(library, Path(was_a)) == [b]


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


def test_a_broken_file_is_named_each_time_but_opened_once(library: Library, photos: Path, model: FakeModel) -> None:
    broken = photos / "cat" / "broken.png"
    broken.write_bytes(b"no picture")
    first = library.index(photos)
    assert counts(first) == {"added": 6, "skipped": 1}
    assert first.skipped[0].path == broken
    assert first.skipped[0].reason
    assert "still being copied" in first.skipped[0].remedy
    model.decoded.clear()

    second = library.index(photos)
    assert [(each.path, each.reason) for each in second.skipped] == [(broken, first.skipped[0].reason)]
    assert second.skipped[0].remedy
    assert model.decoded == []
    os.utime(broken, (1, 1))
    assert library.index(photos).skipped == second.skipped
    assert model.decoded == []
    library.index(photos, retry=True)
    assert model.decoded == [str(broken)]

    draw(broken, 42)
    assert counts(library.index(photos)) == {"added": 1, "unchanged": 6}


def test_a_picture_that_breaks_is_no_longer_found(library: Library, photos: Path) -> None:
    library.index(photos)
    broken = photos / "cat" / "cat-0.png"
    old = Path(shutil.copy(broken, photos.parent / "old.png"))
    broken.write_bytes(broken.read_bytes()[:40])

    assert counts(library.index(photos)) == {"unchanged": 5, "skipped": 1}
    assert found(library, old) == []
    broken.rename(photos / "renamed.png")
    assert counts(library.index(photos)) == {"unchanged": 5, "skipped": 1}
    assert library.info().skipped == 1


def test_links_to_files_are_pictures_and_broken_links_are_named(library: Library, photos: Path) -> None:
    (photos / "good.png").symlink_to(photos / "cat" / "cat-0.png")
    (photos / "bad.png").symlink_to(photos / "nowhere.png")
    (photos / "folder.png").symlink_to(photos / "cat")

    report = library.index(photos)
    assert counts(report) == {"added": 7, "skipped": 1}
    assert (report.skipped[0].path.name, report.skipped[0].reason) == ("bad.png", "no such file")


def test_what_is_no_regular_file_is_named_and_not_opened(library: Library, photos: Path) -> None:
    os.mkfifo(photos / "pipe.png")  # opening it would wait for ever

    assert library.index(photos).skipped[0].reason == "not a regular file"


def test_a_file_that_is_too_large_is_not_read(library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(photos / "huge.png", "wb") as file:
        file.truncate(most_bytes() + 1)  # sparse
    digest = digests.file_digest
    read: list[bytes] = []
    monkeypatch.setattr(digests, "file_digest", lambda path: read.append(path) or digest(path))

    report = library.index(photos)
    assert len(read) == 6
    assert [(skipped.path.name, skipped.reason) for skipped in report.skipped] == [("huge.png", "file too large")]


def test_a_name_that_is_not_utf8_is_found(library: Library, photos: Path) -> None:
    odd = photos / os.fsdecode(b"caf\xe9") / os.fsdecode(b"\xff\xfe.png")
    draw(odd.parent.parent / "tmp.png", 31).rename(photos / "x.png")
    odd.parent.mkdir()
    (photos / "x.png").rename(odd)
    library.index(photos)

    assert found(library, odd) == [odd]
    assert os.fsencode(library.search(odd, k=1)[0].path).endswith(b"/caf\xe9/\xff\xfe.png")


def test_several_folders_also_outside_and_overlapping(library: Library, photos: Path, tmp_path: Path) -> None:
    outside = draw(tmp_path / "outside" / "a.png", 20)

    assert counts(library.index([photos, photos / "cat", tmp_path / "outside"])) == {"added": 7}
    assert found(library, outside) == [outside]


def test_a_missing_folder_stops_it_before_anything_is_done(library: Library, photos: Path) -> None:
    with pytest.raises(LibraryError, match="nowhere: no such folder"):
        library.index([photos, photos / "nowhere"])
    assert len(library) == 0


def test_progress_counts_what_is_saved(library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.library.files.indexing.ROWS", 2)
    seen: list[tuple[int, int]] = []

    with Library.open(library.path) as other:
        library.index(photos, progress=lambda _, judged, *__: seen.append((judged, len(other))))

    assert len(seen) > 2
    assert all(saved >= counted for counted, saved in seen)
    assert seen[-1] == (6, 6)


@pytest.mark.parametrize("stop_after", range(1, 7))
def test_an_interrupted_run_goes_on_to_the_same_library(
    photos: Path, tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transhash.library.files.indexing.ROWS", 1)
    model = InterruptedModel(stop_after)
    with Library.create(tmp_path / "stopped", model) as stopped, pytest.raises(KeyboardInterrupt):
        stopped.index(photos)
    kept = stop_after - 1
    with Library.open(tmp_path / "stopped", FakeModel()) as stopped:
        assert len(stopped) == kept
        assert counts(stopped.index(photos)) == {"added": 6 - kept} | ({"unchanged": kept} if kept else {})
        with Library.create(tmp_path / "whole", FakeModel()) as whole:
            whole.index(photos)
            for picture in sorted(photos.rglob("*.png")):
                assert stopped.search(picture) == whole.search(picture)


class InterruptedModel(FakeModel):
    """Ctrl-C arrives at the n-th picture."""

    def __init__(self, stop_after: int) -> None:
        super().__init__()
        self.left = stop_after

    def stream(self, items, **settings):  # type: ignore[no-untyped-def]
        for batch in super().stream(items, **settings, batch_size=1):
            self.left -= 1
            if self.left <= 0:
                raise KeyboardInterrupt
            yield batch


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


def test_too_little_memory_is_not_remembered(library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("PIL.Image.Image.resize", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
        assert len(library.index(photos).skipped) == 6
    assert counts(library.index(photos)) == {"added": 6}


@pytest.mark.parametrize("when", [10413792000, -9_500_000_000, 2**34])
def test_a_file_of_any_date_is_indexed_and_known(library: Library, photos: Path, model: FakeModel, when: int) -> None:
    age(photos)
    os.utime(photos / "cat" / "cat-1.png", (when, when))
    assert counts(library.index(photos)) == {"added": 6}
    model.decoded.clear()
    assert counts(library.index(photos)) == {"unchanged": 6}
    assert library.verify(deep=True).problems == []


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


def test_kinds_that_are_not_read_are_counted(library: Library, photos: Path) -> None:
    for name in ("IMG_1.CR2", "IMG_2.cr2", "layers.psd"):
        (photos / name).write_bytes(b"not read here")
    assert counts(library.index(photos)) == {"added": 6, "unread": {".cr2": 2, ".psd": 1}}
