"""Paths as the catalogue stores them.

A picture below the folder that contains the library is stored relative to that folder, so that the folder can be moved
with its library; any other picture is stored by its absolute path. Stored paths are the file system's own bytes
(`os.fsencode`): a name need not be UTF-8.
"""

from __future__ import annotations

import os

_SEP = os.sep.encode()
_AFTER_SEP = bytes([_SEP[0] + 1])  # every path below `a` lies between `a` + separator and `a` + this
_PAST_ALL = b"\xff" * 256  # longer than any name


def modified(status: os.stat_result) -> int:
    """When a file was last changed, ns since 1970, as the catalogue can keep it: between 1677 and 2262."""
    return max(-(2**63), min(status.st_mtime_ns, 2**63 - 1))


class Places:
    """Translates between folders on disk (absolute bytes) and stored folders."""

    def __init__(self, base: bytes) -> None:
        """`base` is the folder that contains the library, absolute and without symbolic links."""
        self.base = base

    def stored(self, folder: bytes) -> bytes:
        """The form in which the catalogue keeps an absolute folder."""
        if folder == self.base:
            return b""
        prefix = _below(self.base)
        return folder.removeprefix(prefix) if folder.startswith(prefix) else folder

    def on_disk(self, stored: bytes) -> bytes:
        """The absolute folder of a stored one."""
        return os.path.join(self.base, stored) if stored else self.base

    def ranges(self, root: bytes) -> list[tuple[bytes, bytes]]:
        """Half-open ranges that together hold exactly the stored folders at or below an absolute folder."""
        stored, found = self.stored(root), [_only(root), _tree(root)]  # absolute: also from before a library was moved
        if not os.path.isabs(stored) and stored:
            return [_only(stored), _tree(stored), *found]
        everything_relative = [(b"", _SEP), (_AFTER_SEP, _PAST_ALL)]
        return found + everything_relative if _below(self.base).startswith(_below(root)) else found


def _below(folder: bytes) -> bytes:
    return folder if folder.endswith(_SEP) else folder + _SEP


def _only(folder: bytes) -> tuple[bytes, bytes]:
    return folder, folder + b"\0"


def _tree(folder: bytes) -> tuple[bytes, bytes]:
    start = _below(folder)
    return start, start[:-1] + _AFTER_SEP
