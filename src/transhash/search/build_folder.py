"""The folder in which an index is built: one call at a time, what is done there, and the codes that it starts from."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from transhash.errors import HammingIndexError
from transhash.plain import JsonObject, parsed
from transhash.progress import Progress
from transhash.search.store import Ranks
from transhash.search.words import Words, to_words
from transhash.system import lock_file, replacing, reserve, settle

Codes: TypeAlias = npt.NDArray[np.uint8]
Given: TypeAlias = str | os.PathLike[str] | Iterable[Codes]


class BuildFolder:
    """The folder in which an index is built, and what is done there; others are kept out until it is closed.

    Raises `HammingIndexError` where another call builds, or where an index of other codes was begun.
    """

    def __init__(self, folder: Path, bits: int, source: Given) -> None:
        self.folder, self.bits, self.notes = folder, bits, folder / "state.json"
        origin: list[str | int] = ["chunks"]
        if isinstance(source, str | os.PathLike):
            try:
                known = os.stat(source)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise HammingIndexError(
                    source, f"no codes can be read here ({reason})", "give an .npy file of codes"
                ) from error
            origin = [str(Path(source).absolute()), known.st_size, known.st_mtime_ns]
        self.state: JsonObject = {"bits": bits, "source": origin, "done": []}
        try:
            self._lock = _locked(folder)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            if self.notes.exists():
                held = parsed(self.notes.read_text())
                if not isinstance(held, dict) or (held.get("bits"), held.get("source")) != (bits, origin):
                    raise self._of_others()
                self.state = held
            else:
                self._write()
        except (OSError, ValueError) as error:
            self.close()
            raise _unusable(folder, error) from error
        except HammingIndexError:
            self.close()
            raise

    def __enter__(self) -> BuildFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not (
            self.state["done"] and self.state.get("count", 1)
        ):  # there is nothing to go on from
            shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let others build here."""
        os.close(self._lock)

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
        """How many codes there are; what an iterator gives is copied for it.

        Raises `HammingIndexError` where chunks were copied before, and others come.
        """
        if isinstance(source, str | os.PathLike):
            return len(_codes_in(source, self.bits))
        if "copy" in self.state["done"]:
            first = next((chunk for chunk in source if len(to_words(chunk, self.bits))), None)
            if first is not None and _digest(first) != self.state.get("first"):
                raise self._of_others()
        self.stage("copy", lambda: self._copy(source, progress))
        return int(self.state["count"])

    def codes(self, source: Given) -> Source:
        """All codes, from their file, or from the copy of what an iterator gave."""
        if isinstance(source, str | os.PathLike):
            return Source(_codes_in(source, self.bits), self.bits)
        copied = np.memmap(self.folder / "codes", np.uint8, "r", shape=(int(self.state["count"]), self.bits // 8))
        return Source(copied.view(np.ndarray), self.bits)

    def mapped(self, name: str, words: int) -> Words:
        """Words of a file of this folder. One that is not there is made, of zeros that have their place on the disk.

        Raises `OSError` where the disk has no room: later a full disk would end the process (SIGBUS).
        """
        target = self.folder / name
        if not target.exists() or target.stat().st_size != 8 * words:
            with open(target, "wb") as made:
                reserve(made.fileno(), 8 * words)
        return np.memmap(target, "<u8", "r+", shape=(words,)).view(np.ndarray)

    def read(self, name: str) -> Words:
        """All words of a file of this folder."""
        source = self.folder / name
        if source.stat().st_size == 0:
            return np.empty(0, np.uint64)
        return np.memmap(source, np.uint64, "r").view(np.ndarray)

    def must(self, sound: object) -> None:
        """Raises `HammingIndexError` unless what was read here is as it was written."""
        if not sound:
            raise HammingIndexError(
                self.folder, "what was written here was altered", "remove this folder and make the same call again"
            )

    def _copy(self, source: Iterable[Codes], progress: Progress) -> None:
        count, first = 0, None
        with open(self.folder / "codes", "wb") as target:
            for chunk in source:
                to_words(chunk, self.bits)  # is it a chunk of codes
                if first is None and len(chunk):
                    first = _digest(chunk)
                target.write(np.ascontiguousarray(chunk).data)
                count += len(chunk)
                progress("copy the codes", count, 0, "")
        self.state.update(count=count, first=first)

    def _of_others(self) -> HammingIndexError:
        return HammingIndexError(self.folder, "an index of other codes was begun here", "remove this folder")

    def _write(self) -> None:
        with replacing(self.notes) as notes:
            notes.write(json.dumps(self.state).encode())


class Source:
    """Codes uint8 [n, bits/8] on disk, read some at a time as words."""

    def __init__(self, codes: Codes, bits: int) -> None:
        self.rows, self.bits = codes, bits

    def __len__(self) -> int:
        return len(self.rows)

    def chunks(self, at_once: int) -> Iterator[tuple[int, Words]]:
        """The first rank of each chunk, and its codes [n]."""
        for first in range(0, len(self.rows), at_once):
            yield first, self.words(slice(first, first + at_once))

    def words(self, rows: slice | Ranks) -> Words:
        """The codes of rows."""
        return np.array(to_words(np.ascontiguousarray(self.rows[rows]), self.bits)[:, 0])


def _locked(folder: Path) -> int:
    """The descriptor of the folder's lock, which is held as long as it is open. The folder is made if it is not there.

    Raises `HammingIndexError` where another call holds it.
    """
    path = folder / "lock"
    while True:
        folder.mkdir(exist_ok=True)
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except FileNotFoundError:
            continue  # who built here before has just removed the folder
        if not lock_file(lock):
            os.close(lock)
            raise HammingIndexError(
                folder, "another process or thread is building here", "wait until it has ended, or stop it"
            )
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)  # it was removed, with its folder, before it was locked


def _digest(chunk: Codes) -> list[int]:
    """By what a chunk of codes is known when it comes again."""
    return [len(chunk), zlib.crc32(np.ascontiguousarray(chunk).data)]


def _unusable(folder: Path, error: Exception) -> HammingIndexError:
    remedy = "free space or choose another place"
    if isinstance(error, ValueError | FileExistsError):  # what is there is of something else
        remedy = "remove it"
    elif isinstance(error, FileNotFoundError):
        remedy = f"make the folder {folder.parent}"
    reason = getattr(error, "strerror", None) or error
    return HammingIndexError(folder, f"no index can be built here ({reason})", remedy)


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
