"""A Binarizer's settings, the labels it is given, and what it knows between calls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transhash import Binarizer
from transhash.errors import DataError, VectorsError

Kinds = tuple[np.ndarray, np.ndarray]
OF_NUMPY = {"bits": np.int64(16), "sample": np.int32(300), "normalize": np.True_, "method": np.str_("learned")}


def test_numbers_of_numpy_mean_what_those_of_python_do(kinds: Kinds, tmp_path: Path) -> None:
    given = {**OF_NUMPY, "hidden": np.uint8(4)}
    made = Binarizer(**given).fit(kinds[0])  # type: ignore[arg-type]
    expected = Binarizer(16, "learned", sample=300, hidden=4).fit(kinds[0])
    assert made.fingerprint == expected.fingerprint
    made.save(tmp_path / "mine.npz")
    assert Binarizer.load(tmp_path / "mine.npz").fingerprint == expected.fingerprint
    assert all(made.get_params()[name] is value for name, value in given.items())  # as scikit-learn's clone asks


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"random_state": -1}, "random_state is -1; use a whole number, 0 or more"),
        ({"random_state": "a"}, "random_state is 'a'"),
        ({"method": ["itq"]}, "use one of itq"),
        ({"normalize": "no"}, "normalize is 'no'; use True or False"),
        ({"normalize": np.ones(2)}, "normalize is"),
        ({"sample": 50.0}, "use 1 or more"),
    ],
)
def test_settings_of_another_kind_are_refused(settings: dict[str, object], words: str, kinds: Kinds) -> None:
    for way in ("fit", "partial_fit"):
        with pytest.raises(VectorsError, match=words):
            getattr(Binarizer(8).set_params(**settings), way)(kinds[0])


def test_a_random_state_of_numpy_gives_the_codes_of_its_draws(kinds: Kinds) -> None:
    made = [Binarizer(8, "lsh", random_state=np.random.RandomState(3)).fit(kinds[0]) for _ in range(2)]
    seed = np.random.default_rng(int(np.random.RandomState(3).randint(2**31))).integers(2**31)
    expected = Binarizer(8, "lsh", random_state=int(seed)).fit(kinds[0])
    assert made[0].fingerprint == made[1].fingerprint == expected.fingerprint


def test_settings_that_come_after_fit_hold_from_the_next_on(kinds: Kinds, tmp_path: Path) -> None:
    vectors = kinds[0]
    made = Binarizer(32).fit(vectors)
    codes, values, fingerprint = made.transform(vectors), made.values(vectors), made.fingerprint
    made.set_params(bits=8, normalize=False, method="sh", sample=100)
    np.testing.assert_array_equal(made.transform(vectors), codes)
    np.testing.assert_array_equal(made.values(vectors), values)
    assert len(made.get_feature_names_out()) == 4
    assert made.fingerprint == fingerprint
    made.save(tmp_path / "mine.npz")
    again = Binarizer.load(tmp_path / "mine.npz")
    assert (again.bits, again.normalize, again.method) == (32, True, "itq")
    np.testing.assert_array_equal(again.transform(vectors), codes)
    with pytest.raises(VectorsError, match="normalize is False, and was True for the vectors before"):
        made.partial_fit(vectors)
    np.testing.assert_array_equal(made.transform(vectors), codes)
    assert made.fit(vectors).transform(vectors).shape == (700, 1)


def test_bits_that_are_set_before_codes_are_learned_hold(kinds: Kinds) -> None:
    made = Binarizer(32).partial_fit(kinds[0]).set_params(bits=16)
    assert made.fingerprint == Binarizer(16).fit(kinds[0]).fingerprint


@pytest.mark.parametrize(("method", "hidden"), [("itq", 0), ("sh", 0), ("ksh", 0), ("learned", 4)])
def test_a_file_that_says_other_bits_than_it_holds_is_refused(
    kinds: Kinds, method: str, hidden: int, tmp_path: Path
) -> None:
    Binarizer(16, method, hidden=hidden).fit(kinds[0][:300], kinds[1][:300]).save(tmp_path / "mine.npz")
    with np.load(tmp_path / "mine.npz") as arrays:
        held = dict(arrays)
    for before, after in (('"bits": 16', '"bits": 8'), ('"features": 32', '"features": 31'), ("16", "60")):
        about = np.array(str(held["about"]).replace(before, after))
        np.savez(tmp_path / "other.npz", **{**held, "about": about})
        with pytest.raises(DataError, match="not a saved binarizer"):
            Binarizer.load(tmp_path / "other.npz")


def test_a_loaded_one_does_not_forget_what_it_learned(kinds: Kinds, tmp_path: Path) -> None:
    made = Binarizer(16).fit(kinds[0])
    made.save(tmp_path / "mine.npz")
    again = Binarizer.load(tmp_path / "mine.npz")
    with pytest.raises(VectorsError, match=r"was loaded, .*; call `fit` with all vectors"):
        again.partial_fit(kinds[0][:20])
    assert again.fingerprint == made.fingerprint
    assert again.fit(kinds[0][:300]).partial_fit(kinds[0][300:]).fingerprint == made.fingerprint


def test_a_file_needs_a_path(kinds: Kinds) -> None:
    for path in (None, 7.5, "a\0b"):
        with pytest.raises(DataError, match="cannot be written"):
            Binarizer(8).fit(kinds[0]).save(path)  # type: ignore[arg-type]


def test_a_refused_first_part_leaves_nothing(kinds: Kinds) -> None:
    made = Binarizer(16)
    with pytest.raises(VectorsError, match="infinity or NaN"):
        made.partial_fit(np.full((4, 10), np.nan))
    assert not hasattr(made, "n_features_in_")
    assert made.partial_fit(kinds[0]).fingerprint == Binarizer(16).fit(kinds[0]).fingerprint


@pytest.mark.parametrize("method", ["ksh", "bre", "learned"])
def test_a_column_of_classes_is_one_of_classes(method: str, kinds: Kinds) -> None:
    features, labels = kinds[0][:200], kinds[1][:200] + 1
    expected = Binarizer(8, method).fit(features, labels)
    assert Binarizer(8, method).fit(features, labels[:, None]).fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.where(np.arange(60) < 9, np.nan, np.arange(60) % 3), "missing"),
        ([None, *"ab" * 29, "a"], "missing"),
        ([None, 1.0, float("nan"), *range(57)], "missing"),
        ([1, "a", *[(2,)] * 58], "lists of different lengths|kinds that cannot be compared"),
        ([[1]] + [[1, 2]] * 59, "lists of different lengths"),
        (np.array([1, *"ab" * 29, "a"], object), "kinds that cannot be compared"),
        (np.arange(120).reshape(60, 2), "2 columns are not all 0 or 1"),
        (np.full((60, 3), 0.5), "3 columns are not all 0 or 1"),
        (np.full((60, 2), np.nan), "missing"),
        (np.full((60, 2), "a"), "2 columns are not all 0 or 1"),
        (np.zeros((60, 2, 2)), r"shape \(60, 2, 2\) for 60"),
        (np.zeros((60, 0)), r"shape \(60, 0\)"),
    ],
)
@pytest.mark.parametrize("method", ["ksh", "learned"])
def test_labels_that_say_nothing_are_refused(labels: object, words: str, method: str, kinds: Kinds) -> None:
    for way in ("fit", "partial_fit"):
        with pytest.raises(VectorsError, match=words):
            getattr(Binarizer(8, method), way)(kinds[0][:60], labels)


def test_labels_of_parts_come_in_one_form(kinds: Kinds) -> None:
    features, labels = kinds
    columns = np.eye(4)[labels]
    for first, then, words in (
        (labels, columns, "came as 4 columns, and as classes before"),
        (columns, labels, "came as classes, and as 4 columns before"),
        (columns, columns[:, :3], "came as 3 columns, and as 4 columns before"),
    ):
        made = Binarizer(8, "ksh").partial_fit(features[:200], first[:200])
        with pytest.raises(VectorsError, match=words):
            made.partial_fit(features[200:300], then[200:300])
        assert made.fingerprint == Binarizer(8, "ksh").fit(features[:200], first[:200]).fingerprint


def test_numbers_beyond_float32_are_not_said_to_be_infinite(kinds: Kinds) -> None:
    made = Binarizer(8).fit(kinds[0])
    for vectors in (np.full((2, 32), 1e300), np.full((2, 32), 1e300, object), [["1e300"] * 32]):
        with pytest.raises(VectorsError, match="too long for float32"):
            made.transform(vectors)
    for vectors in (np.full((2, 32), np.inf), np.full((2, 32), 10**400, object)):
        with pytest.raises(VectorsError, match=r"infinity or NaN|are no numbers"):
            made.transform(vectors)
