"""Searches: with pictures, codes, relaxed codes, or pictures of the library."""

from __future__ import annotations

import time
from typing import Annotated, TypeAlias

from fastapi import Depends, Query, Request
from starlette.responses import Response

from transhash.codes import MOST_BITS, pack
from transhash.errors import ImageError
from transhash.server import faults, schemas, uploads
from transhash.server.found import Found
from transhash.server.found import results as written
from transhash.server.queries import Options
from transhash.server.queries import Query as Asked
from transhash.server.routes.common import UNKNOWN, UNTYPED, Anything, Id, Searching, Where, api_router, sender
from transhash.server.searching import as_code, as_embeddings, as_values
from transhash.server.service import version
from transhash.server.settings import MOST_HITS, MOST_RANKED

router = api_router()


async def asked(  # noqa: PLR0917 - FastAPI calls it by name
    where: Where,
    k: Annotated[int, Query(ge=1, le=MOST_HITS, description="How many hits, at most.")] = 50,
    offset: Annotated[int, Query(ge=0, le=MOST_RANKED, description="How many of the nearest to leave out.")] = 0,
    max_distance: Annotated[int | None, Query(ge=0, le=MOST_BITS, description="How many bits may differ.")] = None,
    min_probability: Annotated[float | None, Query(ge=0, le=1, description="How probable, at least.")] = None,
    histogram: Annotated[bool, Query(description="Whether to count the pictures at each distance.")] = False,
    collapse: Annotated[bool, Query(description=schemas.COLLAPSE)] = False,
) -> Options:
    """What is asked about a query, in the address."""
    return Options(k, offset, max_distance, min_probability, where, histogram, collapse)


AskedHere: TypeAlias = Annotated[Options, Depends(asked)]


def options_of(body: schemas.Asked) -> Options:
    """What is asked about a query, in the body."""
    where = body.where if body.where and body.where.strip() else None
    return Options(body.k, body.offset, body.max_distance, body.min_probability, where, body.histogram, body.collapse)


async def _results(served: Searching, queries: list[Asked], began: float) -> Response:
    return answer([*await served.search(queries)], began)


def answer(results: list[Found | schemas.Unusable], began: float) -> Response:
    """What was found, and how long it took since the request began."""
    return Response(written(results, (time.perf_counter() - began) * 1000), media_type="application/json")


@router.post(
    "/search",
    summary="Search with pictures",
    responses=UNTYPED,
    openapi_extra=uploads.BODY,
    response_model=schemas.Results,
)
async def search(request: Request, served: Anything, options: AskedHere) -> Response:
    """The pictures most like those that are sent. Of several, those that cannot be used have a `fault` instead."""
    began = time.perf_counter()
    sent = await uploads.pictures(request, served.settings)
    encoded = await served.encode(sent, sender(request))
    errors = [each for each in encoded if isinstance(each, ImageError)]
    if len(errors) == len(encoded):
        raise faults.of(errors[0])
    queries = [
        Asked(options, code=one.code, values=one.values, embedding=one.embedding, version=version(content))
        for content, one in zip(sent, encoded, strict=True)
        if not isinstance(one, ImageError)
    ]
    found = iter(await served.search(queries))
    name = faults.request_id(request)
    return answer(
        [
            schemas.Unusable(fault=faults.of(each).body(name)) if isinstance(each, ImageError) else next(found)
            for each in encoded
        ],
        began,
    )


@router.post("/search/by-code", summary="Search with codes", response_model=schemas.Results)
async def search_by_code(served: Anything, body: schemas.ByCode) -> Response:
    """The pictures whose codes are nearest to given ones, equal distances by id."""
    began = time.perf_counter()
    if body.fingerprint not in (None, served.fingerprint):
        raise faults.other_codes(served.fingerprint)
    bits, options = served.bits, options_of(body)
    return await _results(served, [Asked(options, code=as_code(each, bits)) for each in body.codes], began)


@router.post("/search/by-values", summary="Search with relaxed codes", response_model=schemas.Results)
async def search_by_values(served: Anything, body: schemas.ByValues) -> Response:
    """The same as a search with the pictures that these are of."""
    began = time.perf_counter()
    bits, options = served.bits, options_of(body)
    values = [as_values(each, bits) for each in body.values]
    kept = as_embeddings(body.embeddings, len(values))
    queries = [
        Asked(
            options,
            code=pack(each[None])[0],
            values=each,
            embedding=own,
            of_words=body.of_words,
            version=body.version,
        )
        for each, own in zip(values, kept, strict=True)
    ]
    return await _results(served, queries, began)


@router.post(
    "/search/by-id", summary="Search with the library's pictures", responses=UNKNOWN, response_model=schemas.Results
)
async def search_by_id(served: Anything, body: schemas.ById) -> Response:
    """The pictures most like pictures of the library; each is among its own hits, at distance 0."""
    began = time.perf_counter()
    options = options_of(body)
    return await _results(served, [Asked(options, id=id_) for id_ in body.ids], began)


@router.get(
    "/pictures/{id}/similar", summary="Search with a picture", responses=UNKNOWN, response_model=schemas.Results
)
async def similar(served: Anything, id: Id, options: AskedHere) -> Response:
    """The pictures most like one of the library; itself is among those with an equal code, at distance 0."""
    began = time.perf_counter()
    return await _results(served, [Asked(options, id=id)], began)
