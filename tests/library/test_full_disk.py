"""A disk without room: reading goes on, and writing says what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from collection import draw
from fake_model import FakeModel
from transhash import Library
from transhash.errors import LibraryError

# no file may grow: what a full disk does to SQLite, for one process
READ = """
import json, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from fake_model import FakeModel
from transhash import Library
with Library.open(sys.argv[1], FakeModel()) as library:
    found = library.search(f"{sys.argv[1]}/1.png", 2)
    sys.stdout.write(json.dumps([len(library), library.info().pictures, str(found[0].path)]))
    sys.stdout.flush()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are Unix's")
def test_a_library_on_a_full_disk_can_be_read(tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / f"{number}.png", number)
    with Library.create(tmp_path / ".transhash", FakeModel()) as library:
        library.index(tmp_path)
    for _ in range(2):  # what the first leaves behind is in nobody's way
        command = [sys.executable, "-c", READ, str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        read = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert read.returncode == 0, read.stderr
        assert json.loads(read.stdout) == [3, 3, str(tmp_path / "1.png")]


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "1.png", 1)
    with Library.create(tmp_path / ".transhash", FakeModel()) as library:
        library.index(tmp_path)
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1 << 30, 1 << 30, 0))
        library.catalogue.database.execute("PRAGMA query_only = ON")  # writes are refused, as where there is no room
        with pytest.raises(LibraryError, match="the disk is full; make room and run again"):
            library.annotate({"1.png": {"label": "x"}})
