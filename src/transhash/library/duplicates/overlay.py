"""Overlays: whether what differs between two registered pictures was laid over one of them, or has moved.

A mark is thin, lies in lines, and makes everything under it brighter, or everything darker. Print lies in lines too,
or is an area of few colours, and has hard edges, also at its rim. Whatever else differs is part of the scene, and so is
an area that the other picture shows as well, at another place.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.library.duplicates.light import Coloured
from transhash.library.duplicates.sketches import SIDE
from transhash.library.duplicates.tiles import Tiles

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

LEAST = 9.0  # grey levels that a pixel differs by
ONE_SIDED = 0.97  # share of the difference that goes the same way in a mark
OPAQUE = 0.4  # share of the way to white or black that nine tenths of a mark's pixels do not reach
THIN = 0.2  # share of the differing pixels that is left of thin strokes when the border of 2 pixels is taken off
DENSE, THICKER = 0.7, 0.35  # the same two where pictures are larger than sketches
SHOWING, CLEARLY = 0.35, 0.9  # correlation there of a mark's pixels with those that it covers, and one that is enough
PAGE = 0.85  # share of pixels of two greys where letters of any opacity are print: nothing is seen through them
TELLING = 8.0  # standard deviation of what is covered from which on that is known
LONG = 1.8  # times as long as high that a line of letters is
# what speaks for print: the logarithms of its edges' gradient, of that at its rim and of its pixels (of more the same),
# the share of these that have one of two greys, lines; and how much must speak (fitted to letters, logos, moves)
STEEP, RIMMED, LARGE, FEW_COLOURS, LINES = 6.5, 5.9, 10.5, 29.0, 3.4
ENOUGH, PRINTED = 250, 124.5
ON_LINES = 1.9  # times that the gradient of letters is that of what they cover, at least,
BOTH = 122.0  # where what they cover speaks for print as well
WHOSE, SURE = 15.5, 2.0  # few colours, and what must speak for one of two pictures more, so that it has the print
EVENLY, SURE_OF_MARK = 8.0, 3.0  # what an even share of the way to white or black says of a mark, and the same for it
NEAR = 20  # grey levels within which a colour is the same
STRAINED = 2.2  # strain of a tile that may have something of the overlay
CELL = 16  # pixels of a cell: what is sought elsewhere is the cell with most of what differs, and those around it
RIM, CORE = 4, 30  # pixels at the rim of an area that are not sought, unless fewer than so many are left
ELSEWHERE = 8  # pixels by which another place is off at least
FOUND = 10.0  # levels, with those of both colours, by which what has moved differs from what is there
SWAPPED = 18.0  # the same, where both places differ
OVERLAPPING = 0.5  # share of what is sought that lies where the pictures differ then


class Laid(NamedTuple):
    """Two pictures in one frame."""

    reference: Floats  # [H, W]
    other: Floats  # laid on the reference, in its light
    there: Flags  # where both have pixels
    raw: tuple[Coloured, Coloured]  # reference and other, each in its own light
    unmet: tuple[Floats, Floats]  # reference and other in one light, but as sharp as they are
    swapped: bool = False  # the reference is the second of the two that were compared

    @property
    def colours(self) -> tuple[Floats, Floats]:
        """Both colour differences [2, H, W] of the reference and of the other."""
        return self.raw[0].colours, self.raw[1].colours


class Overlay(Enum):
    """What differs between two pictures."""

    NOTHING = 0
    MARK = 1  # thin and half transparent
    PRINT = 2  # letters, or an area of few colours
    SCENE = 3


class Changed(NamedTuple):
    """What differs between two pictures, and which of them has it, 0 or 1; None where that cannot be told."""

    what: Overlay
    whose: int | None = None


NOTHING = Changed(Overlay.NOTHING)
SCENE = Changed(Overlay.SCENE)


def overlay(laid: Laid, tiles: Tiles, wrong: Flags, strains: Floats) -> Changed:
    """What lies in the tiles that disagree, and in those beside them that are strained."""
    difference = np.where(laid.there, laid.other - laid.reference, 0)
    limit = max(LEAST, 3 * float(np.median(tiles.left)))
    touched = wrong | (strains > STRAINED)
    if not touched.any():
        return NOTHING
    inside = _painted(laid.reference.shape, tiles, touched)
    differs = (np.abs(difference) > limit) & inside
    area = int(differs.sum())
    if area < 8:
        return SCENE
    solid = _eroded(differs)
    lines = _in_lines(tiles, touched)
    amount = difference[differs]
    one_sided = max(float(amount[amount > 0].sum()), float(-amount[amount < 0].sum())) / float(np.abs(amount).sum())
    remains = float(_eroded(solid).sum()) / area
    opacity = _opacity(laid.reference[differs], laid.other[differs])
    if max(differs.shape) <= SIDE:
        is_mark = (lines or remains < THIN) and opacity < OPAQUE
    else:  # at the size of sketches thin strokes fill no pixel, so that solid ones are half transparent as well
        shown = _shows_through(laid, differs, solid)
        is_mark = (lines or remains < THICKER or (shown or 0.0) > CLEARLY) and (
            opacity < OPAQUE and two_greys(laid.reference.ravel()) < PAGE
            if shown is None
            else shown > SHOWING and opacity < DENSE
        )
    if one_sided > ONE_SIDED and is_mark:
        return Changed(Overlay.MARK, _whose(laid, differs, solid, is_mark=True))
    if not wrong.any():
        return NOTHING
    upper = _printed(laid, differs, solid, lines)
    if upper is None or _has_moved(laid, differs, solid, None if lines else upper):
        return SCENE
    return Changed(Overlay.PRINT, _whose(laid, differs, solid))


def _whose(laid: Laid, differs: Flags, solid: Flags, *, is_mark: bool = False) -> int | None:
    """Which of two pictures has what was laid over one: harder edges and fewer colours where both differ. A mark takes
    the same share of the way to white or to black everywhere.
    """
    core = solid if solid.sum() >= 8 else differs
    speaks = []
    for each in (laid.reference, laid.other):
        edges = max(1.0, float(np.quantile(np.hypot(*np.gradient(each))[differs], 0.9)))
        speaks.append(STEEP * float(np.log(edges)) + WHOSE * two_greys(each[core]))
    more = speaks[1] - speaks[0]
    if is_mark:
        more += EVENLY * _more_evenly(laid.reference[core], laid.other[core])
    if abs(more) < (SURE_OF_MARK if is_mark else SURE):
        return None
    return int(more > 0) ^ laid.swapped


def _more_evenly(one: Floats, other: Floats) -> float:
    """How much more evenly `other` may be `one` under a white or black mark than the other way round, -1 to 1."""
    is_brighter = bool(np.median(other - one) > 0)
    lower, upper = (one, other) if is_brighter else (other, one)
    spreads = []
    for whole in (255 - lower, upper):  # the upper one has a white mark, or the lower one a black one
        first, middle, last = np.quantile((upper - lower) / np.maximum(whole, 12), (0.25, 0.5, 0.75))
        spreads.append(float((last - first) / max(abs(middle), 1e-3)))
    more = spreads[1] - spreads[0] if is_brighter else spreads[0] - spreads[1]
    return min(1.0, max(-1.0, more))


def _printed(laid: Laid, differs: Flags, solid: Flags, lines: bool) -> int | None:
    """Which of both pictures has something that was laid over it: of few colours, with hard edges, also at its rim."""
    speaks, rims, steep = [], [], []
    rim, core = _dilated(differs) & ~solid, solid if solid.sum() >= 8 else differs
    for each in (laid.reference, laid.other):
        slopes = np.hypot(*np.gradient(each))
        rims.append(float(slopes[rim].mean()))
        steep.append(float(slopes[differs].mean()))
        edges = float(np.quantile(slopes[differs], 0.9))
        logarithms = np.log([max(edges, 1.0), max(rims[-1], 1.0), min(int(differs.sum()), ENOUGH)])
        few = FEW_COLOURS * two_greys(each[core])
        speaks.append(float(np.dot((STEEP, RIMMED, LARGE), logarithms)) + few + LINES * lines)
    upper = int(rims[1] > rims[0])
    if lines and steep[upper] < ON_LINES * steep[1 - upper] and speaks[1 - upper] > BOTH:
        return None  # both have letters there: forms, pictures under other words
    return upper if speaks[upper] > PRINTED else None


def _has_moved(laid: Laid, differs: Flags, solid: Flags, upper: int | None) -> bool:
    """Whether something of one picture is at another place of the other one: of the `upper` one, if there is any, in
    all of the other one; of either where both differ.
    """
    if min(solid.shape) < CELL:
        return False
    pictures = [np.stack((laid.reference, *laid.colours[0])), np.stack((laid.other, *laid.colours[1]))]
    if upper is not None:
        deep = solid
        for _ in range(RIM):
            smaller = _eroded(deep)
            if smaller.sum() < CORE:
                break
            deep = smaller
        if _missed(pictures[upper], pictures[1 - upper], deep, _place(deep), None) < FOUND:
            return True
    rest = (solid if solid.sum() >= CORE else differs).copy()
    mask = rest.copy()
    for _ in range(2):  # a thing leaves one place, and is at another
        top, left = place = _place(rest)
        if any(_missed(pictures[k], pictures[1 - k], mask, place, differs) < SWAPPED for k in (0, 1)):
            return True
        rest[top : top + 3 * CELL, left : left + 3 * CELL] = False
        if rest.sum() < CELL:
            break
    return False


def _place(mask: Flags) -> tuple[int, int]:
    """Where the cells around the cell with most of a mask begin: row and column of a pixel."""
    height, width = (side // CELL * CELL for side in mask.shape)
    counts = mask[:height, :width].reshape(height // CELL, CELL, width // CELL, CELL).sum(axis=(1, 3))
    row, column = (int(place) for place in np.unravel_index(counts.argmax(), counts.shape))
    return max(row - 1, 0) * CELL, max(column - 1, 0) * CELL


def _missed(one: Floats, other: Floats, mask: Flags, place: tuple[int, int], within: Flags | None) -> float:
    """The levels by which a masked part of one picture [C, H, W] misses the other's nearest place, or the nearest
    `within` some pixels.
    """
    top, left = place
    area = np.s_[top : top + 3 * CELL, left : left + 3 * CELL]
    shown = mask[area]
    if shown.sum() < CELL:
        return np.inf
    part, shape = one[:, *area] * shown, mask.shape
    seen = np.conj(np.fft.rfft2(shown, shape))
    # the mean square of the difference at every place: a sum of squares and a correlation
    squares = np.fft.rfft2((other * other).sum(axis=0)) * seen
    both = (np.fft.rfft2(other) * np.conj(np.fft.rfft2(part, shape))).sum(axis=0)
    places = np.s_[: shape[0] - shown.shape[0] + 1, : shape[1] - shown.shape[1] + 1]
    miss = np.fft.irfft2(squares - 2 * both, shape)[places]
    if within is not None:
        covered = np.fft.irfft2(np.fft.rfft2(within) * seen, shape)[places]
        miss = np.where(covered > OVERLAPPING * shown.sum(), miss, np.inf)
    miss[max(top - ELSEWHERE, 0) : top + ELSEWHERE + 1, max(left - ELSEWHERE, 0) : left + ELSEWHERE + 1] = np.inf
    return float(np.sqrt(max(float(miss.min() + (part * part).sum()), 0.0) / shown.sum()))


def _shows_through(laid: Laid, differs: Flags, solid: Flags) -> float | None:
    """The correlation of the pixels of something laid over a picture with those that it covers; None where these are
    so even that it tells nothing.
    """
    core = solid if solid.sum() >= CORE else differs
    covered, seen = (each[core].astype(np.float64) for each in (laid.reference, laid.other))
    if min(covered.std(), seen.std()) < TELLING:
        return None
    return float(np.corrcoef(covered, seen)[0, 1])


def _opacity(one: Floats, other: Floats) -> float:
    """How much of the way to white (or black) lies between the pixels that differ; nine tenths of them are below."""
    lower, upper = (one, other) if np.median(other - one) > 0 else (other, one)
    return float(min(np.quantile((upper - lower) / np.maximum(255 - lower, 12), 0.9),
                     np.quantile((upper - lower) / np.maximum(upper, 12), 0.9)))  # fmt: skip


def _painted(shape: tuple[int, ...], tiles: Tiles, wrong: Flags) -> Flags:
    """The pixels of some tiles and of their neighbours."""
    rows, columns = int(tiles.rows.max()) + 1, int(tiles.columns.max()) + 1
    grid = np.zeros((rows + 2, columns + 2), np.bool_)
    for down in (0, 1, 2):
        for across in (0, 1, 2):
            grid[tiles.rows[wrong] + down, tiles.columns[wrong] + across] = True
    grid = grid[1:-1, 1:-1]
    y = np.minimum(np.arange(shape[0]) * tiles.grid[0] // shape[0], rows - 1)
    x = np.minimum(np.arange(shape[1]) * tiles.grid[1] // shape[1], columns - 1)
    return np.asarray(grid[y][:, x])


def _in_lines(tiles: Tiles, touched: Flags) -> bool:
    """Whether the tiles lie in lines, as letters do: runs across are longer than runs down."""
    grid = np.zeros(tiles.grid, np.bool_)
    grid[tiles.rows[touched], tiles.columns[touched]] = True
    across, down = _run(grid), _run(grid.T)
    return across >= 2.2 and across >= LONG * down


def _run(grid: Flags) -> float:
    """How long the runs of a grid's rows are, as most of its places have it."""
    lengths: list[int] = []
    for row in np.pad(grid, ((0, 0), (1, 1))).astype(np.int8):
        ends = np.flatnonzero(np.diff(row))
        lengths += (ends[1::2] - ends[::2]).tolist()
    return sum(length * length for length in lengths) / max(sum(lengths), 1)


def _eroded(mask: Flags) -> Flags:
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(inner)


def _dilated(mask: Flags) -> Flags:
    padded = np.pad(mask, 1)
    around = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return np.asarray(mask | around)


def two_greys(values: Floats) -> float:
    """The share of values near the two commonest greys."""
    if not len(values):
        return 0.0
    counts = np.bincount(np.clip(values, 0, 255).astype(np.int64), minlength=256).astype(np.float64)
    near = np.convolve(counts, np.ones(2 * NEAR + 1), "same")
    first = int(near.argmax())
    share = near[first]
    counts[max(first - NEAR, 0) : first + NEAR + 1] = 0
    return float((share + np.convolve(counts, np.ones(2 * NEAR + 1), "same").max()) / len(values))
