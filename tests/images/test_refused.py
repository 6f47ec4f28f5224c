"""What is no picture, or a damaged one, is refused with its reason."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_files import encoded, photo, reason, turned
from transhash.errors import ImageError
from transhash.images import described, load_picture


def raising(error: type[Exception]) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


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


def test_what_a_file_says_of_itself_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    writing = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    os.write(writing, turned(6))
    for path, expected in (
        (pipe, "not a regular file"),
        (tmp_path, "a folder, not a picture"),
        (tmp_path / "none.jpg", "no such file"),
    ):
        with pytest.raises(ImageError) as caught, described(path):
            pass
        assert caught.value.reason == expected
    os.close(writing)


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
