"""Plans undone from their logs; what is no log is refused, and none is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from plans import names, plan_for
from transhash.errors import LibraryError
from transhash.library.duplicates.applying import apply_plan
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
