"""Hash layers are fitted while others write: nobody waits for that, and what they have written is fitted, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fittable_model import FittableModel
from kinds import KINDS, draw
from layered import stale
from transhash import Library
from transhash.errors import LibraryError
from transhash.library.catalogue import recoding
from transhash.model.fitted import fit_head

COUNT = 70  # pictures, a few more than a code has bits


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setattr("transhash.library.catalogue.database.LOCK_SECONDS", 0.05)
    drawn = draw(tmp_path / "pictures", COUNT)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        library.annotate({path: {"kind": number % KINDS} for number, path in enumerate(drawn)})
        yield library


def meanwhile(monkeypatch: pytest.MonkeyPatch, library: Library, *then: Callable[[Library], object]) -> list[int]:
    """What another process does each time that hash layers are fitted, in turn; returns how often that is."""
    waiting, times = list(then), [0]

    def fit(*given: object, **named: object) -> object:
        times[0] += 1
        if waiting:
            with Library.open(library.path, FittableModel()) as other:  # type: ignore[arg-type]
                waiting.pop(0)(other)
        return fit_head(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(recoding, "fit_head", fit)
    return times


def index(other: Library) -> None:
    """Index some pictures more."""
    draw(other.path.parent / "pictures", 5, seed=int(other.catalogue.revision().number))
    assert other.index(other.path.parent / "pictures").added == 5


def is_whole(library: Library) -> bool:
    with Library.open(library.path, FittableModel()) as other:  # type: ignore[arg-type]
        return stale(library) == 0 and other.fitted_to >= COUNT and other.verify(deep=True).problems == []


def test_nobody_waits_while_layers_are_fitted(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    times = meanwhile(monkeypatch, library, lambda other: other.annotate({"nothing.png": {"label": "x"}}))
    assert library.fit() == COUNT
    assert times == [1]
    assert is_whole(library)


def test_pictures_that_come_meanwhile_have_codes_of_the_new_layers(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, library, index)
    library.fit()
    assert len(library) == COUNT + 5
    assert is_whole(library)


@pytest.mark.parametrize("left", [COUNT, COUNT - 1])
def test_a_picture_that_is_another_one_meanwhile_has_its_own_code(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    changes = recoding.changes

    def late(*given: object) -> recoding.Changes:
        found = changes(*given)  # type: ignore[arg-type]
        (other,) = draw(tmp_path / "more", 1, seed=9)
        other.replace(tmp_path / "pictures" / "0-0003.png")
        if left < COUNT:
            (tmp_path / "pictures" / "0-0003.png").write_bytes(b"a fault")
        with Library.open(library.path, FittableModel()) as another:  # type: ignore[arg-type]
            another.index(tmp_path / "pictures")
        return found

    monkeypatch.setattr(recoding, "changes", late)
    library.fit()
    assert len(library) == left
    assert is_whole(library)


def test_pictures_without_embeddings_that_come_meanwhile_end_it(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(other: Library) -> None:
        with other.catalogue.writing():
            other.catalogue.database.execute("DELETE FROM embedding WHERE picture = 3")

    meanwhile(monkeypatch, library, lose)
    before = library.fingerprint
    with pytest.raises(LibraryError, match="1 pictures have no embedding to fit codes to"):
        library.fit()
    assert library.catalogue.facts().fingerprint == before


def test_layers_that_another_process_fits_meanwhile_are_fitted_again(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(other: Library) -> None:
        index(other)
        other.fit()

    times = meanwhile(monkeypatch, library, fit)
    assert library.fit() == COUNT + 5
    assert times == [3]
    assert is_whole(library)
    meanwhile(monkeypatch, library, *([fit, lambda _: None] * 3))
    with pytest.raises(LibraryError, match="fitted again and again by others; try again"):
        library.fit()
    assert is_whole(library)


def test_probabilities_are_of_the_codes_that_there_are(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.fit()
    library.calibrate("kind")
    for then in (lambda _: None, index):
        meanwhile(monkeypatch, library, then)
        library.fit()
        assert library.info().calibrated_by == "kind"


def test_layers_of_a_file_are_taken_while_others_write(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "others", 90, seed=5)
    with Library.create(tmp_path / "other", FittableModel()) as other:  # type: ignore[arg-type]
        other.index(tmp_path / "others")
        other.fit()
        other.export(tmp_path / "all.parquet")
    changes = recoding.changes

    def late(*given: object) -> recoding.Changes:
        monkeypatch.undo()
        found = changes(*given)  # type: ignore[arg-type]
        with Library.open(library.path, FittableModel()) as another:  # type: ignore[arg-type]
            index(another)
        return found

    monkeypatch.setattr(recoding, "changes", late)
    Library.import_(tmp_path / "all.parquet", library.path, FittableModel())[0].close()  # type: ignore[arg-type]
    assert len(library) == COUNT + 5 + 90
    assert is_whole(library)
    assert np.array_equal(library.codes().ids, library.passing())
