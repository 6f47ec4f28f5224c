"""TIFF with numbers that Pillow cannot read, or reads wrong: more than 8 bits, signed, floating, in planes.

Pillow still undoes the compression: it is shown the same strips or tiles as a grey picture of bytes. What the bytes
mean is decided here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from transhash.errors import ImageError
from transhash.images.faults import READER_ERRORS
from transhash.images.pixels import to_levels

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PREDICTOR = 256, 257, 258, 259, 262, 277, 317
_STRIPS, _ROWS, _STRIP_BYTES, _PLANAR = 273, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_EXTRA, _FORMAT, _FILL_ORDER, _PROFILE = 338, 339, 266, 34675

_DTYPES = {1: "u", 2: "i", 3: "f"}  # by the sample format: unsigned, signed, floating
_SIZES = {"u": (1, 2, 4, 8), "i": (1, 2, 4, 8), "f": (2, 4, 8)}  # bytes
_COMPRESSIONS = {1: "", 5: "LZW", 8: "Deflate", 32946: "Deflate", 32773: "PackBits", 50000: "Zstandard"}
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_PREMULTIPLIED, _ALPHA = 1, 2
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_MAX_BANDS = 4096
UNKNOWN, CONVERT = "unknown kind of TIFF", "convert it to PNG or to TIFF of 8 or 16 bits"


@dataclass(frozen=True)
class Layout:
    """How the numbers of a TIFF lie in its file."""

    width: int
    height: int
    bands: int
    dtype: np.dtype[Any]
    colours: int  # bands that are colours, 1 or 3
    alpha: int  # 0: none; 1: colours are multiplied by it; 2: they are not
    min_is_white: bool
    in_planes: bool
    compression: int
    predictor: int
    tile: tuple[int, int] | None  # width, height

    @property
    def across(self) -> int:
        """The pixels of a row, with those that fill the last tile."""
        block = self.tile[0] if self.tile else self.width
        return -(-self.width // block) * block


class TiffReader:
    """A TIFF of numbers that Pillow cannot read."""

    format = "TIFF"
    is_lossless = True

    def __init__(self, layout: Layout, data: bytes) -> None:
        """`layout` is that of `data`."""
        self._layout = layout
        self._data = data
        self.size = (layout.width, layout.height)
        self.bits = 8 * layout.dtype.itemsize
        self.is_plain = layout.dtype == np.uint8 and layout.bands == layout.colours + bool(layout.alpha)

    @property
    def info(self) -> Mapping[str, object]:
        """The profile of its colours."""
        with suppress(*READER_ERRORS):
            return {"icc_profile": _directory(self._data).get(_PROFILE)}
        return {}

    def draft(self, side: int) -> tuple[int, int]:
        """The size in pixels of 4 bytes that must be held in memory."""
        layout = self._layout
        return layout.across * max(1, layout.bands * layout.dtype.itemsize // 4), layout.height

    def pixels(self) -> Image.Image:
        """The colours brought to 8 bits."""
        layout = self._layout
        found = _values(self._data, layout, layout.colours + bool(layout.alpha))
        levels = to_levels(found[..., : layout.colours])
        if layout.min_is_white:
            levels = 255 - levels
        if not layout.alpha:
            return Image.fromarray(levels[..., 0] if layout.colours == 1 else levels)
        full = None if layout.dtype.kind == "f" else int(np.iinfo(layout.dtype).max)
        levels = np.concatenate([levels, to_levels(found[..., layout.colours :], full)], axis=2)
        image = Image.fromarray(levels)
        return image if layout.alpha != _PREMULTIPLIED else _premultiplied(image)

    def numbers(self) -> NDArray[np.generic]:
        """The numbers of all bands, [H, W, bands]."""
        return _values(self._data, self._layout, self._layout.bands)

    def exif(self) -> Image.Exif:
        """The EXIF data, empty when it is damaged."""
        exif = Image.Exif()
        exif.bigtiff, exif.endian = _is_big(self._data), "<" if self._data[:2] == b"II" else ">"
        with suppress(*READER_ERRORS):
            exif.load_from_fp(BytesIO(self._data), _directory(self._data).offset)
        return exif

    def has_more(self) -> bool:
        """Whether other pages follow."""
        return bool(_directory(self._data).next)


def _premultiplied(image: Image.Image) -> Image.Image:
    mode = {"LA": "La", "RGBA": "RGBa"}[image.mode]
    return Image.frombytes(mode, image.size, image.tobytes())


def layout(data: bytes, name: str) -> Layout | None:
    """The layout of a TIFF that is read here; None when Pillow reads it right, or it is damaged.

    Raises `ImageError` for a kind that neither reads.
    """
    if data.startswith(b"MM\0+"):
        raise ImageError(name, UNKNOWN, "convert it to PNG (a BigTIFF whose numbers begin with the highest byte)")
    tags = _tags(data)
    if tags is None:
        return None
    bits = _tuple(tags.get(_BITS, 1))
    formats = set(_tuple(tags.get(_FORMAT, 1)))
    photometric, compression = tags.get(_PHOTOMETRIC, 0), tags.get(_COMPRESSION, 1)
    bands = tags.get(_SAMPLES, 1)
    planar = tags.get(_PLANAR, 1) == 2 and bands > 1
    extra = _tuple(tags.get(_EXTRA, ()))
    colours = 3 if photometric == _RGB else 1
    is_known = photometric in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB)
    misread = bands > colours + 1 or (  # one more than the colours: of grey, in a plane of its own, or no alpha
        bands > colours and (colours == 1 or planar or 0 in extra) and compression in _COMPRESSIONS
    )
    if formats <= {1, 4} and max(bits) <= 8 and not (is_known and misread):
        return None
    if photometric in (5, 6, 8) and max(bits) <= 16 and not planar and formats <= {1, 4}:  # CMYK, YCbCr, Lab
        return None
    if bits == (12,) and formats <= {1, 4} and photometric == _MIN_IS_BLACK:
        return None
    kind = _DTYPES.get(formats.pop(), "") if len(formats) == 1 else ""
    size = bits[0] // 8
    about = f"{'/'.join(map(str, bits[:4]))} bits, {_COMPRESSIONS.get(compression, f'compression {compression}')}"
    if (
        not is_known
        or len(set(bits)) > 1
        or bits[0] % 8
        or size not in _SIZES.get(kind, ())
        or compression not in _COMPRESSIONS
        or not colours <= bands <= _MAX_BANDS
        or tags.get(_FILL_ORDER, 1) != 1
    ):
        raise ImageError(name, UNKNOWN, f"{CONVERT} ({about})")
    order = "<" if data[:2] == b"II" else ">"
    tile = (tags[_TILE_WIDTH], tags[_TILE_HEIGHT]) if _TILE_WIDTH in tags and _TILE_HEIGHT in tags else None
    return Layout(
        width=tags.get(_WIDTH, 0),
        height=tags.get(_HEIGHT, 0),
        bands=bands,
        dtype=np.dtype(f"{order}{kind}{size}"),
        colours=colours,
        alpha=extra[0] if extra and bands > colours and extra[0] in (_PREMULTIPLIED, _ALPHA) else 0,
        min_is_white=photometric == _MIN_IS_WHITE,
        in_planes=planar,
        compression=compression,
        predictor=tags.get(_PREDICTOR, 1),
        tile=tile,
    )


def is_whole(data: bytes) -> bool:
    """Whether a TIFF says where its pixels are, and lacks none of them."""
    tags = _tags(data) or {}
    for places, lengths in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        if places in tags and lengths in tags:
            return 0 < max(map(sum, zip(_tuple(tags[places]), _tuple(tags[lengths]), strict=False))) <= len(data)
    return False


def _values(data: bytes, found: Layout, wanted: int) -> NDArray[Any]:
    """The numbers of the first bands: [H, W, wanted]; raises what Pillow does for a damaged file."""
    tags = _tags(data) or {}
    if not found.in_planes:
        return _plane(data, tags, found, found.bands, None)[:, :, :wanted]
    return np.concatenate([_plane(data, tags, found, 1, plane) for plane in range(wanted)], axis=2)


def _plane(data: bytes, tags: Mapping[int, Any], found: Layout, bands: int, plane: int | None) -> NDArray[Any]:
    """The numbers [H, W, bands] of one plane, or of the only one."""
    each = bands * found.dtype.itemsize  # bytes for a pixel
    offsets, counts = (_tuple(tags[tag]) for tag in ((_TILES, _TILE_BYTES) if found.tile else (_STRIPS, _STRIP_BYTES)))
    if plane is not None:
        share = len(offsets) // found.bands
        offsets, counts = (numbers[plane * share : (plane + 1) * share] for numbers in (offsets, counts))
    block = found.tile[0] if found.tile else found.width
    grey: dict[int, Any] = {
        _WIDTH: found.across * each,
        _HEIGHT: found.height,
        _BITS: 8,
        _COMPRESSION: found.compression,
        _PHOTOMETRIC: _MIN_IS_BLACK,
        _SAMPLES: 1,
    }
    if found.tile:
        grey |= {_TILE_WIDTH: found.tile[0] * each, _TILE_HEIGHT: found.tile[1], _TILES: offsets, _TILE_BYTES: counts}
    else:
        grey |= {_ROWS: min(tags.get(_ROWS, found.height), found.height), _STRIPS: offsets, _STRIP_BYTES: counts}
    picture = TiffImageFile(BytesIO(_with_tags(data, grey)), "")
    picture.im = Image.new("L", picture.size).im  # Pillow would count its bytes as pixels, by a limit of its own
    picture.load()
    rows = np.asarray(picture).reshape(found.height, -1, block * each)
    blocks = [_undone(rows[:, number], found, bands) for number in range(rows.shape[1])]
    return np.concatenate(blocks, axis=1)[:, : found.width]


def _undone(rows: NDArray[np.uint8], found: Layout, bands: int) -> NDArray[Any]:
    """Bytes [H, W * bytes] as numbers [H, W, bands], the differences that helped to compress them summed up again.

    With the predictor of floating numbers, a row has the first bytes of all its numbers, then all second ones, …
    """
    size = found.dtype.itemsize
    if found.predictor == _FLOAT_DIFFERENCES:
        summed = _summed(rows.reshape(len(rows), -1, bands))
        planes = summed.reshape(len(rows), size, -1)  # from the most significant byte on
        numbers = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(found.dtype.newbyteorder(">"))
        return numbers.reshape(len(rows), -1, bands)
    numbers = np.ascontiguousarray(rows).view(found.dtype).reshape(len(rows), -1, bands)
    if found.predictor != _DIFFERENCES:
        return numbers
    bits = numbers.astype(found.dtype.newbyteorder("=")).view(f"u{size}")
    return _summed(bits).view(found.dtype.newbyteorder("="))


def _summed(numbers: NDArray[Any]) -> NDArray[Any]:
    return np.cumsum(numbers, axis=1, dtype=numbers.dtype)


def _tags(data: bytes) -> Mapping[int, Any] | None:
    """The tags of the first page, None when they cannot be read."""
    try:
        directory = _directory(data)
        return {tag: directory[tag] for tag in range(_WIDTH, _FORMAT + 1) if tag in directory}
    except READER_ERRORS:
        return None


def _directory(data: bytes) -> ImageFileDirectory_v2:
    directory = ImageFileDirectory_v2(data[: 16 if _is_big(data) else 8])
    file = BytesIO(data)
    file.seek(directory.next or 0)
    directory.load(file)
    return directory


def _with_tags(data: bytes, tags: Mapping[int, Any]) -> bytes:
    """The file with other tags for its first page; the old ones stay in it, unused."""
    order, big = "<" if data[:2] == b"II" else ">", _is_big(data)
    entry, number, code = ("HHQ", "Q", 16) if big else ("HHI", "I", 4)
    start = len(data) + len(data) % 2
    after = start + struct.calcsize(f"={number if big else 'H'}{number}") + len(tags) * (20 if big else 12)
    head, tail = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags)), b""
    for tag, value in sorted(tags.items()):
        numbers = _tuple(value)
        content = struct.pack(f"{order}{len(numbers)}{number}", *numbers)
        if len(numbers) > 1:
            content, tail = struct.pack(f"{order}{number}", after + len(tail)), tail + content
        head += struct.pack(f"{order}{entry}", tag, code, len(numbers)) + content
    first = struct.pack(f"{order}{number}", start)
    at = 8 if big else 4
    body = data[:at] + first + data[at + len(first) :]
    return body.ljust(start, b"\0") + head + struct.pack(f"{order}{number}", 0) + tail


def _is_big(data: bytes) -> bool:
    return data[2:4] in (b"+\0", b"\0+")


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
