"""What a search found, in JSON: written once, in the thread that searched, and sent as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic_core import to_json

from transhash.plain import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from transhash.library import Hit
    from transhash.server import schemas
    from transhash.server.queries import Query


@dataclass(frozen=True)
class Found:
    """What was found for one query, nearest first."""

    query: Query
    code: NDArray[np.uint8]  # of the query
    hits: list[Hit]
    searched: int  # pictures that pass the filter
    more: bool  # whether there is more after these hits
    histogram: list[int] | None = None  # pictures at each distance, if it was asked for

    @cached_property
    def body(self) -> bytes:
        """All of it in JSON, as `schemas.Found` describes it."""
        query = self.query
        told = {
            "hits": [_told(each, query) for each in self.hits],
            "code": self.code.tobytes().hex(),
            "version": query.version,
            "values": None if query.values is None else query.values.tolist(),
            "embedding": None if query.embedding is None else query.embedding.tobytes().hex(),
            "searched": self.searched,
            "more": self.more,
            "histogram": self.histogram,
        }
        return to_json(told, inf_nan_mode="null")

    def written(self) -> Found:
        """The same with its `body` made now, in the thread that calls: the event loop shall not wait for it."""
        _ = self.body
        return self


def results(found: Iterable[Found | schemas.Unusable], milliseconds: float) -> bytes:
    """Answers to all queries of a request in JSON, as `schemas.Results` describes it."""
    each = [one.body if isinstance(one, Found) else one.model_dump_json().encode() for one in found]
    return b'{"results":[%b],"milliseconds":%.2f}' % (b",".join(each), milliseconds)


def _told(hit: Hit, query: Query) -> JsonObject:
    told = hit.picture.to_dict()
    told["distance"], told["probability"] = hit.distance, hit.probability
    told["identical"] = hit.id == query.id if query.id is not None else told["version"] == query.version
    told["copies"] = hit.copies
    return told
