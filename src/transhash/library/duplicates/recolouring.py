"""Recolouring: whether what two pictures in one frame show has other colours, which no light and no tint explains.

One picture may have been made of the other by a curve of light that all channels have, by channels that are stronger or
weaker, and by colours that are. Each is tried in both directions. What they leave at places of one colour, taken
together, is small in copies: noise of compression goes either way. Where it is not small, the tiles are asked as well.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel
from transhash.library.duplicates.curves import rising
from transhash.library.duplicates.judging import FEWEST
from transhash.library.duplicates.light import CHANNELS, DIFFERENCES, GREY, Coloured
from transhash.library.duplicates.overlay import Laid
from transhash.library.duplicates.tiles import Tiles

Floats = npt.NDArray[np.float32]
Levels = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Tuned by benchmarks/copies on other photographs than those that its tables report (docs/duplicates.md)
PLACES = 128  # of the longer side that are compared
EVEN = 14.0  # levels between neighbours of a place of one colour
SOME = 60  # places of one colour that are enough: otherwise all are compared
FITTED = 4096  # places that tell how one picture became the other, about
GROUND = 4  # places that the ground beside them counts like one of
FAINT, CLEAR, GLARING = 6.0, 12.0, 40.0  # levels between what is left of two channels
LEFT, LITTLE = 0.01, 0.003  # shares of the places that may be off
ALIKE = 3.0  # grey levels by which places differ in the same light, the mean of all
LEVEL, SHADE, OFTEN = 40.0, 12.0, 25  # grey levels and levels of a colour within which places have one; fewest of them
GAIN, GAIN_IN_LIGHT = 0.3, 0.15  # shares by which a tint makes a channel stronger, at most, and one in other light
STRONGER, FAR = 1.6, 2.0  # times by which colours are stronger, at most; and a channel while its tint is sought
UNCUT = 6.0, 245.0  # levels within which nothing was cut off
SCALES = np.array([40.0, 40, 20, 20, 12, 12, 12, 12])  # levels from which on what differs counts less and less
LIT = np.array([1, 0, 1, 0, 1, 0, 1, 0])  # steps before which the light is found again
HELD_GAIN, HELD_STRENGTH = 8.0, 2.0  # squared levels a place that speak for channels and colours as they are
WIDE, ENOUGH = 12, 30  # grey levels of a piece of a curve, and values that tell one
BELOW, ABOVE = 64, 384  # levels below black that a curve is known at, and the first one that it is not
AS_IS = np.arange(-BELOW, ABOVE).astype(np.float64)  # the curve of light that stays as it is
STEEPER = 1e-6 * np.arange(len(AS_IS))  # what makes a curve rise everywhere
LIGHTER, TINTED, BOTH = 0, 1, 2  # what made one picture of the other

COLOUR = 15.0  # levels by which a tile's colour may be off, after the tint of all
COLOURLESS, UNTINTED = 4.0, 8.0  # levels of a colour that is none, and of a tint that such a place may lack
VARIED, STRONG = 2.0, 7.0  # levels by which colours vary that tell, and by which paler ones are others
UNEXPLAINED = 0.6  # share of that (squared) that is left
FEW = 0.04  # share of the tiles that may be of other colours
TILE_GAIN = 0.35  # share by which a tint makes a channel of tiles stronger, at most


def recoloured(laid: Laid, tiles: Tiles, ground: Floats | None = None) -> bool:
    """Whether what is to be seen of two pictures has other colours.

    `ground` [2, 3]: the grey and both colours of the border that both have, as it is in the reference and in the other.
    """
    one, two, even, beyond = _places(laid.raw, laid.there)
    if len(one) < SOME:
        return _tiles_differ(tiles, ground)
    left = _unexplained(one, two, even, beyond, ground)
    is_lit_alike = float(np.abs((one - two) @ GREY).mean()) < ALIKE  # in other light fine structure has other colours
    if left.clear > LEFT or (left.glaring > LITTLE and is_lit_alike):
        return True
    return (left.faint > LEFT or max(left.clear, left.glaring) > LITTLE) and _tiles_differ(tiles, ground)


class _Left(NamedTuple):
    """What no change explains: of places of one colour the shares that are off faintly, at least, and clearly, and of
    all places the share that is off so much that the colours around them do not explain it.
    """

    faint: float
    clear: float
    glaring: float

    def least(self, other: _Left) -> _Left:
        """The smaller share of each kind."""
        return _Left(*map(min, self, other))


def _unexplained(one: Levels, two: Levels, even: Flags, beyond: Flags, ground: Floats | None) -> _Left:
    """What is left of the colours of places, whatever made one picture of the other."""
    if ground is not None:
        rows = ground[:, 0, None] + ground[:, 1:] @ CHANNELS.T
        beside = np.repeat(rows[:, None].astype(np.float64), int(even.sum()) // GROUND, axis=1)
        one, two = np.concatenate((one, beside[0])), np.concatenate((two, beside[1]))
        even, beyond = (np.concatenate((each, np.ones(beside.shape[1], np.bool_))) for each in (even, beyond))
    found = _left(one, two, even, beyond, (np.ones(3), 1.0, AS_IS))
    for given, wanted in ((one, two), (two, one)):
        step = max(1, int(even.sum()) // FITTED)
        told = given[even][::step], wanted[even][::step]
        for change in (LIGHTER, TINTED, BOTH):
            if found.faint <= LEFT and found.glaring <= LITTLE:
                return found
            found = found.least(_left(given, wanted, even, beyond, _change(*told, change)))
    return found


def _left(given: Levels, wanted: Levels, even: Flags, beyond: Flags, change: tuple[Levels, float, Levels]) -> _Left:
    """What a change leaves."""
    off = _off(given[even], wanted[even], *change)
    anywhere = _off(given, wanted, *change)
    glaring = (anywhere > GLARING) & beyond
    return _Left(float((off > FAINT).mean()), float((off > CLEAR).mean()), float(glaring.mean()))


def _places(pictures: tuple[Coloured, Coloured], there: Flags) -> tuple[Levels, Levels, Flags, Flags]:
    """The mean channels [P, 3] of two pictures at places, whether a place has one colour in both [P], and whether the
    colours around it in one picture lack that of the other one [P]: where they have it, edges may lie a little off.
    """
    side = max(1, round(max(there.shape) / PLACES))
    small = np.stack([Coloured(_means(each.grey, side), _means(each.colours, side)).channels for each in pictures])
    whole = _means(there, side) == 1
    even = whole.copy()
    below = (np.abs(np.diff(small, axis=2)) < EVEN).all(axis=(0, 1))
    aside = (np.abs(np.diff(small, axis=3)) < EVEN).all(axis=(0, 1))
    even[1:] &= below
    even[:-1] &= below
    even[:, 1:] &= aside
    even[:, :-1] &= aside
    around = [np.roll(small, shift, axis=(2, 3)) for shift in product((-1, 0, 1), repeat=2)]
    lowest, highest = np.min(around, axis=0) - EVEN, np.max(around, axis=0) + EVEN
    beyond = ((small[::-1] < lowest) | (small[::-1] > highest)).any(axis=(0, 1))
    given, wanted = (np.ascontiguousarray(each[:, whole].T, np.float64) for each in small)
    return given, wanted, even[whole] if even.sum() >= SOME else np.ones(len(given), np.bool_), beyond[whole]


def _means(planes: Floats | Flags, side: int) -> Floats:
    """The means of squares of `side` pixels of some planes [..., H, W]."""
    down, across = (length // side * side for length in planes.shape[-2:])
    found = np.zeros((*planes.shape[:-2], down // side, across // side), np.float32)
    for i, j in np.ndindex(side, side):
        found += planes[..., i:down:side, j:across:side]
    found /= side * side
    return found


@kernel
def _change(given, wanted, change):  # type: ignore[no-untyped-def]
    """What makes the channels [P, 3] of one picture most like those wanted: how much stronger each of them is, [3], how
    much stronger colours are before, and the curve of light between, at the levels from -BELOW to ABOVE.
    """
    count = len(given)
    gains, strength = np.ones(3), 1.0
    if change == LIGHTER:
        return gains, strength, _light(given, wanted)
    curve, back = AS_IS.copy(), AS_IS.copy()
    bright, weights = np.empty((count, 3)), np.empty(count)
    for step in range(len(SCALES)):
        if change == BOTH and LIT[step]:
            for p in range(count):
                _strengthened(given[p], strength, bright[p])
            curve = _light(bright, wanted / gains)
            back = np.interp(AS_IS, curve + STEEPER, AS_IS)
        for p in range(count):
            _strengthened(given[p], strength, bright[p])
            lowest, highest = np.inf, -np.inf
            for c in range(3):
                bright[p, c] = _through(curve, bright[p, c])
                miss = min(max(bright[p, c] * gains[c], 0.0), 255.0) - wanted[p, c]
                lowest, highest = min(lowest, miss), max(highest, miss)
            weights[p] = 1 / (1 + ((highest - lowest) / SCALES[step]) ** 2)
        gains = _gains(bright, wanted, weights)
        most = GAIN
        if change == BOTH:
            gains /= (gains[0] * gains[1] * gains[2]) ** (1 / 3)
            most = GAIN_IN_LIGHT
        gains = np.minimum(np.maximum(gains, 1 - most), 1 + most)
        strength = _strength(given, wanted / gains, wanted, back, weights)
    return gains, strength, curve


@inlined
def _strengthened(colour, strength, found):  # type: ignore[no-untyped-def]
    """A pixel whose colour is stronger, its grey as it is."""
    grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    for c in range(3):
        found[c] = grey + strength * (colour[c] - grey)


@inlined
def _through(curve, level):  # type: ignore[no-untyped-def]
    place = min(max(level + BELOW, 0.0), len(curve) - 1.001)
    low = int(place)
    return curve[low] + (place - low) * (curve[low + 1] - curve[low])


@kernel
def _gains(bright, wanted, weights):  # type: ignore[no-untyped-def]
    """How much stronger each channel is, where nothing was cut off."""
    gains = np.empty(3)
    for c in range(3):
        product = square = HELD_GAIN * len(bright)
        for p in range(len(bright)):
            if UNCUT[0] < wanted[p, c] < UNCUT[1]:
                product += weights[p] * bright[p, c] * wanted[p, c]
                square += weights[p] * bright[p, c] ** 2
        gains[c] = min(max(product / square, 1 / FAR), FAR)  # of colours made stronger some are below black
    return gains


@kernel
def _strength(given, untinted, wanted, back, weights):  # type: ignore[no-untyped-def]
    """How much stronger the colours are, once tint and light of the wanted ones are taken back."""
    product = square = HELD_STRENGTH * len(given)
    for p in range(len(given)):
        if wanted[p].min() <= UNCUT[0] or wanted[p].max() >= UNCUT[1]:
            continue
        red, green = _through(back, untinted[p, 0]), _through(back, untinted[p, 1])
        blue = _through(back, untinted[p, 2])
        for k in range(2):
            mine = DIFFERENCES[k, 0] * given[p, 0] + DIFFERENCES[k, 1] * given[p, 1] + DIFFERENCES[k, 2] * given[p, 2]
            other = DIFFERENCES[k, 0] * red + DIFFERENCES[k, 1] * green + DIFFERENCES[k, 2] * blue
            product += weights[p] * mine * other
            square += weights[p] * mine * mine
    return min(max(product / square, 1 / STRONGER), STRONGER)


@kernel
def _light(given, wanted):  # type: ignore[no-untyped-def]
    """The rising curve through the medians of what is wanted of all channels [P, 3], at the levels of a curve."""
    pieces = 256 // WIDE + 1
    counts, sums = np.zeros((pieces, ABOVE), np.int64), np.zeros(pieces)
    for p in range(len(given)):
        for c in range(3):
            piece = min(max(int(given[p, c]) // WIDE, 0), pieces - 1)
            counts[piece, min(max(round(wanted[p, c]), 0), ABOVE - 1)] += 1
            sums[piece] += given[p, c]
    places, levels = np.empty(pieces), np.empty(pieces)
    known = 0
    for piece in range(pieces):
        total = counts[piece].sum()
        if total >= ENOUGH:
            level, below = 0, counts[piece, 0]
            while 2 * below < total:
                level += 1
                below += counts[piece, level]
            places[known], levels[known] = sums[piece] / total, level
            known += 1
    if known < 2:
        return AS_IS.copy()
    inside = np.interp(AS_IS, places[:known], rising(levels[:known]))
    return inside + np.minimum(AS_IS - places[0], 0) + np.maximum(AS_IS - places[known - 1], 0)


@kernel
def _off(given, wanted, gains, strength, curve):  # type: ignore[no-untyped-def]
    """The levels [P] between the channels of what a change leaves of the colour of each place: the medians of all that
    have it, so that noise is nothing; 0 of colours that few have.
    """
    count = len(given)
    misses, keys, made = np.empty((count, 3)), np.empty(count, np.int64), np.empty(3)
    for p in range(count):
        _strengthened(given[p], strength, made)
        for c in range(3):
            misses[p, c] = min(max(_through(curve, made[c]) * gains[c], 0.0), 255.0) - wanted[p, c]
        grey = 0.299 * given[p, 0] + 0.587 * given[p, 1] + 0.114 * given[p, 2]
        keys[p] = int(max(grey, 0.0) / LEVEL)
        for k in range(2):
            shade = DIFFERENCES[k, 0] * given[p, 0] + DIFFERENCES[k, 1] * given[p, 1] + DIFFERENCES[k, 2] * given[p, 2]
            keys[p] = keys[p] * 32 + int((shade + 144) / SHADE)
    order = np.argsort(keys)
    found = np.zeros(count)
    first = 0
    for last in range(1, count + 1):
        if last < count and keys[order[last]] == keys[order[first]]:
            continue
        if last - first >= OFTEN:
            some = misses[order[first:last]]
            red, green, blue = np.median(some[:, 0]), np.median(some[:, 1]), np.median(some[:, 2])
            found[order[first:last]] = max(red, green, blue) - min(red, green, blue)
        first = last
    return found


def _tiles_differ(tiles: Tiles, ground: Floats | None) -> bool:
    """Whether tiles of one picture, at least, have colours that those of the other one do not tell."""
    if len(tiles.rows) < FEWEST:
        return False
    colours, light = tiles.colours.astype(np.float64), tiles.means.astype(np.float64).mean(axis=1)
    if np.abs(colours).mean(axis=(0, 2)).min() < 1.0:  # one has no colours: those that the other has are others
        return bool((np.abs(colours[:, 0] - colours[:, 1]).max(axis=1) > COLOUR).any())
    if ground is not None:
        rows = np.repeat(ground[None].astype(np.float64), 1 + len(light) // GROUND, axis=0)
        colours, light = np.concatenate((colours, rows[:, :, 1:])), np.concatenate((light, rows[:, :, 0].mean(axis=1)))
    return _is_other(colours, light) or _is_other(colours[:, ::-1], light)


def _is_other(colours: Levels, light: Levels) -> bool:
    """Whether the first of two colours of tiles [T, 2, 2] is another one once all of the second are tinted alike and
    made stronger or weaker; few do not count. `light` [T]: their grey.

    A tint makes each channel stronger by a share, so that it changes a white ground as well, and no hue much.
    """
    count = len(light)
    wanted, given = colours[:, 0], colours[:, 1]
    channels: npt.NDArray[np.float64] = light[:, None] + given @ CHANNELS.T
    terms: npt.NDArray[np.float64] = np.concatenate((given[:, :, None], channels[:, None] * DIFFERENCES), axis=2)
    least, most = np.array([1 / STRONGER, *[-TILE_GAIN] * 3]), np.array([STRONGER, *[TILE_GAIN] * 3])
    as_is = np.array([1.0, 0, 0, 0])
    found = as_is.copy()
    miss: npt.NDArray[np.float64] = np.zeros(count)
    weights: npt.NDArray[np.float64] = np.ones(count)
    for _ in range(4):  # what differs by more counts less and less
        weighted = terms * weights[:, None, None]
        normal = np.tensordot(weighted, terms, axes=([0, 1], [0, 1])) + 4.0 * count * np.eye(4)
        right = np.tensordot(weighted, wanted, axes=([0, 1], [0, 1])) + 4.0 * count * as_is
        found = _bounded(normal, right, found, least, most)
        miss = np.abs(wanted - terms @ found).max(axis=1)
        weights = 1 / (1 + (miss / COLOUR) ** 2)
    colourless = np.abs(colours).max(axis=(1, 2)) < COLOURLESS  # in both: a tint would be seen there
    bad = (miss > COLOUR) | (colourless & (miss > UNTINTED))
    if bad.sum() > FEW * count:
        return True
    # nearly grey, or paler: no colour is off by much, but those of the one do not tell those of the other
    coloured = np.abs(colours).max(axis=(1, 2)) >= VARIED
    if coloured.sum() < FEWEST:
        return False
    tints = (light[:, None, None] * colours).sum(axis=0) / np.square(light).sum()
    varied = np.square((colours - light[:, None, None] * tints)[coloured]).mean(axis=(0, 2))
    left = float(np.square((wanted - terms @ found)[coloured]).mean())
    paler = varied.max() > STRONG**2 and left > UNEXPLAINED * varied.min()
    return bool(paler or (varied[0] > VARIED**2 and left > UNEXPLAINED * varied[0]))


@kernel
def _bounded(normal, right, start, least, most):  # type: ignore[no-untyped-def]
    """The solution of a symmetric, positive system within bounds, by Gauss and Seidel's method."""
    found = start.copy()
    for _ in range(30):
        for place in range(len(found)):
            miss = right[place]
            for other in range(len(found)):
                miss -= normal[place, other] * found[other]
            found[place] = min(max(found[place] + miss / normal[place, place], least[place]), most[place])
    return found
