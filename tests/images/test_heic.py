"""HEIC: read with the extra, and named without it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from image_files import assert_close, heic, photo, reason
from transhash.errors import ImageError
from transhash.images import load_picture, load_square, open_image


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_without_its_reader_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, brand: bytes) -> None:
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {kind: found for kind, found in Image.OPEN.items() if kind != "HEIF"})
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"HEIC needs pillow-heif; run `pip install 'transhash\[pictures\]'`"):
        load_picture(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(40), 20)


def test_heic_is_read_upright(tmp_path: Path) -> None:
    data = heic(photo())
    (tmp_path / "a.heic").write_bytes(data)
    picture = load_picture(tmp_path / "a.heic", 20)
    assert (picture.width, picture.height, picture.is_first) == (60, 40, False)
    assert_close(picture.pixels, load_square(photo(), 20), 8)
    assert load_picture(heic(photo(), photo()), 20).is_first

    exif = Image.Exif()
    exif[0x0112] = 6
    turned = load_picture(heic(photo().transpose(Image.Transpose.ROTATE_90), exif=exif.tobytes()), 20)
    assert (turned.width, turned.height) == (60, 40)
    assert_close(turned.pixels, load_square(photo(), 20), 8)


def test_a_preview_is_not_the_picture() -> None:
    image = photo(900, 600)
    image.info["thumbnails"] = [300]
    assert open_image(heic(image), min_side=100).size == (900, 600)


def test_damaged_heic_is_named() -> None:
    data = heic(photo())
    for size in range(20, len(data) - 1, len(data) // 12):
        is_text = data[:size].decode("latin-1").replace("\n", " ").isprintable() and data[:size].isascii()
        assert reason(data[:size]) in ("truncated file", "broken file", *["not a picture"] * is_text)
