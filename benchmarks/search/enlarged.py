"""Are codes that were made from few photographs as near to one another as those of many photographs?

    python -m benchmarks.search.enlarged [FILE.npy] [--of 750,1500,3000] [--bits 64,128]

Some of the embeddings of FILE (`benchmarks.search.real_codes --embeddings`) are grown to as many as FILE has. The table
has how many bits the 1st, 10th and 100th nearest code differs, medians of 300 queries. `flipped` are codes that are
drawn from as many, with each bit flipped at the rate at which ten nearest neighbours differ in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.search.peers import flipped, grown
from transhash.model.fitted import fit_head
from transhash.search import HammingIndex

QUERIES, PLACES = 300, (1, 10, 100)


def distances(codes: NDArray[np.uint8]) -> list[float]:
    """How many bits some of the codes, uint8 [N, bits/8], differ from their 1st, 10th and 100th nearest: medians."""
    asking, others = np.split(np.random.default_rng(0).permutation(codes), [QUERIES])
    index = HammingIndex(codes.shape[1] * 8)
    index.add(others)
    return [float(np.median(found)) for found in index.search(asking, max(PLACES))[0].T[np.array(PLACES) - 1]]


def rows(kept: NDArray[np.int8], some: list[int], bits: int) -> Iterator[tuple[str, int, list[float]]]:
    """What is compared, how many photographs it comes from, and its distances."""
    head, kept = fit_head(kept, bits), np.random.default_rng(1).permutation(kept)
    yield "photographs", len(kept), distances(head.codes(kept))
    for few in some:
        own = kept[:few]
        yield "grown", few, distances(grown(own, len(kept), head))
        yield "flipped", few, distances(flipped(head.codes(own), len(kept), np.random.default_rng(2)))


def main() -> None:
    """A table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    file = Path(__file__).with_name("photographs.npy")
    parser.add_argument("file", nargs="?", type=Path, default=file, help="embeddings, int8 [N, V]")
    parser.add_argument("--of", default="750,1500,3000", help="of how many they are grown, with commas")
    parser.add_argument("--bits", default="64,128", help="code lengths, with commas")
    given = parser.parse_args()
    print("| bits | codes | of photographs | 1st | 10th | 100th |", "|---:|---|---:|---:|---:|---:|", sep="\n")
    for bits in map(int, given.bits.split(",")):
        for what, of, each in rows(np.load(given.file), [int(few) for few in given.of.split(",")], bits):
            print(f"| {bits} | {what} | {of:,} | " + " | ".join(f"{found:.0f}" for found in each) + " |", flush=True)


if __name__ == "__main__":
    main()
