"""What is encoded below a folder is what would be indexed there, on a disk and in an object store."""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec
import pytest

from collection import lock
from fake_model import FakeModel
from transhash import Library
from transhash.bulk.sources import pieces
from transhash.errors import DataError
from transhash.library.files.walk import walk
from tree import touch

FILES = {
    ".transhashignore": "*.png\n!/keep/*.png\ndrafts/\n",
    "sub/.transhashignore": "!@eaDir/\n",
    "other/.transhashignore": "!drafts/\n",
} | dict.fromkeys(
    [
        "a.jpg", "b.png", "sub/c.jpg", "sub/deep/d.png", "keep/e.png", "@eaDir/a.jpg/thumb.jpg", "$RECYCLE.BIN/f.jpg",
        "sub/@eaDir/g.jpg", "drafts/h.jpg", "sub/drafts/i.jpg", "other/j.jpg", "other/drafts", "other/drafts.d/k.jpg",
        "library/thumbnails/ab/m.jpg", ".hidden/l.jpg", ".hidden/.transhashignore", "own/catalogue.sqlite", "own/n.jpg",
    ],
    "",
)  # fmt: skip
LEFT = ["a.jpg", "keep/e.png", "other/drafts.d/k.jpg", "other/j.jpg", "own/n.jpg", "sub/@eaDir/g.jpg", "sub/c.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        touch(tmp_path / "photos", name)
        (tmp_path / "photos" / name).write_text(text)
    Library.create(tmp_path / "photos" / "library", FakeModel()).close()
    return tmp_path / "photos"


def names(source: str) -> list[str]:
    return [name for piece in pieces(source, 4, None) for name in piece["names"]]


def test_on_a_disk_it_is_what_index_takes(folder: Path) -> None:
    root = str(folder.resolve()).encode()
    indexed = [f"{each.path.decode()}/{name.decode()}" for each in walk(root) for name in each.names]
    assert sorted(indexed) == [str(folder.resolve() / name) for name in LEFT]
    assert names(str(folder)) == LEFT
    (folder.parent / "link").symlink_to(folder / "sub")
    assert names(str(folder.parent / "link")) == ["@eaDir/g.jpg", "c.jpg"]  # patterns of what is above it hold


def test_in_an_object_store_it_is_the_same(folder: Path) -> None:
    store = fsspec.filesystem("memory")
    try:
        for path in folder.rglob("*"):
            if path.is_file():
                store.pipe(f"/ignoring/{path.relative_to(folder)}", path.read_bytes())
        assert names("memory://ignoring") == LEFT
        assert names("memory://ignoring/sub/@eaDir") == ["g.jpg"]
    finally:
        store.rm("/ignoring", recursive=True)


def test_patterns_of_folders_above_hold(folder: Path) -> None:
    (folder / ".transhashignore").write_text("*.png\n")
    assert names(str(folder / "sub")) == ["@eaDir/g.jpg", "c.jpg", "drafts/i.jpg"]
    assert names(str(folder / "$RECYCLE.BIN")) == ["f.jpg"]  # whoever names it wants it


def test_where_everything_is_skipped_there_are_no_pictures(folder: Path) -> None:
    (folder / ".transhashignore").write_text("*\n")
    shutil.rmtree(folder / "other")
    with pytest.raises(DataError, match="no pictures"):
        names(str(folder))


def test_patterns_that_cannot_be_read_are_an_error(folder: Path) -> None:
    (folder / ".transhashignore").unlink()
    (folder / ".transhashignore").symlink_to(folder / "nowhere")
    with pytest.raises(DataError, match=r"\.transhashignore: cannot be read"):
        names(str(folder))


def test_a_folder_that_cannot_be_read_is_an_error_unless_it_is_skipped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(monkeypatch, folder / "keep")
    lock(monkeypatch, folder / "drafts")
    with pytest.raises(DataError, match=r"keep: cannot be read \(Permission denied\); make it readable, or name it in"):
        names(str(folder))
    (folder / ".transhashignore").write_text("*.png\ndrafts/\nkeep/\n")
    assert names(str(folder)) == [name for name in LEFT if not name.startswith("keep")]
