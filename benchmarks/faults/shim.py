"""The layer below libc (`shim.c`): compiled, loaded into a program that begins anew with it, and given orders."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from transhash.errors import TransHashError

KINDS = ("open", "write", "sync", "rename", "truncate", "map", "link", "make", "remove")  # as in shim.c
FAILS = {  # errno: the kinds of calls that may fail with it
    errno.ENOSPC: ("open", "write", "sync", "rename", "truncate", "map", "link", "make"),
    errno.EIO: KINDS,
    errno.EINTR: ("open", "write", "sync", "truncate"),
    errno.EMFILE: ("open", "map"),
}
MARK = 100  # kind of a record that a program writes itself: what it has just acknowledged
_STATE = struct.Struct("<QQiiIiQi496s4x")
_HEAD = struct.Struct("<QQQQQ")


class Record(NamedTuple):
    """A call that succeeded, in the order of the calls."""

    kind: str  # of KINDS, or "mark"
    path: str
    other: str  # the new name, of a renaming or a link
    number: int  # where a write began, the length after a truncation, 1 for an opening that truncates
    data: bytes


def compiler() -> str | None:
    """The C compiler of this machine, if it has one and can load what it makes below a program."""
    return shutil.which("cc") if sys.platform == "linux" else None


def new_home() -> Path:
    """A folder for a program that begins anew: in memory where there is such, as thousands of syncs cost time."""
    memory = Path("/dev/shm")
    folder = os.environ.get("FAULTS_HOME") or tempfile.mkdtemp(
        prefix="transhash-faults-", dir=memory if os.access(memory, os.W_OK) else None
    )
    return Path(os.path.realpath(folder))


def begin_below(home: Path, under: Path) -> Shim:
    """Begin this program anew with the layer below it, whose folder is `under`; return how to give it orders.

    `home` gets the compiled layer and its files. Raises `TransHashError` where there is no compiler.
    """
    state, log = home / "state", home / "log"
    if os.environ.get("FAULTS_STATE") == str(state):
        return Shim(state, log)
    cc = compiler()
    if cc is None:
        raise TransHashError("", "failing calls need Linux and a C compiler", "install gcc")
    layer = home / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([cc, "-O2", "-shared", "-fPIC", "-o", layer, source, "-ldl", "-lpthread"], check=True)
    state.write_bytes(bytes(_STATE.size))
    log.touch()
    own = {"LD_PRELOAD": layer, "FAULTS_UNDER": under, "FAULTS_STATE": state, "FAULTS_LOG": log, "FAULTS_HOME": home}
    environment = {**os.environ, **{name: os.fspath(value) for name, value in own.items()}}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


class Shim:
    """Orders for the layer below this program and its children."""

    def __init__(self, state: Path, log: Path) -> None:
        with state.open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), _STATE.size)
        self._log = log

    def order(self, *, error: int = errno.EIO, at: int = 0, lasting: bool = False, recording: bool = False) -> None:
        """Count from now on the calls that may fail with an errno, and fail the one numbered `at` (0: none).

        With `lasting` all after it fail, too. `recording`: write down what succeeds.
        """
        kinds = sum(1 << KINDS.index(kind) for kind in FAILS[error])
        if recording:
            os.truncate(self._log, 0)
        self._state[:] = _STATE.pack(0, at, error, lasting, kinds, recording, 0, 0, b"")

    def peace(self) -> None:
        """Fail and record nothing from now on; what was counted stays."""
        seen, _, error, *_, failed, kind, path = _STATE.unpack(self._state)
        self._state[:] = _STATE.pack(seen, 0, error, 0, 0, 0, failed, kind, path)

    @property
    def seen(self) -> int:
        """Calls that could have failed since the last order."""
        return int(_STATE.unpack(self._state)[0])

    @property
    def failed(self) -> str:
        """The first call that failed, such as "write catalogue.sqlite-wal"; nothing when none did."""
        *_, failed, kind, path = _STATE.unpack(self._state)
        return f"{KINDS[kind]} {os.path.basename(os.fsdecode(path.rstrip(bytes(1))))}" if failed else ""

    def mark(self, text: str) -> None:
        """Write down that something was acknowledged."""
        data = text.encode()
        with open(self._log, "ab", buffering=0) as file:
            file.write(_HEAD.pack(MARK, 0, 0, 0, len(data)) + data)

    def records(self) -> Iterator[Record]:
        """What was written down since the order to."""
        log = self._log.read_bytes()
        place = 0
        while place < len(log):
            kind, first, second, number, size = _HEAD.unpack_from(log, place)
            place += _HEAD.size
            path, other, data = (log[place : place + first], log[place + first :][:second], b"")
            place += first + second
            data, place = log[place : place + size], place + size
            name = "mark" if kind == MARK else KINDS[kind]
            yield Record(name, os.fsdecode(path), os.fsdecode(other), number, data)
