"""Judging: which tiles of two pictures in one frame agree, and how much of each picture the other one shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.library.duplicates import registration
from transhash.library.duplicates.overlay import Laid
from transhash.library.duplicates.registration import Movement
from transhash.library.duplicates.sketches import Sketch
from transhash.library.duplicates.tiles import Tiles, tiled

Floats = npt.NDArray[np.float32]

# Tuned by benchmarks/copies on other photographs than those that its tables report (docs/duplicates.md)
STRUCTURE = 5.0  # standard deviation of a tile, in grey levels, from which on it says something
NOISE, SLIP = 1.6, 0.14  # what differs in a copy: levels everywhere, and pixels of misregistration where it is steep
AGREE = 2.6  # strain of a tile (what is left of its difference, in that noise) that still agrees
ALIKE = 0.55  # correlation below which a strained tile disagrees
OUTLIER, RARE, LOOSE = 1.5, 8.0, 0.88  # strain, strains of most tiles, correlation: a tile that stands out
SHADE = 26.0  # levels by which a tile's mean may be off
COLOUR = 14.0  # levels by which a tile's colour may be off, after the tint of all
FEWEST = 6  # tiles with structure that can prove a copy
MANY = 24  # keypoints that tell how much of a picture another one shows
GREYED = 0.25  # colours that are left of colours in a grey copy


class Judged(NamedTuple):
    """Tiles, and which of them have structure, how strained they are, and which disagree."""

    tiles: Tiles
    structured: npt.NDArray[np.bool_]
    strains: Floats
    wrong: npt.NDArray[np.bool_]
    recoloured: int  # tiles of other colours


def judge(laid: Laid) -> Judged:
    """The tiles of two pictures of which one is laid on the other, and which of them disagree."""
    longer = max(laid.reference.shape)
    side = 16 if longer >= 160 else 12 if longer >= 80 else 8
    tiles = tiled(laid.reference, laid.other, laid.there, (laid.colours, laid.tints), side)
    structured = tiles.deviations.max(axis=1) > STRUCTURE
    strains = tiles.left / np.sqrt(NOISE**2 + (SLIP * tiles.slopes.max(axis=1)) ** 2)
    shades = np.abs(tiles.means[:, 0] - tiles.means[:, 1])
    wrong = structured & (strains > AGREE) & (tiles.alike < ALIKE + 0.4 * (strains > 2 * AGREE))
    usual = float(np.median(strains[structured])) if structured.any() else 0.0
    wrong |= structured & (strains > max(OUTLIER, RARE * usual)) & (tiles.alike < LOOSE)  # all else agrees far better
    wrong |= shades > SHADE
    return Judged(tiles, structured | wrong, strains, wrong, _recoloured(tiles))


def _recoloured(tiles: Tiles) -> int:
    """Tiles whose colours are others, once all colours are made stronger and tinted alike; few are none."""
    count = len(tiles.rows)
    if count < FEWEST:
        return 0
    wanted, given = (tiles.colours[:, place].astype(np.float64) for place in (0, 1))
    if min(float(np.abs(each).mean()) for each in (wanted, given)) < 1.0:
        return 0  # one has no colours
    terms: npt.NDArray[np.float64] = np.column_stack((given, np.ones(count)))
    weights: npt.NDArray[np.float64] = np.ones(count)
    usual = np.diag([4.0 * count, 4.0 * count, 0.0])  # the colours as they are, unless all say otherwise
    miss: npt.NDArray[np.float64] = np.zeros(count)
    for _ in range(3):
        weighted = (terms * weights[:, None]).T
        found = np.linalg.solve(weighted @ terms + usual, weighted @ wanted + usual[:, :2])
        miss = np.abs(wanted - terms @ found).max(axis=1)
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


def kept_area(a: Sketch, b: Sketch, movement: Movement) -> float:
    """The share of the larger picture's content that the smaller one shows, both as they are laid."""
    sizes = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (a.content, b.content)]
    sizes[0] *= registration.zoom(movement) ** 2
    return min(sizes) / max(sizes)


def greyed(a: Sketch, b: Sketch) -> bool:
    """Whether one has colours and the other has none."""
    strengths = [float(np.abs(_inner(each)).mean()) for each in (a, b)]
    return min(strengths) < 0.7 and max(strengths) > 1.6 and min(strengths) < GREYED * max(strengths)


def both_plain(a: Sketch, b: Sketch) -> bool:
    """Whether two pictures are plain alike: of one grey."""
    return a.plain and b.plain and abs(float(np.median(a.grey)) - float(np.median(b.grey))) < 12


def _inner(sketch: Sketch) -> Floats:
    left, top, right, bottom = sketch.content
    return sketch.colours[:, top:bottom, left:right]
