"""Whether what a file holds is an index: kernels trust every offset in it, and a wrong one would read anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.plain import JsonObject
from transhash.search import packed
from transhash.search.checks import LAST_ID, check_compact, check_meta
from transhash.search.store import MOST, SHARED, WIDEST
from transhash.search.words import PADDING, Arrays, Words, check_bits, to_words, word_count

_KINDS = {"ids": "i8", "alive": "u8", "codes": "u8"}
_KINDS_OF_PACKED = {"ids": "i8", "alive": "u8", "fields": "u8", "offsets": "u4", "cuts": "i8", "ranks": "u8"}
_KINDS_OF_PACKED |= {"marks": "u8", "sizes": "i8"}
_KINDS_OF_TABLES = {"labels": "u4", "offsets": "u4", "cuts": "i8", "rows": "u4", "starts": "u4", "members": "u4"}
_KINDS_OF_CLUSTERS = {"centres": "u8", "reach": "u4"}


def check(head: JsonObject, arrays: Arrays, content: bool) -> None:
    """Raises `ValueError` unless header and arrays are those of an index.

    Kinds and sizes are always checked, every number in the arrays when `content` is true.
    """
    try:
        bits, segments, next_id = check_bits(head["bits"]), head["segments"], head["next_id"]
        check_meta(head["meta"])
        check_compact(head.get("compact"), bits)
    except (HammingIndexError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"its header has no sound settings: {error!r:.80}") from error
    _must(type(segments) is int and 1 <= segments <= len(arrays), "number of segments")
    _must(type(next_id) is int and 0 <= next_id <= LAST_ID + 1, "next id")
    named = 0
    for number in range(segments):
        parts = {name.partition(".")[2]: each for name, each in arrays.items() if name.startswith(f"{number}.")}
        named += len(parts)
        kinds = _KINDS_OF_PACKED if "fields" in parts else _KINDS | _KINDS_OF_TABLES if "cuts" in parts else _KINDS
        if "run" in parts:
            kinds = {name: kind for name, kind in kinds.items() if name != "ids"} | {"run": "i8"}
        if "centres" in parts and "cuts" in kinds and "fields" not in kinds:
            kinds |= _KINDS_OF_CLUSTERS
        _must(parts.keys() == kinds.keys(), "set of arrays")
        for name, part in parts.items():
            _must(
                part.dtype == np.dtype(kinds[name]) and part.ndim == 1 + (name in {"codes", "centres"}),
                f"{name} in kind",
            )
        if "run" in parts:
            _must("cuts" in parts, "run of ids")
            _check_run(parts["run"], next_id)
        _must(_count(parts) <= MOST, "number of entries")
        if "fields" in parts:
            _check_packed(parts, bits, content)
        else:
            _check_sizes(parts, bits)
        if content:
            _check_entries(parts, next_id)
            _must(all(_ends(parts[name], bits) for name in ("codes", "centres") if name in parts), "length of a code")
            if "cuts" in parts and "fields" not in parts:
                _check_tables(parts)
    _must(named == len(arrays), "set of arrays")


def _must(sound: Any, what: str) -> None:
    if not sound:
        raise ValueError(f"the {what} cannot be")


def _check_sizes(parts: Arrays, bits: int) -> None:
    count, rows = _count(parts), len(parts["codes"])
    _must(parts["codes"].shape[1] == word_count(bits), "width of the codes")
    _must(len(parts["alive"]) in (0, -(-count // 64)), "number of marks")
    if "cuts" not in parts:
        _must(rows == count + PADDING, "number of codes")
        return
    cuts, tables = parts["cuts"], len(parts["cuts"]) - 1
    widths = np.diff(cuts)
    _must(tables >= 1 and cuts[0] == 0 and cuts[-1] <= bits, "cuts")
    if "centres" in parts:
        centres = len(parts["reach"])
        _must(tables == 1 and 1 <= centres <= count, "cuts")
        _must(parts["centres"].shape == (centres + PADDING, word_count(bits)), "number of centres")
        offsets = centres * (bits + 1) + 1
    else:
        _must(widths.min() >= 1 and widths.max() <= WIDEST, "cuts")
        offsets = int(((1 << widths) + 1).sum())
    _must(rows % tables == 0 and PADDING <= rows // tables <= count + PADDING, "number of codes")
    _must(len(parts["labels"]) == rows and len(parts["rows"]) == count, "number of labels")
    _must(len(parts["offsets"]) == offsets, "number of offsets")


def _count(parts: Arrays) -> int:
    return int(parts["run"][1]) if "run" in parts else len(parts["ids"])


def _check_run(run: npt.NDArray[Any], next_id: int) -> None:
    _must(len(run) == 2 and run[0] >= 0 and run[1] >= 0 and int(run[0]) + int(run[1]) <= next_id, "run of ids")


def _check_entries(parts: Arrays, next_id: int) -> None:
    count, alive = _count(parts), parts["alive"]
    if count and "ids" in parts:
        ids = parts["ids"]
        _must(ids[0] >= 0 and int(ids[-1]) < next_id and bool((ids[1:] > ids[:-1]).all()), "order of the ids")
    if len(alive) and count % 64:
        _must(int(alive[-1]) >> (count % 64) == 0, "marks")


def _ends(codes: Words, bits: int) -> bool:
    """Whether codes have no bit set behind their end: a distance would be greater than any that there is room for."""
    within = to_words(np.full((1, bits // 8), 255, np.uint8), bits)[0]
    return bool((within == ~np.uint64(0)).all()) or not (np.bitwise_or.reduce(codes, axis=0) & ~within).any()


def _check_packed(parts: Arrays, bits: int, content: bool) -> None:
    """Any field is some code: only where fields begin, and ranks, can lead a kernel astray."""
    count, sizes, cuts = _count(parts), parts["sizes"], parts["cuts"]
    _must(packed.fits(bits) and len(sizes) == 2, "sizes")
    entries, unique = sizes.tolist()
    _must(entries == count and 1 <= unique <= count, "sizes")
    _must(len(parts["alive"]) in (0, -(-count // 64)), "number of marks")
    widths = np.diff(cuts)
    _must(len(cuts) >= 2 and cuts[0] == 0 and cuts[-1] == bits, "cuts")
    _must(widths.min() >= max(1, bits - packed.FIELD) and widths.max() <= min(WIDEST, bits - 8), "cuts")
    ends = np.cumsum((1 << widths) + 1)
    _must(len(parts["offsets"]) == ends[-1], "number of offsets")
    made = packed.completed(parts, entries, unique)
    if content:
        _check_offsets(parts["offsets"], ends, unique)
        from transhash.search import packing

        _must(packing.greatest_rank(made) < count, "ranks")


def _check_offsets(all_offsets: npt.NDArray[Any], ends: npt.NDArray[Any], unique: int) -> None:
    for offsets in np.split(all_offsets, ends[:-1]):
        _must(offsets[0] == 0 and offsets[-1] == unique and bool((offsets[1:] >= offsets[:-1]).all()), "offsets")


def _check_tables(parts: Arrays) -> None:
    count, cuts, starts, members = _count(parts), parts["cuts"], parts["starts"], parts["members"]
    tables = len(cuts) - 1
    unique = len(parts["codes"]) // tables - PADDING
    ends = np.cumsum((1 << np.diff(cuts)) + 1) if "centres" not in parts else np.array([len(parts["offsets"])])
    _check_offsets(parts["offsets"], ends, unique)
    _must(_below(parts["rows"], unique), "rows")
    if len(starts):
        _must(starts[0] == 0 and starts[-1] == len(members) and bool((starts[1:] > starts[:-1]).all()), "groups")
    _must(_below(members, count), "members of groups")
    labels = parts["labels"].reshape(tables, -1)[:, :unique]
    shared = labels >= SHARED
    groups = max(0, len(starts) - 1)
    _must(_below(labels[~shared], count) and _below(labels[shared] - np.uint32(SHARED), groups), "labels")
    if groups:  # each member leads back to its group
        own = np.repeat(np.arange(SHARED, SHARED + groups, dtype=np.uint32), np.diff(starts))
        _must((labels[0][parts["rows"][members]] == own).all(), "labels of groups")


def _below(numbers: npt.NDArray[Any], bound: int) -> bool:
    return not len(numbers) or int(numbers.max()) < bound
