"""Codes fitted to a library's own pictures, and hits ordered by embeddings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from fake_model import FakeModel
from fittable_model import FittableModel
from kinds import LIKENESS, draw
from transhash import Library
from transhash.errors import LibraryError, UncalibratedError
from transhash.library import Queries
from transhash.library.fitting import LEAST
from transhash.model.fitted import Head, cosines, embedding


class Bytes:
    """An encoder of somebody else's, of codes alone."""

    name, bits, fingerprint = "bytes", 8, "0" * 64

    def encode(self, items: Iterable[Image.Image]) -> np.ndarray:
        return np.array([np.asarray(item.resize((1, 1)))[0, 0, :1] for item in items], np.uint8)


@pytest.fixture
def fitted(tmp_path: Path) -> Library:
    """A library of ninety pictures, fitted to them."""
    draw(tmp_path / "pictures", 90)
    library = Library.create(tmp_path / "library", FittableModel())  # type: ignore[arg-type]
    library.index(tmp_path / "pictures")
    library.fit()
    return library


def test_fitted_codes_are_those_of_the_pictures_in_the_fitted_model(fitted: Library, tmp_path: Path) -> None:
    paths = sorted((tmp_path / "pictures").iterdir())
    codes = {hit.path: hit.picture.code for hit in fitted.search(paths[0], k=90)}
    expected = fitted.model.encode(paths)
    assert [codes[path] for path in paths] == [code.tobytes().hex() for code in expected]


def test_fitting_gives_the_library_another_fingerprint_and_keeps_its_model(fitted: Library) -> None:
    base = FittableModel().fingerprint
    assert fitted.fingerprint == fitted.info().fingerprint == fitted.model.fingerprint != base
    assert fitted.info().model == "fake"


def test_a_fitted_library_opens_with_its_model_and_with_no_other(fitted: Library) -> None:
    fitted.close()
    with Library.open(fitted.path, FittableModel()) as again:  # type: ignore[arg-type]
        assert again.fingerprint == fitted.fingerprint
        assert again.fitted_to == 90
    with pytest.raises(LibraryError, match="cannot be"):
        Library.open(fitted.path, FittableModel("another"))  # type: ignore[arg-type]


def test_a_fit_while_the_model_is_opened_leaves_no_model_of_before(
    fitted: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.close()
    with Library.open(fitted.path, FittableModel()) as here, Library.open(fitted.path, FittableModel()) as other:  # type: ignore[arg-type]
        looks = Thread(target=here.searching.own.refresh)

        def while_opened(self: FittableModel, head: Head) -> FittableModel:
            monkeypatch.undo()
            draw(tmp_path / "pictures", 20, seed=5)
            other.index(tmp_path / "pictures")
            other.fit()
            looks.start()
            looks.join(0.2)  # it waits for this, or has seen the fit
            return self.fitted(head)

        monkeypatch.setattr(FittableModel, "fitted", while_opened)
        before = here.model
        looks.join()
        assert before.fingerprint != here.model.fingerprint == here.fingerprint == other.fingerprint


def test_a_picture_finds_itself_first_and_then_by_the_cosine_of_embeddings(fitted: Library, tmp_path: Path) -> None:
    paths = sorted((tmp_path / "pictures").iterdir())
    kept = embedding(FakeModel().values(paths))
    for row in range(0, 90, 7):
        order = np.argsort(-cosines(kept[row], kept), kind="stable")
        hits = [hit.path for hit in fitted.search(paths[row], k=20)]
        assert hits[0] == paths[row]
        likeness = [float(cosines(kept[row], kept)[paths.index(path)]) for path in hits]
        assert likeness == sorted(likeness, reverse=True)
        assert set(hits[:10]) <= {paths[at] for at in order[:12]}


def test_pictures_indexed_after_fitting_have_codes_of_the_fitted_layers(fitted: Library, tmp_path: Path) -> None:
    (new,) = draw(tmp_path / "pictures", 1, seed=5)
    fitted.index(tmp_path / "pictures")
    (hit,) = fitted.search(new, k=1)
    assert (hit.path, hit.distance) == (new, 0)
    assert hit.picture.code == fitted.model.encode([new])[0].tobytes().hex()


def test_another_process_sees_the_fitted_codes_at_once(tmp_path: Path) -> None:
    paths = draw(tmp_path / "pictures", 90)
    model = FittableModel()
    with Library.create(tmp_path / "library", model) as writer:  # type: ignore[arg-type]
        writer.index(tmp_path / "pictures")
        with Library.open(tmp_path / "library", FittableModel()) as reader:  # type: ignore[arg-type]
            reader.search(paths[3])
            writer.fit()
            assert reader.search(paths[3], k=1)[0].distance == 0
            assert reader.fingerprint == writer.fingerprint


def test_a_library_is_fitted_by_itself_when_it_is_large_enough_and_again_when_it_has_doubled(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        draw(pictures, LEAST - 1)
        assert library.index(pictures).fitted == 0
        draw(pictures, 1, seed=1)
        assert library.index(pictures).fitted == LEAST
        first = library.fingerprint
        draw(pictures, LEAST - 1, seed=2)
        assert library.index(pictures).fitted == 0
        draw(pictures, 1, seed=3)
        assert library.index(pictures).fitted == 2 * LEAST
        assert library.fingerprint != first


def test_general_codes_stay_when_they_are_asked_for(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", LEAST)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        assert library.index(tmp_path / "pictures", general=True).fitted == 0
        assert library.fingerprint == FittableModel().fingerprint


def test_moved_and_copied_pictures_keep_their_embeddings(fitted: Library, tmp_path: Path) -> None:
    old = sorted((tmp_path / "pictures").iterdir())[4]
    copy = tmp_path / "pictures" / "copy.png"
    copy.write_bytes(old.read_bytes())
    moved = tmp_path / "pictures" / "moved.png"
    sorted((tmp_path / "pictures").iterdir())[8].rename(moved)
    fitted.index(tmp_path / "pictures")
    assert fitted.search(copy, k=1)[0].distance == 0
    assert fitted.fit() == 91
    assert fitted.search(moved, k=1)[0].path == moved


def test_pictures_without_embeddings_are_named_and_nothing_changes(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 90)
    with Library.create(tmp_path / "library", FakeModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        before = library.fingerprint
        with pytest.raises(LibraryError, match="90 pictures have no embedding"):
            library.fit()
        assert library.fingerprint == before


def test_fewer_pictures_than_bits_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 20)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        with pytest.raises(LibraryError, match="need more than 64 pictures"):
            library.fit()
        library.index(tmp_path / "pictures")
        with pytest.raises(LibraryError, match="need more than 64 pictures"):
            library.fit()
        assert library.search(sorted((tmp_path / "pictures").iterdir())[0], k=1)[0].distance == 0


def test_general_codes_stay_for_good_once_they_were_asked_for(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", LEAST)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures", general=True)
        draw(tmp_path / "pictures", LEAST, seed=4)
        assert library.index(tmp_path / "pictures").fitted == 0
        assert library.info().fitted_to == 0


def test_the_models_own_codes_keep_the_order_of_their_distances(tmp_path: Path) -> None:
    paths = draw(tmp_path / "pictures", 40)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        distances = [hit.distance for hit in library.search(paths[2], k=40)]
    assert distances == sorted(distances)


def test_probabilities_come_from_cosines_where_the_model_tells_their_likeness(fitted: Library, tmp_path: Path) -> None:
    paths = sorted((tmp_path / "pictures").iterdir())
    with pytest.raises(UncalibratedError):
        fitted.search(paths[3], min_probability=0.5)
    fitted.model.likeness = LIKENESS
    kept = embedding(FakeModel().values(paths))
    hits = fitted.search(paths[3], k=90)
    cosine = dict(zip(paths, cosines(kept[3], kept).tolist(), strict=True))
    assert [hit.probability for hit in hits] == [LIKENESS.probability(cosine[hit.path]) for hit in hits]
    assert hits[0].path == paths[3]
    assert hits == sorted(hits, key=lambda hit: -(hit.probability or 0))
    limit = hits[9].probability
    assert fitted.search(paths[3], k=90, min_probability=limit) == [h for h in hits if (h.probability or 0) >= limit]
    assert fitted.search(Queries(fitted.model.encode([paths[3]])), 3)[0][0].probability is None  # of a code alone


def test_a_library_that_cannot_give_probabilities_says_what_helps(fitted: Library, tmp_path: Path) -> None:
    picture = sorted((tmp_path / "pictures").iterdir())[3]
    with pytest.raises(UncalibratedError, match=r"no calibration for embeddings.*evaluate MODEL --calibrate"):
        fitted.search(picture, min_probability=0.5)
    fitted.model.likeness = LIKENESS
    with pytest.raises(UncalibratedError, match=r"a code alone.*search with the picture"):
        fitted.search(Queries(fitted.model.encode([picture])), 3, min_probability=0.5)
    with Library.create(tmp_path / "theirs", Bytes()) as library:
        library.index(tmp_path / "pictures")
        with pytest.raises(UncalibratedError, match="cannot have one") as raised:
            library.search(picture, min_probability=0.5)
        assert "evaluate" not in str(raised.value)


def test_the_codes_of_a_model_that_was_fitted_on_purpose_are_not_fitted_again_unless_asked(tmp_path: Path) -> None:
    paths = draw(tmp_path / "pictures", LEAST)
    model = FittableModel()
    model.made_by_fit = True
    with Library.create(tmp_path / "library", model) as library:  # type: ignore[arg-type]
        assert library.index(tmp_path / "pictures").fitted == 0
        assert library.fingerprint == model.fingerprint
        kept = embedding(FakeModel().values(paths))
        order = np.argsort(-cosines(kept[5], kept), kind="stable")[:5]
        assert [hit.path for hit in library.search(paths[5], k=5)] == [paths[at] for at in order]
        assert library.fit() == LEAST
        draw(tmp_path / "pictures", LEAST, seed=1)
        assert library.index(tmp_path / "pictures").fitted == 2 * LEAST


def test_a_models_own_codes_are_ordered_by_likeness_where_it_tells_that(tmp_path: Path) -> None:
    paths = draw(tmp_path / "pictures", 40)
    model = FittableModel()
    model.likeness = LIKENESS
    with Library.create(tmp_path / "library", model) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures", general=True)
        kept = embedding(FakeModel().values(paths))
        hits = library.search(paths[5], k=40)
        assert [hit.path for hit in hits] == [paths[at] for at in np.argsort(-cosines(kept[5], kept), kind="stable")]


def test_an_exported_library_takes_its_hash_layers_along(fitted: Library, tmp_path: Path) -> None:
    query = sorted((tmp_path / "pictures").iterdir())[5]
    expected = fitted.search(query, k=1)[0]
    fitted.export(tmp_path / "all.parquet")
    model = FittableModel()
    again, report = Library.import_(tmp_path / "all.parquet", tmp_path / "again", model)  # type: ignore[arg-type]
    with again:
        assert (report.added, again.fingerprint, again.fitted_to) == (90, fitted.fingerprint, 90)
        hit = again.search(query, k=1)[0]
        assert (hit.path, hit.distance) == (expected.path, 0)
