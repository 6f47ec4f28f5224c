"""Users' own columns brought into a library: rows are matched with pictures by path or by name, values are checked."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from transhash.errors import DataError, LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.columns import OwnColumn
from transhash.library.catalogue.kinds import MAX_NAME, RESERVED, Kind, Stored, UnfitError, to_stored
from transhash.library.exchange.tables import Row, Rows, kinds, read, unfit
from transhash.library.files.paths import Places
from transhash.library.results import AnnotationReport

Annotations: TypeAlias = str | os.PathLike[str] | Mapping[str, Row] | Mapping[Path, Row] | Iterable[Row]
"""Rows of a user's own columns: a file, mappings by picture, or mappings of which each names its picture."""

EXAMPLES = 20  # unmatched rows that a report names
BATCH = 2048  # rows a transaction


class Annotation:
    """One import of rows into a catalogue."""

    def __init__(
        self, catalogue: Catalogue | None, places: Places, key: str, beside: bytes | None, *, patient: bool = True
    ) -> None:
        """`key`: the column that says which picture a row is about. `beside`: the folder of the rows' file, if any.

        `patient`: as `Catalogue.writing` has it. Without a catalogue, which is not made yet, rows can be looked at
        (`check`), and no more.
        """
        self._patient = patient
        self._given = catalogue
        self._key = key
        self._bases = [places.base, *([beside] if beside else [])]
        self._report = AnnotationReport()
        self._kinds: dict[str, Kind] = {}
        self._own: dict[str, OwnColumn] = {}  # as the catalogue has them
        self._names_ready = False
        self._composed: dict[str, set[int]] | None = None  # ids by paths and names that are not ASCII
        # A folder is looked at once, not for each of its pictures.
        self._stored = lru_cache(4096)(lambda folder: list(dict.fromkeys(map(places.stored, _spellings(folder)))))

    def run(self, rows: Rows, *, written: bool) -> AnnotationReport:
        """Import all rows; `written` ones have texts for values, whose kinds are recognised.

        Raises `DataError` when a value does not fit its column; then nothing is imported.
        """
        self.check(rows, written=written)
        return self.import_(rows)

    @property
    def _catalogue(self) -> Catalogue:
        assert self._given is not None  # who imports has one
        return self._given

    def check(self, rows: Rows, *, written: bool) -> None:
        """Look at all rows, before any is imported; raises as `run` does."""
        columns = self._columns(rows())
        known = self._given.columns.by_lower() if self._given else {}
        new = [column for column in columns if column.lower() not in known]
        found = {column: known[column.lower()].kind for column in columns if column.lower() in known}
        found |= kinds(rows(), new, written=written)
        for _ in self._checked(rows(), found):
            pass
        self._kinds = found

    def import_(self, rows: Rows) -> AnnotationReport:
        """Import rows that were checked."""
        self._add()
        waiting = self._checked(rows(), self._kinds)
        while batch := list(islice(waiting, BATCH)):
            found = [self._find(key) for key, _ in batch]  # before the lock is held: it may take long
            with self._catalogue.writing(patient=self._patient):
                self.require()
                there = self._catalogue.columns.pictures(id_ for id_ in found if id_ is not None)
                for (key, values), id_ in zip(batch, found, strict=True):
                    self._put(key, id_ if id_ in there else None, self._by_id(values))
        self._report.columns = {column.name: str(column.kind) for column in self._own.values()}
        return self._report

    def values(self, rows: Rows) -> Iterator[dict[int, Stored | None]]:
        """What rows that were checked say, by column id: for those who know which pictures they are about.

        Who writes them calls `require` before that.
        """
        self._add()
        for _, values in self._checked(rows(), self._kinds):
            yield self._by_id(values)

    def require(self) -> None:
        """Look at the columns again (`Columns.require`), inside the transaction that writes their values."""
        self._catalogue.columns.require(self._own.values())

    def _add(self) -> None:
        with self._catalogue.writing(patient=self._patient):
            self._own = self._catalogue.columns.added(self._kinds)

    def _by_id(self, values: Mapping[str, Stored | None]) -> dict[int, Stored | None]:
        return {self._own[column].id: value for column, value in values.items()}

    def _columns(self, rows: Iterator[Row]) -> list[str]:
        """The columns to import; those that pictures have anyway are left out and named in the report."""
        names: dict[str, None] = {}
        for number, row in enumerate(rows, 1):
            if self._key not in row:
                listed = ", ".join(map(str, row)) or "none"
                raise DataError(
                    "", f"row {number} has no column {self._key!r}, but {listed}", "name the picture's (--key)"
                )
            names |= dict.fromkeys(row)
        names.pop(self._key, None)
        if bad := [name for name in names if not _is_name(name)]:
            raise DataError(
                "", f"{bad[0]!r} is no name for a column", f"give one of 1 to {MAX_NAME} printable characters"
            )
        self._report.left_out = [name for name in names if name.lower() in RESERVED]
        columns = [name for name in names if name.lower() not in RESERVED]
        if len({column.lower() for column in columns}) < len(columns):
            raise DataError("", f"two of the columns {', '.join(columns)} differ in case only", "rename one")
        return columns

    def _checked(self, rows: Iterator[Row], kinds: dict[str, Kind]) -> Iterator[tuple[str, dict[str, Stored | None]]]:
        for number, row in enumerate(rows, 1):
            values = {}
            for column, kind in kinds.items():
                if column in row:
                    try:
                        values[column] = to_stored(row[column], kind)
                    except UnfitError as error:
                        raise unfit(number, column, row[column], error) from None
            key = row[self._key]
            if not isinstance(key, str) and isinstance(key, os.PathLike):  # most are texts, and asking takes long
                key = os.fspath(key)
            if not isinstance(key, str | bytes):
                raise DataError(f"row {number}", f"the picture is {key!r:.40}, not a path or a name", "change it")
            yield os.fsdecode(key), values

    def _put(self, key: str, picture: int | None, values: dict[int, Stored | None]) -> None:
        self._report.rows += 1
        if picture is not None:
            self._report.matched += 1
            self._catalogue.columns.set_values([(picture, values)])
        elif len(self._report.unmatched) < EXAMPLES:
            self._report.unmatched.append(key)

    def _find(self, key: str) -> int | None:
        """The picture at a path (absolute, or relative to the library's folder or the file's), or of a unique name."""
        try:
            path = os.fsencode(key)
        except UnicodeEncodeError:
            return None
        if b"\0" in path or not path:
            return None
        for base in self._bases:
            folder, name = os.path.split(os.path.join(base, path))
            for stored in self._stored(folder):
                if (found := self._catalogue.pictures.at(stored, name)) is not None:
                    return found
        if os.sep in key:
            return self._other_form(key)
        if not self._names_ready:
            self._catalogue.pictures.index_names()
            self._names_ready = True
        found = self._catalogue.pictures.named(path)
        return self._other_form(key) if found is None else found

    def _other_form(self, key: str) -> int | None:
        """The picture whose path, or unique name, has the same letters with marks in Unicode's other form."""
        if key.isascii():
            return None
        if self._composed is None:
            self._composed = {}
            for page in self._catalogue.pictures.indexed():
                for picture in page:
                    for path in (os.path.join(picture.folder, picture.name), picture.name):
                        if not path.isascii():
                            ids = self._composed.setdefault(_composed(os.path.join(self._bases[0], path)), set())
                            ids.add(picture.id)
        for base in self._bases:
            ids = self._composed.get(_composed(os.path.normpath(os.path.join(base, os.fsencode(key)))), set())
            if len(ids) == 1:
                return min(ids)
        return None


def _spellings(folder: bytes) -> list[bytes]:
    """A folder as it was written, and without symbolic links, as pictures are known."""
    return [folder, os.path.realpath(folder)]


def _composed(path: bytes) -> str:
    return unicodedata.normalize("NFC", os.fsdecode(path))


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.strip() == name and name.isprintable() and 1 <= len(name) <= MAX_NAME


def annotate(
    catalogue: Catalogue,
    places: Places,
    rows: Annotations,
    key: str,
    *,
    patient: bool = True,
) -> AnnotationReport:
    """Take in rows of a file, of a mapping from pictures to values, or of mappings that name their picture by `key`.

    `patient`: as `Catalogue.writing` has it.
    """
    annotation = partial(Annotation, catalogue, places, key, patient=patient)
    if isinstance(rows, str | os.PathLike):
        path = Path(rows)
        beside = os.fsencode(os.path.abspath(path.parent))
        return annotation(beside).run(read(path), written=path.suffix.lower() != ".parquet")
    if isinstance(rows, Mapping):
        rows = [{**values, key: picture} for picture, values in rows.items()]
    return annotation(None).run(partial(iter, list(rows)), written=False)


def drop(catalogue: Catalogue, names: Iterable[str]) -> None:
    """Remove some of a user's own columns with all their values.

    Raises `LibraryError`, before any is removed, when there is none of a name.
    """
    with catalogue.writing(patient=True):
        columns = catalogue.columns.ids()
        wanted = list(dict.fromkeys(names))
        if missing := [name for name in wanted if name not in columns]:
            known = ", ".join(columns) or "none yet"
            raise LibraryError(catalogue.path.parent, f"no column {missing[0]!r} of your own", f"there are: {known}")
        for name in wanted:
            catalogue.columns.drop(columns[name])
            catalogue.calibrations.forget(by=name)
