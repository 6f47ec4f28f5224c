"""What a search for duplicates knows of the pictures before it opens any: their contents, sizes and dates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

NO_DATE = np.iinfo(np.int64).min


class Contents(NamedTuple):
    """What the catalogue knows of the pictures, ids ascending."""

    ids: Numbers
    digests: NDArray[np.void]
    sizes: Numbers  # bytes
    mtimes: Numbers  # ns
    widths: Numbers
    heights: Numbers
    dates: Numbers  # by the camera's clock, seconds since 1970 in no time zone; NO_DATE without one

    @classmethod
    def of(cls, pages: Iterable[list[tuple[int, bytes, int, int, int, int, int | None]]]) -> Contents:
        """From pages of (id, digest, size, mtime_ns, width, height, taken)."""
        digests, numbers = bytearray(), bytearray()
        for page in pages:
            digests += b"".join(row[1] for row in page)
            rows = [(row[0], *row[2:6], NO_DATE if row[6] is None else row[6]) for row in page]
            numbers += np.array(rows, np.int64).tobytes()
        table = np.frombuffer(numbers, np.int64).reshape(-1, 6)
        order = np.argsort(table[:, 0], kind="stable")
        marks = np.frombuffer(digests, np.dtype("V16")) if len(digests) == 16 * len(table) else None
        if marks is None:
            raise ValueError("digests of another length")
        return cls(table[order, 0], marks[order], *(table[order, column] for column in range(1, 6)))

    def of_some(self, ids: Numbers) -> Contents:
        """The same of those pictures that are among some ids."""
        wanted = np.isin(self.ids, ids)
        return Contents(self.ids[wanted], self.digests[wanted], *(each[wanted] for each in self[2:]))

    def digest(self, picture: int) -> str:
        """The digest of a picture's content, hex."""
        return bytes(self.digests[picture].tobytes()).hex()

    def digests_of(self, ids: Iterable[int]) -> dict[int, str]:
        """The digests of pictures, hex, by id; those that are not here are left out."""
        rows = np.flatnonzero(np.isin(self.ids, np.fromiter(ids, np.int64)))
        return {int(self.ids[row]): self.digest(row) for row in rows.tolist()}


def equal_contents(digests: NDArray[np.void]) -> tuple[Numbers, Numbers]:
    """(the first picture of each content, the content of each picture)."""
    if len(digests) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    halves = np.ascontiguousarray(digests).view(np.int64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    new = np.append(True, (halves[order][1:] != halves[order][:-1]).any(axis=1))
    content = np.empty(len(digests), np.int64)
    content[order] = np.cumsum(new) - 1
    return order[new], content
