"""Confirmation: what two pictures are to each other, from their sketches, with the evidence.

One picture is laid on the other (`laying`), and both are compared tile by tile (`judging`). In a copy every tile with
structure agrees, up to what compression and scaling of this very picture explain; where the camera or its subject has
moved, some tiles do not. A tile without structure proves nothing. Pure functions on arrays: nothing here opens a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from transhash.library.duplicates import registration
from transhash.library.duplicates.judging import FEWEST, both_plain
from transhash.library.duplicates.keep import Stored
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.laying import TURNED, VOTES, correlation, hypotheses, onto, whole
from transhash.library.duplicates.looks import Look, look
from transhash.library.duplicates.overlay import Overlay
from transhash.library.duplicates.registration import Movement
from transhash.library.duplicates.sketches import Sketch


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
    greyed: int | None = None  # the one of both that has no colours where the other one has
    shown: tuple[float, float] = (
        1.0,
        1.0,
    )  # share of each one's area that the other shows; borders are nothing
    content: tuple[float, float] = (1.0, 1.0)  # share of each one that is no border beyond what the other one shows
    laid_over: bool = False  # something covers a part of the one that `marked` names
    mark: bool = False  # the one that `marked` names has a watermark
    words: tuple[str, ...] = ()  # what else differs, for people

    def text(self, first: str = "the first", second: str = "the second") -> str:
        """The evidence in words, with these names for the two pictures."""
        over = "one of both" if self.marked is None else (first, second)[self.marked]
        tiles = f"{self.agreeing} of {self.agreeing + self.disagreeing} tiles agree" if self.agreeing else ""
        laid = f"something laid over {over}" if self.laid_over else f"a mark on {over}" if self.mark else ""
        return "; ".join(filter(None, (laid, *self.words, tiles)))


@dataclass(frozen=True, slots=True)
class Finding:
    """What two pictures are to each other (None: nothing), and why."""

    kind: Kind | None
    evidence: Evidence = field(default_factory=Evidence)
    movement: Movement | None = field(default=None, compare=False)  # from the first to the second sketch
    plain: bool = False  # so little structure that it should be looked at in a larger size
    exact: bool = False  # so near that the pixels may be the very same
    stored: tuple[Stored, Stored] | None = field(default=None, compare=False)  # how the files of both store them


# Tuned by benchmarks/copies on other photographs than those that its tables report (docs/duplicates.md)
STRAINED, BLURRED = 4.0, 6.5  # of one whose tiles all lie where they should: sharpened, in harsh light; blurred a lot
SHAPED = 0.95  # correlation that half of the tiles have at least then
ALIKE = 0.8  # correlation that half of a copy's tiles have at least, and half of a scene's tiles that agree, unless
# keypoints speak for it: what is softened until it is flat differs little
STILL = 0.2  # pixels by which four fifths of a copy's tiles are off at most
DRIFT = 0.1  # pixels by which neighbouring tiles of a copy are off in one direction at most
HIDDEN = 0.7  # share of the tiles below which even a watermark makes an edit
UNCOVERED = 0.3  # share of the tiles that something laid over a picture leaves at least
QUIET = 1.7  # median of the strains where something was laid over a picture
EXACT = 0.4  # strain of a picture that has been saved without a loss
WHOLLY = 0.93  # share of a picture's structure that counts as all of it
SLIGHT_CROP = 0.68  # share of the area that a copy keeps at least
PART = 0.3  # share of a picture below which a part of it needs twice the evidence
SURER = 1000.0  # tiles by which a movement that explains everything is better than one that does not
TINY, TINY_ALIKE = 48, 0.9  # pixels of a picture's longer side that may be too few to tell, correlation of the whole
RARE = 0.01  # share of the tiles of larger sketches that may disagree where all of the smaller ones agree
CHANGED = 0.4  # strain of half of the tiles of larger sketches where one was sharpened or blurred, at least
ODD, ODDER, UNLIKE = 3.0, 8.0, 2.6  # times the strain of nine tenths that one tile of a page has where a stroke was
# changed: of those that disagree, and of any, whose strain is beyond a limit then
LARGER = 1.5  # times the pixels of a sketch, from which on a larger one tells more
NOTHING = Finding(None)


def confirm(a: Sketch, b: Sketch) -> Finding:
    """What two pictures are to each other."""
    best: Finding | None = None
    rank = -1.0
    tried: list[Movement] = []
    for hypothesis in hypotheses(a, b):
        for seen in _near(a, b, hypothesis, tried):
            found = _finding(seen)
            if found.kind is Kind.COPY:
                return found
            worth = seen.rank + SURER * (found.kind is Kind.EDIT)
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


def _near(a: Sketch, b: Sketch, hypothesis: tuple[Movement, int, int], tried: list[Movement]) -> Iterator[Look]:
    """What two pictures say of each other near one movement (with its levels and votes, as `hypotheses` has them).

    Where all of one picture may have been made to all of the other, exactly that movement comes first, unless it was
    tried before: it is more exact than what can be measured, and in mist nothing can be measured.
    """

    movement, levels, votes = hypothesis

    def exact(near: Movement) -> Look | None:
        found = whole(a, b, near)
        if found is None or any(np.array_equal(found, each) for each in tried):
            return None
        tried.append(found)
        return look(a, b, found, None, votes)

    first = exact(movement)
    if first is not None:
        yield first
    fitted = look(a, b, movement, levels, votes)
    if fitted is not None:
        yield fitted
        last = exact(fitted.movement)
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
    best = max(looks, key=lambda each: each.rank, default=None)
    if best is None or best.tiles < FEWEST:
        return found if found.kind is Kind.UNSURE else Finding(Kind.UNSURE, found.evidence, found.movement)
    again = _finding(best)
    is_laid_over = again.evidence.laid_over and (found.evidence.mark or found.evidence.laid_over)
    if again.evidence.mark or is_laid_over:  # which one has it is seen more clearly here
        clearer = replace(found.evidence, marked=again.evidence.marked, mark=again.evidence.mark)
        found = replace(found, evidence=clearer)
    if found.kind is Kind.COPY and _bears_out(found, best, math.sqrt(larger_a.grey.size / a.grey.size)):
        return found
    return _corrected(found, best, again)


def _corrected(found: Finding, seen: Look, again: Finding) -> Finding:
    """What two pictures are where larger sketches (`seen`, and `again` found there) do not bear out `found`."""
    is_marked = found.kind is Kind.COPY and seen.changed.what is Overlay.MARK and not again.evidence.words
    if again.kind is Kind.EDIT and not is_marked:  # strokes that one has and the other has not may be seen here alone
        return Finding(again.kind, again.evidence, found.movement)
    is_clean = not seen.bad and seen.alike >= ALIKE  # compression is seen more clearly here
    is_odd = found.kind is Kind.COPY and not seen.bad and _is_odd(seen)
    is_borne_out = is_clean or again.kind in {Kind.COPY, Kind.EDIT}  # an edit here: a mark on many tiles
    if found.kind in {Kind.COPY, Kind.EDIT} and is_borne_out and not is_odd:
        return found
    if again.kind is Kind.COPY and not is_odd:
        return Finding(again.kind, again.evidence)
    if is_odd or found.plain or found.kind is not Kind.COPY:
        return NOTHING
    if again.kind is Kind.BURST:
        return Finding(again.kind, again.evidence, found.movement)
    return Finding(Kind.EDIT, replace(found.evidence, laid_over=True), found.movement)  # letters, no watermark


def _bears_out(found: Finding, seen: Look, growth: float) -> bool:
    """Whether larger sketches say nothing against a copy whose tiles all agree: what is sharpened or blurred differs
    in a few tiles where they are small parts of it. Pixels are smaller there by a factor.
    """
    if found.evidence.disagreeing or seen.alike < ALIKE or _is_odd(seen) or seen.recoloured:
        return False
    if seen.bad and (seen.bad > RARE * seen.tiles or seen.usual < CHANGED or seen.most > ODD * seen.strain):
        return False
    return seen.slip <= STILL * growth and seen.drift <= DRIFT * growth and seen.strain <= STRAINED


def _is_odd(seen: Look) -> bool:
    """Whether a tile of a page differs as no other one does: a digit that was changed."""
    return seen.plain and seen.most > max(UNLIKE, ODDER * seen.strain)


def _finding(seen: Look) -> Finding:
    """What two pictures are to each other under one movement."""
    if seen.tiles < FEWEST:
        blank = seen.bad == 0 and seen.plain_alike and min(seen.covered) > 0.8
        return _as(seen, Kind.UNSURE, ["too little structure to tell"]) if blank else NOTHING
    if _is_same_picture(seen):
        words = _differences(seen)
        laid_over = bool(seen.bad) and (seen.changed.what is not Overlay.MARK or seen.share < HIDDEN)
        if words or laid_over:
            return _as(seen, Kind.EDIT, words, laid_over=laid_over)
        if seen.kept < 0.99:
            words.append(f"cropped to {seen.kept:.0%}")
        return _as(seen, Kind.COPY, words)
    if _is_same_scene(seen):
        return _as(seen, Kind.BURST, [_against(seen)])
    return NOTHING


def _against(seen: Look) -> str:
    """What speaks against a copy, where two pictures are exposures of one scene."""
    if seen.bad:
        return f"{seen.bad} of {seen.tiles} tiles differ"
    if seen.drift > DRIFT or seen.slip > STILL:
        return "the camera has moved a little"
    if max(seen.covered) < WHOLLY:
        return "each shows what the other one does not"
    return "the tiles agree less than those of a copy"


def _is_same_picture(seen: Look) -> bool:
    """Whether one picture was made from the other, or from a part of it."""
    if seen.alike < ALIKE or seen.good < FEWEST or max(seen.covered) < WHOLLY:
        return False
    if min(seen.covered) < PART and seen.good < 2 * FEWEST:
        return False
    if seen.bad and (seen.usual > QUIET or seen.good < 2 * FEWEST or seen.share < UNCOVERED):
        return False
    if seen.drift > 2 * DRIFT or seen.slip > 2 * STILL:
        return False
    if seen.changed.what in {Overlay.MARK, Overlay.PRINT}:
        return seen.usual <= QUIET
    strained = BLURRED if seen.alike >= SHAPED else STRAINED
    return not seen.bad and seen.drift <= DRIFT and seen.slip <= STILL and seen.strain <= strained


def _differences(seen: Look) -> list[str]:
    """What makes an edit of a picture, besides something that was laid over it."""
    words = []
    if registration.mirrored(seen.movement):
        words.append("mirrored")
    turned = registration.turned(seen.movement)
    if abs((turned + 45) % 90 - 45) > TURNED or abs(turned) > 45:
        words.append(f"turned by {turned:.0f} degrees")
    if seen.greyed is not None:
        words.append("without colour")
    if seen.recoloured or (seen.greyed is None and seen.toned):
        words.append("other colours")
    if seen.kept < SLIGHT_CROP:
        words.append(f"a part, {seen.kept:.0%} of it")
    return words


def _is_same_scene(seen: Look) -> bool:
    """Whether two pictures are exposures of one scene from nearly the same place."""
    if not seen.photographic or registration.mirrored(seen.movement) or abs(registration.turned(seen.movement)) > 20:
        return False
    least = min(seen.covered)
    keyed = seen.votes >= 2 * VOTES and seen.share >= 0.2 and least > PART
    return keyed or (seen.share >= 0.6 and least > 0.5 and seen.good >= 3 * FEWEST and seen.alike >= ALIKE)


def _as(seen: Look, kind: Kind, words: list[str], *, laid_over: bool = False) -> Finding:
    movement = seen.movement
    zoom = registration.zoom(movement)
    evidence = Evidence(
        seen.good, seen.bad, seen.covered, zoom, registration.turned(movement), registration.mirrored(movement),
        seen.changed.whose, seen.greyed, seen.shown, seen.content, laid_over, seen.changed.what is Overlay.MARK,
        tuple(words),
    )  # fmt: skip
    exact = seen.bad == 0 and (seen.usual < EXACT or seen.tiles < FEWEST) and abs(zoom - 1) < 0.02
    return Finding(kind, evidence, movement, seen.plain, exact)
