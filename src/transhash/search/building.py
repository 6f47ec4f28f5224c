"""Building a compact index on disk, from more codes than memory holds: partitioned, and each part sorted in memory.

All happens in a folder next to the index, FILE.building. What is done there is written down after each stage, so that
the same call goes on after a kill. Codes are read from a file where they are, or copied when they come in chunks, until
they are partitioned.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.plain import JsonObject, parsed
from transhash.progress import Progress, silent
from transhash.search import file, packed, packing, tables
from transhash.search.checks import check_compact, check_meta
from transhash.search.index import HammingIndex
from transhash.search.store import Ranks
from transhash.search.words import PADDING, Arrays, Words, check_bits, to_words
from transhash.system import replacing, settle

Codes: TypeAlias = npt.NDArray[np.uint8]
Given: TypeAlias = str | os.PathLike[str] | Iterable[Codes]

AT_ONCE = 1 << 21  # codes that are read and sorted at a time
PART = 1 << 22  # codes that a part should have
PARTS = 256  # files that are open at a time, at most
SAMPLE = 1 << 16  # codes of which the bounds of the parts are taken
MOST = (1 << 32) - 1  # entries


def build_index(
    path: str | os.PathLike[str],
    codes: str | os.PathLike[str] | Iterable[Codes],
    bits: int = 64,
    meta: dict[str, str] | None = None,
    *,
    progress: Progress = silent,
) -> HammingIndex:
    """Build a compact index in the file `path`, of more codes of 32 to 64 bits than memory holds, and open it.

    `codes` is an .npy file, uint8 [N, bits/8], or gives such arrays one after the other. The ids are 0 … N-1.
    `progress` gets what is being done, and how many codes of how many. After a kill the same call goes on; chunks must
    then come again as before if they were not all copied. Raises HammingIndexError, also when the disk has no room.
    """
    check_compact(True, check_bits(bits))
    path, meta = file.named(path), check_meta(meta)
    folder = path.with_name(path.name + ".building")
    try:
        _build(path, _Work(folder, bits, codes), codes, meta, progress)
    except OSError as error:
        raise HammingIndexError(
            folder, f"building stopped ({error.strerror or error})", "free space and make the same call again"
        ) from error
    return HammingIndex.open(path)


def _build(path: Path, work: _Work, codes: Given, meta: dict[str, str], progress: Progress) -> None:
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


class _Work:
    """The folder in which an index is built, and what is done there."""

    def __init__(self, folder: Path, bits: int, source: Given) -> None:
        self.folder, self.bits, self.notes = folder, bits, folder / "state.json"
        told: list[str | int] = ["chunks"]
        if isinstance(source, str | os.PathLike):
            try:
                known = os.stat(source)
            except OSError as error:
                raise HammingIndexError(
                    source, f"no codes can be read here ({error.strerror})", "give an .npy file of codes"
                ) from error
            told = [str(Path(source).absolute()), known.st_size, known.st_mtime_ns]
        self.state: JsonObject = {"bits": bits, "source": told, "done": []}
        try:
            folder.mkdir(exist_ok=True)
            if self.notes.exists():
                held = parsed(self.notes.read_text())
                if not isinstance(held, dict) or (held.get("bits"), held.get("source")) != (bits, told):
                    raise HammingIndexError(folder, "an index of other codes was begun here", "remove this folder")
                self.state = held
            else:
                self._write()
        except (OSError, ValueError) as error:
            raise HammingIndexError(folder, f"no index can be built here ({error})", "remove it") from error

    def stage(self, name: str, action: Callable[[], None]) -> None:
        """Do what has not been done yet, and write down that it is done when it has reached the disk."""
        if name in self.state["done"]:
            return
        action()
        for made in self.folder.rglob("*"):
            settle(made)
        self.state["done"].append(name)
        self._write()

    def count(self, source: Given, progress: Progress) -> int:
        """How many codes there are; what an iterator gives is copied for it."""
        if isinstance(source, str | os.PathLike):
            return len(_codes_in(source, self.bits))
        self.stage("copy", lambda: self._copy(source, progress))
        return int(self.state["count"])

    def codes(self, source: Given) -> _Source:
        """All codes, from their file, or from the copy of what an iterator gave."""
        if isinstance(source, str | os.PathLike):
            return _Source(_codes_in(source, self.bits), self.bits)
        copied = np.memmap(self.folder / "codes", np.uint8, "r", shape=(int(self.state["count"]), self.bits // 8))
        return _Source(copied.view(np.ndarray), self.bits)

    def mapped(self, name: str, words: int) -> Words:
        """Words of a file of this folder that is made when it is not there."""
        target = self.folder / name
        fresh = not target.exists() or target.stat().st_size != 8 * words
        return np.memmap(target, "<u8", "w+" if fresh else "r+", shape=(words,)).view(np.ndarray)

    def _copy(self, source: Iterable[Codes], progress: Progress) -> None:
        count = 0
        with open(self.folder / "codes", "wb") as target:
            for chunk in source:
                to_words(chunk, self.bits)  # is it a chunk of codes
                target.write(np.ascontiguousarray(chunk).data)
                count += len(chunk)
                progress("copy the codes", count, 0, "")
        self.state["count"] = count

    def _write(self) -> None:
        with replacing(self.notes) as notes:
            notes.write(json.dumps(self.state).encode())


class _Source:
    """Codes uint8 [n, bits/8] on disk, read some at a time as words."""

    def __init__(self, codes: Codes, bits: int) -> None:
        self.rows, self.bits = codes, bits

    def __len__(self) -> int:
        return len(self.rows)

    def chunks(self) -> Iterator[tuple[int, Words]]:
        """The first rank of each chunk, and its codes [n]."""
        for first in range(0, len(self.rows), AT_ONCE):
            yield first, self.words(slice(first, first + AT_ONCE))

    def words(self, rows: Any) -> Words:
        """The codes of rows."""
        return np.array(to_words(np.ascontiguousarray(self.rows[rows]), self.bits)[:, 0])


class _Parts:
    """Files of keys that lie between bounds, with whatever goes with each key."""

    def __init__(self, folder: Path, bounds: Words) -> None:
        self.folder, self.bounds = folder, bounds

    def __len__(self) -> int:
        return len(self.bounds) + 1

    def fill(self, chunks: Iterable[tuple[npt.NDArray[Any], ...]]) -> None:
        """Distribute chunks: sorted keys, and arrays that go with them."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        with ExitStack() as stack:
            files: dict[tuple[int, int], Any] = {}
            for chunk in chunks:
                ends = [0, *np.searchsorted(chunk[0], self.bounds).tolist(), len(chunk[0])]
                for part in range(len(self)):
                    for number, array in enumerate(chunk):
                        if ends[part] < ends[part + 1]:
                            if (part, number) not in files:
                                files[part, number] = stack.enter_context(open(self._file(part, number), "wb"))
                            files[part, number].write(array[ends[part] : ends[part + 1]].data)

    def read(self, part: int, number: int, dtype: type[np.generic]) -> npt.NDArray[Any]:
        """One array of a part."""
        source = self._file(part, number)
        return np.fromfile(source, dtype) if source.exists() else np.empty(0, dtype)

    def _file(self, part: int, number: int) -> Path:
        return self.folder / f"{part}.{number}"


def _bounds(sample: Words, count: int) -> Words:
    """Where to cut `count` keys into parts, by a sample of them."""
    wanted = max(1, min(PARTS, count // PART))
    return np.unique(np.sort(sample)[len(sample) * np.arange(1, wanted) // wanted])


def _partition_all(work: _Work, source: _Source, progress: Progress) -> None:
    rows = np.linspace(0, len(source) - 1, min(SAMPLE, len(source))).astype(np.int64)
    parts = _Parts(work.folder / "parts", _bounds(source.words(rows), len(source)))

    def chunks() -> Iterator[tuple[npt.NDArray[Any], ...]]:
        for first, words in source.chunks():
            progress("partition", first, len(source), "")
            ranks = np.arange(first, first + len(words), dtype=np.uint32)
            packing.sort_pairs(words, ranks, work.bits)
            yield words, ranks

    parts.fill(chunks())
    work.state["bounds"] = parts.bounds.tolist()


def _sort_main(work: _Work, count: int, progress: Progress) -> None:
    """Sort all codes with their ranks: what the main table knows about entries, and the different codes in order."""
    for name in ("ranks", "marks"):
        (work.folder / name).unlink(missing_ok=True)
    width = packed.rank_bits(count)
    ranks = work.mapped("ranks", packed.words_for(count * width))
    marks = work.mapped("marks", packed.mark_words(count))
    parts = _Parts(work.folder / "parts", np.array(work.state["bounds"], np.uint64))
    entries = unique = 0
    with open(work.folder / "unique", "wb") as different, open(work.folder / "shared", "wb") as shared:
        for part in range(len(parts)):
            progress("sort", entries, count, "")
            keys, own = parts.read(part, 0, np.uint64), parts.read(part, 1, np.uint32)
            if not len(keys):
                continue
            packing.sort_pairs(keys, own, work.bits)
            first = np.ones(len(keys), np.bool_)
            np.not_equal(keys[1:], keys[:-1], out=first[1:])
            packing.write_ranks(own, width, ranks, entries)
            packing.write_ranks(first.astype(np.uint32), 1, marks, entries)
            keys[first].tofile(different)
            keys[first][np.diff(np.append(np.flatnonzero(first), len(keys))) > 1].tofile(shared)
            entries += len(keys)
            unique += int(first.sum())
    work.state["unique"] = unique


class _Place(NamedTuple):
    """Where a table's fields go."""

    cut: Ranks
    table: int
    begin: int  # bit
    length: int  # words of all tables
    flag: int


def _write_table(work: _Work, place: _Place, progress: Progress) -> None:
    cut, t, begin, length, flag = place
    end, rest = int(cut[t + 1]), work.bits - int(cut[t + 1] - cut[t])
    different = np.memmap(work.folder / "unique", np.uint64, "r")
    fields = work.mapped("fields", length)
    last = begin // 64 + -(-len(different) * (rest + flag) // 64)
    fields[begin // 64 : last] = 0
    offsets = np.zeros((1 << int(cut[t + 1] - cut[t])) + 1, np.uint32)
    shared = np.fromfile(work.folder / "shared", np.uint64)
    sample = packing.turned(different[:: max(1, len(different) // SAMPLE)], end, work.bits)
    parts = _Parts(work.folder / "parts", _bounds(sample, len(different)))

    def chunks(codes: Words) -> Iterator[tuple[npt.NDArray[Any], ...]]:
        for first in range(0, len(codes), AT_ONCE):
            progress(f"table {t + 1} of {len(cut) - 1}", first, len(codes), "")
            yield (np.sort(packing.turned(codes[first : first + AT_ONCE], end, work.bits)),)

    parts.fill(chunks(different))
    own = np.sort(packing.turned(shared, end, work.bits))
    done = 0
    for part in range(len(parts)):
        keys = np.sort(parts.read(part, 0, np.uint64))
        if len(keys):
            mine = own[np.searchsorted(own, keys[0]) : np.searchsorted(own, keys[-1], side="right")]
            packing.write_fields(keys, mine, rest, flag, fields, begin, done, offsets)
            done += len(keys)
    np.cumsum(offsets, out=offsets)
    np.save(work.folder / f"offsets {t}.npy", offsets)
    shutil.rmtree(parts.folder)


def _codes_in(path: str | os.PathLike[str], bits: int) -> Codes:
    try:
        codes = np.load(path, mmap_mode="r", allow_pickle=False)
    except (EOFError, OSError, ValueError) as error:
        raise HammingIndexError(path, f"no codes can be read here ({error})", "give an .npy file of codes") from error
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != bits // 8:
        raise HammingIndexError(
            path, f"it holds {codes.dtype} {list(codes.shape)}", f"give packed bits, uint8 [N, {bits // 8}]"
        )
    return np.asarray(codes)


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
