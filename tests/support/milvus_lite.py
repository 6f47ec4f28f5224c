"""A Milvus to test against: Milvus Lite's own server, a program that speaks the protocol of the large one."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".venv-milvus"
HOW = "python -m venv .venv-milvus && .venv-milvus/bin/pip install milvus-lite==2.5.1"


def program() -> Path | None:
    """The server, in a virtual environment of its own (it needs an older client than ours)."""
    place = Path(os.environ.get("TRANSHASH_MILVUS_LITE", FOLDER))
    return next(place.glob("lib/python*/site-packages/milvus_lite/lib/milvus"), None)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The server with an empty database in a folder: gives its host and port."""
    milvus = program()
    assert milvus is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(milvus.parent)}
    with (folder / "milvus.log").open("wb") as log:
        server = subprocess.Popen(
            [milvus, folder / "milvus.db", f"127.0.0.1:{port}", "ERROR"],
            env=environment, cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert server.poll() is None, (folder / "milvus.log").read_text("utf-8", "replace")
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
