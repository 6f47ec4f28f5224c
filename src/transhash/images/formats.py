"""The formats that are read: the reader for the bytes of a file, its header read and its pixels not."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Protocol

from transhash.errors import ImageError
from transhash.images import png
from transhash.images.faults import UNLIKE
from transhash.images.kinds import is_text, unread_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageFile
    from PIL.Image import Exif

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "PPM": ".ppm", "JPEG2000": ".jp2", "HEIF": ".heic"}

# Pillow's readers that a file may reach: the others read oddities, or start programs (EPS runs Ghostscript). HEIF is
# that of the extra `pictures`; TGA comes last because it has no signature.
_READERS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "DIB", "PPM", "JPEG2000", "AVIF", "HEIF", "ICO", "TGA")
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")  # brands, in its header
_BRANDS = slice(8, 64)
_LEAST = 16  # bytes that tell a format
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class Reader(Protocol):
    """A picture in a file, as far as its header tells."""

    format: str  # Pillow's name for it
    bits: int  # of a number, as stored
    is_lossless: bool  # stored without a loss: in a palette some colours may be lost
    is_plain: bool  # 8 bits of grey, or of red, green and blue, tell all of it but transparency

    @property
    def size(self) -> tuple[int, int]:
        """As stored, pixels; some formats tell it only with the pixels."""

    @property
    def info(self) -> Mapping[Any, Any]:
        """What Pillow keeps of the metadata."""

    def draft(self, side: int) -> tuple[int, int]:
        """Read it smaller from here on, no side under `side`, where that is cheaper; the size that must be decoded."""

    def pixels(self) -> Image.Image:
        """The pixels, as stored, in any mode of Pillow's."""

    def numbers(self) -> NDArray[np.generic]:
        """In place of `pixels`: the numbers as stored, [H, W] or [H, W, C], as far as Pillow tells them."""

    def exif(self) -> Exif:
        """The EXIF data, after the pixels: some formats have it behind them."""

    def has_more(self) -> bool:
        """Whether an animation or a document of several pages begins with this picture."""


def reader(data: bytes, name: str) -> Reader:
    """The reader for a file's bytes; raises `ImageError` for what is in no format that is read."""
    from PIL import Image

    from transhash.images.pillow import PillowReader

    if data.startswith(_TIFF):
        from transhash.images import tiff

        if unread := unread_kind(data):
            raise ImageError(name, f"{unread[0]} cannot be read", unread[1])
        if found := tiff.layout(data, name):
            return tiff.TiffReader(found, data)
    if data.startswith(png.SIGNATURE):
        data = png.lean(data)
    image, claimed = opened(BytesIO(data))
    if image:
        return PillowReader(image, data)
    if data.startswith(_TIFF) and tiff.is_whole(data):
        raise ImageError(name, tiff.UNKNOWN, tiff.CONVERT)
    brands = _brands(data)
    if _is_heic(brands) and "HEIF" not in Image.OPEN:
        remedy = "run `pip install 'transhash[pictures]'` and index with --retry, or convert it to JPEG"
        raise ImageError(name, "HEIC needs pillow-heif", remedy)
    if b"avif" in brands and "AVIF" not in Image.OPEN:
        raise ImageError(name, "AVIF needs Pillow 11.3", "run `pip install -U pillow`, or convert it to JPEG")
    raise ImageError(name, *_refusal(data, claimed=claimed))


def opened(file: IO[bytes]) -> tuple[ImageFile.ImageFile | None, bool]:
    """A file as Pillow opens it, its header read and its pixels not; and whether it begins like a picture.

    In place of `Image.open`, which knows no limit but the one that Pillow keeps for the whole process, and no HEIC.
    """
    from PIL import Image

    head = file.read(_BRANDS.stop)
    claimed = len(head) < _LEAST
    Image.preinit()
    if _is_heic(_brands(head)) and "HEIF" not in Image.OPEN:
        with suppress(ImportError):
            from pillow_heif import register_heif_opener

            register_heif_opener()
    start = head[:16].ljust(16, b"\0")  # some compare numbers, which must be there
    for kind in _READERS:
        if kind not in Image.OPEN:
            Image.init()
        factory, accepts = Image.OPEN.get(kind, (None, None))
        if factory and (accepts is None or accepts(start) is True):
            file.seek(0)
            with suppress(*UNLIKE):
                return factory(file, ""), True
            claimed |= accepts is not None
    return None, claimed


def _brands(head: bytes) -> bytes:
    """The brands that a file of the family of HEIC and AVIF names in its header."""
    return head[_BRANDS] if head[4:8] == b"ftyp" else b""


def _is_heic(brands: bytes) -> bool:
    return brands[:4] in _HEIC and b"avif" not in brands


def _refusal(data: bytes, *, claimed: bool) -> tuple[str, str]:
    """Why what no reader takes is no picture, and the remedy."""
    if unread := unread_kind(data):
        return f"{unread[0]} cannot be read", unread[1]
    if is_text(data):
        return "not a picture", "it is a text; remove it, or fetch the picture again"
    if not data.strip(b"\0"):
        return "broken file", "it holds nothing but zeros; restore it from a copy"
    if claimed:
        return "broken file", "it begins like a picture but has no whole header; restore it"
    return "not a picture", "its content is in no format that can be read; remove or convert it"
