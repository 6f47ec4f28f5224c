"""Whether a thing is found when it is seen from another side, with another camera, or in another light.

    python -m benchmarks.photographs.views --photographs DIR [--peers NAME …] [--json FILE]

DIR holds the sets as `VIEWS` names their folders; a set that is not there is left out. Each picture is
searched with among all others of its set. The table has the share of a thing's other pictures that are among the first
as many hits as there are of them, and in brackets the share of queries whose first hit shows the same thing; of equal
distances each has its part. Sides are drawn evenly where a thing has many. Nothing was chosen on these sets.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import transhash
from benchmarks.common import a_folder, write
from benchmarks.photographs.box.embedding import embedded
from benchmarks.photographs.measure import PEERS, after_its_map, hashed, read
from benchmarks.photographs.sets import pictures
from transhash.codes import hamming, pack
from transhash.evaluation.cosine import unit
from transhash.model.directory import EMBEDDING
from transhash.model.fitted import fit_head
from transhash.shallow import smoothed_itq

BITS = 64
ORDERED = "as hits are ordered"  # after a map that is learned from the set; of other networks from their features
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Views:
    """Pictures of things from several sides."""

    place: str
    pattern: str
    thing: Callable[[str], str]  # of a path below the place, without its suffix: which thing it shows
    sides: int  # of each thing, at most

    def files(self, root: Path) -> tuple[list[Path], NDArray[np.int64]]:
        """The pictures, and which thing each shows."""
        things: dict[str, list[Path]] = {}
        for path in pictures(root / self.place, self.pattern):
            name = path.relative_to(root / self.place).with_suffix("").as_posix()
            things.setdefault(self.thing(name), []).append(path)
        files, labels = [], []
        for label, (_, sides) in enumerate(sorted(things.items())):
            drawn = [sides[len(sides) * i // self.sides] for i in range(min(self.sides, len(sides)))]
            files += drawn
            labels += [label] * len(drawn)
        return files, np.array(labels, np.int64)


VIEWS = {
    "UKBench": Views("views/ukbench", "*.jpg", lambda name: str(int(name[-5:]) // 4), 4),
    "Covers": Views("views/dvdcovers/dvd_covers", "*/*.jpg", lambda name: name.rpartition("/")[2], 5),
    "Seen again": Views("views/smvs", "*/*/*.jpg", lambda name: name.partition("/")[0] + name.rpartition("/")[2], 2),
    "ETH-80": Views("views/eth80", "*/*/*.png", lambda name: name.rpartition("/")[2].partition("-")[0], 8),
    "Grocery store": Views(
        "views/grocerystore/dataset", "*/Packages/**/*.jpg", lambda name: name.rpartition("/")[2].rpartition("_")[0], 12
    ),
}
"""250 things at home from four sides (dmiruke/Python-Pyimagesearch-IP at e590bc79); the covers of 100 films, as they
are and with four cameras (kdatsenko/scalable-vocabulary-tree-image-recognition at d4516d0a); 293 books, landmarks and
paintings, twice (shubharthaksangharsha/trimester2 at 2254f665); ten things of each of eight kinds, turned
(Kai-Xuan/ETH-80 at 9243466b); 31 packed goods, as people photograph them in shelves
(marcusklasson/GroceryStoreDataset at fc80ba90)."""


def found(distances: NDArray[Any], things: NDArray[np.int64]) -> tuple[float, float]:
    """Of distances [N, N] of pictures of things [N]: the share of views found, and of right first hits."""
    shares, first = [], []
    for row, (own, thing) in enumerate(zip(distances, things, strict=True)):
        others = np.delete(own, row)
        same = np.delete(things == thing, row)
        if same.any():
            shares.append(_within(others, same, int(same.sum())))
            first.append(_within(others, same, 1))
    return float(np.mean(shares)), float(np.mean(first))


def _within(distances: NDArray[Any], same: NDArray[np.bool_], count: int) -> float:
    """The share of the first `count` that are the same, where each order of equal distances is as likely."""
    bound = np.partition(distances, count - 1)[count - 1]
    nearer, equal = distances < bound, distances == bound
    part = (count - nearer.sum()) / equal.sum()
    return float((same[nearer].sum() + part * same[equal].sum()) / count)


def measure(features: Floats, general: NDArray[np.uint8] | None, kept: NDArray[np.int8] | None) -> dict[str, Any]:
    """The distances of each way to find: floats, fitted codes, and for the model its general codes and embeddings."""
    ways: dict[str, Any] = {"floats": -unit(features) @ unit(features).T}
    if kept is None or general is None:
        codes, mapped = hashed(smoothed_itq(features, BITS), features), unit(after_its_map(features, 0))
        return {**ways, ORDERED: -mapped @ mapped.T, f"fitted, {BITS} bits": hamming(codes, codes)}
    head = fit_head(kept, BITS, orders=len(kept))
    vectors, codes = unit(head.ordered(kept).astype(np.float32)), head.codes(kept)
    ways[ORDERED] = -vectors @ vectors.T
    ways[f"fitted, {BITS} bits"] = hamming(codes, codes)
    ways[f"general, {BITS} bits"] = hamming(general, general)
    return ways


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        cell = f"{row['views']:.3f} ({row['first']:.3f})".replace("0.", ".")
        lines.setdefault((row["codes"], row["network"]), {})[row["set"]] = cell
    text = [f"| codes | network | {' | '.join(sets)} |", f"|---|---|{'---:|' * len(sets)}"]
    text += [
        f"| {codes} | {network} | {' | '.join(lines[codes, network].values())} |" for codes, network in sorted(lines)
    ]
    return "\n".join(text)


def main() -> None:
    """The table, and a file of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=a_folder, required=True, help="folder of the sets")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="of others, these alone")
    parser.add_argument("--cache", type=Path, default=Path(".cache/photographs"), help="folder of what networks say")
    parser.add_argument("--json", type=Path, help="file of results")
    given = parser.parse_args()
    model, rows = transhash.load(), []
    for name, sides in VIEWS.items():
        files, things = sides.files(given.photographs)
        if not files:
            print(f"{name}: not in {given.photographs}")
            continue
        for network in ("ours", *given.peers):
            values = read(network, name, files, model, given.cache)
            features, general, kept = values, None, None
            if network == "ours":
                features, general = values[:, sum(model.lengths) :], pack(values[:, model.place(BITS)])
                kept = embedded(np.load(model.folder / EMBEDDING), features)
            for codes, distances in measure(features, general, kept).items():
                share, first = found(distances, things)
                row = {
                    "set": name,
                    "network": network,
                    "codes": codes,
                    "views": round(share, 4),
                    "first": round(first, 4),
                }
                rows.append({**row, "pictures": len(files), "things": int(things.max()) + 1})
    print(markdown(rows))
    if given.json:
        write(given.json, {"model": model.name, "fingerprint": model.fingerprint, "rows": rows})


if __name__ == "__main__":
    main()
