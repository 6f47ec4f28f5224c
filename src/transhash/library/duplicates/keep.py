"""Which picture of a group is kept: rules, the first of which that tells two pictures apart decides."""

from __future__ import annotations

import fnmatch
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from transhash.errors import LibraryError

DATED = 2.5  # doublings of the number of pixels that the camera's date is worth: an enlarged copy has lost it
MARKED = 4.0  # doublings that letters, a logo or a watermark on it cost
DETAIL = 0.5  # doublings that twice as many bytes a pixel are worth
WORDS = {
    "best": "the best by pixels, compression and the camera's date",
    "largest": "the most pixels",
    "oldest": "the oldest",
    "newest": "the newest",
}


class Candidate(NamedTuple):
    """A picture of a group, as rules see it."""

    path: str
    width: int
    height: int
    bytes: int
    modified: int  # ns
    taken: int | None  # seconds
    marked: bool = False  # another one of the group shows that something was laid over it


Rule = Callable[[Candidate], Any]


def parse(texts: Sequence[str]) -> list[tuple[str, Rule]]:
    """Rules by their texts, `best`, `largest`, `oldest`, `newest` or `path:GLOB`, with words that say what they prefer.

    Raises `LibraryError` for a text that is none of them.
    """
    rules: list[tuple[str, Rule]] = []
    for text in texts:
        if text.startswith("path:") and len(text) > 5:
            rules.append((f"its path is like {text[5:]}", _like(text[5:])))
        elif text in _RULES:
            rules.append((WORDS[text], _RULES[text]))
        else:
            raise LibraryError(text, "no rule to keep by", "give best, largest, oldest, newest or path:GLOB")
    return rules


def order(candidates: Sequence[Candidate], rules: Sequence[tuple[str, Rule]]) -> tuple[list[int], str]:
    """The places of some pictures, the one to keep first, and why it is."""

    def worth(place: int) -> tuple[Any, ...]:
        one = candidates[place]
        return (*(rule(one) for _, rule in rules), *(rule(one) for _, rule in _LAST))

    places = sorted(range(len(candidates)), key=worth)
    if len(places) < 2:
        return places, ""
    first, second = candidates[places[0]], candidates[places[1]]
    why = next((words for words, rule in (*rules, *_LAST) if rule(first) != rule(second)), "")
    return places, _merits(first, second, any(each.marked for each in candidates)) if why == WORDS["best"] else why


def _merits(first: Candidate, second: Candidate, is_other_marked: bool) -> str:
    """What makes the best picture better than the second best."""
    found = []
    if _pixels(first) > _pixels(second):
        found.append(f"{first.width} × {first.height} pixels, not {second.width} × {second.height}")
    bits = f"{_detail(first):.1f}", f"{_detail(second):.1f}"
    if _detail(first) > _detail(second):
        found.append(f"{bits[0]} bits a pixel, not {bits[1]}" if bits[0] != bits[1] else "a little less compressed")
    if first.taken is not None and second.taken is None:
        found.append("has the camera's date")
    if is_other_marked and not first.marked:
        found.append("nothing was laid over it")
    return f"the best: {'; '.join(found)}" if found else WORDS["best"]


def _like(pattern: str) -> Rule:
    pattern = os.path.normpath(pattern)
    return lambda one: (
        not (fnmatch.fnmatchcase(one.path, pattern) or fnmatch.fnmatchcase(one.path, f"*{os.sep}{pattern}"))
    )


def _pixels(one: Candidate) -> int:
    return max(1, one.width * one.height)


def _detail(one: Candidate) -> float:
    """Bits of the file for a pixel."""
    return max(one.bytes, 1) * 8 / _pixels(one)


def _best(one: Candidate) -> float:
    detail = min(2.0, math.log2(_detail(one) + 1e-9))
    return -(
        math.log2(_pixels(one)) + DETAIL * max(detail, -2.0) + DATED * (one.taken is not None) - MARKED * one.marked
    )


def _age(one: Candidate) -> tuple[bool, int]:
    return one.taken is None, one.taken * 10**9 if one.taken is not None else one.modified


_RULES: dict[str, Rule] = {
    "best": lambda one: round(_best(one), 3),
    "largest": lambda one: -_pixels(one),
    "oldest": _age,
    "newest": lambda one: (one.taken is None, -_age(one)[1]),
}
_LAST: tuple[tuple[str, Rule], ...] = (
    ("the most pixels", lambda one: -_pixels(one)),
    ("the largest file", lambda one: -one.bytes),
    ("the oldest file", lambda one: one.modified),
    ("its path comes first", lambda one: os.fsencode(one.path)),
)
