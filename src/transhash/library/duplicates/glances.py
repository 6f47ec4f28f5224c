"""Glances: copies of 48 pixels, which tell of most pairs at once that they are no copies of each other.

Two pictures whose embeddings are near are looked at in all orientations, one is laid on the other at this size, and
only pairs that fit then are worth their sketches, which cost fifty times as much.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.errors import ImageError
from transhash.images.faults import READER_ERRORS
from transhash.kernels import kernel
from transhash.library.duplicates import registration
from transhash.library.duplicates.features import blurred
from transhash.library.duplicates.laying import Box, correlation, onto
from transhash.library.duplicates.sketches import SMALL, content_of

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SIDE = 48  # pixels, the longer one
ROUGHLY = 0.2  # correlation of square copies that lie on each other as they are
FITS = 0.92  # correlation of copies once one is laid on the other: chosen on copies made from Imagenette and VOC
CHANGED = 0.8  # of edits and bursts, of which a part is another one
HALF_SIZE = 0.07  # by which the correlation may be less at half the size
FLAT, SHADE = 3.0, 12.0  # deviation of what nothing can be told of, and levels by which such greys differ at most
NOISE = 0.25  # squared grey levels, of blurred pictures: what is plain resembles nothing
MOST_ZOOM = 2.0  # times that one shows more than the other at most
LEAST_SHARED = 0.3  # share of the one that the other covers


class Glance(NamedTuple):
    """A picture as small as can be told apart."""

    grey: Bytes  # [H, W]
    whole: Bytes  # [SMALL, SMALL], all of it
    inner: Bytes  # [SMALL, SMALL], its content
    content: Box  # left, top, right, bottom
    is_flat: bool  # hardly anything is to be seen: a blank page


def glance(jpeg: bytes) -> Glance:
    """A glance at a thumbnail, the bytes of a JPEG file; raises `ImageError` for a damaged one."""
    from PIL import Image

    box = Image.Resampling.BOX
    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            image.draft("L", (2 * SIDE, 2 * SIDE))
            grey = image.convert("L")
    except READER_ERRORS as error:
        raise ImageError("the thumbnail", "damaged", "delete it") from error
    scale = SIDE / max(grey.size)
    size = max(8, round(grey.width * scale)), max(8, round(grey.height * scale))
    small = grey.resize(size, box)
    content = content_of(np.asarray(small, np.float32))
    whole = np.asarray(grey.resize((SMALL, SMALL), box))
    return Glance(
        np.asarray(small),
        whole,
        np.asarray(small.resize((SMALL, SMALL), Image.Resampling.BILINEAR, box=content)),
        content,
        bool(whole.std() < FLAT),
    )


def may_match(a: Glance, b: Glance, *, turned: bool) -> bool:
    """Whether one of two pictures may be a copy of the other; with `turned` also an edit or a burst."""
    if a.is_flat and b.is_flat and abs(float(np.median(a.grey)) - float(np.median(b.grey))) < SHADE:
        return True  # nothing can be laid on anything: whether the pixels are equal is seen later
    tries = [
        (correlation(one, two, turn), box, other, turn)
        for turn in range(8 if turned else 1)
        for one, box in _shown(a)
        for two, other in _shown(b)
        if 1 / registration.STRETCHED <= _aspect(box, 0) / _aspect(other, turn) <= registration.STRETCHED
    ]
    best = max((each[0] for each in tries), default=0.0)
    if best < ROUGHLY:
        return False
    one, two = (each.grey.astype(np.float32) for each in (a, b))
    least = CHANGED if turned else FITS
    likely = [onto(box, other, turn) for found, box, other, turn in tries if found > best - 0.1]
    return any(_fits(one, two, movement, least) for movement in likely)


def _shown(glance: Glance) -> list[tuple[Bytes, Box]]:
    """All of a picture as a square, and its content without borders, each with where it lies."""
    frame = 0, 0, glance.grey.shape[1], glance.grey.shape[0]
    every = [(glance.whole, frame), (glance.inner, glance.content)]
    return every[:1] if glance.content == frame else every


def _aspect(box: Box, turn: int) -> float:
    """Width to height of a box; of one that is turned by an odd number of quarters (`onto`), height to width."""
    left, top, right, bottom = box
    ratio = (right - left) / (bottom - top)
    return 1 / ratio if (turn ^ turn >> 2) & 1 else ratio


def _fits(one: Floats, two: Floats, movement: registration.Movement, least: float) -> bool:
    """Whether two pictures correlate where both are, once one is laid on the other: at half the size, then in full."""
    small, other = registration.quartered(one), registration.quartered(two)
    up, down = (
        (half.shape[1] / full.shape[1], half.shape[0] / full.shape[0]) for half, full in ((small, one), (other, two))
    )
    here = registration.refined(small, other, registration.scaled(movement, up, down), 0)
    if _correlation(small, other, here) < least - HALF_SIZE:
        return False
    movement = registration.scaled(here, (1 / up[0], 1 / up[1]), (1 / down[0], 1 / down[1]))
    movement = registration.refined(one, two, movement, 0)
    return 1 / MOST_ZOOM < registration.zoom(movement) < MOST_ZOOM and _correlation(one, two, movement) >= least


def _correlation(one: Floats, two: Floats, movement: registration.Movement) -> float:
    """The correlation of two pictures where both are, one laid on the other."""
    laid, there = registration.laid(one, two, movement)
    return float(_alike(one, laid, there)) if there.sum() >= LEAST_SHARED * one.size else 0.0


@kernel
def _alike(one, two, there):  # type: ignore[no-untyped-def]
    """The correlation of two pictures in one frame where both are, blurred: one of them may be less sharp, as one with
    a border is. Two pixels at the rim do not count: there the border begins.
    """
    one, two = blurred(one), blurred(two)
    height, width = one.shape
    count, a, b, aa, bb, ab = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for y in range(2, height - 2):
        for x in range(2, width - 2):
            if there[y - 2, x] and there[y + 2, x] and there[y, x - 2] and there[y, x + 2]:
                p, q = one[y, x], two[y, x]
                count += 1
                a, b, aa, bb, ab = a + p, b + q, aa + p * p, bb + q * q, ab + p * q
    if not count:
        return 0.0
    a, b = a / count, b / count
    spread = np.sqrt(max(aa / count - a * a, 0.0) * max(bb / count - b * b, 0.0))
    return (ab / count - a * b) / (spread + NOISE)
