"""The formats that are read, and the picture in a file's bytes."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from transhash.errors import ImageError

if TYPE_CHECKING:
    from PIL import ImageFile

# HEIC is among them so that it is named rather than passed over in silence
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".ppm"}
    | {".pgm", ".pbm", ".pnm", ".tga", ".ico", ".jp2", ".avif", ".heic", ".heif"}
)

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "PPM": ".ppm", "JPEG2000": ".jp2", "HEIF": ".heic"}

# Pillow's readers that a file may reach: the others read oddities, or start programs (EPS runs Ghostscript). HEIF is
# that of the extra `heif`; TGA comes last because it has no signature.
_READERS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "DIB", "PPM", "JPEG2000", "AVIF", "HEIF", "ICO", "TGA")
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")  # brands, in its header

_UNLIKE = (SyntaxError, IndexError, TypeError, struct.error)  # how they say that a file is not for them
_DAMAGE = (OSError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError, EOFError)
READER_ERRORS = (*_UNLIKE, *_DAMAGE, zlib.error)  # what they raise on damaged files


def identify(data: bytes, name: str) -> ImageFile.ImageFile:
    """The picture in a file's bytes, its header read and its pixels not.

    In place of `Image.open`, which knows no limit but the one that Pillow keeps for the whole process.
    """
    from PIL import Image

    claimed = len(data) < 32
    Image.preinit()
    brands = data[8:64] if data[4:8] == b"ftyp" else b""
    is_heic = brands[:4] in _HEIC and b"avif" not in brands
    if is_heic and "HEIF" not in Image.OPEN:
        with suppress(ImportError):
            from pillow_heif import register_heif_opener

            register_heif_opener()
    for reader in _READERS:
        if reader not in Image.OPEN:
            Image.init()
        factory, accepts = Image.OPEN.get(reader, (None, None))
        if factory and (accepts is None or accepts(data[:16]) is True):
            with suppress(*_UNLIKE):
                return factory(BytesIO(data), "")
            claimed |= accepts is not None
    if is_heic and "HEIF" not in Image.OPEN:
        remedy = "run `pip install 'transhash[heif]'` and index with --retry, or convert it to JPEG"
        raise ImageError(name, "HEIC needs pillow-heif", remedy)
    if b"avif" in brands and "AVIF" not in Image.OPEN:
        raise ImageError(name, "AVIF needs Pillow 11.3", "run `pip install -U pillow`, or convert it to JPEG")
    if claimed:
        raise ImageError(name, "broken file", "it begins like a picture but has no whole header; restore it")
    raise ImageError(name, "not a picture", "its content is in no format that can be read; remove or convert it")


def has_more(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether an animation or a document of several pages begins with this picture; as far as its header tells."""
    if image.format == "GIF":  # tells only by going on to the next, which it does on a copy of its own
        with suppress(*READER_ERRORS):
            return bool(cast(Any, type(image)(BytesIO(data), "")).is_animated)
        return False
    return image.format in ("PNG", "WEBP", "TIFF", "AVIF", "HEIF") and bool(getattr(image, "is_animated", False))
