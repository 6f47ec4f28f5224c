"""Fitting: the movement of one picture onto another, made exact by Gauss and Newton's method.

A row of pixels is sampled first, and then its sums are taken: a processor does many of these at once.
"""

# ruff: noqa: PLR0912, PLR0915, PLR0917 -- compiled functions are long, and take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import kernel, summing

RIM = 1.6  # pixels of the other picture at its rim that are not compared
TERMS = 7  # of each pixel: both slopes times its place across, both slopes, its value, 1, and by how much it misses
# what the method solves for (a, b, e, c, d, f of a movement, a gain and an offset): its term, whether times the place
# down
TERM = np.array([0, 1, 1, 2, 3, 3, 4, 5])
BY_ROW = np.array([0, 1, 0, 0, 1, 0, 0, 0])


@kernel
def solved(matrix, right):  # type: ignore[no-untyped-def]
    """The solution [N, M] of a symmetric, positive system [N, N] with right sides [N, M]; both are overwritten.

    By Gauss: what Numba has for `np.linalg` needs SciPy, which nothing else here does.
    """
    size, sides = right.shape
    for p in range(size):
        for q in range(p + 1, size):
            part = matrix[q, p] / matrix[p, p]
            for i in range(p + 1, size):
                matrix[q, i] -= part * matrix[p, i]
            for i in range(sides):
                right[q, i] -= part * right[p, i]
    for p in range(size - 1, -1, -1):
        for i in range(sides):
            for q in range(p + 1, size):
                right[p, i] -= matrix[p, q] * right[q, i]
            right[p, i] /= matrix[p, p]
    return right


@kernel
def fitted(reference, other, movement, stride, steps, robust):  # type: ignore[no-untyped-def]
    """The movement, with a gain and an offset, that fits best near a given one; what fits badly counts little.

    Of each `stride` rows and columns one is compared. Where the reference is not a number, nothing is.
    """
    height, width = reference.shape
    tall, wide = other.shape
    cx, cy, size = width / 2, height / 2, max(width, height) / 2
    first = stride // 2
    a, b, c, d = movement[0], movement[1], movement[2], movement[3]
    e, f = movement[4] + a * cx + b * cy, movement[5] + c * cx + d * cy
    gain, offset, spread = 1.0, 0.0, 1e9
    terms, weights = np.ones((TERMS, width), np.float32), np.empty(width, np.float32)
    sums, factors = np.empty((TERMS, TERMS)), np.ones(8)
    normal, right = np.empty((8, 8)), np.empty((8, 1))
    counts = np.empty(256, np.int64)
    for step in range(steps + 1):
        normal[:] = 0
        right[:] = 0
        counts[:] = 0
        for y in range(first, height, stride):
            ux, uy = first + 0.5 - cx, y + 0.5 - cy
            vx, vy = a * ux + b * uy + e, c * ux + d * uy + f
            begin, end = _inside(vx, a * stride, wide, 0, (width - 1 - first) // stride + 1)
            begin, end = _inside(vy, c * stride, tall, begin, end)
            count = end - begin
            if count <= 0:
                continue
            ux, vx, vy = ux + begin * stride, vx + begin * a * stride, vy + begin * c * stride
            line = reference[y, first + begin * stride :: stride]
            _sample(line, other, vx, vy, a * stride, c * stride, ux / size, stride / size, gain, offset, spread,
                    terms, weights, count)  # fmt: skip
            for i in range(count):
                counts[min(int(abs(terms[6, i])), 255)] += weights[i] > 0
            _add_up(terms, weights, count, sums)
            for p in range(8):
                factors[p] = uy / size if BY_ROW[p] else 1.0
                right[p, 0] += factors[p] * sums[TERM[p], 6]
                for q in range(p + 1):
                    normal[q, p] += factors[p] * factors[q] * sums[TERM[q], TERM[p]]
        places = counts.sum()
        if places < 64:
            break
        level, below = 0, counts[0]
        while 2 * below < places:  # half of the pixels, not their mean: what was laid over a picture is far off
            level += 1
            below += counts[level]
        spread = max(robust, 3.0 * (level + 0.5))
        if step == 0:  # gain and offset alone at first: light that differs is no movement
            m, v = normal[6, 7] / normal[7, 7], normal[6, 6] - normal[6, 7] ** 2 / normal[7, 7]
            slope = (right[6, 0] - m * right[7, 0]) / max(v, 1e-6)
            gain = min(max(gain + slope, 0.4), 2.5)
            offset = (right[7, 0] + offset * normal[7, 7] + normal[6, 7]) / normal[7, 7] - gain * m
            continue
        weight = normal[7, 7]
        for p in range(8):
            for q in range(p):
                normal[p, q] = normal[q, p]
        for p in range(6):
            normal[p, p] = normal[p, p] * 1.001 + 0.02 * weight
        normal[6, 6] += 1.0
        found = solved(normal, right)[:, 0]
        limit = 0.15 * size
        largest = 0.0
        for p in range(6):
            largest = max(largest, abs(found[p]))
        if largest > limit:
            found *= limit / largest
        a, b, e = a + found[0] / size, b + found[1] / size, e + found[2]
        c, d, f = c + found[3] / size, d + found[4] / size, f + found[5]
        gain = min(max(gain + found[6], 0.4), 2.5)
        offset += found[7]
        if largest < 0.02:
            break
    moved = np.empty(6)
    moved[0], moved[1], moved[2], moved[3] = a, b, c, d
    moved[4], moved[5] = e - a * cx - b * cy, f - c * cx - d * cy
    return moved


@kernel
def _inside(place, step, length, begin, end):  # type: ignore[no-untyped-def]
    """Of the places that lie a step apart, from `begin` to `end`, those inside of a picture of a length."""
    low, high = RIM - place, length - RIM - place
    if high < low:
        return begin, begin
    if abs(step) < 1e-9:
        return begin, end if low <= 0 <= high else begin
    if step < 0:
        low, high, step = -high, -low, -step
    furthest = float(end)
    first, last = min(max(low / step, 0.0), furthest), min(max(high / step, -1.0), furthest)
    return max(begin, int(np.ceil(first))), min(end, int(np.floor(last)) + 1)


@summing
def _sample(line, other, x, y, dx, dy, place, step, gain, offset, spread, terms, weights, count):  # type: ignore[no-untyped-def]
    """The terms [TERMS, N] and weights of some pixels of a line, which lie in the other picture from (x, y) on."""
    gain, offset, part = np.float32(gain), np.float32(offset), np.float32(1 / spread)
    half, one = np.float32(0.5), np.float32(1)
    for i in range(count):
        vx, vy = np.float32(x + dx * i - 0.5), np.float32(y + dy * i - 0.5)
        left, top = np.int32(vx), np.int32(vy)
        u, v = vx - np.float32(left), vy - np.float32(top)
        s, t = one - u, one - v
        # bilinear samples at the place, above it and below it, and what the columns beside it differ by
        over = other[top - 1, left] * s + other[top - 1, left + 1] * u
        upper = other[top, left] * s + other[top, left + 1] * u
        lower = other[top + 1, left] * s + other[top + 1, left + 1] * u
        under = other[top + 2, left] * s + other[top + 2, left + 1] * u
        to_left = (other[top, left + 1] - other[top, left - 1]) * t + (
            other[top + 1, left + 1] - other[top + 1, left - 1]
        ) * v
        to_right = (other[top, left + 2] - other[top, left]) * t + (other[top + 1, left + 2] - other[top + 1, left]) * v
        value = upper * t + lower * v
        across = gain * half * (to_left * s + to_right * u)
        down = gain * half * ((lower - over) * t + (under - upper) * v)
        miss = line[i] - (gain * value + offset)
        weight = one / (one + (miss * part) * (miss * part))
        if np.isnan(miss):
            miss, weight = np.float32(0), np.float32(0)
        at = np.float32(place + step * i)
        terms[0, i], terms[1, i] = across * at, across
        terms[2, i], terms[3, i] = down * at, down
        terms[4, i], terms[6, i] = value, miss
        weights[i] = weight


@summing
def _add_up(terms, weights, count, sums):  # type: ignore[no-untyped-def]
    """The weighted sums [TERMS, TERMS] of the products of two terms [TERMS, N], above the diagonal and on it."""
    for p in range(TERMS - 1):
        for q in range(p, TERMS):
            total = np.float32(0)
            for i in range(count):
                total += weights[i] * terms[p, i] * terms[q, i]
            sums[p, q] = total
