"""Codes are those of the library's present hash layers, whoever writes them and whatever model they were made with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fittable_model import FittableModel
from kinds import draw
from layered import stale
from transhash import Library
from transhash.errors import LibraryError
from transhash.library import watch
from transhash.library.catalogue.records import Coded, File, Origin
from transhash.library.files.adding import Prepared, put
from transhash.library.files.indexing import coded, origin_of
from transhash.library.fitting import LEAST

COUNT = 70  # pictures, a few more than a code has bits


class Interrupted(FittableModel):
    """A model that does something else before it encodes a picture of a name."""

    def __init__(self, name: str, then: Callable[[], object]) -> None:
        super().__init__()
        self.waits_for, self.then = name, then

    def fitted(self, head: Any) -> Interrupted:
        other = Interrupted(self.waits_for, self.then)
        other.fingerprint, other.head = head.fingerprint(FittableModel().fingerprint), head
        return other

    def one(self, item: Any, source: Any, max_pixels: int | None) -> Any:
        if Path(str(source)).name == self.waits_for:
            self.then()
        return super().one(item, source, max_pixels)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Library]:
    """A program that holds a fitted library open."""
    draw(tmp_path / "pictures", COUNT)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        library.fit()
        library.search(tmp_path / "pictures" / "0-0000.png")
        yield library


def fit_elsewhere(library: Library, seed: int = 7) -> None:
    """Another process adds pictures and fits the codes to all."""
    folder = library.path.parent / "pictures"
    draw(folder, 20, seed=seed)
    before = library.catalogue.facts().fingerprint
    with Library.open(library.path, FittableModel()) as other:  # type: ignore[arg-type]
        other.index(folder)
        other.fit()
        assert other.fingerprint != before


def test_index_after_another_process_has_fitted(app: Library, tmp_path: Path) -> None:
    fit_elsewhere(app)
    draw(tmp_path / "more", 5, seed=9)
    assert app.index(tmp_path / "more").added == 5
    assert stale(app) == 0


def test_add_after_another_process_has_fitted(app: Library, tmp_path: Path) -> None:
    fit_elsewhere(app)
    (new,) = draw(tmp_path / "more", 1, seed=9)
    (id_,) = app.add([new])
    assert stale(app) == 0
    assert [(hit.picture.id, hit.distance) for hit in app.search(new, k=1)] == [(id_, 0)]


def test_index_during_which_another_process_fits(app: Library, tmp_path: Path) -> None:
    draw(tmp_path / "more", 6, seed=9)
    (tmp_path / "more" / "1.png").write_bytes((tmp_path / "pictures" / "0-0003.png").read_bytes())  # has a code already
    model = Interrupted("9-0002.png", lambda: fit_elsewhere(app))
    with Library.open(app.path, model) as library:  # type: ignore[arg-type]
        assert library.index(tmp_path / "more").added == 7
        assert stale(library) == 0


def test_a_picture_that_was_encoded_before_another_process_fitted(app: Library, tmp_path: Path) -> None:
    """As a server does, which encodes before it has its turn to write."""
    (new,) = draw(tmp_path / "more", 1, seed=9)
    model = app.model
    ((encoded,),) = model.stream([new])  # type: ignore[attr-defined]
    fit_elsewhere(app)
    put(app.catalogue, app.places, [Prepared(new.read_bytes(), ".png", coded(encoded, origin_of(model)))])
    assert stale(app) == 0


def test_verify_of_a_library_that_another_process_fitted_finds_nothing(app: Library, tmp_path: Path) -> None:
    fit_elsewhere(app)
    result = app.verify(deep=True)
    assert (result.problems, result.mended, result.encoded) == ([], [], COUNT + 20)


def test_a_fit_of_another_process_is_not_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    draw(folder, LEAST)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        assert library.index(folder).fitted == LEAST
        reports = watch(library, folder, wait=lambda _: None)
        draw(folder, LEAST, seed=2)
        with Library.open(library.path, FittableModel()) as other:  # type: ignore[arg-type]
            assert other.index(folder).fitted == 2 * LEAST
        draw(folder, 1, seed=3)
        report = next(reports)
        assert (report.added, report.fitted) == (1, 0)


def vectors(count: int, seed: int) -> np.ndarray:
    kinds = np.random.default_rng(0).standard_normal((12, 16))
    noise = np.random.default_rng(seed).standard_normal((count, 16)) * 0.5
    return (kinds[np.arange(count) % 12] + noise).astype(np.float32)


def test_vectors_after_another_process_has_fitted(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", vectors=vectors(400, 1)) as library:
        with Library.open(library.path) as other:
            other.vectors.add(vectors(500, 2), [f"b{i}" for i in range(500)])
            assert other.fitted_to == 900
        new = vectors(30, 3)
        library.vectors.add(new, [f"a{i}" for i in range(30)])
        assert stale(library) == 0
        assert [hits[0].picture.stored_path for hits in library.search(list(new), k=1)] == [f"a{i}" for i in range(30)]


@pytest.mark.parametrize("base", ["the same", "another"])
def test_a_code_that_cannot_be_made_again_is_refused_and_nothing_is_written(app: Library, base: str) -> None:
    model = FittableModel().fingerprint
    origin = Origin(model if base == "the same" else "0" * 64, model)
    kept = None if base == "the same" else bytes(64)
    picture = Coded(8, 8, bytes(8), None, None, embedding=kept, origin=origin)
    before = app.catalogue.revision()
    with pytest.raises(LibraryError, match="codes are of other hash layers"), app.catalogue.writing():
        app.catalogue.pictures.put(File(b"", b"new.png", 1, 1, bytes(16)), picture)
    assert app.catalogue.revision() == before


def test_layers_of_another_fingerprint_are_damage(app: Library) -> None:
    app.catalogue.database.execute("UPDATE library SET fingerprint = ?", ("1" * 64,))
    with pytest.raises(LibraryError, match="the catalogue is damaged"):
        app.search(app.path.parent / "pictures" / "0-0000.png")
