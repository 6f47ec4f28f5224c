"""Queries as they are asked of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from transhash.server.filters import Passing


@dataclass(frozen=True)
class Options:
    """What is asked about a query; queries of equal options are searched together."""

    k: int = 50
    offset: int = 0
    max_distance: int | None = None
    min_probability: float | None = None
    where: str | None = None
    histogram: bool = False
    collapse: bool = False

    @property
    def ranked(self) -> int:
        """How many of the nearest pictures have to be found."""
        return self.offset + self.k


@dataclass(frozen=True)
class Query:
    """A picture to search for: by its id in the library, its code, or its relaxed code."""

    options: Options
    id: int | None = None
    code: NDArray[np.uint8] | None = field(default=None, compare=False)
    values: NDArray[np.float32] | None = field(default=None, compare=False)
    embedding: NDArray[np.int8] | None = field(default=None, compare=False)
    of_words: bool = False
    version: str | None = None  # of the content of a picture that was sent
    allowed: Passing | None = field(default=None, compare=False)  # what passes the filter, if there is one
