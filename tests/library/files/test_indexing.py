"""What an indexing run does: nothing twice, nothing lost."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from collection import counts, draw, found
from fake_model import FakeModel
from transhash import Library
from transhash.errors import LibraryError
from transhash.library import digests
from transhash.library.files import indexing as indexer


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

    assert counts(library.index(photos)) == {"moved": 2, "unchanged": 4}
    assert found(library, Path(was_a)) == [b]


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


def test_a_missing_folder_stops_it_where_no_other_is_there_or_is_above_it(library: Library, photos: Path) -> None:
    with pytest.raises(LibraryError, match="nowhere: no such folder"):
        library.index([photos / "nowhere", photos / "gone"])
    with pytest.raises(LibraryError, match="nowhere: no such folder"):
        library.index([photos, photos / "nowhere"])  # it cannot be away alone
    with pytest.raises(LibraryError, match=r"cat-0.png: a file, not a folder"):
        library.index([photos, photos / "cat" / "cat-0.png"])
    assert len(library) == 0


@pytest.mark.parametrize("prune", [False, True])
def test_a_missing_folder_is_named_and_the_others_are_indexed(
    photos: Path, tmp_path: Path, model: FakeModel, *, prune: bool
) -> None:
    drive = draw(tmp_path / "drive" / "a.png", 20).parent
    with Library.create(tmp_path / "lib", model) as library:
        library.index([photos, drive])
        shutil.copytree(drive, photos / "backup")
        drive.rename(tmp_path / "away")

        report = library.index([photos, drive], prune=prune)
        assert counts(report) == {"added": 1, "unchanged": 6, "skipped": 1}
        assert (report.skipped[0].path, report.skipped[0].reason) == (drive, "no such folder")
        assert len(library) == 8


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


@pytest.mark.parametrize("when", [10413792000, -9_500_000_000, 2**34])
def test_a_file_of_any_date_is_indexed_and_known(library: Library, photos: Path, model: FakeModel, when: int) -> None:
    age(photos)
    os.utime(photos / "cat" / "cat-1.png", (when, when))
    assert counts(library.index(photos)) == {"added": 6}
    model.decoded.clear()
    assert counts(library.index(photos)) == {"unchanged": 6}
    assert library.verify(deep=True).problems == []


@pytest.mark.parametrize("seconds", [0, 100], ids=["just now", "a while ago"])
def test_a_file_that_is_replaced_while_it_is_read_keeps_no_code(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """The code would be of one content and the digest of another, and be handed on to whatever has that digest."""
    latest, archived = photos / "cat" / "latest.png", photos / "zoo" / "archived.png"
    for name, seed in ((latest, 60), (photos / "next.tmp", 61)):
        age(draw(name, seed).parent, seconds)
    usual = digests.file_digest
    archived.parent.mkdir()

    def rotate(path: bytes) -> bytes:
        digest = usual(path)
        if path == os.fsencode(latest) and not archived.exists():
            latest.rename(archived)
            (photos / "next.tmp").rename(latest)
        return digest

    monkeypatch.setattr(digests, "file_digest", rotate)
    first = library.index(photos)
    assert [(one.path, one.reason) for one in first.skipped] == [(latest, "changed while it was read")]
    library.index(photos)
    assert found(library, latest) == [latest]
    assert found(library, archived) == [archived]
    assert library.verify(deep=True).problems == []
