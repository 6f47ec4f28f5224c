"""The library as a whole, and users' own columns."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from fastapi import Request

from transhash.errors import DataError
from transhash.library.exchange.annotation import annotate as annotate_pictures
from transhash.library.pictures import facets as facets_of
from transhash.model import Embedder, Kind, calibration_of, reads
from transhash.server import schemas
from transhash.server.faults import Fault
from transhash.server.routes.common import ANOTHER, OfLibrary, Served, api_router, facts_of
from transhash.server.settings import MOST_COLUMNS
from transhash.server.tokens import MAY_MANAGE

if TYPE_CHECKING:
    from transhash.library import Library, LibraryInfo
    from transhash.library.results import AnnotationReport
    from transhash.model.calibration import Calibration

router = api_router()

SAMPLE = 20  # rows of a library of vectors whose files are looked for


@router.post("/annotations", summary="Add own columns", responses=ANOTHER)
async def annotate(served: Served, body: schemas.Annotations, of: OfLibrary = None) -> schemas.AnnotationOutcome:
    """Set values of users' own columns; an empty one is removed."""
    names = {name for row in body.rows for name in row} - {body.key}
    if len(names) > schemas.MOST_NEW_COLUMNS:
        remedy = f"send at most {schemas.MOST_NEW_COLUMNS} at once"
        raise Fault(422, "columns", "too many columns", remedy)
    try:
        rows = [
            {
                name: datetime.fromisoformat(value) if name in body.dates and isinstance(value, str) else value
                for name, value in row.items()
            }
            for row in body.rows
        ]
    except ValueError:
        raise Fault(422, "date", "a date that cannot be understood", "write it as 2024-05-01") from None

    def annotated(library: Library) -> AnnotationReport:
        known = library.info().columns
        if len(known.keys() | names) > MOST_COLUMNS:
            raise Fault(422, "columns", "too many columns", f"use at most {MOST_COLUMNS} in a library, or remove some")
        return annotate_pictures(library.catalogue, library.places, rows, body.key, patient=False)

    try:
        report = await served.write(annotated, of)
    except DataError as error:  # in the rows that were sent
        reason = f"{error.where}: {error.reason}" if error.where else error.reason
        raise Fault(422, "data", reason, error.remedy) from None
    return schemas.AnnotationOutcome(
        rows=report.rows, matched=report.matched, columns=report.columns, left_out=report.left_out
    )


@router.get("/library", summary="The library")
async def library_facts(request: Request, served: Served) -> schemas.LibraryFacts:
    """The facts of the library, and what this server allows."""

    def looked(library: Library) -> tuple[str, str, LibraryInfo, Calibration | None, Abilities]:
        revision = served.live.now()[1].revision.name  # what searches see; the catalogue may be further by now
        calibration = None if library.searching.by_embeddings else calibration_of(library.model)
        return library.creation, revision, library.info(), calibration, abilities(library)

    creation, revision, info, calibration, able = await served.look(looked)
    path, settings = served.live.path, served.settings
    writable = settings.writable and request.scope.get(MAY_MANAGE, True)
    return facts_of(
        info,
        settings,
        calibration,
        id=creation,
        name=(path.parent if path.name.startswith(".") else path).name,
        writable=writable,
        applies=writable and settings.apply_to is not None,
        originals=settings.originals and "originals" not in able.lacks,
        lacks=able.lacks,
        revision=revision,
        reads=able.reads,
    )


class Abilities(NamedTuple):
    """What the model of a library, and its rows, allow."""

    lacks: list[str]
    reads: list[Kind]


def abilities(library: Library) -> Abilities:
    """What a library cannot show, and what it can be searched with."""
    model = library.model
    kinds = reads(model)
    if "pictures" in kinds:
        return Abilities(["explanations"] if isinstance(model, Embedder) else [], kinds)
    rows = next(library.catalogue.pictures.indexed(), [])[:SAMPLE]
    shown = any(each.path.is_file() for each in library.pictures(row.id for row in rows).values())
    lacks = ["explanations", "duplicates", "searches by picture"]
    return Abilities(lacks if shown else ["thumbnails", "originals", *lacks], kinds)


@router.get("/library/facets", summary="What filters can choose from")
async def facets(served: Served) -> schemas.Facets:
    """Folders, and the values of users' own texts."""
    found = await served.look(lambda library: facets_of(library.catalogue))
    return schemas.Facets(folders=found.folders, texts=found.texts)
