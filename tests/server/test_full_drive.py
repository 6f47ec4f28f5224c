"""A drive without room, under a server: what cannot be written is said, all else goes on, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from collection import draw
from fake_model import FakeModel
from gallery import fill, forty
from serving import API, eventually, serving
from transhash import Library
from transhash.cli import main

ROOT = [] if not hasattr(os, "geteuid") or os.geteuid() == 0 else ["sudo", "-n"]
SIZE = 6 << 20


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Path]:
    """A small drive of its own."""
    place = tmp_path / "drive"
    place.mkdir()
    mount = [*ROOT, "mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=777", "tmpfs", str(place)]
    if sys.platform != "linux" or not shutil.which(mount[0]) or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount a drive")
    yield place
    subprocess.run([*ROOT, "umount", "--lazy", str(place)], check=True)


def full(drive: Path) -> Path:
    """A file that takes all the room that is left."""
    ballast = drive / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 12)):
            pass
    return ballast


def test_a_full_drive_is_said_and_got_over(drive: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(drive))
    photos, log, tokens = forty(drive / "photos"), drive / "access.log", drive / "tokens"
    new = draw(photos.parent / "new.png", 77).read_bytes()
    with Library.create(photos / ".transhash", model) as library:
        fill(library, photos)
        library.catalogue.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")  # and no room in it
    with serving(library.path, model, writable=True, access_log=log) as server:
        assert server.get("/pictures/1/thumbnail").status_code == 200
        ballast = full(drive)

        read = [
            server.get("/pictures/2/similar"),
            server.get("/pictures", params={"where": "label = 'kind 1'"}),
            server.get("/pictures/3/thumbnail"),  # which cannot be kept
            server.get("/pictures/4/original"),
            server.send(new + bytes(3 << 20)),  # more than a form holds in memory, by default
        ]
        assert [each.status_code for each in read] == [200] * len(read)
        assert eventually(lambda: server.get("/ready").status_code == 200)
        written = [
            server.send(new, path="/pictures"),
            server.client.delete(f"{API}/pictures/5"),
            server.post("/annotations", json={"key": "path", "rows": [{"path": "cat/cat-01.png", "note": "x" * 9999}]}),
            server.post("/duplicates/verdicts", json={"ids": [1, 2], "differ": True}),
        ]
        assert [(each.status_code, each.json()["code"]) for each in written] == [(503, "disk-full")] * len(written)
        assert "make room" in written[0].json()["remedy"]
        monkeypatch.setattr(sys, "argv", ["transhash", "token", "add", "me", "--file", str(tokens)])
        with pytest.raises(SystemExit):
            main()
        assert not tokens.exists() or not tokens.read_bytes()
        assert not [each for each in (photos / "added").rglob("*") if each.is_file()]  # nothing half done

        ballast.unlink()
        assert server.get("/library").json()["pictures"] == 40
        (id_,) = server.send(new, path="/pictures").json()["ids"]
        assert server.send(new, k=1).json()["results"][0]["hits"][0]["id"] == id_
        assert server.client.delete(f"{API}/pictures/5").status_code == 204
        assert server.post("/duplicates/verdicts", json={"ids": [1, 2], "differ": True}).status_code == 204
    assert json.loads(log.read_bytes().splitlines()[-1])["path"] == f"{API}/duplicates/verdicts"
