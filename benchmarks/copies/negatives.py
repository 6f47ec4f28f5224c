"""Hard negatives: what the confirmation of duplicates tells of thousands of pairs that look alike and are no copies.

python -m benchmarks.copies.negatives PHOTOS [--frames DIR ...] [--library LIB] [--pairs 20000] [--seed 1]
                                      [--processes N] [--kept FILE] [--result FILE] [--sheet FILE.png]

Three sources, a third of the pairs from each as far as they go, or four with `--library`: neighbours by name, up to 10
places apart, in each folder that `--frames` names (films, flights); of each folder of PHOTOS the pairs within a folder
of pictures that correlate most at 32 × 32 pixels; drawn pages, forms, screens, maps, memes, skies, night shots and
blank pages (`drawn`), each kind against itself; pictures of a library that are among the 8 nearest of one another by
embedding, which is what `transhash duplicates` compares. `--kept` names a file to which the outcome of every part is
added: a run that was stopped goes on from there, if its other options are the same. A collection may hold copies of its
own: `--sheet` draws what was called a copy or an edit, so that one can look. Next to it how many of the pairs the
hashes of `confirmation` call copies, at each threshold.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.common import a_folder, write
from benchmarks.copies.confirmation import HASHES, files, hashes_of
from benchmarks.copies.drawn import DRAWN
from transhash.errors import ImageError
from transhash.images import open_image
from transhash.library import Library
from transhash.library.duplicates.neighbours import neighbours
from transhash.library.duplicates.pairing import Picture, compare
from transhash.library.duplicates.reading import Looked, look
from transhash.system import processors

APART = 10  # places between neighbours at most
AT_ONCE = 1500  # pictures of a folder among which pairs are sought
AMONG = 20_000  # pictures of a library among which the nearest are sought
PART = 50  # pairs that one process compares at once
LIMITS = (0, 2, 5, 8, 10, 15, 19, 20)  # bits within which a hash calls a pair a copy
Outcome = tuple[int, int, str, list[int], float]  # two numbers, what they were told to be, bits, seconds
KINDS = ("same-pixels", "copy", "edit", "burst", "unsure", "nothing")


class Pairs(NamedTuple):
    """Pairs of one kind: their pictures, and which of these are compared."""

    name: str
    files: list[Path]
    pairs: list[tuple[int, int]]


class Wrong(NamedTuple):
    """A pair that was called a copy or an edit."""

    name: str
    kind: str
    files: tuple[Path, Path]


class Kept:
    """The outcomes of the parts of a run, by their numbers; also in a file, from which a stopped run goes on."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.outcomes: dict[int, list[Outcome]] = {}
        for line in file.read_text().splitlines() if file and file.exists() else []:
            number, outcomes = json.loads(line)
            self.outcomes[number] = [tuple(each) for each in outcomes]

    def add(self, number: int, part: Future[list[Outcome]]) -> None:
        """Write the outcomes of a part, once they are there."""
        if self._file and not part.cancelled() and not part.exception():
            with self._file.open("a") as file:
                file.write(json.dumps([number, part.result()]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=a_folder)
    parser.add_argument("--frames", type=Path, nargs="*", default=[])
    parser.add_argument("--library", type=Path)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=processors())
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path)
    parser.add_argument("--sheet", type=Path)
    settings = parser.parse_args()
    random = np.random.default_rng(settings.seed)
    told: dict[str, Counter[str]] = defaultdict(Counter)
    wrong: list[Wrong] = []
    within = np.zeros((len(HASHES), 65), np.int64)
    seconds = 0.0
    kept = Kept(settings.kept)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(settings.processes) as processes:
        part = settings.pairs // (4 if settings.library else 3)
        sources = chain(
            nearest(settings.library, part, random) if settings.library else (),
            (frames(place, part // max(len(settings.frames), 1), random) for place in settings.frames),
            alike(settings.photos, part, random),
            drawn(Path(folder), part, random),
        )
        waiting = []
        for number, source in enumerate(part for every in sources for part in parted(every)):
            looked = None if number in kept.outcomes else processes.submit(compared, source)
            if looked is not None:
                looked.add_done_callback(partial(kept.add, number))
            waiting.append((number, source, looked))
        for number, source, looked in waiting:
            if looked is not None:
                kept.outcomes[number] = looked.result()
            for one, other, kind, apart, took in kept.outcomes[number]:
                told[source.name][kind] += 1
                seconds += took
                within[np.arange(len(HASHES)), apart] += 1
                if kind in KINDS[:3]:
                    wrong.append(Wrong(source.name, kind, (source.files[one], source.files[other])))
            print(source.name, dict(told[source.name]), flush=True)
        if settings.sheet and wrong:
            sheet(wrong, settings.sheet)
    total = Counter({kind: sum(counts[kind] for counts in told.values()) for kind in KINDS})
    results = {
        "pairs": sum(total.values()),
        "told": {name: dict(counts) for name, counts in sorted(told.items())},
        "total": dict(total),
        "milliseconds of processor a pair": 1000 * seconds / max(sum(total.values()), 1),
        "called a copy by hashes": {
            name: {str(limit): int(counts[: limit + 1].sum()) for limit in LIMITS}
            for name, counts in zip(HASHES, within, strict=True)
        },
        "called a copy or an edit": [f"{each.kind}: {each.name}: {each.files[0].name}, {each.files[1].name}"
                                     for each in wrong],
    }  # fmt: skip
    print(json.dumps({name: value for name, value in results.items() if name != "told"}, indent=1))
    if settings.result:
        write(settings.result, results)


def frames(folder: Path, count: int, random: np.random.Generator) -> Pairs:
    """Neighbours of a film or a flight."""
    paths = files(folder)
    pairs = [(one, other) for one in range(len(paths)) for other in range(one + 1, min(one + 1 + APART, len(paths)))]
    return Pairs(f"neighbours in {folder.parent.name}/{folder.name}", paths, some(pairs, count, random))


def nearest(folder: Path, count: int, random: np.random.Generator) -> Iterator[Pairs]:
    """Pictures of a library that are near by embedding, as a search for duplicates finds them."""
    with Library.open(folder) as library:
        with library.catalogue.reading():
            pages = list(library.catalogue.embeddings.pages())
        ids = np.concatenate([page[0] for page in pages])
        order = random.permutation(len(ids))[:AMONG]
        near, _ = neighbours(np.concatenate([page[1] for page in pages])[order])
        chosen = np.array(some(near.tolist(), count, random))
        rows, places = np.unique(chosen, return_inverse=True)
        named = library.pictures(ids[order[rows]].tolist())
        paths = [Path(named[each].path) for each in ids[order[rows]].tolist()]
    yield Pairs("nearest by embedding", paths, [(one, other) for one, other in places.reshape(-1, 2).tolist()])


def alike(photos: Path, count: int, random: np.random.Generator) -> Iterator[Pairs]:
    """Pictures of one folder that are most alike when they are small."""
    places = sorted(path for path in photos.iterdir() if path.is_dir())
    for place in places:
        paths = files(place)
        paths = [paths[number] for number in sorted(random.permutation(len(paths))[:AT_ONCE])]
        small = np.stack([tiny(path) for path in paths])
        alike = np.triu(small @ small.T, 1)
        best = np.argsort(-alike.ravel(), kind="stable")[: count // len(places)]
        yield Pairs(f"look-alikes in {place.name}", paths, [divmod(int(each), len(paths)) for each in best])


def drawn(folder: Path, count: int, random: np.random.Generator) -> Iterator[Pairs]:
    """Drawn pictures of one kind, on one template where the kind has any."""
    for name, draw in DRAWN.items():
        paths = []
        for number in range(2 + round(np.sqrt(2 * count / len(DRAWN)))):
            paths.append(folder / f"{name} {number}.png")
            draw(np.random.default_rng([number, 3]), np.random.default_rng(3)).save(paths[-1], compress_level=1)
        pairs = [(one, other) for one in range(len(paths)) for other in range(one + 1, len(paths))]
        yield Pairs(name, paths, some(pairs, count // len(DRAWN), random))


def some(pairs: list[tuple[int, int]], count: int, random: np.random.Generator) -> list[tuple[int, int]]:
    return [pairs[place] for place in sorted(random.permutation(len(pairs))[:count])]


def parted(source: Pairs) -> Iterator[Pairs]:
    for begin in range(0, len(source.pairs), PART):
        yield source._replace(pairs=source.pairs[begin : begin + PART])


def compared(source: Pairs) -> list[Outcome]:
    """Of each pair its numbers, what it was told to be, how many bits its hashes are apart, and seconds."""
    found: list[Outcome] = []
    seen: dict[int, tuple[Picture, Looked, np.ndarray] | None] = {}

    def looked(number: int) -> tuple[Picture, Looked, np.ndarray] | None:
        if number not in seen:
            try:
                with Image.open(source.files[number]) as image:
                    picture = Picture(source.files[number], "", image.size)
                seen[number] = picture, look(picture), hashes_of(source.files[number])
            except (ImageError, OSError):
                seen[number] = None
        return seen[number]

    for one, other in source.pairs:
        first, second = looked(one), looked(other)
        if first and second:
            begin = time.process_time()
            kind = compare(first[0], first[1], second[0], second[1]).kind
            took = time.process_time() - begin
            apart = np.count_nonzero(first[2] != second[2], axis=1)
            found.append((one, other, "nothing" if kind is None else str(kind), apart.tolist(), took))
    return found


def tiny(path: Path) -> np.ndarray:
    """Grey float32 [1024] of length 1; nothing of a file that is none."""
    try:
        image = open_image(path, min_side=64).convert("L").resize((32, 32))
    except ImageError:
        return np.zeros(1024, np.float32)
    grey = np.asarray(image, np.float32).ravel()
    return np.asarray((grey - grey.mean()) / (np.linalg.norm(grey - grey.mean()) + 1), np.float32)


def sheet(wrong: list[Wrong], path: Path) -> None:
    shown = wrong[:120]
    page = Image.new("RGB", (4 * 420, -(-len(shown) // 4) * 225), "white")
    for place, each in enumerate(shown):
        x, y = place % 4 * 420, place // 4 * 225
        ImageDraw.Draw(page).text((x, y + 2), f"{each.kind}: {each.name}"[:66], "black")
        for side, file in enumerate(each.files):
            with Image.open(file) as image:
                image.draft("RGB", (400, 400))
                small = image.convert("RGB")
                small.thumbnail((200, 200))
                page.paste(small, (x + 205 * side, y + 18))
    page.save(path)


if __name__ == "__main__":
    main()
