"""Searches with words and with vectors, where the library's model reads these."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from starlette.responses import Response

from transhash.errors import ModelError, VectorsError
from transhash.library import Library, Words
from transhash.library.ranking import encoded
from transhash.library.searchable import One
from transhash.server import schemas
from transhash.server.faults import Fault
from transhash.server.queries import Options, Query
from transhash.server.routes.common import Served, api_router
from transhash.server.routes.search import answer, options_of
from transhash.server.service import Service

router = api_router()


@router.post("/search/by-words", summary="Search with words", response_model=schemas.Results)
async def search_by_words(served: Served, body: schemas.ByWords) -> Response:
    """The pictures that words describe; the library's model needs a text tower, as CLIP and SigLIP have."""
    began = time.perf_counter()
    queries = await described(served, [Words(each) for each in body.words], options_of(body))
    return answer([*await served.search(queries)], began)


@router.post("/search/by-vector", summary="Search with vectors", response_model=schemas.Results)
async def search_by_vector(served: Served, body: schemas.ByVector) -> Response:
    """The rows whose vectors have the greatest cosines with given ones, of a library whose model gives vectors."""
    began = time.perf_counter()
    queries = await described(served, [np.array(each, np.float32) for each in body.vectors], options_of(body))
    return answer([*await served.search(queries)], began)


async def described(served: Service, asked: Sequence[One], options: Options) -> list[Query]:
    """Words and vectors as queries; raises a `Fault` where the model does not read them."""

    def read(library: Library) -> list[Query]:
        try:
            found = encoded(library.model, asked)
        except (ModelError, VectorsError) as error:
            raise Fault(422, "model", error.reason, error.remedy) from error
        assert found.values is not None
        assert found.embeddings is not None
        rows = zip(found.codes, found.values, found.embeddings, strict=True)
        of_words = found.of_words
        return [
            Query(options, code=code, values=values, embedding=kept, of_words=of_words) for code, values, kept in rows
        ]

    return await served.draw(read) if asked else []
