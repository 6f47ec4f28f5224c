"""Light: one picture's grey levels through the rising curve that makes its light that of another one.

A curve is float64 [LEVELS]: the levels that 0, STEP, 2 · STEP … become.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SAMPLED = 5  # of so many pixels one tells what light they are in
LEVELS, STEP = 18, 15.0  # places of a curve, and the grey levels between them
AS_IS = 60.0  # variance of the greys below which the light is taken to be the same
FEW = 0.004  # share of the pixels by which a straight line says how the curve goes on where there are none
PLACES = 64  # of the longer side that tell whether a curve is right
FLAT = 12.0  # levels between neighbours in a place that is not flat
SEEN = 0.002  # share of the places that make half of a level that is seen
BENDING = (60.0, 30.0, 15.0, 8.0)  # levels by which a curve may be off at a place, less and less
STIFF, STEADY = 0.05, 0.01  # how little a curve bends, and how little its steps differ from those of light as it is
WHITE, BLACK = 251.0, 4.0  # grey levels beyond which light that was made stronger leaves nothing
FEWEST = 64  # places that are enough without those
FAR = 12.0  # levels of a miss beyond which a curve is just wrong: something was laid over the place
SHARE = 0.01  # of the places that count at one level: a ground tells no more
GOOD, BETTER = 0.8, 0.87  # levels that a good curve misses by, and what another one misses of that if it is better
GREY = np.array([0.299, 0.587, 0.114], np.float32)
CHANNELS = np.array([[0.0, 1.402], [-0.344, -0.714], [1.772, 0.0]], np.float32)  # of both colour differences
DIFFERENCES = np.array([[-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)  # and the other way round


class Coloured(NamedTuple):
    """A picture: its grey levels [H, W], and both colour differences [2, H, W]."""

    grey: Floats
    colours: Floats

    @property
    def channels(self) -> Floats:
        """Red, green and blue, [3, H, W]."""
        return np.asarray(self.grey + np.tensordot(CHANNELS, self.colours, axes=1), np.float32)


class _Places(NamedTuple):
    """Small places that both pictures have, [P] each."""

    given: Doubles  # mean levels of the laid one
    wanted: Doubles  # of the reference
    flat: Doubles  # 0 to 1: one picture may be less sharp than the other one where it is steep


def equalised(reference: Floats, laid: Floats, there: Flags) -> Floats:
    """The laid picture in the reference's light.

    A nearly straight curve that is right for most pixels is tried first. On a ground that is white in every light all
    else may be wrong then. Where it is, a curve is tried that is right for half of the places of each level.
    """
    curve = _steady(laid[there][::SAMPLED].astype(np.float64), reference[there][::SAMPLED].astype(np.float64))
    places = _places(reference, laid, there)
    miss = _missed(curve, places)
    if miss > GOOD:
        other = _bending(places)
        if _missed(other, places) < BETTER * miss:
            curve = np.asarray(np.clip(other, 0, 255), np.float64)
    return np.asarray(_through(laid, curve.astype(np.float32), STEP), np.float32)


def lit(reference: Coloured, laid: Coloured, there: Flags, *, is_harsh: bool) -> tuple[Floats, bool]:
    """The laid picture's grey levels in the reference's light, and whether one curve of greys tells all of it.

    Light makes each channel of a pixel brighter, and takes away what is beyond white. Of a blue sky that is the blue
    alone: a curve of greys cannot tell. Where that one misses in harsh light, each channel is brought into the light by
    a curve of its own.
    """
    grey = equalised(reference.grey, laid.grey, there)
    miss = _off(reference.grey, grey, there) if is_harsh else 0.0
    if miss <= GOOD:
        return grey, True
    wanted, given = reference.channels, laid.channels
    each = np.stack([np.clip(equalised(one, other, there), 0, 255) for one, other in zip(wanted, given, strict=True)])
    by_channel = np.asarray(np.tensordot(GREY, each, axes=1), np.float32)
    return by_channel if _off(reference.grey, by_channel, there) < BETTER * miss else grey, False


def lit_colours(reference: Coloured, laid: Coloured, there: Flags) -> Floats:
    """The laid picture's colour differences [2, H, W] in the reference's light.

    There is one curve for all channels, which leaves their order: a red thing stays redder than green.
    """
    wanted, given = reference.channels, laid.channels
    tall = (-1, given.shape[2])
    pooled = equalised(wanted.reshape(tall), given.reshape(tall), np.concatenate([there] * 3))
    alike = np.clip(pooled, 0, 255).reshape(given.shape)
    return np.asarray(np.tensordot(DIFFERENCES, alike, axes=1), np.float32)


def _off(reference: Floats, laid: Floats, there: Flags) -> float:
    """The levels by which a picture in the reference's light misses flat places, as `_missed` tells it of a curve."""
    places = _places(reference, laid, there)
    return _missed(np.arange(LEVELS, dtype=np.float64) * STEP, places)


@kernel
def _steady(values, wanted):  # type: ignore[no-untyped-def]
    """The curve that fits most of some pixels: levels, and those that are wanted."""
    count = len(values)
    weights = np.ones(count)
    misses = np.empty(count)
    curve = np.empty(LEVELS)
    for _ in range(4):  # what differs by more counts less and less
        total = mean = middle = varied = together = 0.0
        for k in range(count):
            total, mean, middle = total + weights[k], mean + weights[k] * values[k], middle + weights[k] * wanted[k]
        mean, middle = mean / total, middle / total
        for k in range(count):
            off = weights[k] * (values[k] - mean)
            varied, together = varied + off * (values[k] - mean), together + off * (wanted[k] - middle)
        slope = min(max((together / total + AS_IS) / (varied / total + AS_IS), 0.2), 3.0)
        counts = np.full(LEVELS, FEW * count)
        sums = FEW * count * (middle + slope * (np.arange(LEVELS) * STEP - mean))
        for k in range(count):
            place = min(max(values[k] / STEP, 0.0), LEVELS - 1.001)
            low = int(place)
            upper = weights[k] * (place - low)
            lower = weights[k] - upper
            counts[low], counts[low + 1] = counts[low] + lower, counts[low + 1] + upper
            sums[low], sums[low + 1] = sums[low] + lower * wanted[k], sums[low + 1] + upper * wanted[k]
        highest, lowest = -np.inf, np.inf
        for k in range(LEVELS):  # rising: between the highest so far and the lowest from here
            highest = max(highest, sums[k] / counts[k])
            curve[k] = highest
        for k in range(LEVELS - 1, -1, -1):
            lowest = min(lowest, sums[k] / counts[k])
            curve[k] = (curve[k] + lowest) / 2
        for k in range(count):
            place = min(max(values[k] / STEP, 0.0), LEVELS - 1.001)
            low = int(place)
            misses[k] = abs(wanted[k] - curve[low] - (place - low) * (curve[low + 1] - curve[low]))
        spread = max(3.0, 3 * np.median(misses))
        for k in range(count):
            weights[k] = 1 / (1 + (misses[k] / spread) ** 2)
    return curve


def _bending(places: _Places) -> Doubles:
    """The curve that fits half of the places of each level. It bends slowly, so that a logo does not bend it."""
    place = np.clip(places.given / STEP, 0, LEVELS - 1.001)
    low = place.astype(np.int64)
    upper = place - low
    few = SEEN * len(low) + 1e-6
    nearest = low + (upper > 0.5)
    held = np.bincount(nearest, places.flat, LEVELS)
    seen = held / (held + few)
    curve = _bent(_medians(nearest, places.wanted, places.flat), seen, BENDING)
    miss = np.abs(places.wanted - (curve[low] * (1 - upper) + curve[low + 1] * upper))
    usual = _medians(nearest, miss, places.flat)[seen > 0.5]
    spread = max(3.0, 3 * float(np.median(usual))) if len(usual) else 3.0
    both = np.concatenate((low, low + 1)), np.concatenate((1 - upper, upper))
    for _ in range(3):  # what differs by more counts less and less
        shares = both[1] * np.tile(places.flat / (1 + (miss / spread) ** 2), 2)
        counts = np.bincount(both[0], shares, LEVELS)
        means = np.bincount(both[0], shares * np.tile(places.wanted, 2), LEVELS) / np.maximum(counts, 1e-6)
        curve = _bent(means, counts / (counts + few), BENDING[-1:])
        miss = np.abs(places.wanted - (curve[low] * (1 - upper) + curve[low + 1] * upper))
    return curve


def _missed(curve: Doubles, places: _Places) -> float:
    """The levels by which a curve misses flat places, the mean; of each level no more than a `SHARE` of them count."""
    found = np.interp(places.given, np.arange(LEVELS) * STEP, curve)
    miss = np.minimum(np.abs(places.wanted - found), FAR)
    level = np.clip(np.rint(places.given / STEP), 0, LEVELS - 1).astype(np.int64)
    held = np.bincount(level, places.flat, LEVELS)
    weights = places.flat * np.minimum(1.0, SHARE * held.sum() / np.maximum(held, 1e-6))[level]
    return float((weights * miss).sum() / max(float(weights.sum()), 1e-6))


def _places(reference: Floats, laid: Floats, there: Flags) -> _Places:
    side = max(1, max(reference.shape) // PLACES)
    down, across = (length // side for length in reference.shape)

    def small(picture: npt.NDArray[Any]) -> Doubles:
        cut = picture[: down * side, : across * side].reshape(down, side, across, side)
        return np.asarray(cut.mean(axis=(1, 3)), np.float64)

    pictures = small(laid), small(reference)
    slopes = [np.hypot(*np.gradient(each)) if min(each.shape) > 1 else np.zeros_like(each) for each in pictures]
    flat = 1 / (1 + (np.maximum(*slopes) / FLAT) ** 2)
    seen = small(there) > 1 - 1e-6
    darker, brighter = np.minimum(*pictures), np.maximum(*pictures)
    unclipped = seen & (darker > BLACK) & (brighter < WHITE)  # the others may have been anything
    if unclipped.sum() >= FEWEST:
        seen = unclipped
    return _Places(pictures[0][seen], pictures[1][seen], flat[seen])


def _bent(wanted: Doubles, seen: Doubles, scales: tuple[float, ...]) -> Doubles:
    """The rising curve near some levels that bends slowly; `seen`, 0 to 1: how much each level counts.

    What is off by more than a scale counts less and less; the scales are tried in turn.
    """
    middles = np.arange(LEVELS) * STEP
    steps = np.diff(np.eye(LEVELS), axis=0)
    bends = np.diff(steps, axis=0)
    stiff = STIFF * bends.T @ bends + STEADY * steps.T @ steps
    right = STEADY * steps.T @ (steps @ middles)
    weights = seen
    curve = middles
    for scale in scales:
        curve = np.linalg.solve(stiff + np.diag(weights + 1e-9), right + weights * wanted + 1e-9 * middles)
        weights = seen / (1 + ((wanted - curve) / scale) ** 2)
    curve = np.linalg.solve(stiff + np.diag(weights + 1e-9), right + weights * wanted + 1e-9 * middles)
    return np.asarray((np.maximum.accumulate(curve) + np.minimum.accumulate(curve[::-1])[::-1]) / 2)


def _medians(levels: npt.NDArray[np.int64], values: Doubles, weights: Doubles) -> Doubles:
    """For each place of the curve the median of the values 0 to 255 there, to a whole one; 0 where there are none."""
    rounded = np.clip(np.rint(values), 0, 255).astype(np.int64)
    counts = np.bincount(levels * 256 + rounded, weights, LEVELS * 256).reshape(LEVELS, 256).cumsum(axis=1)
    return np.asarray((2 * counts < counts[:, -1:]).sum(axis=1), np.float64)


@kernel
def _through(picture, curve, step):  # type: ignore[no-untyped-def]
    """A picture's levels through a curve that is given at multiples of a step, straight between them and beyond."""
    height, width = picture.shape
    found = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            place = picture[y, x] / np.float32(step)
            low = min(max(int(np.floor(place)), 0), len(curve) - 2)
            found[y, x] = curve[low] + (place - low) * (curve[low + 1] - curve[low])
    return found
