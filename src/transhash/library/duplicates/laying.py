"""Laying one picture on another: the movements worth a look, and the pixels of both in one frame and one light."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import kernel
from transhash.library.duplicates import registration
from transhash.library.duplicates.curves import BLACK, WHITE
from transhash.library.duplicates.features import blurred, halved, slope
from transhash.library.duplicates.light import CHANNELS, Coloured, lit
from transhash.library.duplicates.overlay import Laid
from transhash.library.duplicates.registration import Movement
from transhash.library.duplicates.sketches import Sketch
from transhash.library.duplicates.tiles import ROUGH, resemblance, sharpness

Floats = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]

VOTES = 6  # keypoints that agree, so that their movement is looked at
WHOLE = 0.45  # correlation of whole pictures at 32 × 32, so that laying all on all is looked at
TURNED = 0.8  # degrees that are still upright
CLIPPED = 40.0  # levels that it may have taken away
HARSHER = 0.005  # share of the pixels by which more are so bright or dark in harsher light
RESEMBLING = 0.25  # share of the tiles that are alike before all else is done, at half the size and in full
ENOUGH = 12  # tiles that tell
LEFT = 0.25  # share of what is to be seen of a picture that is left in another light, at least
BORDER, OTHER_GROUND = 0.02, 40.0  # share of a picture that is its ground, and levels by which another one is off
EXACT = 0.1  # pixels that are not worth laying a picture again
NEAR = 4.0  # pixels by which a movement misses that of whole pictures that may be meant
STAY = np.array([1.0, 0, 0, 1, 0, 0])  # the movement that leaves everything where it is


def hypotheses(a: Sketch, b: Sketch) -> Iterator[tuple[Movement, int, int]]:
    """Movements from a to b worth a look: (movement, how often to begin at half the size, keypoints that agree)."""
    keyed: list[tuple[int, Movement]] = []
    for mirrored in (False, True):
        movement, votes = registration.voted(a.keypoints, b.keypoints, mirrored=mirrored)
        if votes >= VOTES:
            keyed.append((votes, movement))
    keyed.sort(key=lambda each: -each[0])
    for votes, movement in keyed[:1]:
        yield movement, 1, votes
    whole = [(correlation(a.whole, b.whole, turn), turn, a.frame, b.frame) for turn in range(8)]
    if a.content != a.frame or b.content != b.frame:
        whole += [(correlation(a.inner, b.inner, turn), turn, a.content, b.content) for turn in range(8)]
    whole = sorted((each for each in whole if each[0] >= WHOLE), key=lambda each: -each[0])[:2]
    for _, turn, one, two in whole[:1]:
        yield onto(one, two, turn), 3, 0
    for votes, movement in keyed[1:]:
        if votes >= 0.4 * keyed[0][0]:
            yield movement, 1, votes
    for _, turn, one, two in whole[1:]:
        yield onto(one, two, turn), 3, 0


@kernel
def correlation(one, two, turn):  # type: ignore[no-untyped-def]
    """The correlation of two square copies, the first mirrored and turned as in `onto`."""
    size = len(one)
    a = b = aa = bb = ab = 0.0
    for i in range(size):
        for j in range(size):
            row, column = i, j
            for _ in range(turn & 3):
                row, column = column, size - 1 - row
            if turn & 4:
                row, column = column, row
            p, q = float(one[row, column]), float(two[i, j])
            a, b, aa, bb, ab = a + p, b + q, aa + p * p, bb + q * q, ab + p * q
    count = size * size
    varied = max(aa - a * a / count, 0.0) * max(bb - b * b / count, 0.0)
    return (ab - a * b / count) / (np.sqrt(varied) + count)


def onto(one: tuple[int, int, int, int], two: tuple[int, int, int, int], turn: int) -> Movement:
    """The movement of one box onto another as `np.rot90(picture.T if turn & 4 else picture, turn & 3)` moves pixels."""
    linear, shift = np.eye(2), np.zeros(2)
    if turn & 4:
        linear = np.array([[0.0, 1], [1, 0]])
    for _ in range(turn & 3):
        quarter = np.array([[0.0, 1], [-1, 0]])
        linear, shift = quarter @ linear, quarter @ shift + np.array([0.0, 1])
    inward = np.diag([1 / (one[2] - one[0]), 1 / (one[3] - one[1])])
    outward = np.diag([float(two[2] - two[0]), float(two[3] - two[1])])
    matrix = outward @ linear @ inward
    offset = outward @ (shift - linear @ inward @ np.array(one[:2], float)) + np.array(two[:2], float)
    return np.array([*matrix[0], *matrix[1], *offset])


def whole(a: Sketch, b: Sketch, near: Movement) -> Movement | None:
    """The movement that lays all of a on all of b and is near a given one, if there is any."""
    for turn in range(8):
        movement = onto(a.frame, b.frame, turn)
        if registration.apart(movement, near, a.grey.shape) < NEAR:
            return movement
    return None


def lay(a: Sketch, b: Sketch, movement: Movement, levels: int | None) -> tuple[Laid, Movement] | None:
    """One picture laid on the other in the frame of the coarser one, and the movement that fits best near a given one;
    without `levels` (how often to begin at half the size) just that one.
    """
    zoom = registration.zoom(movement)
    if not 0.08 < zoom < 12:
        return None
    swapped = zoom < 1
    one, two = (b, a) if swapped else (a, b)
    here = registration.inverse(movement) if swapped else movement
    zoom = max(zoom, 1 / zoom)
    other, colours, factors = two.grey, two.colours, (1.0, 1.0)
    if zoom > 1.15:
        other = halved(other, zoom)
        factors = other.shape[1] / two.grey.shape[1], other.shape[0] / two.grey.shape[0]
        colours = np.stack([halved(each, zoom) for each in colours])
        here = registration.scaled(here, (1, 1), factors)
    pictures = Coloured(blurred(one.grey), one.colours), Coloured(blurred(other), colours)
    reference = pictures[0].grey
    if levels is not None:
        here = registration.refined(reference, pictures[1].grey, here, levels, finest=1)
        if _goes_astray(here) or not _resemble_roughly(reference, pictures[1].grey, here):
            return None
        here = registration.refined(reference, pictures[1].grey, here, 0)
    if _goes_astray(here):
        return None
    for is_last in (False, True):
        fitted = _fitted((one, two), pictures, here, factors)
        if fitted is None or levels is None or is_last:
            break
        # what is as sharp and as bright can be laid more exactly than a sharp picture on one that was blurred
        seen = np.where(fitted.there, fitted.pair[0], np.float32(np.nan))
        better = registration.composed(here, registration.refined(seen, fitted.pair[1], STAY, 1))
        if registration.apart(better, here, reference.shape) < EXACT:
            break
        here = better
    if fitted is None or _goes_astray(here):
        return None
    unscaled = registration.scaled(here, (1, 1), (1 / factors[0], 1 / factors[1]))
    back = registration.inverse(unscaled) if swapped else unscaled
    return Laid(*fitted.pair, fitted.there, fitted.raw, fitted.unmet, swapped), back


def _goes_astray(movement: Movement) -> bool:
    return not 0.4 < registration.zoom(movement) < 2.5 or registration.distorted(movement)


def _resemble_roughly(reference: Floats, other: Floats, movement: Movement) -> bool:
    """Whether two pictures of half the size may resemble each other, one laid on the other."""
    one, two = registration.quartered(reference), registration.quartered(other)
    up, down = (
        (small.shape[1] / large.shape[1], small.shape[0] / large.shape[0])
        for small, large in ((one, reference), (two, other))
    )
    laid, there = registration.laid(one, two, registration.scaled(movement, up, down))
    seen, like = resemblance(one, laid, there, ROUGH // 2)
    return bool(like >= RESEMBLING * seen or seen < ENOUGH)


def ground(one: Sketch, two: Sketch) -> Floats | None:
    """The grey and the colours [2, 3] of the borders of two pictures, if both have one and it may be the same."""
    found = []
    for each in (one, two):
        left, top, right, bottom = each.content
        border = np.ones(each.grey.shape, np.bool_)
        border[top:bottom, left:right] = False
        if border.sum() < BORDER * border.size:
            return None
        found.append([np.median(channel[border]) for channel in (each.grey, *each.colours)])
    grounds = np.asarray(found, np.float32)
    return grounds if abs(float(grounds[0, 0] - grounds[1, 0])) < OTHER_GROUND else None


class _Fitted(NamedTuple):
    pair: tuple[Floats, Floats]  # both in one frame, equally sharp and bright
    there: npt.NDArray[np.bool_]
    raw: tuple[Coloured, Coloured]  # both in one frame
    unmet: tuple[Floats, Floats]  # both in one frame and equally bright


def _fitted(
    sketches: tuple[Sketch, Sketch], pictures: tuple[Coloured, Coloured], here: Movement, factors: tuple[float, float]
) -> _Fitted | None:
    """Both pictures in the frame of the first under one movement; None where they have too little in common, hardly a
    tile is alike, or one light leaves too little of one: a pattern is not made plain by light.
    """
    (one, two), (reference, other) = sketches, pictures
    placed, there = registration.laid(reference.grey, other.grey, here)
    turned = abs((registration.turned(here) + 45) % 90 - 45) > TURNED
    mine = one.marks(turned)
    unscaled = registration.scaled(here, (1, 1), (1 / factors[0], 1 / factors[1]))
    theirs = registration.laid_marks(two.marks(turned), unscaled, there)
    there = (mine & theirs & 1 > 0) & (mine | theirs > 1)  # what is border in both says nothing
    if there.sum() < 300:
        return None
    seen, like = resemblance(reference.grey, placed, there, ROUGH)
    if like < RESEMBLING * seen and seen >= ENOUGH:
        return None
    tints = np.stack([registration.laid(reference.grey, np.ascontiguousarray(each), here)[0] for each in other.colours])
    laid = Coloured(np.where(there, placed, reference.grey), tints)
    harsher = _clipped(*laid, there) - _clipped(*reference, there)
    harsh, mild = (laid, reference) if harsher > HARSHER else (reference, laid)  # what harsh light took away is gone
    met = lit(harsh, mild, there, is_harsh=abs(harsher) > HARSHER)
    if _edges(met, there) < LEFT * _edges(mild.grey, there):
        return None
    met = _unclipped(harsh.grey, mild.grey, met)
    # what the other one has not is the reference itself, so that softening brings nothing in
    unmet = (
        (met, np.where(there, laid.grey, met))
        if harsh is laid
        else (reference.grey, np.where(there, met, reference.grey))
    )

    return _Fitted(sharpness(*unmet, there), there, (reference, laid), unmet)


@kernel
def _edges(grey, there):  # type: ignore[no-untyped-def]
    """How much there is to be seen: the sum of all slopes."""
    total = 0.0
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            if there[y, x]:
                total += np.sqrt(slope(grey, y, x))
    return total


@kernel
def _clipped(grey, colours, there):  # type: ignore[no-untyped-def]
    """The share of the levels, of all three channels, that are as bright or dark as can be."""
    seen = found = 0
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            if there[y, x]:
                seen += 3
                for channel in range(3):
                    level = grey[y, x]
                    level += CHANNELS[channel, 0] * colours[0, y, x] + CHANNELS[channel, 1] * colours[1, y, x]
                    found += level >= WHITE or level <= BLACK
    return found / max(seen, 1)


def _unclipped(reference: Floats, raw: Floats, placed: Floats) -> Floats:
    """The laid picture in the reference's light, but the reference where one is as bright or dark as can be, and the
    other nearly: light that was made stronger has taken structure away there.
    """
    allowed = min(CLIPPED, 6.0 + 4.0 * float(np.abs(placed - raw).mean()))  # light that is the same takes nothing away
    for one, other, theirs in ((raw, reference, placed), (reference, placed, reference)):
        bright, dark = one >= WHITE, one <= BLACK
        for clipped, sign in ((bright, 1), (dark, -1)):
            if clipped.any():
                level = float(np.median(theirs[clipped]))
                placed = np.where(clipped & (sign * (other - level) > -allowed), reference, placed)
    return placed
