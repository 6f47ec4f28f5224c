"""Small copies of pictures, made once and kept in the library's folder, by the digest of the content.

    thumbnails/ab/abcdef….jpg

Nothing but pixels is in them: no metadata, no place where a picture was taken. A library may come from anyone: what is
kept is read and written only below its folder, and never through a link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from transhash.errors import ImageError
from transhash.images import read_file
from transhash.images.copies import JPEG, full_copy, small_copy
from transhash.library.digests import content_hash
from transhash.system import replacing

FOLDER = "thumbnails"
MOST_BYTES = 4 << 20  # a kept one that is larger is none of ours
END_OF_JPEG = b"\xff\xd9"  # a power cut may leave less of one
_OURS = re.compile(r"[0-9a-f]{32}\.jpg")


class Known(Protocol):
    """A picture of a library."""

    @property
    def path(self) -> Path:
        """Its file."""

    @property
    def digest(self) -> str:
        """The digest of its content, hex."""


class Shown(NamedTuple):
    """A picture to show: the bytes of a JPEG or PNG file."""

    content: bytes
    type: str
    current: bool  # the file is still what was indexed


class Thumbnails:
    """The small copies of one library's pictures. Safe to use from several threads and processes."""

    def __init__(self, library: Path, draw: Callable[[bytes], bytes] = small_copy) -> None:
        """`library` is the folder of the library; `draw` makes the small copy of the picture in a file."""
        self._folder = library / FOLDER
        self._draw = draw

    def get(self, picture: Known) -> Shown:
        """The small copy of a picture, made if there is none; raises `ImageError` when its file cannot be used."""
        path = self._folder / picture.digest[:2] / f"{picture.digest}.jpg"
        kept = self._kept(path)
        if kept:
            return Shown(kept, "image/jpeg", True)
        content, current = content_of(picture)
        small = self._draw(content)
        if current:
            with suppress(OSError, ValueError):  # a library that may only be read
                path.parent.mkdir(parents=True, exist_ok=True)
                if self._is_inside(path.parent):
                    with replacing(path, lasting=False) as file:
                        file.write(small)
        return Shown(small, "image/jpeg", current)

    def forget(self, digests: Iterable[str]) -> None:
        """Delete the small copies of contents that no picture of the library has any longer."""
        for digest in digests:
            path = self._folder / digest[:2] / f"{digest}.jpg"
            with suppress(OSError):
                if self._is_inside(path.parent):
                    path.unlink()

    def sweep(self, known: Callable[[set[str]], set[str]]) -> int:
        """Delete the small copies whose contents are not `known` any longer; returns how many there were."""
        gone: set[str] = set()
        for shard in _names(self._folder):
            kept = {name.removesuffix(".jpg") for name in _names(self._folder / shard) if _OURS.fullmatch(name)}
            gone |= kept - known(kept)
        self.forget(gone)
        return len(gone)

    def _kept(self, path: Path) -> bytes | None:
        try:
            if not self._is_inside(path.parent):
                return None
            file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            with open(file, "rb") as opened:
                content = opened.read(MOST_BYTES)
        except OSError:
            return None
        return content if content.startswith(JPEG) and content.endswith(END_OF_JPEG) else None

    def _is_inside(self, folder: Path) -> bool:
        base = os.path.realpath(self._folder.parent)
        return os.path.realpath(folder) == os.path.join(base, FOLDER, folder.name)


def full_size(picture: Known, draw: Callable[[bytes], bytes] = full_copy) -> Shown:
    """A picture in full size, upright, its pixels alone: JPEG when its file is JPEG, else PNG; raises `ImageError`."""
    content, current = content_of(picture)
    shown = draw(content)
    return Shown(shown, "image/jpeg" if shown.startswith(JPEG) else "image/png", current)


def content_of(picture: Known) -> tuple[bytes, bool]:
    """The bytes of a picture's file, and whether they are those that were indexed; raises `ImageError`.

    Other bytes are shown only of a file that is where it was: what a link leads to now was never indexed.
    """
    content = read_file(picture.path)
    current = content_hash(content).hexdigest() == picture.digest
    if not current and os.path.realpath(picture.path) != os.path.abspath(picture.path):
        raise ImageError(str(picture.path), "leads to another file than was indexed", "run `transhash index` again")
    return content, current


def _names(folder: Path) -> list[str]:
    """What is in a folder; nothing when that cannot be told, or it is a link."""
    try:
        return [] if folder.is_symlink() else os.listdir(folder)
    except OSError:
        return []
