"""Vectors of one's own to codes, as scikit-learn has it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import pages
from transhash import Binarizer, HammingIndex
from transhash.codes import from_binary, pack
from transhash.errors import DataError, VectorsError
from transhash.search import rescore
from transhash.shallow import itq
from transhash.shallow.of_vectors import METHODS
from transhash.shallow.vectors import ROWS

UNSUPERVISED = ("itq", "lsh", "rotation", "sh")


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    random = np.random.default_rng(0)
    centres = random.standard_normal((30, 48))
    return (centres[random.integers(0, 30, 1500)] + random.standard_normal((1500, 48)) + 1).astype(np.float32)


def nearest(queries: np.ndarray, database: np.ndarray, k: int) -> np.ndarray:
    """The rows of the k greatest cosines, by brute force."""
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, database)]
    return np.argsort(-(unit[0] @ unit[1].T), axis=1, kind="stable")[:, :k]


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, expected, strict=True)]))


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")
@pytest.mark.parametrize(
    ("method", "normalize"),
    [("itq", True), ("rotation", False), ("lsh", True), ("sh", True), ("ksh", False), ("bre", True), ("learned", True)],
)
def test_scikit_learn_s_own_checks_pass(method: str, normalize: bool) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    results = check_estimator(Binarizer(8, method, normalize=normalize), on_fail=None, on_skip=None)
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] == "failed"}
    assert failed == {}
    assert sum(each["status"] == "passed" for each in results) > 40


def test_it_does_without_scikit_learn() -> None:
    code = (
        "import sys, transhash; transhash.Binarizer(8).fit([[1, 2], [2, 1], [3, 5]]); print('sklearn' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"


def test_itq_codes_are_those_of_the_method(vectors: np.ndarray) -> None:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    head = itq(unit, 32)
    made = Binarizer(32, sample=5000).fit(vectors)
    expected = unit @ head[:-1] + head[-1]
    np.testing.assert_allclose(made.values(vectors), expected, atol=1e-5)
    sure = np.abs(expected) > 1e-5
    assert (np.unpackbits(made.transform(vectors), axis=1) == (expected > 0))[sure].all()


@pytest.mark.parametrize("method", [*UNSUPERVISED, "median", "sign", "ksh", "learned"])
@pytest.mark.parametrize("normalize", [True, False])
def test_codes_are_the_signs_of_the_values(vectors: np.ndarray, method: str, normalize: bool) -> None:
    labels = np.arange(len(vectors)) % 3 if method == "ksh" else None
    bits = 8 if method == "ksh" else 48
    made = Binarizer(bits, method, normalize=normalize).fit(vectors[:600], labels if labels is None else labels[:600])
    values = made.values(vectors)
    differ = np.unpackbits(made.transform(vectors), axis=1) != (values > 0)
    assert np.abs(values[differ]).max(initial=0) < 1e-5


def test_more_bits_than_features_find_more(vectors: np.ndarray) -> None:
    queries, database = vectors[:100], vectors[100:]
    expected = nearest(queries, database, 10)
    recalls = []
    for bits in (16, 48, 192):
        made = Binarizer(bits).fit(database)
        index = HammingIndex(bits)
        index.add(made.transform(database))
        recalls.append(recall(index.search(made.transform(queries), 10)[1], expected))
    assert recalls == sorted(recalls)
    assert recalls[-1] > recalls[0] + 0.2


def test_itq_finds_more_than_random_directions(vectors: np.ndarray) -> None:
    queries, database = vectors[:100], vectors[100:]
    expected = nearest(queries, database, 10)
    found = {}
    for method in ("itq", "lsh", "rotation"):
        made = Binarizer(32, method).fit(database)
        index = HammingIndex(32)
        index.add(made.transform(database))
        found[method] = recall(index.search(made.transform(queries), 10)[1], expected)
    assert found["itq"] > found["rotation"] >= found["lsh"]


def test_signs_are_what_other_programs_call_binary_embeddings(vectors: np.ndarray) -> None:
    codes = Binarizer(48, "sign").fit(vectors).transform(vectors)
    theirs = np.packbits(vectors > 0, axis=1)  # usearch; sentence-transformers' `ubinary`
    np.testing.assert_array_equal(codes, theirs)
    np.testing.assert_array_equal(from_binary(theirs), codes)
    signed = (theirs.astype(np.int16) - 128).astype(np.int8)  # sentence-transformers' `binary`
    np.testing.assert_array_equal(from_binary(signed), codes)
    with pytest.raises(DataError, match="not packed codes"):
        from_binary(vectors)


def test_medians_halve_each_feature(vectors: np.ndarray) -> None:
    bits = np.unpackbits(Binarizer(48, "median", normalize=False).fit_transform(vectors), axis=1)
    np.testing.assert_allclose(bits.mean(axis=0), 0.5, atol=1e-3)


def test_a_part_at_a_time_is_a_fair_sample(vectors: np.ndarray) -> None:
    whole = Binarizer(32, sample=2000).fit(vectors)
    parts = Binarizer(32, sample=2000)
    for start in range(0, len(vectors), 400):
        parts.partial_fit(vectors[start : start + 400])
    assert parts.fingerprint == whole.fingerprint
    few = Binarizer(8, "median", normalize=False, sample=200)
    numbers = np.arange(40_000, dtype=np.float32).reshape(-1, 8)
    for start in range(0, len(numbers), 500):
        few.partial_fit(numbers[start : start + 500])
    thresholds = -_learned(few)
    assert (np.abs(thresholds - 20_000) < 4_000).all()  # of 200 fair ones the median is within 8 deviations


def _learned(binarizer: Binarizer) -> np.ndarray:
    binarizer.transform(np.zeros((1, 8), np.float32))
    return np.asarray(binarizer.function_.head[-1])  # type: ignore[attr-defined]


def test_a_mapped_file_of_half_precision_is_read_in_chunks(vectors: np.ndarray, tmp_path: Path) -> None:
    many = np.tile(vectors, (8, 1)).astype(np.float16)
    assert len(many) > ROWS
    np.save(tmp_path / "vectors.npy", many)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    made = Binarizer(32, sample=1000).fit(mapped)
    np.testing.assert_array_equal(made.transform(mapped)[:1500], made.transform(many[:1500]))
    np.testing.assert_array_equal(made.transform(mapped), made.transform(many))


@pytest.mark.parametrize(("method", "hidden"), [("itq", 0), ("sh", 0), ("ksh", 0), ("learned", 4)])
def test_a_saved_one_is_the_same(vectors: np.ndarray, method: str, hidden: int, tmp_path: Path) -> None:
    made = Binarizer(8, method, normalize=False, hidden=hidden).fit(vectors[:500], np.arange(500) % 4)
    made.save(tmp_path / "mine.npz")
    again = Binarizer.load(tmp_path / "mine.npz")
    assert again.fingerprint == made.fingerprint
    assert {**again.get_params(), "random_state": 0} == made.get_params()
    np.testing.assert_array_equal(again.transform(vectors), made.transform(vectors))
    with pytest.raises(VectorsError, match="expecting 48 features"):
        again.transform(vectors[:, :40])


def test_what_is_no_saved_one_is_an_error(vectors: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "not.npz").write_bytes(b"not")
    np.savez(tmp_path / "other.npz", format=np.array("else"))
    np.save(tmp_path / "pickled.npy", np.array([{}], object), allow_pickle=True)
    for name in ("not.npz", "other.npz", "pickled.npy"):
        with pytest.raises(DataError, match="not a saved binarizer"):
            Binarizer.load(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        Binarizer.load(tmp_path / "nowhere.npz")
    with pytest.raises(DataError, match="cannot be written"):
        Binarizer(8).fit(vectors).save(tmp_path / "no" / "where.npz")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bits": 60}, "multiple of 8 up to 512"),
        ({"bits": 1024}, "multiple of 8 up to 512"),
        ({"method": "pca"}, "use one of itq, lsh"),
        ({"sample": 0}, "use 1 or more"),
        ({"method": "ksh"}, "ksh requires y to be passed"),
        ({"method": "sign"}, "a bit for each of 48 features, not 256 bits.*use bits=48"),
    ],
)
def test_settings_that_cannot_be_are_errors(settings: dict[str, object], words: str, vectors: np.ndarray) -> None:
    with pytest.raises(VectorsError, match=words):
        Binarizer().set_params(**settings).fit(vectors)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.full((4, 48), np.nan), "infinity or NaN"),
        (np.full((4, 48), 1e30), "too long for float32"),
        (np.zeros((4, 47)), "expecting 48 features"),
        (np.zeros(48), "Reshape your data"),
        (np.zeros((0, 48)), "minimum of 1"),
        (np.array([["a"] * 48]), "are no numbers"),
    ],
)
def test_vectors_that_cannot_be_used_are_errors(bad: np.ndarray, words: str, vectors: np.ndarray) -> None:
    made = Binarizer(16).fit(vectors)
    with pytest.raises(VectorsError, match=words) as caught:
        made.transform(bad)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(VectorsError, match="not fitted yet"):
        Binarizer().transform(vectors)


def test_vectors_of_zeros_have_a_code(vectors: np.ndarray) -> None:
    made = Binarizer(16).fit(vectors)
    assert made.transform(np.zeros((2, 48))).tolist() == [[0, 0], [0, 0]]
    assert np.isfinite(made.values(np.zeros((1, 48)))).all()


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int8])
def test_rescoring_orders_candidates_by_their_cosines(vectors: np.ndarray, kind: type, tmp_path: Path) -> None:
    queries, database = vectors[:60], vectors[60:]
    kept = np.rint(database * 20).clip(-127, 127).astype(kind) if kind is np.int8 else database.astype(kind)
    np.save(tmp_path / "kept.npy", kept)
    mapped = np.load(tmp_path / "kept.npy", mmap_mode="r")
    made = Binarizer(64).fit(database)
    index = HammingIndex(64)
    index.add(made.transform(database))
    _, candidates = index.search(made.transform(queries), 100)
    cosines, ids = rescore(queries, mapped, candidates, 10)

    assert (np.diff(cosines, axis=1) <= 0).all()
    alone, expected = candidates[:, :10], nearest(queries, database, 10)
    assert recall(ids, expected) > recall(alone, expected) + 0.1
    for row in range(60):
        among = candidates[row][nearest(queries[row : row + 1], kept[candidates[row]].astype(np.float32), 10)[0]]
        assert set(among) == set(ids[row])


def test_rescoring_fills_up_and_refuses(vectors: np.ndarray) -> None:
    cosines, ids = rescore(vectors[:1], vectors, [[3, -1, 0]], 4)
    assert ids.tolist() == [[0, 3, -1, -1]]
    assert cosines[0, 0] == pytest.approx(1)
    assert np.isneginf(cosines[0, 2:]).all()
    with pytest.raises(VectorsError, match="do not fit"):
        rescore(vectors[:2], vectors, [[0]])
    with pytest.raises(VectorsError, match="row 1,500 is a candidate, and there are 1,500 vectors"):
        rescore(vectors[:1], vectors, [[1500]])
    with pytest.raises(VectorsError, match=r"only 2 candidates; ask for 2 or fewer"):
        rescore(vectors[:1], vectors, [[0, 1]], 10**12)


@pytest.mark.parametrize("k", [-1, 0, 2.5, True, None])
def test_rescoring_for_a_k_that_is_no_count_is_refused(k: object, vectors: np.ndarray) -> None:
    with pytest.raises(VectorsError, match=r"k is .*; ask for 1 result or more"):
        rescore(vectors[:1], vectors, [[0, 1]], k)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1e-30, 1e25, 1e37])
def test_rescoring_takes_vectors_of_any_length(scale: float, vectors: np.ndarray) -> None:
    scaled = (vectors * np.float32(scale)).astype(np.float32)
    cosines, ids = rescore(scaled[:2], scaled, [[0, 1, 2]] * 2, 3)
    expected = rescore(vectors[:2], vectors, [[0, 1, 2]] * 2, 3)
    np.testing.assert_allclose(cosines, expected[0], atol=1e-5)
    np.testing.assert_array_equal(ids, expected[1])
    assert rescore(np.zeros((1, 48)), vectors, [[3, 2]], 2)[0].tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("queries", "candidates", "words"),
    [
        (np.ones((1, 48)), [[0.7, 1.9]], "candidates are float64"),
        (np.ones((1, 48)), [[0], [1, 2]], "candidates are lists of different lengths"),
        ([["a"] * 48], [[0]], "queries are <U1; give real numbers"),
        (np.full((1, 48), np.nan), [[0]], "infinity or NaN"),
        (np.full((1, 48), 1e300), [[0]], "too large"),
        (np.ones((1, 48)), np.array([[2**64 - 1]], np.uint64), "in their order"),
    ],
)
def test_rescoring_refuses_what_has_no_cosine(
    queries: np.ndarray, candidates: object, words: str, vectors: np.ndarray
) -> None:
    with pytest.raises(VectorsError, match=words):
        rescore(queries, vectors, candidates)  # type: ignore[arg-type]


def test_the_codes_are_packed_as_everywhere(vectors: np.ndarray) -> None:
    made = Binarizer(24, "lsh").fit(vectors)
    np.testing.assert_array_equal(made.transform(vectors), pack(made.values(vectors)))
    assert made.get_feature_names_out().tolist() == ["binarizer0", "binarizer1", "binarizer2"]


def test_the_snippet_of_the_documents_runs(
    vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("vectors.npy", vectors)
    snippet = pages.blocks(pages.ROOT / "docs" / "vectors.md", "python")[0].replace("256", "48")
    made: dict[str, np.ndarray] = {}
    exec(compile(snippet, "docs/vectors.md", "exec"), made)
    assert made["rows"][:, 0].tolist() == [0, 1, 2, 3, 4]
    assert recall(made["rows"], nearest(vectors[:5], vectors, 10)) > 0.9
    assert Path("binarizer.npz").is_file()


def test_the_methods_of_the_documents_are_all() -> None:
    page = (pages.ROOT / "docs" / "vectors.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in row.split("`")[1::2]} - {"method"} == set(METHODS)


def test_memory_is_that_of_a_chunk(tmp_path: Path) -> None:
    many = np.random.default_rng(0).standard_normal((60_000, 48)).astype(np.float16)
    np.save(tmp_path / "vectors.npy", many)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    made = Binarizer(16, sample=500).fit(mapped)
    as_floats = many.size * 4
    for way in (made.transform, Binarizer(16, sample=500).fit, Binarizer(16, sample=500).partial_fit):
        tracemalloc.start()
        way(mapped)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < as_floats / 2, way


def test_vectors_of_a_part_that_cannot_be_used_are_not_taken(vectors: np.ndarray) -> None:
    made = Binarizer(16).partial_fit(vectors[:500])
    bad = np.concatenate([np.ones((ROWS, 48)), np.full((1, 48), np.nan)])
    with pytest.raises(VectorsError, match="infinity or NaN"):
        made.partial_fit(bad)
    assert made.fingerprint == Binarizer(16).fit(vectors[:500]).fingerprint
