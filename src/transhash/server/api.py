"""The REST API, version 1."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from transhash.errors import ImageError
from transhash.library.files.thumbnails import Shown, full_size
from transhash.model.explain import occlusion
from transhash.server import faults, schemas, security, uploads
from transhash.server.faults import Fault, json_response
from transhash.server.searching import Options, as_code, as_values
from transhash.server.searching import Query as Wanted
from transhash.server.service import Service
from transhash.server.settings import MOST_HITS, MOST_QUERIES

if TYPE_CHECKING:
    from transhash.library import Library

FOR_EVER = "private, max-age=31536000, immutable"
FOR_NOW = "private, no-cache"

_FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Fault, "description": text}
    for status, text in {
        400: "The request is no proper one.",
        401: "No valid token.",
        403: "Not allowed: asked by another site, or switched off.",
        408: "The request did not arrive in time.",
        413: "Too large.",
        421: "Not a name of this server.",
        422: "A value or a picture that cannot be used.",
        429: "Too much at once.",
        503: "It took too long, or the library cannot be used.",
    }.items()
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Fault, "description": "No picture of this id."}}
_UNTYPED: dict[int | str, dict[str, Any]] = {415: {"model": schemas.Fault, "description": "Not a type that is read."}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": _BINARY, "image/png": _BINARY}, "description": "The picture, pixels alone."},
    304: {"description": "As it was."},
}

router = APIRouter(prefix=security.API, responses=_FAULTS)
Id = Annotated[int, Path(ge=0, le=schemas.LAST_ID, description="A picture's id.")]
Version = Annotated[str | None, Query(max_length=64, description="The picture's `version`.")]
Where = Annotated[str | None, Query(max_length=schemas.MOST_TEXT, description="A filter, such as width >= 800.")]


def service(request: Request) -> Service:
    """The service of this application."""
    found: Service = request.app.state.service
    return found


Served = Annotated[Service, Depends(service)]


def asked(  # noqa: PLR0917 - FastAPI calls it by name
    k: Annotated[int, Query(ge=1, le=MOST_HITS, description="How many hits, at most.")] = 50,
    offset: Annotated[int, Query(ge=0, le=100_000_000, description="How many of the nearest to leave out.")] = 0,
    max_distance: Annotated[int | None, Query(ge=0, le=512, description="How many bits may differ, at most.")] = None,
    min_probability: Annotated[float | None, Query(ge=0, le=1, description="How probable, at least.")] = None,
    where: Where = None,
    histogram: Annotated[bool, Query(description="Whether to count the pictures at each distance.")] = False,
) -> Options:
    """What is asked about a query, in the address."""
    return Options(k, offset, max_distance, min_probability, where, histogram)


AskedHere = Annotated[Options, Depends(asked)]


def _options(body: schemas.Asked) -> Options:
    return Options(body.k, body.offset, body.max_distance, body.min_probability, body.where, body.histogram)


async def _results(served: Service, queries: list[Wanted], began: float) -> Response:
    found = await served.search(queries)
    return json_response(_answer([each.body for each in found], began))


def _answer(results: list[dict[str, Any]], began: float) -> dict[str, Any]:
    return {"results": results, "milliseconds": round((time.perf_counter() - began) * 1000, 2)}


@router.post(
    "/search",
    summary="Search with pictures",
    responses={200: {"model": schemas.Results}, **_UNTYPED},
    openapi_extra=uploads.BODY,
)
async def search(request: Request, served: Served, options: AskedHere) -> Response:
    """The pictures most like those that are sent. Of several, those that cannot be used have a `fault` instead."""
    began = time.perf_counter()
    sent = await uploads.pictures(request, served.settings)
    encoded = await served.encode(sent)
    errors = [each for each in encoded if isinstance(each, ImageError)]
    if len(errors) == len(encoded):
        raise faults.of(errors[0])
    queries = [Wanted(options, code=_packed(each), values=each) for each in encoded if not isinstance(each, ImageError)]
    found = iter(await served.search(queries))
    results = [
        {"fault": faults.of(each).body()} if isinstance(each, ImageError) else next(found).body for each in encoded
    ]
    return json_response(_answer(results, began))


@router.post("/search/by-code", summary="Search with codes", responses={200: {"model": schemas.Results}})
async def search_by_code(served: Served, body: schemas.ByCode) -> Response:
    """The pictures whose codes are nearest to given ones, equal distances by id."""
    began = time.perf_counter()
    bits, options = served.live.index.bits, _options(body)
    return await _results(served, [Wanted(options, code=as_code(each, bits)) for each in body.codes], began)


@router.post("/search/by-values", summary="Search with relaxed codes", responses={200: {"model": schemas.Results}})
async def search_by_values(served: Served, body: schemas.ByValues) -> Response:
    """The same as a search with the pictures that these are of."""
    began = time.perf_counter()
    bits, options = served.live.index.bits, _options(body)
    values = [as_values(each, bits) for each in body.values]
    return await _results(served, [Wanted(options, code=_packed(each), values=each) for each in values], began)


@router.post(
    "/search/by-id",
    summary="Search with the library's pictures",
    responses={200: {"model": schemas.Results}, **_UNKNOWN},
)
async def search_by_id(served: Served, body: schemas.ById) -> Response:
    """The pictures most like pictures of the library; each is among its own hits, at distance 0."""
    began = time.perf_counter()
    options = _options(body)
    return await _results(served, [Wanted(options, id=id_) for id_ in body.ids], began)


@router.get("/pictures", summary="Look through the library", responses={200: {"model": schemas.Page}})
async def pictures(
    served: Served,
    where: Where = None,
    before: Annotated[int | None, Query(ge=0, le=schemas.LAST_ID, description="Only lower ids.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_HITS)] = 100,
) -> Response:
    """The pictures that pass a filter, the newest first."""

    def found(library: Library) -> dict[str, Any]:
        ids = served.searcher.passing(where)
        end = len(ids) if before is None else int(ids.searchsorted(before))
        page = ids[max(0, end - limit) : end][::-1].tolist()
        known = library.described(page)
        listed = [known[id_] for id_ in page if id_ in known]
        return {"pictures": listed, "total": len(ids), "more": end > limit}

    return json_response(await served.look(found))


@router.post(
    "/pictures",
    status_code=201,
    summary="Add pictures",
    responses={201: {"model": schemas.Added}, **_UNTYPED},
    openapi_extra=uploads.BODY,
)
async def add(request: Request, served: Served) -> Response:
    """Put pictures away beside the library and index them: all that are sent, or none."""
    if not served.settings.writable:
        raise Fault(403, "this server only reads", "start it with --writable")
    sent = await uploads.pictures(request, served.settings)

    def added(library: Library) -> list[int]:
        ids = library.add(sent, max_pixels=served.settings.max_pixels)
        served.live.changed(ids)
        return ids

    ids = await served.write(added)
    return json_response({"ids": ids}, 201)


@router.get("/pictures/{id}", summary="A picture", responses={200: {"model": schemas.Picture}, **_UNKNOWN})
async def picture(served: Served, id: Id) -> Response:
    """What is known of a picture."""

    body = (await served.look(lambda library: library.described([id]))).get(id)
    if body is None:
        raise faults.unknown_picture()
    return json_response(body)


@router.delete("/pictures/{id}", status_code=204, summary="Remove a picture", responses=_UNKNOWN)
async def remove(served: Served, id: Id) -> Response:
    """Forget a picture. Its file is deleted only if it was added here; any other is found again when it is indexed."""

    def removed(library: Library) -> int:
        count = library.remove([id])
        served.live.changed([id])
        return count

    if not await served.write(removed):
        raise faults.unknown_picture()
    return Response(status_code=204)


@router.get(
    "/pictures/{id}/similar", summary="Search with a picture", responses={200: {"model": schemas.Results}, **_UNKNOWN}
)
async def similar(served: Served, id: Id, options: AskedHere) -> Response:
    """The pictures most like one of the library; itself is among those with an equal code, at distance 0."""
    began = time.perf_counter()
    return await _results(served, [Wanted(options, id=id)], began)


@router.get("/pictures/{id}/thumbnail", summary="A small copy", responses={**_PICTURE, **_UNKNOWN})
async def thumbnail(request: Request, served: Served, id: Id, v: Version = None) -> Response:
    """At most 480 pixels a side, JPEG. With the picture's `version` the answer may be kept for ever."""
    return await _shown(request, served, id, v, served.thumbnails.get)


@router.get("/pictures/{id}/original", summary="In full size", responses={**_PICTURE, **_UNKNOWN})
async def original(request: Request, served: Served, id: Id, v: Version = None) -> Response:
    """Upright and without metadata: JPEG if its file is, else PNG."""
    if not served.settings.originals:
        raise Fault(403, "originals are switched off", "use the thumbnail")
    return await _shown(request, served, id, v, partial(full_size, max_pixels=4 * served.settings.max_pixels))


async def _shown(request: Request, served: Service, id_: int, version: str | None, make: Any) -> Response:
    held = request.headers.get("if-none-match")

    def shown(library: Library) -> tuple[str, Shown | None] | None:
        each = library.pictures([id_]).get(id_)
        if each is None:
            return None
        mark = f'"{each.digest[:12]}"'
        return mark, None if held == mark else make(each)

    drawn = await served.draw(shown)
    if drawn is None:
        raise faults.unknown_picture()
    mark, content = drawn
    headers = {"ETag": mark, "Cache-Control": FOR_EVER if version and mark == f'"{version}"' else FOR_NOW}
    if content is None:
        return Response(status_code=304, headers=headers)
    if not content.current:  # the file has changed since it was indexed
        headers = {"Cache-Control": "no-store"}
    return Response(content.content, 200, headers, content.type)


@router.get(
    "/pictures/{id}/occlusion",
    summary="What its code depends on",
    responses={200: {"model": schemas.Occlusion}, **_UNKNOWN},
)
async def occlusion_of(served: Served, id: Id) -> Response:
    """Each cell of the picture's centred square is covered in turn: how far either stream's part of the code moves."""

    def maps(library: Library) -> dict[str, Any] | None:
        each = library.pictures([id]).get(id)
        if each is None:
            return None
        found = occlusion(library.model, each.path)
        local = None if found.of_local is None else found.of_local.round(4).tolist()
        return {"of_global": found.of_global.round(4).tolist(), "of_local": local, "crop": library.model.crop}

    body = await served.draw(maps)
    if body is None:
        raise faults.unknown_picture()
    return json_response(body, headers={"Cache-Control": "private, max-age=3600"})


@router.get(
    "/duplicates",
    summary="Near-identical pictures",
    responses={200: {"model": schemas.Duplicates}, 202: {"model": schemas.Progress}},
)
async def duplicates(
    served: Served,
    max_distance: Annotated[int, Query(ge=0, le=64, description="Of codes whose pictures are compared.")] = 8,
    offset: Annotated[int, Query(ge=0, le=100_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_HITS)] = 100,
    again: Annotated[bool, Query(description="Search anew, although there is a result.")] = False,
) -> Response:
    """Groups, each with the one to keep. The first request begins the search; while it runs, the answer is 202."""
    run = served.duplicates.get(max_distance, again=again)
    for _ in range(20):  # most libraries are small
        if run.groups is not None or run.error:
            break
        await asyncio.sleep(0.05)
    if run.error:
        raise faults.of(run.error)
    if run.groups is None:
        return json_response({"stage": run.stage, "done": run.done, "total": run.total}, 202, {"Retry-After": "1"})
    return json_response(
        {
            "groups": run.groups[offset : offset + limit],
            "total": len(run.groups),
            "copies": sum(len(group["same"]) for group in run.groups),
            "skipped": run.skipped,
            "stale": run.version != served.live.version,
        }
    )


@router.post("/annotations", summary="Add own columns", responses={200: {"model": schemas.AnnotationOutcome}})
async def annotate(served: Served, body: schemas.Annotations) -> Response:
    """Set values of users' own columns; an empty one is removed."""
    try:
        rows = [
            {
                name: datetime.fromisoformat(value) if name in body.dates and isinstance(value, str) else value
                for name, value in row.items()
            }
            for row in body.rows
        ]
    except ValueError:
        raise Fault(422, "a date that cannot be understood", "write it as 2024-05-01") from None
    report = await served.write(lambda library: library.annotate(rows, key=body.key))
    return json_response(
        {
            "rows": report.rows,
            "matched": report.matched,
            "columns": report.columns,
            "left_out": report.left_out,
        }
    )


@router.get("/library", summary="The library", responses={200: {"model": schemas.LibraryFacts}})
async def library_facts(served: Served) -> Response:
    """The facts of the library, and what this server allows."""
    from transhash import __version__

    settings = served.settings
    info = await served.look(lambda library: library.info())
    calibration = served.live.model.calibration
    folder = info.path.parent if info.path.name.startswith(".") else info.path
    return json_response(
        {
            "name": folder.name,
            "pictures": info.pictures,
            "skipped": info.skipped,
            "vanished": info.vanished,
            "model": info.model,
            "bits": info.bits,
            "fingerprint": info.fingerprint,
            "created": info.created,
            "bytes": info.bytes,
            "columns": info.columns,
            "probabilities": calibration.probability(range(info.bits + 1)).round(4).tolist() if calibration else None,
            "writable": settings.writable,
            "originals": settings.originals,
            "limits": {
                "hits": MOST_HITS,
                "queries": MOST_QUERIES,
                "pictures": settings.max_pictures,
                "upload_bytes": settings.max_upload,
                "pixels": settings.max_pixels,
            },
            "version": __version__,
        }
    )


@router.get("/library/facets", summary="What filters can choose from", responses={200: {"model": schemas.Facets}})
async def facets(served: Served) -> Response:
    """Folders, and the values of users' own texts."""
    found = await served.look(lambda library: library.facets())
    return json_response({"folders": found.folders, "texts": found.texts})


@router.post("/session", status_code=204, summary="A cookie for the page")
async def begin_session(served: Served) -> Response:
    """Where the server has a token: what the page needs to show pictures, kept from its scripts."""
    response = Response(status_code=204)
    if served.settings.token:
        value = security.session(served.settings.token)
        response.set_cookie(security.COOKIE, value, max_age=30 * 24 * 3600, httponly=True, samesite="strict")
    return response


@router.get("/health", summary="Whether it runs", responses={200: {"model": schemas.State}})
async def health() -> Response:
    """The server runs."""
    return json_response({"status": "ok"})


@router.get("/ready", summary="Whether it can serve", responses={200: {"model": schemas.State}})
async def ready(served: Served) -> Response:
    """The library can be read; 503 when it cannot."""
    await served.look(len)
    return json_response({"status": "ready"})


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(served: Served) -> Response:
    """Requests, times, pictures encoded, queries searched."""
    return Response(served.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _packed(values: Any) -> Any:
    from transhash.codes import pack

    return pack(values[None])[0]
