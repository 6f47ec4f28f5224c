"""Tiles: what two registered pictures say of each other, place by place."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import kernel, summing
from transhash.library.duplicates.features import blurred, slope, softened
from transhash.library.duplicates.fitting import solved

Floats = npt.NDArray[np.float32]

SAMPLED = 5  # of so many pixels one tells how sharp they are
SOFTENED = (2.0, 4.0, 8.0)  # times smaller that the forms of a picture are by which another one's sharpness is met
SOFTER = 400, 16.0  # pixels of the longer side of a picture from which on there is a softer form, and its factor
USUAL = 0.5  # squared grey levels a pixel that speak for the picture as it is
SHARPENED = (2.0, 4.0, 8.0, 16.0)  # times smaller that the softened forms are whose lack sharpening adds
STRONGEST = 3.0  # times of it that sharpening adds at most
BLACK, WHITE = 2.0, 253.0  # levels beyond which something may have been cut off
FEWEST = 64  # pixels that tell how a picture was sharpened
WEAKER = 0.8  # of the contrast of what is coarse that is left at least
STILL = 60.0  # squared grey levels: noise of 4 levels over shifts of half a pixel
ROUGH = 16  # pixels of a rough tile
SEEN, LIKE = 5.0, 0.5  # its standard deviation, correlation of tiles that are alike
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
    slips: Floats  # [T, 2], pixels by which the other picture lies off the reference here, as far as that explains
    # what differs: what was sharpened or blurred differs at edges as well, but is not off
    grid: tuple[int, int]  # tiles down and across


def sharpness(reference: Floats, laid: Floats, there: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Both pictures as sharp as the less sharp one: what was blurred, scaled or sharpened is no structure that differs.

    The sharper one becomes the sum of itself and of softer forms of itself that is nearest to the other one. What
    differs by more than half of the pixels do counts less and less, so that what was laid over a picture does not.
    """
    pictures = [reference, laid]
    sharper = _sharper(reference, laid, there)
    if sharper is None:
        return reference, laid
    forms = [pictures[sharper], blurred(pictures[sharper])]
    factors = SOFTENED if max(reference.shape) < SOFTER[0] else (*SOFTENED, SOFTER[1])
    forms += [softened(pictures[sharper], factor) for factor in factors]
    some = np.stack([each[there][::SAMPLED] for each in forms])
    shares, offset = _mixed(some, pictures[1 - sharper][there][::SAMPLED])
    mixed = np.full(reference.shape, offset, np.float32)
    for form, share in zip(forms, shares.tolist(), strict=True):
        mixed += np.float32(share) * form
    pictures[sharper] = mixed
    return pictures[0], pictures[1]


def sharpened(reference: Floats, laid: Floats, there: npt.NDArray[np.bool_]) -> tuple[Floats, Floats] | None:
    """Both pictures as sharp as the sharper one, which may have been made of the other; None where it was not.

    Sharpening makes dark rims darker and bright rims brighter until they are black or white. Softening does not bring
    back what was cut off there.
    """
    pictures = [reference, laid]
    sharper = _sharper(reference, laid, there)
    if sharper is None:
        return None
    made = _sharpened(pictures[1 - sharper], pictures[sharper], there)
    if made is None:
        return None
    pictures[1 - sharper] = made
    return pictures[0], pictures[1]


def _sharper(reference: Floats, laid: Floats, there: npt.NDArray[np.bool_]) -> bool | None:
    """Whether the laid picture is the sharper one; None where too little is to be seen."""
    strengths = [_strengths(each, there) for each in (reference, laid)]
    steep = (np.maximum(*strengths) > 1.0) & (np.minimum(*strengths) > 0.2)
    if steep.sum() < 4:
        return None
    ratio = float(np.median(strengths[1][steep] / strengths[0][steep]))
    # their light may differ as well: contrast by which all tiles are stronger is none of the sharpness
    return ratio > max(float(laid[there].std()), 1.0) / max(float(reference[there].std()), 1.0)


def _sharpened(soft: Floats, sharp: Floats, there: npt.NDArray[np.bool_]) -> Floats | None:
    """The softer picture sharpened so that it is most like the other one, and cut off at black and white."""
    best: Floats | None = None
    least = np.inf
    seen = there & (sharp > BLACK) & (sharp < WHITE)
    wanted = sharp[seen][::SAMPLED]
    if len(wanted) < FEWEST:
        return None
    for factor in SHARPENED:
        detail = soft - softened(soft, factor)
        given, plain = detail[seen][::SAMPLED], soft[seen][::SAMPLED]
        share = _share(given, wanted - plain)
        made = np.clip(soft + np.float32(share) * detail, 0, 255)
        miss = float(np.abs(made[seen][::SAMPLED] - wanted).mean())
        if share > 0 and miss < least:
            best, least = made, miss
    return best


def _share(detail: Floats, wanted: Floats) -> float:
    """How much of the detail must be added, 0 to STRONGEST; what differs by more counts less and less."""
    share = 0.0
    for _ in range(4):
        miss = wanted - share * detail
        weights = 1 / (1 + (miss / max(2.0, 2.5 * float(np.median(np.abs(miss))))) ** 2)
        share = float((weights * detail * wanted).sum() / max(float((weights * detail * detail).sum()), 1e-6))
        share = min(max(share, 0.0), STRONGEST)
    return share


@kernel
def _mixed(forms, wanted):  # type: ignore[no-untyped-def]
    """The shares [F] of some forms [F, P] of a picture, and an offset, whose sum is nearest to another one [P].

    No share is below 0: then the sum has less of every detail than of all that is coarser, and nothing is made up. All
    of them are about 1: light is made equal elsewhere, and a picture without contrast would differ from no other.
    """
    size, count = forms.shape
    shares = np.zeros(size + 1)  # the last one is the offset
    shares[0] = 1.0
    misses, weights = np.empty(count, np.float32), np.empty(count, np.float32)
    sums, right = np.empty((size + 1, size + 1)), np.empty(size + 1)
    for _ in range(5):
        _miss(forms, wanted, shares, misses)
        spread = np.float32(max(2.0, 2.5 * np.median(np.abs(misses))))
        _add_up(forms, wanted, misses, spread, weights, sums, right)
        for p in range(size):
            sums[p, p] += USUAL * count
        sums[size, size] += 1e-6
        right[0] += USUAL * count
        used = np.arange(size + 1)
        while True:
            matrix, sides = np.empty((len(used), len(used))), np.empty((len(used), 1))
            for p in range(len(used)):
                sides[p, 0] = right[used[p]]
                for q in range(len(used)):
                    matrix[p, q] = sums[min(used[p], used[q]), max(used[p], used[q])]
            found = solved(matrix, sides)[:, 0]
            above = (found >= 0) | (used == size)
            if above.all():
                break
            used = used[above]
        shares[:] = 0
        shares[used] = found
    total = shares[:size].sum()
    shares[:size] *= min(max(total, WEAKER), 1 / WEAKER) / max(total, 1e-6)
    shares[size] = 0
    _miss(forms, wanted, shares, misses)
    return shares[:size], np.median(misses)


@summing
def _miss(forms, wanted, shares, misses):  # type: ignore[no-untyped-def]
    """What the sum of the shares of some forms [F, P] leaves of what is wanted [P], in `misses`."""
    for k in range(len(wanted)):
        misses[k] = wanted[k] - np.float32(shares[len(forms)])
    for form in range(len(forms)):
        share = np.float32(shares[form])
        for k in range(len(wanted)):
            misses[k] -= share * forms[form, k]


@summing
def _add_up(forms, wanted, misses, spread, weights, sums, right):  # type: ignore[no-untyped-def]
    """The weights of pixels that are off by some misses, and weighted sums of the products of forms, and of 1."""
    size, count = forms.shape
    for k in range(count):
        weights[k] = np.float32(1) / (np.float32(1) + (misses[k] / spread) * (misses[k] / spread))
    for p in range(size):
        for q in range(p, size):
            total = 0.0
            for k in range(count):
                total += weights[k] * forms[p, k] * forms[q, k]
            sums[p, q] = total
        total = product = 0.0
        for k in range(count):
            total += weights[k] * forms[p, k]
            product += weights[k] * forms[p, k] * wanted[k]
        sums[p, size] = total
        right[p] = product
    total = product = 0.0
    for k in range(count):
        total += weights[k]
        product += weights[k] * wanted[k]
    sums[size, size] = total
    right[size] = product


@kernel
def _strengths(picture, there):  # type: ignore[no-untyped-def]
    """The root mean square of the gradient in each tile of 16 pixels; 0 where a part of it is missing."""
    height, width = picture.shape
    found = np.zeros((height // ROUGH) * (width // ROUGH), np.float32)
    for i in range(height // ROUGH):
        for j in range(width // ROUGH):
            steep = 0.0
            whole = True
            for y in range(i * ROUGH, (i + 1) * ROUGH):
                for x in range(j * ROUGH, (j + 1) * ROUGH):
                    whole &= there[y, x]
                    steep += slope(picture, y, x)
            if whole:
                found[i * (width // ROUGH) + j] = np.sqrt(steep / ROUGH**2)
    return found


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
        rows, columns, t[:, 1:3], t[:, 3:5], t[:, 5:7], t[:, 7], t[:, 8], t[:, 9:13].reshape(-1, 2, 2), t[:, 13:15],
        found.shape[:2],
    )  # fmt: skip


@kernel
def resemblance(one, two, there, side):  # type: ignore[no-untyped-def]
    """How many tiles of `side` pixels that both have show structure, and how many of these look alike in some light."""
    seen = like = 0
    for top in range(0, one.shape[0] - side + 1, side):
        for left in range(0, one.shape[1] - side + 1, side):
            count = 0
            a = b = aa = bb = ab = 0.0
            for y in range(top, top + side):
                for x in range(left, left + side):
                    if there[y, x]:
                        p, q = one[y, x], two[y, x]
                        count += 1
                        a, b, aa, bb, ab = a + p, b + q, aa + p * p, bb + q * q, ab + p * q
            if count < COVERED * side * side:
                continue
            va, vb, cov = aa / count - (a / count) ** 2, bb / count - (b / count) ** 2, ab / count - a * b / count**2
            if max(va, vb) > SEEN**2:
                seen += 1
                like += cov > LIKE * np.sqrt((va + 1.0) * (vb + 1.0))
    return seen, like


@kernel
def _tiled(one, two, there, first, second, side):  # type: ignore[no-untyped-def]
    height, width = one.shape
    down, across = max(1, round(height / side)), max(1, round(width / side))
    found = np.zeros((down, across, 15), np.float64)
    for i in range(down):
        for j in range(across):
            count = 0
            a = b = aa = bb = ab = ga = gb = 0.0
            xx = xy = yy = xa = xb = ya = yb = x1 = y1 = 0.0
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
                        gx, gy = (one[y, x + 1] - one[y, x - 1]) / 2, (one[y + 1, x] - one[y - 1, x]) / 2
                        hx, hy = (two[y, x + 1] - two[y, x - 1]) / 2, (two[y + 1, x] - two[y - 1, x]) / 2
                        ga, gb = ga + gx * gx + gy * gy, gb + hx * hx + hy * hy
                        gx, gy = (gx + hx) / 2, (gy + hy) / 2
                        xx, xy, yy = xx + gx * gx, xy + gx * gy, yy + gy * gy
                        xa, xb, x1 = xa + gx * p, xb + gx * q, x1 + gx
                        ya, yb, y1 = ya + gy * p, yb + gy * q, y1 + gy
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
            # Lucas and Kanade's step, drawn to none where there is little to see
            u, v = xa - gain * xb - (a - gain * b) * x1, ya - gain * yb - (a - gain * b) * y1
            xx, yy = xx + STILL, yy + STILL
            u, v = (yy * u - xy * v) / (xx * yy - xy * xy), (xx * v - xy * u) / (xx * yy - xy * xy)
            before, after = 1e-6, 0.0
            for y in range(max(i * height // down, 1), min((i + 1) * height // down, height - 1)):
                for x in range(max(j * width // across, 1), min((j + 1) * width // across, width - 1)):
                    if there[y, x] and there[y - 1, x] and there[y + 1, x] and there[y, x - 1] and there[y, x + 1]:
                        gx = (one[y, x + 1] - one[y, x - 1] + two[y, x + 1] - two[y, x - 1]) / 4
                        gy = (one[y + 1, x] - one[y - 1, x] + two[y + 1, x] - two[y - 1, x]) / 4
                        miss = one[y, x] - a - gain * (two[y, x] - b)
                        before, after = before + miss * miss, after + (miss - u * gx - v * gy) ** 2
            explained = max(0.0, 1 - after / before)
            t[13], t[14] = u * explained, v * explained
    return found
