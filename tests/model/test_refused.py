"""What fitting refuses before any work, and maps that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transhash import load
from transhash.errors import DataError, ModelError
from transhash.model import Embedder
from transhash.model.directory import read_linear
from transhash.model.embedder import random_head
from transhash.model.fit import fit
from transhash.model.foreign import fit_encoder


@pytest.mark.parametrize("bits", [0, 4, 12, 520])
def test_codes_of_no_whole_bytes_or_that_no_library_takes_are_not_fitted(bits: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="use a multiple of 8 from 8 to 512"):
        fit(load(), [], bits, tmp_path / "mine")


def test_a_model_takes_no_folder_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is there already"):
        fit(load(), [], 16, tmp_path)
    with pytest.raises(ModelError, match="is there already"):
        fit_encoder(Embedder("theirs", 32, "0"), [], 16, tmp_path)


def test_vectors_without_a_network_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no network that can be exported"):
        fit_encoder(Embedder("theirs", 32, "0"), [], 16, tmp_path / "mine")


def test_hash_layers_for_other_vectors_are_refused() -> None:
    with pytest.raises(ModelError, match="read 16 values, these vectors have 32"):
        Embedder("theirs", 32, "0").fitted(random_head(16, 8))


@pytest.mark.parametrize(
    "values",
    [np.zeros((3, 8), np.float64), np.zeros(8, np.float32), np.zeros((3, 7), np.float32), np.zeros((1, 8), np.float32)],
)
def test_what_is_no_linear_map_is_refused(values: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "head.npy", values)
    with pytest.raises(ModelError, match="not a linear map to 8 values"):
        read_linear(tmp_path / "head.npy", np.float32, 8)
    (tmp_path / "head.npy").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be read"):
        read_linear(tmp_path / "head.npy", np.float32, 8)
