"""From groups of duplicates to a plan of what to keep and what to remove."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from transhash.library.duplicates.metadata import Folders
from transhash.library.duplicates.plan import Action, Plan
from transhash.library.results import Copy, DuplicatesReport


def plan_of(
    report: DuplicatesReport, digests: Mapping[int, str], folders: Sequence[str] | None, reference: Sequence[str]
) -> Plan:
    """A plan that keeps one picture of each group and removes the others, nothing outside `folders`.

    What one group keeps, no other one removes: it is there for its copies, which may be removed. `digests`: of the
    contents, hex, by id. Without `folders` those of the pictures of the groups.
    """
    staying = {group.keep.id for group in report.groups}
    actions: list[Action] = []
    beside = Folders()
    for number, group in enumerate(report.groups, 1):
        kept = group.keep
        if kept.id not in digests:
            continue
        keeping = _action(number, kept, kept, digests, beside, why=f"kept: {group.why}" if group.why else "kept")
        removing = [
            _action(number, copy, kept, digests, beside, why=copy.why or "equal bytes")
            for copy in group.same
            if copy.id in digests and copy.id not in staying
        ]
        if removing:
            actions += [keeping, *removing]
    if folders is None:
        folders = sorted({os.path.dirname(action.path) for action in actions})
    return Plan(tuple(folders), tuple(reference), tuple(actions))


def _action(number: int, copy: Copy, kept: Copy, digests: Mapping[int, str], beside: Folders, *, why: str) -> Action:
    is_kept = copy is kept
    return Action(
        action="keep" if is_kept else "remove",
        group=number,
        path=str(copy.path),
        size=copy.bytes,
        digest=digests[copy.id],
        kind=copy.kind,
        why=why,
        keep=str(kept.path),
        keep_size=kept.bytes,
        keep_digest=digests[kept.id],
        frees=0 if is_kept else copy.bytes,
        only_here=() if is_kept else beside.only_here(copy.path, kept.path),
    )
