"""The pictures below a folder, in a fixed order, a folder at a time.

Hidden files and folders (their names start with a dot) are passed over. Links to folders are not followed, links to
files are. Everything is bytes, as the file system gives it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from transhash.errors import LibraryError
from transhash.images import IMAGE_SUFFIXES

_SUFFIXES = tuple(suffix.encode() for suffix in IMAGE_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and the sorted names of its pictures, or the error that kept it from being read."""

    path: bytes
    names: list[bytes]
    error: OSError | None = None


def roots(folders: Iterable[str | os.PathLike[str]]) -> list[bytes]:
    """Absolute folders without symbolic links, none below another; raises `LibraryError` for what is no folder."""
    found: set[bytes] = set()
    for folder in folders:
        if not os.path.exists(folder):
            raise LibraryError(f"{folder}: no such folder; check the path")
        if not os.path.isdir(folder):
            raise LibraryError(f"{folder}: a file, not a folder; name the folder that holds it")
        found.add(os.fsencode(os.path.realpath(folder)))
    return sorted(root for root in found if not any(os.fsencode(p) in found for p in Path(os.fsdecode(root)).parents))


def walk(root: bytes) -> Iterator[Folder]:
    """Every folder below `root` and `root` itself, parents first; one that vanishes meanwhile is left out."""
    waiting = [root]
    while waiting:
        path = waiting.pop()
        names: list[bytes] = []
        inside: list[bytes] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith(b"."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        inside.append(entry.path)
                    elif entry.name.lower().endswith(_SUFFIXES):
                        names.append(entry.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Folder(path, [], error)
            continue
        names.sort()
        yield Folder(path, names)
        waiting.extend(sorted(inside, reverse=True))


def count(folders: Iterable[bytes]) -> int:
    """How many pictures `walk` will name below some roots."""
    return sum(len(folder.names) for root in folders for folder in walk(root))
