"""Colours with a profile of their own are shown as they are meant."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import icc
from image_files import encoded, photo
from transhash.cli.sheet import GAP, TILE, Sheet
from transhash.images import open_image, open_shown
from transhash.library.duplicates.reading import same_pixels
from transhash.library.files.thumbnails import Thumbnails, full_size


class Known:
    digest = "ab" * 16

    def __init__(self, path: Path) -> None:
        self.path = path


COLOURS = [(200, 60, 40), (30, 160, 70), (40, 50, 190), (128, 128, 128), (220, 210, 60), (255, 255, 255), (0, 0, 0)]


def picture(colour: tuple[int, int, int], **settings: object) -> bytes:
    return encoded(Image.new("RGB", (32, 32), colour), "PNG", **settings)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_is_shown_as_its_profile_means_it(colour: tuple[int, int, int]) -> None:
    shown = np.asarray(open_shown(picture(colour, icc_profile=icc.profile())))
    assert np.abs(shown.astype(int) - icc.in_srgb(np.array(colour, np.uint8))).max() <= 2


@pytest.mark.parametrize("name", ["Linear sRGB", "GIMP built-in Linear sRGB"])
def test_what_is_called_srgb_and_is_linear_is_shown_as_bright_as_it_is(name: str) -> None:
    for colour in COLOURS:
        shown = np.asarray(open_shown(picture(colour, icc_profile=icc.profile(name=name, gamma=1.0))))
        assert np.abs(shown.astype(int) - icc.in_srgb(np.array(colour, np.uint8), gamma=1.0)).max() <= 2


def test_every_road_to_a_persons_eyes(tmp_path: Path) -> None:
    path = tmp_path / "iphone.jpg"
    image = Image.new("RGB", (2400, 1600), COLOURS[0])  # which comes smaller from its decoder
    path.write_bytes(encoded(image, "JPEG", quality=95, icc_profile=icc.profile()))
    meant = icc.in_srgb(np.array(COLOURS[0], np.uint8)).astype(int)
    sheet = Sheet()
    sheet.add("iphone.jpg", path, [])
    drawn = sheet.draw()
    assert np.abs(np.array(drawn.getpixel((GAP + TILE // 2, GAP + TILE // 2))) - meant).max() <= 4
    for shown in (Thumbnails(tmp_path).get(Known(path)), full_size(Known(path))):
        seen = Image.open(io.BytesIO(shown.content))
        assert "icc_profile" not in seen.info
        assert np.abs(np.asarray(seen).astype(int) - meant).max() <= 4


@pytest.mark.parametrize(
    "profile",
    [b"", b"no profile", icc.profile()[:300], icc.profile(name="sRGB IEC61966-2.1"), icc.profile(space=b"GRAY")],
    ids=["empty", "damaged", "cut", "sRGB", "grey"],
)
def test_without_a_profile_that_says_more_nothing_changes(profile: bytes) -> None:
    data = encoded(photo(), "PNG", icc_profile=profile)
    assert open_shown(data).tobytes() == open_image(data).tobytes()


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA"])
def test_a_profile_that_does_not_fit_the_pixels_is_left_aside(mode: str) -> None:
    image = photo().convert(mode)
    data = encoded(image, "TIFF" if mode == "CMYK" else "PNG", icc_profile=icc.profile())
    assert open_shown(data).tobytes() == open_image(data).tobytes()


def test_equal_numbers_that_mean_other_colours_are_other_pixels(tmp_path: Path) -> None:
    kinds = {"p3": icc.profile(), "p3-again": icc.profile(), "none": b"", "named": icc.profile(name="sRGB")}
    for name, profile in kinds.items():
        (tmp_path / f"{name}.png").write_bytes(encoded(photo(), "PNG", icc_profile=profile))
    assert same_pixels(tmp_path / "p3.png", tmp_path / "p3-again.png")
    assert same_pixels(tmp_path / "none.png", tmp_path / "named.png")
    assert not same_pixels(tmp_path / "p3.png", tmp_path / "none.png")
