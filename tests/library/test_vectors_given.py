"""What may be given to a library of vectors: ids, columns, numbers; and what is refused, with which words."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from transhash import Library
from transhash.codes import hamming, to_signs
from transhash.errors import DataError, ModelError, VectorsError


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((700, 32)).astype(np.float32)


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ({"ids": ["a"]}, DataError, "700 vectors, but 1 ids"),
        ({"ids": ["a"] * 700}, DataError, "the same id"),
        ({"ids": ["../a", *range(699)]}, DataError, "cannot be an id"),
        ({"ids": [*range(699), ""]}, DataError, "row 700: '' cannot be an id"),
        ({"ids": [0, None, *range(2, 700)]}, DataError, "row 2: '' cannot be an id"),
        ({"ids": {*range(700)}}, DataError, "in the order of the vectors"),
        ({"ids": "a" * 700}, DataError, "in the order of the vectors"),
        ({"ids": 7}, DataError, "ids are 7"),
        ({"ids": np.zeros((700, 2))}, DataError, "in the order of the vectors"),
        ({"columns": {"": range(700)}}, DataError, "'' is no name for a column"),
        ({"columns": {"a": [*range(699), float("inf")]}}, DataError, "row 700, column 'a': expected a finite number"),
        ({"columns": {"a": [1]}}, DataError, "but 1 a"),
        ({"columns": {"a": 3}}, DataError, "the column 'a' is 3; give 700 values"),
        ({"columns": [{"a": 3}]}, DataError, "columns are list; give a mapping"),
        ({"columns": {"Width": range(700)}}, DataError, "every row has 'Width' of itself; call your column otherwise"),
    ],
)
def test_rows_that_do_not_fit_are_errors(
    rows: dict[str, object], error: type[Exception], words: str, vectors: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        Library.create(tmp_path / "library", vectors=vectors, **rows)  # type: ignore[arg-type]
    assert not (tmp_path / "library").exists()


def test_vectors_that_do_not_fit_are_errors(vectors: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a row for each vector"):
        Library.create(tmp_path / "library", vectors=vectors[0])
    with pytest.raises(ModelError, match="8 to"):
        Library.create(tmp_path / "library", vectors=vectors[:, :5])
    with Library.create(tmp_path / "library", vectors=vectors[:50]) as library:
        for bad, words in ((vectors[:2, :30], r"give \(N, 32\)"), (np.full((1, 32), np.nan), "infinity or NaN")):
            with pytest.raises(VectorsError, match=words):
                library.vectors.add(bad)
        with pytest.raises(VectorsError, match=r"give \(32,\) numbers of the model vectors"):
            library.search(vectors[0, :9])
        with pytest.raises(VectorsError, match="or a list of such vectors"):
            library.search(vectors[:2])
        assert len(library) == 50


class Sparse:
    nnz = 3

    def toarray(self) -> np.ndarray:
        return np.eye(9)


def test_vectors_that_are_something_else_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sparse vectors .* `X\.toarray\(\)`"):
        Library.create(tmp_path / "library", vectors=Sparse())  # type: ignore[arg-type]
    with pytest.raises(DataError, match="list cannot become an array"):
        Library.create(tmp_path / "library", vectors=[[1.0, 2.0], [3.0]])
    with pytest.raises(VectorsError, match=r"vectors of uint8; .* `transhash\.codes\.to_signs\(codes\)`"):
        Library.create(tmp_path / "library", vectors=np.zeros((9, 32), np.uint8))
    assert not (tmp_path / "library").exists()


@pytest.mark.parametrize("bits", [256, 1024])
def test_codes_of_other_programs_become_a_library(bits: int, tmp_path: Path) -> None:
    packed = np.packbits(np.random.default_rng(0).standard_normal((60, bits)) > 0, axis=1)
    with Library.create(tmp_path / "library", vectors=to_signs(packed)) as library:
        found = [int(hit.picture.stored_path) for hit in library.search(to_signs(packed[:1])[0], 60)]
    distances = hamming(packed[:1], packed)[0]
    assert (np.diff(distances[found]) >= 0).all()  # cosines of signs fall as distances grow


@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e200])
def test_lengths_of_vectors_do_not_matter(scale: float, vectors: np.ndarray, tmp_path: Path) -> None:
    with (
        Library.create(tmp_path / "a", vectors=vectors.astype(float)) as library,
        Library.create(tmp_path / "b", vectors=vectors.astype(float) * scale) as other,
    ):
        ids = library.codes().ids
        np.testing.assert_array_equal(other.codes().reconstruct(ids), library.codes().reconstruct(ids))


def test_tensors_that_numpy_cannot_have_are_errors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for tensor in (torch.zeros((9, 32), dtype=torch.bfloat16), torch.zeros((9, 32), requires_grad=True)):
        with pytest.raises(DataError, match="Tensor cannot become an array"):
            Library.create(tmp_path / "library", vectors=tensor)


def test_values_that_pandas_misses_are_none(vectors: np.ndarray, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    columns = {
        "day": pandas.Series([pandas.NaT, pandas.Timestamp("2024-05-01")]),
        "count": pandas.array([None, 3], dtype="Int64"),
        "kind": pandas.array([None, "a"], dtype="string"),
    }
    with Library.create(tmp_path / "library", vectors=vectors[:2], columns=columns) as library:
        found = {hit.picture.stored_path: hit.columns for hit in library.search(vectors[0], 2)}
    assert found == {"0": {}, "1": {"day": datetime(2024, 5, 1), "count": 3, "kind": "a"}}


def test_columns_of_arrow_are_taken(vectors: np.ndarray, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    columns = {"count": arrow.array([None, 3])}
    with Library.create(tmp_path / "library", vectors=vectors[:2], columns=columns) as library:
        assert {hit.picture.stored_path: hit.columns for hit in library.search(vectors[0], 2)} == {
            "0": {},
            "1": {"count": 3},
        }


def test_filters_know_addresses_as_they_were_given(vectors: np.ndarray, tmp_path: Path) -> None:
    ids = ["https://example.org/a.jpg", "file:///data/b.jpg", "s3://bucket/c/d.jpg"]
    filters = ["path = 'https://example.org/a.jpg'", "path like 'file:///data/*'", "folder = 's3://bucket/c'"]
    with Library.create(tmp_path / "library", vectors=vectors[:3], ids=ids) as library:
        found = [library.search(vectors[0], 3, where=where) for where in filters]
    assert [[hit.picture.stored_path for hit in hits] for hits in found] == [[id_] for id_ in ids]


def test_addresses_are_ids(vectors: np.ndarray, tmp_path: Path) -> None:
    ids = [f"https://example.org/{n % 7}/{n}.jpg?size=2" for n in range(50)]
    columns = {"id": range(50)}
    with Library.create(tmp_path / "library", vectors=vectors[:50], ids=ids, columns=columns) as library:
        (hit,) = library.search(vectors[9], 1)
        assert (hit.picture.stored_path, hit.columns) == (ids[9], {"id": 9})
        assert hit.to_dict()["path"] == ids[9]
        library.vectors.add(vectors[:50], ids)
        assert len(library) == 50
        assert library.annotate({ids[9]: {"seen": True}}).matched == 1
