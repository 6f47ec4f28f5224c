"""A library of a million files: indexing, indexing again, filters, verifying, export and import; time, memory, size.

    python -m benchmarks.library.library [--pictures N] [--folder DIR] [--only STEP]

The files are empty and the network is left out: a model gives random codes by the file's name, and the digest is that
of the name. All else is what `transhash index` does: walking, comparing, looking for known content, the catalogue and
the search structures. Every step runs in a process of its own, whose wall and CPU seconds and peak memory are reported.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.library import Library, Queries, digests
from transhash.model import Encoded

IN_A_FOLDER = 1000
BITS = 64


class NoNetwork:
    """A model whose codes are random, the same for the same file name."""

    calibration = likeness = None
    bits, name, folder = BITS, "random", Path("/nowhere")
    fingerprint = hashlib.sha256(b"random").hexdigest()

    def encode(self, items: Iterable[Any]) -> NDArray[np.uint8]:
        """Codes of names."""
        return np.array([each.code for batch in self.stream(items, source=str) for each in batch], np.uint8)

    def stream(
        self,
        items: Iterable[Any],
        *,
        source: Callable[[Any], Any],
        batch_size: int = 256,
        max_pixels: int | None = None,
    ) -> Iterator[list[Encoded]]:
        """Codes of items, a batch at a time, as `HashModel.stream` gives them."""
        iterator = iter(items)
        while batch := list(islice(iterator, batch_size)):
            codes = [
                np.frombuffer(hashlib.blake2b(source(item).encode(), digest_size=8).digest(), np.uint8)
                for item in batch
            ]
            yield [Encoded(item, code, None, None, 1024, 768) for item, code in zip(batch, codes, strict=True)]


def digest_of_name(path: str | bytes | os.PathLike[str]) -> bytes:
    return hashlib.blake2b(os.fsencode(path), digest_size=16).digest()


def make(photos: Path, count: int) -> dict[str, Any]:
    for first in range(0, count, IN_A_FOLDER):
        folder = photos / f"{first // IN_A_FOLDER:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(first, min(count, first + IN_A_FOLDER)):
            (folder / f"IMG_{number:08d}.jpg").touch()
    return {}


def index(photos: Path, count: int) -> dict[str, Any]:
    digests.file_digest = digest_of_name
    with Library.create(photos / ".transhash", NoNetwork(), exist_ok=True) as library:
        start = time.perf_counter()
        report = library.index(photos)
        seconds = time.perf_counter() - start
        assert report.usable == len(library) == count
        rows = library.catalogue.database.rows
        pages = rows("PRAGMA page_count")[0][0] - rows("PRAGMA freelist_count")[0][0]
        paths = rows("SELECT TOTAL(length(name)) FROM picture")[0][0]
    return {
        "added": report.added,
        "unchanged": report.unchanged,
        "rows/s": round(count / seconds),
        "bytes a picture beside its name": round((pages * 4096 - paths) / count),
    }


def annotate(photos: Path, count: int) -> dict[str, Any]:
    table = photos.parent / "own.csv"
    with table.open("w") as file:
        file.write("path,label,score\n")
        for number in range(count):
            file.write(f"{number // IN_A_FOLDER:05d}/IMG_{number:08d}.jpg,class {number % 100},{number % 1000 / 10}\n")
    with Library.open(photos, NoNetwork()) as library:
        start = time.perf_counter()
        report = library.annotate(table)
        assert report.matched == count
        return {"rows/s": round(count / (time.perf_counter() - start))}


FILTERS = [
    None,
    "width > 800",
    "name like '*77.jpg'",
    "path like '00012/*'",
    "folder = '00001'",
    "modified >= '2020' and size < 1MB",
    "label = 'class 7'",
    "score > 50 and label != 'class 3'",
    "label = 'class 7' and (score < 20 or folder like '0000*')",
]


def search(photos: Path, count: int) -> dict[str, Any]:
    values = np.random.default_rng(0).standard_normal((1, BITS)).astype(np.float32)
    found = {}
    with Library.open(photos, NoNetwork()) as library:
        library.search(Queries.of(values), 10)
        for where in FILTERS:
            times, processor = [], []
            for turn in range(5):
                asked = where and where + " " * turn  # another text each time: the ids that pass the last one are kept
                start, busy = time.perf_counter(), time.process_time()
                library.search(Queries.of(values), 10, where=asked)
                times.append(time.perf_counter() - start)
                processor.append(time.process_time() - busy)
            passing = count if where is None else len(library.catalogue.columns.matching(where, library.places.base))
            found[str(where)] = {
                "s": round(sorted(times)[2], 3),
                "CPU s": round(sorted(processor)[2], 3),
                "pass": passing,
            }
    return {"search": found}


def verify(photos: Path, count: int) -> dict[str, Any]:
    with Library.open(photos, NoNetwork()) as library:
        result = library.verify()
        assert result.pictures == count
        assert not result.problems
    return {}


def export(photos: Path, count: int) -> dict[str, Any]:
    with Library.open(photos, NoNetwork()) as library:
        start = time.perf_counter()
        assert library.export(photos.parent / "library.parquet") == count
        seconds = time.perf_counter() - start
    size = (photos.parent / "library.parquet").stat().st_size
    return {"rows/s": round(count / seconds), "bytes a picture": round(size / count)}


def import_(photos: Path, count: int) -> dict[str, Any]:
    start = time.perf_counter()
    library, report = Library.import_(photos.parent / "library.parquet", photos.parent / "again" / ".transhash")
    with library:
        assert report.added == count
    return {"rows/s": round(count / (time.perf_counter() - start))}


STEPS = {"make": make, "index": index, "index again": index, "annotate": annotate, "search": search}
STEPS |= {"verify": verify, "export": export, "import": import_}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("library-benchmark"), help="for a million files; kept")
    parser.add_argument("--only", choices=STEPS, action="append")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    home = (arguments.folder / str(arguments.pictures)).resolve()
    if arguments.step:
        print(json.dumps(STEPS[arguments.step](home / "photos", arguments.pictures)))
        return
    for step in arguments.only or STEPS:
        if step == "index":
            shutil.rmtree(home / "photos" / ".transhash", ignore_errors=True)
        shutil.rmtree(home / "again", ignore_errors=True)
        print(json.dumps({"step": step, **measured(step, arguments)}), flush=True)


def measured(step: str, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--step", step, "--pictures", str(arguments.pictures)]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--folder", arguments.folder], stdout=subprocess.PIPE, text=True)
    out = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{step} failed")
    return {
        "wall s": round(time.perf_counter() - start, 1),
        "CPU s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak MB": round(usage.ru_maxrss / 1024),
        **json.loads(out),
    }


if __name__ == "__main__":
    main()
