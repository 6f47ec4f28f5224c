"""Decoding what strangers sent: in processes of their own, within a bound of time and one of memory.

A picture that takes too long, or more memory than it may, or that brings its process down, becomes an `ImageError`; the
process is replaced, and nobody else's picture is touched. What comes back is read as numbers and pixels, never as
objects: a process that a picture has taken over cannot give its parent more than a wrong picture.

    guard = Guard(2, seconds=10.0, memory=1 << 30)
    sent = guard.picture(content, 140, 1.0, max_pixels=50_000_000)  # from as many threads as there are processes

The bound of memory holds on Linux; elsewhere only that of time does. There, too, a picture that takes longer than most
has its process work when nothing else does.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError
from transhash.images.copies import full_copy, small_copy
from transhash.images.helpers import end, environment, program
from transhash.images.opening import Decoded, Opened, load_picture, open_picture, suffix_of

CALM_SECONDS = 1.0  # after which a picture is decoded only when the machine has nothing else to do
_LENGTH = 8  # bytes before a part of a message that say how long it is
_MOST_BYTES = 2 << 30  # of an answer
_SECRET = "TRANSHASH_TOKEN"  # a variable of which these processes need not know
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


@dataclass(frozen=True)
class Sent:
    """A picture that was sent, decoded for a network."""

    decoded: Decoded
    suffix: str  # what the name of its file ends in, such as ".jpg"


class Guard:
    """Processes that decode, each one picture at a time, started when they are first needed."""

    def __init__(self, processes: int, *, seconds: float, memory: int) -> None:
        """`seconds` and `memory`, in bytes, are for one picture."""
        self._seconds = seconds
        self._memory = memory
        self._slots: list[subprocess.Popen[bytes] | None] = [None] * processes  # that are free; None: to be started
        self._freed = threading.Condition()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.close = weakref.finalize(self, end, self._running)
        """End them now."""

    @property
    def free(self) -> int:
        """How many pictures could be decoded at once from now on."""
        return len(self._slots)

    @property
    def processes(self) -> list[int]:
        """The ids of those that run."""
        return [each.pid for each in list(self._running)]

    def picture(self, content: bytes, size: int, crop: float, *, max_pixels: int, calm: bool = False) -> Sent:
        """What `load_picture` gives for the bytes of a file, and the suffix of its name; raises `ImageError`.

        With `calm` it is decoded when the machine has nothing else to do.
        """
        facts, pixels = self._ask("picture", content, calm=calm, size=size, crop=crop, max_pixels=max_pixels)
        if len(pixels) != 3 * size * size or not _SUFFIX.fullmatch(str(facts.get("suffix"))):
            raise _failed(content)
        return _sent(facts, np.frombuffer(pixels, np.uint8).reshape(size, size, 3))

    def whole(self, content: bytes, *, max_pixels: int, calm: bool = False) -> Sent:
        """What `open_picture` gives for the bytes of a file, its pixels (H, W, 3); raises `ImageError`."""
        facts, pixels = self._ask("whole", content, calm=calm, max_pixels=max_pixels)
        rows = int(facts.get("rows", 0))
        if rows < 1 or not pixels or len(pixels) % (3 * rows) or not _SUFFIX.fullmatch(str(facts.get("suffix"))):
            raise _failed(content)
        return _sent(facts, np.frombuffer(pixels, np.uint8).reshape(rows, -1, 3))

    def small(self, content: bytes) -> bytes:
        """What `small_copy` gives; raises `ImageError`."""
        return self._ask("small", content)[1]

    def full(self, content: bytes, *, max_pixels: int) -> bytes:
        """What `full_copy` gives; raises `ImageError`."""
        return self._ask("full", content, max_pixels=max_pixels)[1]

    def _ask(self, job: str, content: bytes, *, calm: bool = False, **named: float) -> tuple[dict[str, Any], bytes]:
        process = self._taken(calm)
        try:
            process = self._ready(process)
            return self._answer_of(process, json.dumps([job, named]).encode(), content, CALM_SECONDS * (not calm))
        finally:
            if process is not None and process not in self._running:
                process = None
            with self._freed:
                self._slots.append(process)
                self._freed.notify()

    def _taken(self, calm: bool) -> subprocess.Popen[bytes] | None:
        """A free slot; waits where more threads ask than there are. One that runs, the last that worked, is quickest.

        With `calm` rather one that does not: it ends with its picture, and those that run are for others.
        """
        with self._freed:
            self._freed.wait_for(lambda: self._slots)
            places = range(len(self._slots))
            return self._slots.pop(max(places, key=lambda place: ((self._slots[place] is None) == calm, place)))

    def _ready(self, process: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes]:
        if process is not None and process.poll() is None:
            return process
        if process is not None:
            self._lose(process)
        variables = {name: value for name, value in environment().items() if name != _SECRET}
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            variables[name] = "1"  # threads of a library that decoding has no use for take memory
        try:
            process = subprocess.Popen(
                program(__name__, f"work({self._memory})"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # where readers of broken files complain
                env=variables,
                # Ctrl-C is for the program, which ends them. Not a session of their own: Linux gives each session the
                # same share of the machine, whatever the priority of its processes.
                process_group=0,
            )
        except OSError as error:
            raise ImageError("", "no process to decode it", f"free memory and try again ({error.strerror})") from error
        self._running.add(process)
        try:
            assert process.stdout is not None
            _receive(process.stdout)  # it is ready: from here on it is the picture's time
        except (OSError, EOFError):
            self._lose(process)
            raise ImageError("", "no process to decode it", "free memory and try again") from None
        return process

    def _answer_of(
        self, process: subprocess.Popen[bytes], question: bytes, content: bytes, busy_seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        lock, answered, is_calm, late, is_whole = threading.Lock(), threading.Event(), False, False, False

        def watch() -> None:
            nonlocal is_calm, late
            began = time.monotonic()
            if answered.wait(min(busy_seconds, self._seconds)):
                return
            with lock:  # never a process that has answered, and may have begun with the next picture
                is_calm = not answered.is_set() and _calmed(process)
            if answered.wait(began + self._seconds - time.monotonic()):
                return
            with lock:
                if not answered.is_set():
                    late = True
                    process.kill()

        assert process.stdin is not None
        assert process.stdout is not None
        threading.Thread(target=watch, daemon=True).start()
        try:
            _send(process.stdin, question, content)
            facts, result = json.loads(_receive(process.stdout)), _receive(process.stdout)
            is_whole = True
        except (OSError, EOFError, ValueError):
            if not late:
                raise _failed(content) from None
            reason, remedy = "takes too long to decode", "save it again as a plain JPEG or PNG"
            raise ImageError(_name(content), reason, remedy) from None
        finally:
            with lock:
                answered.set()
            # What is left of an answer would be the next picture's; what was made calm may not be allowed to be
            # anything else again.
            if late or is_calm or not is_whole:
                self._lose(process)
        if "reason" in facts:
            raise ImageError(_name(content), str(facts["reason"]), str(facts["remedy"]))
        return facts, result

    def _lose(self, process: subprocess.Popen[bytes]) -> None:
        self._running.discard(process)
        end([process])


def _sent(facts: dict[str, Any], pixels: NDArray[np.uint8]) -> Sent:
    taken = datetime.fromisoformat(facts["taken"]) if facts["taken"] else None
    decoded = Decoded(pixels, int(facts["width"]), int(facts["height"]), bool(facts["is_first"]), taken)
    return Sent(decoded, str(facts["suffix"]))


def _name(content: bytes) -> str:
    return f"<{len(content):,} bytes>"


def _failed(content: bytes) -> ImageError:
    return ImageError(_name(content), "broken file", "its decoder failed; save it again with another program")


def _calmed(process: subprocess.Popen[bytes]) -> bool:
    """Let a process work when no other wants to; whether that could be done."""
    if not hasattr(os, "SCHED_IDLE"):
        return False
    with suppress(OSError):
        os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
        return True
    return False


def _send(file: IO[bytes], *parts: bytes) -> None:
    for part in parts:
        file.write(len(part).to_bytes(_LENGTH, "little"))
        file.write(part)
    file.flush()


def _receive(file: IO[bytes]) -> bytes:
    """One part of a message; raises `EOFError` when the other side has ended."""
    head = file.read(_LENGTH)
    length = int.from_bytes(head, "little")
    if len(head) < _LENGTH or length > _MOST_BYTES:
        raise EOFError
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data


def work(memory: int) -> None:
    """Be such a process: do what is asked for on standard input, until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not print into an answer
    load_picture(np.zeros((8, 8, 3), np.uint8), 4)  # what has to be loaded is, before the bound is set
    _bound(memory)
    _send(answers, b"ready")
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            (job, named), content = json.loads(_receive(sys.stdin.buffer)), _receive(sys.stdin.buffer)
            try:
                facts, result = _JOBS[job](content, **named)
            except ImageError as error:
                facts, result = {"reason": error.reason, "remedy": error.remedy}, b""
            except MemoryError:
                facts, result = {"reason": "not enough memory to decode it", "remedy": "scale it down"}, b""
            _send(answers, json.dumps(facts).encode(), result)


def _bound(memory: int) -> None:
    """Let this process take no more memory than it has now and `memory` bytes."""
    try:
        import resource

        with open("/proc/self/statm", "rb") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError):
        return  # not Linux
    with suppress(OSError, ValueError):  # there may be a lower bound already
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _picture(content: bytes, size: int, crop: float, max_pixels: int) -> tuple[dict[str, Any], bytes]:
    found = load_picture(content, size, crop=crop, max_pixels=max_pixels)
    return _facts(found, content), found.pixels.tobytes()


def _whole(content: bytes, max_pixels: int) -> tuple[dict[str, Any], bytes]:
    found = open_picture(content, max_pixels=max_pixels)
    return {**_facts(found, content), "rows": found.image.height}, found.image.tobytes()


def _facts(found: Decoded | Opened, content: bytes) -> dict[str, Any]:
    return {
        "width": found.width,
        "height": found.height,
        "is_first": found.is_first,
        "taken": found.taken and found.taken.isoformat(),
        "suffix": suffix_of(content),
    }


_JOBS: dict[str, Any] = {
    "picture": _picture,
    "whole": _whole,
    "small": lambda content: ({}, small_copy(content)),
    "full": lambda content, max_pixels: ({}, full_copy(content, max_pixels=max_pixels)),
}
