"""Which picture of a group is kept: rules, the first of which that tells two pictures apart decides."""

from __future__ import annotations

import fnmatch
import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from transhash.errors import LibraryError
from transhash.library.duplicates.kinds import Kind

if TYPE_CHECKING:
    from transhash.library.duplicates.confirmation import Finding

DATED = 2.5  # doublings of the number of pixels that the camera's date is worth: an enlarged copy has lost it
MARKED = 4.0  # doublings that letters, a logo or a watermark on it cost
GREYED = 4.0  # doublings that colours cost which another one has
DETAIL = 0.5  # doublings that twice as many bytes a pixel are worth
LEAST_DETAIL, MOST_DETAIL = -2.0, 2.0  # logarithms of bits a pixel between which that holds
WHOLLY, CROPPED = 0.97, 0.99  # share of a picture's area that counts as all of it, and below which some is missing
FINER = 1.1  # times the pixels that the whole has for a part, above which the part shows it more finely
WORDS = {
    "best": "the best by pixels, compression and the camera's date",
    "largest": "the most pixels",
    "oldest": "the oldest",
    "newest": "the newest",
}


class Stored(NamedTuple):
    """How a file stores the pixels of its picture."""

    format: str = ""  # Pillow's name for it
    bits: int = 8  # of a number
    is_lossless: bool = False  # without a loss, and without a palette
    is_clear: bool = False  # some of it is transparent


class Candidate(NamedTuple):
    """A picture of a group, as rules see it."""

    path: str
    width: int
    height: int
    bytes: int
    modified: int  # ns
    taken: int | None  # seconds
    marked: bool = False  # another one of the group shows that something was laid over it
    greyed: bool = False  # another one has the colours that it has not
    cropped: bool = False  # another one shows more of the same

    @property
    def has_lost(self) -> bool:
        """Whether another one of the group shows what this one has not."""
        return self.marked or self.greyed or self.cropped


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
    ordered = [candidates[place] for place in places]
    why = next((words for words, rule in (*rules, *_LAST) if rule(ordered[0]) != rule(ordered[1])), "")
    return places, _merits(*ordered) if why == WORDS["best"] else why


def losses(found: Finding, pixels: tuple[int, int]) -> dict[str, int]:
    """What one of two pictures has lost, as fields of `Candidate`, and which of both it is; `pixels`: of each."""
    evidence = found.evidence
    lost = {"marked": evidence.marked}
    if found.kind in {Kind.COPY, Kind.EDIT}:
        lost["greyed"] = evidence.greyed
        part = int(evidence.shown[1] > evidence.shown[0])
        share = evidence.shown[1 - part]
        is_finer = pixels[part] > FINER * share * pixels[1 - part]  # as a photograph is that is in a collage, too
        if share < CROPPED and evidence.shown[part] >= WHOLLY and not is_finer:
            lost["cropped"] = part
    return {what: whose for what, whose in lost.items() if whose is not None}


def _merits(first: Candidate, second: Candidate, *others: Candidate) -> str:
    """What makes the best picture better than the second best."""
    rest = (second, *others)
    found = []
    if _pixels(first) > _pixels(second):
        found.append(f"{first.width} × {first.height} pixels, not {second.width} × {second.height}")
    bits = f"{_detail(first):.1f}", f"{_detail(second):.1f}"
    if _detail(first) > _detail(second) and not first.has_lost:
        found.append(f"{bits[0]} bits a pixel, not {bits[1]}" if bits[0] != bits[1] else "a little less compressed")
    if first.taken is not None and second.taken is None:
        found.append("has the camera's date")
    if any(each.marked for each in rest) and not first.marked:
        found.append("nothing was laid over it")
    if any(each.greyed for each in rest) and not first.greyed:
        found.append("has its colours")
    if any(each.cropped for each in rest) and not first.cropped:
        found.append("shows more of it")
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
    detail = min(MOST_DETAIL, max(LEAST_DETAIL, math.log2(_detail(one) + 1e-9)))
    if one.has_lost:  # what is gone does not come back in a larger file
        detail = LEAST_DETAIL
    worth = math.log2(_pixels(one)) + DETAIL * detail + DATED * (one.taken is not None)
    return MARKED * one.marked + GREYED * one.greyed - worth


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
