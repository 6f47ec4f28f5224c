"""Which tiles of two pictures in one frame disagree."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.library.duplicates.judging import judge, recoloured
from transhash.library.duplicates.overlay import Laid


@pytest.mark.parametrize(("grey", "red", "is_other"), [(190, 50, False), (128, 50, True), (60, -50, False)])
def test_colours_that_light_cut_off_are_no_other_colours(grey: int, red: int, is_other: bool) -> None:
    """A channel that is as bright or as dark as can be says nothing, where one light for both leaves no difference."""
    picture = grey + np.random.default_rng(0).normal(0, 8, (96, 96)).astype(np.float32)
    there, plain = np.ones((96, 96), np.bool_), np.zeros((2, 96, 96), np.float32)
    tinted = np.stack((plain[0], np.full((96, 96), red, np.float32)))
    laid = Laid(picture, picture, there, plain, tinted, lambda: (plain, plain), (picture, picture))

    assert recoloured(laid, judge(laid).tiles) is is_other
