"""Files of keys that lie between bounds: more keys than memory holds are distributed to them, and sorted one by one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.search.words import Words
from transhash.system import free_memory

if TYPE_CHECKING:
    Scalar = TypeVar("Scalar", bound=np.generic)

Column: TypeAlias = npt.NDArray[np.uint64] | npt.NDArray[np.uint32]  # of a part

AT_ONCE = 1 << 21  # keys that are compared at a time
SORTING = 3  # times the size of a part: what sorting it takes


class Parts:
    """Files of keys that lie between bounds, with whatever goes with each key."""

    def __init__(self, folder: Path, bounds: Words) -> None:
        self.folder, self.bounds = folder, bounds

    def __len__(self) -> int:
        return len(self.bounds) + 1

    def fill(self, chunks: Iterable[tuple[Column, ...]]) -> None:
        """Distribute chunks: sorted keys, and arrays that go with them."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for chunk in chunks:
            ends = [0, *np.searchsorted(chunk[0], self.bounds).tolist(), len(chunk[0])]
            for part, own in enumerate(map(slice, ends, ends[1:])):
                for number, array in enumerate(chunk):
                    if own.start < own.stop:  # opened each time: some systems allow 256 open files
                        with open(self._file(part, number), "ab") as file:
                            file.write(array[own].data)

    def mapped(self, part: int, number: int, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
        """One array of a part, as it lies in its file."""
        source = self._file(part, number)
        if not source.exists():
            return np.empty(0, dtype)
        return np.memmap(source, dtype, "r").view(np.ndarray)

    def check_memory(self, *arrays: Column) -> None:
        """Raises `HammingIndexError` where memory has no room to sort arrays of a part."""
        wanted, free = SORTING * sum(array.nbytes for array in arrays), free_memory()
        if free is not None and wanted > free:
            raise HammingIndexError(
                self.folder.parent,
                f"{len(arrays[0]):,} of the codes are sorted together, which needs {wanted / 1e9:.1f} GB of memory,"
                f" and {free / 1e9:.1f} GB are free",
                "free memory and make the same call again",
            )

    def _file(self, part: int, number: int) -> Path:
        return self.folder / f"{part}.{number}"


def are_one(keys: Words) -> bool:
    """Whether all keys (at least one) are equal."""
    return all((keys[first : first + AT_ONCE] == keys[0]).all() for first in range(0, len(keys), AT_ONCE))
