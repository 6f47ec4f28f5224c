"""Decoding pictures for a network, in the calling thread or in processes that help.

Readers of pictures hold the interpreter's lock for a part of their time, so that many threads wait for one another. A
helper is a Python process of its own, which knows nothing of the program that it works for.

    with Helpers(140, 1.0, None, processes=16) as decoder:
        pictures = decoder.decode(["a.jpg", "b.jpg"])  # from as many threads as there are helpers
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from transhash.errors import ImageError
from transhash.images.opening import Decoded, Source, load_picture

_LENGTH = 8  # bytes before a message that say how long it is


class Decoder:
    """Decodes in the calling thread."""

    def __init__(self, size: int, crop: float, max_pixels: int | None) -> None:
        """As `load_picture` takes them."""
        self.size = size
        self.crop = crop
        self.max_pixels = max_pixels

    def decode(self, sources: Sequence[Source | ImageError]) -> list[Decoded | ImageError]:
        """The pictures; one that cannot be used becomes its error, and an error stays what it is."""
        return [one if isinstance(one, ImageError) else self._decoded(one) for one in sources]

    def _decoded(self, source: Source) -> Decoded | ImageError:
        try:
            return load_picture(source, self.size, crop=self.crop, max_pixels=self.max_pixels)
        except ImageError as error:
            return error

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left."""


class Helpers(Decoder):
    """Decodes files and bytes in processes of their own, one for each call that is under way."""

    def __init__(self, size: int, crop: float, max_pixels: int | None, *, processes: int) -> None:
        """Start `processes` helpers; where none can be started, decode as `Decoder` does."""
        super().__init__(size, crop, max_pixels)
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._all: list[subprocess.Popen[bytes]] = []
        with suppress(OSError):
            for _ in range(processes):
                helper = subprocess.Popen(
                    [sys.executable, "-c", f"from {__name__} import help_; help_()"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C is for the program, which ends them
                )
                self._all.append(helper)
                self._idle.put(helper)

    @property
    def processes(self) -> int:
        """Helpers that were started."""
        return len(self._all)

    def decode(self, sources: Sequence[Source | ImageError]) -> list[Decoded | ImageError]:
        """As `Decoder`; what lies in this process (arrays, Pillow images) is decoded here."""
        sent = [i for i, one in enumerate(sources) if isinstance(one, str | bytes | os.PathLike)]
        try:
            helper = self._idle.get_nowait() if sent else None
        except Empty:
            helper = None
        if helper is None:
            return super().decode(sources)
        try:
            _send(helper.stdin, (os.getcwd(), self.size, self.crop, self.max_pixels, [sources[i] for i in sent]))
            answers = dict(zip(sent, _receive(helper.stdout), strict=True))
        except (OSError, EOFError):  # it has ended, for want of memory perhaps, and is not used again
            return super().decode(sources)
        self._idle.put(helper)
        return [answers[i] if i in answers else super(Helpers, self).decode([one])[0] for i, one in enumerate(sources)]

    def __exit__(self, *_: object) -> None:
        """End the helpers."""
        for helper in self._all:
            helper.kill()
        for helper in self._all:
            helper.communicate()


def _environment() -> dict[str, str]:
    """Of a helper: it finds the modules that this process finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _send(file: Any, message: object) -> None:
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    file.write(len(data).to_bytes(_LENGTH, "little") + data)
    file.flush()


def _receive(file: Any) -> Any:
    """Raises `EOFError` when the other side has ended."""
    head = file.read(_LENGTH)
    length = int.from_bytes(head, "little")
    data = file.read(length) if len(head) == _LENGTH else b""
    if not data or len(data) < length:
        raise EOFError
    return pickle.loads(data)


def help_() -> None:
    """Be a helper: decode what is asked for on standard input, until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not print into an answer
    with suppress(EOFError, BrokenPipeError):
        while True:
            folder, size, crop, max_pixels, sources = _receive(sys.stdin.buffer)
            os.chdir(folder)  # relative paths are the program's own
            _send(answers, Decoder(size, crop, max_pixels).decode(sources))
