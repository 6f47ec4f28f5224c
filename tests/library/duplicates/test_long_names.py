"""Files with the longest names that a drive takes are removed and brought back like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from transhash.library.digests import file_digest
from transhash.library.duplicates import moving
from transhash.library.duplicates.applying import apply_plan
from transhash.library.duplicates.plan import Action, Plan
from transhash.library.duplicates.undoing import undo_log

LONGEST = ("x" * 251 + ".jpg", "y" * 251 + ".jpg", "猫" * 83 + ".jpg", "." + "z" * 254, "é" * 127)


@pytest.fixture
def plan(album: Path) -> Plan:
    """Equal files, of which those with long names go."""
    for name in ("kept.jpg", *LONGEST):
        (album / name).write_bytes(b"one picture" * 99)
    kept = str(album / "kept.jpg")
    digest, size = file_digest(kept).hex(), 11 * 99
    return Plan(
        (str(album),),
        (),
        tuple(
            Action("remove", 1, str(album / name), size, digest, "same-file", "", kept, size, digest, size)
            for name in LONGEST
        ),
    )


@pytest.mark.parametrize("way", ["trash", "elsewhere", "hardlink", "symlink"])
@pytest.mark.parametrize("other_drive", [False, True])
def test_long_names_are_removed_and_brought_back(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, other_drive: bool
) -> None:
    if other_drive:  # on which a file cannot have a second name
        monkeypatch.setattr(moving, "linked", lambda *_: False)
    done = apply_plan(plan, way, tmp_path / "log")
    assert (done.done, done.skipped) == (len(LONGEST), [])
    assert way.endswith("link") or [path.name for path in (tmp_path / "photos").iterdir()] == ["kept.jpg"]
    undone = undo_log(tmp_path / "log")
    assert (undone.back, undone.skipped) == (len(LONGEST), [])
    assert {path.name for path in (tmp_path / "photos").iterdir()} == {"kept.jpg", *LONGEST}


def test_long_names_in_the_trash_are_whole_characters_and_end_as_before(plan: Plan, tmp_path: Path) -> None:
    apply_plan(plan, "trash", tmp_path / "log")
    trash = tmp_path / "home" / "data" / "Trash"
    names = sorted(path.name for path in (trash / "files").iterdir())
    assert names == sorted(
        ["x" * 241 + ".jpg", "y" * 241 + ".jpg", "猫" * 80 + ".jpg", "." + "z" * 244, "é" * 122],
    )
    for name in names:
        assert (trash / "info" / f"{name}.trashinfo").read_text().startswith("[Trash Info]\nPath=")


def test_files_of_one_long_name_lie_beside_each_other(plan: Plan, tmp_path: Path) -> None:
    for way in ("trash", "elsewhere"):
        for round_ in range(3):
            assert apply_plan(plan, way, tmp_path / f"log-{way}-{round_}").skipped == []
            for action in plan.actions:
                Path(action.path).write_bytes(b"one picture" * 99)
    assert len(list((tmp_path / "home" / "data" / "Trash" / "files").iterdir())) == 3 * len(LONGEST)
    assert sum(path.is_file() for path in (tmp_path / "elsewhere").rglob("*")) == 3 * len(LONGEST)
