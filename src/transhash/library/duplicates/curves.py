"""Curves: how grey levels become those of another light, found from two pictures of which one is laid on the other.

A curve is float64 [LEVELS]: the levels that 0, STEP, 2 · STEP … become.
"""

from __future__ import annotations

import numpy as np

from transhash.kernels import kernel, summing
from transhash.library.duplicates.fitting import solved

PARTS = 32  # of a level, to which a median is told
LEVELS, STEP = 18, 15.0  # places of a curve, and the grey levels between them
AS_IS = np.arange(LEVELS) * STEP  # the curve of light that stays as it is
SAME = 60.0  # variance of the greys below which the light is taken to be the same
FEW = 0.004  # share of the pixels by which a straight line says how the curve goes on where there are none
PLACES = 64  # of the longer side that tell whether a curve is right
FLAT = 12.0  # levels between neighbours in a place that is not flat
SEEN = 0.002  # share of the places that make half of a level that is seen
BENDING = np.array([60.0, 30.0, 15.0, 8.0])  # levels by which a curve may be off at a place, less and less
STIFF, STEADY = 0.05, 0.01  # how little a curve bends, and how little its steps differ from those of light as it is
WHITE, BLACK = 251.0, 4.0  # grey levels beyond which light that was made stronger leaves nothing
FEWEST = 64  # places that are enough without those
FAR = 12.0  # levels of a miss beyond which a curve is just wrong: something was laid over the place
SHARE = 0.01  # of the places that count at one level: a ground tells no more

_STEPS = np.diff(np.eye(LEVELS), axis=0)
_BENDS = np.diff(_STEPS, axis=0)
_STIFF = STIFF * _BENDS.T @ _BENDS + STEADY * _STEPS.T @ _STEPS
_STRAIGHT = STEADY * _STEPS.T @ (_STEPS @ AS_IS)


@kernel
def steady(values, wanted):  # type: ignore[no-untyped-def]
    """The curve that fits most of some pixels: levels, and those that are wanted."""
    count = len(values)
    weights, misses = np.ones(count), np.empty(count)
    low, upper = np.empty(count, np.int64), np.empty(count)
    for k in range(count):
        place = min(max(values[k] / STEP, 0.0), LEVELS - 1.001)
        low[k] = int(place)
        upper[k] = place - low[k]
    curve = np.empty(LEVELS)
    for again in range(3, -1, -1):  # what differs by more counts less and less
        total, mean, middle, varied, together = _moments(values, wanted, weights)
        slope = min(max((together / total + SAME) / (varied / total + SAME), 0.2), 3.0)
        counts = np.full(LEVELS, FEW * count)
        sums = FEW * count * (middle + slope * (AS_IS - mean))
        for k in range(count):
            above = weights[k] * upper[k]
            below = weights[k] - above
            counts[low[k]] += below
            counts[low[k] + 1] += above
            sums[low[k]] += below * wanted[k]
            sums[low[k] + 1] += above * wanted[k]
        curve = rising(sums / counts)
        if not again:
            break
        levels = np.zeros(256 * PARTS, np.int64)
        for k in range(count):
            misses[k] = abs(wanted[k] - curve[low[k]] - upper[k] * (curve[low[k] + 1] - curve[low[k]]))
            levels[min(int(misses[k] * PARTS), 256 * PARTS - 1)] += 1
        median, halfway = 0, levels[0]
        while 2 * halfway < count:
            median += 1
            halfway += levels[median]
        spread = max(3.0, 3 * (median + 0.5) / PARTS)
        for k in range(count):
            weights[k] = 1 / (1 + (misses[k] / spread) ** 2)
    return curve


@summing
def _moments(values, wanted, weights):  # type: ignore[no-untyped-def]
    """Of weighted values and wanted ones: the weights, both means, and sums of the squares and of the products."""
    total = mean = middle = squares = products = 0.0
    for k in range(len(values)):
        part = weights[k] * values[k]
        total += weights[k]
        mean += part
        middle += weights[k] * wanted[k]
        squares += part * values[k]
        products += part * wanted[k]
    mean, middle = mean / total, middle / total
    return total, mean, middle, squares - total * mean * mean, products - total * mean * middle


@kernel
def rising(curve):  # type: ignore[no-untyped-def]
    """A curve that rises everywhere: between the highest so far and the lowest from here."""
    highest, lowest = -np.inf, np.inf
    found = np.empty(len(curve))
    for k in range(len(curve)):
        highest = max(highest, curve[k])
        found[k] = highest
    for k in range(len(curve) - 1, -1, -1):
        lowest = min(lowest, curve[k])
        found[k] = (found[k] + lowest) / 2
    return found


@kernel
def bending(given, wanted, flat):  # type: ignore[no-untyped-def]
    """The curve that fits half of some `places` of each level. It bends slowly, so that a logo does not bend it."""
    count = len(given)
    low, upper, nearest = np.empty(count, np.int64), np.empty(count), np.empty(count, np.int64)
    held = np.zeros(LEVELS)
    for k in range(count):
        place = min(max(given[k] / STEP, 0.0), LEVELS - 1.001)
        low[k] = int(place)
        upper[k] = place - low[k]
        nearest[k] = low[k] + (upper[k] > 0.5)
        held[nearest[k]] += flat[k]
    few = SEEN * count + 1e-6
    seen = held / (held + few)
    curve = _bent(_medians(nearest, wanted, flat), seen, BENDING)
    miss = _misses(curve, low, upper, wanted)
    usual = _medians(nearest, miss, flat)[seen > 0.5]
    spread = max(3.0, 3 * np.median(usual)) if len(usual) else 3.0
    for _ in range(3):  # what differs by more counts less and less
        counts, means = np.zeros(LEVELS), np.zeros(LEVELS)
        for k in range(count):
            share = flat[k] / (1 + (miss[k] / spread) ** 2)
            counts[low[k]] += share * (1 - upper[k])
            counts[low[k] + 1] += share * upper[k]
            means[low[k]] += share * (1 - upper[k]) * wanted[k]
            means[low[k] + 1] += share * upper[k] * wanted[k]
        curve = _bent(means / np.maximum(counts, 1e-6), counts / (counts + few), BENDING[-1:])
        miss = _misses(curve, low, upper, wanted)
    return curve


@kernel
def missed(curve, given, wanted, flat):  # type: ignore[no-untyped-def]
    """The mean levels by which a curve misses flat `places`; of each level no more than a `SHARE` of them count."""
    count = len(given)
    held, misses, total = np.zeros(LEVELS), np.zeros(LEVELS), 0.0
    for k in range(count):
        place = min(max(given[k] / STEP, 0.0), LEVELS - 1.0)
        low = min(int(place), LEVELS - 2)
        miss = abs(wanted[k] - curve[low] - (place - low) * (curve[low + 1] - curve[low]))
        level = round(place)
        held[level] += flat[k]
        misses[level] += flat[k] * min(miss, FAR)
        total += flat[k]
    weight = missing = 0.0
    for level in range(LEVELS):
        counts = min(1.0, SHARE * total / max(held[level], 1e-6))
        weight += counts * held[level]
        missing += counts * misses[level]
    return missing / max(weight, 1e-6)


@kernel
def places(reference, laid, there):  # type: ignore[no-untyped-def]
    """Small places that both pictures have, [P] each: mean levels of the laid one, those of the reference, and how flat
    both are, 0 to 1: one may be less sharp than the other one where it is steep.
    """
    side = max(1, max(reference.shape) // PLACES)
    down, across = reference.shape[0] // side, reference.shape[1] // side
    small = np.empty((2, down, across))
    seen = np.empty((down, across), np.bool_)
    clipped = np.empty((down, across), np.bool_)  # they may have been anything
    unclipped = 0
    for i in range(down):
        for j in range(across):
            one = other = 0.0
            whole = True
            for y in range(i * side, (i + 1) * side):
                for x in range(j * side, (j + 1) * side):
                    one += laid[y, x]
                    other += reference[y, x]
                    whole &= there[y, x]
            one, other = one / side**2, other / side**2
            small[0, i, j], small[1, i, j], seen[i, j] = one, other, whole
            darker, brighter = min(one, other), max(one, other)
            clipped[i, j] = darker <= BLACK or brighter >= WHITE
            unclipped += seen[i, j] and not clipped[i, j]
    given, wanted, flat = np.empty(down * across), np.empty(down * across), np.empty(down * across)
    count = 0
    for i in range(down):
        for j in range(across):
            if not seen[i, j] or (clipped[i, j] and unclipped >= FEWEST):
                continue
            steepest = 0.0
            if min(down, across) > 1:
                top, bottom, left, right = max(i - 1, 0), min(i + 1, down - 1), max(j - 1, 0), min(j + 1, across - 1)
                for each in range(2):
                    dy = (small[each, bottom, j] - small[each, top, j]) / (bottom - top)
                    dx = (small[each, i, right] - small[each, i, left]) / (right - left)
                    steepest = max(steepest, dx * dx + dy * dy)
            given[count], wanted[count] = small[0, i, j], small[1, i, j]
            flat[count] = 1 / (1 + steepest / FLAT**2)
            count += 1
    return given[:count], wanted[:count], flat[:count]


@kernel
def _misses(curve, low, upper, wanted):  # type: ignore[no-untyped-def]
    """By how much a curve misses what is wanted of places between its levels `low` and the next ones."""
    misses = np.empty(len(low))
    for k in range(len(low)):
        misses[k] = abs(wanted[k] - curve[low[k]] * (1 - upper[k]) - curve[low[k] + 1] * upper[k])
    return misses


@kernel
def _bent(wanted, seen, scales):  # type: ignore[no-untyped-def]
    """The rising curve near some levels that bends slowly; `seen`, 0 to 1: how much each level counts.

    What is off by more than a scale counts less and less; the scales are tried in turn.
    """
    curve = AS_IS.copy()
    weights = seen.copy()
    right = np.empty((LEVELS, 1))
    for scale in range(len(scales) + 1):
        matrix = _STIFF.copy()
        for k in range(LEVELS):
            matrix[k, k] += weights[k] + 1e-9
            right[k, 0] = _STRAIGHT[k] + weights[k] * wanted[k] + 1e-9 * AS_IS[k]
        curve[:] = solved(matrix, right)[:, 0]
        if scale < len(scales):
            for k in range(LEVELS):
                weights[k] = seen[k] / (1 + ((wanted[k] - curve[k]) / scales[scale]) ** 2)
    return rising(curve)


@kernel
def _medians(levels, values, weights):  # type: ignore[no-untyped-def]
    """For each place of the curve the median of the values 0 to 255 there, to a whole one; 0 where there are none."""
    counts, totals = np.zeros((LEVELS, 256)), np.zeros(LEVELS)
    for k in range(len(levels)):
        counts[levels[k], min(max(round(values[k]), 0), 255)] += weights[k]
        totals[levels[k]] += weights[k]
    found = np.zeros(LEVELS)
    for level in range(LEVELS):
        below, value = counts[level, 0], 0
        while 2 * below < totals[level] and value < 255:
            value += 1
            below += counts[level, value]
        found[level] = value
    return found


@kernel
def through(picture, curve):  # type: ignore[no-untyped-def]
    """A picture's levels through a curve straight between them and beyond."""
    height, width = picture.shape
    found = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            place = picture[y, x] / np.float32(STEP)
            low = min(max(int(np.floor(place)), 0), len(curve) - 2)
            found[y, x] = curve[low] + (place - low) * (curve[low + 1] - curve[low])
    return found
