"""Decisions of a person on pairs of pictures, as the groups that a plan is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from transhash.errors import LibraryError
from transhash.library.duplicates.kinds import Kind
from transhash.library.results import Copy, Duplicates, DuplicatesReport

CHOSEN = "somebody chose the other one"
SURE = frozenset(map(str, (Kind.SAME_FILE, Kind.SAME_PIXELS, Kind.COPY)))  # kinds that may go without being looked at


def decided(
    report: DuplicatesReport,
    pictures: Mapping[int, Copy],
    removed: Mapping[int, int],
    apart: Collection[tuple[int, int]] = (),
    *,
    rest: bool = False,
) -> DuplicatesReport:
    """The groups that follow from decisions, each with the one that is kept in the end.

    `removed`: for pictures that shall go the one that was chosen instead; where that goes too, what takes its place.
    `pictures`: those that are there, by id. With `rest` the copies of the report's groups go as proposed, but for pairs
    that shall stay, `apart`, and for kinds that must be looked at. Raises `LibraryError` for decisions of which each
    removes what another one keeps.
    """
    known = {(copy.id, group.keep.id): copy for group in report.groups for copy in group.same}
    going = dict(removed)
    staying = {(min(pair), max(pair)) for pair in apart}
    kept = set(going.values()) | {id_ for pair in staying for id_ in pair}
    if rest:
        for group in report.groups:
            keep = group.keep.id
            for copy in group.same:
                if copy.kind in SURE and copy.id not in going and copy.id not in kept:
                    going[copy.id] = keep
    groups: dict[int, list[Copy]] = {}
    for gone in going:
        final = _final(going, gone)
        if gone in pictures and final in pictures:
            found = known.get((gone, final)) or known.get((final, gone))
            kind, why = (found.kind, found.why) if found else ("chosen", "")
            why = "; ".join(filter(None, (CHOSEN, why))) if gone in removed else why
            groups.setdefault(final, []).append(replace(pictures[gone], kind=kind, why=why))
    whys = {group.keep.id: group.why for group in report.groups}
    chosen = [
        Duplicates(pictures[final], same, "somebody chose it" if final in kept else whys.get(final, ""))
        for final, same in groups.items()
    ]
    return DuplicatesReport(chosen, [])


def _final(going: Mapping[int, int], one: int) -> int:
    """What is kept instead of a picture, in the end."""
    seen = {one}
    while one in going:
        one = going[one]
        if one in seen:
            raise LibraryError("", "the decisions remove every one of some pictures", "keep one of them")
        seen.add(one)
    return one
