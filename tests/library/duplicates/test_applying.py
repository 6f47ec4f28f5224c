"""Plans, applied and undone: whatever happens, no content is lost, and nothing outside the folders is touched."""

from __future__ import annotations

import errno
import json
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from transhash.errors import LibraryError
from transhash.library.digests import file_digest
from transhash.library.duplicates import applying, moving
from transhash.library.duplicates.applying import apply_plan
from transhash.library.duplicates.plan import Action, Plan, read_plan, write_plan
from transhash.library.duplicates.undoing import undo_log

WAYS = ("trash", "elsewhere", "hardlink", "symlink", "delete")
KILLS = 100  # of each
UNDISTURBED = 5  # runs before them


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four pairs of equal files, and a home of their own for the trash."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        for name in ("kept", "copy"):
            (folder / f"{name}{number}.jpg").write_bytes(b"picture %d " % number * 400)
    return folder


def action(path: Path, keep: Path) -> Action:
    size, kept = path.stat().st_size, keep.stat().st_size
    return Action(
        "remove",
        1,
        str(path),
        size,
        file_digest(path).hex(),
        "same-file",
        "",
        str(keep),
        kept,
        file_digest(keep).hex(),
        size,
    )


def plan_for(folder: Path, *pairs: tuple[str, str], reference: tuple[str, ...] = ()) -> Plan:
    """The plan of some pairs (removed, kept), or of all the pairs there are."""
    pairs = pairs or tuple((f"copy{number}.jpg", f"kept{number}.jpg") for number in range(4))
    return Plan((str(folder),), reference, tuple(action(folder / one, folder / other) for one, other in pairs))


def contents(*folders: Path) -> set[str]:
    """The digests of all plain files."""
    paths = (path for folder in folders for path in folder.rglob("*"))
    return {file_digest(path) for path in paths if path.is_file() and not path.is_symlink()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


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


def calls(monkeypatch: pytest.MonkeyPatch, each: Callable[[str], None]) -> None:
    """Have `each` called before every call that changes or settles something on the disk."""

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            each(name)
            return function(*args, **kwargs)

        return called

    for name in ("link", "unlink", "rename", "replace", "symlink", "mkdir", "fsync", "makedirs"):
        monkeypatch.setattr(os, name, wrapped(name, getattr(os, name)))


def killed_at(number: int, folder: Path, way: str, log: Path) -> None:
    """A process that ends without a word at a call."""
    seen = iter(range(1 << 30))

    def count(_: str) -> None:
        if next(seen) == number:
            os._exit(9)

    with pytest.MonkeyPatch.context() as patch:
        plan = plan_for(folder)
        calls(patch, count)
        apply_plan(plan, way, log)
    os._exit(0)


@pytest.mark.parametrize("crossing", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_kill_at_any_call_loses_nothing(
    photos: Path, tmp_path: Path, way: str, crossing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if crossing:  # as on another drive
        monkeypatch.setattr(moving, "linked", _no_link)
    every = contents(photos)
    fork = multiprocessing.get_context("fork")
    for number in range(400):
        log = tmp_path / f"log{number}"
        process = fork.Process(target=killed_at, args=(number, photos, way, log))
        process.start()
        process.join()
        assert contents(photos) == every  # what is kept is there, whole
        if way != "delete" and log.exists() and log.stat().st_size:
            assert undo_log(log).skipped == []
            assert {f"copy{n}.jpg" for n in range(4)} <= names(photos)
        for n in range(4):
            (photos / f"copy{n}.jpg").unlink(missing_ok=True)
            (photos / f"copy{n}.jpg").write_bytes(b"picture %d " % n * 400)
        if process.exitcode == 0:
            break
    else:
        raise AssertionError("it never came to its end")
    assert number > 10


def _no_link(source: str, target: str) -> bool:
    return False


def test_a_full_disk_stops_before_anything_is_done_that_the_log_does_not_tell(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_for(photos)
    write = applying.Log.write
    told: list[dict[str, Any]] = []

    def full(self: applying.Log, line: dict[str, Any]) -> None:
        if len(told) == 4:
            raise LibraryError("no space")
        told.append(line)
        write(self, line)

    monkeypatch.setattr(applying.Log, "write", full)
    with pytest.raises(LibraryError):
        apply_plan(plan, "elsewhere", tmp_path / "log")
    assert undo_log(tmp_path / "log").skipped == []
    assert len(names(photos)) == 8


def test_a_log_that_cannot_be_written_whole_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            return len(data) // 2

    monkeypatch.setattr(applying, "open", lambda *_, **__: Full(), raising=False)
    with pytest.raises(LibraryError, match="no space left"):
        applying.Log(tmp_path / "log")


def test_a_copy_to_a_full_drive_leaves_the_file_where_it_is(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str) -> str:
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(moving, "linked", _no_link)
    monkeypatch.setattr(moving, "copied_digest", full)
    done = apply_plan(plan_for(photos), "elsewhere", tmp_path / "log")
    assert [skipped.reason for skipped in done.skipped] == ["no space left on device"] * 4
    assert len(names(photos)) == 8
    assert [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_folder_that_may_only_be_read_is_left_alone(photos: Path, tmp_path: Path) -> None:
    plan = plan_for(photos)
    photos.chmod(0o555)
    try:
        done = apply_plan(plan, "elsewhere", tmp_path / "log")
    finally:
        photos.chmod(0o755)
    assert (done.done, len(done.skipped), len(names(photos))) == (0, 4, 8)


def test_a_file_that_cannot_be_unlinked_is_in_its_place_only(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = os.unlink

    def refuse(path: Any, **kwargs: Any) -> None:
        if str(path).startswith(str(photos)):
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path, **kwargs)

    monkeypatch.setattr(os, "unlink", refuse)
    done = apply_plan(plan_for(photos), "elsewhere", tmp_path / "log")
    assert (done.done, len(names(photos))) == (0, 8)
    assert [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()] == []


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


def test_the_trash_says_where_a_file_came_from(photos: Path, tmp_path: Path) -> None:
    apply_plan(plan_for(photos, ("copy0.jpg", "kept0.jpg")), "trash", tmp_path / "log")
    (note,) = (tmp_path / "home" / "data" / "Trash" / "info").iterdir()
    assert f"Path={photos}/copy0.jpg" in note.read_text()
    assert (tmp_path / "home" / "data" / "Trash" / "files" / note.stem).exists()


def broken_plans() -> Iterator[str]:
    yield ""
    yield "no json"
    yield json.dumps({"transhash plan": 99, "folders": [], "reference": []})
    yield json.dumps({"transhash plan": 1, "folders": "photos", "reference": []})
    yield json.dumps({"transhash plan": 1, "folders": [], "reference": []}) + "\n" + json.dumps({"action": "remove"})


@pytest.mark.parametrize("text", list(broken_plans()))
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan").write_text(text)
    with pytest.raises(LibraryError, match=r"; .*write|; write"):
        read_plan(tmp_path / "plan")


def test_a_plan_is_read_as_it_was_written(photos: Path, tmp_path: Path) -> None:
    odd = photos / os.fsdecode(b"odd\xff\nname.jpg")
    odd.write_bytes((photos / "kept0.jpg").read_bytes())
    plan = Plan((str(photos),), (), (action(odd, photos / "kept0.jpg"),))
    write_plan(tmp_path / "plan", plan)
    assert read_plan(tmp_path / "plan") == plan


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is killed at some moment")
@pytest.mark.parametrize("way", WAYS)
def test_kills_at_any_moment_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A hundred runs of each way, killed by the system ever later, from the first call to past the end."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.chdir(tmp_path)
    ended, whole = 0, math.inf
    for number in range(-UNDISTURBED, KILLS):
        folder, log = tmp_path / f"photos{number}", tmp_path / f"log{number}"
        folder.mkdir()
        for pair in range(3):
            for name in ("kept", "copy"):
                (folder / f"{name}{pair}.jpg").write_bytes(b"picture %d " % pair * 400)
        plan = plan_for(folder, *((f"copy{pair}.jpg", f"kept{pair}.jpg") for pair in range(3)))
        every = contents(folder)
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            began = time.monotonic()
            if number >= 0:  # a clock of its own kills it: on a busy machine another process would come too late
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, max(1.5 * whole * number / KILLS, 1e-6))
            apply_plan(plan, way, log)
            os.write(writing, str(time.monotonic() - began).encode())
            os._exit(0)
        ended += os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
        if number < 0:  # nothing kills the first ones, to know how long the quickest takes
            whole = min(whole, float(os.read(reading, 99)))
        os.close(reading)
        os.close(writing)
        assert contents(folder) == every
        assert {f"kept{pair}.jpg" for pair in range(3)} <= names(folder)
        if way != "delete" and log.exists() and log.read_bytes().count(b"\n"):
            assert undo_log(log).skipped == []
            assert {f"copy{pair}.jpg" for pair in range(3)} <= names(folder)
    assert UNDISTURBED <= ended < UNDISTURBED + KILLS  # some were killed
