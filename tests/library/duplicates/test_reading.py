"""What is read of a picture's file: whether two hold the same pixels, and how they are stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_files import encoded, heic, photo, png, tiff
from transhash.library.duplicates.keep import Stored
from transhash.library.duplicates.pairing import Picture
from transhash.library.duplicates.reading import look, same_pixels

PHOTO = photo()
COLOURS = np.asarray(PHOTO)
GREY = COLOURS[..., 0].astype(np.uint16)
CMYK = encoded(PHOTO.convert("CMYK"), "TIFF")


def written(values: np.ndarray) -> bytes:
    """A picture of 16 bits, its numbers as a text."""
    text = " ".join(str(value * 257) for value in values.ravel().tolist())
    return f"P3 {values.shape[1]} {values.shape[0]} 65535 {text}".encode()


def are_same(folder: Path, one: bytes, other: bytes) -> bool:
    paths = folder / "one", folder / "other"
    for path, content in zip(paths, (one, other), strict=True):
        path.write_bytes(content)
    return same_pixels(*paths)


@pytest.mark.parametrize(
    ("deep", "eight"),
    [
        (encoded(Image.fromarray(GREY * 257), "PNG"), encoded(Image.fromarray(GREY.astype(np.uint8)), "BMP")),
        (png(COLOURS.astype(np.uint16) * 257, 2), encoded(PHOTO, "PNG")),
        (tiff((GREY / 255).astype(np.float32)[..., None]), encoded(Image.fromarray(GREY.astype(np.uint8)), "PNG")),
        (CMYK, encoded(PHOTO.convert("CMYK").convert("RGB"), "TIFF")),
        (tiff(np.dstack([COLOURS, COLOURS[..., 0]]), extra=0), encoded(PHOTO, "PNG")),
        (written(COLOURS), encoded(PHOTO, "PNG")),
    ],
    ids=["grey of 16 bits", "colours of 16 bits", "floating", "for print", "a fourth band", "in words"],
)
def test_what_8_bits_do_not_tell_has_other_pixels(tmp_path: Path, deep: bytes, eight: bytes) -> None:
    assert not are_same(tmp_path, deep, eight)


def test_colours_of_16_bits_differ_in_their_lower_bytes(tmp_path: Path) -> None:
    colours = COLOURS.astype(np.uint16) << 8
    assert not are_same(tmp_path, png(colours | 7, 2), png(colours, 2))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (encoded(Image.fromarray(GREY << 4), "PNG"), tiff((GREY << 4)[..., None])),
        (png(COLOURS.astype(np.uint16) * 257, 2), tiff(COLOURS.astype(np.uint16) * 257)),
        (CMYK, encoded(PHOTO.convert("CMYK"), "TIFF", compression="tiff_lzw")),
        (encoded(PHOTO.quantize(16), "PNG"), encoded(PHOTO.quantize(16).convert("RGB"), "PNG")),
    ],
    ids=["grey of 16 bits", "colours of 16 bits", "for print", "a palette"],
)
def test_numbers_may_be_packed_in_another_way(tmp_path: Path, one: bytes, other: bytes) -> None:
    assert are_same(tmp_path, one, other)


def test_other_bands_are_other_pixels(tmp_path: Path) -> None:
    for bands, extra in ((COLOURS[..., [0, 1, 2, 0, 1, 2]], None), (COLOURS[..., [0, 1, 2, 0]], 0)):
        more = bands.copy()
        more[..., -1] = 0
        assert not are_same(tmp_path, tiff(bands, extra=extra), tiff(more, extra=extra))


CLEAR = PHOTO.copy()
CLEAR.putalpha(Image.linear_gradient("L").resize(PHOTO.size))


@pytest.mark.parametrize(
    ("made", "stored"),
    [
        (lambda: encoded(PHOTO, "PNG"), Stored("PNG", 8, True)),
        (lambda: encoded(CLEAR, "PNG"), Stored("PNG", 8, True, True)),
        (lambda: encoded(Image.fromarray(GREY << 8), "PNG"), Stored("PNG", 16, True)),
        (lambda: encoded(PHOTO.quantize(64), "PNG"), Stored("PNG", 8, False)),
        (lambda: encoded(PHOTO, "GIF"), Stored("GIF", 8, False)),
        (lambda: encoded(PHOTO, "BMP"), Stored("BMP", 8, True)),
        (lambda: encoded(PHOTO, "JPEG"), Stored("JPEG", 8, False)),
        (lambda: encoded(PHOTO, "TIFF"), Stored("TIFF", 8, True)),
        (lambda: encoded(PHOTO, "TIFF", compression="jpeg"), Stored("TIFF", 8, False)),
        (lambda: tiff(COLOURS.astype(np.uint16)), Stored("TIFF", 16, True)),
        (lambda: encoded(PHOTO, "WEBP", lossless=True), Stored("WEBP", 8, True)),
        (lambda: encoded(PHOTO, "WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"), Stored("WEBP", 8, True)),
        (lambda: encoded(PHOTO, "WEBP"), Stored("WEBP", 8, False)),
        (lambda: heic(PHOTO), Stored("HEIF", 8, False)),
        (lambda: encoded(PHOTO, "PPM"), Stored("PPM", 8, True)),
        (lambda: b"P6 2 1 1023\n" + bytes(12), Stored("PPM", 10, True)),
        (lambda: b"P3 2 1 1023 0 0 0 0 0 0", Stored("PPM", 10, True)),
        (lambda: b"P1 2 1 0 1", Stored("PPM", 8, False)),
    ],
)  # fmt: skip
def test_how_a_picture_is_stored(tmp_path: Path, made: Callable[[], bytes], stored: Stored) -> None:
    path = tmp_path / "picture.png"  # its name does not matter
    path.write_bytes(made())
    assert look(Picture(path, "", (60, 40))).stored == stored
