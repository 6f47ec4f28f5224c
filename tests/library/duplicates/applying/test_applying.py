"""Plans, applied and undone: whatever happens, no content is lost, and nothing outside the folders is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from plans import WAYS, contents, names, plan_for
from transhash.library.duplicates import applying
from transhash.library.duplicates.applying import apply_plan
from transhash.library.duplicates.plan import Plan
from transhash.library.duplicates.undoing import undo_log


@pytest.mark.parametrize("way", WAYS)
def test_what_the_plan_says_is_done_and_undone(photos: Path, tmp_path: Path, way: str) -> None:
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.iterdir()}
    done = apply_plan(plan_for(photos), way, tmp_path / "log")
    assert (done.done, done.skipped) == (4, [])
    gone = {f"copy{number}.jpg" for number in range(4)}
    if way in {"hardlink", "symlink"}:
        assert all((photos / name).samefile(photos / name.replace("copy", "kept")) for name in gone)
    else:
        assert names(photos) == before.keys() - gone
    undone = undo_log(tmp_path / "log")
    if way == "delete":
        assert (undone.back, len(undone.skipped)) == (0, 4)
        return
    assert (undone.back, undone.skipped) == (4, [])
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.iterdir()} == before
    assert not any(path.is_symlink() or path.stat().st_nlink > 1 for path in photos.iterdir())
    assert undo_log(tmp_path / "log").there == 4


def changed(path: Path) -> None:
    path.write_bytes(b"another picture " * 275)


def removed(path: Path) -> None:
    path.unlink()


def linked(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", ["copy0.jpg", "kept0.jpg"])
@pytest.mark.parametrize("happens", [changed, removed, linked, made_a_folder])
def test_a_pair_that_is_not_as_planned_any_more_is_left_alone(
    photos: Path, tmp_path: Path, way: str, which: str, happens: Callable[[Path], None]
) -> None:
    plan = plan_for(photos, ("copy0.jpg", "kept0.jpg"))
    happens(photos / which)
    before = {path.name: path.lstat().st_ino for path in photos.iterdir()}
    done = apply_plan(plan, way, tmp_path / "log")
    assert (done.done, len(done.skipped)) == (0, 1)
    assert {path.name: path.lstat().st_ino for path in photos.iterdir()} == before


@pytest.mark.parametrize(("gone", "what"), [("copy0.jpg", "the file"), ("kept0.jpg", "the file that is kept")])
def test_a_file_that_has_gone_needs_another_plan(photos: Path, tmp_path: Path, gone: str, what: str) -> None:
    plan = plan_for(photos, ("copy0.jpg", "kept0.jpg"))
    (photos / gone).unlink()
    (skipped,) = apply_plan(plan, "elsewhere", tmp_path / "log").skipped
    assert (skipped.reason, skipped.remedy) == (f"{what} is not there any more", "write the plan again")


@pytest.mark.parametrize("way", WAYS)
def test_two_plans_that_contradict_each_other_leave_one_copy(photos: Path, tmp_path: Path, way: str) -> None:
    one, other = plan_for(photos, ("copy0.jpg", "kept0.jpg")), plan_for(photos, ("kept0.jpg", "copy0.jpg"))
    every = contents(photos)
    assert apply_plan(one, way, tmp_path / "log1").done == 1
    assert apply_plan(other, way, tmp_path / "log2").done == 0
    assert contents(photos) == every


def test_a_file_that_another_run_holds_is_left_alone(photos: Path, tmp_path: Path) -> None:
    plan = plan_for(photos, ("copy0.jpg", "kept0.jpg"))
    with applying.locked(str(photos / "kept0.jpg"), "the file"):
        done = apply_plan(plan, "elsewhere", tmp_path / "log")
    assert "in use by another run" in done.skipped[0].reason
    assert len(names(photos)) == 8


def test_hard_links_of_one_file_are_not_copies(photos: Path, tmp_path: Path) -> None:
    os.link(photos / "kept0.jpg", photos / "again.jpg")
    done = apply_plan(plan_for(photos, ("again.jpg", "kept0.jpg")), "delete", tmp_path / "log")
    assert "very file" in done.skipped[0].reason
    assert (photos / "again.jpg").exists()


def test_a_plan_that_removes_what_it_keeps_does_nothing(photos: Path, tmp_path: Path) -> None:
    done = apply_plan(plan_for(photos, ("kept0.jpg", "kept0.jpg")), "delete", tmp_path / "log")
    assert (done.done, (photos / "kept0.jpg").exists()) == (0, True)


def outside(photos: Path) -> Plan:
    plan = plan_for(photos)
    return Plan((str(photos / "below"),), (), plan.actions)


def behind_a_link(photos: Path) -> Plan:
    (photos.parent / "door").symlink_to(photos)
    return Plan((str(photos.parent),), (), plan_for(photos.parent / "door").actions)


def in_the_reference(photos: Path) -> Plan:
    return plan_for(photos, reference=(str(photos),))


def with_dots(photos: Path) -> Plan:
    (photos / "below").mkdir()
    return Plan((str(photos / "below"),), (), plan_for(photos / "below" / "..").actions)


@pytest.mark.parametrize("make", [outside, behind_a_link, in_the_reference, with_dots])
def test_nothing_outside_the_folders_is_touched(photos: Path, tmp_path: Path, make: Callable[[Path], Plan]) -> None:
    done = apply_plan(make(photos), "delete", tmp_path / "log")
    assert (done.done, len(done.skipped)) == (0, 4)
    assert len(contents(photos)) == 4


def test_only_equal_files_are_linked(photos: Path, tmp_path: Path) -> None:
    done = apply_plan(plan_for(photos, ("copy0.jpg", "kept1.jpg")), "hardlink", tmp_path / "log")
    assert "other bytes" in done.skipped[0].reason


def test_a_folder_has_files_of_the_same_name_beside_each_other(photos: Path, tmp_path: Path) -> None:
    for number in range(2):
        assert (
            apply_plan(plan_for(photos, ("copy0.jpg", "kept0.jpg")), "elsewhere", tmp_path / f"log{number}").done == 1
        )
        (photos / "copy0.jpg").write_bytes((photos / "kept0.jpg").read_bytes())
    assert len([path for path in (tmp_path / "elsewhere").rglob("*.jpg")]) == 2


def test_the_trash_says_where_a_file_came_from(photos: Path, tmp_path: Path) -> None:
    apply_plan(plan_for(photos, ("copy0.jpg", "kept0.jpg")), "trash", tmp_path / "log")
    (note,) = (tmp_path / "home" / "data" / "Trash" / "info").iterdir()
    assert f"Path={photos}/copy0.jpg" in note.read_text()
    assert (tmp_path / "home" / "data" / "Trash" / "files" / note.stem).exists()
