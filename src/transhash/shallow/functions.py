"""What every shallow method hands back: a hash function over features.

function = METHODS["ksh"](features, labels, 64, seed=0)
codes = pack(function.values(others))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError

Features = NDArray[np.float32]
Labels = NDArray[Any] | None


class HashFunction(Protocol):
    """Features in, relaxed codes out."""

    def values(self, features: Features) -> NDArray[np.float32]:
        """Relaxed codes, float32 (M, B), of features (M, F); a value above 0 is a one."""


Method = Callable[..., HashFunction]


@dataclass(frozen=True)
class Linear:
    """A hyperplane a bit: `head` is (F + 1, B), weights and below them what is added."""

    head: NDArray[Any]

    def values(self, features: Features) -> NDArray[np.float32]:
        """Relaxed codes, float32 (M, B), of features (M, F)."""
        values: NDArray[np.float32] = (features @ self.head[:-1] + self.head[-1]).astype(np.float32)
        return values


def unvarying(features: NDArray[np.generic], method: str) -> DataError:
    """What to raise when all pictures have the same features."""
    return DataError(
        "", f"{method} cannot tell {len(features)} pictures with the same features apart", "give some that vary"
    )
