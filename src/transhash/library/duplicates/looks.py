"""Looks: what two pictures say of each other once one is laid on the other under one movement."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from transhash.library.duplicates import registration
from transhash.library.duplicates.judging import (
    FEWEST,
    both_plain,
    covering,
    drift,
    greyed,
    is_page,
    judge,
    shown_areas,
    slip,
    toned,
)
from transhash.library.duplicates.laying import ground, lay
from transhash.library.duplicates.overlay import NOTHING as UNCHANGED
from transhash.library.duplicates.overlay import Changed, Laid, overlay
from transhash.library.duplicates.recolouring import recoloured
from transhash.library.duplicates.registration import Movement
from transhash.library.duplicates.sketches import Sketch
from transhash.library.duplicates.tiles import sharpened

# Tuned by benchmarks/copies on other photographs than those that its tables report (docs/duplicates.md)
CALM = 1.7  # strain of nine tenths of a copy's tiles at most
SPARSE = 0.4  # share of the tiles below which those with structure are few: slides, whatever their ground
SPOILT = 0.05  # share of the tiles that sharpening may spoil: from so few on, the softer picture is sharpened instead


class Look:
    """What two pictures say of each other under one movement. Most of it is calculated when it is asked for: of
    pictures that are nothing to each other little is.
    """

    def __init__(self, a: Sketch, b: Sketch, laid: Laid, movement: Movement, votes: int) -> None:
        """Judge `laid`, the one of both pictures laid on the other; `movement`: from a to b."""
        judged = judge(laid)
        if 0 < judged.wrong.sum() <= SPOILT * judged.structured.sum():
            met = sharpened(*laid.unmet, laid.there)
            again = met and judge(laid._replace(reference=met[0], other=met[1]))
            if met and again and again.wrong.sum() < judged.wrong.sum():
                laid, judged = laid._replace(reference=met[0], other=met[1]), again
        self.movement = movement
        self.votes = votes  # keypoints that agree on it
        self.tiles = int(judged.structured.sum())  # with structure
        self.bad = int(judged.wrong.sum())  # of these, those that disagree
        self._a, self._b, self._laid, self._judged = a, b, laid, judged
        self._right = judged.structured & ~judged.wrong
        strains = judged.strains[self._right]
        self.strain, self.usual = (float(np.quantile(strains, part)) if len(strains) else 99.0 for part in (0.9, 0.5))
        """Nine tenths and half of the strains of the tiles that agree are below."""
        self.most = float(judged.strains[judged.structured].max()) if self.tiles else 0.0  # of all tiles

    @property
    def good(self) -> int:
        """The tiles that agree."""
        return self.tiles - self.bad

    @property
    def share(self) -> float:
        """Of the tiles those that agree."""
        return self.good / max(self.tiles, 1)

    @property
    def rank(self) -> float:
        """How much speaks for this movement."""
        return self.good * self.share

    @property
    def plain(self) -> bool:
        """Whether there is so little structure that larger sketches tell more."""
        down, across = self._judged.tiles.grid
        few = max(3 * FEWEST, SPARSE * down * across)
        return self._a.plain or self._b.plain or self.tiles < few

    @property
    def plain_alike(self) -> bool:
        """Whether both pictures are of one grey."""
        return both_plain(self._a, self._b)

    @cached_property
    def alike(self) -> float:
        """The correlation that half of the tiles that agree have at least."""
        return float(np.median(self._judged.tiles.alike[self._right])) if self._right.any() else 0.0

    @cached_property
    def slip(self) -> float:
        """Pixels by which four fifths of the tiles that agree are off at most."""
        return slip(self._judged.tiles, self._right)

    @cached_property
    def drift(self) -> float:
        """Pixels by which neighbours of these are off in one direction."""
        return drift(self._judged.tiles, self._right)

    @cached_property
    def covered(self) -> tuple[float, float]:
        """The share of each picture's structure that the other one shows."""
        back = registration.inverse(self.movement)
        return covering(self._a, self._b, self.movement), covering(self._b, self._a, back)

    @cached_property
    def _areas(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return shown_areas(self._a, self._b, self.movement)

    @property
    def shown(self) -> tuple[float, float]:
        """The share of each picture's area that the other one shows."""
        return self._areas[0]

    @property
    def content(self) -> tuple[float, float]:
        """The share of each picture that is no border beyond what the other one shows."""
        return self._areas[1]

    @property
    def kept(self) -> float:
        """The share of the larger picture's area that the smaller one shows."""
        return min(self.shown)

    @cached_property
    def changed(self) -> Changed:
        """What was laid over one of both, or has moved."""
        if not self.tiles or not (self.bad or self.strain > CALM):
            return UNCHANGED
        return overlay(self._laid, self._judged.tiles, self._judged.wrong, self._judged.strains)

    @property
    def photographic(self) -> bool:
        """Whether enough tiles agree, and not both pictures are pages."""
        a, b = self._a, self._b
        return self.good >= 2 * FEWEST and not (a.plain and b.plain and is_page(a) and is_page(b))

    @cached_property
    def recoloured(self) -> bool:
        """Whether what is to be seen has other colours."""
        one, two = (self._b, self._a) if self._laid.swapped else (self._a, self._b)
        return recoloured(self._laid, self._judged.tiles, ground(one, two))

    @property
    def greyed(self) -> int | None:
        """The one of both that has no colours where the other one has."""
        return greyed(self._a, self._b)

    @property
    def toned(self) -> bool:
        """Whether one of both is grey, and the other one has colours or a cast."""
        return toned(self._a, self._b)


def look(a: Sketch, b: Sketch, movement: Movement, levels: int | None, votes: int) -> Look | None:
    """A look at two pictures near a movement, which is fitted as `lay` does; None where they have nothing in common."""
    both = lay(a, b, movement, levels)
    return None if both is None else Look(a, b, *both, votes)
