"""How a picture's file stores its numbers: of how many bits, and without a loss or not; by its header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from PIL import ImageFile

_LOSSLESS = ("PNG", "BMP", "DIB", "PPM", "TGA")
_OF_TIFF = ("raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "lzma", "zstd")
_DEEP = ("I;16", "I;16B", "I", "F")  # modes
_FEW_COLOURS = ("1", "P", "PA")  # modes: a picture with more may have become one of them
_BITS_OF_CHANNELS = re.compile(rb"pixi\0{4}([\1-\4])(.{4})", re.DOTALL)  # in HEIC and AVIF: how many, and of each
_SIZES = b"\xff\x4f\xff\x51"  # JPEG 2000: the bits of the first channel are the 43rd byte from here on, less 1


def bits_of(image: ImageFile.ImageFile, data: bytes) -> int:
    """The bits of a number of a picture, as Pillow opened it from `data`."""
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, 8)
        return int(max(bits)) if isinstance(bits, tuple) else int(bits)
    if image.format == "PPM" and image.mode != "1" and image.tile and image.tile[0].codec_name.startswith("ppm"):
        return int(cast("tuple[str, int]", image.tile[0].args)[1]).bit_length()  # of white
    if image.format == "JPEG2000":
        start = data.find(_SIZES)
        return (data[start + 42] & 127) + 1 if 0 <= start < len(data) - 42 else 8
    if image.format in ("HEIF", "AVIF"):
        return max((max(bits[: count[0]]) for count, bits in _BITS_OF_CHANNELS.findall(data)), default=8)
    return 16 if image.mode in _DEEP else 8


def is_lossless(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether a picture, as Pillow opened it from `data`, is stored without a loss and without a palette."""
    if image.mode in _FEW_COLOURS:
        return False
    if image.format == "TIFF":
        return image.info.get("compression") in _OF_TIFF
    return image.format in _LOSSLESS or (image.format == "WEBP" and _is_lossless_webp(data))


def _is_lossless_webp(data: bytes) -> bool:
    position = 12
    while position + 8 <= len(data):
        kind = data[position : position + 4]
        if kind in (b"VP8L", b"VP8 ", b"ANMF"):
            return kind == b"VP8L"
        position += 8 + (int.from_bytes(data[position + 4 : position + 8], "little") + 1) // 2 * 2
    return False
