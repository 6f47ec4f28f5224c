"""Pictures as they are shown: a small copy, or full size; pixels alone, without what a file says of its owner."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from transhash.images.opening import open_shown

if TYPE_CHECKING:
    from PIL import Image

SIDE = 480  # pixels of a small copy, the longer one at most; small pictures are not enlarged
QUALITY = 82
JPEG = b"\xff\xd8\xff"  # how such a file begins


def small_copy(content: bytes) -> bytes:
    """A JPEG file of at most `SIDE` pixels a side of the picture in a file; raises `ImageError`."""
    image = open_shown(content, min_side=SIDE)
    scale = min(1.0, SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return _jpeg(image if size == image.size else image.resize(size, reducing_gap=3.0), QUALITY)


def full_copy(content: bytes, *, max_pixels: int | None = None) -> bytes:
    """The picture in a file in full size, upright: JPEG if that is JPEG, else PNG; raises `ImageError`."""
    image = open_shown(content, max_pixels=max_pixels)
    if content.startswith(JPEG):
        return _jpeg(image, 95)
    file = BytesIO()
    image.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=0 if max(image.size) <= 128 else "4:2:0")
    return file.getvalue()
