"""Things in other colours are told from copies that were tinted, compressed or put in other light."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance

from transhash.library.duplicates.confirmation import confirm
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.light import Coloured
from transhash.library.duplicates.overlay import Laid
from transhash.library.duplicates.recolouring import recoloured
from transhash.library.duplicates.sketches import sketch
from transhash.library.duplicates.tiles import tiled

Colour = tuple[int, int, int]


def thing(body: Colour, band: Colour, wide: int = 12) -> Image.Image:
    """Something woven of one colour on white, with a band of another one across."""
    rows, columns = np.mgrid[0:240, 0:320]
    shade = 0.78 + 0.12 * np.sin(rows / 3.0) * np.cos(columns / 4.0) + 0.1 * np.sin(rows / 31.0 + columns / 47.0)
    inside = np.hypot((rows - 120) / 100, (columns - 160) / 140) < 1
    colours = np.where((np.abs(rows - 150) < wide / 2)[..., None], band, body)
    pixels = np.where(inside[..., None], shade[..., None] * colours, 255)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def kinds(one: Image.Image, other: Image.Image) -> set[Kind | None]:
    """What two pictures are, in both orders."""
    first, second = sketch(one), sketch(other)
    return {confirm(first, second).kind, confirm(second, first).kind}


@pytest.mark.parametrize(
    ("body", "other"),
    [
        ((110, 150, 215), (160, 163, 168)),  # a blue ball and a grey one
        ((238, 226, 90), (222, 205, 172)),  # a yellow cushion and a beige one
        ((196, 200, 204), (214, 200, 176)),  # panels of silver and of cream
    ],
)
def test_a_thing_in_another_colour_is_no_copy(body: Colour, other: Colour) -> None:
    assert kinds(thing(body, body), thing(other, other)) == {Kind.EDIT}


@pytest.mark.parametrize("wide", [4, 6, 8, 30])
@pytest.mark.parametrize("band", [(60, 90, 190), (120, 120, 125), (70, 150, 70)])
def test_a_thing_with_a_band_in_another_colour_is_no_copy(band: Colour, wide: int) -> None:
    assert kinds(thing((70, 72, 78), (200, 50, 45), wide), thing((70, 72, 78), band, wide)) == {Kind.EDIT}


def tinted(image: Image.Image, gains: tuple[float, float, float]) -> Image.Image:
    pixels: npt.NDArray[np.float32] = np.asarray(image, np.float32) * np.array(gains, np.float32)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue())).convert("RGB")


BODIES = [((120, 130, 150), (150, 140, 120)), ((200, 60, 50), (60, 90, 190)), ((190, 180, 170), (90, 60, 40))]


@pytest.mark.parametrize(("body", "band"), BODIES)
def test_tints_and_stronger_colours_make_copies(body: Colour, band: Colour) -> None:
    image = thing(body, band, 40)
    for gains in ((1.06, 1.0, 0.95), (0.94, 1.05, 1.0), (1.12, 1.0, 0.88), (1.15, 0.9, 1.1)):
        assert kinds(image, compressed(tinted(image, gains), 90)) == {Kind.COPY}, gains
    for strength in (0.7, 1.4):
        assert kinds(image, ImageEnhance.Color(image).enhance(strength)) == {Kind.COPY}, strength


@pytest.mark.parametrize(("body", "band"), BODIES)
def test_light_and_compression_make_copies(body: Colour, band: Colour) -> None:
    image = thing(body, band, 40)
    for light in (0.75, 1.35):
        other = ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(light)).enhance(1.2)
        assert kinds(image, compressed(other, 85)) == {Kind.COPY}, light
    assert kinds(image, compressed(image, 20)) == {Kind.COPY}


def test_pictures_that_have_hardly_anything_in_common_are_told_nothing() -> None:
    pixels = sketch(thing((110, 150, 215), (110, 150, 215)).resize((64, 48)))
    raw = Coloured(pixels.grey, pixels.colours)
    for size in (0, 5):
        there = np.zeros(raw.grey.shape, np.bool_)
        there[20 : 20 + size, 20 : 20 + size] = True
        laid = Laid(raw.grey, raw.grey, there, (raw, raw), (raw.grey, raw.grey))
        assert not recoloured(laid, tiled(raw.grey, raw.grey, there, laid.colours, 8))


@pytest.mark.parametrize("side", [240, 280, 300])
def test_hard_edges_between_strong_colours_lie_a_little_off_in_a_copy(side: int) -> None:
    blocks = np.random.default_rng(3).integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(blocks).resize((320, 320), Image.Resampling.NEAREST)
    assert kinds(image, compressed(image.resize((side, side)), 92)) == {Kind.COPY}
