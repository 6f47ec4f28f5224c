"""A library whose codes are in Milvus: searched there, filled by `transhash export --to milvus://…`.

library = Library.open("milvus://localhost:19530/photos")
hits = library.search("query.jpg", k=10, where="width >= 800")
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from transhash.codes import check_values
from transhash.errors import HammingIndexError, LibraryError
from transhash.library.catalogue.database import Facts
from transhash.library.catalogue.kinds import Kind, UnfitError, to_value
from transhash.library.catalogue.pictures import Catalogue, Indexed
from transhash.library.catalogue.where import parse
from transhash.library.files.paths import Places
from transhash.library.library import Library
from transhash.library.results import Hit, LibraryInfo
from transhash.remote.milvus_collection import MAX_HITS, TEXTS, Address, Collection, Description
from transhash.remote.milvus_filter import ASCII_LOWER, NEVER, expression, number, stored_text
from transhash.search.hits import Hits
from transhash.search.rerank import best

if TYPE_CHECKING:
    from transhash.model import HashModel

_QUERIES = 64  # asked together
_SPARE = 64  # hits beyond k at first: equal distances are ordered here, and all of them must be seen
_BATCH = 1000  # rows sent together


class MilvusLibrary(Library):
    """A collection in Milvus with a library's face; only what searches is here.

    Order and distances are those of the library that was exported, if the index is BIN_FLAT, up to 16,384 pictures of
    equal distance at the end of the hits. BIN_IVF_FLAT looks at some lists of codes only, and may miss hits.
    """

    def __init__(self, address: str, model: HashModel | None = None) -> None:
        """Use `Library.open`."""
        where = Address.read(address)
        self.path = cast(Path, str(where))  # for messages: an address is no path
        self._collection = Collection(where)
        self._description = about = self._collection.describe()
        self._facts = Facts(about.model, about.fingerprint, about.bits, b"", "")
        self._model = model
        if model and model.fingerprint != about.fingerprint:
            self.close()
            raise LibraryError(
                f"{self.path}: its codes come from model {about.model} ({about.fingerprint[:12]}) and cannot be "
                f"compared with those of {model.name} ({model.fingerprint[:12]}); use its own, or export a library of "
                "this model to another collection"
            )

    def close(self) -> None:
        """Leave the server; the library is not used any more."""
        self._collection.close()

    def __len__(self) -> int:
        """How many pictures search can find."""
        return self._collection.count()

    def _hits(
        self,
        codes: NDArray[np.uint8],
        k: int,
        radius: int,
        where: str | None,
        values: NDArray[np.float32] | None,
    ) -> list[list[Hit]]:
        """As the local library's; Milvus gives at most 16,384 hits a query."""
        if not isinstance(k, (int, np.integer)) or k < 1:
            raise HammingIndexError(f"k is {k!r}: ask for 1 result or more")
        calibration = self.model.calibration
        columns = {name: Kind(kind) for name, kind in self._description.columns.items()}
        filtered = "" if where is None else expression(parse(where, columns), self._description.base)
        exact = [None] * len(codes) if values is None else list(check_values(values, codes))
        found: list[list[tuple[int, int]]] = []
        for start in range(0, len(codes), _QUERIES):
            found += self._nearest([code.tobytes() for code in codes[start : start + _QUERIES]], k, filtered)
        within = [[(distance, id_) for distance, id_ in each if distance <= radius] for each in found]
        rows = self._collection.rows({id_ for each in within for _, id_ in each})
        result = []
        for hits, own in zip(within, exact, strict=True):
            there = [(distance, id_) for distance, id_ in hits if id_ in rows]  # deleted meanwhile
            ordered = _ordered(there, rows, own, k)
            likely = calibration.probability([distance for distance, _ in ordered]).tolist() if calibration else None
            result.append(
                [
                    self._hit(distance, rows[id_], likely[place] if likely else None)
                    for place, (distance, id_) in enumerate(ordered)
                ]
            )
        return result

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
                    raise LibraryError(f"{self.path}: Milvus gives {MAX_HITS:,} hits at most; ask for no more")
                break
            open_ = [q for q, hits in zip(open_, hits_of_each, strict=True) if len(hits) == limit == len(found[q])]
            limit = min(4 * limit, MAX_HITS)
        return found

    def _hit(self, distance: int, row: dict[str, Any], probability: float | None) -> Hit:
        own = row["own"]
        try:
            path = os.fsdecode(bytes.fromhex(own["path"])) if "path" in own else row["path"]
            columns = {
                name: to_value(own["value"][name], Kind(kind))
                for name, kind in self._description.columns.items()
                if name in own["value"]
            }
        except (UnfitError, KeyError, TypeError, ValueError) as error:
            raise LibraryError(f"{self.path}: row {row['id']} is not as exported; export the library again") from error
        place = Path(os.path.join(self._description.base, path))
        return Hit(place, distance, row["id"], row["width"], row["height"], columns, probability)

    def info(self) -> LibraryInfo:
        """The facts of the collection; how many bytes it takes only the server knows."""
        about = self._description
        return LibraryInfo(
            self.path, len(self), 0, 0, about.model, about.bits, about.fingerprint, "", 0, dict(about.columns)
        )

    def _elsewhere(self, *_: Any, **__: Any) -> NoReturn:
        raise LibraryError(
            f"{self.path}: a collection in Milvus is searched, no more; do this with the library that was exported to "
            "it, and export that again"
        )

    index = duplicates = annotate = drop_column = export = verify = reopen = add = remove = _elsewhere
    passing = pictures = described = facets = _elsewhere


def send(
    address: str,
    catalogue: Catalogue,
    places: Places,
    progress: Callable[[int], object] = lambda _: None,
    *,
    replace: bool = False,
) -> int:
    """Make a collection hold what search can find in a library: rows are put, then those that it has no more deleted.

    Broken off and repeated, it comes to the same. Raises `LibraryError` when the collection is of another model, or has
    other columns or another folder, unless it may `replace` it.
    """
    collection = Collection(Address.read(address))
    try:
        with catalogue.reading():
            facts, own = catalogue.facts(), catalogue.own_columns()
            kinds = {name: str(column.kind) for name, column in own.items()}
            base = stored_text(os.fsdecode(places.base))
            wanted = Description(facts.model, facts.fingerprint, facts.bits, base, kinds)
            if collection.exists():
                if not replace:
                    _check(collection, wanted)
                elif collection.describe() != wanted:
                    collection.drop()
            if not collection.exists():
                collection.create(wanted, catalogue.counts()[0])
            stamp, rows = time.time_ns(), 0
            ids = {column.id: name for name, column in own.items()}
            for page in catalogue.indexed():
                values = catalogue.own_range(page[0].id, page[-1].id)
                for start in range(0, len(page), _BATCH):
                    batch = page[start : start + _BATCH]
                    collection.upsert(
                        [
                            _row(each, {name: values.get(id_, {}).get(each.id) for id_, name in ids.items()}, stamp)
                            for each in batch
                        ]
                    )
                    rows += len(batch)
                    progress(rows)
            collection.delete(f"export != {stamp}")
    finally:
        collection.close()
    return rows


def _check(collection: Collection, wanted: Description) -> None:
    there = collection.describe()
    if (there.fingerprint, there.bits) != (wanted.fingerprint, wanted.bits):
        differs = f"codes come from model {there.model} ({there.fingerprint[:12]}), not from {wanted.model}"
    elif there.base != wanted.base:
        differs = f"paths count from {there.base}, not from {wanted.base}"
    elif there.columns != wanted.columns:
        differs = "columns of your own are not those of the library"
    else:
        return
    raise LibraryError(
        f"{collection.address}: its {differs}; export to another collection, or replace this one (--replace)"
    )


def _row(each: Indexed, own: dict[str, Any], stamp: int) -> dict[str, Any]:
    """A picture as a row."""
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
    hits: list[tuple[int, int]], rows: dict[int, dict[str, Any]], values: NDArray[np.float64] | None, k: int
) -> list[tuple[int, int]]:
    """The first k by (distance, how sure the query is of the bits that differ, id)."""
    if not hits or values is None:
        return hits[:k]
    distances, ids = (np.array(each) for each in zip(*hits, strict=True))
    codes = np.array([np.frombuffer(rows[id_]["code"][0], np.uint8) for _, id_ in hits])
    of_one = Hits(np.array([len(hits)]), distances.astype(np.int32), ids.astype(np.int64))
    nearest, chosen = best(of_one, codes, values[None], min(k, len(hits)))
    return list(zip(nearest[0].tolist(), chosen[0].tolist(), strict=True))
