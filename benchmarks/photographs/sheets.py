"""Twenty fixed queries, each with the nine pictures that a library finds: to be looked at.

    python -m benchmarks.photographs.sheets --photographs DIR --out sheets.jpg [--only Imagenette …]

Queries are the first of each set (`sets.py`), the same in every run. Pictures of the query's class have a green frame,
others a red one.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import transhash
from benchmarks.common import a_folder
from benchmarks.photographs.sets import SETS, PhotoSet
from transhash.evaluation.cosine import related

QUERIES, HITS, SEARCHED = 20, 9, 600
SIDE, FRAME = 110, 4  # pixels
RIGHT, WRONG, ASKED = "#2a7d2a", "#b03030", "#202020"


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=a_folder, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="a .jpg or .png file")
    parser.add_argument("--only", nargs="+", choices=SETS, default=[name for name in SETS if name != "Corel-5k"])
    settings = parser.parse_args()
    photos = [found for name in settings.only if (found := SETS[name](settings.photographs)) is not None]
    shares = [len(part) for part in np.array_split(np.arange(QUERIES), len(photos))]
    rows = [row for each, share in zip(photos, shares, strict=True) for row in drawn(each, share)]
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), "white")
    for number, row in enumerate(rows):
        sheet.paste(row, (0, number * row.height))
    sheet.save(settings.out)


def drawn(photos: PhotoSet, count: int) -> list[Image.Image]:
    """A row for each of the first queries of a set, found in a library of its pictures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        transhash.Library.create(Path(folder, "library"), transhash.load()) as library,
    ):
        ids = library.add(photos.files[photos.queries : photos.queries + SEARCHED])
        library.fit()
        return [
            _row(
                photos, query, [photos.queries + ids.index(hit.id) for hit in library.search(photos.files[query], HITS)]
            )
            for query in range(count)
        ]


def _row(photos: PhotoSet, query: int, found: list[int]) -> Image.Image:
    right = related(photos.labels[query], photos.labels[found])
    colours = [ASKED, *(RIGHT if each else WRONG for each in right)]
    row = Image.new("RGB", (SIDE * (HITS + 1), SIDE), "white")
    for number, (picture, colour) in enumerate(zip([query, *found], colours, strict=True)):
        with Image.open(photos.files[picture]) as opened:
            small = ImageOps.fit(opened.convert("RGB"), (SIDE - 2 * FRAME, SIDE - 2 * FRAME))
        row.paste(ImageOps.expand(small, FRAME, colour), (number * SIDE, 0))
    return row


if __name__ == "__main__":
    main()
