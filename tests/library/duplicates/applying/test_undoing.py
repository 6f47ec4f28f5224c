"""Plans undone from their logs; what is no log is refused, and none is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from plans import action, names, plan_for
from transhash.errors import LibraryError
from transhash.library.duplicates import applying
from transhash.library.duplicates.applying import apply_plan
from transhash.library.duplicates.plan import Plan
from transhash.library.duplicates.undoing import undo_log


def test_undo_does_not_overwrite_what_came_later(photos: Path, tmp_path: Path) -> None:
    apply_plan(plan_for(photos, ("copy0.jpg", "kept0.jpg")), "trash", tmp_path / "log")
    (photos / "copy0.jpg").write_bytes(b"new")
    assert len(undo_log(tmp_path / "log").skipped) == 1
    assert (photos / "copy0.jpg").read_bytes() == b"new"


def test_undo_leaves_no_second_copy_of_a_file_that_had_been_copied_and_not_yet_removed(
    photos: Path, tmp_path: Path
) -> None:
    apply_plan(plan_for(photos, ("copy0.jpg", "kept0.jpg")), str(tmp_path / "elsewhere"), tmp_path / "log")
    (moved,) = (tmp_path / "elsewhere").rglob("*.jpg")
    (photos / "copy0.jpg").write_bytes(moved.read_bytes())  # as when a run to another drive is killed between both
    assert undo_log(tmp_path / "log").there == 1
    assert (photos / "copy0.jpg").exists()
    assert not moved.exists()


@pytest.mark.parametrize("mount_point", [True, False])
@pytest.mark.parametrize("way", ["elsewhere", "hardlink"])
def test_nothing_is_put_where_a_drive_is_mounted_later(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, *, mount_point: bool
) -> None:
    """It would be hidden below the drive, and the log would say that it is back."""
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    monkeypatch.setattr(applying, "drive_of", lambda _: str(photos))
    apply_plan(plan_for(photos), way, tmp_path / "log")
    photos.rename(tmp_path / "away")
    if mount_point:
        photos.mkdir()
    undone = undo_log(tmp_path / "log")
    assert (undone.back, {skipped.reason for skipped in undone.skipped}) == (0, {"its drive is not connected"})
    assert names(photos) == set() if mount_point else not photos.exists()
    if mount_point:
        photos.rmdir()
    (tmp_path / "away").rename(photos)
    undone = undo_log(tmp_path / "log")
    assert (undone.back, undone.skipped) == (4, [])
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before


def test_a_folder_that_a_plan_has_emptied_gets_its_files_back(photos: Path, tmp_path: Path) -> None:
    """Where its drive is there."""
    kept = [path.rename(tmp_path / path.name) for path in photos.glob("kept*.jpg")]
    actions = tuple(action(photos / path.name.replace("kept", "copy"), path) for path in kept)
    apply_plan(Plan((str(photos),), (), actions), str(tmp_path / "elsewhere"), tmp_path / "log")
    assert names(photos) == set()
    assert undo_log(tmp_path / "log").back == 4


def test_a_log_whose_last_line_was_not_finished_brings_back_what_was_done(photos: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    apply_plan(plan_for(photos, ("copy0.jpg", "kept0.jpg")), str(tmp_path / "elsewhere"), tmp_path / "log")
    with (tmp_path / "log").open("ab") as log:
        log.write(b'{"do": "move", "from": "')
    undone = undo_log(tmp_path / "log")
    assert (undone.back, undone.skipped) == (1, [])
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), (b"1 2 3", "not a log"), (b"{}", "not a log")]
)
def test_what_is_no_log_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "log").write_bytes(content)
    with pytest.raises(LibraryError, match=f"log: {words}"):
        undo_log(tmp_path / "log")


def test_a_log_is_never_overwritten(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("mine")
    with pytest.raises(LibraryError, match="--log"):
        apply_plan(plan_for(photos), "trash", tmp_path / "log")
    assert ((tmp_path / "log").read_text(), len(names(photos))) == ("mine", 8)
