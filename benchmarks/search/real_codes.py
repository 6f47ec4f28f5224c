"""Real codes for `python -m benchmarks.search.compare`: a model's codes of all pictures of Parquet files or folders.

    python -m benchmarks.search.real_codes --model runs/cifar10/model benchmarks/search/real.npy DATA/*/*.parquet
    python -m benchmarks.search.real_codes --bits 128 benchmarks/search/photographs.npy DIR/voc DIR/cub DIR/dtd

What was encoded is kept beside the output until that is complete, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import transhash
from transhash.data.parquet import read_parquet
from transhash.images.opening import Source

AT_ONCE = 1000  # pictures that are encoded before their codes are kept


def pictures(place: Path) -> Sequence[Source]:
    """The pictures of a Parquet file, or those below a folder, in order."""
    if place.is_dir():
        return sorted(path for path in place.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    return read_parquet([place]).pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("places", nargs="+", type=Path)
    parser.add_argument("--model", help="a model's directory; the one that ships by default")
    parser.add_argument("--bits", type=int, help="of its lengths; that of the model by default")
    options = parser.parse_args()
    model = transhash.load(options.model, options.bits)
    parts, kept = [], []
    for place in options.places:
        found = pictures(place)
        for first in range(0, len(found), AT_ONCE):
            key = hashlib.sha256(f"{model.fingerprint} {place.resolve()} {first}".encode()).hexdigest()[:12]
            kept.append(options.out.with_suffix(f".{key}.npy"))
            if not kept[-1].exists():
                np.save(kept[-1], model.encode(found[first : first + AT_ONCE]))
            parts.append(np.load(kept[-1]))
        print(f"{place}: {len(found):,} pictures", flush=True)
    np.save(options.out, np.concatenate(parts))
    for part in kept:
        part.unlink()


if __name__ == "__main__":
    main()
