"""What `search` says about its hits: which are the same picture, and why there are none."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from transhash.errors import LibraryError
from transhash.library.catalogue.kinds import Kind
from transhash.library.catalogue.where import Condition, Tree, parse

if TYPE_CHECKING:
    from transhash.cli.queries import Query
    from transhash.library import Hit, Library, Searchable
    from transhash.model import Encoded


def check_probability(library: Searchable, wanted: float | None) -> None:
    """Raise `LibraryError` when no hit could be so probable: the calibration of the library's model ends below."""
    from transhash.library import Library
    from transhash.library.searchable import HasModel
    from transhash.model import calibration_of

    if wanted is None or not isinstance(library, HasModel):  # a server knows its calibration
        return
    calibration = calibration_of(library.model)
    if isinstance(library, Library) and library.searching.by_embeddings:  # whose probabilities have no such end
        return
    if calibration and wanted > calibration.certainty:
        highest = math.floor(calibration.certainty * 100) / 100
        raise LibraryError(
            f"--min-probability {wanted:g}",
            f"the calibration of model {library.model.name} gives {highest:g} at most",
            "ask for less, or limit the distance (--max-distance)",
        )


def same_pictures(query: Query, hits: Iterable[Hit]) -> set[int]:
    """Return the ids of hits whose files have the same bytes as the query's; none for a query that is no file.

    A server gives the first digits of a file's digest, a collection in Milvus none.
    """
    from transhash.images import read_file
    from transhash.library.digests import content_hash

    source = query.source
    if isinstance(source, bytes):
        size = len(source)
    elif isinstance(source, str | os.PathLike):
        size = os.path.getsize(source)
    else:
        return set()
    as_large = [hit.picture for hit in hits if hit.picture.bytes == size and hit.picture.digest]
    if not as_large:
        return set()
    digest = content_hash(source if isinstance(source, bytes) else read_file(source)).hexdigest()
    return {picture.id for picture in as_large if digest.startswith(picture.digest)}


def why_nothing(
    library: Searchable,
    query: Encoded | None,
    where: str | None,
    max_distance: int | None,
    min_probability: float | None,
) -> str:
    """Return why a query that was encoded has no hit under limits, and what to change."""
    from transhash.library import Library, Queries

    total = len(library)
    if not isinstance(library, Library) or query is None:
        return "no picture is within the limits"
    if not total:
        return "the library has no pictures; run `transhash index DIR`"
    if where is not None and not len(library.passing(where)):
        return f"0 of {total:,} pictures pass the filter{_without_values(library, where)}"
    (nearest,) = library.search(Queries.of_encoded([query], library.bits), 1, where=where)[0]
    passing = "" if where is None else " that passes the filter"
    allowed = []
    if max_distance is not None and nearest.distance > max_distance:
        allowed.append(f"--max-distance {nearest.distance}")
    if min_probability is not None and (nearest.probability or 0) < min_probability:
        allowed.append(f"--min-probability {int((nearest.probability or 0) * 100) / 100}")
    return f"the nearest picture{passing} differs in {nearest.distance} bits; allow it with {' '.join(allowed)}"


def _without_values(library: Library, where: str) -> str:
    """Which columns of a filter have no value in how many pictures, as the end of a sentence."""
    kinds = {name: Kind(kind) for name, kind in library.info().columns.items()}
    counts = {}
    for column in dict.fromkeys(_columns(parse(where, kinds))):
        name = column.replace('"', '""')
        if count := len(library.passing(f'"{name}" is null')):
            counts[column] = count
    return "".join(f"; {count:,} have no `{column}`" for column, count in counts.items())


def _columns(tree: Tree) -> Iterator[str]:
    """The columns whose values a filter compares."""
    if isinstance(tree, Condition):
        if tree.operator not in ("null", "not null"):
            yield tree.column
    else:
        for part in tree.parts:
            yield from _columns(part)
