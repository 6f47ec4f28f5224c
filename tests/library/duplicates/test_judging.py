"""Which tiles of two pictures in one frame disagree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from grouped import photograph
from transhash.library.duplicates.confirmation import confirm
from transhash.library.duplicates.sketches import sketch


def screenshot(image: Image.Image) -> Image.Image:
    page = Image.new("RGB", (image.width, 2 * image.height), "black")
    page.paste(image, (0, image.height // 2))
    ImageDraw.Draw(page).text((10, 5), "12:41", "white", font_size=14)
    return page


@pytest.mark.parametrize(
    ("change", "share"), [(screenshot, 0.5), (lambda image: ImageOps.expand(image, 20, "white"), 0.76)]
)
def test_what_a_border_takes_of_a_picture_is_known(change: Callable[[Image.Image], Image.Image], share: float) -> None:
    image = photograph()
    evidence = confirm(sketch(image), sketch(change(image))).evidence
    assert evidence.content == (1.0, pytest.approx(share, abs=0.03))
    assert confirm(sketch(change(image)), sketch(image)).evidence.content == (pytest.approx(share, abs=0.03), 1.0)


def test_the_ground_on_which_things_stand_is_no_border() -> None:
    whole = Image.new("RGB", (320, 240), "white")
    whole.paste(photograph().resize((200, 120)), (60, 60))
    evidence = confirm(sketch(whole), sketch(whole.crop((20, 20, 300, 220)))).evidence
    assert evidence.content == (1.0, 1.0)


def test_a_cast_is_not_what_grey_has_lost() -> None:
    grey = photograph().convert("L").convert("RGB")
    tinted = Image.fromarray((np.asarray(grey) * (1.0, 0.94, 0.85)).astype(np.uint8))
    evidence = confirm(sketch(grey), sketch(tinted)).evidence
    assert evidence.greyed is None
    assert "without colour" not in evidence.words
    assert confirm(sketch(grey), sketch(photograph())).evidence.greyed == 0
