"""Groups of near-identical pictures."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from transhash.server import faults, schemas
from transhash.server.routes.common import FAULTS, Served
from transhash.server.security import API
from transhash.server.settings import MOST_HITS

router = APIRouter(prefix=API, responses=FAULTS)


@router.get("/duplicates", summary="Near-identical pictures", responses={202: {"model": schemas.Progress}})
async def duplicates(
    served: Served,
    max_distance: Annotated[
        int, Query(ge=0, le=64, description="Pictures are compared whose codes differ in at most this many bits.")
    ] = 8,
    offset: Annotated[int, Query(ge=0, le=100_000_000, description="How many groups to leave out.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_HITS, description="How many groups, at most.")] = 100,
    again: Annotated[bool, Query(description="Search again, although there is a result.")] = False,
) -> schemas.Duplicates:
    """Groups, each with the one to keep. The first request begins the search; while it runs, the answer is 202."""
    run = served.duplicates.get(max_distance, again=again)
    for _ in range(20):  # most libraries are small
        if run.groups is not None or run.error:
            break
        await asyncio.sleep(0.05)
    if run.error:
        raise faults.of(run.error)
    if run.groups is None:
        progress = schemas.Progress(stage=run.stage, done=run.done, total=run.total)
        return faults.answer(progress, 202, {"Retry-After": "1"})  # type: ignore[return-value]
    return schemas.Duplicates(
        groups=run.groups[offset : offset + limit],
        total=len(run.groups),
        copies=sum(len(group.same) for group in run.groups),
        skipped=run.skipped,
        stale=run.version != served.live.version,
    )
