"""Searches with several pictures at once: like these, but not like those."""

from __future__ import annotations

import time

import numpy as np
from starlette.responses import Response

from transhash.codes import pack
from transhash.library import Library, Words
from transhash.library.searchable import One
from transhash.server import schemas
from transhash.server.joining import joined
from transhash.server.queries import Query
from transhash.server.routes.common import UNKNOWN, Served, api_router
from transhash.server.routes.described import described
from transhash.server.routes.search import answer, options_of
from transhash.server.searching import as_code, as_embeddings, as_values

router = api_router()


@router.post("/search/joined", summary="Search with several at once", responses=UNKNOWN, response_model=schemas.Results)
async def search_joined(served: Served, body: schemas.Joined) -> Response:
    """The pictures most like all of some, words and vectors too, and not like others: one result for all together."""
    began = time.perf_counter()
    bits, options = served.bits, options_of(body)

    parts = [*body.like, *body.unlike]
    said: list[One] = []
    for part in parts:
        said += [] if part.words is None else [Words(part.words)]
        said += [] if part.vector is None else [np.array(part.vector, np.float32)]
    read = iter(await described(served, said, options))

    def asked(part: schemas.Part) -> Query:
        if part.words is not None or part.vector is not None:
            return next(read)
        values = None if part.values is None else as_values(part.values, bits)
        code = None if values is None else np.ravel(pack(values[None]))
        if part.code is not None:
            code = as_code(part.code, bits)
        own = None if part.embedding is None else as_embeddings([part.embedding], 1)[0]
        return Query(options, id=part.id, code=code, values=values, embedding=own)

    queries = [asked(each) for each in parts]
    like, unlike = queries[: len(body.like)], queries[len(body.like) :]

    def found(_: Library) -> Query:
        return joined(served.live.now()[1], options, like, unlike)

    return answer([*await served.search([await served.look(found)])], began)
