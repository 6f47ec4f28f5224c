"""The pictures below a folder, in a fixed order, a folder at a time.

Hidden files and folders (their names start with a dot) are passed over, and what `.transhashignore` names, and the
folders of libraries, with the small copies that they keep. Links to folders are not followed, links to files are.
Everything is bytes, as the file system gives it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from transhash.errors import LibraryError
from transhash.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from transhash.images.ignore import IGNORE_FILE, Ignore, around, inside
from transhash.library.catalogue.database import CATALOGUE, is_catalogue

_SUFFIXES = tuple(suffix.encode() for suffix in IMAGE_SUFFIXES)
_CATALOGUE = CATALOGUE.encode()

Folders = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and the sorted names of its pictures, or the error that kept it from being read.

    `unread` counts the pictures of kinds that are not read, by the ends of their names. `is_empty`: nothing at all is
    in it.
    """

    path: bytes
    names: list[bytes]
    error: OSError | None = None
    unread: Counter[str] = field(default_factory=Counter)
    is_empty: bool = False


def roots(folders: Folders, *, some: bool = False) -> list[bytes]:
    """Absolute folders without symbolic links, none below another; raises `LibraryError` for what is no folder.

    With `some` it is enough that one of them is there, and that those that are missing are below no other.
    """
    named = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
    missing = [folder for folder in named if not os.path.exists(folder)]
    for folder in named:
        if folder in missing:
            continue
        if not os.path.isdir(folder):
            raise LibraryError(folder, "a file, not a folder", "name the folder that holds it")
        if is_catalogue(os.path.join(os.fsencode(folder), _CATALOGUE)):
            raise LibraryError(folder, "a library, not a folder of pictures", "name the folder that has the pictures")
    real = {folder: os.fsencode(os.path.realpath(folder)) for folder in named}
    found = set(real.values())
    several = sorted(r for r in found if not any(os.fsencode(p) in found for p in Path(os.fsdecode(r)).parents))
    for folder in missing:
        if not some or len(missing) == len(named) or real[folder] not in several:
            raise LibraryError(folder, "no such folder", "check the path")
    return several


def walk(root: bytes) -> Iterator[Folder]:
    """Every folder below `root` and `root` itself, parents first; one that vanishes meanwhile is left out."""
    waiting: list[tuple[bytes, Ignore]] = []
    try:
        waiting.append((root, around(root)))
    except OSError as error:
        yield Folder(root, [], error)
    while waiting:
        path, ignored = waiting.pop()
        try:
            listing = _listed(path)
            if listing.is_library:
                continue
            if listing.has_ignore_file:
                ignored = inside(path, ignored)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Folder(path, [], error)
            continue
        names, others = listing.names, listing.unread
        if ignored.concerns_files:
            names, others = (
                [n for n in some if (os.path.join(path, n), False) not in ignored] for some in (names, others)
            )
        folders = [folder for folder in listing.folders if (folder, True) not in ignored]
        yield Folder(path, sorted(names), None, Counter(map(_suffix, others)), listing.is_empty)
        waiting.extend((folder, ignored) for folder in sorted(folders, reverse=True))


class _Listing(NamedTuple):
    """What is directly in a folder."""

    names: list[bytes]  # of pictures
    unread: list[bytes]  # names of pictures of kinds that are not read
    folders: list[bytes]  # paths
    has_ignore_file: bool
    is_library: bool
    is_empty: bool


def _listed(path: bytes) -> _Listing:
    names: list[bytes] = []
    unread: list[bytes] = []
    folders: list[bytes] = []
    has_ignore_file = is_library = False
    is_empty = True
    with os.scandir(path) as entries:
        for entry in entries:
            is_empty = False
            if entry.name.startswith(b"."):
                has_ignore_file |= entry.name == IGNORE_FILE
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.name.lower().endswith(_SUFFIXES):
                names.append(entry.name)
            elif _suffix(entry.name) in UNREAD_SUFFIXES:
                unread.append(entry.name)
            elif entry.name == _CATALOGUE:
                is_library = is_catalogue(entry.path)
    return _Listing(names, unread, folders, has_ignore_file, is_library, is_empty)


def _suffix(name: bytes) -> str:
    return os.fsdecode(os.path.splitext(name)[1].lower())


def count_pictures(folders: Folders) -> int:
    """How many files `Library.index` would look at; raises `LibraryError` when it would."""
    return sum(len(folder.names) for root in roots(folders, some=True) for folder in walk(root))


def unread(folders: Iterable[bytes]) -> Counter[str]:
    """How many pictures of kinds that are not read are below some roots, by the ends of their names."""
    found: Counter[str] = Counter()
    for root in folders:
        for folder in walk(root):
            found += folder.unread
    return found
