"""Pictures made smaller and softer, as Pillow makes them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from transhash.library.duplicates.features import halved, softened


@pytest.mark.parametrize("shape", [(192, 256), (256, 171), (9, 40), (40, 3)])
@pytest.mark.parametrize("factor", [1.0, 2**0.5, 2, 3.7, 16])
def test_smaller_and_softer_pictures_are_those_of_pillow(shape: tuple[int, int], factor: float) -> None:
    grey = (np.random.default_rng(4).random(shape) * 255).astype(np.float32)
    height, width = (max(1, round(side / factor)) for side in shape)
    small = Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR)
    soft = small.resize(shape[::-1], Image.Resampling.BICUBIC)

    np.testing.assert_allclose(halved(grey, factor), np.asarray(small), atol=1e-3)
    np.testing.assert_allclose(softened(grey, factor), np.asarray(soft), atol=1e-3)
