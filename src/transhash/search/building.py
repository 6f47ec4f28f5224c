"""Building a compact index on disk, from more codes than memory holds: partitioned, and each part sorted in memory.

All happens in a folder next to the index, FILE.building. What is done there is written down after each stage, so that
the same call goes on after a kill. Codes are read from a file where they are, or copied when they come in chunks, until
they are partitioned.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.plain import JsonObject
from transhash.progress import Progress, silent
from transhash.search import file, packed, packing, tables
from transhash.search.build_folder import BuildFolder, Codes, Given, Source
from transhash.search.checks import check_compact, check_meta
from transhash.search.index import HammingIndex
from transhash.search.parts import Column, Parts, are_one
from transhash.search.store import MOST, Ranks
from transhash.search.words import PADDING, Arrays, Words, check_bits, to_words

Flags: TypeAlias = npt.NDArray[np.bool_]

AT_ONCE = 1 << 21  # codes that are read and sorted at a time
PART = 1 << 22  # codes that a part should have
PARTS = 256  # at most
SAMPLE = 1 << 16  # codes of which the bounds of the parts are taken


def build_index(
    path: str | os.PathLike[str],
    codes: str | os.PathLike[str] | Iterable[Codes],
    bits: int = 64,
    meta: dict[str, str] | None = None,
    *,
    progress: Progress = silent,
) -> HammingIndex:
    """Build a compact index in the file `path`, of more codes of 32 to 64 bits than memory holds, and open it.

    `codes` is an .npy file, uint8 [N, bits/8], such an array, or gives such arrays one after the other. The ids are
    0 … N-1.
    `progress` gets what is being done, and how many codes of how many. After a kill the same call goes on; chunks must
    then come again as before, or none if all were copied. Raises HammingIndexError, also when the disk has no room, or
    while another call builds the same file.
    """
    check_compact(True, check_bits(bits))
    path, meta = file.named(path), check_meta(meta)
    if path.is_dir():
        raise HammingIndexError(path, "this is a folder", "give the name of a file in it")
    codes = _given(codes, bits)
    folder = path.with_name(path.name + ".building")
    try:
        with BuildFolder(folder, bits, codes) as work:
            _build(path, work, codes, meta, progress)
    except OSError as error:
        raise HammingIndexError(
            folder, f"building stopped ({error.strerror or error})", "free space and make the same call again"
        ) from error
    return HammingIndex.open(path)


def _given(codes: object, bits: int) -> Given:
    """Where codes come from: an array is given some rows at a time. Raises `HammingIndexError` for what gives none."""
    if isinstance(codes, np.ndarray) and codes.ndim in (1, 2):
        return (codes[first : first + AT_ONCE] for first in range(0, len(codes), AT_ONCE))
    if not isinstance(codes, str | os.PathLike | Iterable) or (isinstance(codes, np.ndarray) and codes.ndim == 0):
        raise HammingIndexError(
            "",
            f"codes are a {type(codes).__name__}",
            f"give an .npy file, an array uint8 [N, {bits // 8}], or such arrays one after the other",
        )
    return codes


def _build(path: Path, work: BuildFolder, codes: Given, meta: dict[str, str], progress: Progress) -> None:
    folder, bits = work.folder, work.bits
    count = work.count(codes, progress)
    if not 0 < count <= MOST:
        raise HammingIndexError("", f"{count:,} codes", f"give 1 to {MOST:,}")
    _check_room(folder, count, bits)
    work.stage("partition", lambda: _partition_all(work, work.codes(codes), progress))
    (folder / "codes").unlink(missing_ok=True)
    work.stage("main", lambda: _sort_main(work, count, progress))
    shutil.rmtree(folder / "parts", ignore_errors=True)
    unique = int(work.state["unique"])
    cut = tables.substrings(bits, unique, packed.TABLES)
    flag = int(unique < count)
    begins, length = packed.layout(cut, unique, flag)
    for t in range(len(cut) - 1):
        place = _Place(cut, t, int(begins[t]), length, flag)
        work.stage(f"table {t}", partial(_write_table, work, place, progress))
    arrays: Arrays = {
        "0.alive": np.empty(0, np.uint64),
        "0.run": np.array([0, count]),
        "0.fields": work.mapped("fields", length),
        "0.offsets": np.concatenate([np.load(folder / f"offsets {t}.npy") for t in range(len(cut) - 1)]),
        "0.cuts": cut,
        "0.ranks": work.mapped("ranks", packed.words_for(count * packed.rank_bits(count))),
        "0.marks": work.mapped("marks", packed.mark_words(count)) if flag else np.empty(0, np.uint64),
        "0.sizes": np.array([count, unique]),
        "1.alive": np.empty(0, np.uint64),
        "1.ids": np.empty(0, np.int64),
        "1.codes": to_words(np.zeros((0, bits // 8), np.uint8), bits, PADDING),
    }
    for name in ("unique", "shared"):
        (folder / name).unlink(missing_ok=True)
    progress("write the file", count, count, "")
    head: JsonObject = {"bits": bits, "next_id": count, "meta": meta, "segments": 2, "compact": True}
    file.write(path, head, arrays)
    del arrays
    work.notes.unlink()  # first: what is left of the folder then is of no building
    shutil.rmtree(folder, ignore_errors=True)


def needed(count: int, bits: int) -> int:
    """Bytes of disk that building an index of so many codes takes at most, the index itself included."""
    cut = tables.substrings(bits, count, packed.TABLES)
    whole = packed.layout(cut, count, 1)[1] * 8 + count * (packed.rank_bits(count) + 1) // 8
    return max(2 * whole, whole + 16 * count) + (64 << 20)


def _bounds(sample: Words, count: int) -> Words:
    """Where to cut `count` keys into parts, by a sample of them. A key that fills parts has one of its own."""
    wanted = max(1, min(PARTS, count // PART))
    cuts = np.sort(sample)[len(sample) * np.arange(1, wanted) // wanted]
    many = cuts[1:][cuts[1:] == cuts[:-1]]
    many = many[many < np.iinfo(np.uint64).max]
    return np.unique(np.concatenate((cuts, many + np.uint64(1))))


def _partition_all(work: BuildFolder, source: Source, progress: Progress) -> None:
    rows = np.linspace(0, len(source) - 1, min(SAMPLE, len(source))).astype(np.int64)
    parts = Parts(work.folder / "parts", _bounds(source.words(rows), len(source)))

    def chunks() -> Iterator[tuple[Column, ...]]:
        for first, words in source.chunks(AT_ONCE):
            progress("partition", first, len(source), "")
            ranks = np.arange(first, first + len(words), dtype=np.uint32)
            packing.sort_pairs(words, ranks, work.bits)
            yield words, ranks

    parts.fill(chunks())
    work.state["bounds"] = parts.bounds.tolist()


def _sort_main(work: BuildFolder, count: int, progress: Progress) -> None:
    """Sort all codes with their ranks: what the main table knows about entries, and the different codes in order."""
    for name in ("ranks", "marks"):
        (work.folder / name).unlink(missing_ok=True)
    width = packed.rank_bits(count)
    ranks = work.mapped("ranks", packed.words_for(count * width))
    marks = work.mapped("marks", packed.mark_words(count))
    parts = Parts(work.folder / "parts", np.array(work.state["bounds"], np.uint64))
    entries = unique = 0
    with open(work.folder / "unique", "wb") as different, open(work.folder / "shared", "wb") as shared:
        for part in range(len(parts)):
            progress("sort", entries, count, "")
            keys, own = parts.mapped(part, 0, np.uint64), parts.mapped(part, 1, np.uint32)
            work.must(len(keys) == len(own) and entries + len(keys) <= count)
            if len(keys) and not are_one(keys):
                parts.check_memory(keys, own)
                keys, own = np.array(keys), np.array(own)
                packing.sort_pairs(keys, own, work.bits)
            for first, is_new, is_shared in _groups(keys):
                some = slice(first, first + len(is_new))
                packing.write_ranks(np.array(own[some]), width, ranks, entries + first)
                packing.write_ranks(is_new.astype(np.uint32), 1, marks, entries + first)
                keys[some][is_new].tofile(different)
                keys[some][is_shared].tofile(shared)
                unique += int(is_new.sum())
            entries += len(keys)
    work.must(entries == count)
    work.state["unique"] = unique


def _groups(keys: Words) -> Iterator[tuple[int, Flags, Flags]]:
    """Of keys in order, some at a time: the place of the first, which are the first of equal ones, and of several."""
    for first in range(0, len(keys), AT_ONCE):
        some = keys[first : first + AT_ONCE + 1]  # and the next
        repeats = np.append(some[1:] == some[:-1], False)[:AT_ONCE]
        is_new = np.ones(len(repeats), np.bool_)
        is_new[0] = first == 0 or keys[first - 1] != keys[first]
        is_new[1:] = ~repeats[:-1]
        yield first, is_new, is_new & repeats


class _Place(NamedTuple):
    """Where a table's fields go."""

    cut: Ranks
    table: int
    begin: int  # bit
    length: int  # words of all tables
    flag: int


def _write_table(work: BuildFolder, place: _Place, progress: Progress) -> None:
    cut, t, begin, length, flag = place
    end, rest = int(cut[t + 1]), work.bits - int(cut[t + 1] - cut[t])
    different, shared = work.read("unique"), work.read("shared")
    work.must(len(different) == work.state["unique"])
    fields = work.mapped("fields", length)
    last = begin // 64 + -(-len(different) * (rest + flag) // 64)
    fields[begin // 64 : last] = 0
    offsets = np.zeros((1 << int(cut[t + 1] - cut[t])) + 1, np.uint32)
    sample = packing.turned(different[:: max(1, len(different) // SAMPLE)], end, work.bits)
    parts = Parts(work.folder / "parts", _bounds(sample, len(different)))
    several = Parts(work.folder / "parts of shared", parts.bounds)

    def chunks(codes: Words) -> Iterator[tuple[Column, ...]]:
        for first in range(0, len(codes), AT_ONCE):
            progress(f"table {t + 1} of {len(cut) - 1}", first, len(codes), "")
            yield (np.sort(packing.turned(codes[first : first + AT_ONCE], end, work.bits)),)

    parts.fill(chunks(different))
    several.fill(chunks(shared))
    done = 0
    for part in range(len(parts)):
        keys, own = parts.mapped(part, 0, np.uint64), several.mapped(part, 0, np.uint64)
        parts.check_memory(keys, own)
        keys, own = np.sort(keys), np.sort(own)
        work.must(done + len(keys) <= len(different) and not (len(keys) and int(keys[-1]) >> work.bits))
        packing.write_fields(keys, own, rest, flag, fields, begin, done, offsets)
        done += len(keys)
    work.must(done == len(different))
    np.cumsum(offsets, out=offsets)
    np.save(work.folder / f"offsets {t}.npy", offsets)
    shutil.rmtree(parts.folder)
    shutil.rmtree(several.folder)


def _check_room(folder: Path, count: int, bits: int) -> None:
    """Raises `HammingIndexError` when the disk has no room for what is still to be written."""
    held = sum(each.stat().st_blocks * 512 for each in folder.rglob("*") if each.is_file())
    wanted, free = needed(count, bits) - held, shutil.disk_usage(folder).free
    if wanted > free:
        raise HammingIndexError(
            folder,
            f"building needs {wanted / 1e9:.1f} GB of disk for {count:,} codes, and {free / 1e9:.1f} GB are free",
            "free space or choose another folder",
        )
