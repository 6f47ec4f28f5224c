"""From how many pictures on fitted codes are better than general ones, and how they age in a library that grows.

    python -m benchmarks.photographs.growing --photographs DIR [--pictures 100,300,…] [--bits 16,64] [--rounds N]
                                             [--json FILE]

DIR holds the sets of `box/more.csv`: the model that ships learned from none of them, and none reports. Only those with
classes are read, 1,200 photographs of each at most. In a round the sets are parted into two halves by a seed. A library
has photographs of classes of the first half, `EACH` of a class or more, and others of these classes ask. Then it grows
by classes of the other half until one picture is missing to twice as many, at which a library fits its codes again.

The first table has the mean tie-aware mAP in the library: of general codes, of fitted ones, of the cosines of
embeddings, and of cosines after the map that orders hits. The second one is of the library that has grown, for queries
of the first half and of the other: general codes, codes that were fitted before it grew, and those that would be fitted
now. "Hits" are the shares of the query's class within the first ten that such a library shows, with what was fitted
before and now, and with plain cosines.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import transhash
from benchmarks.common import a_folder, write
from benchmarks.photographs.labelled import MOST, read, unseen
from transhash.codes import pack
from transhash.evaluation.cosine import cosine_map
from transhash.library.ranking import candidates
from transhash.model.fitted import Head, cosines, fit_head
from transhash.search import HammingIndex

EACH, FEWEST = 30, 10  # of a class, in a library (more where it wants more); a class of fewer takes no part
ASKING = 6  # of a class
QUERIES = 500  # at most
SHOWN = 10  # hits

Bytes = NDArray[np.uint8]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Some:
    """Photographs of one set or several."""

    kept: NDArray[np.int8]  # [N, V], embeddings
    general: dict[int, Bytes]  # [N, B/8], the model's own codes, by their bits
    classes: Rows  # [N]

    def of(self, rows: Rows) -> Some:
        """Some of them."""
        return Some(self.kept[rows], {bits: codes[rows] for bits, codes in self.general.items()}, self.classes[rows])


def together(parts: list[Some]) -> Some:
    """All of several; classes stay apart."""
    classes, first = [], 0
    for part in parts:
        classes.append(part.classes + first)
        first += int(part.classes.max()) + 1
    general = {bits: np.concatenate([part.general[bits] for part in parts]) for bits in parts[0].general}
    return Some(np.concatenate([part.kept for part in parts]), general, np.concatenate(classes))


def read_all(root: Path, cache: Path, lengths: list[int]) -> dict[str, Some]:
    """The sets that are there, as the shipped model reads them."""
    model, found = transhash.load(), {}
    for name, files in unseen(root).items():
        seen = read(model, name, files, cache)
        general = {bits: pack(seen.values[:, model.place(bits)]) for bits in lengths}
        found[name] = Some(seen.kept, general, seen.classes)
    return found


def drawn(whole: Some, half: Rows, count: int, random: np.random.Generator) -> tuple[Rows, Rows]:
    """Of the photographs of a half so many for a library, by whole classes, and others of these classes that ask."""
    each = EACH
    while each < MOST and _all_of(whole, half, each) < count:
        each *= 2
    library: list[int] = []
    asking: list[int] = []
    for kind in random.permutation(np.unique(whole.classes[half])):
        rows = random.permutation(half[whole.classes[half] == kind])
        if len(rows) < FEWEST:
            continue
        ask = min(ASKING, len(rows) // 4)
        asking += rows[:ask].tolist()
        library += rows[ask : ask + each].tolist()
        if len(library) >= count:
            break
    there = np.array(library[:count])
    known = np.isin(whole.classes[asking], whole.classes[there])
    return there, random.permutation(np.array(asking)[known])[:QUERIES]


def _all_of(whole: Some, half: Rows, each: int) -> int:
    """How many photographs a library can have with so many of a class."""
    counts = np.bincount(whole.classes[half])
    return int(np.minimum(each, counts - np.minimum(ASKING, counts // 4))[counts >= FEWEST].sum())


def scores(asking: Some, library: Some, heads: dict[str, Head], bits: int) -> dict[str, float]:
    """Tie-aware mAP of general codes, and of those of hash layers."""

    def score(codes: Bytes, others: Bytes) -> float:
        return transhash.evaluate(codes, asking.classes, others, library.classes).map

    found = {"general": score(asking.general[bits], library.general[bits])}
    found |= {name: score(head.codes(asking.kept), head.codes(library.kept)) for name, head in heads.items()}
    return found


def of_cosines(asking: Some, library: Some, head: Head) -> float:
    """Tie-aware mAP of cosines, after the map that hash layers have, if they have one."""
    one, other = (head.ordered(some.kept).astype(np.float32) for some in (asking, library))
    return cosine_map(one, asking.classes, other, library.classes)


def shown(asking: Some, library: Some, head: Head) -> float:
    """The share of the query's class within the first hits, as a library orders them."""
    index = HammingIndex(head.bits)
    index.add(head.codes(library.kept))
    near = index.search(head.codes(asking.kept), min(candidates(len(library.kept)), len(library.kept)))[1]
    right = []
    queries, others = head.ordered(asking.kept), head.ordered(library.kept)
    for one, kind, rows in zip(queries, asking.classes, near, strict=True):
        order = np.argsort(-cosines(one, others[rows]), kind="stable")[:SHOWN]
        right.append((library.classes[rows[order]] == kind).mean())
    return float(np.mean(right))


def measure(sets: dict[str, Some], count: int, bits: int, seed: int) -> dict[str, Any]:
    """One round: a library of so many photographs, and what becomes of its codes when it grows into other kinds."""
    random = np.random.default_rng(seed)
    order = random.permutation(list(sets))
    whole = together([sets[name] for name in order])
    half = sum(len(sets[name].kept) for name in order[: len(order) // 2])
    rows, ask = drawn(whole, np.arange(half), count, random)
    more, ask_more = drawn(whole, np.arange(half, len(whole.kept)), len(rows) - 1, random)
    library, asking = whole.of(rows), whole.of(ask)
    grown, others = whole.of(np.concatenate([rows, more])), whole.of(ask_more)
    before, now = (fit_head(some.kept, bits, orders=len(some.kept)) for some in (library, grown))
    plain = replace(now, order=None)
    return {
        "pictures": len(rows),
        "alike": {
            **scores(asking, library, {"fitted": before}, bits),
            "cosines": of_cosines(asking, library, plain),
            "ordered": of_cosines(asking, library, before),
        },
        "grown": {
            name: {
                **scores(each, grown, {"before": before, "now": now}, bits),
                "hits_before": shown(each, grown, before),
                "hits_now": shown(each, grown, now),
                "hits_plain": shown(each, grown, plain),
            }
            for name, each in (("first", asking), ("other", others))
        },
    }


def mean(found: list[Any]) -> Any:
    """The mean of numbers, or of each number of dictionaries."""
    if isinstance(found[0], dict):
        return {name: mean([each[name] for each in found]) for name in found[0]}
    return round(float(np.mean(found)), 4)


def markdown(results: list[dict[str, Any]]) -> str:
    """Both tables."""
    lines = ["| pictures | bits | general | fitted | cosines | ordered |", "|---:|" + "---:|" * 5]
    for found in results:
        cells = [f"{found['alike'][name]:.3f}" for name in ("general", "fitted", "cosines", "ordered")]
        lines.append(f"| {found['pictures']:,.0f} | {found['bits']} | {' | '.join(cells)} |")
    names = ("general", "before", "now", "hits_before", "hits_now", "hits_plain")
    head = " | ".join(names).replace("_", ", ")
    lines += ["", f"| pictures | bits | queries | {head} |", "|---:|---:|---|" + "---:|" * len(names)]
    for found in results:
        for queries, row in found["grown"].items():
            cells = [f"{row[name]:.3f}" for name in names]
            lines.append(f"| {found['pictures']:,.0f} | {found['bits']} | {queries} | {' | '.join(cells)} |")
    return "\n".join(lines).replace(" 0.", " .")


def main() -> None:
    """The tables, and a file of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=a_folder, required=True, help="folder of the sets")
    parser.add_argument("--pictures", default="100,300,1000,3000,10000", help="sizes of libraries, with commas")
    parser.add_argument("--bits", default="16,64", help="code lengths, with commas")
    parser.add_argument("--rounds", type=int, default=5, help="whose mean is told")
    parser.add_argument("--cache", type=Path, default=Path(".cache/photographs"), help="folder of what the model says")
    parser.add_argument("--json", type=Path, help="file of results")
    given = parser.parse_args()
    lengths = [int(bits) for bits in given.bits.split(",")]
    sets = read_all(given.photographs, given.cache, lengths)
    results = []
    for count in map(int, given.pictures.split(",")):
        for bits in lengths:
            rounds = [measure(sets, count, bits, seed) for seed in range(given.rounds)]
            results.append({"bits": bits, **mean(rounds), "rounds": [each["alike"] for each in rounds]})
    print(markdown(results))
    if given.json:
        write(given.json, {"sets": {name: len(some.kept) for name, some in sets.items()}, "results": results})


if __name__ == "__main__":
    main()
