"""HammingIndex: exact nearest neighbours among packed binary codes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.search import file, small
from transhash.search.words import PADDING, Words, to_codes, to_words, word_count

Ids = npt.NDArray[np.int64]
STRATEGIES = (None, "scan")


class _State(NamedTuple):
    """What a search sees: never altered, replaced as a whole, so that searches need no lock."""

    ids: Ids  # sorted; a row's place is its label, so equal distances are in the order of ids
    words: Words  # [N + PADDING, words]
    next_id: int


class HammingIndex:
    """An exact index of codes of `bits` bits (a multiple of 8 from 8 to 512) under int64 ids.

    Searches may run in any number of threads while one adds or removes: each sees the index as it was at one moment.
    `meta` holds texts of the user's that are saved with the index.
    """

    def __init__(self, bits: int, meta: dict[str, str] | None = None) -> None:
        width = word_count(bits)
        self.bits = bits
        self.meta = dict(meta or {})
        self._lock = threading.Lock()
        self._state = _State(np.empty(0, np.int64), np.zeros((PADDING, width), np.uint64), 0)

    def __len__(self) -> int:
        return len(self._state.ids)

    def __repr__(self) -> str:
        return f"HammingIndex(bits={self.bits}, len={len(self)})"

    @property
    def ids(self) -> Ids:
        """All ids, ascending, int64 [N]."""
        return self._state.ids

    def add(self, codes: npt.NDArray[np.uint8], ids: npt.ArrayLike | None = None) -> Ids:
        """Add codes uint8 [N, bits/8] under ids int64 [N] (None: continuing numbers) and return their ids.

        Raises HammingIndexError for codes of another kind and for ids that are negative or already used; the index is
        then as it was.
        """
        words = to_words(codes, self.bits)
        with self._lock:
            state = self._state
            new = np.arange(state.next_id, state.next_id + len(words)) if ids is None else _as_ids(ids)
            if len(new) != len(words):
                raise HammingIndexError(f"{len(words)} codes came with {len(new)} ids: give one id for each code")
            if len(new) == 0:
                return new
            if new.min() < 0:
                raise HammingIndexError(f"id {new.min()} is negative: ids are 0 or greater")
            order = np.argsort(new, kind="stable")
            merged = np.concatenate((state.ids, new[order]))
            place = np.argsort(merged, kind="stable")
            merged = merged[place]
            twice = merged[1:][merged[1:] == merged[:-1]]
            if len(twice):
                raise HammingIndexError(f"id {twice[0]} is used twice: remove it first, or give another id")
            rows = np.zeros((len(merged) + PADDING, words.shape[1]), np.uint64)
            rows[: len(merged)] = np.concatenate((state.words[: len(state.ids)], words[order]))[place]
            self._state = _frozen(merged, rows, max(state.next_id, int(new.max()) + 1))
        return new

    def remove(self, ids: npt.ArrayLike) -> int:
        """Remove these ids (unknown ones are passed over) and return how many there were."""
        with self._lock:
            state = self._state
            stay = ~np.isin(state.ids, _as_ids(ids))
            removed = len(stay) - int(stay.sum())
            if removed:
                rows = np.concatenate((state.words[: len(stay)][stay], state.words[len(stay) :]))
                self._state = _frozen(state.ids[stay], rows, state.next_id)
        return removed

    def reconstruct(self, ids: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """The codes of these ids, uint8 [n, bits/8]; raises HammingIndexError for an unknown id."""
        state = self._state
        wanted = _as_ids(ids)
        place = np.searchsorted(state.ids, wanted)
        known = place < len(state.ids)
        known[known] = state.ids[place[known]] == wanted[known]
        if not known.all():
            raise HammingIndexError(f"id {wanted[~known][0]} is not in the index: give ids that were added")
        return to_codes(state.words[place], self.bits)

    def search(
        self,
        codes: npt.NDArray[np.uint8],
        k: int = 10,
        *,
        ids: npt.ArrayLike | set[int] | None = None,
        strategy: str | None = None,
    ) -> tuple[npt.NDArray[np.int32], Ids]:
        """The k nearest of each query, uint8 [Q, bits/8] -> (distances int32 [Q, k], ids int64 [Q, k]).

        Ordered by distance, equal distances by id; -1 pads when there are fewer than k. `ids` restricts the search: ids
        as an array or a set, or a boolean array in which entry i allows id i. Raises HammingIndexError.
        """
        if not isinstance(k, (int, np.integer)) or k < 1:
            raise HammingIndexError(f"k is {k!r}: ask for 1 result or more")
        if strategy not in STRATEGIES:
            raise HammingIndexError(f"strategy {strategy!r} is unknown: use None or 'scan'")
        queries = to_words(codes, self.bits)
        state = self._state if ids is None else _restricted(self._state, ids)
        D = np.full((len(queries), k), -1, np.int32)
        I = np.full((len(queries), k), -1, np.int64)  # noqa: E741
        useful = min(int(k), len(state.ids))
        if useful:
            if small.is_small(state.words, len(state.ids), queries):
                keys = small.nearest(state.words, len(state.ids), queries, useful)
            else:
                from transhash.search import scan

                keys = scan.nearest(state.words, len(state.ids), queries, useful, self.bits)
            D[:, :useful] = keys >> 32
            I[:, :useful] = state.ids[keys & 0xFFFFFFFF]
        return D, I

    def range_search(self, codes: npt.NDArray[np.uint8], radius: int) -> tuple[Ids, npt.NDArray[np.int32], Ids]:
        """Everything within `radius` of each query: (lims int64 [Q + 1], distances int32, ids int64).

        The hits of query i are at lims[i]:lims[i + 1], ordered by distance, equal distances by id.
        """
        if not isinstance(radius, (int, np.integer)) or radius < 0:
            raise HammingIndexError(f"radius is {radius!r}: give a whole number of bits, 0 or more")
        queries = to_words(codes, self.bits)
        state = self._state
        size = len(state.ids)
        if small.is_small(state.words, size, queries):
            counts, keys = small.within(state.words, size, queries, int(radius))
        else:
            from transhash.search import scan

            counts, keys = scan.within(state.words, size, queries, int(radius))
        lims = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        return lims, (keys >> 32).astype(np.int32), state.ids[keys & 0xFFFFFFFF]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one file, atomically; raises HammingIndexError when it cannot be written."""
        state = self._state
        head = {"bits": self.bits, "next_id": state.next_id, "meta": self.meta}
        file.write(Path(path), head, {"ids": state.ids, "words": state.words})

    @classmethod
    def open(cls, path: str | os.PathLike[str], mmap: bool = True, verify: bool | None = None) -> HammingIndex:
        """Open a saved index: mapped into memory, or read as a whole with `mmap=False`.

        A truncated or altered file raises HammingIndexError. Checksums over all data are compared for files up to
        64 MB, for `mmap=False`, and with `verify=True`.
        """
        head, arrays = file.read(Path(path), mmap, verify)
        index = cls(head["bits"], head["meta"])
        index._state = _State(arrays["ids"], arrays["words"], head["next_id"])
        return index


def _frozen(ids: Ids, words: Words, next_id: int) -> _State:
    ids.flags.writeable = False
    words.flags.writeable = False
    return _State(ids, words, next_id)


def _as_ids(ids: Any) -> Ids:
    array = np.asarray(list(ids) if isinstance(ids, Iterable) and not isinstance(ids, np.ndarray) else ids)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise HammingIndexError(f"ids are {array.dtype} with {array.ndim} dimension(s): give whole numbers, int64 [N]")
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise HammingIndexError(f"id {array.max()} does not fit in 64 bits with a sign: use smaller ids")
    return array.astype(np.int64)


def _restricted(state: _State, ids: Any) -> _State:
    """The state as if only these ids had been added."""
    if isinstance(ids, np.ndarray) and ids.dtype == np.bool_:
        ids = np.flatnonzero(ids)
    stay = np.isin(state.ids, _as_ids(ids))
    rows = np.concatenate((state.words[: len(stay)][stay], np.zeros_like(state.words[:PADDING])))
    return _frozen(state.ids[stay], rows, state.next_id)
