"""Files that an indexing run cannot read: named each time, opened once, and never lost for good."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from collection import counts, draw, found
from fake_model import FakeModel
from transhash import Library
from transhash.images import most_bytes
from transhash.library import digests


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
    assert len(set(read)) == 6
    assert [(skipped.path.name, skipped.reason) for skipped in report.skipped] == [("huge.png", "file too large")]


def test_too_little_memory_is_not_remembered(library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("PIL.Image.Image.resize", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
        assert len(library.index(photos).skipped) == 6
    assert counts(library.index(photos)) == {"added": 6}


def test_kinds_that_are_not_read_are_counted(library: Library, photos: Path) -> None:
    for name in ("IMG_1.CR2", "IMG_2.cr2", "layers.psd"):
        (photos / name).write_bytes(b"not read here")
    assert counts(library.index(photos)) == {"added": 6, "unread": {".cr2": 2, ".psd": 1}}
