"""Choosing: which pairs of a library's pictures are worth a comparison, without looking at each pair.

Where pictures have embeddings, those near by their cosine are glanced at. Elsewhere the pictures whose codes have
company are read, and signs of them are compared (`candidates`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError
from transhash.library.duplicates.candidates import Signs, pairs, signs
from transhash.library.duplicates.glances import Glance, glance, may_match
from transhash.library.duplicates.neighbours import LEAST, TURNED_LEAST, cosines, neighbours
from transhash.library.duplicates.pairing import Pairing, Picture
from transhash.library.files.thumbnails import Thumbnails
from transhash.progress import Progress
from transhash.threads import spread

if TYPE_CHECKING:
    from transhash.search.join import Join

Numbers = NDArray[np.int64]
Pairs = list[tuple[int, int]]

READ_AT_ONCE = 64
CLOSEST = 2  # nearest pictures of one, if they are near, that are compared whatever a glance says, for edits


class Reading(NamedTuple):
    """What is done for pictures, which are named by numbers."""

    present: Callable[
        [Numbers], list[int]
    ]  # those whose contents are there, in files that are as the catalogue has them
    picture: Callable[[int], Picture]
    skip: Callable[[int, str, str], None]  # names one with a reason and a remedy
    progress: Progress


def accompanied(join: Join, codes: Numbers) -> NDArray[np.bool_]:
    """Which pictures, of these codes, have another one within the radius."""
    held = np.bincount(codes, minlength=len(join.words))
    if join.radius >= join.bits:
        return np.full(len(codes), len(codes) > 1)
    found = held > 1
    for some in join.pairs():
        found[some.first] = True
        found[some.second] = True
    return np.asarray(found[codes])


def by_signs(pictures: Numbers, reading: Reading, pairing: Pairing) -> Pairs:
    """The pairs worth a look among pictures, by signs that are read of each."""
    kept: list[int] = []
    found: list[Signs] = []
    for begin in range(0, len(pictures), READ_AT_ONCE):
        some = reading.present(pictures[begin : begin + READ_AT_ONCE])
        for picture, looked in pairing.look(some).items():
            if isinstance(looked, ImageError):
                reading.skip(picture, looked.reason, looked.remedy)
            else:
                kept.append(picture)
                found.append(signs(looked.sketch))
        reading.progress("reading", min(begin + READ_AT_ONCE, len(pictures)), len(pictures), "")
    if not kept:
        return []
    order = sorted(range(len(kept)), key=kept.__getitem__)
    numbers = np.array(kept, np.int64)[order]
    return [(int(one), int(two)) for one, two in numbers[pairs([found[place] for place in order])]]


def by_embeddings(
    pictures: Numbers, embeddings: NDArray[np.int8], thumbnails: Thumbnails, reading: Reading, *, turned: bool
) -> Pairs:
    """The pairs worth a look of pictures that are near by their embeddings [N, V], and that a glance does not part.

    With `turned` also mirrored and turned ones and small parts are looked for.
    """
    reading.progress("looking for neighbours", 0, 1, "")
    near, ranks = neighbours(embeddings, least=TURNED_LEAST if turned else LEAST)
    closest = ranks < CLOSEST if turned else np.zeros(len(near), np.bool_)
    if turned:  # farther ones only where a glance speaks for them
        closest &= cosines(embeddings, near) >= LEAST
    reading.progress("looking for neighbours", 1, 1, "")
    seen = _glances(pictures[np.unique(near)], thumbnails, reading)
    found: Pairs = []
    named = np.sort(pictures[near], axis=1)  # a pair is known by the lesser number first
    for begin in range(0, len(near), READ_AT_ONCE):
        rows = named[begin : begin + READ_AT_ONCE].tolist()
        some = [
            (one, other, is_closest)
            for (one, other), is_closest in zip(rows, closest[begin : begin + READ_AT_ONCE].tolist(), strict=True)
            if one in seen and other in seen
        ]
        fits = spread(lambda pair: pair[2] or may_match(seen[pair[0]], seen[pair[1]], turned=turned), some)
        found += [pair[:2] for pair, fit in zip(some, fits, strict=True) if fit]
        reading.progress("glancing", min(begin + READ_AT_ONCE, len(near)), len(near), "")
    return _together(found)


def _glances(pictures: Numbers, thumbnails: Thumbnails, reading: Reading) -> dict[int, Glance]:
    def read(picture: int) -> Glance | ImageError:
        try:
            return glance(thumbnails.get(reading.picture(picture)).content)
        except ImageError as error:
            return error

    found: dict[int, Glance] = {}
    for begin in range(0, len(pictures), READ_AT_ONCE):
        some = reading.present(pictures[begin : begin + READ_AT_ONCE])
        for picture, seen in zip(some, spread(read, some), strict=True):
            if isinstance(seen, ImageError):
                reading.skip(picture, seen.reason, seen.remedy)
            else:
                found[picture] = seen
        reading.progress("reading", min(begin + READ_AT_ONCE, len(pictures)), len(pictures), "")
    return found


def _together(found: Pairs) -> Pairs:
    """The pairs, those that hang together behind one another, so that each picture is read seldom."""
    leaders: dict[int, int] = {}

    def leader(one: int) -> int:
        while leaders.setdefault(one, one) != one:
            leaders[one] = leaders[leaders[one]]
            one = leaders[one]
        return one

    for one, other in found:
        a, b = leader(one), leader(other)
        leaders[max(a, b)] = min(a, b)
    return sorted(found, key=lambda pair: (leader(pair[0]), pair))
