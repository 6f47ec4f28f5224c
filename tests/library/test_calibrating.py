"""Probabilities of a library's own: fitted to a column, used by searches, fitted again with hash layers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake_model import FakeModel
from fittable_model import FittableModel
from kinds import KINDS, LIKENESS, draw
from transhash import Library
from transhash.errors import LibraryError, UncalibratedError
from transhash.library import LiveLibrary, Mixture, calibrating
from transhash.library.calibrating import FEWEST
from transhash.library.fitting import LEAST
from transhash.model.fitted import cosines, embedding
from transhash.model.likeness import Likeness

NEARNESS = Likeness(5.0, 4.0, 1000, "a test")  # says of everything that it is likely


def model() -> FittableModel:
    made = FittableModel()
    made.likeness, made.nearness = LIKENESS, NEARNESS
    return made


def labelled(paths: list[Path]) -> dict[Path, dict[str, str]]:
    return {path: {"kind": f"kind {number % KINDS}"} for number, path in enumerate(paths)}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A fitted library whose pictures have a kind, a number of their own, and a folder that says nothing."""
    paths = draw(tmp_path / "pictures", 2 * LEAST)
    made = Library.create(tmp_path / "library", model())  # type: ignore[arg-type]
    assert made.index(tmp_path / "pictures").fitted == 2 * LEAST
    rows = labelled(paths)
    made.annotate({path: {**rows[path], "one": number, "all": "same"} for number, path in enumerate(paths)})
    return made


def paths(library: Library) -> list[Path]:
    return sorted((library.path.parent / "pictures").iterdir())


def stated(library: Library, row: int) -> np.ndarray:
    return np.array([hit.probability for hit in library.search(paths(library)[row], k=50)])


def test_probabilities_become_those_of_having_the_same_value(library: Library) -> None:
    before = stated(library, 7)
    report = library.calibrate("Kind")
    assert report is not None
    assert (report.by, report.pictures, report.values) == ("Kind", 2 * LEAST, KINDS)
    assert report.error < 0.05 < report.error_before
    own = library.catalogue.calibrations.present()
    assert own is not None
    layers = library.searching.own.layers
    assert layers is not None
    mapped = layers.head.ordered(embedding(FakeModel().values(paths(library))))
    found = np.sort(cosines(mapped[7], mapped))[::-1][:50]
    np.testing.assert_allclose(stated(library, 7), own.curve.probability(found), rtol=1e-6)
    assert library.info().calibrated_by == "Kind"

    assert library.calibrate(None) is None
    np.testing.assert_array_equal(stated(library, 7), before)
    assert library.info().calibrated_by == ""


def test_what_is_stated_is_so(library: Library, tmp_path: Path) -> None:
    library.calibrate("kind")
    others = draw(tmp_path / "others", 60, seed=3)
    hits = [library.search(path, k=50) for path in others]
    said = np.array([[hit.probability for hit in each] for each in hits], float)
    so = np.array(
        [[hit.picture.columns["kind"] == f"kind {number % KINDS}" for hit in each] for number, each in enumerate(hits)]
    )
    for low, high in ((0.0, 0.2), (0.8, 1.01)):
        among = (said >= low) & (said < high)
        assert among.any()
        assert abs(said[among].mean() - so[among].mean()) < 0.1


def test_the_order_of_hits_and_its_cut_off_follow(library: Library) -> None:
    query = paths(library)[7]
    before = [hit.id for hit in library.search(query, k=50)]
    library.calibrate("kind")
    hits = library.search(query, k=50)
    assert [hit.id for hit in hits] == before
    likely = library.search(query, k=50, min_probability=0.5)
    assert likely == [hit for hit in hits if (hit.probability or 0) >= 0.5]
    assert 0 < len(likely) < 50


def test_they_are_fitted_again_with_hash_layers(library: Library, tmp_path: Path) -> None:
    library.calibrate("kind")
    first = library.catalogue.calibrations.present()
    draw(tmp_path / "pictures", 2 * LEAST + 10, seed=1)
    assert library.index(tmp_path / "pictures").fitted
    second = library.catalogue.calibrations.present()
    assert first is not None
    assert second is not None
    assert (second.by, second.fingerprint) == ("kind", library.fingerprint)
    assert second.fingerprint != first.fingerprint
    assert library.info().calibrated_by == "kind"


def test_those_of_other_hash_layers_are_not_used(library: Library, tmp_path: Path) -> None:
    before = stated(library, 7)
    library.calibrate("kind")
    with library.catalogue.writing():
        library.catalogue.database.execute("UPDATE calibration SET fingerprint = 'of before'")
    np.testing.assert_array_equal(stated(library, 7), before)
    assert library.info().calibrated_by == ""


def test_a_column_that_is_dropped_takes_its_calibration_along(library: Library) -> None:
    before = stated(library, 7)
    library.calibrate("Kind")
    library.drop_column("one")
    assert library.info().calibrated_by == "Kind"
    library.drop_column("kind")
    assert library.catalogue.calibrations.present() is None
    np.testing.assert_array_equal(stated(library, 7), before)


def test_where_the_column_does_not_serve_any_more_a_fit_forgets_it(library: Library) -> None:
    library.calibrate("kind")
    library.annotate({path: {"kind": None} for path in paths(library)[40:]})
    assert library.fit()
    assert library.catalogue.calibrations.present() is None


def test_hash_layers_that_another_process_fits_meanwhile_are_calibrated(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(library.path.parent / "pictures", 10, seed=9)
    compared, fits = calibrating.sample_of, []

    def sample_of(*given: Any) -> Any:
        found = compared(*given)
        if given[0] is library.catalogue and not fits:
            fits.append(True)
            threading.Thread(target=fit_elsewhere).start()
        return found

    def fit_elsewhere() -> None:
        with Library.open(library.path, model()) as other:  # type: ignore[arg-type]
            other.index(library.path.parent / "pictures")
            other.fit()
        done.set()

    done, curve = threading.Event(), calibrating.Sample.curve

    def slow(sample: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            assert done.wait(60)
        return curve(sample)

    monkeypatch.setattr(calibrating, "sample_of", sample_of)
    monkeypatch.setattr(calibrating.Sample, "curve", slow)
    before = library.fingerprint
    library.calibrate("kind")
    own = library.catalogue.calibrations.present()
    assert own is not None
    assert own.fingerprint == library.catalogue.facts().fingerprint != before
    assert library.info().calibrated_by == "kind"


def test_shards_of_uploads_are_no_kinds(library: Library, tmp_path: Path) -> None:
    library.add(draw(tmp_path / "sent", 60, seed=5))
    with pytest.raises(LibraryError, match="folder is the same for all pictures"):
        library.calibrate("folder")


def test_words_have_no_probabilities_of_pictures(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kinds = np.arange(200) % 5
    vectors = (random.standard_normal((5, 64))[kinds] + 0.6 * random.standard_normal((200, 64))).astype(np.float32)
    columns = {"kind": [f"kind {kind}" for kind in kinds]}
    library = Library.create(tmp_path / "vectors", vectors=vectors, columns=columns)
    library.calibrate("kind")
    assert library.search(vectors[0])[1].probability is not None
    assert library.search(Mixture([vectors[0]], minus=[vectors[1]]))[0].probability is None
    with pytest.raises(UncalibratedError, match="have no probability"):
        library.search(Mixture([vectors[0]], minus=[vectors[1]]), min_probability=0.5)


def test_a_library_that_takes_hash_layers_with_an_import_is_calibrated_for_them(tmp_path: Path) -> None:
    paths = draw(tmp_path / "few", LEAST - 10)
    own = Library.create(tmp_path / "own", model())  # type: ignore[arg-type]
    own.index(tmp_path / "few")
    own.annotate(labelled(paths))
    own.calibrate("kind")
    draw(tmp_path / "many", LEAST, seed=2)
    other = Library.create(tmp_path / "other", model())  # type: ignore[arg-type]
    assert other.index(tmp_path / "many").fitted
    other.export(tmp_path / "other.parquet")
    own.close()
    with Library.import_(tmp_path / "other.parquet", tmp_path / "own", model())[0] as own:  # type: ignore[arg-type]
        assert own.fingerprint == other.fingerprint
        assert own.info().calibrated_by == "kind"


def test_a_program_that_follows_the_library_has_them_too(library: Library) -> None:
    with LiveLibrary(library.path, model(), interval=0.01) as live:  # type: ignore[arg-type]
        before = live.now()[1]
        assert before.curve is None
        library.calibrate("kind")
        later = live.later(before)
        assert later is not None
        assert later.curve is not None


def test_folders_are_kinds_too(tmp_path: Path) -> None:
    for number, path in enumerate(draw(tmp_path / "pictures", 120)):
        target = tmp_path / "pictures" / str(number % KINDS)
        target.mkdir(exist_ok=True)
        path.rename(target / path.name)
    library = Library.create(tmp_path / "library", model())  # type: ignore[arg-type]
    library.index(tmp_path / "pictures")
    report = library.calibrate("folder")
    assert report is not None
    assert (report.pictures, report.values) == (120, KINDS)


def test_vectors_of_ones_own_have_probabilities_then(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kinds = np.arange(200) % 5
    vectors = random.standard_normal((5, 64))[kinds] + 0.6 * random.standard_normal((200, 64))
    columns = {"kind": [f"kind {kind}" for kind in kinds]}
    library = Library.create(tmp_path / "vectors", vectors=vectors.astype(np.float32), columns=columns)
    with pytest.raises(UncalibratedError):
        library.search(vectors[0], min_probability=0.5)
    report = library.calibrate("kind")
    assert report is not None
    assert report.error_before is None
    assert report.error < 0.05
    hits = library.search(vectors[0], k=100, min_probability=0.5)
    assert {hit.picture.columns["kind"] for hit in hits} == {"kind 0"}


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("nothing", "no column 'nothing' of your own; name one that `transhash info` lists, or folder"),
        ("one", "no two pictures have the same one"),
        ("all", "all is the same for all pictures"),
        ("folder", "folder is the same for all pictures"),
        ("few", "12 pictures have an embedding and a value of few; give 50 or more a value"),
        ("unlike", "pictures with one unlike look no more alike than others"),
    ],
)
def test_a_column_that_does_not_tell_pictures_apart_is_refused(library: Library, by: str, words: str) -> None:
    library.annotate({path: {"unlike": f"pair {number // 2}"} for number, path in enumerate(paths(library))})
    library.annotate({path: {"few": "yes"} for path in paths(library)[:12]})
    with pytest.raises(LibraryError, match=words):
        library.calibrate(by)
    assert library.catalogue.calibrations.present() is None
    assert FEWEST == 50


def test_hits_that_distances_order_keep_the_model_s_probabilities(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 20)
    library = Library.create(tmp_path / "library", FakeModel())
    library.index(tmp_path / "pictures")
    with pytest.raises(LibraryError, match=r"ordered by distances.*transhash evaluate MODEL --calibrate"):
        library.calibrate("folder")


@pytest.mark.parametrize("change", ["slope = 'steep'", "shift = 9e999", "by_column = x'00'", "pairs = 0.5"])
def test_a_damaged_calibration_is_found(library: Library, change: str) -> None:
    library.calibrate("kind")
    with library.catalogue.writing():
        library.catalogue.database.execute(f"UPDATE calibration SET {change}")
    with pytest.raises(LibraryError, match="calibration of its probabilities is damaged; transhash calibrate --forget"):
        library.search(paths(library)[0])
    assert [each.what for each in library.verify().problems] == ["the calibration of its probabilities is damaged"]
    library.calibrate(None)
    assert library.search(paths(library)[0])
    assert library.verify().problems == []
