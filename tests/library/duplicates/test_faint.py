"""Faint places of two pictures in one frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from transhash.library.duplicates.faint import differing

SHAPE, GRID = (192, 256), (12, 16)  # pixels, tiles


def dark(random: np.random.Generator) -> npt.NDArray[np.float32]:
    """A picture whose structure has three grey levels."""
    coarse = Image.fromarray(random.normal(20, 3, (12, 16)).astype(np.float32))
    return np.array(coarse.resize(SHAPE[::-1], Image.Resampling.BICUBIC))


def noisy(picture: npt.NDArray[np.float32], random: np.random.Generator) -> npt.NDArray[np.float32]:
    return (picture + random.normal(0, 2, SHAPE)).astype(np.float32)


def test_what_moves_in_the_dark_is_seen_where_it_was_and_where_it_is() -> None:
    random = np.random.default_rng(0)
    first = dark(random)
    second = first.copy()
    first[80:128, 64:80] += 7
    second[80:128, 96:112] += 7
    found = differing(noisy(first, random), noisy(second, random), np.ones(SHAPE, np.bool_), GRID, 0.6)

    there = np.zeros(GRID, np.bool_)
    there[5:8, 4] = there[5:8, 6] = True
    assert found[there].mean() > 0.8
    assert not found[:4].any()
    assert not found[:, 9:].any()


def test_noise_differs_nowhere() -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        picture = dark(random)
        pictures = noisy(picture, random), noisy(0.8 * picture + 3, random)
        assert not differing(*pictures, np.ones(SHAPE, np.bool_), GRID, 0.6).any()


def test_where_all_tiles_are_strained_faint_places_prove_nothing() -> None:
    """What was sharpened or compressed hard differs everywhere."""
    random = np.random.default_rng(0)
    first = dark(random)
    second = first.copy()
    second[80:128, 96:112] += 7
    assert not differing(first, second, np.ones(SHAPE, np.bool_), GRID, 2.5).any()


def test_what_only_one_picture_has_is_not_compared() -> None:
    random = np.random.default_rng(0)
    first, there = dark(random), np.ones(SHAPE, np.bool_)
    second = first.copy()
    second[80:128, 64:112] += 7 * (np.arange(48) < 24)
    there[64:144, 48:128] = False
    assert not differing(first, second, there, GRID, 0.6).any()
    assert differing(first, second, np.ones(SHAPE, np.bool_), GRID, 0.6).any()
