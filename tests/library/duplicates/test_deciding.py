"""Decisions on pairs become groups of which one picture is kept, whatever the order they were made in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from transhash.errors import LibraryError
from transhash.library.duplicates.deciding import decided
from transhash.library.results import Copy, Duplicates, DuplicatesReport


def copy(id_: int, kind: str = "copy") -> Copy:
    return Copy(Path(f"/p/{id_}.png"), id_, 10, 10, 100 + id_, 0, False, kind)


REPORT = DuplicatesReport(
    [Duplicates(copy(1), [copy(2), copy(3)]), Duplicates(copy(4), [copy(5), copy(6, "burst")])], []
)
PICTURES = {id_: copy(id_) for id_ in range(1, 8)}


def gone(removed: Mapping[int, int], **named) -> dict[int, int]:
    """What is kept for each picture that goes."""
    found = decided(REPORT, PICTURES, removed, **named)
    return {each.id: group.keep.id for group in found.groups for each in group.same}


def test_only_decisions_remove() -> None:
    assert gone({2: 1}) == {2: 1}
    assert gone({}) == {}


def test_where_the_one_that_was_kept_goes_too_the_last_one_stays() -> None:
    assert gone({1: 2, 2: 3}) == {1: 3, 2: 3}
    assert gone({2: 3, 1: 2}) == {1: 3, 2: 3}


def test_the_rest_goes_as_proposed_but_for_kinds_to_be_looked_at_and_pairs_that_stay() -> None:
    assert gone({}, rest=True) == {2: 1, 3: 1, 5: 4}
    assert gone({1: 2}, rest=True) == {1: 2, 3: 2, 5: 4}
    assert gone({}, apart=[(2, 1), (4, 5)], rest=True) == {3: 1}
    assert gone({3: 2}, rest=True) == {3: 2, 5: 4}  # 2 was chosen: it does not go without being asked for


def test_a_circle_removes_nothing() -> None:
    with pytest.raises(LibraryError, match="the decisions remove every one of some pictures; keep one of them"):
        gone({1: 2, 2: 3, 3: 1})


def test_pictures_that_are_not_there_any_more_are_left_out() -> None:
    assert gone({2: 1, 99: 1, 5: 98}) == {2: 1}


def test_kinds_and_reasons_are_those_of_the_search() -> None:
    (group,) = decided(REPORT, PICTURES, {4: 6, 5: 6}).groups

    assert [(each.id, each.kind) for each in group.same] == [(4, "burst"), (5, "chosen")]
    assert all(each.why.startswith("somebody chose the other one") for each in group.same)
