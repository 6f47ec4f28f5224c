"""Pictures that Pillow reads, with what it reads wrong put right."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from transhash.images import jpeg
from transhash.images.faults import READER_ERRORS
from transhash.images.metadata import exif_of
from transhash.images.pixels import to_levels
from transhash.images.storing import bits_of, is_lossless

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image, ImageFile
    from PIL.Image import Exif

_LOOSE_ALPHA = ("BMP", "DIB", "TGA", "ICO")  # in which a fourth byte may mean nothing
_PLAIN = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX")  # modes that become RGB without a loss
_COLOURS_OF_16_BITS, _GREY_OF_16_BITS = ("RGB;16B", "RGBA;16B"), "LA;16B"  # in a PNG, of which Pillow reads 8
_14_BITS = 63  # the highest upper byte of a number of 14 bits


class PillowReader:
    """A picture that Pillow reads, with what it reads wrong put right."""

    def __init__(self, image: ImageFile.ImageFile, data: bytes) -> None:
        """`image` was opened from `data`."""
        self._image = image
        self._data = data
        self._side: int | None = None
        self._whole: tuple[int, int] | None = None  # its size, when it comes smaller
        self._exif: Exif | None = None
        self.format = image.format or ""
        self.bits = bits_of(image, data)
        self.is_lossless = is_lossless(image, data)
        self.is_plain = self.bits <= 8 and image.mode in _PLAIN
        clear = image.info.get("transparency")
        if self.format == "PNG" and image.mode == "L" and self.bits < 8 and isinstance(clear, int):
            image.info["transparency"] = clear * 255 // (2**self.bits - 1)  # as Pillow brings the pixels to 8

    @property
    def size(self) -> tuple[int, int]:
        """As stored, pixels."""
        return self._whole or self._image.size

    @property
    def info(self) -> Mapping[Any, Any]:
        """What Pillow keeps of the metadata."""
        return self._image.info

    def draft(self, side: int) -> tuple[int, int]:
        """Read a JPEG smaller from here on, no side under `side`; the size that must be held in memory."""
        whole = self._image.size
        # pillow-heif would give the preview in a file, which may show the picture before an edit, or badly
        if self.format not in ("JPEG", "MPO") or not self._image.draft(None, (side, side)):
            return whole
        self._side, self._whole = side, whole
        return whole if jpeg.is_buffered(self._data) else self._image.size

    def pixels(self) -> Image.Image:
        """The pixels as stored."""
        from PIL import Image

        deep = self._loaded()
        if deep in _COLOURS_OF_16_BITS:
            return self._of_16_bits()
        if deep == _GREY_OF_16_BITS:
            values = self._grey_of_16_bits()
            return Image.fromarray(np.stack([to_levels(values[..., band]) for band in (0, 1)], axis=2))
        return self._without_empty_alpha()

    def numbers(self) -> NDArray[np.generic]:
        """The numbers as stored; of more than 8 bits the upper ones where Pillow tells no others."""
        deep = self._loaded()
        if deep in _COLOURS_OF_16_BITS:
            return self._both_bytes()
        return self._grey_of_16_bits() if deep == _GREY_OF_16_BITS else np.asarray(self._image)

    def _loaded(self) -> object:
        """How the pixels, which are read now, are packed in a PNG."""
        if self.format == "TIFF":
            from PIL import Image

            self._exif = exif_of(self._image)  # the file is closed with the last pixel
            tags = cast(Any, self._image).tag_v2
            self._image.im = Image.new(self._image.mode, (tags[256], tags[257])).im  # or Pillow's limit would count
        deep = self._image.tile[0].args if self.format == "PNG" and self._image.tile else None
        try:
            self._image.load()
        except OSError:
            mended = jpeg.without_end(self._data, self._again) if self.format in ("JPEG", "MPO") else None
            if mended is None:
                raise
            self._image = cast("ImageFile.ImageFile", mended)
        return deep

    def exif(self) -> Exif:
        """The EXIF data, empty when it is damaged."""
        return self._exif or exif_of(self._image)

    def has_more(self) -> bool:
        """Whether other frames or pages follow; as far as the header tells."""
        if self.format == "GIF":  # tells only by going on to the next, which it does on a copy of its own
            with suppress(*READER_ERRORS):
                return bool(cast(Any, self._opened(self._data)).is_animated)
            return False
        kinds = ("PNG", "WEBP", "TIFF", "AVIF", "HEIF")
        return self.format in kinds and bool(getattr(self._image, "is_animated", False))

    def _opened(self, data: bytes) -> ImageFile.ImageFile:
        return type(self._image)(BytesIO(data), "")

    def _again(self, data: bytes) -> ImageFile.ImageFile:
        """Other bytes read in the same way."""
        from PIL.JpegImagePlugin import JpegImageFile

        image = JpegImageFile(BytesIO(data), "")
        if self._side:
            image.draft(None, (self._side, self._side))
        image.load()
        return image

    def _of_16_bits(self) -> Image.Image:
        """A coloured PNG of 16 bits: Pillow has read the upper bytes, and the lower ones are read where they matter."""
        from PIL import Image

        clear = self._image.info.get("transparency")
        upper = np.asarray(self._image)
        if upper[..., :3].max() > _14_BITS and not isinstance(clear, tuple):
            return self._image
        values = self._both_bytes()
        levels = to_levels(values[..., :3])
        if values.shape[2] == 4:
            alpha = to_levels(values[..., 3:])
        elif isinstance(clear, tuple):
            alpha = np.where((values == clear).all(axis=2, keepdims=True), 0, 255).astype(np.uint8)
        else:
            return Image.fromarray(levels)
        return Image.fromarray(np.concatenate([levels, alpha], axis=2))

    def _both_bytes(self) -> NDArray[np.generic]:
        lower = self._opened(self._data)
        lower.tile = [tile._replace(args=f"{self._image.mode};16L") for tile in lower.tile]
        lower.load()
        values: NDArray[Any] = np.asarray(self._image).astype(np.uint16) << 8 | np.asarray(lower)
        return values

    def _grey_of_16_bits(self) -> NDArray[np.generic]:
        """The numbers of grey with alpha: its four bytes are read as if they were the four of a colour with alpha."""
        header = self._data[12:24] + b"\x08\x06" + self._data[26:29]
        data = self._data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + self._data[33:]
        pixels = np.asarray(self._opened(data).convert("RGBA"))
        return np.ascontiguousarray(pixels).view(">u2")

    def _without_empty_alpha(self) -> Image.Image:
        """Without an alpha that is 0 everywhere, or that the header denies, in formats in which that means nothing."""
        image = self._image
        if self.format not in _LOOSE_ALPHA or image.mode not in ("RGBA", "LA"):
            return image
        denied = self.format == "TGA" and not self._data[17] & 15  # bits of alpha
        if denied or image.getchannel("A").getextrema() == (0, 0):
            return image.convert(image.mode[:-1])
        return image
