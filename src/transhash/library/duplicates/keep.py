"""Which picture of a group is kept: rules, the first of which that tells two pictures apart decides."""

from __future__ import annotations

import fnmatch
import math
import os
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

from transhash.errors import LibraryError
from transhash.library.duplicates.kinds import Kind

if TYPE_CHECKING:
    from transhash.library.duplicates.confirmation import Finding

DATED = 2.5  # doublings of the number of pixels that the camera's date is worth: an enlarged copy has lost it
MARKED = 4.0  # doublings that letters, a logo or a watermark on it cost
GREYED = 4.0  # doublings that colours cost which another one has
CROPPED = 1.0  # doublings that it costs that another one shows more
BORDERED = 0.5  # doublings that a border costs, the bars of a screenshot, too, which may have enlarged it
EQUAL = 0.02  # share by which numbers of pixels differ that are equal
DETAIL = 0.5  # doublings that twice as many bytes a pixel are worth
LEAST_DETAIL, MOST_DETAIL = -2.0, 2.0  # logarithms of bits a pixel between which that holds
WHOLLY, PARTLY = 0.97, 0.99  # share of a picture's area that counts as all of it, and below which some is missing
FINER = 1.1  # times the pixels that the whole has for a part, above which the part shows it more finely
WORDS = {
    "best": "the best by pixels, the camera's date, and how it is stored",
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


Lost = Literal["marked", "greyed", "cropped", "bordered"]


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
    bordered: bool = False  # another one shows it without its border
    disputed: bool = False  # it or another one has something laid over it, and which is not known
    remade: bool = False  # stored without a loss, with the pixels of another one that was stored with one
    content: float = 1.0  # share of its pixels that is no such border
    stored: Stored = Stored()

    @property
    def alike(self) -> Stored | None:
        """What its bytes can be compared with: what is stored alike. None: they say nothing, as another one of the
        group shows what this one has not, or may do so.
        """
        if self.marked or self.greyed or self.cropped or self.bordered or self.disputed:
            return None
        return self.stored._replace(is_lossless=False) if self.remade else self.stored


class Noted(TypedDict, total=False):
    """What pairs say of a picture, as fields of `Candidate`."""

    marked: bool
    greyed: bool
    cropped: bool
    bordered: bool
    disputed: bool
    remade: bool
    content: float
    stored: Stored


Rule = Callable[[Sequence[Candidate]], Sequence[Any]]  # the less, the better


def parse(texts: Sequence[str]) -> list[tuple[str, Rule]]:
    """Rules by their texts, `best`, `largest`, `oldest`, `newest` or `path:GLOB`, with words that say what they prefer.

    Raises `LibraryError` for a text that is none of them.
    """
    rules: list[tuple[str, Rule]] = []
    for text in texts:
        if text.startswith("path:") and len(text) > 5:
            rules.append((f"its path is like {text[5:]}", _each(_like(text[5:]))))
        elif text in _RULES:
            rules.append((WORDS[text], _RULES[text]))
        else:
            raise LibraryError(text, "no rule to keep by", "give best, largest, oldest, newest or path:GLOB")
    return rules


def order(candidates: Sequence[Candidate], rules: Sequence[tuple[str, Rule]]) -> tuple[list[int], str]:
    """The places of some pictures, the one to keep first, and why it is."""

    tied, why = [list(range(len(candidates)))], ""
    for words, rule in (*rules, *_LAST):
        parts: list[list[int]] = []
        for places in tied:
            keys = dict(zip(places, rule([candidates[place] for place in places]), strict=True))
            ordered = sorted(places, key=keys.__getitem__)
            parts += [list(part) for _, part in groupby(ordered, key=keys.__getitem__)]
        if not why and len(candidates) > 1 and len(parts[0]) == 1:
            why = words
        tied = parts
    places = [place for part in tied for place in part]
    return places, _merits(*(candidates[place] for place in places)) if why == WORDS["best"] else why


def losses(found: Finding, pixels: tuple[int, int]) -> dict[Lost, int]:
    """What one of two pictures has lost, as fields of `Candidate`, and which of both it is; `pixels`: of each."""
    evidence = found.evidence
    lost: dict[Lost, int | None] = {"marked": evidence.marked}
    if found.kind in {Kind.COPY, Kind.EDIT}:
        framed = [place for place in (0, 1) if evidence.content[place] < WHOLLY]
        if len(framed) == 1:
            lost["bordered"] = framed[0]
        lost["greyed"] = evidence.greyed
        part = int(evidence.shown[1] > evidence.shown[0])
        share = evidence.shown[1 - part]
        is_finer = pixels[part] > FINER * share * pixels[1 - part]  # as a photograph is that is in a collage, too
        if share < PARTLY and evidence.shown[part] >= WHOLLY and not is_finer:
            lost["cropped"] = part
    return {what: whose for what, whose in lost.items() if whose is not None}


def note(known: dict[int, Noted], pair: tuple[int, int], found: Finding, pixels: tuple[int, int]) -> None:
    """Add to what is `known` of each picture, as fields of `Candidate`, what a pair says; `pixels`: of each."""
    for what, whose in losses(found, pixels).items():
        known.setdefault(pair[whose], {})[what] = True
    evidence, stored = found.evidence, found.stored or (Stored(), Stored())
    for place, picture in enumerate(pair):
        mine = known.setdefault(picture, {})
        mine["stored"] = stored[place]
        if found.kind in {Kind.COPY, Kind.EDIT}:
            mine["content"] = min(mine.get("content", 1.0), evidence.content[place])
        if (evidence.mark or evidence.laid_over) and evidence.marked is None:
            mine["disputed"] = True
        if found.kind is Kind.SAME_PIXELS and stored[place].is_lossless and not stored[1 - place].is_lossless:
            mine["remade"] = True  # no picture is stored with a loss and has the very pixels that it had before


def _merits(first: Candidate, second: Candidate, *others: Candidate) -> str:
    """What makes the best picture better than the second best."""
    rest = (second, *others)
    found = []
    if _pixels(first) > _pixels(second):
        border = " with its border" if second.bordered else ""
        found.append(f"{first.width} × {first.height} pixels, not {second.width} × {second.height}{border}")
    bits = f"{_detail(first):.1f}", f"{_detail(second):.1f}"
    if first.alike and first.alike == second.alike and _detail(first) > _detail(second):
        found.append(f"{bits[0]} bits a pixel, not {bits[1]}" if bits[0] != bits[1] else "a little less compressed")
    if first.taken is not None and second.taken is None:
        found.append("has the camera's date")
    one, two = first.alike, second.alike
    if one and two:
        if one.bits > two.bits:
            found.append(f"{one.bits} bits a colour, not {two.bits}")
        if one.is_lossless and not two.is_lossless:
            found.append("stored without a loss")
        if one.is_clear and not two.is_clear:
            found.append("has its transparency")
    merits = {
        "marked": "nothing was laid over it",
        "greyed": "has its colours",
        "cropped": "shows more of it",
        "bordered": "has no border",
    }
    for lost, words in merits.items():
        if any(getattr(each, lost) for each in rest) and not getattr(first, lost):
            found.append(words)
    return f"the best: {'; '.join(found)}" if found else WORDS["best"]


def _each(key: Callable[[Candidate], Any]) -> Rule:
    """The rule that looks at each picture alone."""
    return lambda some: [key(one) for one in some]


def _like(pattern: str) -> Callable[[Candidate], bool]:
    pattern = os.path.normpath(pattern)
    return lambda one: (
        not (fnmatch.fnmatchcase(one.path, pattern) or fnmatch.fnmatchcase(one.path, f"*{os.sep}{pattern}"))
    )


def _pixels(one: Candidate) -> int:
    return max(1, round(one.width * one.height * one.content))


def _detail(one: Candidate) -> float:
    """Bits of the file for a pixel."""
    return max(one.bytes, 1) * 8 / _pixels(one)


def _best(some: Sequence[Candidate]) -> list[int]:
    """The ranks of pictures: 0 for the best, and for all that are as good.

    Those that are stored alike are ordered by their worth and their bytes a pixel. Then the first ones of these are
    compared by all but the bytes, the best is taken, the next one follows it, and so on.
    """
    worths = _worths(some)
    queues: dict[Hashable, list[tuple[float, int]]] = {}
    for place, one in enumerate(some):
        detail = 0.0
        if one.alike:
            detail = min(MOST_DETAIL, max(LEAST_DETAIL, math.log2(_detail(one) + 1e-9)))
        queues.setdefault(one.alike, []).append((-round(worths[place] + DETAIL * detail, 3), place))

    def outward(place: int) -> tuple[float, ...]:
        stored = some[place].alike or Stored()
        return -worths[place], -stored.bits, -stored.is_lossless, -stored.is_clear

    waiting = [deque(sorted(queue)) for queue in queues.values()]
    ranks = [0] * len(some)
    rank = 0
    while waiting:
        best = min(outward(queue[0][1]) for queue in waiting)
        for queue in waiting:
            if outward(queue[0][1]) == best:
                first = queue[0][0]
                while queue and queue[0][0] == first:
                    ranks[queue.popleft()[1]] = rank
        rank += 1
        waiting = [queue for queue in waiting if queue]
    return ranks


def _worths(some: Sequence[Candidate]) -> list[float]:
    """Doublings of the number of pixels, nearly as many being equal, with what is worth or costs as much as some."""
    counts: dict[int, float] = {}
    most = 0
    for count in sorted(map(_pixels, some), reverse=True):
        most = count if count < (1 - EQUAL) * most or not most else most
        counts[count] = math.log2(most)
    return [
        round(
            counts[_pixels(one)] + DATED * (one.taken is not None) - MARKED * one.marked - GREYED * one.greyed
            - CROPPED * one.cropped - BORDERED * one.bordered, 3,
        )
        for one in some
    ]  # fmt: skip


def _larger(some: Sequence[Candidate]) -> list[int]:
    """The larger files first, if all are stored alike."""
    alike = {one.alike for one in some}
    return [-one.bytes if len(alike) == 1 and None not in alike else 0 for one in some]


def _age(one: Candidate) -> tuple[bool, int]:
    return one.taken is None, one.taken * 10**9 if one.taken is not None else one.modified


_RULES: dict[str, Rule] = {
    "best": _best,
    "largest": _each(lambda one: -_pixels(one)),
    "oldest": _each(_age),
    "newest": _each(lambda one: (one.taken is None, -_age(one)[1])),
}
_LAST: tuple[tuple[str, Rule], ...] = (
    ("the most pixels", _each(lambda one: -_pixels(one))),
    ("the largest file", _larger),
    ("the oldest file", _each(lambda one: one.modified)),
    ("its path comes first", _each(lambda one: os.fsencode(one.path))),
)
