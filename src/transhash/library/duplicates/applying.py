"""Applying a plan: each file is looked at again just before it is touched, and the log says first what will be done.

Nothing outside the plan's folders is touched, no link is followed, and a file goes only while the one that it repeats
is there with the content that the plan tells. Both are locked meanwhile, so that of two plans that run at once
neither takes what the other relies on. A kill leaves each file where it was, or where the log says, or in both
places.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from transhash.errors import LibraryError
from transhash.library.digests import file_digest
from transhash.library.duplicates.merging import additions
from transhash.library.duplicates.moving import copied_digest, drive_of, move, numbered
from transhash.library.duplicates.plan import Action, Plan, below
from transhash.library.duplicates.trash import Trash
from transhash.library.results import Skipped
from transhash.plain import JsonObject
from transhash.progress import Progress, silent
from transhash.system import settle

WAYS = ("trash", "hardlink", "symlink", "delete")  # or a folder
LOG_FORMAT = 1
HEADER = json.dumps({"transhash log": LOG_FORMAT}).encode() + b"\n"  # the first line of a log
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(slots=True)
class Applied:
    """What came of a plan."""

    done: int = 0  # files
    freed: int = 0  # bytes
    skipped: list[Skipped] = field(default_factory=list)


class LeftError(Exception):
    """A file that is left alone: why, and the remedy."""

    def __init__(self, reason: str, remedy: str = "write the plan again") -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class Log:
    """Lines of JSON, each on the disk before the next thing is done."""

    def __init__(self, path: Path) -> None:
        """Begin a log; raises `LibraryError` when there is one already or it cannot be written."""
        try:
            self._file: BinaryIO = open(path, "xb", buffering=0)  # noqa: SIM115
        except FileExistsError:
            remedy = "bring its files back with `transhash undo`, or name another one with --log"
            raise LibraryError(path, "there is a log already", remedy) from None
        except OSError as error:
            raise LibraryError(path, f"no log can be written ({error.strerror})", "name another with --log") from None
        self.path = path
        try:
            self._write(HEADER)
            settle(path.absolute().parent)
        except OSError as error:
            raise LibraryError(path, f"no log can be written ({error.strerror})", "name another with --log") from error
        except LibraryError:
            with suppress(OSError):  # what tells nothing is in the way of the next run
                path.unlink()
            raise

    def write(self, line: JsonObject) -> None:
        """Write a line, and wait until the disk has it; raises `LibraryError`, and then nothing more must be done."""
        self._write(json.dumps(line).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        try:
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, "no space left on the device")
            os.fsync(self._file.fileno())
        except OSError as error:
            reason = f"the log cannot be written ({error.strerror}); what it tells was done, and nothing else"
            raise LibraryError(self.path, reason, "make room, and write the plan again") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def apply_plan(plan: Plan, to: str, log: Path, *, merge_metadata: bool = False, progress: Progress = silent) -> Applied:
    """Remove what a plan says: into the "trash", into a folder, or by "hardlink", "symlink" or "delete".

    With `merge_metadata`, what only the removed file has is put next to the one that is kept first (`merging`).

    `log` is made, and told first what is done; `undo` brings back what it tells. A file that is no more as the plan
    tells is skipped. Raises `LibraryError` when the log cannot be written or the folder not be made.
    """
    result = Applied()
    removals = plan.removals
    place = _Place(to, plan)
    lines = Log(log)
    try:
        for number, action in enumerate(removals):
            try:
                _remove(plan, action, place, lines, number, merge_metadata)
                result.done += 1
                result.freed += action.frees
            except LeftError as left:
                result.skipped.append(Skipped(Path(action.path), left.reason, left.remedy))
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                result.skipped.append(
                    Skipped(Path(action.path), reason, "check its folder's permissions and the drive")
                )
            progress("removing", number + 1, len(removals), "")
    finally:
        lines.close()
    return result


class _Place:
    """Where removed files go."""

    def __init__(self, to: str, plan: Plan) -> None:
        self.way = to if to in WAYS else "folder"
        self.trash = Trash() if to == "trash" else None
        self.folder = Path(os.path.abspath(to))
        if self.way == "folder":
            real = os.path.realpath(self.folder)
            if any(real == folder or below(real, [folder]) for folder in plan.reference):
                raise LibraryError(to, "lies in a folder that the plan never touches", "name another")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LibraryError(to, f"no folder can be made here ({error.strerror})", "name another") from error
            self.folder = Path(real)


def _remove(plan: Plan, action: Action, place: _Place, log: Log, number: int, merge_metadata: bool) -> None:  # noqa: PLR0917
    check_place(plan, action.path)
    with ExitStack() as held:
        status = held.enter_context(locked(action.path, "the file"))
        if os.path.exists(action.keep) and os.path.samestat(status, os.lstat(action.keep)):
            raise LeftError("is the very file that is kept, under another name", "leave it: removing it frees nothing")
        kept = held.enter_context(locked(action.keep, "the file that is kept"))
        _check(action.path, status, action.size, action.digest, "")
        _check(action.keep, kept, action.keep_size, action.keep_digest, "the file that is kept ")
        if merge_metadata:
            _merge(plan, action, log)
        line = {
            "number": number, "from": action.path, "keep": action.keep, "size": action.size, "digest": action.digest,
            "mtime_ns": status.st_mtime_ns, "mode": stat.S_IMODE(status.st_mode), "drive": drive_of(action.path),
        }  # fmt: skip
        if place.way == "folder" or place.trash:
            _move(action, place, log, line)
        else:
            _replace(action, place.way, status, log, line)
    log.write({"done": number})


def _move(action: Action, place: _Place, log: Log, line: JsonObject) -> None:
    if place.trash:
        target, note = place.trash.place_for(action.path)
    else:
        target, note = free(os.path.join(place.folder, action.path.lstrip(os.sep))), None
    log.write({"do": "move", "to": target, "note": note, **line})
    if place.trash and note:
        place.trash.describe(note, action.path)
    try:
        move(action.path, target, action.digest)
    except OSError:
        if note:
            with suppress(OSError):
                os.unlink(note)
        raise


def _merge(plan: Plan, action: Action, log: Log) -> None:
    """Put what only the removed file has next to the one that is kept, where the plan may touch anything."""
    added = additions(Path(action.path), Path(action.keep))
    if added:
        try:
            check_place(plan, action.keep)
        except LeftError as left:
            remedy = "name its folder when you write the plan"
            raise LeftError(f"its metadata cannot be kept: the file that is kept {left.reason}", remedy) from None
    for one in added:
        beside = free(os.path.join(os.path.dirname(one.path), f".{os.path.basename(one.path)}.transhash"))
        log.write({"do": "add", "from": one.path, "to": beside, "digest": one.digest})
        if one.source is None:
            with open(beside, "xb") as file:
                file.write(one.content)
                file.flush()
                os.fsync(file.fileno())
        elif copied_digest(one.source, beside) != one.digest:
            os.unlink(beside)
            raise LeftError(f"{one.source} has changed meanwhile", "apply the plan again")
        else:
            shutil.copystat(one.source, beside)
        move(beside, one.path, one.digest)


def _replace(action: Action, way: str, status: os.stat_result, log: Log, line: JsonObject) -> None:
    """Delete a file or put a link in its place; it is put aside first, so that no newer one can be lost."""
    if way != "delete" and action.digest != action.keep_digest:
        remedy = "only equal files can be linked: move it to the trash"
        raise LeftError("has other bytes than the file that is kept", remedy)
    name = os.path.basename(action.path)
    aside = free(os.path.join(os.path.dirname(action.path), f".{name}.transhash"))
    log.write({"do": way, "aside": aside, **line})
    os.rename(action.path, aside)
    try:
        if not os.path.samestat(os.lstat(aside), status):
            raise LeftError("the file is another one now")
        if way == "hardlink":
            os.link(action.keep, action.path)
        elif way == "symlink":
            os.symlink(action.keep, action.path)
    except (OSError, LeftError):
        move(aside, action.path, action.digest)
        raise
    os.unlink(aside)


def check_place(plan: Plan, path: str) -> None:
    """A file is touched only in the plan's folders, under its real path, and never in a reference folder."""
    folder = os.path.dirname(path)
    if os.path.realpath(folder) != folder or os.path.normpath(path) != path:
        raise LeftError("lies behind a link")
    if not below(path, plan.folders):
        raise LeftError("lies outside the plan's folders")
    if below(path, [os.path.realpath(reference) for reference in plan.reference]):
        raise LeftError("lies in a folder that is never touched")


@contextmanager
def locked(path: str, what: str = "the file") -> Iterator[os.stat_result]:
    """A plain file, locked against other runs; raises `LeftError` when it is none, or another run holds it."""
    try:
        handle = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        raise LeftError(f"{what} is not there any more") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise LeftError(f"{what} is a link now") from None
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise LeftError(f"{what} is not a plain file any more")
        with _lock(handle, path, what):
            now = os.lstat(path)  # it may have gone while we waited for nothing but its lock
            if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
                raise LeftError(f"{what} is another one now")
            yield os.fstat(handle)
    finally:
        os.close(handle)


@contextmanager
def _lock(handle: int, path: str, what: str) -> Iterator[None]:
    """Hold the lock of an open file; a drive that knows no locks is no reason to leave a file alone."""
    try:
        import fcntl
    except ImportError:  # Windows does not let go of a file that is open
        yield
        return
    with ExitStack() as opened:
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno != errno.EBADF:
                    raise
                handle = os.open(path, os.O_RDWR | _FLAGS)  # NFS locks what is open for writing
                opened.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LeftError(f"{what} is in use by another run", "wait for it, then apply the plan again") from None
        except OSError:
            pass
        yield


def _check(path: str, status: os.stat_result, size: int, digest: str, what: str) -> None:
    if status.st_size != size or file_digest(path).hex() != digest:
        raise LeftError(f"{what}has changed since the plan was written")


def free(path: str) -> str:
    """The path, or the first like it that nothing has, with a name that is not too long."""
    folder, name = os.path.split(path)
    number = 1
    while os.path.lexists(path := os.path.join(folder, numbered(name, number, " ({})"))):
        number += 1
    return path
