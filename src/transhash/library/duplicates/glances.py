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
from transhash.library.duplicates import registration
from transhash.library.duplicates.laying import correlation, onto
from transhash.library.duplicates.sketches import SMALL, content_of

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SIDE = 48  # pixels, the longer one
ROUGHLY = 0.2  # correlation of square copies that lie on each other as they are
FITS = 0.75  # correlation of two pictures once one is laid on the other
MOST_ZOOM = 2.0  # times that one shows more than the other at most
LEAST_SHARED = 0.3  # share of the one that the other covers


class Glance(NamedTuple):
    """A picture as small as can be told apart."""

    grey: Bytes  # [H, W]
    whole: Bytes  # [SMALL, SMALL], all of it
    inner: Bytes  # [SMALL, SMALL], its content
    content: tuple[int, int, int, int]  # left, top, right, bottom


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
    return Glance(
        np.asarray(small),
        np.asarray(grey.resize((SMALL, SMALL), box)),
        np.asarray(small.resize((SMALL, SMALL), Image.Resampling.BILINEAR, box=content)),
        content,
    )


def may_match(a: Glance, b: Glance, *, turned: bool) -> bool:
    """Whether one of two pictures may be a copy of the other, also `turned` or mirrored, or a part of it."""
    frames = [(0, 0, each.grey.shape[1], each.grey.shape[0]) for each in (a, b)]
    tries = []
    for turn in range(8 if turned else 1):
        tries.append((correlation(a.whole, b.whole, turn), onto(frames[0], frames[1], turn)))
        if a.content != frames[0] or b.content != frames[1]:
            tries.append((correlation(a.inner, b.inner, turn), onto(a.content, b.content, turn)))
    best = max(each[0] for each in tries)
    if best < ROUGHLY:
        return False
    one, two = (each.grey.astype(np.float32) for each in (a, b))
    return any(_fit(one, two, movement) >= FITS for found, movement in tries if found > best - 0.1)


def _fit(one: Floats, two: Floats, movement: registration.Movement) -> float:
    """The correlation of two pictures where both are, once one is laid on the other."""
    movement = registration.refined(one, two, movement, 1)
    if not 1 / MOST_ZOOM < registration.zoom(movement) < MOST_ZOOM:
        return 0.0
    laid, there = registration.laid(one, two, movement)
    if there.sum() < LEAST_SHARED * one.size:
        return 0.0
    x, y = one[there], laid[there]
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (np.sqrt((x * x).sum() * (y * y).sum()) + len(x)))
