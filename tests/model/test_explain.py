"""Occlusion maps: what covering a cell does to the code."""

from __future__ import annotations

import numpy as np

import transhash
from transhash.model.explain import occlusion


def picture() -> np.ndarray:
    """Grey, with something in the third row and second column of five."""
    pixels = np.full((70, 70, 3), 128, np.uint8)
    pixels[28:42, 14:28] = np.random.default_rng(1).integers(0, 256, (14, 14, 3), np.uint8)
    return pixels


def test_the_code_depends_on_the_cell_where_something_is() -> None:
    found = occlusion(transhash.load(), picture())

    assert found.of_global.shape == found.of_local.shape == (5, 5)
    for cells in (found.of_global, found.of_local):
        assert np.unravel_index(cells.argmax(), cells.shape) == (2, 1)


def test_the_maps_are_what_covering_one_cell_by_hand_does() -> None:
    model, pixels = transhash.load(), picture()
    covered = pixels.copy()
    covered[28:42, 14:28] = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    before, after = model.values([pixels, covered])

    found = occlusion(model, pixels)

    moved = np.linalg.norm(after[:32] - before[:32]) / np.linalg.norm(before[:32])
    np.testing.assert_allclose(found.of_global[2, 1], moved, rtol=1e-3)
    moved = np.linalg.norm(after[32:] - before[32:]) / np.linalg.norm(before[32:])
    np.testing.assert_allclose(found.of_local[2, 1], moved, rtol=1e-3)
    assert occlusion(model, pixels, cells=3).of_global.shape == (3, 3)
