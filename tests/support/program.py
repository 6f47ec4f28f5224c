"""The program in this process: for tests that ask what it does, and not how it starts or ends."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from transhash.cli import main


def run_here(
    *words: object, cwd: Path | None = None, main: Callable[[], object] = main, **environment: str
) -> CompletedProcess[str]:
    """What `subprocess.run` gives for a command line; the import of PyTorch alone takes a process five seconds.

    `main` is the program's own function, or that of another one, which reads `sys.argv`.
    """
    command = ["transhash", *map(str, words)]
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    code: object = 0
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # the program shows its own
        for name, value in environment.items():
            patch.setenv(name, value)
        if cwd is not None:
            patch.chdir(cwd)
        try:
            main()
        except SystemExit as end:
            code = end.code
        finally:
            os.environ.clear()  # what a process sets is gone when it ends
            os.environ.update(before)
    out, err = (stream.buffer.getvalue().decode(errors="replace") for stream in streams)
    if code is not None and not isinstance(code, int):
        code, err = 1, f"{err}{code}{os.linesep}"
    return CompletedProcess(command, code or 0, out, err)
