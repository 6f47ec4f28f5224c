"""Two pictures are brought into one light before their tiles are compared, and one tint before their colours are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from transhash.library.duplicates.confirmation import Finding, confirm, confirm_larger
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.light import equalised
from transhash.library.duplicates.sketches import sketch

Floats = npt.NDArray[np.float32]
EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "pictures").rglob("*.jpg"))
WHOLE = np.ones((240, 320), np.bool_)


def on_white() -> Image.Image:
    """A photograph that is a small part of a white page."""
    page = Image.new("RGB", (320, 240), "white")
    page.paste(Image.open(EXAMPLES[3]).convert("RGB").resize((130, 100)), (90, 70))
    return page


def harsh(image: Image.Image) -> Image.Image:
    image = ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(1.3)).enhance(1.25)
    return image.point([round(255 * (level / 255) ** 1.3) for level in range(256)] * 3)


def grey(image: Image.Image) -> Floats:
    return np.asarray(image.convert("L"), np.float32)


def found(one: Image.Image, other: Image.Image) -> Finding:
    return confirm(sketch(one), sketch(other))


def test_the_light_of_what_lies_on_white_is_met_although_the_white_stays_as_it_is() -> None:
    one, other = grey(on_white()), grey(harsh(on_white()))
    seen = (one < 250) & (other < 250)  # the rest is white in both, or was made so
    before = np.abs(other - one)[seen].mean()
    assert before > 12
    assert np.abs(equalised(one, other, WHOLE) - one)[seen].mean() < 0.3 * before


def test_a_spot_of_one_grey_does_not_change_the_light_of_the_rest() -> None:
    spotted = on_white()
    ImageDraw.Draw(spotted).ellipse((120, 90, 180, 150), fill=(128, 128, 128))
    one, other = grey(on_white()), grey(spotted)
    beside = one == other
    assert np.abs(equalised(one, other, WHOLE) - one)[beside].mean() < 1.0


@pytest.mark.parametrize("is_first", [False, True])
def test_a_picture_on_white_in_harsh_light_is_a_copy(is_first: bool) -> None:
    pair = (harsh(on_white()), on_white()) if is_first else (on_white(), harsh(on_white()))
    assert found(*pair).kind is Kind.COPY


def towel(colour: tuple[int, int, int]) -> Image.Image:
    """A striped thing of one colour on white."""
    page = np.full((240, 320, 3), 255.0)
    rows, columns = np.mgrid[0:180, 0:220]
    weave = 0.8 + 0.12 * np.sin(rows / 4.0 + np.sin(columns / 9.0)) + 0.08 * np.sin(columns / 6.0)
    page[30:210, 50:270] = weave[..., None] * np.array(colour)
    return Image.fromarray(page.astype(np.uint8))


@pytest.mark.parametrize(
    "colours", [((200, 60, 50), (70, 140, 60)), ((230, 150, 170), (165, 195, 140)), ((235, 190, 60), (236, 222, 190))]
)
def test_a_plain_thing_in_another_colour_is_no_copy(colours: tuple[tuple[int, int, int], tuple[int, int, int]]) -> None:
    finding = found(towel(colours[0]), towel(colours[1]))
    assert finding.kind is Kind.EDIT
    assert "other colours" in finding.evidence.words


@pytest.mark.parametrize("is_first", [False, True])
def test_a_larger_look_tells_other_colours(is_first: bool) -> None:
    """As of violet trousers and grey ones, which were alike when they were small."""
    pair = [towel(colour).resize((1024, 768)) for colour in ((140, 140, 210), (150, 150, 150))]
    small = sketch(pair[0])
    larger = (sketch(each, side=1024) for each in (pair[::-1] if is_first else pair))
    finding = confirm_larger(confirm(small, small), small, small, *larger)
    assert finding.kind is Kind.EDIT
    assert "other colours" in finding.evidence.words


@pytest.mark.parametrize("is_first", [False, True])
def test_a_light_thing_is_no_copy_of_a_dark_one_with_a_pattern(is_first: bool) -> None:
    """A light in which both are alike would leave nothing of the pattern."""
    pages = [np.full((240, 320, 3), 255.0) for _ in range(2)]
    rows, columns = np.mgrid[0:190, 0:250]
    pages[0][26:216, 34:284] = (60 + 26 * np.sin(rows / 5.0) * np.cos(columns / 7.0))[..., None]
    pages[1][26:216, 34:284] = (236 + 4 * np.sin(columns / 60.0))[..., None]
    dark, light = (Image.fromarray(page.astype(np.uint8)) for page in pages)
    assert found(*((light, dark) if is_first else (dark, light))).kind is None


def test_a_thing_that_is_nearly_grey_in_another_hue_is_no_copy() -> None:
    pixels = np.asarray(on_white().convert("YCbCr"), np.float32)
    chroma = pixels[..., 1:] - 128
    pixels[..., 1:] = 128 + 0.35 * chroma
    beige = Image.fromarray(np.rint(pixels).astype(np.uint8), "YCbCr").convert("RGB")
    pixels[..., 1:] = 128 - 0.35 * chroma
    bluish = Image.fromarray(np.rint(pixels).astype(np.uint8), "YCbCr").convert("RGB")
    finding = found(beige, bluish)
    assert finding.kind is Kind.EDIT
    assert "other colours" in finding.evidence.words


def test_colours_that_harsh_light_cuts_off_in_one_channel_are_the_same_colours() -> None:
    rows, columns = np.mgrid[0:240, 0:320]
    waves = 18 * np.sin(rows / 9.0) * np.cos(columns / 13.0)
    strip = (columns // 64)[..., None]
    colours = np.array([(230, 120, 60), (70, 140, 235), (90, 200, 80), (200, 200, 205), (60, 60, 70)], np.float32)
    scene = Image.fromarray(np.clip(colours[strip[..., 0]] + waves[..., None], 0, 255).astype(np.uint8))
    bright = ImageEnhance.Contrast(ImageEnhance.Brightness(scene).enhance(1.3)).enhance(1.25)
    assert np.asarray(bright).max() == 255
    assert found(scene, bright).kind is Kind.COPY


@pytest.mark.parametrize("gains", [(1.2, 0.85, 1.1), (0.85, 1.15, 0.8), (1.2, 1.05, 0.8)])
def test_a_tinted_thing_on_a_tinted_ground_is_a_copy(gains: tuple[float, float, float]) -> None:
    pixels = np.asarray(towel((200, 60, 50)), np.float32) * np.array(gains, np.float32)
    tinted = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    assert found(towel((200, 60, 50)), tinted).kind is Kind.COPY
