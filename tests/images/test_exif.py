"""Metadata of pictures: turned upright once, and a broken block costs nothing."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from image_files import TURNED, assert_close, encoded, photo, turned
from transhash.images import load_picture, load_square, open_image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int, kind: str) -> None:
    data = turned(orientation, kind)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert_close(open_image(data), upright, 0)
    picture = load_picture(data, 20)
    assert (picture.width, picture.height) == upright.size
    assert np.abs(picture.pixels.astype(int) - load_square(upright, 20)).max() <= 2  # the square is turned last


def test_a_picture_is_turned_once() -> None:
    upright = open_image(turned(6))
    assert_close(open_image(upright), upright, 0)


@pytest.mark.parametrize(("kind", "value"), [(3, b"\6\0"), (5, b"\6\0\0\0\1\0\0\0"), (11, b"\0\0\xc0\x40")])
def test_an_orientation_of_another_number_type_counts(kind: int, value: bytes) -> None:
    entry = struct.pack("<HHHI4sI", 1, TURNED, kind, 1, value if len(value) <= 4 else b"\x1a\0\0\0", 0)
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + entry + value)
    assert_close(open_image(data), open_image(turned(6)), 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0"])
def test_a_picture_outlives_its_exif(kind: str, exif: bytes) -> None:
    assert_close(open_image(encoded(photo(), kind, exif=exif)), open_image(encoded(photo(), kind)), 0)


def test_broken_exif_costs_neither_the_picture_nor_a_warning() -> None:
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40)
    with pytest.warns(UserWarning, match="EXIF"):
        Image.open(io.BytesIO(data))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(open_image(data), photo(), 3)
