"""Confirmation: what two pictures are to each other, from their sketches, with the evidence.

One picture is laid on the other (`laying`), and both are compared tile by tile (`judging`). In a copy every tile with
structure agrees, up to what compression and scaling of this very picture explain; where the camera or its subject has
moved, some tiles do not. A tile without structure proves nothing. Pure functions on arrays: nothing here opens a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

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
    kept_area,
    slip,
)
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.laying import TURNED, VOTES, correlation, hypotheses, lay, onto, whole
from transhash.library.duplicates.overlay import NOTHING as UNCHANGED
from transhash.library.duplicates.overlay import Changed, Overlay, overlay
from transhash.library.duplicates.registration import Movement
from transhash.library.duplicates.sketches import Sketch
from transhash.library.duplicates.tiles import sharpened


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why two pictures are of a kind."""

    agreeing: int = 0  # tiles with structure in which both agree
    disagreeing: int = 0  # tiles with structure in which they do not
    covered: tuple[float, float] = (1.0, 1.0)  # share of each picture's structure that the other one shows
    zoom: float = 1.0  # pixels of the second for one of the first, both at the size of their sketches
    turned: float = 0.0  # degrees
    mirrored: bool = False
    marked: int | None = None  # the one of both, 0 or 1, that has letters, a logo or a watermark; None: not known
    laid_over: bool = False  # something covers a part of the one that `marked` names
    words: tuple[str, ...] = ()  # what else differs, for people

    def text(self, first: str = "the first", second: str = "the second") -> str:
        """The evidence in words, with these names for the two pictures."""
        over = "one of both" if self.marked is None else (first, second)[self.marked]
        tiles = f"{self.agreeing} of {self.agreeing + self.disagreeing} tiles agree" if self.agreeing else ""
        return "; ".join(filter(None, (f"something laid over {over}" if self.laid_over else "", *self.words, tiles)))


@dataclass(frozen=True, slots=True)
class Finding:
    """What two pictures are to each other (None: nothing), and why."""

    kind: Kind | None
    evidence: Evidence = field(default_factory=Evidence)
    movement: Movement | None = field(default=None, compare=False)  # from the first to the second sketch
    plain: bool = False  # so little structure that it should be looked at in a larger size
    exact: bool = False  # so near that the pixels may be the very same


# Tuned by benchmarks/copies on other photographs than those that its tables report (docs/duplicates.md)
CALM = 1.7  # strain of nine tenths of a copy's tiles at most
STRAINED, BLURRED = 4.0, 6.5  # of one whose tiles all lie where they should: sharpened, in harsh light; blurred a lot
SHAPED = 0.95  # correlation that half of the tiles have at least then
ALIKE = 0.8  # correlation that half of a copy's tiles have at least, and half of a scene's tiles that agree, unless
# keypoints speak for it: what is softened until it is flat differs little
STILL = 0.2  # pixels by which four fifths of a copy's tiles are off at most
DRIFT = 0.1  # pixels by which neighbouring tiles of a copy are off in one direction at most
HIDDEN = 0.7  # share of the tiles below which even a watermark makes an edit
UNCOVERED = 0.3  # share of the tiles that something laid over a picture leaves at least
QUIET = 1.7  # median of the strains where something was laid over a picture
SPOILT = 0.05  # share of the tiles that sharpening may spoil: from so few on, the softer picture is sharpened instead
EXACT = 0.4  # strain of a picture that has been saved without a loss
WHOLLY = 0.93  # share of a picture's structure that counts as all of it
SLIGHT_CROP = 0.68  # share of the area that a copy keeps at least
PART = 0.3  # share of a picture below which a part of it needs twice the evidence
SURER = 1000.0  # tiles by which a movement that explains everything is better than one that does not
TINY, TINY_ALIKE = 48, 0.9  # pixels of a picture's longer side that may be too few to tell, correlation of the whole
RARE = 0.01  # share of the tiles of larger sketches that may disagree where all of the smaller ones agree
LARGER = 1.5  # times the pixels of a sketch, from which on a larger one tells more
NOTHING = Finding(None)


def confirm(a: Sketch, b: Sketch) -> Finding:
    """What two pictures are to each other."""
    best: Finding | None = None
    rank = -1.0
    tried: list[Movement] = []
    for hypothesis in hypotheses(a, b):
        for look in _near(a, b, hypothesis, tried):
            found = _finding(look)
            if found.kind is Kind.COPY:
                return found
            worth = look.rank + SURER * (found.kind is Kind.EDIT)
            if worth > rank:
                rank, best = worth, found
        if best is not None and best.kind and hypothesis[2] >= 2 * VOTES:
            break  # so many keypoints are right: no other movement tells more
    if best is not None and best.kind:
        return best
    if min(max(a.grey.shape), max(b.grey.shape)) <= TINY and correlation(a.whole, b.whole, 0) >= TINY_ALIKE:
        return Finding(Kind.UNSURE, Evidence(words=("too small to tell",)))
    if best is not None and rank > FEWEST:
        return best
    if min(len(a.blocks), len(b.blocks)) < FEWEST and both_plain(a, b):
        return Finding(Kind.UNSURE, Evidence(words=("nearly blank",)), None, plain=True, exact=True)
    return NOTHING


def _near(a: Sketch, b: Sketch, hypothesis: tuple[Movement, int, int], tried: list[Movement]) -> Iterator[_Look]:
    """What two pictures say of each other near one movement (with its levels and votes, as `hypotheses` has them).

    Where all of one picture may have been made to all of the other, exactly that movement comes first, unless it was
    tried before: it is more exact than what can be measured, and in mist nothing can be measured.
    """

    movement, levels, votes = hypothesis

    def exact(near: Movement) -> _Look | None:
        found = whole(a, b, near)
        if found is None or any(np.array_equal(found, each) for each in tried):
            return None
        tried.append(found)
        return _look(a, b, found, None, votes)

    first = exact(movement)
    if first is not None:
        yield first
    look = _look(a, b, movement, levels, votes)
    if look is not None:
        yield look
        last = exact(look.movement)
        if last is not None:
            yield last


def confirm_larger(found: Finding, a: Sketch, b: Sketch, larger_a: Sketch, larger_b: Sketch) -> Finding:
    """What was found of two sketches, borne out by larger ones or not: pages, shapes on white, night skies."""
    if found.movement is None:
        movement, levels = onto(larger_a.frame, larger_b.frame, 0), 2
    else:
        factors = [
            (large.grey.shape[1] / small.grey.shape[1], large.grey.shape[0] / small.grey.shape[0])
            for small, large in ((a, larger_a), (b, larger_b))
        ]
        movement, levels = registration.scaled(found.movement, factors[0], factors[1]), 1
    if max(larger_a.grey.size / a.grey.size, larger_b.grey.size / b.grey.size) < LARGER:
        return found  # there is nothing more to see
    looks = _near(larger_a, larger_b, (movement, levels, 0), [])
    look = max(looks, key=lambda each: each.rank, default=None)
    if look is None or look.tiles < FEWEST:
        return found if found.kind is Kind.UNSURE else Finding(Kind.UNSURE, found.evidence, found.movement)
    again = _finding(look)
    if found.kind is Kind.COPY and _bears_out(found, look, math.sqrt(larger_a.grey.size / a.grey.size)):
        return found
    clean = not look.bad and look.alike >= ALIKE  # compression is seen more clearly here
    if found.kind in {Kind.COPY, Kind.EDIT} and clean:
        return Finding(again.kind, again.evidence, found.movement) if again.kind is Kind.EDIT else found
    if again.kind in {Kind.COPY, Kind.EDIT}:
        return found if found.kind in {Kind.COPY, Kind.EDIT} else Finding(again.kind, again.evidence)
    return NOTHING


def _bears_out(found: Finding, look: _Look, growth: float) -> bool:
    """Whether larger sketches say nothing against a copy whose tiles all agree: what is sharpened or blurred differs
    in a few tiles where they are small parts of it. Pixels are smaller there by a factor.
    """
    if found.evidence.disagreeing or look.bad > RARE * look.tiles or look.alike < ALIKE:
        return False
    return look.slip <= STILL * growth and look.drift <= DRIFT * growth and look.strain <= STRAINED


class _Look(NamedTuple):
    """What two pictures say of each other under one movement."""

    movement: Movement
    tiles: int  # with structure
    bad: int  # of these, those that disagree
    strain: float  # nine tenths of the others are below
    usual: float  # half of the others are below
    alike: float  # correlation of the others, which half of them have at least
    slip: float  # pixels by which four fifths of the others are off at most
    drift: float  # pixels by which neighbours of these are off in one direction
    covered: tuple[float, float]
    kept: float  # share of the larger picture's area that the smaller one shows
    changed: Changed
    photographic: bool
    plain: bool
    plain_alike: bool
    recoloured: bool
    greyed: bool
    votes: int

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


def _look(a: Sketch, b: Sketch, movement: Movement, levels: int | None, votes: int) -> _Look | None:
    both = lay(a, b, movement, levels)
    if both is None:
        return None
    laid, movement = both
    judged = judge(laid)
    if 0 < judged.wrong.sum() <= SPOILT * judged.structured.sum():
        met = sharpened(*laid.unmet, laid.there)
        again = met and judge(laid._replace(reference=met[0], other=met[1]))
        if met and again and again.wrong.sum() < judged.wrong.sum():
            laid, judged = laid._replace(reference=met[0], other=met[1]), again
    wrong = judged.wrong
    right = judged.structured & ~wrong
    count, bad = int(judged.structured.sum()), int(wrong.sum())
    strains = judged.strains[right]
    strain, usual = (float(np.quantile(strains, part)) if len(strains) else 99.0 for part in (0.9, 0.5))
    differs = bool(count and (bad or strain > CALM))
    covered = covering(a, b, movement), covering(b, a, registration.inverse(movement))
    return _Look(
        movement=movement,
        tiles=count,
        bad=bad,
        strain=strain,
        usual=usual,
        alike=float(np.median(judged.tiles.alike[right])) if right.any() else 0.0,
        slip=slip(judged.tiles, right),
        drift=drift(judged.tiles, right),
        covered=covered,
        kept=kept_area(a, b, movement),
        changed=overlay(laid, judged.tiles, wrong, judged.strains) if differs else UNCHANGED,
        photographic=not (a.plain and b.plain and is_page(a) and is_page(b)) and count - bad >= 2 * FEWEST,
        plain=a.plain or b.plain or count < 3 * FEWEST,
        plain_alike=both_plain(a, b),
        recoloured=judged.recoloured,
        greyed=greyed(a, b),
        votes=votes,
    )


def _finding(look: _Look) -> Finding:
    """What two pictures are to each other under one movement."""
    if look.tiles < FEWEST:
        blank = look.bad == 0 and look.plain_alike and min(look.covered) > 0.8
        return _as(look, Kind.UNSURE, ["too little structure to tell"]) if blank else NOTHING
    if _is_same_picture(look):
        words = _differences(look)
        laid_over = bool(look.bad) and (look.changed.what is not Overlay.MARK or look.share < HIDDEN)
        if words or laid_over:
            return _as(look, Kind.EDIT, words, laid_over=laid_over)
        if look.changed.what is Overlay.MARK:
            words.append("marked")
        if look.kept < 0.99:
            words.append(f"cropped to {look.kept:.0%}")
        return _as(look, Kind.COPY, words)
    if _is_same_scene(look):
        return _as(look, Kind.BURST, [f"{look.bad} of {look.tiles} tiles differ"])
    return NOTHING


def _is_same_picture(look: _Look) -> bool:
    """Whether one picture was made from the other, or from a part of it."""
    laid_over = look.changed.what in {Overlay.MARK, Overlay.PRINT}
    if look.bad and not (laid_over and look.good >= 2 * FEWEST and look.share >= UNCOVERED):
        return False
    if laid_over:
        calm = look.usual <= QUIET and look.drift <= 2 * DRIFT and look.slip <= 2 * STILL
    else:
        strained = BLURRED if look.alike >= SHAPED and not look.bad else STRAINED
        calm = look.drift <= DRIFT and look.slip <= STILL and look.strain <= strained
    if not calm or look.alike < ALIKE:
        return False
    if max(look.covered) < WHOLLY or look.good < FEWEST:
        return False
    return min(look.covered) >= PART or look.good >= 2 * FEWEST


def _differences(look: _Look) -> list[str]:
    """What makes an edit of a picture, besides something that was laid over it."""
    words = []
    if registration.mirrored(look.movement):
        words.append("mirrored")
    turned = registration.turned(look.movement)
    if abs((turned + 45) % 90 - 45) > TURNED or abs(turned) > 45:
        words.append(f"turned by {turned:.0f} degrees")
    if look.greyed:
        words.append("without colour")
    if look.recoloured:
        words.append("other colours")
    if look.kept < SLIGHT_CROP:
        words.append(f"a part, {look.kept:.0%} of it")
    return words


def _is_same_scene(look: _Look) -> bool:
    """Whether two pictures are exposures of one scene from nearly the same place."""
    if not look.photographic or registration.mirrored(look.movement) or abs(registration.turned(look.movement)) > 20:
        return False
    least = min(look.covered)
    seen = look.votes >= 2 * VOTES and look.share >= 0.2 and least > PART
    return seen or (look.share >= 0.6 and least > 0.5 and look.good >= 3 * FEWEST and look.alike >= ALIKE)


def _as(look: _Look, kind: Kind, words: list[str], *, laid_over: bool = False) -> Finding:
    movement = look.movement
    zoom = registration.zoom(movement)
    evidence = Evidence(
        look.good, look.bad, look.covered, zoom, registration.turned(movement), registration.mirrored(movement),
        look.changed.whose, laid_over, tuple(words),
    )  # fmt: skip
    exact = look.bad == 0 and (look.usual < EXACT or look.tiles < FEWEST) and abs(zoom - 1) < 0.02
    return Finding(kind, evidence, movement, look.plain, exact)
