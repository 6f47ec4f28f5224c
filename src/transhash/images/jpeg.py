"""JPEG: how much memory it takes to decode one, and files whose last bytes, the end marker, are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_END = b"\xff\xd9"
_SCAN = 0xDA  # the marker of a scan's header
_NEVER_WRITTEN = b"\x5a" * 64  # read as pixels, if there are any left to read


def is_buffered(data: bytes) -> bool:
    """Whether the decoder must hold the whole picture, however small it comes out: progressive, or several scans."""
    position, components = 2, 0
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xFF:  # fill
            position += 1
            continue
        if marker in (0xC2, 0xC6, 0xCA, 0xCE):
            return True
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            components = data[position + 9] if position + 9 < len(data) else 0
        if marker == _SCAN:
            return data[position + 4 : position + 5] != bytes([components])
        position += 2 + length
    return True


def without_end(data: bytes, decode: Callable[[bytes], Image.Image]) -> Image.Image | None:
    """The picture of a file that lacks nothing but its end marker; None when pixels are missing too.

    A decoder makes up what is missing. So the file is decoded twice, with other bytes behind it: when all pixels are
    there, none of them changes.
    """
    data = data.rstrip(b"\xff")
    picture, other = decode(data + _END), decode(data + _NEVER_WRITTEN + _END)
    return picture if picture.tobytes() == other.tobytes() else None
