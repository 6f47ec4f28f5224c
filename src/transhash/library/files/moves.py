"""Which known picture a file is that has appeared somewhere, or has other content than before: it was moved there.

A picture has left its place when nothing is there any more, or, where names were swapped or shifted, something else.
"""

from __future__ import annotations

import os
import unicodedata

from transhash.library import digests
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.records import Twin
from transhash.library.files.absence import emptied, is_gone
from transhash.library.files.paths import Places, modified
from transhash.library.files.wanted import Wanted


class Moves:
    """The moves that one indexing run finds."""

    def __init__(self, catalogue: Catalogue, places: Places) -> None:
        self.roots: tuple[bytes, ...] = ()  # of the run
        self.left: set[int] = set()  # ids of pictures that were moved, though something is where they were
        self.kept: set[int] = set()  # ids of pictures that have other content and stay where they are
        self.waiting: set[int] = set()  # ids that are moved by changes that are not written yet
        self._catalogue = catalogue
        self._places = places

    def moved(self, wanted: Wanted, twins: list[Twin], *, replaces: bool) -> Twin | None:
        """The one of the pictures with a file's content that the file is, moved; None where it is a copy.

        `replaces`: another picture was at the path of the file.
        """
        for twin in twins:
            folder = self._places.on_disk(twin.folder)
            path = os.path.join(folder, twin.name)
            if twin.id in self.waiting or twin.id in self.kept:
                continue
            # the same file: the library was moved next to its pictures, or away from them
            if path == wanted.path:
                pass
            elif is_gone(path):
                if not twin.vanished and self._may_be_away(twin, folder):
                    continue
            elif _is_renamed(path, wanted.path):
                pass
            elif self._is_changed(twin, path, wanted, replaces=replaces):
                self.left.add(twin.id)
            else:
                continue
            self.waiting.add(twin.id)
            return twin
        return None

    def _may_be_away(self, twin: Twin, folder: bytes) -> bool:
        """Whether a picture may be gone with its drive, and not from it."""
        root = self._root_of(folder)
        if root is None:  # this run does not look there
            root = folder if os.path.isabs(twin.folder) else self._places.base
        else:  # a folder below is empty when its pictures were moved
            folder = root
        return not os.path.isdir(root) or emptied(folder, root) is not None

    def _is_changed(self, twin: Twin, path: bytes, wanted: Wanted, *, replaces: bool) -> bool:
        """Whether something else is where a picture was, and no edited version of it.

        It is none when that content is of another picture, or when `wanted` took the place of another picture.
        """
        if self._root_of(path) is None and not replaces:  # perhaps another drive is where one was
            return False
        try:
            status = os.stat(path)
            if (status.st_size, modified(status)) == (twin.size, twin.mtime_ns):
                return False
            digest = digests.file_digest(path)
        except OSError:
            return False
        return digest != wanted.file.digest and (replaces or bool(self._catalogue.pictures.twins(digest)))

    def _root_of(self, path: bytes) -> bytes | None:
        """The root of this run that contains a path."""
        path = os.path.join(path, b"")
        return next((root for root in self.roots if path.startswith(os.path.join(root, b""))), None)


def _is_renamed(old: bytes, new: bytes) -> bool:
    """Whether both are one file with one name, of which a drive does not tell capital letters from small ones."""
    if _folded(old) != _folded(new):
        return False
    try:
        status = os.lstat(old)
        return status.st_nlink == 1 and os.path.samestat(status, os.lstat(new))
    except OSError:
        return False


def _folded(path: bytes) -> str:
    return unicodedata.normalize("NFC", os.fsdecode(path)).casefold()
