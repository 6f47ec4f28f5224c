"""How many of the nearest pictures a library elsewhere finds, such as a collection in Milvus with BIN_IVF_FLAT.

    python -m benchmarks.search.recall LIBRARY ADDRESS [--queries 500] [-k 100]

Pictures of the local library are the queries. A hit counts that is as near as the k-th nearest, whichever it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from transhash import Library, open_library
from transhash.library import Queries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("address")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("-k", type=int, default=100)
    given = parser.parse_args()
    with Library.open(given.library) as library, open_library(given.address, library.model) as elsewhere:
        ids = library.passing()
        chosen = np.random.default_rng(0).choice(ids, min(given.queries, len(ids)), replace=False)
        codes = np.array(
            [np.frombuffer(bytes.fromhex(each.code), np.uint8) for each in library.pictures(chosen).values()]
        )
        found = wanted = 0
        both = (each.search(Queries(codes), given.k) for each in (library, elsewhere))
        for exact, theirs in zip(*both, strict=True):
            wanted += len(exact)
            found += sum(hit.distance <= exact[-1].distance for hit in theirs)
    print(f"{given.address}: recall {found / wanted:.4f} of the {given.k} nearest, {len(codes)} queries")


if __name__ == "__main__":
    main()
