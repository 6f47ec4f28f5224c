"""Pixels of every mode to upright RGB of 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_STRIP = 64  # rows
_WHITES = (1, 255, 1023, 4095, 16383, 65535)  # of a mask, and of 8, 10, 12, 14 and 16 bits
_NEARLY_WHITE = 240
_UNSEEN = 1e-3  # share of the pixels: with no more to be seen, a picture is blank


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Upright, from the EXIF orientation 1 to 8."""
    from PIL.Image import Transpose

    t = Transpose
    turns = (t.FLIP_LEFT_RIGHT, t.ROTATE_180, t.FLIP_TOP_BOTTOM, t.TRANSPOSE, t.ROTATE_270, t.TRANSVERSE, t.ROTATE_90)
    return image if orientation == 1 else image.transpose(turns[orientation - 2])


def to_rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """RGB from any mode of Pillow's, and whether some of it is transparent.

    What is transparent is laid on white; a picture of which nothing is to be seen on white, on black.
    """
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        clear = image.info.get("transparency")
        image = Image.fromarray(to_levels(values))
        if isinstance(clear, int):
            image.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    if image.mode == "La":
        image = image.convert("LA")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa"):
        return _laid_down(image)
    return (image if image.mode == "RGB" else image.convert("RGB")), False


def to_levels(values: NDArray[Any], white: int | None = None) -> NDArray[np.uint8]:
    """Numbers of any kind as levels from 0 to 255.

    White, if it is not given, is the first of 1, 255, 1023, 4095, 16,383 and 65,535 that no number exceeds: files of
    16 bits often hold 10 or 12. When there is none, or some are negative, the range found is stretched.
    """
    if values.dtype.kind == "f":
        most = min(1e38, float(np.finfo(values.dtype).max))
        values = np.clip(np.nan_to_num(values, posinf=0, neginf=0), -most, most).astype(np.float32)
    low, high = (float(end) for end in (values.min(), values.max()))
    if low >= 0 and (white or high <= _WHITES[-1]):
        low, high = 0.0, float(white or next(white for white in _WHITES if high <= white))
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:  # by a table, without copies of a wider type
        table = np.rint(np.minimum(np.arange(65536) * (255 / high), 255)).astype(np.uint8)
        return np.asarray(table[values])
    span = (high - low) or 1.0
    return np.asarray(np.rint(np.clip(values.astype(np.float32) / span - low / span, 0, 1) * 255), np.uint8)


def _laid_down(image: Image.Image) -> tuple[Image.Image, bool]:
    """On white or on black, and whether it made a difference; in strips, which spares copies of a large picture."""
    done, is_clear = _laid_on("white", image)
    if is_clear and _share(done, slice(_NEARLY_WHITE)) <= _UNSEEN:
        other, _ = _laid_on("black", image)
        if _share(other, slice(256 - _NEARLY_WHITE, None)) > _UNSEEN:
            return other, True
    return done, is_clear


def _laid_on(colour: str, image: Image.Image) -> tuple[Image.Image, bool]:
    from PIL import Image

    done = Image.new("RGB", image.size)
    is_clear = False
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
        strip.info = {k: v for k, v in image.info.items() if k == "transparency"}
        strip = strip.convert("RGBA")
        is_clear |= strip.getchannel("A").getextrema() != (255, 255)
        done.paste(Image.alpha_composite(Image.new("RGBA", strip.size, colour), strip).convert("RGB"), (0, top))
    return done, is_clear


def _share(image: Image.Image, levels: slice) -> float:
    """The share of the pixels whose grey is among some levels."""
    return sum(image.convert("L").histogram()[levels]) / (image.width * image.height)
