"""Codes are fitted to the pictures that search can find: those that are gone do not count."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fittable_model import FittableModel
from kinds import draw
from layered import stale
from transhash import Library
from transhash.library.fitting import LEAST
from transhash.model.fitted import Head, fit_head


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        yield library


def head(library: Library) -> Head:
    layers = library.catalogue.embeddings.layers(library.bits)
    assert layers
    return layers.head


def test_codes_are_fitted_to_the_pictures_that_are_there(library: Library, tmp_path: Path) -> None:
    old = draw(tmp_path / "pictures", LEAST - 1)
    library.index(tmp_path / "pictures")
    for path in old:
        path.unlink()
    new = draw(tmp_path / "pictures", LEAST, seed=2)
    report = library.index(tmp_path / "pictures")
    assert (report.removed, report.fitted, library.fitted_to, library.info().fitted_to) == (LEAST - 1, *[LEAST] * 3)
    kept = np.array([each.embedding for batch in FittableModel().stream(sorted(new)) for each in batch])
    np.testing.assert_array_equal(head(library).weights, fit_head(kept, 64).weights)
    assert stale(library) == 0  # also those that may come back


@pytest.mark.parametrize("at_once", [False, True])
def test_codes_are_fitted_again_when_a_library_is_filled_with_others(
    library: Library, tmp_path: Path, at_once: bool
) -> None:
    first = draw(tmp_path / "pictures", LEAST + 20)
    assert library.index(tmp_path / "pictures").fitted == LEAST + 20
    for path in first:
        path.unlink()
    if not at_once:
        (tmp_path / "pictures" / "emptied").touch()  # by the user, and no drive that is away
        assert library.index(tmp_path / "pictures", prune=True).pruned == LEAST + 20
        assert library.fitted_to == 1
    draw(tmp_path / "pictures", LEAST, seed=4)
    assert library.index(tmp_path / "pictures").fitted == LEAST
    assert library.fitted_to == LEAST


def test_pictures_that_come_back_change_no_code(library: Library, tmp_path: Path) -> None:
    draw(tmp_path / "pictures", LEAST)
    library.index(tmp_path / "pictures")
    before = library.fingerprint
    (tmp_path / "pictures").rename(tmp_path / "away")
    (tmp_path / "pictures" / "others").mkdir(parents=True)
    assert library.index(tmp_path / "pictures").removed == LEAST
    shutil.rmtree(tmp_path / "pictures")
    (tmp_path / "away").rename(tmp_path / "pictures")
    assert library.index(tmp_path / "pictures").added == LEAST
    assert (library.fitted_to, library.fingerprint) == (LEAST, before)


def test_added_pictures_are_fitted_to_when_that_is_due(library: Library, tmp_path: Path) -> None:
    pictures = draw(tmp_path / "pictures", LEAST)
    library.add(pictures[1:])
    assert library.fitted_to == 0
    ids = library.add(pictures[:2])
    assert library.fitted_to == LEAST
    library.remove([hit.picture.id for hit in library.search(pictures[0], k=LEAST) if hit.picture.id not in ids])
    library.add(draw(tmp_path / "others", 1, seed=3))
    assert library.fitted_to == 2  # that are left of those that codes were fitted to
