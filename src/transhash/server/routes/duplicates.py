"""Duplicates: groups, pairs side by side, verdicts, and plans of what to remove."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import Path, Query, Response

from transhash.errors import LibraryError
from transhash.library.duplicates.deciding import decided
from transhash.library.duplicates.housekeeping import apply_here, new_name, undo_here
from transhash.library.duplicates.plan import Plan, plan_lines
from transhash.library.duplicates.planning import plan_of
from transhash.library.duplicates.verdicts import Verdicts
from transhash.library.results import Copy as Member
from transhash.server import duplicates_schemas as told
from transhash.server import faults, schemas
from transhash.server.duplicates import Wanted
from transhash.server.faults import Fault
from transhash.server.routes.common import ANOTHER, UNKNOWN, OfLibrary, Served, api_router
from transhash.server.settings import MOST_HITS

if TYPE_CHECKING:
    from transhash.library import Library, Picture
    from transhash.library.results import Duplicates, Skipped
    from transhash.progress import Progress
    from transhash.server.duplicates import Run
    from transhash.server.duplicates_changes import Change
    from transhash.server.service import Service

router = api_router()

_PLAN: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        "description": "A plan, for `transhash apply`.",
    },
    409: {"model": schemas.Fault, "description": "There is no such search, or it is not done."},
    **ANOTHER,
}
_ASKED: dict[int | str, dict[str, Any]] = {
    202: {"model": told.UnderWay},
    403: {"model": schemas.Fault, "description": "This server, or this token, may not do it."},
    404: {"model": schemas.Fault, "description": "No plan of this name was begun since the server was started."},
}
_APPLIED: dict[int | str, dict[str, Any]] = {
    202: {"model": told.UnderWay},
    403: {"model": schemas.Fault, "description": "This server, or this token, may not do it."},
    **ANOTHER,
    **{status: each for status, each in _PLAN.items() if status == 409},
}
PictureId = Annotated[int, Query(ge=0, le=schemas.LAST_ID, description="A picture's id.")]


@router.get("/duplicates", summary="Pictures that repeat one another", responses={202: {"model": schemas.Progress}})
async def duplicates(  # noqa: PLR0917 - FastAPI calls it by name
    served: Served,
    max_distance: Annotated[told.DistanceField, Query()] = 8,
    kinds: Annotated[told.KindsField, Query()] = told.KINDS,
    keep: Annotated[told.KeepField, Query()] = "best",
    offset: Annotated[int, Query(ge=0, le=100_000_000, description="How many groups to leave out.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_HITS, description="How many groups, at most.")] = 100,
    again: Annotated[bool, Query(description="Search again, although there is a result.")] = False,
) -> told.Duplicates:
    """Groups, each with the one to keep. The first request begins the search; while it runs, the answer is 202."""
    run = served.duplicates.get(Wanted.of(max_distance, kinds, keep), again=again)
    await _soon(run)  # most libraries are small
    if run.error:
        raise run.error if isinstance(run.error, Fault) else faults.of(run.error)
    if run.report is None:
        progress = schemas.Progress(stage=run.stage, done=run.done, total=run.total)
        return faults.answer(progress, 202, {"Retry-After": "1"})  # type: ignore[return-value]
    report = run.report
    some = report.groups[offset : offset + limit]
    groups = await served.look(lambda library: _described(library, some, run.digests))
    return told.Duplicates(
        groups=groups,
        total=len(report.groups),
        copies=sum(len(group.same) for group in report.groups),
        bytes=sum(copy.bytes for group in report.groups for copy in group.same),
        others=report.others,
        skipped=len(report.skipped),
        stale=run.version != served.live.version,
    )


@router.get("/duplicates/pair", summary="Two pictures side by side", responses=UNKNOWN)
async def pair(served: Served, one: PictureId, other: PictureId) -> told.Pair:
    """What two pictures are to each other, how one lies on the other, and what differs in words."""

    def compared(library: Library) -> told.Pair:
        from transhash.library.duplicates.pairs import pair_of  # this imports Numba

        first, second = _both(library, (one, other))
        found = pair_of(first, second, served.thumbnails)
        evidence = found.finding.evidence
        return told.Pair(
            one=schemas.Picture(**first.to_dict()),
            other=schemas.Picture(**second.to_dict()),
            kind=None if found.finding.kind is None else str(found.finding.kind),
            why=evidence.text(),
            agreeing=evidence.agreeing,
            disagreeing=evidence.disagreeing,
            onto=None if found.onto is None else [*found.onto],
            differences=[
                told.Difference(what=each.what, one=each.one, other=each.other, words=each.words)
                for each in found.differences
            ],
        )

    return await served.draw(compared)


@router.post(
    "/duplicates/verdicts", status_code=204, summary="Say that two pictures differ", responses=UNKNOWN | ANOTHER
)
async def verdict(served: Served, body: told.Verdict, of: OfLibrary = None) -> None:
    """Remember with the library, by the contents, that two pictures are no duplicates; or forget it again."""

    def noted(library: Library) -> None:
        first, second = _both(library, body.ids)
        if first.digest == second.digest:
            raise Fault(422, "same-file", "both files have the same bytes", "keep both instead")
        verdicts = Verdicts(library.path)
        if body.differ:
            verdicts.add([(first.digest, second.digest)])
        else:
            verdicts.remove((first.digest, second.digest))

    await served.write(noted, of)


@router.post("/duplicates/plan", summary="A plan of what to remove", response_class=Response, responses=_PLAN)
async def plan(served: Served, body: told.Decisions, of: OfLibrary = None) -> Response:
    """A plan of what was decided, for `transhash apply`. It has whole paths. Nothing is removed.

    Pictures whose content has changed since they were compared are left out, and pairs that no search has compared.
    """
    planned = _planning(served, body)

    def lines(library: Library) -> bytes:
        faults.check_library(of, library.creation)
        return b"".join(plan_lines(planned(library).plan))

    content = await served.long(lines)
    headers = {"Content-Disposition": 'attachment; filename="plan.jsonl"'}
    return Response(content, 200, headers, "application/x-ndjson")


@router.post("/duplicates/apply", summary="Remove what was decided", responses=_APPLIED)
async def apply(served: Served, body: told.Decisions, of: OfLibrary = None) -> told.Applied:
    """Apply the plan of what was decided, where the server was started with `--apply-to`, to the trash or the folder.

    What takes longer than a second goes on, and the answer is 202 with its `name`: ask `/duplicates/applied/{name}`.

    Each file is checked just before it is moved, and a log is written first. Only pictures of one group may take the
    place of one another, and only while both have the content that was compared; others are left alone.
    """
    to, name = _target(served), new_name()
    planned = _planning(served, body, grouped=True)

    def removed(library: Library, progress: Progress) -> told.Applied:
        faults.check_library(of, library.creation)
        wanted, left = planned(library)
        if not wanted.removals:
            return told.Applied(name="", done=0, freed=0, left=left)
        result = apply_here(library, wanted, to, name, progress)
        return told.Applied(name=name, done=result.done, freed=result.freed, left=left + _left(result.skipped))

    return await _begun(served.changes.begin(name, "removing", removed))


@router.post("/duplicates/undo", summary="Bring back what was removed", responses=_APPLIED)
async def undo(served: Served, body: told.Undo, of: OfLibrary = None) -> told.Applied:
    """Undo a plan that was applied here, also before the server was started again. 202 as with `apply`."""
    _target(served)

    def undone(library: Library, progress: Progress) -> told.Applied:
        faults.check_library(of, library.creation)
        result = undo_here(library, body.name, progress)
        return told.Applied(name=body.name, undone=True, done=result.back, freed=0, left=_left(result.skipped))

    return await _begun(served.changes.begin(body.name, "bringing back", undone))


@router.get("/duplicates/applied/{name}", summary="What came of a plan", responses=_ASKED)
async def applied(served: Served, name: Annotated[str, Path(max_length=40, description="Of a plan.")]) -> told.Applied:
    """What came of a plan that `apply` or `undo` has begun since the server was started; 202 while it is under way.

    The answer has whole paths, and is for those who may manage.
    """
    return _come_of(served.changes.get(name))


async def _begun(change: Change) -> told.Applied:
    """What came of a change; while it is under way, and where files may have gone before it failed, its name."""
    await _soon(change)
    if change.error is None or not change.total:
        return _come_of(change)
    return _under_way(change)


def _come_of(change: Change) -> told.Applied:
    if isinstance(change.error, LibraryError):
        raise Fault(422, "applying", change.error.reason, change.error.remedy) from change.error
    if change.error is not None:
        raise change.error
    return change.outcome or _under_way(change)


def _under_way(change: Change) -> told.Applied:
    body = told.UnderWay(name=change.name, stage=change.stage, done=change.done, total=change.total)
    return faults.answer(body, 202, {"Retry-After": "1"})  # type: ignore[return-value]


async def _soon(work: Run | Change) -> None:
    """Wait until something is over, for a second at most."""
    for _ in range(20):
        if work.over:
            return
        await asyncio.sleep(0.05)


def _target(served: Service) -> str:
    if not served.settings.writable:
        raise faults.read_only()
    if served.settings.apply_to is None:
        remedy = "download the plan, or start the server with --writable --apply-to trash"
        raise Fault(403, "no-applying", "this server applies no plans", remedy)
    return served.settings.apply_to


def _left(skipped: list[Skipped]) -> list[told.Left]:
    return [told.Left(path=str(each.path), reason=each.reason, remedy=each.remedy) for each in skipped]


class _Planned(NamedTuple):
    """A plan, and the pictures that are left alone: others than were compared, or in no group of the search."""

    plan: Plan
    left: list[told.Left]


def _planning(served: Service, body: told.Decisions, *, grouped: bool = False) -> Callable[[Library], _Planned]:
    """What makes a plan of decisions; `grouped`: only of pictures that are in one group. Raises a `Fault`."""
    run = served.duplicates.get(Wanted.of(body.max_distance, body.kinds, body.keep))
    report = run.report
    if report is None:
        raise Fault(409, "no-search", "the search for duplicates is not done", "ask for the groups first")
    groups, compared = report.groups, served.duplicates.compared(run)
    group_of = {copy.id: number for number, group in enumerate(groups) for copy in (group.keep, *group.same)}
    group_of = group_of if grouped else dict.fromkeys(compared, 0)
    decisions: list[told.Decision] = []
    others: list[told.Decision] = []  # on pairs that this search has not found
    for each in body.decisions:
        is_found = group_of.get(each.keep, -1) == group_of.get(each.remove, -2)
        (decisions if is_found else others).append(each)

    def planned(library: Library) -> _Planned:
        ids = {id_ for each in decisions for id_ in (each.keep, each.remove)}
        ids |= {copy.id for group in groups for copy in (group.keep, *group.same)} if body.rest else set()
        every = library.pictures(ids)
        pictures = _as_compared(every, compared)
        members = {id_: _member(each) for id_, each in pictures.items()}
        changed = every.keys() - pictures.keys()
        removed = {each.remove: each.keep for each in decisions if not {each.keep, each.remove} & changed}
        undecided = {(each.keep, each.remove) for each in decisions if {each.keep, each.remove} & changed}
        undecided |= {(each.keep, each.remove) for each in others}
        refused = _refused(library, pictures, groups) if body.rest else set()
        try:
            chosen = decided(report, members, removed, {*body.apart, *refused, *undecided}, rest=body.rest)
        except LibraryError as error:
            raise Fault(422, "decisions", error.reason, error.remedy) from None
        left = [_changed_since(every[id_]) for id_ in sorted(changed)]
        left += [_not_found(each) for each in library.pictures({each.remove for each in others}).values()]
        return _Planned(plan_of(chosen, compared, None, ()), left)

    return planned


def _as_compared(pictures: dict[int, Picture], digests: dict[int, str]) -> dict[int, Picture]:
    """Those of some pictures that have the content that a search compared: an indexed file keeps its id."""
    return {id_: each for id_, each in pictures.items() if digests.get(id_) == each.digest}


def _changed_since(picture: Picture) -> told.Left:
    reason = "its content has changed since it was compared"
    return told.Left(path=str(picture.path), reason=reason, remedy="search for duplicates again")


def _not_found(picture: Picture) -> told.Left:
    reason = "is in no group of this search together with the one that shall stay"
    remedy = "search with the kinds and the distance with which you decided, then go on"
    return told.Left(id=picture.id, path=str(picture.path), reason=reason, remedy=remedy)


def _described(library: Library, groups: list[Duplicates], digests: dict[int, str]) -> list[told.Group]:
    """Groups as they are now: without pictures that have gone or changed, or that somebody has told apart since."""
    found = library.pictures({copy.id for group in groups for copy in (group.keep, *group.same)})
    pictures = _as_compared(found, digests)
    refused = _refused(library, pictures, groups)
    listed = []
    for group in groups:
        same = [copy for copy in group.same if copy.id in pictures and (group.keep.id, copy.id) not in refused]
        if same and group.keep.id in pictures:
            keep, *others = [_copy(copy, pictures[copy.id]) for copy in (group.keep, *same)]
            listed.append(told.Group(keep=keep, same=others, why=group.why))
    return listed


def _refused(library: Library, pictures: dict[int, Picture], groups: list[Duplicates]) -> set[tuple[int, int]]:
    """The pairs (the one to keep, another one) of which somebody has said that they are no duplicates."""
    verdicts = Verdicts(library.path).pairs()
    found = set()
    for keep, copy in ((group.keep.id, copy.id) for group in groups for copy in group.same):
        if verdicts and keep in pictures and copy in pictures:
            one, other = sorted((pictures[keep].digest, pictures[copy].digest))
            if (one, other) in verdicts:
                found.add((keep, copy))
    return found


def _both(library: Library, ids: tuple[int, int]) -> tuple[Picture, Picture]:
    found = library.pictures(ids)
    if any(id_ not in found for id_ in ids):
        raise faults.unknown_picture()
    return found[ids[0]], found[ids[1]]


def _copy(copy: Member, picture: Picture) -> told.Copy:
    return told.Copy(
        **picture.to_dict(), distance=copy.distance, identical=copy.identical, kind=copy.kind, why=copy.why
    )


def _member(picture: Picture) -> Member:
    return Member(picture.path, picture.id, picture.width, picture.height, picture.bytes, 0, identical=False)
