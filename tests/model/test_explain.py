"""Occlusion maps: what covering a cell does to the code."""

from __future__ import annotations

import numpy as np

import transhash
from transhash.model.explain import occlusion_of


def picture() -> np.ndarray:
    """Grey, with something in the third row and second column of five."""
    pixels = np.full((140, 140, 3), 128, np.uint8)
    pixels[56:84, 28:56] = np.random.default_rng(1).integers(0, 256, (28, 28, 3), np.uint8)
    return pixels


def test_the_code_depends_on_the_cell_where_something_is() -> None:
    found = occlusion_of(transhash.load(), picture(), cells=5)

    assert found.of_local is not None
    assert found.of_global.shape == found.of_local.shape == (5, 5)
    for cells in (found.of_global, found.of_local):
        assert np.unravel_index(cells.argmax(), cells.shape) == (2, 1)


def test_the_maps_are_what_covering_one_cell_by_hand_does() -> None:
    model, pixels = transhash.load(), picture()
    covered = pixels.copy()
    covered[56:84, 28:56] = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    of_global, of_local = model.parts(np.stack([pixels, covered]))

    found = occlusion_of(model, pixels, cells=5)

    assert found.of_local is not None
    for part, cells in ((of_global, found.of_global), (of_local, found.of_local)):
        moved = np.linalg.norm(part[1] - part[0]) / np.linalg.norm(part[0])
        np.testing.assert_allclose(cells[2, 1], moved, rtol=1e-3)
    assert occlusion_of(model, pixels, cells=3).of_global.shape == (3, 3)
