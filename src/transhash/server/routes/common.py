"""What the parts of the API have in common: parameters, and the answers that are no success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeAlias

from fastapi import APIRouter, Depends, Header, Path, Query, Request

from transhash import __version__
from transhash.errors import ImageError
from transhash.model import Kind
from transhash.server import schemas
from transhash.server.addresses import counted
from transhash.server.encoding import Upload
from transhash.server.found import Found
from transhash.server.metrics import Metrics
from transhash.server.queries import Query as Asked
from transhash.server.security import API
from transhash.server.service import Service
from transhash.server.settings import MOST_HITS, MOST_QUERIES, MOST_RANKED, Settings

if TYPE_CHECKING:
    from transhash.library import LibraryInfo
    from transhash.model.calibration import Calibration

FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Fault, "description": text}
    for status, text in {
        400: "The request is no proper one.",
        401: "No valid token.",
        403: "Not allowed: asked by another site, by a token that may only look, or switched off.",
        408: "The request did not arrive in time.",
        413: "Too large.",
        421: "Not a name of this server.",
        422: "A value or a picture that cannot be used.",
        429: "Too much at once.",
        503: "It took too long, or the library cannot be used.",
    }.items()
}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Fault, "description": "No picture of this id."}}
ANOTHER: dict[int | str, dict[str, Any]] = {412: {"model": schemas.Fault, "description": "Another library is here."}}
UNTYPED: dict[int | str, dict[str, Any]] = {415: {"model": schemas.Fault, "description": "Not a type that is read."}}


def api_router() -> APIRouter:
    """A router for a part of the API; what a generated client calls its functions is their name here."""
    return APIRouter(prefix=API, responses=FAULTS, generate_unique_id_function=lambda route: route.name)


Id: TypeAlias = Annotated[int, Path(ge=0, le=schemas.LAST_ID, description="A picture's id.")]
OfLibrary: TypeAlias = Annotated[
    str | None,
    Header(alias="X-Library", max_length=64, description="The `id` of the library that is meant; 412 for another."),
]
Before: TypeAlias = Annotated[int | None, Query(ge=0, le=schemas.LAST_ID, description="Only lower ids.")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=MOST_HITS, description="How many pictures, at most.")]


async def service(request: Request) -> Any:
    """The service of this application."""
    return request.app.state.service


def sender(request: Request) -> str:
    """Whose request it is: its address, as limits count it."""
    return counted(request.client.host) if request.client else ""


class Searching(Protocol):
    """What is served, of whichever kind: it can be searched."""

    @property
    def bits(self) -> int:
        """Length of the codes."""

    @property
    def fingerprint(self) -> str:
        """What tells its codes from those of other models."""

    @property
    def settings(self) -> Settings:
        """What the server may do, and its limits."""

    @property
    def metrics(self) -> Metrics:
        """The counters."""

    async def encode(self, pictures: list[bytes], sender: str) -> list[Upload | ImageError]:
        """Pictures of a sender encoded, or what is wrong with them."""

    async def search(self, queries: list[Asked]) -> list[Found]:
        """The answers to queries, all with the same options; raises the first `Fault`."""

    async def check(self) -> None:
        """Read something, as somebody would who asks now; raises what is wrong with it."""


Served: TypeAlias = Annotated[Service, Depends(service)]
Anything: TypeAlias = Annotated[Searching, Depends(service)]


async def filter_of(
    where: Annotated[
        str | None, Query(max_length=schemas.MOST_TEXT, description="A filter, such as width >= 800.")
    ] = None,
) -> str | None:
    """A filter; an empty one is none."""
    return where if where and where.strip() else None


Where: TypeAlias = Annotated[str | None, Depends(filter_of)]


def facts_of(
    info: LibraryInfo,
    settings: Settings,
    calibration: Calibration | None,
    *,
    id: str,
    name: str,
    ranked: int = MOST_RANKED,
    writable: bool = False,
    applies: bool = False,
    originals: bool = False,
    lacks: Sequence[str] = (),
    revision: str = "",
    reads: Sequence[Kind] = ("pictures",),
) -> schemas.LibraryFacts:
    """The facts of what is served, and what this server allows; `calibration` where distances have probabilities."""
    return schemas.LibraryFacts(
        id=id,
        name=name,
        pictures=info.pictures,
        skipped=info.skipped,
        vanished=info.vanished,
        model=info.model,
        bits=info.bits,
        fingerprint=info.fingerprint,
        fitted_to=info.fitted_to,
        general=info.general,
        calibrated_by=info.calibrated_by,
        created=info.created,
        revision=revision,
        bytes=info.bytes,
        columns=info.columns,
        probabilities=calibration.probability(range(info.bits + 1)).round(4).tolist() if calibration else None,
        writable=writable,
        applies=applies,
        originals=originals,
        guarded=settings.guarded,
        limits=schemas.Limits(
            hits=MOST_HITS,
            queries=MOST_QUERIES,
            ranked=ranked,
            pictures=settings.max_pictures,
            upload_bytes=settings.max_upload,
            pixels=settings.max_pixels,
        ),
        lacks=[*lacks],
        reads=[*reads],
        version=__version__,
    )
