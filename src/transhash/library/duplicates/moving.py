"""Moving files so that a kill or a full disk loses nothing: the new place has all of it before the old one gives it
up."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress

from transhash.library.digests import CHUNK, content_hash, file_digest
from transhash.system import make_folders, settle

LONGEST = 255  # bytes of a file's name, on the usual drives


def numbered(name: str, number: int, mark: str, longest: int = LONGEST) -> str:
    """The name of a file itself (1), or with a number before its suffix: `mark` has {} where that goes.

    What would have more than `longest` bytes loses the end of its stem, whole characters of UTF-8.
    """
    stem, suffix = os.path.splitext(os.fsencode(name))
    end = (b"" if number == 1 else mark.format(number).encode()) + suffix
    size = max(longest - len(end), 0)
    while 0 < size < len(stem) and stem[size] & 0xC0 == 0x80:  # a further byte of a character
        size -= 1
    return os.fsdecode((stem[:size] + end)[:longest])


def drive_of(path: str) -> str:
    """The highest folder above a file that is on its drive: where that drive is mounted."""
    device, top = os.lstat(path).st_dev, os.path.dirname(path)
    while os.path.dirname(top) != top and os.lstat(os.path.dirname(top)).st_dev == device:
        top = os.path.dirname(top)
    return top


def move(source: str, target: str, digest: str) -> None:
    """Move a plain file to a path that nothing has, also to another drive.

    Raises `FileExistsError` when something is there, `OSError` when it cannot be done; then the file is where it was.
    """
    folder = os.path.dirname(target)
    make_folders(folder)
    status = os.lstat(source)
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(f"{source}: no plain file")
    if not linked(source, target):
        _copy(source, target, digest)
    try:
        settle(folder)
        os.unlink(source)
    except OSError:  # a folder that may only be read, or a disk that fails
        if os.path.lexists(source):
            os.unlink(target)
        raise
    settle(os.path.dirname(source))


def linked(source: str, target: str) -> bool:
    """Give a file a second name, which fails where something is, as a renaming would not; False: it cannot be done."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if not os.path.samestat(os.lstat(target), os.lstat(source)):  # else of a run that was killed between both
            raise
    except OSError:  # another drive, or one without hard links
        return False
    return True


def copied_digest(source: str, target: str) -> str:
    """Copy a file's content to a new file that is on the disk then: the digest of what was copied, in hex."""
    digest = content_hash()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(source, "rb", buffering=0) as reading, open(os.open(target, flags, 0o600), "wb", buffering=0) as writing:
        while chunk := reading.read(CHUNK):
            digest.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[writing.write(view) :]
        os.fsync(writing.fileno())
    return digest.hexdigest()


def _copy(source: str, target: str, digest: str) -> None:
    if os.path.lexists(target):
        if os.path.isfile(target) and not os.path.islink(target) and file_digest(target).hex() == digest:
            return  # a run that was killed between both steps
        raise FileExistsError(f"{target}: there is another file")
    name = content_hash(os.fsencode(os.path.basename(target))).hexdigest()  # the same after a kill, and never too long
    part = os.path.join(os.path.dirname(target), f"{name}.transhash-part")
    with suppress(FileNotFoundError):
        os.unlink(part)  # of a run that was killed
    try:
        if copied_digest(source, part) != digest:
            raise OSError("the file changed while it was copied")
        shutil.copystat(source, part, follow_symlinks=False)
        if os.path.lexists(target):
            raise FileExistsError(f"{target}: there is another file")
        os.rename(part, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)
