"""The field's list files: one image a line, `relative/path 0 1 0 …`, a 0/1 column for each class, without a header.

`train.txt`, `test.txt` (the queries) and `database.txt` lie in a folder `lists` of the image root, in one with the data
set's name, or in the root itself. A published list may give its author's own folders, such as `./data/coco/` or
`/home/someone/coco/`: what comes before the part that the root has is left out, for all lines that begin with it.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from transhash.data.sets import Images, ImageSet, Labels, Split
from transhash.errors import DataError

FILES = ("database.txt", "train.txt", "test.txt")
COLUMNS = {  # the data sets that come as lists, and how many label columns the public ones have
    "imagenet100": (100,),
    "nuswide-21": (21,),
    "nuswide-81": (81,),
    "coco": (80, 91),
    "mirflickr": (24, 38),
    "lists": (),  # any
}
_PROBED = 100  # images that are looked for to learn which folders of the listed paths the root has


@dataclass(frozen=True)
class List:
    """One list file as it stands."""

    file: Path
    paths: list[str]
    labels: NDArray[np.uint8]  # (n, C), 0 and 1

    def line(self, row: int) -> str:
        """Where a row comes from; lists have no empty lines."""
        return f"{self.file}, line {row + 1}"


def read_lists(name: str, root: Path) -> ImageSet:
    """The data set of the lists at `root`, rows in the order of database.txt; an image in several lists is one row.

    Raises `DataError`, with file and line, for lists that are not in this form or contradict one another, and for
    images that are not there.
    """
    folder = _folder(name, root)
    lists = [_read(folder / file, COLUMNS[name]) for file in FILES]
    _check_columns(lists)
    row_of: dict[str, int] = {}
    origins: list[tuple[List, int]] = []
    parts = []
    for each in lists:
        rows = np.empty(len(each.paths), np.int64)
        for number, path in enumerate(each.paths):
            row = rows[number] = row_of.setdefault(path, len(origins))
            if row == len(origins):
                origins.append((each, number))
            elif (each.labels[number] != origins[row][0].labels[origins[row][1]]).any():
                first, place = origins[row]
                raise DataError(each.line(number), f"{path} has other labels than in {first.line(place)}", "correct it")
        parts.append(rows)
    database, train, query = (np.sort(rows) for rows in parts)
    columns = np.array([each.labels[number] for each, number in origins])
    sources, notes = _find(root, origins)
    notes += _unlabelled(lists)
    shared = np.intersect1d(query, np.union1d(train, database)).size
    if shared:
        notes.append(f"{folder}: {shared:,} of the {len(query):,} queries are also in the database or train")
    return ImageSet(
        name,
        Images(sources),
        _labels(name, columns, origins),
        tuple(f"class {number}" for number in range(columns.shape[1])),
        int(np.union1d(train, database)[-1]) + 1,
        tuple(notes),
        Split(query, train, database),
    )


def _folder(name: str, root: Path) -> Path:
    """The folder of the three lists; raises `DataError` when one of them is missing."""
    for folder in (root / name, root / "lists", root):
        found = [file for file in FILES if (folder / file).is_file()]
        if found:
            missing = [file for file in FILES if file not in found]
            if missing:
                raise DataError(
                    folder, f"{' and '.join(missing)} missing, though {found[0]} is there", "put all three lists there"
                )
            return folder
    raise DataError(
        root,
        "no list files here",
        "put train.txt, test.txt (the queries) and database.txt into the image root or into a folder "
        f"`lists` or `{name}` of it",
    )


def _read(file: Path, expected: tuple[int, ...]) -> List:
    """The lines of a file, each checked."""
    try:
        lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise DataError(file, f"cannot be read ({error.strerror})", "check its permissions") from error
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise DataError(file, "no lines", "write one image a line, `relative/path 0 1 0 …`")
    labels: NDArray[np.uint8] | None = None
    first: dict[str, int] = {}
    for number, line in enumerate(lines):
        where = f"{file}, line {number + 1}"
        path, columns = _parse(line, where)
        if labels is None:
            if len(columns) < 2 or (expected and len(columns) not in expected):
                wanted = " or ".join(map(str, expected)) or "at least 2"
                raise DataError(
                    where, f"{len(columns)} label columns where {wanted} are expected", "give a 0 or 1 for each class"
                )
            labels = np.empty((len(lines), len(columns)), np.uint8)
        if len(columns) != labels.shape[1]:
            raise DataError(
                where,
                f"{len(columns)} label columns where line 1 has {labels.shape[1]}",
                "give every image one 0 or 1 for each class",
            )
        labels[number] = columns
        if first.setdefault(path, number) != number:
            raise DataError(
                where, f"{path} is listed a second time, after line {first[path] + 1}", "delete one of them"
            )
    assert labels is not None
    return List(file, list(first), labels)


def _parse(line: bytes, where: str) -> tuple[str, NDArray[np.uint8]]:
    """Path and 0/1 columns of a line."""
    fields = line.split(None, 1)
    if not fields:
        raise DataError(where, "an empty line", "delete it")
    columns = fields[1].rstrip() if len(fields) > 1 else b""
    digits = columns[::2]
    if columns[1::2].strip() or digits.strip(b"01"):  # not one digit and one blank by turns
        parts = columns.split()
        wrong = next((part for part in parts if part not in (b"0", b"1")), None)
        if wrong is not None:
            raise DataError(
                where,
                f"{os.fsdecode(wrong)!r} is no label",
                "after the path, which has no blanks, comes a 0 or a 1 for each class",
            )
        digits = b"".join(parts)
    return posixpath.normpath(os.fsdecode(fields[0])), np.frombuffer(digits, np.uint8) - ord("0")


def _check_columns(lists: list[List]) -> None:
    for each in lists[1:]:
        if each.labels.shape[1] != lists[0].labels.shape[1]:
            raise DataError(
                each.file,
                f"{each.labels.shape[1]} label columns where {lists[0].file.name} has {lists[0].labels.shape[1]}",
                "take the lists of one set",
            )


def _find(root: Path, origins: list[tuple[List, int]]) -> tuple[list[Path], list[str]]:
    """The images' files, and a note when folders of the listed paths were left out.

    Raises `DataError` when some are missing, and when one is listed by two paths.
    """
    listed = [each.paths[number] for each, number in origins]
    notes = []
    windows = [path.replace("\\", "/") for path in listed]
    if windows != listed and not any(os.path.isfile(root / path) for path in listed[:_PROBED] if "\\" in path):
        listed = [posixpath.normpath(path) for path in windows]
        notes.append(f"{root}: the listed paths have backslashes, which are read as /")
    probed = (_author_folders(root, path) for path in listed[:_PROBED])
    dropped = next((folders for folders in probed if folders is not None), "")
    files = [root / path.removeprefix(dropped) for path in listed]
    missing = [row for row, file in enumerate(files) if not os.path.isfile(file)]
    if missing:
        each, number = origins[missing[0]]
        others = f", nor are {len(missing) - 1:,} more of the {len(files):,} images" if len(missing) > 1 else ""
        raise DataError(
            files[missing[0]],
            f"not there ({each.line(number)}){others}",
            "give as the data set's place the folder that the listed paths start from",
        )
    first: dict[str, int] = {}
    for row, file in enumerate(files):
        if (other := first.setdefault(os.path.normpath(file), row)) != row:
            (each, number), (twin, place) = origins[row], origins[other]
            said = f"{file} is also the image of {twin.line(place)}, where its path is another one"
            raise DataError(each.line(number), said, "write its path in one way")
    return files, [*notes, *([f"{root}: the listed paths are read without {dropped}"] if dropped else [])]


def _author_folders(root: Path, path: str) -> str | None:
    """What the root does not have of a listed path's beginning; None when it has not even the file."""
    if os.path.isfile(root / path):
        return ""
    parts = PurePosixPath(path).parts
    for count in range(1, len(parts)):
        rest = "/".join(parts[count:])
        if os.path.isfile(root / rest):
            return path.removesuffix(rest)
    return None


def _unlabelled(lists: list[List]) -> list[str]:
    counts = {each.file.name: np.count_nonzero(~each.labels.any(axis=1)) for each in lists}
    if not any(counts.values()):
        return []
    said = ", ".join(f"{count:,} in {file}" for file, count in counts.items() if count)
    return [f"{lists[0].file.parent}: images without any label, which are kept and are similar to nothing: {said}"]


def _labels(name: str, columns: NDArray[np.uint8], origins: list[tuple[List, int]]) -> Labels:
    """Class numbers (N,) where every image has one label, by the data set's nature or as it happens; else (N, C)."""
    single = columns.sum(axis=1, dtype=np.int64) == 1
    if name == "imagenet100" and not single.all():
        each, number = origins[int(single.argmin())]
        raise DataError(
            each.line(number), f"{each.labels[number].sum()} labels where imagenet100 has one an image", "give one 1"
        )
    if name == "imagenet100" or (name == "lists" and single.all()):
        classes: NDArray[np.int64] = columns.argmax(axis=1).astype(np.int64)
        return classes
    return columns
