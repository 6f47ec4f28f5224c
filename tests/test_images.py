"""The one door for pictures, over deliberately nasty ones."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from transhash.errors import ImageError
from transhash.images import load_picture, load_square, open_image


def photo(width: int = 60, height: int = 40) -> Image.Image:
    """Smooth colours without symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def assert_close(a: np.ndarray | Image.Image, b: np.ndarray | Image.Image, most: float) -> None:
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    assert a.shape == b.shape
    assert np.abs(a - b).mean() <= most


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = photo().convert(mode)
    found = open_image(encoded(image, "PNG"))
    assert found.mode == "RGB"
    assert_close(found, image.convert("RGB"), 0)


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
    grey = Image.new("LA", (8, 8), (0, 0))
    assert np.asarray(open_image(encoded(grey, "PNG"))).min() == 255


def test_deep_grey_keeps_its_tones() -> None:
    values = np.linspace(0, 65535, 600).reshape(20, 30)
    for made in (Image.fromarray(values.astype(np.uint16)), Image.fromarray(values.astype(np.int32))):
        found = np.asarray(open_image(encoded(made, "TIFF")))[..., 0]
        assert_close(found, values / 257, 1)
    floats = Image.fromarray((values / 65535).astype(np.float32))
    assert_close(np.asarray(open_image(encoded(floats, "TIFF")))[..., 0], values / 257, 1)


def test_cmyk_jpeg() -> None:
    assert_close(open_image(encoded(photo().convert("CMYK"), "JPEG", quality=95)), photo(), 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(), kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert_close(open_image(data), expected.convert("RGB"), 0)
    picture = load_picture(data, 20)
    assert (picture.width, picture.height) == expected.size


def test_broken_exif_does_not_cost_the_picture() -> None:
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40)
    assert_close(open_image(data), photo(), 3)


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "TIFF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.asarray(open_image(data))[10, 10].argmax() == 0


def test_a_large_jpeg_comes_smaller_and_looks_the_same() -> None:
    data = encoded(photo(3000, 2000), "JPEG")
    assert min(open_image(data, min_side=140).size) < 600
    assert min(open_image(data, min_side=140).size) >= 140
    picture = load_picture(data, 70)
    assert (picture.width, picture.height) == (3000, 2000)
    whole = open_image(data).resize((70, 70), Image.Resampling.BICUBIC, box=(500, 0, 2500, 2000))
    assert_close(picture.pixels, whole, 1)


def test_the_centred_square() -> None:
    image = photo(90, 30)
    np.testing.assert_array_equal(load_square(image, 30), np.asarray(image)[:, 30:60])
    np.testing.assert_array_equal(load_square(image, 10, crop=1 / 3), np.asarray(image)[10:20, 40:50])


def test_sources_agree(tmp_path: Path) -> None:
    data = encoded(photo(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    pixels = np.asarray(photo())
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), photo(), pixels, np.asfortranarray(pixels)):
        np.testing.assert_array_equal(load_square(source, 16), load_square(data, 16))
    np.testing.assert_array_equal(
        load_square(pixels[..., 0], 16)[..., 2], load_square(photo().getchannel(0), 16)[..., 0]
    )


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + b"\0\0\0\x20IDAT"
        + b"\0" * 40
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"\xff", "broken file"),
        (b"\xff\xd8", "broken file"),
        (b"Dear diary, today I was given the name of a picture.", "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC is not supported"),
        (png_header(60_000, 60_000), "too many pixels"),
        (png_header(30_000, 1), "too long and thin"),
        (png_header(50, 50), "broken file"),
    ],
    ids=["empty", "1 byte", "2 bytes", "text", "heic", "bomb", "strip", "header alone"],
)
def test_what_is_no_picture_is_named(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        load_picture(path, 70)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(f"{path}: {reason}; ")
    assert caught.value.remedy


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.jpg", "no such file"), (tmp_path, "a folder, not a picture")):
        with pytest.raises(ImageError) as caught:
            open_image(path)
        assert caught.value.reason == reason


def test_limits_can_be_set() -> None:
    data = encoded(photo(), "PNG")
    with pytest.raises(ImageError, match="too many pixels"):
        open_image(data, max_pixels=1000)
    with pytest.raises(ImageError, match="file too large"):
        open_image(data, max_bytes=100)
    with pytest.raises(ImageError, match="too many pixels"):
        open_image(photo(), max_pixels=1000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"])
def test_a_truncated_file_is_refused_wherever_it_ends(kind: str) -> None:
    data = encoded(photo(), kind)
    for size in range(1, len(data) - 16, max(1, len(data) // 25)):
        with pytest.raises(ImageError) as caught:
            load_picture(data[:size], 20)
    assert caught.value.reason in ("truncated file", "broken file")


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.float32), np.zeros((0, 4), np.uint8)]
)
def test_arrays_of_another_kind(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="give uint8"):
        open_image(array)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA", "ICO", "JPEG2000"])
def test_flipped_bits_give_a_picture_or_an_image_error_and_no_warning(kind: str) -> None:
    data = encoded(photo(48, 48), kind)
    random = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(150):
            mutated = bytearray(data)
            for place in random.integers(0, min(len(data), 400), random.integers(1, 6)):
                mutated[place] ^= 1 << random.integers(8)
            try:
                assert load_picture(bytes(mutated), 20).pixels.shape == (20, 20, 3)
            except ImageError as error:
                assert error.reason  # noqa: PT017 - either outcome is right


def test_the_users_image_is_left_alone() -> None:
    image = photo()
    found = open_image(image)
    found.paste("black", (0, 0, 60, 40))
    assert_close(image, photo(), 0)
    assert Image.MAX_IMAGE_PIXELS == 89_478_485
