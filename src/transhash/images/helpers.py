"""Processes that help, and decoding pictures for a network in them or in the calling thread.

Readers of pictures hold the interpreter's lock for a part of their time, so that many threads wait for one another. A
helper is a Python process of its own, which knows nothing of the program that it works for.

    decoder = Decoder(140, 1.0, None, Helpers(16))
    pictures = decoder.decode(["a.jpg", "b.jpg"])  # from as many threads as there are helpers
"""

from __future__ import annotations

import errno
import os
import pickle
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from transhash.errors import ImageError
from transhash.images.opening import Decoded, Source, load_picture

if TYPE_CHECKING:
    import subprocess

P = ParamSpec("P")
B = TypeVar("B")

_LENGTH = 8  # bytes before a message that say how long it is


class Helpers:
    """Processes that call functions, each one at a time. They end with this object, and with this program."""

    def __init__(self, processes: int) -> None:
        """Start them; where none can be started there are none."""
        import subprocess

        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._all: list[subprocess.Popen[bytes]] = []
        self.close = weakref.finalize(self, end, self._all)
        """End them now."""
        with suppress(OSError):
            for _ in range(processes):
                helper = subprocess.Popen(
                    program(__name__, "help_()"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=environment(),
                    # Ctrl-C is for the program, which ends them. Not a session of their own: Linux shares the machine
                    # out among sessions, and a program with a lower priority (`nice`) would have helpers with none.
                    process_group=0,
                )
                self._all.append(helper)
                self._idle.put(helper)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def processes(self) -> list[int]:
        """Their ids."""
        return [each.pid for each in self._all]

    def ask(self, task: Callable[P, B], *arguments: P.args, **options: P.kwargs) -> B | None:
        """What a function of a module gives for some arguments, all of which can be pickled; none when no helper is
        idle, the one that was asked has ended, or what it did failed.
        """
        try:
            helper = self._idle.get_nowait()
        except Empty:
            return None
        try:
            _send(helper.stdin, (os.getcwd(), task, arguments, options))
            done, answer = _receive(helper.stdout)
        except (OSError, EOFError):  # for want of memory perhaps: it is not asked again
            return None
        self._idle.put(helper)
        return answer if done else None


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Kill processes, all at once, and wait for them."""
    ended = list(processes)
    for process in ended:
        process.kill()
    for process in ended:
        with suppress(OSError, ValueError):  # others closed its pipes meanwhile
            process.communicate()


class Decoder:
    """Decodes in the calling thread, or has it done by helpers."""

    def __init__(self, size: int, crop: float, max_pixels: int | None, helpers: Helpers | None = None) -> None:
        """`size`, `crop` and `max_pixels` as `load_picture` takes them."""
        self.size = size
        self.crop = crop
        self.max_pixels = max_pixels
        self._helpers = helpers

    def decode(self, sources: Sequence[Source | ImageError]) -> list[Decoded | ImageError]:
        """The pictures; one that cannot be used becomes its error, and an error stays what it is.

        What lies in this process (arrays, Pillow images) is decoded here.
        """
        sent = {i: one for i, one in enumerate(sources) if isinstance(one, str | bytes | os.PathLike)}
        alone = Decoder(self.size, self.crop, self.max_pixels)
        found = self._helpers.ask(alone.decode, list(sent.values())) if self._helpers and sent else None
        answers = {} if found is None else dict(zip(sent, found, strict=True))
        return [answers[i] if i in answers else self._decoded(one) for i, one in enumerate(sources)]

    def _decoded(self, source: Source | ImageError) -> Decoded | ImageError:
        if isinstance(source, ImageError):
            return source
        try:
            return load_picture(source, self.size, crop=self.crop, max_pixels=self.max_pixels)
        except ImageError as error:
            return error


def program(module: str, call: str) -> list[str]:
    """The command for a Python process that calls a function of a module; raises `OSError` where none can be started.

    Its modules are not looked for in the current folder, which may be one of pictures that strangers sent.
    """
    if not sys.executable or getattr(sys, "frozen", False):  # a frozen program would only start itself again
        raise OSError(errno.ENOENT, "this program has no Python of its own")
    return [sys.executable, "-P", "-c", f"from {module} import {call.partition('(')[0]}; {call}"]


def environment() -> dict[str, str]:
    """Of a helper: it finds the modules that this process finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path)}


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
    """Be a helper: do what is asked for on standard input, until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not print into an answer
    with suppress(EOFError, BrokenPipeError):
        while True:
            folder, task, arguments, options = _receive(sys.stdin.buffer)
            try:
                os.chdir(folder)  # relative paths are the program's own
                answer = True, task(*arguments, **options)
            except Exception:  # the program does it itself, and says what is wrong
                answer = False, None
            _send(answers, answer)
