"""A model's own hash layers: from embeddings to relaxed codes of every length, in whole numbers.

    layers = Layers.read(folder, bits=288)
    values = layers.values(kept)  # int8 (N, V) to float64 (N, 288)

A value is a linear map of the embedding and of a hidden layer's values: a bit divides by more than one plane. All sums
are of whole numbers below 2⁵³, and hidden values are rounded down, so that codes are the same on every processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ModelError
from transhash.model.directory import HEAD, HIDDEN, LAYERS, read_linear
from transhash.model.fitted import FEW, LARGEST, STEP
from transhash.system import one_blas_thread

_FINE = 2.0**8  # parts of one, in which hidden values are counted
_SUMMED = 2.0**25  # parts of one, in which they are summed: no digit of a weight is lost


@dataclass(frozen=True, eq=False)
class Layers:
    """Two maps of whole numbers in float64, the last row of each is added. H can be 0."""

    hidden: NDArray[np.float64]  # (V + 1, H)
    output: NDArray[np.float64]  # (V + H + 1, B)

    @classmethod
    def read(cls, folder: Path, bits: int) -> Layers:
        """Those of a model directory; raises `ModelError` for what is not hash layers."""
        output = read_linear(folder / LAYERS, np.int32, bits).astype(np.float64)
        hidden = read_linear(folder / HIDDEN, np.int32).astype(np.float64)
        if len(hidden) + hidden.shape[1] != len(output):
            raise ModelError(folder / HIDDEN, f"does not belong to {LAYERS}", "copy the model again")
        return cls(hidden, output)

    @classmethod
    def fitted(cls, folder: Path, bits: int) -> Layers:
        """Those that `transhash fit` wrote, a linear map alone; raises `ModelError` for something else."""
        output = read_linear(folder / HEAD, np.int64, bits).astype(np.float64)
        return cls(np.empty((len(output), 0)), output)

    @classmethod
    def rounded(cls, hidden: NDArray[np.floating], output: NDArray[np.floating]) -> Layers:
        """The same of real numbers, for embeddings of length 1: (V + 1, H) and (V + H + 1, B)."""
        count = len(hidden) - 1
        inward = hidden * np.r_[np.full(count, STEP), 1.0][:, None] * _SUMMED
        outward = output * np.r_[np.full(count, STEP), np.full(hidden.shape[1], 1 / _FINE), 1.0][:, None]
        return cls(np.rint(inward), np.rint(outward * (LARGEST / np.abs(outward[:-1]).max())))

    @property
    def embedding_values(self) -> int:
        """V, the values of an embedding."""
        return len(self.hidden) - 1

    def values(self, kept: NDArray[np.int8]) -> NDArray[np.float64]:
        """Relaxed codes of embeddings [N, V]: whole numbers in float64 [N, B], exact in any order of the sums."""
        found = np.empty((len(kept), self.output.shape[1]))
        with one_blas_thread():
            for first in range(0, len(kept), FEW):
                some = kept[first : first + FEW].astype(np.float64)
                summed = np.maximum(some @ self.hidden[:-1] + self.hidden[-1], 0)
                read = np.hstack([some, np.floor(summed * (_FINE / _SUMMED))])
                found[first : first + FEW] = read @ self.output[:-1] + self.output[-1]
        return found
