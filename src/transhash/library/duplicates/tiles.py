"""Tiles: what two registered pictures say of each other, place by place."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import kernel
from transhash.library.duplicates.features import blurred

Floats = npt.NDArray[np.float32]

SAMPLED = 5  # of so many pixels one tells what light they are in
MOST_BLURRED = 12  # times
COVERED = 0.6  # share of a tile's pixels that the other picture must have


class Tiles(NamedTuple):
    """For each tile that both pictures have, float32 [T]; the reference first, the other laid on it second."""

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    means: Floats  # [T, 2], grey levels, the other's light made that of the reference
    deviations: Floats  # [T, 2], standard deviations
    slopes: Floats  # [T, 2], root mean squares of the gradient, levels a pixel
    left: Floats  # root mean square of what a gain and an offset for this tile leave of the difference
    alike: Floats  # correlation
    colours: Floats  # [T, 2, 2], mean of both colour differences
    grid: tuple[int, int]  # tiles down and across


def sharpness(reference: Floats, laid: Floats, there: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Both pictures as sharp as the less sharp one: what was blurred, scaled or sharpened is no structure that differs.

    Half of the tiles decide, so that what was laid over the others does not.
    """
    pictures = [reference, laid]
    strengths = [_strengths(each, there) for each in pictures]
    steep = (np.maximum(*strengths) > 1.0) & (np.minimum(*strengths) > 0.2)
    if steep.sum() < 4:
        return reference, laid
    ratio = float(np.median(strengths[1][steep] / strengths[0][steep]))
    # their light may differ as well: contrast by which all tiles are stronger is none of the sharpness
    ratio /= max(float(laid[there].std()), 1.0) / max(float(reference[there].std()), 1.0)
    sharper = int(ratio > 1)
    wanted, before = min(ratio, 1 / ratio), 1.0
    for _ in range(MOST_BLURRED):
        if before < 1.06 * wanted:
            break
        softer = blurred(pictures[sharper])
        now = float(np.median(_strengths(softer, there)[steep] / strengths[sharper][steep]))
        if now < wanted:  # between the two
            part = np.float32((before - wanted) / max(before - now, 1e-6))
            pictures[sharper] = np.asarray(pictures[sharper] * (1 - part) + softer * part, np.float32)
            break
        pictures[sharper], before = softer, now
    return pictures[0], pictures[1]


def _strengths(picture: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    """The root mean square of the gradient in each tile of 16 pixels; 0 where a part of it is missing."""
    height, width = (side // 16 * 16 for side in picture.shape)
    if not height or not width:
        return np.zeros(0, np.float32)
    slopes = np.gradient(picture)
    steep = (
        np.asarray(slopes[0] ** 2 + slopes[1] ** 2, np.float32)[:height, :width]
        .reshape(height // 16, 16, width // 16, 16)
        .mean(axis=(1, 3))
    )
    whole = there[:height, :width].reshape(height // 16, 16, width // 16, 16).all(axis=(1, 3))
    return np.asarray(np.sqrt(steep * whole).ravel(), np.float32)


def equalised(reference: Floats, laid: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    """The laid picture in the reference's light: its grey levels through the cubic curve that fits best, and rises."""
    values, wanted = (each[there][::SAMPLED].astype(np.float64) for each in (laid, reference))
    low, high = np.quantile(values, (0.01, 0.99))
    if high - low < 4:
        return np.asarray(laid + np.float32(wanted.mean() - values.mean()), np.float32)
    x = (values - low) / (high - low)
    levels = np.arange(256)
    weights = np.ones(len(x))
    for _ in range(3):  # what differs by more counts less and less
        terms = np.stack((np.ones(len(x)), x, x**2, x**3))
        weighted = terms * weights
        normal = weighted @ terms.T
        normal += np.diag([0, 0, 0.02 * len(x), 0.02 * len(x)])  # a straight line, unless the light says otherwise
        found = np.linalg.solve(normal, weighted @ wanted)
        miss = wanted - found @ terms
        spread = max(4.0, 2 * float(np.sqrt(np.average(miss**2, weights=weights))))
        weights = 1 / (1 + (miss / spread) ** 2)
    place = np.clip((levels - low) / (high - low), -0.05, 1.05)
    curve = found @ np.stack((np.ones(256), place, place**2, place**3))
    steps = np.clip(np.diff(curve), 0.2, 3.0)
    middle = int((low + high) / 2)
    rising = np.concatenate(([0.0], np.cumsum(steps)))
    return np.asarray(np.interp(laid, levels, rising - rising[middle] + curve[middle]), np.float32)


def tiled(
    reference: Floats,
    laid: Floats,
    there: npt.NDArray[np.bool_],
    colours: tuple[Floats, Floats],
    side: int,
) -> Tiles:
    """Both pictures [H, W] in tiles of `side` pixels; `colours`: colour differences [2, H, W] of both."""
    found = _tiled(reference, laid, there, colours[0], colours[1], side)
    rows, columns = np.nonzero(found[..., 0] >= COVERED * side * side)
    t = found[rows, columns].astype(np.float32)
    return Tiles(
        rows, columns, t[:, 1:3], t[:, 3:5], t[:, 5:7], t[:, 7], t[:, 8], t[:, 9:13].reshape(-1, 2, 2), found.shape[:2]
    )


@kernel
def _tiled(one, two, there, first, second, side):  # type: ignore[no-untyped-def]
    height, width = one.shape
    down, across = max(1, round(height / side)), max(1, round(width / side))
    found = np.zeros((down, across, 13), np.float64)
    for i in range(down):
        for j in range(across):
            count = 0
            a = b = aa = bb = ab = ga = gb = 0.0
            c = np.zeros(4)
            for y in range(i * height // down, (i + 1) * height // down):
                for x in range(j * width // across, (j + 1) * width // across):
                    if not there[y, x]:
                        continue
                    count += 1
                    p, q = one[y, x], two[y, x]
                    a, b, aa, bb, ab = a + p, b + q, aa + p * p, bb + q * q, ab + p * q
                    c[0] += first[0, y, x]
                    c[1] += first[1, y, x]
                    c[2] += second[0, y, x]
                    c[3] += second[1, y, x]
                    if y < 1 or x < 1 or y > height - 2 or x > width - 2:
                        continue
                    if there[y - 1, x] and there[y + 1, x] and there[y, x - 1] and there[y, x + 1]:
                        ga += (one[y, x + 1] - one[y, x - 1]) ** 2 / 4 + (one[y + 1, x] - one[y - 1, x]) ** 2 / 4
                        gb += (two[y, x + 1] - two[y, x - 1]) ** 2 / 4 + (two[y + 1, x] - two[y - 1, x]) ** 2 / 4
            t = found[i, j]
            area = ((i + 1) * height // down - i * height // down) * ((j + 1) * width // across - j * width // across)
            t[0] = count / area * side * side
            if count < 2:
                continue
            a, b = a / count, b / count
            va, vb, cov = max(aa / count - a * a, 0.0), max(bb / count - b * b, 0.0), ab / count - a * b
            t[1], t[2], t[3], t[4] = a, b, np.sqrt(va), np.sqrt(vb)
            t[5], t[6] = np.sqrt(ga / count), np.sqrt(gb / count)
            gain = min(max(cov / (vb + 1.0), 0.5), 2.0)
            t[7] = np.sqrt(max(va - 2 * gain * cov + gain * gain * vb, 0.0))
            t[8] = cov / np.sqrt((va + 1.0) * (vb + 1.0))
            for k in range(4):
                t[9 + k] = c[k] / count
    return found
