"""Real codes for `python -m benchmarks.search.compare`: of a model, of all pictures of Parquet files or folders.

    python -m benchmarks.search.real_codes --model runs/cifar10/model benchmarks/search/real.npy DATA/*/*.parquet
    python -m benchmarks.search.real_codes --embeddings --most 128 benchmarks/search/photographs.npy PHOTOGRAPHS/*

With `--embeddings` the file has embeddings, from which codes of any length are made, as a library makes them. What was
encoded is kept beside the output until that is complete, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import transhash
from transhash.data.parquet import read_parquet
from transhash.images.opening import Source
from transhash.model.encoding import collect

AT_ONCE = 1000  # pictures that are encoded before their codes are kept


def pictures(place: Path, most: int | None = None) -> Sequence[Source]:
    """The pictures of a Parquet file, or those below a folder, in order; at most so many, drawn at random."""
    if place.is_dir():
        found: Sequence[Source] = sorted(
            path for path in place.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"}
        )
    else:
        found = read_parquet([place]).pictures
    return found if most is None or len(found) <= most else random.Random(0).sample(found, most)


def embeddings(model: transhash.HashModel, some: Sequence[Source]) -> NDArray[np.int8]:
    """The embeddings of pictures, int8 [N, V]; one that cannot be used is named and left out."""
    read = collect(model.stream(some), lambda error: print(error, file=sys.stderr))
    return np.stack([each.embedding for each in read if each.embedding is not None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("places", nargs="+", type=Path)
    parser.add_argument("--model", help="a model's directory; the one that ships by default")
    parser.add_argument("--embeddings", action="store_true", help="embeddings, int8 [N, V], in the place of codes")
    parser.add_argument("--most", type=int, help="pictures of each place")
    options = parser.parse_args()
    model = transhash.load(options.model)
    parts, kept = [], []
    for place in options.places:
        found = pictures(place, options.most)
        for first in range(0, len(found), AT_ONCE):
            what = f"{model.fingerprint} {options.embeddings} {options.most} {place.resolve()} {first}"
            key = hashlib.sha256(what.encode()).hexdigest()[:12]
            kept.append(options.out.with_suffix(f".{key}.npy"))
            if not kept[-1].exists():
                some = found[first : first + AT_ONCE]
                np.save(kept[-1], embeddings(model, some) if options.embeddings else model.encode(some))
            parts.append(np.load(kept[-1]))
        print(f"{place}: {len(found):,} pictures", flush=True)
    np.save(options.out, np.concatenate(parts))
    for part in kept:
        part.unlink()


if __name__ == "__main__":
    main()
