"""Undoing what was applied: every file back to where the log says it was, if nothing has taken its place."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transhash.errors import LibraryError
from transhash.library.digests import file_digest
from transhash.library.duplicates.applying import HEADER, LOG_FORMAT, LeftError, free
from transhash.library.duplicates.moving import copied_digest, move, numbered
from transhash.library.files.absence import emptied
from transhash.library.results import Skipped
from transhash.plain import parsed
from transhash.progress import Progress, silent

UNDONE = b'\n{"undone": true}\n'  # a line of its own, also where the one before was not finished


@dataclass(slots=True)
class Undone:
    """What came of undoing a log."""

    back: int = 0  # files
    there: int = 0  # files that had not been touched, or were back already
    skipped: list[Skipped] = field(default_factory=list)


def undo_log(log: Path, progress: Progress = silent) -> Undone:
    """Bring back what a log tells, the last first; deleted files are named as skipped.

    When all is back, the log says so in its last line (`log_for`). Raises `LibraryError` for what is no log.
    """
    result = _undone(log, progress)
    if not result.skipped and not is_undone(log):
        with suppress(OSError), log.open("ab") as file:
            file.write(UNDONE)
    return result


def is_undone(log: Path) -> bool:
    """Whether everything that a log tells was brought back."""
    try:
        return log.read_bytes().endswith(UNDONE)
    except OSError:
        return False


def log_for(plan: Path) -> Path:
    """Where the log of a plan goes: PLAN.log; where all that it tells is back, `PLAN (2).log`, and so on."""
    log = plan.with_name(f"{plan.name}.log")
    number = 1
    while is_undone(found := log.with_name(numbered(log.name, number, " ({})"))):
        number += 1
    return found


def _undone(log: Path, progress: Progress) -> Undone:
    result = Undone()
    try:
        if HEADER.startswith(log.read_bytes()):  # nothing was done: the first line was not finished, or the last
            return result
        lines = [parsed(line) for line in log.read_bytes().splitlines() if line.strip()]
    except ValueError:
        lines = _whole_lines(log)
    except OSError as error:
        raise LibraryError(
            log, f"cannot be read ({error.strerror})", "name the log that `transhash apply` wrote"
        ) from None
    if not lines or not isinstance(lines[0], dict) or lines[0].get("transhash log") != LOG_FORMAT:
        raise LibraryError(log, "not a log of `transhash apply`", "name the one that it wrote")
    steps = [line for line in lines[1:] if "do" in line]
    for number, line in enumerate(reversed(steps)):
        try:
            if line["do"] == "add":
                _take_away(line)
            elif _is_back(line):
                _drop_second_name(line)
                result.there += 1
            else:
                _bring_back(line)
                result.back += 1
        except LeftError as left:
            result.skipped.append(Skipped(Path(line["from"]), left.reason, left.remedy))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            result.skipped.append(
                Skipped(Path(line["from"]), reason, "check the drive and the permissions, then undo again")
            )
        progress("bringing back", number + 1, len(steps), "")
    return result


def _whole_lines(log: Path) -> list[Any]:
    """The lines of a log whose last one was not finished: nothing of it was done."""
    found = []
    for line in log.read_bytes().splitlines():
        try:
            found.append(parsed(line))
        except ValueError:
            break
    return found


def _take_away(line: dict[str, Any]) -> None:
    """Delete a file that was made next to a kept one, unless somebody has written to it since."""
    for path in (line["to"], line["from"]):  # the first is there if the run was killed
        if not os.path.isfile(path) or os.path.islink(path):
            continue
        if path == line["from"] and file_digest(path).hex() != line["digest"]:
            raise LeftError("was made by the plan and has changed since", "delete it if you do not need it")
        os.unlink(path)


def _is_back(line: dict[str, Any]) -> bool:
    """Whether the file is where it was: a plain file with its content, and not the link that took its place."""
    path = line["from"]
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    if line["do"] == "symlink" and stat.S_ISLNK(status.st_mode) and os.readlink(path) == line["keep"]:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != line["size"] or file_digest(path).hex() != line["digest"]:
        raise LeftError("another file is in its place", "move that one away, then undo again")
    return line["do"] != "hardlink" or not (os.path.exists(line["keep"]) and os.path.samefile(path, line["keep"]))


def _drop_second_name(line: dict[str, Any]) -> None:
    """A run that was interrupted between giving a file its new place and taking the old one left it in both."""
    if line["do"] != "move" or not os.path.isfile(line["to"]) or os.path.islink(line["to"]):
        return
    if os.path.samefile(line["to"], line["from"]) or file_digest(line["to"]).hex() == line["digest"]:
        os.unlink(line["to"])


def _is_away(drive: str) -> bool:
    """Whether nothing is left at the place where a drive was mounted."""
    place = os.fsencode(drive)
    return not os.path.ismount(place) and (not os.path.isdir(place) or emptied(place, place) is not None)


def _bring_back(line: dict[str, Any]) -> None:
    path, way = line["from"], line["do"]
    if _is_away(line.get("drive", os.sep)):  # what is put where it is mounted is hidden when it comes back
        raise LeftError("its drive is not connected", "connect it, then undo again")
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    if os.path.realpath(folder) != folder:
        raise LeftError("its folder is a link now", "put the folder back, then undo again")
    if way == "move":
        try:
            move(line["to"], path, line["digest"])
        except FileNotFoundError:
            raise LeftError(
                f"is not at {line['to']} any more", "connect the drive of that, or restore it from a backup"
            ) from None
        if line.get("note"):
            with suppress(FileNotFoundError):
                os.unlink(line["note"])
        return
    beside = line["aside"]
    if not os.path.lexists(beside):  # it is gone, and was equal to what was kept; unless it was deleted
        if way == "delete":
            raise LeftError("was deleted", "restore it from a backup")
        beside = free(beside)
        if not os.path.isfile(line["keep"]) or copied_digest(line["keep"], beside) != line["digest"]:
            with suppress(FileNotFoundError):
                os.unlink(beside)
            raise LeftError("the file that was kept has changed since", "restore it from a backup")
        os.chmod(beside, line["mode"])
        os.utime(beside, ns=(line["mtime_ns"], line["mtime_ns"]))
    os.replace(beside, path)
