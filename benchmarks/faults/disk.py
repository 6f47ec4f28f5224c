"""A disk that loses its power: what of a run's calls is on it for sure, and what may be, whole or in part.

The model is the strict one: content is there after a sync of its file, a name after a sync of its folder. What was not
synced may be there, or not, or sectors of it; of names that wait, the first ones may be there (they keep their order).
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.shim import Record

SECTOR = 512  # bytes that a drive writes whole


@dataclass
class File:
    """Content: what is there for sure, and the writes that wait for a sync."""

    sure: bytearray = field(default_factory=bytearray)
    waiting: list[Record] = field(default_factory=list)
    mtime_ns: int | None = None  # of one that was there before


@dataclass
class Naming:
    """A change of a name that waits for a sync of its folder."""

    folder: str
    gone: str | None = None  # a path that is no more
    path: str | None = None  # a path that is
    file: File | None = None  # there; None: a folder


class Disk:
    """A folder, and the calls of a run on it up to some moment."""

    def __init__(self, folder: Path, called: Path) -> None:
        """`folder`: what is there before the run, which calls it `called`."""
        self._sure: dict[str, File | None] = {}
        for path in [folder, *sorted(folder.rglob("*"))]:
            name = os.path.normpath(called / path.relative_to(folder))
            is_file = path.is_file()
            content = bytearray(path.read_bytes()) if is_file else bytearray()
            self._sure[name] = File(content, mtime_ns=path.stat().st_mtime_ns) if is_file else None
        self._now = dict(self._sure)
        self._waiting: list[Naming] = []
        self._called = called

    def take(self, call: Record) -> None:
        """Do what a call did."""
        path = os.path.normpath(call.path)
        file = self._now.get(path)
        if call.kind == "open":
            if path not in self._now:
                self._name(Naming(os.path.dirname(path), path=path, file=File()))
            elif call.number and file:
                file.waiting.append(call._replace(kind="truncate", number=0))
        elif call.kind == "make":
            self._name(Naming(os.path.dirname(path), path=path))
        elif call.kind == "remove":
            self._name(Naming(os.path.dirname(path), gone=path))
        elif call.kind in ("rename", "link"):
            other = os.path.normpath(call.other)
            gone = path if call.kind == "rename" else None
            self._name(Naming(os.path.dirname(other), gone, other, file))
        elif call.kind in ("write", "truncate") and file:
            file.waiting.append(call)
        elif call.kind == "sync" and file:
            file.sure = content_of(file, file.waiting)
            file.waiting = []
        elif call.kind == "sync" and path in self._now:
            for each in [one for one in self._waiting if one.folder == path]:
                _rename(self._sure, each)
                self._waiting.remove(each)

    def write(self, folder: Path, how: str, seed: int) -> None:
        """Make a folder what the disk is after the power was cut.

        `how`: "all" that was called is there, "synced" is what is sure, "torn" has a part of what waits, by `seed`.
        """
        chance = random.Random(seed)
        kept = {"all": len(self._waiting), "synced": 0}.get(how, chance.randint(0, len(self._waiting)))
        names = dict(self._sure)
        for naming in self._waiting[:kept]:
            _rename(names, naming)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, file in sorted(names.items()):
            path = folder / os.path.relpath(name, self._called)
            if not path.parent.is_dir():
                continue  # its folder is lost
            if file is None:
                path.mkdir(exist_ok=True)
                continue
            some = {"all": file.waiting, "synced": []}.get(how)
            path.write_bytes(content_of(file, torn(file.waiting, chance) if some is None else some))
            if file.mtime_ns is not None and not file.waiting:
                os.utime(path, ns=(file.mtime_ns, file.mtime_ns))

    def _name(self, naming: Naming) -> None:
        _rename(self._now, naming)
        self._waiting.append(naming)


def _rename(names: dict[str, File | None], naming: Naming) -> None:
    if naming.path is not None:
        moved = [each for each in names if naming.gone and each.startswith(naming.gone + os.sep)]
        for each in moved:
            names[naming.path + each.removeprefix(naming.gone or "")] = names.pop(each)
        names[naming.path] = naming.file
    if naming.gone is not None:
        names.pop(naming.gone, None)


def content_of(file: File, writes: list[Record]) -> bytearray:
    """What is sure of a file, with some writes done."""
    content = bytearray(file.sure)
    for call in writes:
        if call.kind == "truncate":
            content = content[: call.number].ljust(call.number, b"\0")
        else:
            content = content.ljust(call.number, b"\0")
            content[call.number : call.number + len(call.data)] = call.data
    return content


def torn(writes: list[Record], chance: random.Random) -> list[Record]:
    """Some of the sectors of some of the writes."""
    found = []
    for call in writes:
        if call.kind == "truncate":
            found += [call] if chance.random() < 0.5 else []
            continue
        for start in range(0, len(call.data), SECTOR):
            if chance.random() < 0.5:
                found.append(call._replace(number=call.number + start, data=call.data[start : start + SECTOR]))
    return found
