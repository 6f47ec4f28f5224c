"""Pixels of every mode and depth become RGB of 8 bits, what is transparent laid on white."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from image_files import assert_close, encoded, photo, png, png_chunk
from transhash.images import open_image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = photo().convert(mode)
    assert_close(open_image(image), image.convert("RGB"), 0)
    if mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        assert_close(open_image(encoded(image, "PNG")), image.convert("RGB"), 0)


def test_the_remaining_modes() -> None:
    lab = encoded(Image.new("LAB", (4, 4), (136, 208, 195)), "TIFF")  # red: a* and b* are offset by 128
    assert np.asarray(open_image(lab)).argmax(axis=-1).max() == 0
    for mode, half in (("La", (64, 128)), ("RGBa", (64, 64, 64, 128)), ("PA", (0, 0))):  # alpha already multiplied in
        assert np.asarray(open_image(Image.new(mode, (4, 4), half))).min() >= 190


def test_transparency_is_laid_on_white() -> None:
    image = photo().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    expected = np.asarray(image, np.float32)
    alpha = expected[..., 3:] / 255
    assert_close(open_image(encoded(image, "PNG")), expected[..., :3] * alpha + 255 * (1 - alpha), 1)
    palette = photo().quantize(16)
    clear = np.asarray(palette) == 3
    found = np.asarray(open_image(encoded(palette, "PNG", transparency=3)))
    assert (found[clear] == 255).all()
    np.testing.assert_array_equal(found[~clear], np.asarray(palette.convert("RGB"))[~clear])
    for mode, colour in (("RGB", (1, 2, 3)), ("L", 7), ("1", 0)):
        one = encoded(Image.new(mode, (8, 8), colour), "PNG", transparency=colour)
        assert np.asarray(open_image(one)).min() == 255
    for bits in (2, 4):
        levels = np.arange(2**bits)[None, :, None]
        last = levels[0, -1, 0]
        found = np.asarray(open_image(png(levels, 0, png_chunk(b"tRNS", bytes([0, last // 2])), bits=bits)))[0, :, 0]
        assert found.tolist() == [255 if level == last // 2 else level * 255 // last for level in levels[0, :, 0]]
    grey = Image.new("LA", (8, 8), (0, 0))
    assert np.asarray(open_image(encoded(grey, "PNG"))).min() == 255


def test_16_bit_grey_is_brought_to_8() -> None:
    eight = np.asarray(photo().convert("L"))
    for dtype in ("<u2", ">u2"):
        deep = Image.fromarray((eight.astype(np.uint16) * 257).astype(dtype))
        assert_close(np.asarray(open_image(encoded(deep, "TIFF")))[..., 0], eight, 0)
    clear = encoded(Image.fromarray(np.array([[7, 8, 200]], np.uint16)), "PNG", transparency=7)
    assert np.asarray(open_image(clear))[0, :, 0].tolist() == [255, 8, 200]


@pytest.mark.parametrize(
    ("values", "grey"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0, 1, 200], [0, 1, 200]),
        ([0, 257, 65535], [0, 1, 255]),
        ([-1, 0, 1], [0, 128, 255]),
        ([-3e38, 0, 3e38], [0, 128, 255]),
        ([np.nan, np.inf, 1], [0, 0, 255]),
        ([-5, -5, -5], [0, 0, 0]),
        (np.array([0, 257, 65535]), [0, 1, 255]),
        (np.array([-(2**31), 0, 2**31 - 1]), [0, 128, 255]),
    ],
)
def test_wide_pixels_are_brought_to_8_bits(values: list[float] | np.ndarray, grey: list[int]) -> None:
    wide = np.array([values], np.int32 if isinstance(values, np.ndarray) else np.float32)
    assert np.asarray(open_image(encoded(Image.fromarray(wide), "TIFF")))[0, :, 0].tolist() == grey


def test_cmyk_jpeg() -> None:
    assert_close(open_image(encoded(photo().convert("CMYK"), "JPEG", quality=95)), photo(), 3)
