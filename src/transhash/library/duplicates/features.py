"""Keypoints: places of a picture that are found again when it is cropped, scaled, turned, mirrored or covered in
part.

Corners (the lesser eigenvalue of the structure tensor, Shi and Tomasi 1994) on a pyramid of grey pictures, spread
evenly; at each the direction of its intensity centroid (Rosin 1999) and 256 comparisons of grey values around it,
turned with that direction (Rublee et al., ORB, 2011). A mirrored picture's comparisons are those of the original with
one axis turned round, so that one set of keypoints is looked for in both forms.
"""

# ruff: noqa: PLR0912 -- compiled functions are long

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel, summing

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]

LEVELS = 5  # of the pyramid, each smaller by the square root of 2
CELL = 16  # pixels of a level: the best corners of each cell are taken, so that they lie all over the picture
EACH = 2  # corners of a cell
MOST = 320  # keypoints of a picture, the strongest
RADIUS = 13  # pixels of the patch around a keypoint
WEAKEST = 6.0  # of a corner's response, in squared grey levels a pixel
BITS = 256
LINEAR, CUBIC = 1, 2  # pixels that a filter reaches, on either side

_random = np.random.default_rng(20)
_PAIRS = np.clip(_random.normal(0, RADIUS / 2.4, (BITS, 4)), -RADIUS * 0.7, RADIUS * 0.7).astype(np.float32)


class Keypoints(NamedTuple):
    """The keypoints of one picture, the strongest first."""

    points: (
        Floats  # [K, 4]: x, y from the picture's corner, scale (its pixels for one of the level), direction (radians)
    )
    words: Words  # [K, 4], the comparisons
    mirrored: Words  # [K, 4], those of the same place in the mirrored picture


NO_KEYPOINTS = Keypoints(np.empty((0, 4), np.float32), np.empty((0, 4), np.uint64), np.empty((0, 4), np.uint64))


def keypoints(grey: Floats) -> Keypoints:
    """The keypoints of a grey picture float32 [H, W], levels 0 to 255."""
    levels, found, numbers, strengths = [], [], [], []
    for number in range(LEVELS):
        level = halved(grey, 2 ** (number / 2)) if number else blurred(grey)
        if min(level.shape) < 2 * RADIUS + 4:
            break
        places, strength = _corners(level, CELL, EACH, RADIUS + 1, WEAKEST)
        levels.append(level)
        found.append(places)
        numbers.append(np.full(len(places), number))
        strengths.append(strength)
    if not found:
        return NO_KEYPOINTS
    best = np.argsort(-np.concatenate(strengths), kind="stable")[:MOST]
    places, level_of = np.concatenate(found)[best], np.concatenate(numbers)[best]
    points = np.empty((len(best), 4), np.float32)
    words, mirrored = np.empty((len(best), 4), np.uint64), np.empty((len(best), 4), np.uint64)
    for each, level in enumerate(levels):
        some = np.flatnonzero(level_of == each)
        angles, words[some], mirrored[some] = _described(level, places[some], _PAIRS, RADIUS)
        sizes = grey.shape[1] / level.shape[1], grey.shape[0] / level.shape[0]
        scales = np.full(len(some), 2 ** (each / 2), np.float32)
        points[some] = np.column_stack(((places[some] + 0.5) * sizes, scales, angles))
    return Keypoints(points, words, mirrored)


@kernel
def blurred(grey):  # type: ignore[no-untyped-def]
    """Each pixel float32 [H, W] with its neighbours, weights 1, 2, 1 both ways."""
    height, width = grey.shape
    found = np.empty((height, width), np.float32)
    line = np.empty(width + 2, np.float32)
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            line[x + 1] = grey[above, x] + 2 * grey[y, x] + grey[below, x]
        line[0], line[width + 1] = line[1], line[width]
        for x in range(width):
            found[y, x] = (line[x] + 2 * line[x + 1] + line[x + 2]) / 16
    return found


def halved(grey: Floats, factor: float) -> Floats:
    """A grey picture made smaller by a factor, antialiased."""
    height, width = grey.shape
    return np.asarray(_resized(grey, max(1, round(height / factor)), max(1, round(width / factor)), LINEAR))


def softened(grey: Floats, factor: float) -> Floats:
    """A grey picture of the same size without what a picture smaller by a factor cannot show."""
    return np.asarray(_resized(halved(grey, factor), *grey.shape, CUBIC))


@kernel
def _resized(grey, height, width, reach):  # type: ignore[no-untyped-def]
    """A grey picture in another size, as Pillow makes it: rows first, sums of float64, float32 between them."""
    tall = len(grey)
    lines = np.empty((tall, width), np.float32)
    first, counts, shares = _weights(grey.shape[1], width, reach)
    for y in range(tall):
        row = grey[y]
        for x in range(width):
            total = 0.0
            for k in range(counts[x]):
                total += row[first[x] + np.uint64(k)] * shares[x, k]
            lines[y, x] = total
    found = np.empty((height, width), np.float32)
    totals = np.empty(width)
    first, counts, shares = _weights(tall, height, reach)
    for y in range(height):
        totals[:] = 0.0
        for k in range(counts[y]):
            share, row = shares[y, k], lines[first[y] + np.uint64(k)]
            for x in range(width):
                totals[x] += row[x] * share
        for x in range(width):
            found[y, x] = totals[x]
    return found


@kernel
def _weights(length, wanted, reach):  # type: ignore[no-untyped-def]
    """How a line of a length becomes one of another: for each pixel the first one that it is made of, how many there
    are, and their shares [N, K]. They are as far apart as `reach` pixels of the line with fewer.
    """
    scale = length / wanted
    wide = max(scale, 1.0)
    first, counts = np.empty(wanted, np.uint64), np.empty(wanted, np.int64)
    shares = np.zeros((wanted, 2 * int(np.ceil(reach * wide)) + 1))
    for i in range(wanted):
        middle = (i + 0.5) * scale
        begin = max(int(middle - reach * wide + 0.5), 0)
        first[i], counts[i] = begin, min(int(middle + reach * wide + 0.5), length) - begin
        total = 0.0
        for k in range(counts[i]):
            x = abs((k + begin - middle + 0.5) * (1.0 / wide))
            share = 0.0
            if reach == LINEAR:
                share = max(1.0 - x, 0.0)
            elif x < 1:
                share = (1.5 * x - 2.5) * x * x + 1
            elif x < 2:
                share = (((x - 5) * x + 8) * x - 4) * -0.5
            shares[i, k] = share
            total += share
        shares[i] /= total
    return first, counts, shares


@inlined
def slope(grey, y, x):  # type: ignore[no-untyped-def]
    """The square of a picture's gradient at a pixel: differences of its neighbours, or of itself and one at the rim."""
    top, bottom = max(y - 1, 0), min(y + 1, grey.shape[0] - 1)
    left, right = max(x - 1, 0), min(x + 1, grey.shape[1] - 1)
    down = (grey[bottom, x] - grey[top, x]) / max(bottom - top, 1)
    across = (grey[y, right] - grey[y, left]) / max(right - left, 1)
    return down * down + across * across


@kernel
def matches(a, b):  # type: ignore[no-untyped-def]
    """For each of the words [K, 4] of one picture the most alike of another: (its row or -1, bits that differ)."""
    rows = np.full(len(a), -1, np.int64)
    apart = np.full(len(a), 256, np.int64)
    for i in range(len(a)):
        best, second, row = np.int64(257), np.int64(257), -1
        for j in range(len(b)):
            distance = np.int64(0)
            for word in range(4):
                x = a[i, word] ^ b[j, word]
                x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
                x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
                x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
                distance += np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
            if distance < best:
                second, best, row = best, distance, j
            elif distance < second:
                second = distance
        if best <= 72 and (best <= 24 or best < 0.85 * second):
            rows[i], apart[i] = row, best
    return rows, apart


@kernel
def _corners(image, cell, each, margin, weakest):  # type: ignore[no-untyped-def]
    """Corners of a picture float32 [H, W]: (x, y) [K, 2] and how strong they are [K]."""
    height, width = image.shape
    xx = np.zeros((height, width), np.float32)
    yy = np.zeros((height, width), np.float32)
    xy = np.zeros((height, width), np.float32)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            dx = (image[y, x + 1] - image[y, x - 1]) / 2
            dy = (image[y + 1, x] - image[y - 1, x]) / 2
            xx[y, x], yy[y, x], xy[y, x] = dx * dx, dy * dy, dx * dy
    strength = np.zeros((height, width), np.float32)
    columns = np.zeros((3, width), np.float32)  # sums of the five pixels above one another
    for y in range(2, height - 2):
        for x in range(width):
            columns[0, x] = xx[y - 2, x] + xx[y - 1, x] + xx[y, x] + xx[y + 1, x] + xx[y + 2, x]
            columns[1, x] = yy[y - 2, x] + yy[y - 1, x] + yy[y, x] + yy[y + 1, x] + yy[y + 2, x]
            columns[2, x] = xy[y - 2, x] + xy[y - 1, x] + xy[y, x] + xy[y + 1, x] + xy[y + 2, x]
        for x in range(2, width - 2):
            a = columns[0, x - 2] + columns[0, x - 1] + columns[0, x] + columns[0, x + 1] + columns[0, x + 2]
            b = columns[1, x - 2] + columns[1, x - 1] + columns[1, x] + columns[1, x + 1] + columns[1, x + 2]
            c = columns[2, x - 2] + columns[2, x - 1] + columns[2, x] + columns[2, x + 1] + columns[2, x + 2]
            a, b, c = a / 25, b / 25, c / 25
            strength[y, x] = (a + b) / 2 - np.sqrt(((a - b) / 2) ** 2 + c * c)
    most = ((height // cell) + 1) * ((width // cell) + 1) * each
    found = np.empty((most, 2), np.float32)
    strong = np.empty(most, np.float32)
    count = 0
    for top in range(margin, height - margin, cell):
        for left in range(margin, width - margin, cell):
            begin = count
            for y in range(top, min(top + cell, height - margin)):
                for x in range(left, min(left + cell, width - margin)):
                    s = strength[y, x]
                    if s < weakest:
                        continue
                    peak = True
                    for v in range(-1, 2):
                        for u in range(-1, 2):
                            if strength[y + v, x + u] > s:
                                peak = False
                    if not peak:
                        continue
                    if count - begin < each:
                        slot = count
                        count += 1
                    else:
                        slot = begin
                        for k in range(begin, count):
                            if strong[k] < strong[slot]:
                                slot = k
                        if strong[slot] >= s:
                            continue
                    # the top of a parabola through the neighbours: to a part of a pixel
                    bend = strength[y, x - 1] - 2 * s + strength[y, x + 1]
                    dx = (strength[y, x - 1] - strength[y, x + 1]) / (2 * bend) if bend < 0 else np.float32(0)
                    bend = strength[y - 1, x] - 2 * s + strength[y + 1, x]
                    dy = (strength[y - 1, x] - strength[y + 1, x]) / (2 * bend) if bend < 0 else np.float32(0)
                    found[slot, 0], found[slot, 1] = x + dx, y + dy
                    strong[slot] = s
    return found[:count].copy(), strong[:count].copy()


@summing
def _described(image, found, pairs, radius):  # type: ignore[no-untyped-def]
    """Directions [K], comparisons [K, 4] and mirrored comparisons [K, 4] of corners (x, y) [K, 2].

    Corners lie more than the radius inside, and compared pixels no further from them than that.
    """
    count = len(found)
    angles = np.empty(count, np.float32)
    words = np.zeros((2, count, 4), np.uint64)
    half = np.float32(0.5)
    compared = np.empty((2, len(pairs)), np.int32)
    pixels = np.ascontiguousarray(image).reshape(-1)
    width = image.shape[1]
    for i in range(count):
        x, y = found[i, 0] + half, found[i, 1] + half
        mx = my = np.float32(0)
        for v in range(-radius, radius + 1):
            reach = int(np.sqrt(radius * radius - v * v))
            total = np.float32(0)
            for u in range(-reach, reach + 1):
                value = image[int(y) + v, int(x) + u]
                mx += np.float32(u) * value
                total += value
            my += np.float32(v) * total
        angle = np.arctan2(my, mx)
        angles[i] = angle
        c, s = np.cos(angle), np.sin(angle)
        for side in range(2):
            sign = np.float32(1 - 2 * side)
            for bit in range(len(pairs)):
                for end in range(2):
                    across, down = pairs[bit, 2 * end], sign * pairs[bit, 2 * end + 1]
                    row = np.int32(y + s * across + c * down)
                    compared[end, bit] = row * np.int32(width) + np.int32(x + c * across - s * down)
            for word in range(len(pairs) >> 6):
                marks = np.uint64(0)
                for bit in range(64):
                    is_less = pixels[compared[0, 64 * word + bit]] < pixels[compared[1, 64 * word + bit]]
                    marks |= np.uint64(is_less) << np.uint64(bit)
                words[side, i, word] = marks
    return angles, words[0], words[1]
