"""How well `transhash duplicates` tells copies from pictures that are merely similar: precision and recall.

python -m benchmarks.copies.copies PICTURES.parquet [--count 10000] [--copied 500]
    [--model MODEL] [--phash] [--keep FOLDER]
python -m benchmarks.copies.copies tiny-imagenet/train.parquet --near --count 100000 --copied 556 --phash
    # 5,004 copies

PICTURES has a column img with a file's bytes in each row (Tiny-ImageNet's as on the Hugging Face hub). Of some pictures
known copies are made, each in one way; everything is indexed, and the groups found are held against what is known.
Pictures of the set that are copies of one another by themselves would count as errors; how many of the errors are of
two such is said. `--near`: only resized, recompressed, a little cropped and shifted in colour. `--phash`: the package
imagehash beside, each pair within a threshold counting as named, at every threshold. `--keep`: use the files and the
library of an earlier run with the same settings. `--untrained`: codes of 16 bits by a small network with random
weights, for `--max-distance 16`, at which all pictures are compared whatever their codes are.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks.evaluation.changes import parse
from benchmarks.evaluation.perceptual import perceptual_hashes
from transhash import HammingIndex, HashModel, Library, load
from transhash.images import open_image

Truth = dict[str, list[tuple[str, str]]]  # of each way the names of originals and copies


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


def shifted(image: Image.Image) -> Image.Image:
    return parse("colour:0.1")(image, np.random.default_rng(list(image.tobytes()[:64])))


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
    "colours up to a tenth off": (shifted, 90),
}
NEAR = (
    *("the same, JPEG 60", "the same, JPEG 30", "half as large", "twice as large", "5 % cropped at the centre"),
    *("5 % cropped at a corner", "brighter by a fifth", "darker by a quarter", "colours up to a tenth off"),
)
OTHERS = {"mirrored (no copy)": (ImageOps.mirror, 90)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--copied", type=int, default=500, help="pictures copied in each way")
    parser.add_argument("--model")
    parser.add_argument("--max-distance", type=int, nargs="+", default=[0, 3, 8, 64])
    parser.add_argument("--near", action="store_true")
    parser.add_argument("--phash", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--untrained", action="store_true")
    settings = parser.parse_args()
    with place(settings.keep) as root:
        truth = make(root, settings.pictures, settings.count, settings.copied, near=settings.near)
        model = untrained(root / "model") if settings.untrained else load(settings.model)
        if Library.exists(root / ".transhash"):
            library = Library.open(root / ".transhash", model)
        else:
            library = Library.create(root / ".transhash", model)
        with library:
            library.index(root)
            print(f"{len(library):,} pictures, model {library.info().model}")
            for max_distance in settings.max_distance:
                judge(library, max_distance, truth, set(OTHERS))
        if settings.phash:
            judge_phash(root, truth, set(OTHERS))


@contextlib.contextmanager
def place(kept: Path | None) -> Iterator[Path]:
    """The folder for the pictures and their library: one that stays, or one for this run."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def untrained(folder: Path) -> HashModel:
    if (folder / "config.json").exists():
        return load(folder)
    import torch

    from transhash.nn.mgvt import MGVT, HashConfig
    from transhash.nn.vit import ViTConfig
    from transhash.training.export import export_model

    torch.manual_seed(0)
    shape = ViTConfig(image_size=28, patch_size=14, dim=32, depth=2, heads=2, mlp_dim=32)
    return export_model(MGVT(HashConfig(shape, bits=16)), folder, "untrained", {})


def make(root: Path, file: Path, count: int, copied: int, *, near: bool) -> Truth:
    """Write the pictures and their copies, those that are not there yet; what is a copy of what, by way."""
    import pyarrow.parquet as pq

    pictures = pq.read_table(file, columns=["img"])["img"][:count].to_pylist()
    rng = np.random.default_rng(0)
    for number, picture in enumerate(pictures):
        write(root / f"{number}.jpg", partial(bytes, picture["bytes"]))
    ways = {way: how for way, how in {**COPIES, **OTHERS}.items() if way in NEAR or not near}
    if not near:
        del ways["colours up to a tenth off"]
    truth: Truth = {way: [] for way in ways}
    places = rng.permutation(len(pictures))
    for place, (way, (change, quality)) in enumerate(ways.items()):
        for number in places[:copied] if way in OTHERS else rng.permutation(places)[:copied]:
            name = f"{number}-{place}.jpg"
            source = pictures[number]["bytes"]
            write(root / name, partial(saved, source, change, quality))
            truth[way].append((f"{number}.jpg", name))
    return truth


def write(path: Path, content: Callable[[], bytes]) -> None:
    if not path.exists():
        path.write_bytes(content())


def saved(source: bytes, change: Callable[[Image.Image], Image.Image], quality: int) -> bytes:
    data = io.BytesIO()
    change(open_image(source)).save(data, "JPEG", quality=quality)
    return data.getvalue()


def judge(library: Library, max_distance: int, truth: dict[str, list[tuple[str, str]]], others: set[str]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    groups = library.duplicates(max_distance).groups
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    found = {copy.path.name: number for number, group in enumerate(groups) for copy in (group.keep, *group.same)}
    print(f"\n--max-distance {max_distance}: {len(groups):,} groups, {wall:.1f} s, {processor:.1f} s of processor")
    for way, pairs in truth.items():
        hits = sum(found.get(one, -1) == found.get(other, -2) for one, other in pairs)
        print(f"| {way} | {hits / len(pairs):.1%} |")
    every = [pair for pairs in truth.values() for pair in pairs]
    hits = sum(found.get(one, -1) == found.get(other, -2) for one, other in every)
    mirrored = {other for way in others & truth.keys() for _, other in truth[way]}
    pairs = [(group.keep.path.name, copy.path.name) for group in groups for copy in group.same]
    right = sum(source(one, mirrored) == source(other, mirrored) for one, other in pairs)
    wrong = [pair for pair in pairs if source(pair[0], mirrored) != source(pair[1], mirrored)]
    print(f"recall {hits / len(every):.2%} of {len(every):,} copies")
    print(f"precision {right / max(len(pairs), 1):.2%}: {right:,} of {len(pairs):,} copies named are copies")
    print(f"wrong: {told(wrong)}")


def told(wrong: list[tuple[str, str]]) -> str:
    own = sum("-" not in one + other for one, other in wrong)
    return f"{len(wrong):,}, {own:,} of them two pictures of the set itself; {wrong[:20]}"


def judge_phash(root: Path, truth: Truth, others: set[str]) -> None:
    """Recall and precision of pHash at every threshold up to a quarter of its bits."""
    names = sorted(path.name for path in root.glob("*.jpg"))
    mirrored = {other for way in others & truth.keys() for _, other in truth[way]}
    sources = np.array([source(name, mirrored) for name in names])
    numbers = {name: number for number, name in enumerate(names)}
    codes = perceptual_hashes([root / name for name in names], ["pHash"])["pHash"]
    index = HammingIndex(64)
    index.add(codes)
    known = {way: np.array([[numbers[name] for name in pair] for pair in pairs]) for way, pairs in truth.items()}
    apart = {way: np.bitwise_count(codes[pairs[:, 0]] ^ codes[pairs[:, 1]]).sum(axis=1) for way, pairs in known.items()}
    queries = np.concatenate([apart[way] for way in apart if way not in others])
    right, named = np.zeros(17, np.int64), np.zeros(17, np.int64)
    limits, distances, found = index.range_search(codes, radius=16)
    asked = np.repeat(np.arange(len(codes)), np.diff(limits))
    once = found > asked
    is_right = sources[asked[once]] == sources[found[once]]
    named += np.bincount(distances[once], minlength=17)
    right += np.bincount(distances[once][is_right], minlength=17)
    print("\npHash, pairs within a threshold\n| threshold | recall | precision | F1 |\n|---:|---:|---:|---:|")
    for threshold in range(17):
        recall = (queries <= threshold).mean()
        precision = right[: threshold + 1].sum() / max(named[: threshold + 1].sum(), 1)
        score = 2 * recall * precision / max(recall + precision, 1e-9)
        print(f"| {threshold} | {recall:.2%} | {precision:.2%} | {score:.4f} |")
    for way, distances in apart.items():
        shares = ", ".join(f"{(distances <= threshold).mean():.1%}" for threshold in (2, 4, 6, 8, 10))
        print(f"| {way} | within 2, 4, 6, 8, 10: {shares} |")


def source(name: str, mirrored: set[str]) -> str:
    """The picture that a file was made from; a mirrored one stands for itself."""
    return name if name in mirrored else name.removesuffix(".jpg").partition("-")[0]


if __name__ == "__main__":
    main()
