"""Gauss and Newton's method finds how one picture lies on another, from every pixel or from some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transhash.library.duplicates.fitting import fitted
from transhash.library.duplicates.registration import apart, laid

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "pictures").rglob("*.jpg"))
STAY = np.array([1.0, 0, 0, 1, 0, 0])
MOVED = np.array([1.01, 0.02, -0.015, 0.99, 2.3, -1.6])
NEARER = np.array([1.01, 0.02, -0.015, 0.99, 0.3, 0.4])
RIGHT, UP = np.array([1.0, 0, 0, 1, 500, 0]), np.array([1.0, 0, 0, 1, 0, -500])


def picture() -> np.ndarray:
    return np.asarray(Image.open(EXAMPLES[3]).convert("L").resize((160, 120)), np.float32)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("start", [STAY, NEARER])
def test_a_movement_is_found_whatever_the_light(stride: int, start: np.ndarray) -> None:
    other = picture()
    seen, there = laid(np.empty((120, 160), np.float32), other, MOVED)
    reference = np.where(there, 0.8 * seen + 20, np.float32(np.nan)).astype(np.float32)
    found = fitted(reference, other, start, stride, 12, 3.0)
    assert apart(found, MOVED, reference.shape) < 0.1
    assert apart(start, MOVED, reference.shape) > 2


def test_what_was_laid_over_a_corner_counts_little() -> None:
    other = picture()
    reference, there = laid(np.empty((120, 160), np.float32), other, MOVED)
    reference[~there] = np.nan
    reference[80:, 110:] = 255
    found = fitted(reference, other, STAY, 1, 12, 3.0)
    assert apart(found, MOVED, reference.shape) < 0.1


@pytest.mark.parametrize("start", [STAY, RIGHT, UP, STAY * 1e-12])
@pytest.mark.parametrize("shape", [(3, 40), (40, 2), (1, 1)])
def test_pictures_that_do_not_meet_are_left_where_they_are(shape: tuple[int, int], start: np.ndarray) -> None:
    other = np.ones(shape, np.float32)
    np.testing.assert_allclose(fitted(picture(), other, start, 1, 5, 3.0), start, atol=1e-9)
