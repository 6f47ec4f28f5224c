"""Pictures of every kind, made in memory."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from transhash.errors import ImageError
from transhash.images import load_picture


def photo(width: int = 60, height: int = 40) -> Image.Image:
    """Smooth colours without symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    """A file of Pillow's."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def heic(*pictures: Image.Image, **settings: object) -> bytes:
    """A HEIC file; skips the test without the extra."""
    file = io.BytesIO()
    pillow_heif = pytest.importorskip("pillow_heif")
    heif = pillow_heif.from_pillow(pictures[0])
    for picture in pictures[1:]:
        heif.add_from_pillow(picture)
    try:
        heif.save(file, quality=90, **settings)
    except (RuntimeError, OSError):
        pytest.skip("this pillow-heif does not write HEIC")
    return file.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values: NDArray[Any], colour_type: int, *chunks: bytes, bits: int = 16) -> bytes:
    """A PNG of 16-bit numbers [H, W, bands], or of fewer `bits`; `chunks` come before the pixels."""
    height, width = values.shape[:2]
    places = values.reshape(height, -1, 1) >> np.arange(bits)[::-1] & 1
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(places.reshape(height, -1), axis=1))
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + b"".join(chunks) + png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def tiff(
    values: NDArray[Any],
    *,
    photometric: int | None = None,
    compression: str = "raw",
    differences: int = 1,
    in_planes: bool = False,
    extra: int | None = None,
    tile: int | None = None,
    order: str = "<",
    big: bool = False,
    others: Mapping[int, bytes | list[int]] | None = None,
) -> bytes:
    """A TIFF of any numbers [H, W, bands], straight from the specification; one strip or square tiles.

    `differences` is the predictor: 1 none, 2 of whole numbers, 3 of floating ones. `extra` says what the last band is,
    `others` are further tags.
    """
    height, width, bands = values.shape
    planes = [values[..., band : band + 1] for band in range(bands)] if in_planes else [values]
    if tile:
        across, down = -(-width // tile) * tile, -(-height // tile) * tile
        padded = [np.pad(plane, ((0, down - height), (0, across - width), (0, 0)), mode="edge") for plane in planes]
        blocks = [
            p[y : y + tile, x : x + tile] for p in padded for y in range(0, down, tile) for x in range(0, across, tile)
        ]
    else:
        blocks = planes
    packed = [_packed(_predicted(block, differences, order), compression) for block in blocks]
    number = "Q" if big else "I"
    at = 16 if big else 8
    offsets = [at + sum(map(len, packed[:i])) for i in range(len(packed))]
    code = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags: dict[int, bytes | list[int]] = {
        256: [width],
        257: [height],
        258: [8 * values.dtype.itemsize] * bands,
        259: [{"raw": 1, "tiff_lzw": 5, "tiff_adobe_deflate": 8, "packbits": 32773}[compression]],
        262: [photometric if photometric is not None else 2 if bands >= 3 else 1],
        277: [bands],
        284: [2 if in_planes else 1],
        317: [differences],
        339: [code] * bands,
    }
    tags |= ({338: [extra]} if extra is not None else {}) | dict(others or {})
    counts = list(map(len, packed))
    tags |= (
        {322: [tile], 323: [tile], 324: offsets, 325: counts} if tile else {273: offsets, 278: [height], 279: counts}
    )
    start = at + sum(counts)
    after = start + (8 if big else 2) + len(tags) * (20 if big else 12) + (8 if big else 4)
    head, tail = struct.pack(order + ("Q" if big else "H"), len(tags)), b""
    for tag, numbers in sorted(tags.items()):
        kind = 16 if big else 4
        if isinstance(numbers, bytes):
            content, kind = numbers, 7
        else:
            content = struct.pack(f"{order}{len(numbers)}{number}", *numbers)
        if len(numbers) > 1:
            content, tail = struct.pack(order + number, after + len(tail)), tail + content
        head += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, len(numbers)) + content
    mark = b"II" if order == "<" else b"MM"
    first = struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HI", 42, start)
    return mark + first + b"".join(packed) + head + bytes(8 if big else 4) + tail


def _predicted(block: NDArray[Any], differences: int, order: str) -> NDArray[np.uint8]:
    """A block's rows as bytes [H, W * bytes]."""
    height, _, bands = block.shape
    if differences == 2:
        numbers = block.copy().view(f"u{block.dtype.itemsize}")
        numbers[:, 1:] -= block.view(f"u{block.dtype.itemsize}")[:, :-1]
        block = numbers
    if differences == 3:
        big = np.ascontiguousarray(block.reshape(height, -1)).astype(block.dtype.newbyteorder(">"))
        planes = big.view(np.uint8).reshape(height, -1, block.dtype.itemsize).transpose(0, 2, 1).reshape(height, -1)
        result = planes.copy()
        result[:, bands:] -= planes[:, :-bands]
        return result
    ordered = np.ascontiguousarray(block.astype(block.dtype.newbyteorder(">" if order == ">" else "<")))
    return ordered.view(np.uint8).reshape(height, -1)


def _packed(rows: NDArray[np.uint8], compression: str) -> bytes:
    """The rows compressed: by Pillow, which is shown a grey picture."""
    if compression == "raw":
        return rows.tobytes()
    file = encoded(Image.fromarray(rows), "TIFF", compression=compression, tiffinfo={278: len(rows)})
    opened = Image.open(io.BytesIO(file))
    assert isinstance(opened, TiffImageFile)
    tags = opened.tag_v2
    (offset,), (count,) = tags[273], tags[279]
    return file[offset : offset + count]


TURNED = 0x0112  # EXIF's orientation


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[TURNED] = orientation
    return encoded(photo(), kind, exif=exif)


def reason(source: Any, **limits: int) -> str:
    """Why a picture is refused."""
    with pytest.raises(ImageError) as caught:
        load_picture(source, 20, **limits)
    assert caught.value.remedy
    return caught.value.reason


def assert_close(a: np.ndarray | Image.Image, b: np.ndarray | Image.Image, most: float) -> None:
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    assert a.shape == b.shape
    assert np.abs(a - b).mean() <= most
