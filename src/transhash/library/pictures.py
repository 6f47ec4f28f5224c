"""What a library knows of pictures, out of the catalogue's rows: pictures for users, and values to choose from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from transhash.library.catalogue import written as in_json
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.kinds import Kind, Value, moment
from transhash.library.code_index import CodeIndex
from transhash.library.files.paths import Places
from transhash.library.opening import disk_bytes
from transhash.library.results import Facets, LibraryInfo
from transhash.library.searchable import Picture

MOST_VALUES = 1000  # that `facets` gives


def described(catalogue: Catalogue, places: Places, ids: Iterable[int]) -> dict[int, Picture]:
    """Pictures by id, inside `catalogue.reading()`; those that search cannot find, or not any more, are left out."""
    known = catalogue.pictures.described(ids)
    columns = catalogue.columns.values(known)
    base = os.fsdecode(places.base)
    return {
        id_: Picture(
            id=id_,
            folder=os.fsdecode(each.folder),
            name=os.fsdecode(each.name),
            base=base,
            width=each.width,
            height=each.height,
            bytes=each.size,
            taken=None if each.taken is None else moment(each.taken),
            modified=moment(each.mtime_ns // 10**9),
            digest=each.digest.hex(),
            code=each.code.hex(),
            columns=columns[id_],
        )
        for id_, each in known.items()
    }


class Written(NamedTuple):
    """A picture as `Picture.to_dict` has it, in JSON, but for its columns."""

    id: int
    before: str  # ends with the key of the columns
    columns: Mapping[str, Value]
    version: str


def written(catalogue: Catalogue, places: Places, ids: Iterable[int]) -> dict[int, Picture | Written]:
    """The same as `described` in less time: of all but odd pictures what is to be sent, in JSON."""
    plain = in_json.written(catalogue.database, wanted := set(ids))
    columns = catalogue.columns.values(plain)
    found = {id_: Written(id_, before, columns[id_], version) for id_, (before, version) in plain.items()}
    odd = wanted - plain.keys()
    return {**found, **described(catalogue, places, odd)} if odd else {**found}


def facets(catalogue: Catalogue) -> Facets:
    """Folders and values for people to choose from."""
    with catalogue.reading():
        folders = catalogue.pictures.some_folders(MOST_VALUES)
        texts = {
            name: catalogue.columns.some_texts(column.id, MOST_VALUES)
            for name, column in catalogue.columns.all().items()
            if column.kind == Kind.TEXT
        }
    return Facets([os.fsdecode(folder) for folder in folders], texts)


def facts(path: Path, catalogue: Catalogue, index: CodeIndex, fitted_to: int) -> LibraryInfo:
    """The facts of the library in a folder."""
    with catalogue.reading():
        pictures, skipped, vanished = catalogue.pictures.counts(index.count(catalogue.revision()))
        columns = {name: str(column.kind) for name, column in catalogue.columns.all().items()}
        own = catalogue.facts()
    return LibraryInfo(
        path=path,
        pictures=pictures,
        skipped=skipped,
        vanished=vanished,
        model=own.model,
        bits=own.bits,
        fingerprint=own.fingerprint,
        created=own.created,
        fitted_to=fitted_to,
        bytes=disk_bytes(path),
        columns=columns,
    )
