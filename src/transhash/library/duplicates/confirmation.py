"""Confirmation: what two pictures are to each other, from their sketches, with the evidence.

One picture is laid on the other (`registration`), its light is made that of the other, and both are compared tile by tile.
In a copy every tile with structure agrees, up to what compression and scaling of this very picture explain; where the camera
or its subject has moved, some tiles do not. A tile without structure proves nothing. Pure functions on arrays: nothing here
opens a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.library.duplicates import registration
from transhash.library.duplicates.features import blurred, halved
from transhash.library.duplicates.overlay import Laid, Overlay, overlay
from transhash.library.duplicates.registration import Movement
from transhash.library.duplicates.sketches import Sketch
from transhash.library.duplicates.tiles import Tiles, equalised, sharpness, tiled

Floats = npt.NDArray[np.float32]


class Kind(StrEnum):
    """What two pictures are to each other, the nearest first."""

    SAME_FILE = "same-file"  # equal bytes
    SAME_PIXELS = "same-pixels"  # other metadata, container or lossless format
    COPY = "copy"  # saved again, resized, slightly cropped, other light, marked, bordered
    EDIT = "edit"  # mirrored, turned, greyed, strongly cropped, covered in part, put into another picture
    BURST = "burst"  # another exposure of the same scene
    UNSURE = "unsure"  # too little structure to tell


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why two pictures are of a kind."""

    agreeing: int = 0  # tiles with structure in which both agree
    disagreeing: int = 0  # tiles with structure in which they do not
    covered: tuple[float, float] = (1.0, 1.0)  # share of each picture's structure that the other one shows
    zoom: float = 1.0  # pixels of the second for one of the first, both at the size of their sketches
    turned: float = 0.0  # degrees
    mirrored: bool = False
    words: tuple[str, ...] = ()  # what differs, for people


@dataclass(frozen=True, slots=True)
class Finding:
    """What two pictures are to each other (None: nothing), and why."""

    kind: Kind | None
    evidence: Evidence = field(default_factory=Evidence)
    movement: Movement | None = field(default=None, compare=False)  # from the first to the second sketch
    plain: bool = False  # so little structure that it should be looked at in a larger size
    exact: bool = False  # so near that the pixels may be the very same


# Tuned by benchmarks/copies on other photographs than those that its tables report (docs/duplicates.md)
VOTES = 6  # keypoints that agree, so that their movement is looked at
WHOLE = 0.45  # correlation of whole pictures at 32 × 32, so that laying all on all is looked at
STRUCTURE = 5.0  # standard deviation of a tile, in grey levels, from which on it says something
NOISE, SLIP, LOST = 1.6, 0.14, 0.0  # levels; pixels of misregistration; see `_strain`
AGREE = 2.6  # strains: what is left of a tile's difference, in the noise that is expected
ALIKE = 0.55  # correlation below which a tile with a strained rest disagrees
EVENLY = 2.0  # times its median that a copy's strain is at most, where all of it is strained: sharpened, saved badly
CALM = 1.7  # strain of nine tenths of a copy's tiles at most
WHITE, BLACK = 251.0, 4.0  # grey levels beyond which light that was made stronger leaves nothing
CLIPPED = 30.0  # levels that it may have taken away
SHADE = 26.0  # levels by which a tile's mean may be off
COLOUR = 14.0  # levels by which a tile's colour may be off, after the tint of all
EXACT = 0.25  # strain of a picture that has been saved without a loss
MANY = 24  # keypoints that tell how much of a picture another one shows
FEWEST = 6  # tiles with structure that can prove a copy
SLIGHT_CROP = 0.68  # share of the area that a copy keeps at least
WHOLLY = 0.93  # share that counts as all of it
TURNED = 0.8  # degrees that are still upright
GREYED = 0.25  # colours that are left of colours in a grey copy


def confirm(a: Sketch, b: Sketch) -> Finding:
    """What two pictures are to each other."""
    best: Finding | None = None
    rank = -1.0
    for movement, levels, votes in hypotheses(a, b):
        found, score = _looked(a, b, movement, levels, votes)
        if found is not None and score > rank:
            best, rank = found, score
            if found.kind is Kind.COPY:
                break
    if best is not None:
        return best
    if min(len(a.blocks), len(b.blocks)) < FEWEST and _both_plain(a, b):
        return Finding(Kind.UNSURE, Evidence(words=("nearly blank",)), None, plain=True, exact=True)
    return Finding(None)


def confirm_larger(found: Finding, a: Sketch, b: Sketch, larger_a: Sketch, larger_b: Sketch) -> Finding:
    """What was found of two sketches, borne out by larger ones or not: pages, shapes on white, night skies."""
    factors = [
        (y.grey.shape[1] / x.grey.shape[1], y.grey.shape[0] / x.grey.shape[0])
        for x, y in ((a, larger_a), (b, larger_b))
    ]
    if found.movement is None:
        movement, levels = onto(larger_a.frame, larger_b.frame, 0), 2
    else:
        movement, levels = registration.scaled(found.movement, factors[0], factors[1]), 1
    again, _ = _looked(larger_a, larger_b, movement, levels, 0)
    if again is None:
        both_blank = max(len(larger_a.blocks), len(larger_b.blocks)) < FEWEST
        return found if found.kind is Kind.UNSURE and both_blank else Finding(None)
    if again.kind is Kind.UNSURE and found.kind is not Kind.UNSURE:
        return Finding(Kind.UNSURE, again.evidence, found.movement)
    if again.kind in {Kind.COPY, Kind.EDIT}:
        return found if found.kind in {Kind.COPY, Kind.EDIT} else Finding(again.kind, again.evidence, None)
    return again if again.kind is Kind.UNSURE else Finding(None)


def hypotheses(a: Sketch, b: Sketch) -> list[tuple[Movement, int, int]]:
    """Movements from a to b worth a look: (movement, how often to begin at half the size, keypoints that agree)."""
    keyed: list[tuple[int, Movement]] = []
    for mirrored in (False, True):
        movement, votes = registration.voted(a.keypoints, b.keypoints, mirrored=mirrored)
        if votes >= VOTES:
            keyed.append((votes, movement))
    keyed.sort(key=lambda each: -each[0])
    whole = [(_correlation(a.whole, b.whole, turn), turn, a.frame, b.frame) for turn in range(8)]
    if a.content != a.frame or b.content != b.frame:
        whole += [(_correlation(a.inner, b.inner, turn), turn, a.content, b.content) for turn in range(8)]
    whole = sorted((each for each in whole if each[0] >= WHOLE), key=lambda each: -each[0])[:2]
    first = [(movement, 1, votes) for votes, movement in keyed[:1]]
    rest = [(onto(one, two, turn), 3, 0) for _, turn, one, two in whole[:1]]
    second = [(movement, 1, votes) for votes, movement in keyed[1:] if votes >= 0.4 * keyed[0][0]]
    return first + rest + second + [(onto(one, two, turn), 3, 0) for _, turn, one, two in whole[1:]]


def _correlation(one: Floats, two: Floats, turn: int) -> float:
    """Of two square copies, the first mirrored and turned as in `onto`."""
    a = np.rot90(one.T if turn & 4 else one, turn & 3)
    a, b = a - a.mean(), two - two.mean()
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + one.size))


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


class _Judged(NamedTuple):
    """Tiles, and which of them have structure, are strained, and disagree."""

    tiles: Tiles
    structured: npt.NDArray[np.bool_]
    strains: Floats
    wrong: npt.NDArray[np.bool_]
    recoloured: int


def lay(a: Sketch, b: Sketch, movement: Movement, levels: int) -> tuple[Laid, Movement] | None:
    """One picture laid on the other in the frame of the coarser one, and the movement that fits best."""
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
    reference, other = blurred(one.grey), blurred(other)
    here = registration.refined(reference, other, here, levels)
    if not 0.4 < registration.zoom(here) < 2.5:
        return None
    placed, there = registration.laid(reference, other, here)
    turned = abs((registration.turned(here) + 45) % 90 - 45) > TURNED
    there &= one.inside(turned)
    there &= registration.laid_mask(
        two.inside(turned), registration.scaled(here, (1, 1), (1 / factors[0], 1 / factors[1])), there
    )
    if there.sum() < 300:
        return None
    placed = np.where(there, placed, reference)  # so that blurring brings nothing in
    reference, placed = sharpness(reference, placed, there)
    light = equalised(reference, placed, there)
    placed = _unclipped(reference, placed, light)
    tints = np.stack([registration.laid(reference, np.ascontiguousarray(each), here)[0] for each in colours])
    here = registration.scaled(here, (1, 1), (1 / factors[0], 1 / factors[1]))
    back = registration.inverse(here) if swapped else here
    return Laid(reference, placed, there, one.colours, tints), back


def _unclipped(reference: Floats, raw: Floats, placed: Floats) -> Floats:
    """The laid picture in the reference's light; where one is as bright or dark as can be, and the other nearly, the same."""
    for one, other, theirs in ((raw, reference, placed), (reference, placed, reference)):
        bright, dark = one >= WHITE, one <= BLACK
        for clipped, sign in ((bright, 1), (dark, -1)):
            if clipped.any():
                level = float(np.median(theirs[clipped]))
                placed = np.where(clipped & (sign * (other - level) > -CLIPPED), reference, placed)
    return placed


def _looked(a: Sketch, b: Sketch, movement: Movement, levels: int, votes: int) -> tuple[Finding | None, float]:
    both = lay(a, b, movement, levels)
    if both is None:
        return None, -1
    laid, movement = both
    judged = judge(laid)
    tiles, structured, wrong = judged.tiles, judged.structured, judged.wrong
    count = int(structured.sum())
    bad = int(wrong.sum())
    good = count - bad
    covered = covering(a, b, movement), covering(b, a, registration.inverse(movement))
    turned, mirrored = registration.turned(movement), registration.mirrored(movement)
    share = good / max(count, 1)
    score = good * share
    strain = float(np.quantile(judged.strains[structured & ~wrong], 0.9)) if good else 99.0
    plain = a.plain or b.plain or count < 3 * FEWEST
    words: list[str] = []
    usual = float(np.median(judged.strains[structured & ~wrong])) if good else 0.0

    def finding(kind: Kind | None) -> Finding:
        zoom = registration.zoom(movement)
        evidence = Evidence(good, bad, covered, zoom, turned, mirrored, tuple(words))
        exact = bad == 0 and usual < EXACT and abs(zoom - 1) < 0.02
        return Finding(kind, evidence, movement, plain, exact)

    if count < FEWEST:
        if bad == 0 and _both_plain(a, b) and min(covered) > 0.8:
            words.append("too little structure to tell")
            return finding(Kind.UNSURE), score
        return None, -1
    most, least = max(covered), min(covered)
    kept = 1.0 if least >= WHOLLY else _area(a, b, movement)
    calm = strain <= CALM or (strain <= 2 * CALM and strain <= EVENLY * usual and bad <= 0.02 * count)
    changed = overlay(laid, tiles, wrong, judged.strains) if bad or not calm else Overlay.NOTHING
    calm |= changed in {Overlay.MARK, Overlay.PRINT} and usual <= CALM / 1.4
    photographic = not (a.plain and b.plain) and good >= 2 * FEWEST
    clean = bad == 0 or (changed is Overlay.MARK and photographic and share >= 0.7)
    if changed is Overlay.MARK:
        words.append("marked")
    edited = clean or (changed in {Overlay.MARK, Overlay.PRINT} and photographic and share >= 0.4)
    if edited and calm and most >= WHOLLY and good >= FEWEST:
        if not clean:
            words.append("something laid over it")
        if mirrored:
            words.append("mirrored")
        if abs((turned + 45) % 90 - 45) > TURNED or abs(turned) > 45:
            words.append(f"turned by {turned:.0f} degrees")
        if _greyed(a, b):
            words.append("without colour")
        if judged.recoloured:
            words.append("other colours")
        if kept < SLIGHT_CROP:
            words.append(f"a part, {kept:.0%} of it")
        is_copy = not [word for word in words if word != "marked"]
        if is_copy and kept < 0.99:
            words.append(f"cropped to {kept:.0%}")
        if not (least < 0.3 and good < 2 * FEWEST):  # a small part of another picture needs more to be known again
            return finding(Kind.COPY if is_copy else Kind.EDIT), score + 1000 * is_copy
    upright = not mirrored and abs(turned) < 20
    if upright and photographic and votes >= 2 * VOTES and share >= 0.2 and least > 0.3 and good >= 2 * FEWEST:
        words.append(f"{bad} of {count} tiles differ")
        return finding(Kind.BURST), score
    if upright and share >= 0.6 and least > 0.5 and good >= 3 * FEWEST and photographic:
        words.append(f"{bad} of {count} tiles differ")
        return finding(Kind.BURST), score
    return None, score


def judge(laid: Laid) -> _Judged:
    """The tiles of two pictures of which one is laid on the other, and which of them disagree."""
    longer = max(laid.reference.shape)
    side = 16 if longer >= 160 else 12 if longer >= 80 else 8
    tiles = tiled(laid.reference, laid.other, laid.there, (laid.colours, laid.tints), side)
    structured = tiles.deviations.max(axis=1) > STRUCTURE
    strains = tiles.left / np.sqrt(NOISE**2 + (SLIP * tiles.slopes.max(axis=1)) ** 2)
    shades = np.abs(tiles.means[:, 0] - tiles.means[:, 1])
    wrong = structured & (strains > AGREE) & (tiles.alike < ALIKE + 0.4 * (strains > 2 * AGREE))
    wrong |= shades > SHADE
    return _Judged(tiles, structured | wrong, strains, wrong, _recoloured(tiles))


def _recoloured(tiles: Tiles) -> int:
    """Tiles whose colours are others, once all colours are made stronger and tinted alike; few are none."""
    count = len(tiles.rows)
    if count < FEWEST:
        return 0
    wanted, given = tiles.colours[:, 0], tiles.colours[:, 1]
    if min(float(np.abs(each).mean()) for each in (wanted, given)) < 1.0:
        return 0  # one has no colours
    terms = np.column_stack((given, np.ones(count)))
    weights = np.ones(count)
    for _ in range(3):
        normal = (terms * weights[:, None]).T @ terms
        normal[[0, 1], [0, 1]] += 4.0 * count
        right = (terms * weights[:, None]).T @ wanted
        right[[0, 1], [0, 1]] += 4.0 * count  # the colours as they are, unless all say otherwise
        miss = np.abs(wanted - terms @ np.linalg.solve(normal, right)).max(axis=1)
        weights = 1 / (1 + (miss / COLOUR) ** 2)
    bad = int((miss > COLOUR).sum())
    return bad if bad > 0.04 * count else 0


def covering(a: Sketch, b: Sketch, movement: Movement) -> float:
    """The share of a's structure that b shows."""
    corners = a.keypoints.points[:, :2]  # straight edges, as windows and frames have them, are none
    places = corners if len(corners) >= MANY else a.blocks
    if not len(places):
        return 1.0
    x, y = places.T
    left = movement[0] * x + movement[1] * y + movement[4]
    top = movement[2] * x + movement[3] * y + movement[5]
    height, width = b.grey.shape
    return float(((left >= 0) & (top >= 0) & (left <= width) & (top <= height)).mean())


def _area(a: Sketch, b: Sketch, movement: Movement) -> float:
    """The share of the larger picture's content that the smaller one shows, both as they are laid."""
    sizes = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (a.content, b.content)]
    sizes[0] *= registration.zoom(movement) ** 2
    return min(sizes) / max(sizes)


def _greyed(a: Sketch, b: Sketch) -> bool:
    """Whether one has colours and the other has none."""
    strengths = [float(np.abs(each.colours).mean()) for each in (a, b)]
    return min(strengths) < 0.7 and max(strengths) > 1.6 and min(strengths) < GREYED * max(strengths)


def _both_plain(a: Sketch, b: Sketch) -> bool:
    """Whether two pictures are plain alike: of one grey."""
    return a.plain and b.plain and abs(float(np.median(a.grey)) - float(np.median(b.grey))) < 12
