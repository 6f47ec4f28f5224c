"""A file that needs a code, and what a look at a file tells: whether it can be used, has settled, is still the same."""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from transhash.images import most_bytes, too_many_bytes
from transhash.library import digests
from transhash.library.catalogue.records import File

NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # a link to nothing, or to itself
_TICK = 3 * 10**9  # ns; no file system counts in coarser steps than 2 s
_AHEAD = 24 * 3600 * 10**9  # ns; how far a drive's clock may be before ours: FAT keeps local time


class Wanted(NamedTuple):
    """A file that needs a code."""

    path: bytes
    file: File
    stamp: tuple[int, ...]  # of the file before it was hashed
    findable: bool  # before this run
    is_settled: bool  # it has not changed in the last moments
    is_known: bool = False  # it is counted, and has a code, but no embedding


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file from one that took its place."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def changed(wanted: Wanted) -> tuple[str, str] | None:
    """Why what was decoded is perhaps not what was hashed, and the remedy: that digest must never have this code."""
    try:
        # where a clock is coarse, or the numbers of files are made up, only the content tells
        is_same = wanted.is_settled and stamp(os.stat(wanted.path)) == wanted.stamp
        if is_same or digests.file_digest(wanted.path) == wanted.file.digest:
            return None
    except OSError as error:
        return fault_of(error)
    return "changed while it was read", "index again"


def remembered(mtime_ns: int, now_ns: int) -> int:
    """The time of change to remember: one nanosecond off when the file may change again without its time changing."""
    return mtime_ns - 1 if -_AHEAD < now_ns - mtime_ns < _TICK else mtime_ns


def unfit(status: os.stat_result) -> tuple[str, str] | None:
    """Why a file need not be opened at all, and the remedy."""
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file", "replace it by a picture, or remove it"
    if status.st_size > (limit := most_bytes()):  # hashing it would take long, and decoding refuse it
        return too_many_bytes(status.st_size, limit)
    return None


def fault_of(error: OSError) -> tuple[str, str]:
    """Why a file or folder cannot be used, and the remedy."""
    if error.errno in NOTHING_THERE:
        return "no such file", "it has vanished, or is a link to nothing"
    reason = (error.strerror or str(error)).lower()
    return f"cannot be read ({reason})", "check its permissions and the drive"
