"""How well `transhash duplicates` tells copies from pictures that are merely similar: precision and recall.

python benchmarks/copies.py PICTURES.parquet [--count 10000] [--copied 500] [--model MODEL]

PICTURES has a column img with a file's bytes in each row (Tiny-ImageNet's as on the Hugging Face hub). Of some pictures
known copies are made, each in one way; everything is indexed, and the groups found are held against what is known.
Pictures of the set that are copies of one another by themselves would count as errors.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from transhash import Library, load
from transhash.images import open_image


def cropped(image: Image.Image, left: float, top: float, share: float) -> Image.Image:
    width, height = round(image.width * (1 - share)), round(image.height * (1 - share))
    x, y = round((image.width - width) * left), round((image.height - height) * top)
    return image.crop((x, y, x + width, y + height))


def marked(image: Image.Image) -> Image.Image:
    image = image.copy()
    place = (image.width * 0.6, image.height * 0.86)
    ImageDraw.Draw(image).text(place, "(c) me", fill="white", font_size=max(7, image.height // 10))
    return image


def brightened(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {  # what is done, and at which JPEG quality
    "the same, JPEG 60": (lambda image: image, 60),
    "the same, JPEG 30": (lambda image: image, 30),
    "half as large": (lambda image: image.resize((image.width // 2, image.height // 2)), 90),
    "twice as large": (lambda image: image.resize((image.width * 2, image.height * 2)), 90),
    "brighter by a fifth": (brightened(1.2), 90),
    "darker by a quarter": (brightened(0.75), 90),
    "5 % cropped at the centre": (lambda image: cropped(image, 0.5, 0.5, 0.05), 90),
    "5 % cropped at a corner": (lambda image: cropped(image, 1, 1, 0.05), 90),
    "a small watermark": (marked, 90),
    "cropped, brighter, larger, JPEG 70": (
        lambda image: brightened(1.1)(cropped(image, 0, 0, 0.03).resize((96, 96))),
        70,
    ),
}
OTHERS = {"mirrored (no copy)": (ImageOps.mirror, 90)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--copied", type=int, default=500, help="pictures copied in each way")
    parser.add_argument("--model")
    parser.add_argument("--max-distance", type=int, nargs="+", default=[0, 3, 8, 64])
    settings = parser.parse_args()
    import pyarrow.parquet as pq

    pictures = pq.read_table(settings.pictures, columns=["img"])["img"][: settings.count].to_pylist()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number, picture in enumerate(pictures):
            (root / f"{number}.jpg").write_bytes(picture["bytes"])
        ways = {**COPIES, **OTHERS}
        truth: dict[str, list[tuple[str, str]]] = {way: [] for way in ways}
        places = rng.permutation(len(pictures))
        for place, (way, (change, quality)) in enumerate(ways.items()):
            for number in places[: settings.copied] if way in OTHERS else rng.permutation(places)[: settings.copied]:
                name = f"{number}-{place}.jpg"
                data = io.BytesIO()
                change(open_image(pictures[number]["bytes"])).save(data, "JPEG", quality=quality)
                (root / name).write_bytes(data.getvalue())
                truth[way].append((f"{number}.jpg", name))
        with Library.create(root / ".transhash", load(settings.model)) as library:
            library.index(root)
            print(f"{len(library):,} pictures, model {library.info().model}")
            for max_distance in settings.max_distance:
                judge(library, max_distance, truth, set(OTHERS))


def judge(library: Library, max_distance: int, truth: dict[str, list[tuple[str, str]]], others: set[str]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    groups = library.duplicates(max_distance).groups
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    found = {copy.path.name: number for number, group in enumerate(groups) for copy in (group.keep, *group.same)}
    print(f"\n--max-distance {max_distance}: {len(groups):,} groups, {wall:.1f} s, {processor:.1f} s of processor")
    for way, pairs in truth.items():
        hits = sum(found.get(one, -1) == found.get(other, -2) for one, other in pairs)
        print(f"| {way} | {hits / len(pairs):.1%} |")
    mirrored = {other for way in others for _, other in truth[way]}
    pairs = [(group.keep.path.name, copy.path.name) for group in groups for copy in group.same]
    right = sum(source(one, mirrored) == source(other, mirrored) for one, other in pairs)
    wrong = [pair for pair in pairs if source(pair[0], mirrored) != source(pair[1], mirrored)]
    print(f"precision: {right} of {len(pairs)} copies named are copies; wrong: {wrong[:20]}")


def source(name: str, mirrored: set[str]) -> str:
    """The picture that a file was made from; a mirrored one stands for itself."""
    return name if name in mirrored else name.removesuffix(".jpg").partition("-")[0]


if __name__ == "__main__":
    main()
