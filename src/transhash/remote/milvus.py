"""A library whose codes are in Milvus: searched there, filled by `transhash export --to milvus://…`.

library = transhash.open_library("milvus://localhost:19530/photos")
hits = library.search("query.jpg", k=10, where="width >= 800")
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from transhash.codes import check_values
from transhash.errors import LibraryError
from transhash.library.catalogue.kinds import Kind, UnfitError, moment, to_value
from transhash.library.catalogue.records import Indexed
from transhash.library.catalogue.where import parse
from transhash.library.ranking import Near, answer, ranked
from transhash.library.results import LibraryInfo
from transhash.library.searchable import Hit, Limits, Options, Picture, Queries
from transhash.progress import Progress, silent
from transhash.remote.milvus_collection import (
    MAX_HITS,
    MAX_JSON,
    TEXTS,
    Address,
    Collection,
    Description,
    UnfinishedError,
)
from transhash.remote.milvus_filter import ASCII_LOWER, EVERY, NEVER, expression, number, stored_text
from transhash.remote.milvus_model import Made
from transhash.search.hits import Hits
from transhash.search.rerank import best

if TYPE_CHECKING:
    from types import TracebackType

    from transhash.images import Source
    from transhash.library.library import Library
    from transhash.model import Encoder

_QUERIES = 64  # asked together
_SPARE = 64  # hits beyond k at first: equal distances are ordered here, and all of them must be seen
_BATCH = 1000  # rows sent together


class MilvusLibrary:
    """A collection in Milvus, to be searched (`Searchable`).

    Order and distances are those of the library that was exported, if the index is BIN_FLAT, up to 16,384 pictures of
    equal distance at the end of the hits. BIN_IVF_FLAT looks at some lists of codes only, and may miss hits. When
    another export replaces the collection, searches a second later are of the new one.
    """

    def __init__(self, address: str, model: Encoder | None = None) -> None:
        """Use `transhash.open_library`."""
        where = Address.read(address)
        self.address = str(where)
        self._collection = Collection(where)
        try:
            self._made = Made(self._collection, model)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the server; the library is not used any more."""
        self._collection.close()

    def __len__(self) -> int:
        """How many pictures search can find."""
        return self.count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MilvusLibrary({self.address!r}, model={self._description.model!r}, bits={self.bits})"

    @property
    def bits(self) -> int:
        """Length of its codes."""
        return self._description.bits

    @property
    def fingerprint(self) -> str:
        """Of the model that its codes come from, SHA-256 in hex."""
        return self._description.fingerprint

    @property
    def model(self) -> Encoder:
        """The model that the codes come from; raises `LibraryError` when it does not ship with the package."""
        return self._made.model

    @property
    def _description(self) -> Description:
        return self._made.about

    def refresh(self) -> None:
        """Look whether another export took the collection's place, at most once a second; raises `LibraryError`."""
        self._made.look()

    @overload
    def search(self, query: list[Source] | Queries, k: int = 10, **limits: Unpack[Limits]) -> list[list[Hit]]: ...
    @overload
    def search(self, query: Source, k: int = 10, **limits: Unpack[Limits]) -> list[Hit]: ...
    def search(self, query: Any, k: int = 10, **limits: Unpack[Limits]) -> Any:
        """As `Library.search`; Milvus gives at most 16,384 hits a query."""
        options = Options(k, **limits)
        self.refresh()
        if options.collapse:
            raise LibraryError(self.address, "a collection has no pictures to compare", "search without `collapse`")
        return answer(query, lambda: self.model, lambda queries: ranked(self, queries, options).hits)

    def nearest(self, queries: Queries, options: Options) -> Near:
        """The distances int32 [Q, k] and ids int64 [Q, k] of the nearest codes, as many as are `ranked`."""
        k, filtered = options.ranked, self._expression(options.where)
        codes, values = queries.codes, queries.values
        exact = [None] * len(codes) if values is None else list(check_values(values, codes))
        found: list[list[tuple[int, int]]] = []
        for start in range(0, len(codes), _QUERIES):
            found += self._nearest([code.tobytes() for code in codes[start : start + _QUERIES]], k, filtered)
        known = {} if values is None else self._collection.codes({id_ for each in found for _, id_ in each})
        ordered = [_ordered(hits, known, own, k) for hits, own in zip(found, exact, strict=True)]
        width = max(map(len, ordered), default=0)
        distances, ids = np.full((len(codes), width), -1, np.int32), np.full((len(codes), width), -1, np.int64)
        for row, hits in enumerate(ordered):
            if hits:
                distances[row, : len(hits)], ids[row, : len(hits)] = zip(*hits, strict=True)
        return Near(distances, ids)

    @property
    def most_hits(self) -> int:
        """How many hits a query can have, at most."""
        return MAX_HITS - _SPARE

    def count(self, where: str | None = None) -> int:
        """How many pictures pass a filter, or None all; raises `FilterError`."""
        self.refresh()
        return self._collection.count(self._expression(where))

    def newest(self, where: str | None, before: int | None, limit: int) -> list[Picture]:
        """The pictures of the highest ids, below `before` if given, that pass a filter; raises `FilterError`."""
        self.refresh()
        found = self._collection.highest(self._expression(where), before, limit)
        return [self._picture(row) for row in found]

    def _expression(self, where: str | None) -> str:
        """A filter as Milvus has it; empty for None, where all rows are pictures."""
        columns = {name: Kind(kind) for name, kind in self._description.columns.items()}
        if where is None:
            return EVERY if self._description.parts else ""
        passing = expression(parse(where, columns), self._description.base)
        return f"({passing}) and {EVERY}" if self._description.parts else passing

    def rows(self, ids: list[int]) -> dict[int, Picture]:
        """What the collection knows of pictures."""
        return {id_: self._picture(row) for id_, row in self._collection.rows(ids).items()}

    def _nearest(self, codes: list[bytes], k: int, filtered: str) -> list[list[tuple[int, int]]]:
        """(distance, id) of the k nearest of each code, and of all others as near as the last of them."""
        found: list[list[tuple[int, int]]] = [[] for _ in codes]
        open_, limit = list(range(len(codes))), min(k + _SPARE, MAX_HITS)
        while open_:
            hits_of_each = self._collection.nearest([codes[q] for q in open_], limit, filtered)
            for q, hits in zip(open_, hits_of_each, strict=True):
                found[q] = hits if len(hits) <= k else [hit for hit in hits if hit[0] <= hits[k - 1][0]]
            if limit == MAX_HITS:
                if k > MAX_HITS and any(len(hits) == MAX_HITS for hits in hits_of_each):
                    raise LibraryError(self.address, f"Milvus gives {MAX_HITS:,} hits at most", "ask for no more")
                break
            open_ = [q for q, hits in zip(open_, hits_of_each, strict=True) if len(hits) == limit == len(found[q])]
            limit = min(4 * limit, MAX_HITS)
        return found

    def _picture(self, row: dict[str, Any]) -> Picture:
        own = row["own"]
        try:
            path = os.fsdecode(bytes.fromhex(own["path"])) if "path" in own else row["path"]
            columns = {
                name: to_value(own["value"][name], Kind(kind))
                for name, kind in self._description.columns.items()
                if name in own["value"]
            }
            taken = None if row["taken"] == NEVER else moment(row["taken"])
            modified = moment(row["modified"] // 10**9)
        except (UnfitError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise LibraryError(
                self.address, f"row {row['id']} is not as exported", "export the library again"
            ) from error
        folder, name = os.path.split(path)
        return Picture(
            id=row["id"],
            folder=folder,
            name=name,
            base=self._description.base,
            width=row["width"],
            height=row["height"],
            bytes=row["size"],
            taken=taken,
            modified=modified,
            digest="",
            code=bytes(row["code"][0]).hex(),
            columns=columns,
        )

    def info(self) -> LibraryInfo:
        """The facts of the collection; how many bytes it takes only the server knows."""
        pictures, about = len(self), self._description
        return LibraryInfo(
            self.address, pictures, 0, 0, about.model, about.bits, about.fingerprint, "", 0, dict(about.columns),
            about.fitted_to,
        )  # fmt: skip


def send(
    library: Library,
    address: str,
    progress: Progress = silent,
    *,
    replace: bool = False,
) -> int:
    """Make a collection hold what search can find in a library, and return how many pictures that are.

    Rows are put, and between their ids older ones deleted that the library has no more: not those of another export
    that began later. Interrupted and repeated, it comes to the same. Raises `LibraryError` when the collection is of
    another model, or has other columns or another folder, unless it may `replace` it; and where Milvus has no room for
    a picture's texts.
    """
    catalogue = library.catalogue
    collection = Collection(Address.read(address))
    try:
        with catalogue.reading():
            facts, stamp = catalogue.facts(), time.time_ns()
            own, total = catalogue.columns.all(), catalogue.pictures.counts()[0]
            kinds = {name: str(column.kind) for name, column in own.items()}
            base = stored_text(os.fsdecode(library.places.base))
            wanted = Description(facts.model, facts.fingerprint, facts.bits, base, kinds)
            if layers := catalogue.embeddings.layers(facts.bits):
                kept = b64encode(layers.head.to_bytes()).decode()
                wanted = dataclasses.replace(wanted, base_model=layers.base, layers=kept, fitted_to=layers.pictures)
            if collection.exists() and collection.label() != wanted.label:
                if not replace:
                    _check(collection, wanted)
                else:
                    with suppress(UnfinishedError):
                        collection.describe()  # raises for one that is not ours
                    collection.drop()
            if not collection.exists():
                collection.create(wanted, total)
            collection.keep(wanted, stamp)
            rows = begin = 0
            ids = {column.id: name for name, column in own.items()}
            for page in catalogue.pictures.indexed():
                values = catalogue.columns.range(page[0].id, page[-1].id)
                for start in range(0, len(page), _BATCH):
                    batch = page[start : start + _BATCH]
                    collection.upsert([_row(each, ids, values, stamp) for each in batch])
                    known, end = [each.id for each in batch], batch[-1].id + 1
                    collection.delete(f"export < {stamp} and id >= {begin} and id < {end} and id not in {known}")
                    rows, begin = rows + len(batch), end
                    progress("exporting", rows, total, "")
            collection.delete(f"export < {stamp} and id >= {begin}")
    finally:
        collection.close()
    return rows


def _check(collection: Collection, wanted: Description) -> None:
    there = collection.describe()
    if (there.fingerprint, there.bits) != (wanted.fingerprint, wanted.bits):
        differs = f"codes come from model {there.model} ({there.fingerprint[:12]}), not from {wanted.model}"
        if (there.unfitted, there.bits) == (wanted.unfitted, wanted.bits):
            differs = "codes are of other hash layers: the library was fitted to its pictures since, or another was"
    elif there.base != wanted.base:
        differs = f"paths count from {there.base}, not from {wanted.base}"
    elif there.columns != wanted.columns:
        differs = "columns of your own are not those of the library"
    else:
        return
    raise LibraryError(
        collection.address, f"its {differs}", "export to another collection, or replace this one (--replace)"
    )


def _row(each: Indexed, columns: dict[int, str], stored: dict[int, dict[int, Any]], stamp: int) -> dict[str, Any]:
    """A picture as a row; own columns' names and values by their ids."""
    own = {name: stored.get(id_, {}).get(each.id) for id_, name in columns.items()}
    path = os.path.join(each.folder, each.name)
    texts = {
        name: stored_text(os.fsdecode(value)) for name, value in zip(TEXTS, (path, each.folder, each.name), strict=True)
    }
    values = {
        name: number(value) if isinstance(value, float) else value for name, value in own.items() if value is not None
    }
    kept: dict[str, Any] = {
        "value": values,
        "lower": {name: value.translate(ASCII_LOWER) for name, value in values.items() if isinstance(value, str)},
        "absent": {name: int(value is None) for name, value in own.items()},
    }
    if texts["path"].encode() != path:
        kept["path"] = path.hex()
    size = len(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_JSON:
        raise LibraryError(
            texts["path"],
            f"its own columns take {size:,} bytes, texts counted twice, and Milvus holds {MAX_JSON:,} of a picture",
            "shorten these texts, or remove the column",
        )
    return {
        "id": each.id,
        "code": each.code,
        **texts,
        **{f"{name}_lower": text.translate(ASCII_LOWER) for name, text in texts.items()},
        "width": each.width,
        "height": each.height,
        "size": each.size,
        "modified": each.mtime_ns,
        "taken": NEVER if each.taken is None else each.taken,
        "own": kept,
        "export": stamp,
    }


def _ordered(
    hits: list[tuple[int, int]], known: dict[int, bytes], values: NDArray[np.float64] | None, k: int
) -> list[tuple[int, int]]:
    """The first k by (distance, how sure the query is of the bits that differ, id)."""
    if values is None:
        return hits[:k]
    hits = [hit for hit in hits if hit[1] in known]  # the others were deleted meanwhile
    if not hits:
        return []
    distances, ids = (np.array(each) for each in zip(*hits, strict=True))
    codes = np.array([np.frombuffer(known[id_], np.uint8) for _, id_ in hits])
    of_one = Hits(np.array([len(hits)]), distances.astype(np.int32), ids.astype(np.int64))
    nearest, chosen = best(of_one, codes, values[None], min(k, len(hits)))
    return list(zip(nearest[0].tolist(), chosen[0].tolist(), strict=True))
