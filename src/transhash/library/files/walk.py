"""The pictures below a folder, in a fixed order, a folder at a time.

Hidden files and folders (their names start with a dot) are passed over, and what `.transhashignore` names. Links to
folders are not followed, links to files are. Everything is bytes, as the file system gives it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from transhash.errors import LibraryError
from transhash.images import IMAGE_SUFFIXES
from transhash.library.files.ignore import IGNORE_FILE, Ignore, around, inside

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
    waiting: list[tuple[bytes, Ignore | None]] = []
    try:
        waiting.append((root, around(root)))
    except OSError as error:
        yield Folder(root, [], error)
    while waiting:
        path, ignored = waiting.pop()
        names: list[bytes] = []
        inner: list[bytes] = []
        has_ignore_file = False
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith(b"."):
                        has_ignore_file |= entry.name == IGNORE_FILE
                    elif entry.is_dir(follow_symlinks=False):
                        inner.append(entry.path)
                    elif entry.name.lower().endswith(_SUFFIXES):
                        names.append(entry.name)
            if has_ignore_file:
                ignored = inside(path, ignored)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Folder(path, [], error)
            continue
        if ignored:
            names = [name for name in names if (os.path.join(path, name), False) not in ignored]
            inner = [folder for folder in inner if (folder, True) not in ignored]
        names.sort()
        yield Folder(path, names)
        waiting.extend((folder, ignored) for folder in sorted(inner, reverse=True))


def count(folders: Iterable[bytes]) -> int:
    """How many pictures `walk` will name below some roots."""
    return sum(len(folder.names) for root in folders for folder in walk(root))
