"""Sketches: what is kept of a picture to compare it with others: 256 pixels, their keypoints, and where its content
lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import kernel
from transhash.library.duplicates.features import NO_KEYPOINTS, Keypoints, keypoints

if TYPE_CHECKING:
    from PIL import Image

Floats = npt.NDArray[np.float32]

SIDE = 256  # pixels of the longer side; smaller pictures stay as they are
SMALL = 32  # a side of the square copy by which whole pictures are laid on one another
AROUND = 9  # pixels around the content that larger sketches compare: a tile of 16 counts with one row of content
RIM = 3  # pixels beside a border that have something of it
FILLED = 5.0  # grey levels within which a corner is of one colour
BLOCK = 8
STRUCTURED = 6.0  # standard deviation of a block with structure
EVEN = 0.45  # share of pixels of nearly one grey in a plain picture
PLAIN = 3.0  # standard deviation of a row that is border, in grey levels

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_BLUE = np.array([-0.169, -0.331, 0.5], np.float32)
_RED = np.array([0.5, -0.419, -0.081], np.float32)


class Sketch(NamedTuple):
    """A picture as comparisons see it."""

    grey: Floats  # [H, W], levels 0 to 255
    colours: Floats  # [2, H, W], the colour differences Cb and Cr around 0
    keypoints: Keypoints
    content: tuple[int, int, int, int]  # left, top, right, bottom: without plain borders
    whole: Floats  # [SMALL, SMALL], all of it
    inner: Floats  # [SMALL, SMALL], its content
    blocks: Floats  # [B, 2]: x, y of the middles of blocks with structure
    plain: bool  # most of it is of one grey: a page, a shape on white, a night sky

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """All of it, as `content` tells it."""
        return 0, 0, self.grey.shape[1], self.grey.shape[0]

    def marks(self, turned: bool) -> npt.NDArray[np.uint8]:
        """What the pixels are, uint8 [H, W]: 1 where they can be compared, neither at the rim nor filled beside a
        `turned` picture; and 2 where they are content, or so near to it that tiles at its rim count.
        """
        found = np.zeros(self.grey.shape, np.uint8)
        found[RIM:-RIM, RIM:-RIM] = 1
        if turned:
            found[_corners_filled(self.grey, FILLED)] = 0
        left, top, right, bottom = self.content
        out = AROUND if max(self.grey.shape) > SIDE else -RIM  # in small ones ground would dilute the colours
        found[max(top - out, 0) : bottom + out, max(left - out, 0) : right + out] |= 2
        return found


def sketch(image: Image.Image, *, side: int = SIDE, keyed: bool = True) -> Sketch:
    """The sketch of an RGB picture, upright, with `side` pixels at most; without keypoints unless it is `keyed`."""
    from PIL.Image import Resampling

    scale = side / max(image.size)
    if scale < 1:
        size = max(8, round(image.width * scale)), max(8, round(image.height * scale))
        image = image.resize(size, Resampling.BICUBIC, reducing_gap=3.0)
    elif min(image.size) < 8:
        image = image.resize((max(8, image.width), max(8, image.height)), Resampling.BICUBIC)
    pixels = np.asarray(image, np.float32)
    grey = pixels @ _GREY
    content = content_of(grey)
    sized = image.convert("L")
    small = (SMALL, SMALL)
    return Sketch(
        np.ascontiguousarray(grey),
        np.stack((pixels @ _BLUE, pixels @ _RED)),
        keypoints(grey) if keyed else NO_KEYPOINTS,
        content,
        np.asarray(sized.resize(small, Resampling.BOX), np.float32),
        np.asarray(sized.resize(small, Resampling.BOX, box=content), np.float32),
        _blocks(grey),
        bool(_even(grey) > EVEN),
    )


def _blocks(grey: Floats) -> Floats:
    height, width = grey.shape[0] // BLOCK * BLOCK, grey.shape[1] // BLOCK * BLOCK
    parts = grey[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    rows, columns = np.nonzero(parts.std(axis=(1, 3)) > STRUCTURED)
    return np.asarray(np.column_stack((columns, rows)) * BLOCK + BLOCK / 2, np.float32)


def _even(grey: Floats) -> float:
    """The share of the pixels within 6 levels of the commonest grey."""
    counts = np.bincount(np.clip(grey, 0, 255).astype(np.int64).ravel(), minlength=256)
    return float(np.convolve(counts, np.ones(13), "same").max() / grey.size)


def content_of(grey: Floats) -> tuple[int, int, int, int]:
    """What is left when plain rows and columns are cut off at the borders; everything if that is nearly nothing."""
    left, top, right, bottom = 0, 0, grey.shape[1], grey.shape[0]
    rows = np.flatnonzero(grey.std(axis=1) > PLAIN)
    if len(rows):
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        columns = np.flatnonzero(grey[top:bottom].std(axis=0) > PLAIN)
        if len(columns):
            left, right = int(columns[0]), int(columns[-1]) + 1
    if (right - left) * (bottom - top) < 0.1 * grey.size or min(right - left, bottom - top) < 8:
        return 0, 0, grey.shape[1], grey.shape[0]
    return left, top, right, bottom


@kernel
def _corners_filled(grey, allowed):  # type: ignore[no-untyped-def]
    """Where pixels are of their corner's grey and hang together with it, and the pixels around these."""
    height, width = grey.shape
    filled = np.zeros((height, width), np.bool_)
    waiting = np.empty((height * width, 2), np.int32)
    for corner in range(4):
        top, left = (height - 1) * (corner // 2), (width - 1) * (corner % 2)
        level = grey[top, left]
        count = 0
        if not filled[top, left]:
            filled[top, left] = True
            waiting[0, 0], waiting[0, 1] = top, left
            count = 1
        while count:
            count -= 1
            row, column = waiting[count, 0], waiting[count, 1]
            for step in range(4):
                y, x = row + (step == 0) - (step == 1), column + (step == 2) - (step == 3)
                if y < 0 or x < 0 or y >= height or x >= width or filled[y, x] or abs(grey[y, x] - level) > allowed:
                    continue
                filled[y, x] = True
                waiting[count, 0], waiting[count, 1] = y, x
                count += 1
    around = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            if filled[y, x]:
                around[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4] = True
    return around
