"""What a search found, in JSON: written once, in the thread that searched, and sent as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from transhash.library import Picture
    from transhash.library.pictures import Written
    from transhash.library.ranking import Row
    from transhash.server import schemas
    from transhash.server.queries import Query


def told(picture: Picture | Written) -> str:
    """A picture in JSON as `schemas.Picture` describes it."""
    return picture if isinstance(picture, str) else to_json(picture.to_dict(), inf_nan_mode="null").decode()


@dataclass(frozen=True)
class Found:
    """What was found for one query, nearest first."""

    query: Query
    code: NDArray[np.uint8]  # of the query
    hits: Sequence[Row]
    searched: int  # pictures that pass the filter
    more: bool  # whether there is more after these hits
    histogram: list[int] | None = None  # pictures at each distance, if it was asked for
    copies: Sequence[tuple[int, ...]] | None = None  # of each hit, where those were collapsed

    @cached_property
    def body(self) -> bytes:
        """All of it in JSON, as `schemas.Found` describes it."""
        query = self.query
        facts = {
            "code": self.code.tobytes().hex(),
            "version": query.version,
            "values": None if query.values is None else query.values.tolist(),
            "embedding": None if query.embedding is None else query.embedding.tobytes().hex(),
            "searched": self.searched,
            "more": self.more,
            "histogram": self.histogram,
        }
        return b'{"hits":[%b],%b' % (",".join(self._hits()).encode(), to_json(facts, inf_nan_mode="null")[1:])

    def _hits(self) -> Iterable[str]:
        query = self.query
        numbers = to_json([probability for *_, probability in self.hits], inf_nan_mode="null").decode()
        copies = [f"[{','.join(map(str, own))}]" for own in self.copies] if self.copies else ["[]"] * len(self.hits)
        begins, ends = (f'{{"id":{query.id},', "}") if query.id is not None else ("{", f'"version":"{query.version}"}}')
        for (picture, distance, _), probability, own in zip(self.hits, numbers[1:-1].split(","), copies, strict=False):
            text = told(picture)
            same = "true" if text.startswith(begins) and text.endswith(ends) else "false"
            yield (f'{text[:-1]},"distance":{distance},"probability":{probability},"identical":{same},"copies":{own}}}')

    def written(self) -> Found:
        """The same with its `body` made now, in the thread that calls: the event loop shall not wait for it."""
        _ = self.body
        return self


def results(found: Iterable[Found | schemas.Unusable], milliseconds: float) -> bytes:
    """Answers to all queries of a request in JSON, as `schemas.Results` describes it."""
    each = [one.body if isinstance(one, Found) else one.model_dump_json().encode() for one in found]
    return b'{"results":[%b],"milliseconds":%.2f}' % (b",".join(each), milliseconds)
