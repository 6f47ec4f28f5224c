"""A collection on another machine: its pictures, its facts, and what it lacks."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from transhash.server import faults, schemas
from transhash.server.collection import LACKS, CollectionService, id_of
from transhash.server.routes.common import UNKNOWN, Before, Id, Limit, Where, api_router, facts_of, service
from transhash.server.settings import MOST_RANKED

router = api_router()

Served: TypeAlias = Annotated[CollectionService, Depends(service)]


@router.get("/pictures", summary="Look through the collection")
async def pictures(served: Served, where: Where, before: Before = None, limit: Limit = 100) -> schemas.Page:
    """The pictures that pass a filter, the newest first."""
    total = await served.look(lambda _: served.count(where))
    found = await served.look(lambda collection: collection.newest(where, before, limit + 1))
    listed = [schemas.Picture(**each.to_dict()) for each in found[:limit]]
    return schemas.Page(pictures=listed, total=total, more=len(found) > limit)


@router.get("/pictures/{id}", summary="A picture", responses=UNKNOWN)
async def picture(served: Served, id: Id) -> schemas.Picture:
    """What is known of a picture."""
    known = (await served.look(lambda collection: collection.rows([id]))).get(id)
    if known is None:
        raise faults.unknown_picture()
    return schemas.Picture(**known.to_dict())


@router.get("/library", summary="The collection")
async def facts(served: Served) -> schemas.LibraryFacts:
    """The facts of the collection, what this server allows, and what a collection lacks."""
    await served.refresh()
    info = await served.look(lambda collection: collection.info())
    return facts_of(
        info,
        served.settings,
        served.model.calibration,
        id=id_of(info),
        name=str(info.path).rpartition("/")[2],
        ranked=min(MOST_RANKED, served.collection.most_hits),
        lacks=LACKS,
    )


@router.get("/library/facets", summary="What filters can choose from")
async def facets() -> schemas.Facets:
    """Nothing: to list its folders and texts, a collection would have to be read whole."""
    return schemas.Facets(folders=[], texts={})


@router.get("/pictures/{id}/thumbnail", include_in_schema=False)
@router.get("/pictures/{id}/original", include_in_schema=False)
@router.get("/pictures/{id}/occlusion", include_in_schema=False)
@router.get("/duplicates", include_in_schema=False)
@router.post("/search/joined", include_in_schema=False)
@router.post("/search/by-words", include_in_schema=False)
@router.post("/search/by-vector", include_in_schema=False)
async def lacking(request: Request) -> None:
    """What the server of a library has, and a collection has not."""
    what = request.url.path.rpartition("/")[2]
    names = {"occlusion": "explanations", "duplicates": "duplicates", "joined": "searches with several at once"}
    names |= {"by-words": "searches by words", "by-vector": "searches by vectors"}
    raise faults.lacking(names.get(what, f"{what}s"))


@router.post("/pictures", include_in_schema=False)
@router.delete("/pictures/{id}", include_in_schema=False)
@router.post("/annotations", include_in_schema=False)
async def changing() -> None:
    """A collection is changed by exporting the library again."""
    raise faults.unchangeable()
