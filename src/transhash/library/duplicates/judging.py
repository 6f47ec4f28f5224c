"""Judging: which tiles of two pictures in one frame agree, and how much of each picture the other one shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.library.duplicates import registration
from transhash.library.duplicates.faint import differing
from transhash.library.duplicates.overlay import Laid, two_greys
from transhash.library.duplicates.registration import Movement
from transhash.library.duplicates.sketches import Sketch
from transhash.library.duplicates.tiles import Tiles, tiled

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

# Tuned by benchmarks/copies on other photographs than those that its tables report (docs/duplicates.md)
STRUCTURE = 5.0  # standard deviation of a tile, in grey levels, from which on it says something
NOISE, SLIP = 1.6, 0.14  # what differs in a copy: levels everywhere, and pixels of misregistration where it is steep
AGREE = 2.6  # strain of a tile (what is left of its difference, in that noise) that still agrees
HARSH = 1.6  # times of it where all tiles are strained, at most
ALIKE = 0.55  # correlation below which a strained tile disagrees
OUTLIER, RARE, LOOSE = 1.5, 8.0, 0.88  # strain, strains of most tiles, correlation: a tile that stands out
SHADE = 26.0  # levels by which a tile's mean may be off
SHAPED, HALO = 0.95, 0.2  # correlation of a tile in which nothing moved, and of its contrast what may be off besides
FLAT = 7.0  # levels, or times the usual, by which the mean of a tile without structure may be off
FEWEST = 6  # tiles with structure that can prove a copy
MANY = 24  # keypoints that tell how much of a picture another one shows
LONGEST = 2.0  # pixels of a slip that can be told
EVEN_ROW, BAR = 3.0, 2.5  # standard deviation of a row that is border, and levels between rows of one bar
INWARD = 3  # pixels inside of a border, where most are
GROUND_LEVELS, GROUND_SHARE = 12.0, 0.5  # within so many levels of its grey if it is the picture's own ground
PAGE = 0.85  # share of a page's pixels that have one of two greys
GREYED = 0.25  # colours that are left of colours in a grey copy
LEVELS = 16  # grey levels whose commonest colour is what a cast gives them


class Judged(NamedTuple):
    """Tiles, and which of them have structure, how strained they are, and which disagree."""

    tiles: Tiles
    structured: Flags
    strains: Floats
    wrong: Flags


def judge(laid: Laid) -> Judged:
    """The tiles of two pictures of which one is laid on the other, and which of them disagree."""
    tiles = tiled(laid.reference, laid.other, laid.there, laid.colours, _side(laid))
    structured = tiles.deviations.max(axis=1) > STRUCTURE
    strains = tiles.left / np.sqrt(NOISE**2 + (SLIP * tiles.slopes.max(axis=1)) ** 2)
    shades = np.abs(tiles.means[:, 0] - tiles.means[:, 1])
    usual = float(np.median(strains[structured])) if structured.any() else 0.0
    agree = AGREE * min(max(usual, 1.0), HARSH)  # where all is strained: sharpened, in harsh light
    wrong = structured & (strains > agree) & (tiles.alike < ALIKE + 0.4 * (strains > 2 * agree))
    wrong |= structured & (strains > max(OUTLIER, RARE * usual)) & (tiles.alike < LOOSE)  # all else agrees far better
    wrong |= shades > SHADE + HALO * tiles.deviations.min(axis=1) * (tiles.alike > SHAPED)  # at edges: sharpened
    wrong |= ~structured & (_off(tiles) > FLAT)
    if not wrong.any():  # as in the dark, where no tile says enough by itself
        faint = differing(laid.reference, laid.other, laid.there, tiles.grid, usual or 1.0)
        wrong = faint[tiles.rows, tiles.columns]
    return Judged(tiles, structured | wrong, strains, wrong)


def _side(laid: Laid) -> int:
    """The pixels along a side of a tile."""
    longer = max(laid.reference.shape)
    return 16 if longer >= 160 else 12 if longer >= 80 else 8


def _off(tiles: Tiles) -> Floats:
    """How much each tile's mean is off, after what the tint of all explains: in levels, or in what is usual if more."""
    count = len(tiles.rows)
    miss = (tiles.means[:, 0] - tiles.means[:, 1]).astype(np.float64)
    if count < MANY:
        return np.abs(miss).astype(np.float32)
    terms: npt.NDArray[np.float64] = np.column_stack((tiles.colours[:, 1].astype(np.float64), np.ones(count)))
    weights: npt.NDArray[np.float64] = np.ones(count)
    left = miss
    for _ in range(3):
        weighted = (terms * weights[:, None]).T
        found = np.linalg.solve(weighted @ terms + np.diag([4.0 * count, 4.0 * count, 1e-6]), weighted @ miss)
        left = miss - terms @ found
        weights = 1 / (1 + (left / 3) ** 2)
    usual = max(1.0, float(np.quantile(np.abs(left), 0.8)))
    return np.asarray(np.abs(left) / usual, np.float32)


def slip(tiles: Tiles, some: Flags) -> float:
    """Pixels by which four fifths of some tiles lie off the reference at most."""
    return float(np.quantile(np.hypot(*tiles.slips[some].T), 0.8)) if some.any() else 0.0


def drift(tiles: Tiles, some: Flags) -> float:
    """Pixels by which neighbours among some tiles are off in one direction: of noise each goes its own way."""
    slips = np.zeros((*tiles.grid, 2))
    there = np.zeros(tiles.grid, np.bool_)
    there[tiles.rows[some], tiles.columns[some]] = True
    lengths = np.maximum(np.hypot(*tiles.slips[some].T) / LONGEST, 1)
    slips[tiles.rows[some], tiles.columns[some]] = tiles.slips[some] / lengths[:, None]
    products = [
        (slips[one] * slips[two]).sum(axis=-1)[there[one] & there[two]]
        for one, two in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]))
    ]
    every = np.concatenate(products)
    return float(np.sqrt(max(0.0, every.mean()))) if len(every) >= FEWEST else 0.0


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


def shown_areas(a: Sketch, b: Sketch, movement: Movement) -> tuple[tuple[float, float], tuple[float, float]]:
    """The share of each picture's area that the other one shows, too, borders being nothing; and the share of each that
    is no border beyond the other one.
    """
    (one, content), (other, also) = _shown(a, b, movement), _shown(b, a, registration.inverse(movement))
    return (one, other), (content, also)


def _shown(a: Sketch, b: Sketch, movement: Movement) -> tuple[float, float]:
    """The share of a that b shows, without the sides of a that are border; and the share of a without these sides, if
    they are more than the ground that a stands on.
    """
    height, width = a.grey.shape
    y, x = (each + 0.5 for each in np.mgrid[0:height:2, 0:width:2].astype(np.float32))
    left = movement[0] * x + movement[1] * y + movement[4]
    top = movement[2] * x + movement[3] * y + movement[5]
    shown = (left >= 0) & (top >= 0) & (left <= b.grey.shape[1]) & (top <= b.grey.shape[0])
    if shown.all() or not shown.any():
        return float(shown.any()), 1.0
    rows, columns = np.flatnonzero(shown.any(axis=1)) * 2, np.flatnonzero(shown.any(axis=0)) * 2
    box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 2, int(rows[-1]) + 2]
    above, below = a.grey[: max(box[1] - 1, 0)], a.grey[box[3] + 1 :]
    y0, y1 = box[1] if _is_border(above) else 0, box[3] if _is_border(below) else height
    before, after = a.grey[y0:y1, : max(box[0] - 1, 0)].T, a.grey[y0:y1, box[2] + 1 :].T
    x0, x1 = box[0] if _is_border(before) else 0, box[2] if _is_border(after) else width
    inside = a.grey[box[1] : box[3], box[0] : box[2]]
    sides = ((above, inside), (below, inside[::-1]), (before, inside.T), (after, inside.T[::-1]))
    is_framed = any(_is_border(border) and _stands_out(border, within) for border, within in sides)
    area = max((y1 - y0) * (x1 - x0), 1)
    return float(shown.sum()) * 4 / area, area / a.grey.size if is_framed else 1.0


def _stands_out(border: Floats, inside: Floats) -> bool:
    """Whether rows of a border have another grey than most of what begins beyond it, which is no part of it then."""
    rim = inside[INWARD : INWARD + 1]
    return bool((np.abs(rim - np.median(border)) < GROUND_LEVELS).mean() < GROUND_SHARE) if rim.size else False


def _is_border(strip: Floats) -> bool:
    """Whether rows are plain, and of two greys: a border, the bars of a screen. No rows are none."""
    if strip.shape[0] < 2 or not strip.shape[1]:
        return False
    if float(np.quantile(strip.std(axis=1), 0.8)) > EVEN_ROW:
        return False
    means = strip.mean(axis=1)
    near = np.abs(means[:, None] - means[None]) < BAR
    first = near[int(near.sum(axis=1).argmax())]
    rest = near[:, ~first].sum(axis=1).max() if not first.all() else 0
    return bool((first.sum() + rest) >= 0.8 * len(means))


def greyed(a: Sketch, b: Sketch) -> int | None:
    """The one of both, 0 or 1, that has no colours where the other one has; None: neither. A cast has no colours."""
    if not toned(a, b):
        return None
    strengths = [float(np.abs(_uncast(each)).mean()) for each in (a, b)]
    return int(strengths[1] < strengths[0]) if _is_grey_alone(strengths, 1.0) else None


def toned(a: Sketch, b: Sketch) -> bool:
    """Whether one of both is grey, and the other one has colours or a cast."""
    return _is_grey_alone([float(np.abs(_inner(each)).mean()) for each in (a, b)], 1.6)


def _is_grey_alone(strengths: list[float], least: float) -> bool:
    return min(strengths) < 0.7 and max(strengths) > least and min(strengths) < GREYED * max(strengths)


def _uncast(sketch: Sketch) -> Floats:
    """A picture's colours without those that its light tells: a tint, a wrong white balance, sepia."""
    left, top, right, bottom = sketch.content
    levels = (np.clip(sketch.grey[top:bottom, left:right], 0, 255) / LEVELS).astype(np.int64).ravel()
    colours = _inner(sketch).reshape(2, -1).copy()
    for level in np.unique(levels):
        colours[:, levels == level] -= np.median(colours[:, levels == level], axis=1, keepdims=True)
    return colours


def both_plain(a: Sketch, b: Sketch) -> bool:
    """Whether two pictures are plain alike: of one grey."""
    return a.plain and b.plain and abs(float(np.median(a.grey)) - float(np.median(b.grey))) < 12


def is_page(sketch: Sketch) -> bool:
    """Whether nearly all of a picture is of two greys: print on paper, lines on a ground."""
    return two_greys(sketch.grey.ravel()) > PAGE


def _inner(sketch: Sketch) -> Floats:
    left, top, right, bottom = sketch.content
    return sketch.colours[:, top:bottom, left:right]
