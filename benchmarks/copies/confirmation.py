"""What the confirmation of duplicates tells of pairs whose kind is known: recall, precision, and milliseconds a pair.

python -m benchmarks.copies.confirmation PHOTOS [--count 40] [--seed 1] [--result FILE.json] [--sheet FILE.png]

PHOTOS is a folder of folders; from each `--count` photographs are drawn, changed in all the ways of `changes`,
each in one of three strengths, and compared with their originals. Look-alikes are drawn (`drawn`), or are the
pairs of different photographs of one folder whose copies at 32 × 32 pixels correlate most. Neighbouring frames are
the neighbours by name in the folders that `--frames` names: bursts or nothing. `--same A B`: two folders in which
files of one name, in lower case, show the same thing, cropped and scaled otherwise; counted as found when they are
a copy or an edit. Beside it the difference hash, the gradient hash (that of image_hasher, and so of czkawka) and
pHash of the package imagehash, each at the threshold of its best F1 on these pairs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.common import a_folder, write
from benchmarks.copies.changes import CHANGES
from benchmarks.copies.drawn import DRAWN
from transhash.errors import ImageError
from transhash.images import open_image
from transhash.images.copies import small_copy
from transhash.library.duplicates.glances import glance, may_match
from transhash.library.duplicates.pairing import Picture, compare
from transhash.library.duplicates.reading import Looked, look
from transhash.system import processors

NONE = "none"
EITHER = "copy or edit"
HASHES = ("difference hash", "gradient hash (czkawka)", "pHash (imagededup)")
GROUND = 6.0  # levels by which the upper and lower rim of a picture on an even ground vary
SUFFIXES = {".jpg", ".jpeg", ".png"}


class Pair(NamedTuple):
    """What two pictures are, what they were told to be, and how far their hashes are apart."""

    kind: str
    name: str
    told: str
    hashes: tuple[int, int, int]
    glanced: bool  # a glance at both lets the pair through, where copies alone are looked for


class Bench:
    """Compares pairs and remembers what came of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._waiting: list[tuple[str, str, Path, Path]] = []
        self.pairs: list[Pair] = []
        self.seconds = 0.0
        self.shown: list[tuple[str, Path, Path]] = []

    def write(self, image: Image.Image) -> Path:
        """A file with these very pixels."""
        self._count += 1
        path = self._folder / f"{self._count}.png"
        image.save(path, compress_level=1)
        return path

    def compare(self, kind: str, name: str, one: Path, other: Path) -> None:
        """Have a pair of files looked at."""
        self._waiting.append((kind, name, one, other))

    def finish(self) -> None:
        """Look at all pairs, on all cores."""
        with ProcessPoolExecutor(processors()) as processes:
            looked = processes.map(_compared, self._waiting, chunksize=16)
            for (kind, name, one, other), (told, seconds, apart, glanced) in zip(self._waiting, looked, strict=True):
                wanted = kind
                if kind == EITHER:  # how much was cropped is not known
                    wanted = told if told in {"copy", "edit"} else "edit"
                self.seconds += seconds
                self.pairs.append(Pair(wanted, name, told, apart, glanced))
                if told != wanted and {told, wanted} & {"copy", "edit"}:
                    self.shown.append((f"{wanted} ({name}): {told}", one, other))


def _compared(pair: tuple[str, str, Path, Path]) -> tuple[str, float, tuple[int, int, int], bool]:
    """What two files are told to be, the seconds of processor for it, how far their hashes are apart, and whether a
    glance lets them through.
    """
    seen, also = (_look(path) for path in pair[2:])
    begin = time.process_time()
    found = compare(seen[0], seen[1], also[0], also[1])
    seconds = time.process_time() - begin
    told = NONE if found.kind is None else str(found.kind).replace("same-pixels", "copy")
    one, other = (glance(small_copy(path.read_bytes())) for path in pair[2:])
    return told, seconds, _apart(*pair[2:]), may_match(one, other, turned=False)


def _look(path: Path) -> tuple[Picture, Looked]:
    with Image.open(path) as image:
        picture = Picture(path, "", image.size)
    return picture, look(picture)


def options(description: str | None, count: int) -> argparse.ArgumentParser:
    """The options that every run on changed photographs has; `count`: the default number of photographs of a folder."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=a_folder)
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path)
    parser.add_argument("--sheet", type=Path)
    return parser


def main() -> None:
    parser = options(__doc__, count=40)
    parser.add_argument("--frames", type=Path, nargs="*", default=[])
    parser.add_argument("--same", type=Path, nargs=2)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        random = np.random.default_rng(settings.seed)
        for place in sorted(path for path in settings.photos.iterdir() if path.is_dir()):
            changed(bench, place, settings.count, random)
            neighbours(bench, place, settings.count, random)
        drawn(bench, settings.count)
        for place in settings.frames:
            frames(bench, place, settings.count)
        if settings.same:
            same(bench, settings.same, settings.count, random)
        bench.finish()
        results = judged(bench)
        print(table(results["told"]))
        print(json.dumps({name: value for name, value in results.items() if name != "told"}, indent=1))
        if settings.result:
            write(settings.result, results)
        if settings.sheet:
            sheet(bench, settings.sheet)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def opened(path: Path) -> Image.Image | None:
    """A photograph at 1,000 pixels at most; None for a file that is none."""
    try:
        image = open_image(path, min_side=500)
    except ImageError:
        return None
    image.thumbnail((1000, 1000))
    return image


def changed(bench: Bench, folder: Path, count: int, random: np.random.Generator) -> None:
    every = files(folder)
    for at in random.choice(len(every), count, replace=False).tolist():
        path = every[at]
        image = opened(path)
        if image is None:
            continue
        original = bench.write(image)
        rim = np.asarray(image.convert("L").resize((64, 64)), np.float32)[[0, 1, 2, -3, -2, -1]]
        on_ground = rim.std() < GROUND  # what a crop of it cuts off may be nothing
        has_colours = np.asarray(image.convert("HSV"))[..., 1].mean() > 16
        for change in CHANGES:
            if not has_colours and change.name in {"grey", "tinted"}:
                continue
            if not (on_ground and change.kind == "edit" and change.name.startswith("cropped")):
                strength = int(random.integers(3))
                other = bench.write(change.strengths[strength](image, random))
                bench.compare(change.kind, change.name, original, other)


def neighbours(bench: Bench, folder: Path, count: int, random: np.random.Generator) -> None:
    """The pairs of different photographs that are most alike when they are small; equal ones are left out."""
    paths = files(folder)
    paths = [paths[place] for place in random.permutation(len(paths))[:300]]
    small = []
    for path in paths:
        image = opened(path)
        grey = np.zeros(1024) if image is None else np.asarray(image.convert("L").resize((32, 32)), np.float64).ravel()
        small.append((grey - grey.mean()) / (np.linalg.norm(grey - grey.mean()) + 1))
    alike = np.triu(np.stack(small) @ np.stack(small).T, 1)
    alike[alike > 0.97] = 0  # copies that the collection has by itself
    for place in np.argsort(-alike.ravel())[:count]:
        one, other = divmod(int(place), len(paths))
        bench.compare(NONE, "photographs that look alike", paths[one], paths[other])


def drawn(bench: Bench, count: int) -> None:
    for name, draw in DRAWN.items():
        for number in range(max(4, count // 2)):
            made = [draw(np.random.default_rng([number, side]), np.random.default_rng(number)) for side in (1, 2)]
            bench.compare(NONE, name, bench.write(made[0]), bench.write(made[1]))


def frames(bench: Bench, folder: Path, count: int) -> None:
    paths = files(folder)
    for place in np.linspace(0, len(paths) - 2, min(2 * count, len(paths) - 1)).astype(int):
        bench.compare("burst", "neighbouring frames", paths[place], paths[place + 1])


def same(bench: Bench, folders: tuple[Path, Path], count: int, random: np.random.Generator) -> None:
    others = {path.name.lower(): path for path in files(folders[1])}
    pairs = [(path, others[path.name.lower()]) for path in files(folders[0]) if path.name.lower() in others]
    for place in random.choice(len(pairs), min(4 * count, len(pairs)), replace=False):
        bench.compare(EITHER, "true crops of aerial pictures", *pairs[place])


def hashes_of(path: Path) -> np.ndarray:
    """The bits of a picture's hashes, bool [3, 64], in the order of `HASHES`."""
    import imagehash

    with Image.open(path) as image:
        picture = image.convert("RGB")
    return np.stack([_bits(hash_(picture)) for hash_ in (imagehash.dhash, _gradient, imagehash.phash)])


def _apart(one: Path, other: Path) -> tuple[int, int, int]:
    """Bits in which the hashes of two pictures differ."""
    first, second, third = np.count_nonzero(hashes_of(one) != hashes_of(other), axis=1).tolist()
    return first, second, third


def _bits(hash_: object) -> np.ndarray:
    return np.asarray(getattr(hash_, "hash", hash_)).ravel()


def _gradient(image: Image.Image) -> np.ndarray:
    """image_hasher's gradient hash of 8 × 8: each pixel of 9 × 8 against its right neighbour, Lanczos."""
    pixels = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.LANCZOS), np.int64)
    return np.asarray(pixels[:, :-1] < pixels[:, 1:])


def judged(bench: Bench) -> dict[str, Any]:
    """The counts of what was told by kind and name, precision and recall by kind, and the hashes at their best."""
    told: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pair in bench.pairs:
        told[f"{pair.kind}: {pair.name}"][pair.told] += 1
    kinds = {}
    for kind in ("copy", "edit", "burst"):
        true = [pair for pair in bench.pairs if pair.kind == kind]
        named = [pair for pair in bench.pairs if pair.told == kind]
        right = sum(pair.told == kind for pair in true)
        kinds[kind] = {
            "pairs": len(true),
            "recall": right / max(len(true), 1),
            "named": len(named),
            "precision": sum(pair.kind == kind for pair in named) / max(len(named), 1),
        }
    pairs = [pair for pair in bench.pairs if pair.kind in {"copy", "burst"}]
    parted = sum(pair.told != ("burst" if pair.kind == "copy" else "copy") for pair in pairs) / max(len(pairs), 1)
    copies = [pair for pair in bench.pairs if pair.kind == pair.told == "copy"]
    hashes = {}
    wanted = np.array([pair.kind == "copy" for pair in bench.pairs])
    for place, name in enumerate(HASHES):
        apart = np.array([pair.hashes[place] for pair in bench.pairs])
        best = {"f1": -1.0}
        for limit in range(33):
            near = apart <= limit
            right = int((near & wanted).sum())
            precision, recall = right / max(int(near.sum()), 1), right / max(int(wanted.sum()), 1)
            f1 = 2 * precision * recall / max(precision + recall, 1e-9)
            if f1 > best["f1"]:
                best = {"f1": f1, "threshold": limit, "precision": precision, "recall": recall}
        hashes[name] = best
    return {
        "told": {name: dict(counts) for name, counts in sorted(told.items())},
        "kinds": kinds,
        "copy and burst told apart": parted,
        "copies found that a glance lets through": sum(pair.glanced for pair in copies) / max(len(copies), 1),
        "hashes, copies against all else": hashes,
        "milliseconds of processor a pair": 1000 * bench.seconds / max(len(bench.pairs), 1),
    }


def table(told: dict[str, dict[str, int]]) -> str:
    """What pairs were told to be, by kind and name."""
    rows = ["| pairs | copy | edit | burst | unsure | nothing |", "|---|---:|---:|---:|---:|---:|"]
    for name, counts in told.items():
        shown = " | ".join(str(counts.get(kind, 0)) for kind in ("copy", "edit", "burst", "unsure", NONE))
        rows.append(f"| {name} | {shown} |")
    return "\n".join(rows)


def sheet(bench: Bench, path: Path) -> None:
    """The pairs that were told wrong, side by side."""
    from PIL import ImageDraw

    shown = bench.shown[:60]
    page = Image.new("RGB", (3 * 420, max(1, -(-len(shown) // 3)) * 225), "white")
    for place, (text, *paths) in enumerate(shown):
        x, y = place % 3 * 420, place // 3 * 225
        ImageDraw.Draw(page).text((x, y + 2), text[:70], "black")
        for side, each in enumerate(paths):
            with Image.open(each) as image:
                page.paste(image.convert("RGB").resize((200, 200)), (x + 205 * side, y + 18))
    page.save(path)


if __name__ == "__main__":
    main()
