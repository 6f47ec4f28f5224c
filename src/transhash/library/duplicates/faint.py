"""Faint places: what two pictures show where no tile has structure, as in the dark or in mist.

There a tile's contrast is not much more than what compression leaves of it, so that one tile proves nothing. But noise
goes another way in each place: the means of some pixels have hardly any of it, and what several of them show side by
side can be compared.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transhash.kernels import kernel

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

# Chosen on darkened photographs of Imagenette and VOC, and on darkened frames of CamVid's training part
PARTS = 43  # blocks along the longer side of a picture
FAINT = 5.0  # standard deviation of a block, in grey levels, up to which it is faint
SEEN = 0.6  # share of a block's pixels that both pictures must have
WINDOW, WHOLE = 5, 0.8  # blocks along each side of a window, and the share of them that must be faint
SMOOTH = 0.1  # squared grey levels, of means: what is plain resembles nothing
ALIKE = 0.75  # correlation of a window below which it may differ
LEFT = 2.0  # levels that a gain and an offset leave of its difference then,
USUAL, STRAINED = 6.0, 3.0  # which must also be so many times the usual, and times the usual strain of tiles


def differing(reference: Floats, laid: Floats, there: Flags, grid: tuple[int, int], strain: float) -> Flags:
    """The tiles [down, across] of a grid in whose faint places two pictures differ; `strain` is usual for tiles."""
    side = max(4, round(max(reference.shape) / PARTS))
    means, is_faint = _blocks(reference, laid, there, side)
    if min(is_faint.shape) < WINDOW:
        return np.zeros(grid, np.bool_)
    left, alike = _windows(means, is_faint)
    seen = left >= 0
    if not seen.any():
        return np.zeros(grid, np.bool_)
    differs = (left > max(LEFT, USUAL * float(np.median(left[seen])), STRAINED * strain)) & (alike < ALIKE)
    return np.asarray(_touched(means, is_faint, differs, left, grid, reference.shape, side))


@kernel
def _blocks(one, two, there, side):  # type: ignore[no-untyped-def]
    """The means float32 [2, I, J] of both pictures in blocks of `side` pixels, and which of these are faint in both."""
    down, across = one.shape[0] // side, one.shape[1] // side
    means = np.zeros((2, down, across), np.float32)
    is_faint = np.zeros((down, across), np.bool_)
    for i in range(down):
        for j in range(across):
            count = 0
            a = b = aa = bb = 0.0
            for y in range(i * side, (i + 1) * side):
                for x in range(j * side, (j + 1) * side):
                    if there[y, x]:
                        p, q = one[y, x], two[y, x]
                        count += 1
                        a, b, aa, bb = a + p, b + q, aa + p * p, bb + q * q
            if count >= SEEN * side * side:
                a, b = a / count, b / count
                means[0, i, j], means[1, i, j] = a, b
                is_faint[i, j] = max(aa / count - a * a, bb / count - b * b) < FAINT * FAINT
    return means, is_faint


@kernel
def _windows(means, is_faint):  # type: ignore[no-untyped-def]
    """Of each window the root mean square that is left of the difference (-1: not faint), and the correlation."""
    down, across = is_faint.shape[0] - WINDOW + 1, is_faint.shape[1] - WINDOW + 1
    left, alike = np.full((down, across), -1.0), np.ones((down, across))
    for i in range(down):
        for j in range(across):
            count = 0
            a = b = aa = bb = ab = 0.0
            for y in range(i, i + WINDOW):
                for x in range(j, j + WINDOW):
                    if is_faint[y, x]:
                        p, q = float(means[0, y, x]), float(means[1, y, x])
                        count += 1
                        a, b, aa, bb, ab = a + p, b + q, aa + p * p, bb + q * q, ab + p * q
            if count >= WHOLE * WINDOW * WINDOW:
                a, b = a / count, b / count
                va, vb, cov = max(aa / count - a * a, 0.0), max(bb / count - b * b, 0.0), ab / count - a * b
                gain = min(max(cov / (vb + SMOOTH), 0.5), 2.0)
                left[i, j] = np.sqrt(max(va - 2 * gain * cov + gain * gain * vb, 0.0))
                alike[i, j] = cov / np.sqrt((va + SMOOTH) * (vb + SMOOTH))
    return left, alike


@kernel
def _touched(means, is_faint, differs, left, grid, shape, side):  # type: ignore[no-untyped-def]
    """The tiles below the blocks of differing windows that are off by more than most of their window."""
    found = np.zeros(grid, np.bool_)
    for i in range(differs.shape[0]):
        for j in range(differs.shape[1]):
            if not differs[i, j]:
                continue
            count, off = 0, 0.0
            for y in range(i, i + WINDOW):
                for x in range(j, j + WINDOW):
                    if is_faint[y, x]:
                        count, off = count + 1, off + means[0, y, x] - means[1, y, x]
            for y in range(i, i + WINDOW):
                for x in range(j, j + WINDOW):
                    if is_faint[y, x] and abs(means[0, y, x] - means[1, y, x] - off / count) > left[i, j]:
                        row, column = (2 * y + 1) * side // 2, (2 * x + 1) * side // 2
                        found[row * grid[0] // shape[0], column * grid[1] // shape[1]] = True
    return found
