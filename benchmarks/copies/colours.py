"""What the confirmation of duplicates tells of things in other colours.

python -m benchmarks.copies.colours PHOTOS [--count 15] [--seed 1] [--named PRODUCTS] [--result FILE.json]
    [--sheet FILE.png]

PHOTOS is a folder of folders; from each `--count` photographs of things on a white ground are drawn. Each is given
other colours, as a whole or in a part, and each is changed as copies are: compressed, tinted, in other light.
`--named`: a folder with real photographs of products, named PRODUCT-COLOUR_VIEW.jpg; those of one product and view that
are of different colours are compared.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from benchmarks.common import a_folder, write
from benchmarks.copies.changes import CHANGES, jpeg
from benchmarks.copies.confirmation import Bench, files, judged, opened, options, sheet, table

Floats = npt.NDArray[np.float32]

COPIES = {"saved again (JPEG 80, 50, 25)", "light (brightness, contrast, gamma)", "tinted", "blurred", "sharpened"}
WHITE, MOST = 235, 0.6  # grey level of a white ground, and share of the rim that has it
LEAST, COLOURED = 0.05, 4.0  # share of the picture that the thing has, and levels of its colours, at least
TOLD = 8.0  # levels by which a colour must differ somewhere, at 64 × 64 pixels, to be another one
NAME = re.compile(r"(.+?)-([a-z]+)(_.*)?\.jpg")


def main() -> None:
    parser = options(__doc__, count=15)
    parser.add_argument("--named", type=a_folder)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        random = np.random.default_rng(settings.seed)
        for place in sorted(path for path in settings.photos.iterdir() if path.is_dir()):
            for image in things(place, settings.count, random):
                changed(bench, image, random)
        if settings.named:
            for one, other in named(settings.named):
                bench.compare("edit", "products in other colours, photographed", one, other)
        bench.finish()
        told = judged(bench)["told"]
        print(table(told))
        if settings.result:
            write(settings.result, {"told": told})
        if settings.sheet:
            sheet(bench, settings.sheet)


def things(folder: Path, count: int, random: np.random.Generator) -> Iterator[Image.Image]:
    """Some photographs of a folder that show something that has colours on white."""
    paths = files(folder)
    for place in random.permutation(len(paths)).tolist():
        image = opened(paths[place]) if count else None
        if image is None or min(image.size) < 150:
            continue
        grey, *colours = np.moveaxis(np.asarray(image.convert("YCbCr"), np.float32), -1, 0)
        rim = np.concatenate([grey[:4].ravel(), grey[-4:].ravel(), grey[:, :4].ravel(), grey[:, -4:].ravel()])
        inside = grey < WHITE
        is_thing = (rim > WHITE).mean() > MOST and inside.mean() > LEAST
        if is_thing and np.abs(np.stack(colours)[:, inside] - 128).mean() > COLOURED:
            count -= 1
            yield image


def changed(bench: Bench, image: Image.Image, random: np.random.Generator) -> None:
    """Compare a photograph with copies of it, and with what has other colours than it."""
    original = bench.write(image)
    for change in CHANGES:
        if change.name in COPIES:
            copy = change.strengths[int(random.integers(3))](image, random)
            bench.compare("copy", change.name, original, bench.write(copy))
    before = _small(image)
    for name, other in recoloured(image, random):
        if np.abs(_small(other) - before)[..., 1:].max() > TOLD:
            bench.compare("edit", name, original, bench.write(jpeg(other, 88)))


def recoloured(image: Image.Image, random: np.random.Generator) -> Iterator[tuple[str, Image.Image]]:
    """The picture with other colours, and what was done to it."""
    pixels = np.asarray(image.convert("YCbCr"), np.float32)
    whole = _soft(pixels[..., 0] < WHITE)
    hue = np.exp(1j * np.deg2rad(random.choice([60, 120, 180, 240, 300])))
    yield "all of it in another hue", _turned(pixels, whole, hue, random)
    yield "all of it in another hue, and paler", _turned(pixels, whole, 0.4 * hue, random)
    yield "all of it paler (a quarter of the colour)", _turned(pixels, whole, 0.25, random)
    yield "all of it in another weak shade", _turned(pixels, whole, 0.3, random, complex(*random.normal(0, 9, 2)))
    for part in _parts(pixels, random):
        share = float((part > 0.5).mean())
        size = "a large part" if share > 0.15 else "a part" if share > 0.04 else "a small part"
        shade = pixels[part > 0.5][:, 1:].mean(axis=0) - 128
        if np.hypot(*shade) > 12:
            yield f"{size} in another hue", _turned(pixels, part, hue, random)
            yield f"{size} without its colour", _turned(pixels, part, 0.1, random)
        else:
            yield f"{size} that got a colour", _turned(pixels, part, 1.0, random, complex(*random.uniform(-40, 40, 2)))


def _turned(
    pixels: Floats, part: Floats, turn: complex, random: np.random.Generator, shade: complex = 0
) -> Image.Image:
    """A picture, YCbCr [H, W, 3], of which a part gets other light, its colours turned and stretched, and a shade."""
    colours = turn * (pixels[..., 1] - 128 + 1j * (pixels[..., 2] - 128))
    colours += shade * (1 - np.abs(pixels[..., 0] / 127.5 - 1) ** 3)  # black and white stay so
    light = 255 * (pixels[..., 0] / 255) ** random.uniform(0.8, 1.25)
    made = np.stack((light, 128 + colours.real, 128 + colours.imag), axis=-1)
    mixed = pixels + part[..., None] * (made - pixels)
    return Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8), "YCbCr").convert("RGB")


def _parts(pixels: Floats, random: np.random.Generator) -> list[Floats]:
    """Two parts of a thing on white that are of one colour each, by k-means of four, [H, W] from 0 to 1."""
    points = pixels * np.array([0.35, 1, 1], np.float32)
    inside = pixels[..., 0] < WHITE
    told = points[inside][:: max(1, int(inside.sum()) // 4000)]
    middles = told[random.choice(len(told), 4, replace=False)]
    for _ in range(12):
        nearest = np.square(told[:, None] - middles).sum(axis=-1).argmin(axis=1)
        middles = np.stack([told[nearest == k].mean(axis=0) if (nearest == k).any() else middles[k] for k in range(4)])
    nearest = np.square(points[:, :, None] - middles).sum(axis=-1).argmin(axis=-1)
    masks = [_soft((nearest == k) & inside) for k in random.permutation(4).tolist()]
    return [mask for mask in masks if (mask > 0.5).mean() > 0.006][:2]


def _soft(inside: npt.NDArray[np.bool_]) -> Floats:
    mask = Image.fromarray(inside.astype(np.uint8) * 255)
    soft = mask.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.GaussianBlur(1))
    return np.asarray(soft, np.float32) * np.float32(1 / 255)


def _small(image: Image.Image) -> Floats:
    return np.asarray(image.resize((64, 64), Image.Resampling.BOX).convert("YCbCr"), np.float32)


def named(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The pairs of photographs that show one product from one side in two colours, by their names."""
    views: dict[tuple[str, str], list[tuple[str, Path]]] = defaultdict(list)
    for path in files(folder):
        match = NAME.fullmatch(path.name)
        if match:
            views[match[1], match[3] or ""].append((match[2], path))
    for each in views.values():
        yield from ((one[1], other[1]) for one, other in combinations(each, 2) if one[0] != other[0])


if __name__ == "__main__":
    main()
