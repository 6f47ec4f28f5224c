"""Pairs of pictures confirmed one after the other, each picture read as seldom as memory allows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from transhash.errors import ImageError
from transhash.images.helpers import Helpers
from transhash.library.duplicates.confirmation import Finding, confirm, confirm_larger
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.reading import LARGE, Looked, large, look, same_pixels
from transhash.library.duplicates.sketches import sketch
from transhash.library.files.thumbnails import Thumbnails
from transhash.threads import cuts, spread, workers

HELD = 512  # pictures in memory
PIECE = 16  # pairs that a helper is asked for at once, most of which share a picture with the next
FRAMES_APART = 10.0  # grey levels, the mean over a frame at 32 × 32, by which frames of copies differ at most


class Picture(NamedTuple):
    """A picture to compare."""

    path: Path
    digest: str
    size: tuple[int, int]  # upright


class Pairing:
    """Confirms pairs of pictures, which are named by numbers."""

    def __init__(self, picture: Callable[[int], Picture], thumbnails: Thumbnails | None) -> None:
        self._picture = picture
        self._thumbnails = thumbnails
        self._held: OrderedDict[int, Looked] = OrderedDict()
        self._helpers: Helpers | None = None

    def look(self, numbers: list[int]) -> dict[int, Looked | ImageError]:
        """What is seen of some pictures, side by side; or why nothing is."""
        found: dict[int, Looked | ImageError] = {}
        for number in numbers:
            if number in self._held:
                self._held.move_to_end(number)
                found[number] = self._held[number]
        missing = [number for number in numbers if number not in found]
        for number, looked in zip(missing, spread(self._read, missing), strict=True):
            found[number] = looked
            if not isinstance(looked, ImageError):
                self._held[number] = looked
        while len(self._held) > HELD:
            self._held.popitem(last=False)
        return found

    def have_help(self) -> None:
        """Have processes confirm, one for each core: of what a comparison does a third holds the interpreter's lock."""
        if workers() > 1:
            self._helpers = Helpers(workers() - 1)
            self._held.clear()

    def close(self) -> None:
        """End the processes; what is confirmed afterwards is confirmed in this one."""
        if self._helpers:
            self._helpers.close()
            self._helpers = None

    def confirm(self, pairs: list[tuple[int, int]]) -> list[Finding]:
        """What the pictures of each pair are to each other."""
        if self._helpers:
            named = [(self._picture(one), self._picture(other)) for one, other in pairs]
            pieces = cuts(len(named), -(-len(named) // PIECE))
            return list(chain.from_iterable(spread(lambda piece: self._asked(named[slice(*piece)]), pieces)))
        seen = self.look(sorted({number for pair in pairs for number in pair}))
        return spread(lambda pair: _compared(*((self._picture(each), seen[each]) for each in pair)), pairs)

    def _asked(self, pairs: list[tuple[Picture, Picture]]) -> list[Finding]:
        """What some pairs are, by a helper, or where none is idle by this thread."""
        found = self._helpers.ask(confirmed, pairs, self._thumbnails) if self._helpers else None
        return confirmed(pairs, self._thumbnails) if found is None else found

    def _read(self, number: int) -> Looked | ImageError:
        return _read(self._picture(number), self._thumbnails)


def confirmed(pairs: list[tuple[Picture, Picture]], thumbnails: Thumbnails | None) -> list[Finding]:
    """What the pictures of some pairs are to each other, one pair after the other."""
    seen = {each: (each, _read(each, thumbnails)) for each in {each for pair in pairs for each in pair}}
    return [_compared(seen[one], seen[other]) for one, other in pairs]


def _read(picture: Picture, thumbnails: Thumbnails | None) -> Looked | ImageError:
    try:
        return look(picture, thumbnails)
    except ImageError as error:
        return error


def _compared(one: tuple[Picture, Looked | ImageError], other: tuple[Picture, Looked | ImageError]) -> Finding:
    if isinstance(one[1], ImageError) or isinstance(other[1], ImageError):
        return Finding(None)
    try:
        found = compare(one[0], one[1], other[0], other[1])
        return replace(found, stored=(one[1].stored, other[1].stored))
    except ImageError:  # one of the files has gone meanwhile
        return Finding(None)


def compare(one: Picture, seen: Looked, other: Picture, also: Looked) -> Finding:
    """What two pictures are to each other; opens their files again only where 256 pixels cannot tell."""
    if seen.pages != also.pages:
        return Finding(None)
    found = confirm(seen.sketch, also.sketch)
    may_be_same = found.exact and found.kind in {Kind.COPY, Kind.UNSURE}
    may_be_same |= np.array_equal(seen.sketch.whole, also.sketch.whole)
    is_still = seen.frames is None and one.size == other.size
    if is_still and may_be_same and same_pixels(one.path, other.path):
        evidence = replace(found.evidence, words=("all pixels are equal",))  # however little is to be seen on them
        return Finding(Kind.SAME_PIXELS, evidence, found.movement)
    if found.kind is None or found.kind is Kind.BURST:
        return found
    if seen.frames is not None:
        return found if found.kind is not Kind.EDIT and _same_frames(seen, also) else Finding(None)
    is_marked = found.kind is Kind.COPY and found.evidence.disagreeing > 0  # letters look half transparent when small
    if not (found.plain or is_marked):
        return found
    first, second = (sketch(large(each.path), side=LARGE, keyed=False) for each in (one, other))
    return confirm_larger(found, seen.sketch, also.sketch, first, second)


def _same_frames(one: Looked, other: Looked) -> bool:
    if one.frames is None or other.frames is None or one.frames.shape != other.frames.shape or not len(one.frames):
        return False
    apart = np.abs(one.frames.astype(np.float32) - other.frames.astype(np.float32)).mean(axis=(1, 2))
    return bool(apart.max() <= FRAMES_APART)
