"""Two pictures are made equally sharp before their tiles are compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFilter

from transhash.library.duplicates.tiles import sharpened, sharpness

Floats = npt.NDArray[np.float32]
WHOLE = np.ones((240, 320), np.bool_)


def scene() -> Image.Image:
    """Detail of every size, as photographs have it."""
    random = np.random.default_rng(4)
    page = np.zeros((240, 320))
    for cells in (3, 6, 12, 24, 48, 96):
        noise = Image.fromarray(random.normal(0, 60 / cells**0.4, (cells * 3 // 4, cells)))
        page += np.asarray(noise.resize((320, 240), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(128 + page, 0, 255).astype(np.uint8))


def grey(image: Image.Image) -> Floats:
    return np.asarray(image, np.float32)


def apart(one: Floats, other: Floats) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))


@pytest.mark.parametrize("change", [ImageFilter.UnsharpMask(4, 120), ImageFilter.GaussianBlur(2)], ids=["more", "less"])
@pytest.mark.parametrize("is_first", [False, True])
def test_what_was_sharpened_or_blurred_is_met(change: ImageFilter.MultibandFilter, is_first: bool) -> None:
    one, other = grey(scene()), grey(scene().filter(change))
    met = sharpness(other, one, WHOLE) if is_first else sharpness(one, other, WHOLE)
    assert apart(*met) < 0.4 * apart(one, other)


@pytest.mark.parametrize("is_first", [False, True])
def test_what_sharpening_cut_off_is_cut_off_of_the_other_picture(is_first: bool) -> None:
    harsh = scene().point([min(255, max(0, round(128 + 1.6 * (level - 128)))) for level in range(256)])
    one, other = grey(harsh), grey(harsh.filter(ImageFilter.UnsharpMask(5, 150)))
    pair = (other, one) if is_first else (one, other)
    met = sharpened(*pair, WHOLE)
    assert met is not None
    assert apart(*met) < 0.75 * apart(*sharpness(*pair, WHOLE))


def test_letters_over_a_picture_change_nothing_beside_them() -> None:
    image = scene()
    draw = ImageDraw.Draw(image)
    for top in (4, 196):
        draw.text((4, top), "SUMMER SALE TODAY", fill=255, font_size=36, stroke_width=3, stroke_fill=0)
    one, other = grey(scene()), grey(image)
    beside = one == other
    met = sharpness(one, other, WHOLE)
    assert beside.mean() < 0.9
    assert apart(met[0][beside], met[1][beside]) < 0.5
