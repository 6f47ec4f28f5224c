"""The one door for pictures, over deliberately nasty ones."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from image_files import encoded, photo
from transhash.errors import ImageError
from transhash.images import IMAGE_SUFFIXES, load_picture, load_square, open_image

TURNED = 0x0112  # EXIF's orientation


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[TURNED] = orientation
    return encoded(photo(), kind, exif=exif)


def reason(source: object, **limits: int) -> str:
    """Why a picture is refused."""
    with pytest.raises(ImageError) as caught:
        load_picture(source, 20, **limits)
    assert caught.value.remedy
    return caught.value.reason


def raising(error: type[Exception]) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def assert_close(a: np.ndarray | Image.Image, b: np.ndarray | Image.Image, most: float) -> None:
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    assert a.shape == b.shape
    assert np.abs(a - b).mean() <= most


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


def dated(value: object, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = value
    exif[0x8769] = 0  # where it will be: Pillow puts that in, but writes none that is not there
    return encoded(photo(), kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_when_a_picture_was_taken(kind: str) -> None:
    assert load_picture(dated("2024:05:01 12:30:45", kind), 20).taken == datetime(2024, 5, 1, 12, 30, 45)
    assert load_picture(encoded(photo(), kind), 20).taken is None


@pytest.mark.parametrize("value", ["", "0000:00:00 00:00:00", "2024:13:01 12:30:45", "noon", "    :  :     :  :  "])
def test_a_date_that_is_none_costs_nothing(value: str) -> None:
    assert load_picture(dated(value), 20).taken is None


def test_broken_exif_costs_neither_the_picture_nor_a_warning() -> None:
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40)
    with pytest.warns(UserWarning, match="EXIF"):
        Image.open(io.BytesIO(data))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(open_image(data), photo(), 3)


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "TIFF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.asarray(open_image(data))[10, 10].argmax() == 0


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_of_several_frames_is_told_from_a_picture_by_itself(kind: str) -> None:
    several = encoded(photo(), kind, save_all=True, append_images=[photo().rotate(180)])
    assert load_picture(several, 20).is_first
    assert not load_picture(encoded(photo(), kind), 20).is_first
    np.testing.assert_array_equal(load_square(several, 20), load_square(open_image(several), 20))


def test_the_previews_that_cameras_add_are_no_pages() -> None:
    assert not load_picture(encoded(photo(), "MPO", save_all=True, append_images=[photo(30, 20)]), 20).is_first


def test_a_large_jpeg_comes_smaller_and_looks_the_same() -> None:
    data = encoded(photo(1500, 1000), "JPEG")
    assert 140 <= min(open_image(data, min_side=140).size) < 300
    picture = load_picture(data, 70)
    assert (picture.width, picture.height) == (1500, 1000)
    exif = Image.Exif()
    exif[TURNED] = 6
    upright = load_picture(encoded(photo(1500, 1000), "JPEG", exif=exif), 70)
    assert (upright.width, upright.height) == (1000, 1500)
    np.testing.assert_array_equal(upright.pixels, np.rot90(picture.pixels, -1))
    whole = open_image(data).resize((70, 70), Image.Resampling.BICUBIC, box=(250, 0, 1250, 1000))
    assert_close(picture.pixels, whole, 1)


def test_the_centred_square() -> None:
    image = photo(90, 30)
    np.testing.assert_array_equal(load_square(image, 30), np.asarray(image)[:, 30:60])
    np.testing.assert_array_equal(load_square(image, 10, crop=1 / 3), np.asarray(image)[10:20, 40:50])
    for size, crop in ((0, 1.0), (10, 0.0), (10, 1.5)):
        with pytest.raises(ValueError, match="at least 1"):
            load_square(image, size, crop=crop)


def test_sources_agree(tmp_path: Path) -> None:
    data = encoded(photo(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    pixels = np.asarray(photo())
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), photo(), pixels, np.asfortranarray(pixels)):
        np.testing.assert_array_equal(load_square(source, 16), load_square(data, 16))
    np.testing.assert_array_equal(
        load_square(pixels[..., 0], 16)[..., 2], load_square(photo().getchannel(0), 16)[..., 0]
    )


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES - {".heic", ".heif"}))
def test_files_with_every_suffix_are_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"
    image = photo().convert("1" if suffix == ".pbm" else "L" if suffix == ".pgm" else "RGB")
    try:
        image.save(path)
    except (KeyError, ValueError):
        pytest.skip(f"this Pillow does not write {suffix}")
    picture = load_picture(path, 20)
    if suffix != ".ico":  # of the sizes it holds
        assert (picture.width, picture.height) == (60, 40)
    assert_close(picture.pixels, load_square(image, 20), 8)


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + chunk + struct.pack(">I", zlib.crc32(chunk))
    return head + b"\0\0\0\x20IDAT" + bytes(40)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty file"),
        (b"\xff", "broken file"),
        (b"\xff\xd8", "broken file"),
        (b"Dear diary, today I was given the name of a picture.", "not a picture"),
        (b"hello", "not a picture"),
        (b"BM", "not a picture"),
        (b"\xef\xbb\xbf<!DOCTYPE html>\n<title>403</title>", "not a picture"),
        (b"x" * 4095 + "é".encode(), "not a picture"),
        (b"II*\0", "broken file"),
        (bytes(2000), "broken file"),
        (encoded(photo(), "EPS"), "PostScript cannot be read"),
        (png_header(60_000, 60_000), "too many pixels"),
        (png_header(30_000, 1), "too long and thin"),
        (png_header(1, 100_000), "too long and thin"),
        (png_header(70_000, 1000), "too long and thin"),
        (png_header(50, 50), "broken file"),
    ],
    ids=[
        "empty",
        "1 byte",
        "2 bytes",
        "text",
        "5 bytes",
        "BM",
        "page",
        "cut",
        "TIFF",
        "zeros",
        "EPS",
        "bomb",
        "strip",
        "thread",
        "wide",
        "header",
    ],
)
def test_what_is_no_picture_is_named(data: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=f"^{path}: {expected}; .") as caught:
        load_picture(path, 70)
    assert caught.value.reason == expected


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(tmp_path / "none.jpg") == "no such file"
    assert reason(tmp_path) == "a folder, not a picture"
    assert reason(tmp_path / "pipe.jpg") == "not a regular file"
    assert reason("zero\0byte.jpg") == "cannot be read"
    monkeypatch.setattr(os, "stat", raising(PermissionError))
    assert reason(tmp_path / "none.jpg") == "no permission to read it"


def test_a_text_under_a_pictures_name_is_called_a_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(ImageError, match=r"notes\.txt: not a picture; it is a text; remove it, or"):
        load_picture(path, 20)


def test_too_little_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "resize", raising(MemoryError))
    assert reason(photo()) == "not enough memory to decode it"


def test_avif_without_its_reader_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {kind: found for kind, found in Image.OPEN.items() if kind != "AVIF"})
    assert reason(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(40)) == "AVIF needs Pillow 11.3"


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_without_its_reader_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, brand: bytes) -> None:
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {kind: found for kind, found in Image.OPEN.items() if kind != "HEIF"})
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"HEIC needs pillow-heif; run `pip install 'transhash\[pictures\]'`"):
        load_picture(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(40), 20)


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


def test_damaged_heic_is_named() -> None:
    data = heic(photo())
    for size in range(20, len(data) - 1, len(data) // 12):
        is_text = data[:size].decode("latin-1").replace("\n", " ").isprintable() and data[:size].isascii()
        assert reason(data[:size]) in ("truncated file", "broken file", *["not a picture"] * is_text)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM"])
def test_a_truncated_file_is_refused_wherever_it_ends(kind: str) -> None:
    data = encoded(photo(), kind)
    for size in range(1, len(data) - 21, max(1, len(data) // 25)):  # what ends behind the pixels may be missing
        is_text = data[:size].decode("latin-1").replace("\n", " ").isprintable() and data[:size].isascii()
        assert reason(data[:size]) in ("truncated file", "broken file", *["not a picture"] * is_text)
    if kind != "WEBP":  # which says no more than that it failed
        assert reason(data[: len(data) // 2]) == "truncated file"


def test_sources_of_another_kind() -> None:
    for array in (
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4), np.float32),
        np.zeros((0, 4), np.uint8),
        np.uint8([1]),
    ):
        assert reason(array) == "not a picture array"
    for source in (None, 0, bytearray(b"\xff\xd8")):
        assert reason(source) == "neither a file nor pixels"
    assert reason(Image.new("RGB", (0, 4))) == "no pixels"


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA", "ICO", "JPEG2000", "JPEG with EXIF"]
)
def test_flipped_bits_give_a_picture_or_an_image_error_and_no_warning(kind: str) -> None:
    data = encoded(photo(48, 48), kind) if kind != "JPEG with EXIF" else turned(6)
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
    load_square(image, 40)[:] = 0
    assert_close(image, photo(), 0)


def test_threads_leave_the_process_as_it_was() -> None:
    """Warning filters above all: saved and restored by several threads, they may end up as silence for good."""
    before, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    data = encoded(photo(), "JPEG")
    with ThreadPoolExecutor(8) as pool:
        squares = list(pool.map(lambda _: load_square(data, 20), range(1500)))
    np.testing.assert_array_equal(squares, [squares[0]] * len(squares))
    assert warnings.filters == before
    assert limit == Image.MAX_IMAGE_PIXELS


def test_importing_the_door_does_not_import_pillow() -> None:
    code = "import sys, transhash.images; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
