"""Duplicates among files, without a library: every picture is looked at.

report = transhash.find_duplicates(["photos/", "backup/"], kinds=["+edit"])
finding = transhash.compare("a.jpg", "b.jpg")
finding.kind, finding.evidence.words
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from transhash.errors import ImageError, LibraryError
from transhash.images import load_picture
from transhash.library.catalogue.kinds import seconds
from transhash.library.digests import file_digest
from transhash.library.duplicates.confirmation import Finding
from transhash.library.duplicates.contents import Contents
from transhash.library.duplicates.groups import Search, Wishes
from transhash.library.duplicates.kinds import Kind, kinds_of
from transhash.library.duplicates.pairing import Picture
from transhash.library.duplicates.pairing import compare as compared
from transhash.library.duplicates.reading import look
from transhash.library.files.walk import roots, walk
from transhash.library.files.wanted import fault_of
from transhash.library.results import DuplicatesReport, Skipped
from transhash.search.join import Join
from transhash.threads import spread

PathLike = str | os.PathLike[str]
Row = tuple[int, bytes, int, int, int, int, int | None]


def find_duplicates(
    paths: PathLike | Iterable[PathLike],
    *,
    kinds: Sequence[str] = ("same-file", "same-pixels", "copy"),
    keep: Sequence[str] = ("best",),
    reference: Sequence[PathLike] = (),
    within: bool = False,
) -> DuplicatesReport:
    """Groups of pictures that repeat one another, among files and all pictures below folders; nothing is changed.

    Arguments as in `Library.duplicates`. Ids are places in the order of the paths. Raises `LibraryError` when a path is
    not there, a reference has no picture, or a kind or a rule is none.
    """
    references = [os.fsdecode(root) for root in roots(reference)]
    for folder in references:
        if not _files([folder])[0]:
            raise LibraryError(folder, "no picture lies below it", "name a folder that has some")
    files, skipped = _files([*([paths] if isinstance(paths, str | os.PathLike) else paths), *references])
    wishes = Wishes(
        kinds=kinds_of(kinds),
        keep=tuple(keep),
        reference=tuple(references),
        within=within,
    )
    rows: list[Row] = []
    for number, row in enumerate(spread(_row, files)):
        if isinstance(row, ImageError):
            skipped.append(Skipped(Path(files[number]), row.reason, row.remedy))
        else:
            rows.append((number, *row))
    contents = Contents.of([rows] if rows else [])
    starts = np.array([0, len(rows)] if rows else [0], np.int64)
    join = Join(np.zeros((len(starts) - 1, 1), np.uint64), starts, contents.ids, 64, 64)  # all are candidates
    report = Search(contents, join, lambda ids: {id_: files[id_] for id_ in ids}, wishes=wishes).run()
    return DuplicatesReport(report.groups, skipped + report.skipped, report.others, report.seen)


def compare(one: PathLike, other: PathLike) -> Finding:
    """What two pictures are to each other, and why; `kind` is None when they are nothing to each other.

    Raises `ImageError` for a file that is no picture.
    """
    pictures = []
    for path in (one, other):
        found = _row(os.fspath(path))
        if isinstance(found, ImageError):
            raise found
        digest, _, _, width, height, _ = found
        pictures.append(Picture(Path(path), digest.hex(), (width, height)))
    if pictures[0].digest == pictures[1].digest:
        return Finding(Kind.SAME_FILE)
    return compared(pictures[0], look(pictures[0]), pictures[1], look(pictures[1]))


def _files(paths: Iterable[PathLike]) -> tuple[list[str], list[Skipped]]:
    """The files, and the folders that cannot be read."""
    found: dict[str, None] = {}
    skipped: list[Skipped] = []
    for path in paths:
        if os.path.isdir(path):
            for root in roots([path]):
                for folder in walk(root):
                    if folder.error:
                        skipped.append(Skipped(Path(os.fsdecode(folder.path)), *fault_of(folder.error)))
                    found.update((os.fsdecode(os.path.join(folder.path, name)), None) for name in folder.names)
        elif os.path.lexists(path):
            found[os.path.abspath(path)] = None
        else:
            raise LibraryError(path, "no such file or folder", "check the path")
    return list(found), skipped


def _row(path: str) -> tuple[bytes, int, int, int, int, int | None] | ImageError:
    """(digest, size, mtime_ns, width, height, taken) of a file."""
    try:
        decoded = load_picture(path, 8)
        status = os.stat(path)
        digest = file_digest(path)
    except ImageError as error:
        return error
    except OSError as error:
        return ImageError(path, "cannot be read", f"check the disk or the path ({error})")
    taken = None if decoded.taken is None else seconds(decoded.taken)
    return digest, status.st_size, status.st_mtime_ns, decoded.width, decoded.height, taken
