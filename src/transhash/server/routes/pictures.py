"""Pictures: looked through, shown, added and removed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from fastapi import Query, Request, Response
from pydantic_core import to_json

from transhash.errors import ImageError
from transhash.library.catalogue.records import Coded, Origin
from transhash.library.files.adding import Prepared, put
from transhash.library.files.indexing import coded
from transhash.library.files.thumbnails import Shown, content_of, full_size
from transhash.library.pictures import written
from transhash.model import Embedder, Encoded
from transhash.model.explain import occlusion_of
from transhash.server import faults, schemas, uploads
from transhash.server.answers import is_held
from transhash.server.encoding import Upload
from transhash.server.faults import Fault
from transhash.server.found import told
from transhash.server.routes.common import (
    ANOTHER,
    UNKNOWN,
    UNTYPED,
    Before,
    Id,
    Limit,
    OfLibrary,
    Served,
    Where,
    api_router,
    sender,
)
from transhash.server.service import Service
from transhash.server.workers import GIVE_WAY

if TYPE_CHECKING:
    from transhash.library import Library, Picture

router = api_router()

LISTED_AT_ONCE = 100  # pictures of a long list, a millisecond's work, after which others may go first
FOR_EVER = "private, max-age=31536000, immutable"
FOR_NOW = "private, no-cache"
NOT_KEPT = {"Cache-Control": "no-store"}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_SHOWN: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": _BINARY, "image/png": _BINARY}, "description": "The picture, pixels alone."},
    304: {"description": "As it was."},
    **UNKNOWN,
}
Version: TypeAlias = Annotated[str | None, Query(max_length=64, description="The picture's `version`.")]


@router.get("/pictures", summary="Look through the library", response_model=schemas.Page)
async def pictures(  # noqa: PLR0917 - FastAPI calls it by name
    served: Served,
    where: Where,
    before: Before = None,
    limit: Limit = 100,
    sort: Annotated[schemas.Order | None, Query(description="By what, with - downwards; pages by `offset`.")] = None,
    offset: Annotated[int, Query(ge=0, le=schemas.LAST_ID, description="With `sort`: how many to leave out.")] = 0,
) -> Response:
    """The pictures that pass a filter, the newest first, or in another order."""
    passing = await served.passing(where, sort)
    ids = passing.ids
    if sort is None:
        end = len(ids) if before is None else int(ids.searchsorted(before))
        page, more = ids[max(0, end - limit) : end][::-1].tolist(), end > limit
    else:
        page, more = ids[offset : offset + limit].tolist(), offset + limit < len(ids)

    def found(_: Library) -> bytes:  # all of a long answer, so that nobody else waits for it
        library = served.live.here()
        if library is not passing.library:
            raise faults.library()  # another library took its place meanwhile
        give_way, listed = GIVE_WAY.get(), []
        for first in range(0, len(page), LISTED_AT_ONCE):
            some = page[first : first + LISTED_AT_ONCE]
            with library.catalogue.reading():  # and not while it gives way: nobody's writing waits for that
                known = written(library.catalogue, library.places, some)
            listed += [told(known[id_]) for id_ in some if id_ in known]
            give_way()
        return b'{"pictures":[%b],"total":%d,"more":%b}' % (",".join(listed).encode(), len(ids), to_json(more))

    return Response(await served.look(found), media_type="application/json")


@router.post(
    "/pictures", status_code=201, summary="Add pictures", responses=UNTYPED | ANOTHER, openapi_extra=uploads.BODY
)
async def add(request: Request, served: Served, of: OfLibrary = None) -> schemas.Added:
    """Store pictures in `added/`, next to the library, and index them: all that are sent, or none."""
    if not served.settings.writable:
        raise faults.read_only()
    sent = await uploads.pictures(request, served.settings)
    encoded = await served.encode(sent, sender(request))
    if errors := [each for each in encoded if isinstance(each, ImageError)]:
        raise faults.of(errors[0])
    made = [each for each in encoded if not isinstance(each, ImageError)]

    def added(library: Library) -> list[int]:
        base = library.searching.own.base  # whatever library took this place meanwhile, it is of the same model
        ready = [
            Prepared(content, each.sent.suffix, _coded(each, base)) for content, each in zip(sent, made, strict=True)
        ]
        ids = put(library.catalogue, library.places, ready)
        served.live.refresh()
        return ids

    return schemas.Added(ids=await served.write(added, of))


def _coded(upload: Upload, base: str) -> Coded:
    """What the catalogue keeps of a picture that was sent."""
    found = upload.sent.decoded
    facts = found.width, found.height, found.is_first, found.taken
    encoded = Encoded(None, upload.code, upload.values, None, *facts, embedding=upload.embedding)
    return coded(encoded, Origin(base, upload.fingerprint))


@router.get("/pictures/{id}", summary="A picture", responses=UNKNOWN)
async def picture(served: Served, id: Id) -> schemas.Picture:
    """What is known of a picture."""
    known = (await served.look(lambda library: library.pictures([id]))).get(id)
    if known is None:
        raise faults.unknown_picture()
    return schemas.Picture(**known.to_dict())


@router.delete("/pictures/{id}", status_code=204, summary="Remove a picture", responses=UNKNOWN | ANOTHER)
async def remove(served: Served, id: Id, of: OfLibrary = None) -> None:
    """Forget a picture. Its file is deleted only if it was added here; any other is found again when it is indexed."""

    def removed(library: Library) -> int:
        digests = {each.digest for each in library.pictures([id]).values()}
        count = library.remove([id])
        served.live.refresh()
        served.thumbnails.forget(digests - library.catalogue.pictures.known_digests(digests))
        return count

    if not await served.write(removed, of):
        raise faults.unknown_picture()


@router.get("/pictures/{id}/thumbnail", summary="A small copy", response_class=Response, responses=_SHOWN)
async def thumbnail(request: Request, served: Served, id: Id, v: Version = None) -> Response:
    """At most 480 pixels a side, JPEG. With the picture's `version` the answer may be kept for ever."""
    return await _shown(request, served, id, v, served.thumbnails.get)


@router.get("/pictures/{id}/original", summary="In full size", response_class=Response, responses=_SHOWN)
async def original(request: Request, served: Served, id: Id, v: Version = None) -> Response:
    """Upright and without metadata: JPEG if its file is, else PNG."""
    if not served.settings.originals:
        raise Fault(403, "no-originals", "originals are switched off", "use the thumbnail")
    draw = partial(served.guard.full, max_pixels=4 * served.settings.max_pixels)
    return await _shown(request, served, id, v, partial(full_size, draw=draw))


async def _shown(
    request: Request, served: Service, id_: int, version: str | None, make: Callable[[Picture], Shown]
) -> Response:
    held = request.headers.get("if-none-match")

    def shown(library: Library) -> tuple[str, Shown | None] | None:
        each = library.pictures([id_]).get(id_)
        if each is None:
            return None
        mark = f'"{each.digest[:12]}"'
        return mark, None if held and is_held(mark, held) else make(each)

    drawn = await served.draw(shown)
    if drawn is None:
        raise faults.unknown_picture()
    mark, content = drawn
    headers = {"ETag": mark, "Cache-Control": FOR_EVER if version and mark == f'"{version}"' else FOR_NOW}
    if content is None:
        return Response(status_code=304, headers=headers)
    if not content.current:  # the file has changed since it was indexed
        headers = NOT_KEPT
    return Response(content.content, 200, headers, content.type)


@router.get(
    "/pictures/{id}/occlusion",
    summary="What its code depends on",
    responses={304: {"description": "As it was."}, **UNKNOWN},
    response_model=schemas.Occlusion,
)
async def occlusion(request: Request, served: Served, id: Id) -> Response:
    """Each cell of the picture's centred square is covered in turn: how far either stream's part of the code moves."""

    def marked(library: Library) -> str | None:
        each = library.pictures([id]).get(id)
        return None if each is None else f'"{each.digest[:12]}-{served.live.model.fingerprint[:12]}"'

    def maps(library: Library) -> tuple[schemas.Occlusion, bool] | None:
        each = library.pictures([id]).get(id)
        if each is None:
            return None
        model = served.live.model
        if isinstance(model, Embedder):
            raise Fault(404, "lacking", f"nothing is known of what a code of {model.name} depends on", "look elsewhere")
        most = 4 * served.settings.max_pixels
        content, is_current = content_of(each)
        sent = served.guard.picture(content, model.image_size, model.crop, max_pixels=most)
        found = occlusion_of(model, sent.decoded.pixels, between=GIVE_WAY.get())
        local = None if found.of_local is None else found.of_local.round(4).tolist()
        body = schemas.Occlusion(of_global=found.of_global.round(4).tolist(), of_local=local, crop=model.crop)
        return body, is_current

    mark = await served.look(marked)
    if mark is None:
        raise faults.unknown_picture()
    headers = {"ETag": mark, "Cache-Control": FOR_NOW}
    if is_held(mark, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    answer = await served.explain(maps)
    if answer is None:
        raise faults.unknown_picture()
    body, is_current = answer
    if not is_current:
        headers = NOT_KEPT
    return Response(body.model_dump_json(), 200, headers, "application/json")
