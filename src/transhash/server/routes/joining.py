"""Searches with several pictures at once: like these, but not like those."""

from __future__ import annotations

import time

import numpy as np
from fastapi import APIRouter

from transhash.codes import pack
from transhash.library import Library
from transhash.server import schemas
from transhash.server.joining import joined
from transhash.server.routes.common import FAULTS, UNKNOWN, Served
from transhash.server.routes.search import answer, options_of
from transhash.server.searching import Query, as_code, as_embeddings, as_values
from transhash.server.security import API

router = APIRouter(prefix=API, responses=FAULTS)


@router.post("/search/joined", summary="Search with several at once", responses=UNKNOWN)
async def search_joined(served: Served, body: schemas.Joined) -> schemas.Results:
    """The pictures most like all of some, and not like others: one result for all together."""
    began = time.perf_counter()
    bits, options = served.bits, options_of(body)

    def asked(part: schemas.Part) -> Query:
        values = None if part.values is None else as_values(part.values, bits)
        code = None if values is None else np.ravel(pack(values[None]))
        if part.code is not None:
            code = as_code(part.code, bits)
        own = None if part.embedding is None else as_embeddings([part.embedding], 1)[0]
        return Query(options, id=part.id, code=code, values=values, embedding=own)

    like, unlike = [asked(each) for each in body.like], [asked(each) for each in body.unlike]

    def found(_: Library) -> Query:
        library, index = served.live.now()
        return joined(library, index, options, like, unlike)

    return answer([*await served.search([await served.look(found)])], began)
