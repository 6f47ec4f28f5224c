"""Kill `transhash index` at random moments, fill its disk, take its pictures away; nothing saved may be lost.

    python -m benchmarks.library.kill [--kills 30] [--full-disks 5] [--removals 5] [--pictures 400] [--seed 0]

A collection of small pictures is changed between runs: files are added, edited, renamed, broken and deleted. Every run
is a process of its own. After each that was cut short:

- the catalogue opens again and SQLite's integrity check is content;
- every row that another process could read before the cut is there, as it was read;
- a second run ends with exactly the library of an undisturbed one: the same pictures with the same content, code and
  fault, and no other.

In every second run a transaction holds 4 rows instead of 1,024, so that the moment of the cut is often within one. The
model is a tiny one with random weights: the catalogue is tried here, not the codes. The full disk is a small tmpfs
where this process may mount one, otherwise a limit on the size of files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from transhash import Library
from transhash.library.catalogue.database import CATALOGUE, UnmadeError
from transhash.model import HashModel

Rows = dict[int, tuple[object, ...]]

SMALL_TRANSACTIONS = "import transhash.library.files.indexing as i; i.ROWS = 4; from transhash.cli import main; main()"
LIMITED = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({}, r.RLIM_INFINITY)); "  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--full-disks", type=int, default=5)
    parser.add_argument("--removals", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="transhash-kill-") as home:
        trial = Trial(Path(home), arguments.pictures, arguments.seed)
        for number in range(arguments.kills):
            trial.kill()
            if sys.stderr.isatty():
                print(f"\r{number + 1} kills", end="", file=sys.stderr)
        for _ in range(arguments.removals):
            trial.remove()
        for _ in range(arguments.full_disks):
            trial.fill()
    print(json.dumps(dict(sorted(trial.counts.items()))))


class Trial:
    """A collection, its library, and what was done to them; raises `AssertionError` for whatever was lost."""

    def __init__(self, home: Path, pictures: int, seed: int) -> None:
        self.photos = home / "photos"
        self.library = home / "library"
        self.counts: Counter[str] = Counter()
        self._home = home
        self._random = random.Random(seed)
        self._numbers = np.random.default_rng(seed)
        self._made = 0
        self._codes: dict[bytes, bytes | None] = {}  # by content; None: no picture
        self._model = make_model(home / "model")
        for _ in range(pictures):
            self._draw()
        self._longest = 0.0
        self._index().wait()
        self._longest = time.monotonic() - self._began
        self._check_whole(self.library)
        shutil.rmtree(self.library)

    def kill(self) -> None:
        """Cut a run short by SIGKILL at a random moment, and let a second one end."""
        self._change()
        before = rows_of(self.library)
        process = self._index()
        time.sleep(self._random.uniform(0.1, 1.1 * self._longest))
        seen = rows_of(self.library)
        process.send_signal(signal.SIGKILL)
        killed = process.wait() == -signal.SIGKILL
        self.counts["kills" if killed else "kills that came too late"] += 1
        self.counts["kills with rows saved in the run"] += killed and len(seen) > len(before)
        self._check_kept(self.library, before, seen)
        self._end(self.library)

    def remove(self) -> None:
        """Take the pictures away at a random moment of a run."""
        self._change()
        before = rows_of(self.library)
        process = self._index()
        time.sleep(self._random.uniform(0.5, 1.0) * self._longest)
        away = self._home / "away"
        self.photos.rename(away)
        output = process.communicate()[1].decode()
        assert "Traceback" not in output, output
        self.counts[f"removals of the folder, exit code {process.returncode}"] += 1
        self._check_kept(self.library, before, rows_of(self.library))
        away.rename(self.photos)
        self._end(self.library)

    def fill(self) -> None:
        """Index into a new library on a disk that becomes full, and go on when there is room."""
        disk = self._home / "disk"
        disk.mkdir()
        size = self._random.randrange(80, 1500) * 1024
        mounted = mount(disk, size)
        try:
            process = self._index(disk / "library", limit=None if mounted else size)
            output = process.communicate()[1].decode()
            how = "disk" if mounted else "limit"
            self.counts[f"runs on a full {how}, exit code {process.returncode}"] += 1
            assert "Traceback" not in output, output
            if process.returncode == 2:
                assert len(output.splitlines()) == 1, output
            if mounted:
                subprocess.run(["mount", "-o", "remount,size=64m", os.fspath(disk)], check=True)
            saved = rows_of(disk / "library")
            self.counts["rows saved before the disk was full"] += len(saved)
            self._check_kept(disk / "library", {}, saved)
            self._end(disk / "library")
        finally:
            if mounted:
                subprocess.run(["umount", os.fspath(disk)], check=True)
            shutil.rmtree(disk)

    def _index(self, library: Path | None = None, limit: int | None = None) -> subprocess.Popen[bytes]:
        program = ["-m", "transhash"]
        if limit or self._random.random() < 0.5:
            program = ["-c", (LIMITED.format(limit) if limit else "") + SMALL_TRANSACTIONS]
        verb = ["index", "--general", self.photos, "--library", library or self.library, "--model", self._model.folder]
        command = [sys.executable, *program, *map(str, verb)]
        self._began = time.monotonic()
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def _end(self, library: Path) -> None:
        """Let a run come to its end; the library is then that of an undisturbed one."""
        with Library.create(library, self._model, exist_ok=True) as opened:
            opened.index(self.photos, general=True)
        self._check_whole(library)

    def _check_kept(self, library: Path, before: Rows, seen: Rows) -> None:
        """What was seen before a cut is there after it; rows of earlier runs may have got new content since."""
        if not (library / CATALOGUE).exists():
            assert not seen
            return
        if Library.exists(library):
            try:
                Library.open(library).close()
            except UnmadeError:
                assert not seen
        with sqlite3.connect(library / CATALOGUE) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()
        after = rows_of(library)
        for id_, row in seen.items():
            assert id_ in after, f"row {id_} is lost: {row}"
            assert before.get(id_) == row or after[id_] == row, f"row {id_} was {row} and is {after[id_]}"

    def _check_whole(self, library: Path) -> None:
        """Exactly what an undisturbed run makes of the collection."""
        files = {path: path.read_bytes() for path in sorted(self.photos.rglob("*.png"))}
        new = [content for content in dict.fromkeys(files.values()) if content not in self._codes]
        for batch in self._model.stream(new):
            for encoded in batch:
                self._codes[encoded.item] = None if encoded.code is None else encoded.code.tobytes()
        found: dict[Path, bytes | None] = {}
        with sqlite3.connect(library / CATALOGUE) as database:
            for folder, name, code in database.execute(
                "SELECT path, name, code FROM picture JOIN folder ON folder.id = picture.folder WHERE vanished IS NULL"
            ):
                found[self._home / os.fsdecode(os.path.join(folder, name))] = code
        database.close()
        expected = {path: self._codes[content] for path, content in files.items()}
        assert found == expected, sorted(found.items() ^ expected.items())[:5]
        self.counts["libraries compared with an undisturbed one"] += 1

    def _change(self) -> None:
        """Add, edit, rename, break and delete files; now and then begin with no library, or all over."""
        files = sorted(self.photos.rglob("*.png"))
        self._random.shuffle(files)
        for _ in range(self._random.randrange(1, 120)):
            self._draw()
            edited, renamed, broken, deleted = (files.pop() for _ in range(4)) if len(files) > 200 else [None] * 4
            if edited and renamed and broken and deleted:
                self._draw(edited)
                renamed.rename(self.photos / f"{self._random.randrange(4)}" / f"renamed-{self._made}.png")
                broken.write_bytes(b"broken %d" % self._made)
                deleted.unlink()
        if self._random.random() < 0.3:
            shutil.rmtree(self.library, ignore_errors=True)

    def _draw(self, path: Path | None = None) -> None:
        self._made += 1
        path = path or self.photos / f"{self._random.randrange(4)}" / f"{self._made:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self._numbers.integers(0, 256, (8, 8, 3), np.uint8)).save(path)


def rows_of(library: Path) -> Rows:
    """The rows that another process can read at this moment: they were reported as saved."""
    if not Library.exists(library):
        return {}
    database = sqlite3.connect(f"{(library / CATALOGUE).as_uri()}?mode=ro", uri=True, timeout=30)
    try:
        rows = database.execute("SELECT id, folder, name, size, mtime_ns, digest, code, fault FROM picture").fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):  # it is not made yet
            raise
        rows = []
    finally:
        database.close()
    return {row[0]: row[1:] for row in rows}


def mount(folder: Path, size: int) -> bool:
    """Make a folder a disk of so many bytes, if this process may."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", os.fspath(folder)]
    return (
        shutil.which("mount") is not None and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


def make_model(folder: Path) -> HashModel:
    """A model of random weights that costs next to nothing."""
    import torch

    from transhash.nn.mgvt import MGVT, HashConfig
    from transhash.nn.vit import ViTConfig
    from transhash.training.export import export_model

    torch.manual_seed(0)
    network = MGVT(HashConfig(ViTConfig(image_size=28, patch_size=14, dim=32, depth=2, heads=2, mlp_dim=32), bits=32))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return export_model(network.eval(), folder, "tiny", {"note": "random"})


if __name__ == "__main__":
    main()
