"""What every viewer shows is read: odd comments, no end marker, an alpha that is none, white on nothing."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from image_files import encoded, photo, png_chunk
from transhash.errors import ImageError
from transhash.images import IMAGE_SUFFIXES, load_picture, open_image, open_picture
from transhash.images.kinds import UNREAD_SUFFIXES
from transhash.images.png import lean

PHOTO = np.asarray(photo())
LONG = zlib.compress(b'{"node":1}' * 200_000)

TEXTS = {
    "zTXt": png_chunk(b"zTXt", b"workflow\0\0" + LONG),
    "iTXt": png_chunk(b"iTXt", b"workflow\0\1\0\0\0" + LONG),
    "EXIF as text": png_chunk(b"zTXt", b"Raw profile type exif\0\0" + LONG),
    "iCCP": png_chunk(b"iCCP", b"press\0\0" + zlib.compress(bytes(range(256)) * 6000)),
    "wrong checksum": png_chunk(b"tEXt", b"a\0b")[:-1] + b"\0",
    "wrong checksum of a time": png_chunk(b"tIME", b"\0" * 7)[:-1] + b"\0",
    "many": png_chunk(b"tEXt", b"a\0" + b"b" * 900_000) * 80,
    "no text": png_chunk(b"tEXt", b""),
    "own kind": png_chunk(b"prVt", b"a" * 100),
}


@pytest.mark.parametrize("chunk", TEXTS)
@pytest.mark.parametrize("at", ["before", "behind"])
def test_png_outlives_its_comments(chunk: str, at: str) -> None:
    data = encoded(photo(), "PNG")
    place = 33 if at == "before" else len(data) - 12
    np.testing.assert_array_equal(open_image(data[:place] + TEXTS[chunk] + data[place:]), PHOTO)


def test_png_without_comments_is_not_copied() -> None:
    for settings in ({}, {"save_all": True, "append_images": [photo()]}):
        data = encoded(photo(), "PNG", **settings)
        assert lean(data) is data


def test_damaged_pixels_of_a_png_stay_damage() -> None:
    data = bytearray(encoded(photo(), "PNG"))
    data[data.index(b"IDAT") + 20] ^= 1
    with pytest.raises(ImageError, match="broken file"):
        open_image(bytes(data))


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"quality": 95}, {"subsampling": 0}], ids=str)
@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
def test_jpeg_without_its_end_marker(settings: dict[str, object], kind: str) -> None:
    image = photo(160, 100)
    data = encoded(image, "JPEG", **settings)
    for missing in (1, 2):
        np.testing.assert_array_equal(open_image(data[:-missing]), open_image(data))
        drafted = open_image(data[:-missing], min_side=30)
        np.testing.assert_array_equal(drafted, open_image(data, min_side=30))
    for missing in (6, 20, len(data) // 2):
        with pytest.raises(ImageError, match="truncated file"):
            open_image(data[:-missing])


def wide_jpeg(**settings: object) -> bytes:
    return encoded(Image.new("RGB", (4000, 2000), "teal"), "JPEG", **settings)


def test_a_large_jpeg_needs_the_memory_of_a_small_one() -> None:
    picture = load_picture(wide_jpeg(), 140, max_pixels=2_000_000)
    assert (picture.width, picture.height) == (4000, 2000)
    whole = load_picture(wide_jpeg(progressive=True), 140)
    assert (whole.width, whole.height) == (4000, 2000)
    for data in (wide_jpeg(progressive=True), encoded(Image.new("RGB", (4000, 2000)), "PNG")):  # which need all
        with pytest.raises(ImageError, match="too many pixels"):
            load_picture(data, 140, max_pixels=2_000_000)
    with pytest.raises(ImageError, match="too many pixels"):  # it is to come whole
        open_image(wide_jpeg(), max_pixels=2_000_000)
    with pytest.raises(ImageError, match="too many pixels"):  # time is a limit, too
        load_picture(wide_jpeg(), 20, max_pixels=900_000)


def bmp(pixels: np.ndarray) -> bytes:
    """A bitmap of 32 bits that says that its fourth byte is alpha; `pixels` are [H, W, 4]."""
    height, width = pixels.shape[:2]
    body = pixels[::-1, :, [2, 1, 0, 3]].tobytes()
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(body), 2835, 2835, 0, 0)
    header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return struct.pack("<2sIHHI", b"BM", 122 + len(body), 0, 0, 122) + header + body


def tga(pixels: np.ndarray, bits_of_alpha: int) -> bytes:
    height, width = pixels.shape[:2]
    body = pixels[::-1, :, [2, 1, 0, 3]].tobytes()
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, width, height, 32, bits_of_alpha) + body


def test_an_alpha_that_is_none() -> None:
    none = np.dstack([PHOTO, np.zeros(PHOTO.shape[:2], np.uint8)])
    ico = encoded(Image.fromarray(none), "ICO", bitmap_format="bmp", sizes=[(60, 40)])
    for data in (bmp(none), tga(none, 0), tga(none, 8), ico):
        found = open_picture(data)
        assert not found.is_clear
        np.testing.assert_array_equal(found.image, PHOTO)


def test_an_alpha_that_is_one() -> None:
    some = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    some[:20, :, 3] = 0
    for data in (bmp(some), tga(some, 8)):
        found = open_picture(data)
        assert found.is_clear
        assert np.asarray(found.image)[:20].min() == 255
        np.testing.assert_array_equal(np.asarray(found.image)[20:], PHOTO[20:])
    np.testing.assert_array_equal(open_image(tga(some, 0)), PHOTO)  # its header says that there is none


def shape(kind: str, colour: tuple[int, int, int], clear: tuple[int, int, int, int]) -> Image.Image:
    picture = Image.new("RGBA", (256, 256), clear)
    getattr(ImageDraw.Draw(picture), kind)((60, 60, 190, 190), fill=(*colour, 255))
    return picture


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("colour", [(255, 255, 255), (250, 248, 252)])
def test_white_shapes_on_nothing_can_be_told_apart(kind: str, colour: tuple[int, int, int]) -> None:
    ring, box = (
        open_picture(encoded(shape(form, colour, (255, 255, 255, 0)), kind, lossless=True))
        for form in ("ellipse", "rectangle")
    )
    assert ring.is_clear
    assert box.is_clear
    difference = np.abs(np.asarray(ring.image).astype(int) - np.asarray(box.image))
    assert difference.max() >= 245


def test_other_colours_on_nothing_are_laid_on_white() -> None:
    for colour in ((0, 0, 0), (200, 30, 30), (128, 128, 128)):
        assert np.asarray(open_image(shape("ellipse", colour, (255, 255, 255, 0))))[0, 0].tolist() == [255] * 3
    assert np.asarray(open_image(Image.new("RGBA", (8, 8), (255, 255, 255, 0)))).min() == 255  # nothing at all
    page = open_picture(Image.new("RGBA", (8, 8), "white"))
    assert not page.is_clear
    assert np.asarray(page.image).min() == 255


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"8BPS\0\1" + bytes(40), "a Photoshop file cannot be read"),
        (b"\xff\x0a" + bytes(40), "JPEG XL cannot be read"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL cannot be read"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "RAW cannot be read"),
        (b"\0\0\0\x18ftypcrx " + bytes(40), "RAW cannot be read"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG cannot be read"),
        (b"%PDF-1.7\n" + bytes(40), "PDF cannot be read"),
        (bytes(128) + b"DICM" + bytes(40), "DICOM cannot be read"),
    ],
)
def test_kinds_that_are_not_read_are_named(content: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        load_picture(content, 20)
    assert caught.value.reason == reason
    assert caught.value.remedy


def test_no_kind_is_read_and_unread() -> None:
    assert not IMAGE_SUFFIXES & UNREAD_SUFFIXES
