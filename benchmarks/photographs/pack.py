"""Class folders packed for training elsewhere: Parquet files of JPEG pictures, as large as training needs them.

    python -m benchmarks.photographs.pack FOLDER [FOLDER …] --to packed/ [--side 256] [--quality 90]

Each FOLDER has a folder for each class; a class is named `FOLDER/CLASS`, so that classes of two sets stay apart. The
data set `folder` reads `packed/`. A picture's shorter side becomes `--side` pixels; one that is smaller, and is a JPEG,
stays as it is. Files have at most 60 MiB each.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.common import program
from transhash.data.datasets import load_dataset
from transhash.errors import DataError, ImageError
from transhash.images import open_image

FILE_BYTES = 60 << 20


def packed(path: Path, side: int, quality: int) -> bytes | ImageError:
    """A picture as a JPEG of at most that size, upright; or why it cannot be used."""
    try:
        picture = open_image(path)
    except ImageError as error:
        return error
    share = side / min(picture.size)
    if share >= 1 and path.suffix.lower() in (".jpg", ".jpeg"):
        return path.read_bytes()
    if share < 1:
        size = tuple(max(1, round(each * share)) for each in picture.size)
        picture = picture.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def parts(rows: Iterator[tuple[bytes, int]], most: int) -> Iterator[list[tuple[bytes, int]]]:
    """Rows in runs of at most some bytes."""
    run: list[tuple[bytes, int]] = []
    size = 0
    for picture, label in rows:
        if run and size + len(picture) > most:
            yield run
            run, size = [], 0
        run.append((picture, label))
        size += len(picture)
    if run:
        yield run


def main(arguments: list[str] | None = None) -> None:
    """Write the files, in an order drawn by a seed, so that each has pictures of all classes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--quality", type=int, default=90)
    parser.add_argument("--file-bytes", type=int, default=FILE_BYTES)
    given = parser.parse_args(arguments)
    if given.to.exists() and any(given.to.iterdir()):
        raise DataError(given.to, "not empty", "choose another --to")
    paths: list[Path] = []
    labels: list[int] = []
    classes: list[str] = []
    for folder in given.folders:
        images = load_dataset("folder", folder)
        paths += [Path(str(source)) for source in images.images.sources]
        labels += [len(classes) + int(label) for label in images.labels]
        classes += [f"{folder.name}/{name}" for name in images.classes]
    order = np.random.default_rng(0).permutation(len(paths))
    given.to.mkdir(parents=True, exist_ok=True)
    skipped = 0

    def rows() -> Iterator[tuple[bytes, int]]:
        nonlocal skipped
        with ProcessPoolExecutor() as pool:
            work = partial(packed, side=given.side, quality=given.quality)
            for row, picture in zip(order, pool.map(work, [paths[row] for row in order], chunksize=32), strict=True):
                if isinstance(picture, ImageError):
                    print(picture)
                    skipped += 1
                else:
                    yield picture, labels[row]

    files = 0
    for files, run in enumerate(parts(rows(), given.file_bytes), 1):
        pictures = pa.array([{"bytes": picture, "path": None} for picture, _ in run], _PICTURE)
        table = pa.table({"image": pictures, "label": pa.array([label for _, label in run], pa.int64())})
        pq.write_table(table.replace_schema_metadata({"classes": json.dumps(classes)}), _file(given.to, files))
    print(f"{len(paths) - skipped} pictures of {len(classes)} classes in {files} files; {skipped} cannot be used")


_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.parquet"


if __name__ == "__main__":
    program(main)
