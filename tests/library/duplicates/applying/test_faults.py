"""Plans applied while something goes wrong (a kill, a full drive, no permission): no content is lost."""

from __future__ import annotations

import errno
import fcntl
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plans import WAYS, contents, names, plan_for
from transhash.errors import LibraryError
from transhash.library.duplicates import applying, moving
from transhash.library.duplicates.applying import apply_plan
from transhash.library.duplicates.undoing import undo_log

KILLS = 100  # of each
UNDISTURBED = 5  # runs before them


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
            raise LibraryError("", "no space")
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


def locks_as_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have only files locked that are open for writing."""
    flock = fcntl.flock

    def locked(file: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX and fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", locked)


def test_on_a_network_drive_files_are_removed_and_locked(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks_as_nfs(monkeypatch)
    with applying.locked(str(photos / "kept0.jpg")):
        done = apply_plan(plan_for(photos), "elsewhere", tmp_path / "log")
    assert [each.reason for each in done.skipped] == ["the file that is kept is in use by another run"]
    assert done.done == 3


def test_files_that_cannot_be_locked_are_removed(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    opened = os.open

    def may_only_be_read(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_RDWR and str(path).startswith(str(photos)):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", may_only_be_read)
    locks_as_nfs(monkeypatch)
    assert apply_plan(plan_for(photos, ("copy0.jpg", "kept0.jpg")), "elsewhere", tmp_path / "log0").done == 1
    monkeypatch.setattr(fcntl, "flock", without_locks)
    assert apply_plan(plan_for(photos, ("copy1.jpg", "kept1.jpg")), "elsewhere", tmp_path / "log1").done == 1


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
