"""What a picture's metadata says: which way up it is, and when it was taken."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from transhash.images.formats import READER_ERRORS

if TYPE_CHECKING:
    from PIL import Image


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 (upright) when there is none or the metadata is broken."""
    try:
        value = image.getexif().get(0x0112, 1)
    except READER_ERRORS:
        return 1
    return int(value) if value in range(1, 9) else 1  # some write it as a fraction


def taken(image: Image.Image) -> datetime | None:
    """EXIF DateTimeOriginal; None when there is none, or it is no date."""
    try:
        text = image.getexif().get_ifd(0x8769).get(0x9003)
        text = text.decode("ascii") if isinstance(text, bytes) else text
        return datetime.strptime(text.strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S") if isinstance(text, str) else None
    except READER_ERRORS:
        return None
