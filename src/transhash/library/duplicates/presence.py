"""Presence: which files of a library's pictures are still as the catalogue has them, and which of them are one file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np

from transhash.library.digests import file_digest
from transhash.library.duplicates.contents import Contents, Numbers
from transhash.library.files.paths import modified
from transhash.library.results import Skipped

COARSE = 2_000_000_000  # ns: some drives keep times of change no better
CHANGED = "changed since it was indexed"


class Presence:
    """The files of pictures, which are named by their places in `contents`. Each is looked at when it is asked for."""

    def __init__(self, contents: Contents, first: Numbers, paths: Callable[[list[int]], dict[int, str]]) -> None:
        """`first`: the first picture of each one's content; `paths` tells where the pictures of some ids are."""
        self._contents = contents
        self._first = first
        self._order = np.argsort(first, kind="stable")  # the pictures of a content behind one another
        self._sorted = first[self._order]
        self._paths_of = paths
        self.skipped: dict[str, Skipped] = {}
        self.paths: dict[int, str] = {}  # of the pictures that are as the catalogue has them
        self.inodes: dict[int, tuple[int, int]] = {}  # the files that they are: hard links are one
        self.where: dict[int, str] = {}  # a file of each content, by the first picture that has it

    def present(self, pictures: Numbers) -> list[int]:
        """Those of some pictures that are still as the catalogue has them."""
        missing = [picture for picture in pictures.tolist() if picture not in self.paths]
        paths = self._paths_of(self._contents.ids[missing].tolist()) if missing else {}
        for picture in missing:
            path = paths.get(int(self._contents.ids[picture]))
            if path is not None and self._is_current(picture, path):
                self.paths[picture] = path
                self.where.setdefault(int(self._first[picture]), path)
        return [picture for picture in pictures.tolist() if picture in self.paths]

    def with_files(self, firsts: Numbers) -> list[int]:
        """Those of some first pictures whose content is there, in their own file or in that of another picture."""
        there = set(self.present(firsts))
        missing = [first for first in firsts.tolist() if first not in there and first not in self.where]
        for first in missing:
            begin, end = np.searchsorted(self._sorted, [first, first + 1])
            self.present(self._order[begin:end])
        return [first for first in firsts.tolist() if first in self.where]

    def skip(self, picture: int, reason: str, remedy: str, path: str | None = None) -> None:
        """Name a picture that cannot be compared, with a reason and a remedy."""
        path = self.where[int(self._first[picture])] if path is None else path
        self.skipped[path] = Skipped(Path(path), reason, remedy)

    def _is_current(self, picture: int, path: str) -> bool:
        try:
            status = os.lstat(path)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self.skip(picture, f"cannot be read ({reason})", "run `transhash index`", path)
            return False
        if stat.S_ISLNK(status.st_mode):  # it and what it leads to are one picture
            return False
        self.inodes[picture] = status.st_dev, status.st_ino
        apart = abs(modified(status) - int(self._contents.mtimes[picture]))
        # a library that was copied without the dates of its files has the same pictures
        if status.st_size == self._contents.sizes[picture] and (
            apart <= COARSE or self._has_its_content(picture, path)
        ):
            return True
        self.skip(picture, CHANGED, "run `transhash index`, then this again", path)
        return False

    def _has_its_content(self, picture: int, path: str) -> bool:
        try:
            return file_digest(path) == bytes(self._contents.digests[picture])
        except OSError:
            return False
