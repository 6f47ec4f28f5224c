"""More than 8 bits a colour: 10 and 12 bits in files of 16 are seen like their form of 8 bits."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from image_files import encoded, photo, png, png_chunk
from transhash.images import load_square, open_image

EIGHT = np.asarray(photo().resize((60, 40))).astype(np.uint16)
EIGHT[0, 0] = 255
ALPHA = np.tile(np.linspace(0, 255, 60).astype(np.uint16), (40, 1))[..., None]


def deepened(eight: np.ndarray, bits: int) -> np.ndarray:
    return np.rint(eight * ((2**bits - 1) / 255)).astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey(bits: int) -> None:
    grey = deepened(EIGHT[..., 0], bits)
    for data in (encoded(Image.fromarray(grey), "PNG"), encoded(Image.fromarray(grey), "TIFF"), Image.fromarray(grey)):
        np.testing.assert_array_equal(np.asarray(open_image(data))[..., 0], EIGHT[..., 0])


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_colours(bits: int, has_alpha: bool) -> None:
    stored = np.concatenate([EIGHT, ALPHA], axis=2) if has_alpha else EIGHT
    shares = ALPHA / 255 if has_alpha else 1.0
    wanted = EIGHT * shares + 255 * (1 - shares)
    found = np.asarray(open_image(png(deepened(stored, bits), 6 if has_alpha else 2))).astype(float)
    assert np.abs(found - wanted).max() <= 1.01


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_with_alpha(bits: int) -> None:
    stored = np.concatenate([EIGHT[..., :1], ALPHA], axis=2)
    found = np.asarray(open_image(png(deepened(stored, bits), 4))).astype(float)[..., :1]
    wanted = (EIGHT[..., :1] * ALPHA + 255 * (255 - ALPHA)) / 255
    assert np.abs(found - wanted).max() <= 1.01


def test_one_colour_that_is_clear() -> None:
    stored = deepened(EIGHT, 16)
    stored[10:20] = (300, 301, 302)
    stored[20:30] = (300, 301, 303)  # whose upper bytes are the same
    found = np.asarray(open_image(png(stored, 2, png_chunk(b"tRNS", np.array([300, 301, 302], ">u2").tobytes()))))
    assert (found[10:20] == 255).all()
    assert (found[20:30] == 1).all()


def test_depth_maps_find_their_own_form_of_8_bits() -> None:
    grey = np.asarray(photo(90, 60).convert("L")).astype(np.uint16)
    for shift in (2, 4):
        np.testing.assert_allclose(
            load_square(encoded(Image.fromarray(grey << shift), "PNG"), 20).astype(int),
            load_square(encoded(Image.fromarray(grey.astype(np.uint8)), "PNG"), 20).astype(int),
            atol=2,
        )
