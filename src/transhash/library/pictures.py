"""What a library knows of pictures, out of the catalogue's rows: pictures for users, and values to choose from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from transhash.library.catalogue import written as plain
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.kinds import Kind, moment
from transhash.library.code_index import CodeIndex
from transhash.library.files.paths import Places
from transhash.library.opening import disk_bytes
from transhash.library.results import Facets, LibraryInfo
from transhash.library.searchable import Picture, in_json

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


Written: TypeAlias = str
"""A picture as `Picture.to_dict` has it, in JSON."""


def written(catalogue: Catalogue, places: Places, ids: Iterable[int]) -> dict[int, Picture | Written]:
    """The same as `described` in less time: of all but odd pictures what is to be sent, in JSON."""
    wanted = set(ids)
    found: dict[int, Picture | Written] = {**plain.written(catalogue.database, wanted)}
    for id_, columns in catalogue.columns.values(found).items():
        if columns:
            from pydantic_core import to_json

            before, key, after = str(found[id_]).rpartition('"columns":{}')
            own = to_json(in_json(columns), inf_nan_mode="null").decode()
            found[id_] = f"{before}{key[:-2]}{own}{after}"
    if len(found) < len(wanted):
        found |= described(catalogue, places, wanted - found.keys())
    return found


def facets(catalogue: Catalogue) -> Facets:
    """Folders and values for people to choose from."""
    with catalogue.reading():
        folders = catalogue.folders.first(MOST_VALUES)
        texts = {
            name: catalogue.columns.some_texts(column, MOST_VALUES)
            for name, column in catalogue.columns.all().items()
            if column.kind == Kind.TEXT
        }
    return Facets([os.fsdecode(folder) for folder in folders], texts)


def facts(path: Path, catalogue: Catalogue, index: CodeIndex, fitted_to: int) -> LibraryInfo:
    """The facts of the library in a folder."""
    with catalogue.reading():
        pictures, skipped, vanished = catalogue.pictures.counts(index.count(catalogue.revision()))
        columns = {name: str(column.kind) for name, column in catalogue.columns.all().items()}
        own, general = catalogue.facts(), catalogue.embeddings.are_general()
        calibration = catalogue.calibrations.of(own.fingerprint)
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
        general=general,
        calibrated_by=calibration.by if calibration else "",
        bytes=disk_bytes(path),
        columns=columns,
    )
