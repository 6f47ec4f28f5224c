"""Which files are pictures, in which order, and what is passed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collection import lock
from fake_model import FakeModel
from transhash import Library
from transhash.errors import LibraryError
from transhash.library.files.walk import Folder, roots, unread, walk
from tree import found, touch


def test_pictures_come_sorted_parents_first(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.jpg", "b/10.jpg", "b/a/x.png", "z.jpg", "a/1.JPG", "a/notes.txt", "a/jpg")

    assert found(tmp_path) == ["z.jpg", "a/1.JPG", "b/10.jpg", "b/2.jpg", "b/a/x.png"]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden/a.jpg", ".transhash/b.jpg", "._c.jpg", "d.jpg")

    assert found(tmp_path) == ["d.jpg"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)

    assert found(tmp_path) == ["real/a.jpg"]


def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()

    assert list(walk(os.fsencode(tmp_path))) == [Folder(os.fsencode(tmp_path), [b"caf\xe9.jpg"])]


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1.jpg", "locked/2.jpg", "z/3.jpg")
    lock(monkeypatch, tmp_path / "locked")

    assert [(f.path, f.names) for f in walk(os.fsencode(tmp_path)) if f.error is None][1:] == [
        (os.fsencode(tmp_path / "a"), [b"1.jpg"]),
        (os.fsencode(tmp_path / "z"), [b"3.jpg"]),
    ]
    assert [f.path for f in walk(os.fsencode(tmp_path)) if isinstance(f.error, PermissionError)] == [
        os.fsencode(tmp_path / "locked")
    ]


def test_a_root_below_another_is_left_out_and_links_are_resolved(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/1.jpg", "ab/2.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "ab")

    assert roots([tmp_path / "a" / "b", tmp_path / "link", tmp_path / "a"]) == [
        os.fsencode(tmp_path / "a"),
        os.fsencode(tmp_path / "ab"),
    ]


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")

    with pytest.raises(LibraryError, match=r"nowhere: no such folder"):
        roots([tmp_path / "nowhere"])
    with pytest.raises(LibraryError, match=r"a\.jpg: a file, not a folder"):
        roots([tmp_path / "a.jpg"])


def test_the_folders_that_drives_keep_for_themselves_are_passed_over(tmp_path: Path) -> None:
    own = ["@eaDir/a.jpg/SYNO.jpg", "#recycle/b.jpg", "$RECYCLE.BIN/c.jpg", ".Trash-1000/d.jpg", "@Recycle/e.jpg"]
    touch(tmp_path, *own, "sub/@eaDir/f.jpg", "sub/g.jpg", "@eaDir.jpg", "recycle/h.jpg")
    assert found(tmp_path) == ["@eaDir.jpg", "recycle/h.jpg", "sub/g.jpg"]

    (tmp_path / ".transhashignore").write_text("!@eaDir/\n")
    assert found(tmp_path) == ["@eaDir.jpg", "@eaDir/a.jpg/SYNO.jpg", "recycle/h.jpg", "sub/g.jpg", "sub/@eaDir/f.jpg"]


def test_a_folder_that_is_named_is_walked_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "@eaDir/a.jpg")
    assert found(tmp_path / "@eaDir") == ["a.jpg"]


def test_pictures_of_kinds_that_are_not_read_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.CR2", "b.cr2", "c.psd", "d.txt", "e", "f.jpg", ".g.cr2", "sub/h.jxl", "out/i.cr2")
    (tmp_path / ".transhashignore").write_text("*.psd\nout/\n")
    assert unread(roots([tmp_path])) == {".cr2": 2, ".jxl": 1}


def test_a_library_is_never_walked_into(tmp_path: Path, model: FakeModel) -> None:
    Library.create(tmp_path / "mylib", model).close()
    touch(tmp_path, "a.jpg", "mylib/thumbnails/ab/abcd.jpg", "other/catalogue.sqlite", "other/b.jpg")
    assert found(tmp_path) == ["a.jpg", "other/b.jpg"]
    with pytest.raises(LibraryError, match="a library, not a folder of pictures"):
        roots([tmp_path / "mylib"])
